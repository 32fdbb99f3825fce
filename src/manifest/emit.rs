//! Objects as YAML that every reader, kubectl's among them, reads back as they are.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::object::Object;
use crate::yaml::reads_as_string;

/// The objects as documents, keys in order of the alphabet as `kubectl get -o yaml` prints them.
pub fn to_yaml(objects: &[Object]) -> String {
    let mut out = String::new();
    for object in objects {
        if !out.is_empty() {
            out.push_str("---\n");
        }
        out.push_str(&value_to_yaml(&object.value));
    }
    out
}

/// One value as a document, ending in a line end.
pub fn value_to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => mapping(&mut out, map, 0),
        Value::Array(items) if !items.is_empty() => sequence(&mut out, items, 0),
        leaf => {
            // Lines at the very margin are not everywhere taken for the text's own.
            inline(&mut out, leaf, 1);
            out.push('\n');
        }
    }
    out
}

fn indent(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// The entries of a mapping; the first one's indentation is the caller's where it stands behind a dash.
fn mapping(out: &mut String, map: &Map<String, Value>, depth: usize) {
    let mut entries: Vec<_> = map.iter().collect();
    // The order does not depend on how the JSON library was built.
    entries.sort_by_key(|(key, _)| key.as_str());
    for (number, (key, value)) in entries.into_iter().enumerate() {
        if number > 0 || out.is_empty() || out.ends_with('\n') {
            indent(out, depth);
        }
        key_text(out, key);
        out.push(':');
        below(out, value, depth);
    }
}

/// The value of a key: collections begin on the next line, lists at the key's own column.
fn below(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            mapping(out, map, depth + 1);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            sequence(out, items, depth);
        }
        leaf => {
            out.push(' ');
            inline(out, leaf, depth + 1);
            out.push('\n');
        }
    }
}

fn sequence(out: &mut String, items: &[Value], depth: usize) {
    for (number, item) in items.iter().enumerate() {
        if number > 0 || out.is_empty() || out.ends_with('\n') {
            indent(out, depth);
        }
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => mapping(out, map, depth + 1),
            Value::Array(items) if !items.is_empty() => sequence(out, items, depth + 1),
            leaf => {
                inline(out, leaf, depth + 1);
                out.push('\n');
            }
        }
    }
}

/// A value without parts. `depth` is that of its continuation lines.
fn inline(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::String(text) if is_literal(text) => literal(out, text, depth),
        Value::String(text) => quoted(out, text),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        // Null, booleans and numbers are written alike in JSON and YAML.
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// A key stays on one line, and within the 1,024 characters in which libyaml looks for its colon.
fn key_text(out: &mut String, key: &str) {
    if key.len() > 100 {
        out.push_str("? ");
        quoted(out, key);
        out.push('\n');
        let line = out.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
        let column = out[line..].find("? ").unwrap_or(0);
        // Behind a dash the key's column is the dash's and two more.
        out.push_str(&" ".repeat(column));
    } else {
        quoted(out, key);
    }
}

/// Whether a text is best shown line by line.
fn is_literal(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && text.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
}

fn literal(out: &mut String, text: &str, depth: usize) {
    let body = text.trim_end_matches('\n');
    out.push_str(match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, depth);
            out.push_str(line);
        }
    }
    // The last line end is the caller's.
    out.push_str(text[body.len()..].get(1..).unwrap_or_default());
}

fn quoted(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
    } else if text.chars().all(is_printable) {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    } else {
        double_quoted(out, text);
    }
}

fn double_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) < 0x100 => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if u32::from(c) < 0x1_0000 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out.push('"');
}

/// Characters that every YAML reader takes as they are, line breaks of any kind not among them.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{1_0000}'..)
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Whether a text needs no quotes with any reader: a word or two that looks like nothing else.
fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let is_flag =
        text.starts_with('-') && text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_alphabetic());
    let starts = first.is_ascii_alphanumeric() || first == '/' || first == '_' || is_flag;
    let inside = |c: char| c.is_ascii_alphanumeric() || " _-./:=+()$^~;,@".contains(c);
    starts
        && text.chars().all(inside)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && reads_as_string(text)
        && !is_word_to_others(text)
        && !is_number_to_others(text)
}

/// Booleans and nulls of readers that are less strict about upper case than kubectl's.
fn is_word_to_others(text: &str) -> bool {
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

/// Numbers, dates and times of readers of any YAML: what begins with a digit and holds only what those hold.
fn is_number_to_others(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_hexdigit() || "xXoOpP_.:+-TZtz ,".contains(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::yaml::load;

    fn back(value: &Value) -> Value {
        let text = value_to_yaml(value);
        let loaded = load(&text);
        assert_eq!(loaded.faults, [], "{text}");
        assert_eq!(loaded.notes, [], "{text}");
        loaded.documents.into_iter().next().map_or(Value::Null, |document| document.value)
    }

    #[test]
    fn objects_look_as_kubectl_prints_them() {
        let value = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "labels": {}, "finalizers": []},
            "data": {"a": "line\n  two\n", "b": "no\nend", "c": "yes", "d": "010", "e": "1_000", "f": "=", "g": "12:30:45",
                "h": "it's: so", "i": "", "j": "2001-01-01", "k": "tab\there", "l": "1e3", "m": "a\n\n", "n": "{{ x }}", "o": "é"},
            "spec": {"list": [{"name": "a", "args": ["--x=1", "-c"]}, [1, [2]], "s"], "n": 1, "f": 1.5, "t": true, "z": null},
        });
        let text = "\
apiVersion: v1
data:
  a: |
    line
      two
  b: |-
    no
    end
  c: 'yes'
  d: '010'
  e: '1_000'
  f: '='
  g: '12:30:45'
  h: 'it''s: so'
  i: ''
  j: '2001-01-01'
  k: \"tab\\there\"
  l: '1e3'
  m: |+
    a

  'n': '{{ x }}'
  o: 'é'
kind: ConfigMap
metadata:
  finalizers: []
  labels: {}
  name: x
spec:
  f: 1.5
  list:
  - args:
    - --x=1
    - -c
    name: a
  - - 1
    - - 2
  - s
  'n': 1
  t: true
  z: null
";
        assert_eq!(value_to_yaml(&value), text);
        assert_eq!(back(&value), value);
    }

    #[test]
    fn long_keys_are_found_again() {
        let key = "k".repeat(2000);
        let value = json!({"a": [{&key: 1, "b": {&key: {"c": [1]}}}], &key: "x\ny"});
        assert_eq!(back(&value), value);
    }

    #[test]
    fn lines_of_a_document_that_is_a_text_are_read_back() {
        for text in [",\n", "---\n", "- a\nb", "...\n\n", "# a\n"] {
            assert_eq!(back(&json!(text)), json!(text));
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ -~]{0,12}",
            "[-?:,\\[\\]{}#&*!|>'\"%@`a \n\t]{0,8}",
            "\\PC{0,6}",
            any::<String>().prop_map(|text| text.replace('\0', "")),
            "[0-9xobe_.:+-]{1,8}",
            "(yes|no|y|null|~|<<|=|---|\\.inf|0o7|TRUE|off)",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e6..1e6f64).prop_filter("whole", |number| number.fract() != 0.0).prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(value in values()) {
            prop_assert_eq!(back(&value), value);
        }
    }
}
