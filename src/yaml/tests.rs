//! Tests of both readers: places, merges, limits, and what kubectl makes of whole documents.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn values(text: &str) -> Vec<Value> {
    let loaded = load(text);
    assert_eq!(loaded.faults, [], "{text}");
    loaded.documents.into_iter().map(|document| document.value).collect()
}

fn fault(text: &str) -> YamlError {
    let mut faults = load(text).faults;
    assert_eq!(faults.len(), 1, "{text}");
    faults.remove(0)
}

#[test]
fn documents_are_split_as_kubectl_splits_them() {
    assert_eq!(
        values("---\na: 1\n---   # two\r\nb: 2\r\n---\n# nothing\n---\n\n---\nc: 3"),
        [json!({"a": 1}), json!({"b": 2}), json!({"c": 3}),]
    );
    let error = fault("a: 1\n--- {b: 2}\n");
    assert_eq!((error.position.line, error.position.column), (2, 1));
    assert_eq!(
        error.message,
        "only a comment may follow the separator `---`, not `{b: 2}`: begin a new line"
    );
}

#[test]
fn what_follows_the_first_node_is_named_and_not_read() {
    for text in ["a: 1\n...\nb: 2\n", "{a: 1}\nb: 2\n", "a: 1\n...\n]]]\n"] {
        let loaded = load(text);
        assert_eq!(loaded.documents.len(), 1, "{text}");
        assert_eq!(loaded.documents[0].value, json!({"a": 1}));
        assert_eq!(loaded.notes.len(), 1, "{text}");
    }
}

#[test]
fn one_broken_document_leaves_the_others() {
    let loaded = load("a: 1\n---\nb: [1\n---\nc: 3\n---\nd: {{ .Values.x }}\n");
    let found: Vec<_> = loaded.documents.iter().map(|document| document.value.clone()).collect();
    assert_eq!(found, [json!({"a": 1}), json!({"c": 3})]);
    assert_eq!(loaded.faults.len(), 2);
    assert_eq!(loaded.faults[0].position.line, 4, "{:?}", loaded.faults[0]);
    assert_eq!(loaded.faults[0].hint, None);
    assert_eq!(loaded.faults[1].position.line, 7);
    assert!(loaded.faults[1].hint.as_ref().unwrap().contains("`helm` source"));
}

#[test]
fn merges_count_where_they_stand() {
    assert_eq!(values("q: 3\n<<: {q: 2}"), [json!({"q": 2})]);
    assert_eq!(values("<<: {q: 2}\nq: 3"), [json!({"q": 3})]);
    assert_eq!(values("<<: [{q: 1}, {q: 2, r: 3}]"), [json!({"q": 1, "r": 3})]);
    assert_eq!(
        values("a: &a {x: 1}\nb: {<<: *a, z: 2}\nc: {\"<<\": 5}"),
        [json!({"a": {"x": 1}, "b": {"x": 1, "z": 2}, "c": {"<<": 5}})]
    );
    assert_eq!(fault("<<: 5").message, "a merge (`<<`) takes a mapping or a list of mappings");
    assert_eq!(load("<<: {q: 2}\nq: 3\nq: 4").notes.len(), 1);
    assert_eq!(load("q: 3\n<<: {q: 2}\n").notes, []);
}

#[test]
fn keys_resolve_too() {
    assert_eq!(
        values("y: x\n010: o\n1.50: f\n1e6: g"),
        [json!({"true": "x", "8": "o", "1.5": "f", "1e+06": "g"})]
    );
    assert_eq!(fault("~: x").message, "a mapping's key must be a string, not null");
}

#[test]
fn floats_are_gos_json() {
    assert_eq!(
        values("[1.0, 1e3, 1.5, -0.0, 1e20, 18446744073709551615, 1.2345678901234567e18]")[0].to_string(),
        "[1,1000,1.5,0,1e+20,1.8446744073709552e+19,1234567890123456800]"
    );
    assert_eq!(fault("a: .inf").message, "`.inf` cannot be a value: JSON has no such number");
}

#[test]
fn duplicates_are_named_and_the_last_one_wins() {
    let loaded = load("a:\n  b: 1\n  c: 2\n  b: 3\n");
    assert_eq!(loaded.documents[0].value, json!({"a": {"b": 3, "c": 2}}));
    assert_eq!(loaded.notes[0].message, "`b` is set twice here; the last one counts");
    assert_eq!((loaded.notes[0].position.line, loaded.notes[0].position.column), (4, 3));
}

#[test]
fn alias_bombs_and_cycles_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(bomb, "a{level}: &a{level} [{inner}]");
    }
    assert_eq!(fault(&bomb).message, "aliases expand this document beyond reason");
    assert!(parse_spanned(&bomb).is_err());
    assert_eq!(fault("a: &a [*a]").message, "the value of anchor `a` contains itself");
    // What is anchored under one name and used within kubectl's bounds passes.
    assert_eq!(
        values("a: &a {k: v}\nb: [*a, *a]"),
        [json!({"a": {"k": "v"}, "b": [{"k": "v"}, {"k": "v"}]})]
    );
}

#[test]
fn depth_is_bounded_without_overflowing_the_stack() {
    let nested = |levels: usize, inner: &str| "[".repeat(levels) + inner + &"]".repeat(levels);
    assert_eq!(values(&format!("a: {}", nested(200, ""))).len(), 1);
    assert!(fault(&format!("a: {}", "[".repeat(100_000))).message.starts_with("collections nest more than"));
    let blocks = |levels: usize| (0..levels).map(|level| " ".repeat(level) + "a:\n").collect::<String>();
    assert_eq!(values(&blocks(450)).len(), 1);
    assert!(fault(&blocks(600)).message.starts_with("collections nest more than"));
    // Depth that only aliases bring.
    let mut chain = format!("a0: &a0 {}\n", nested(200, "x"));
    for level in 1..40 {
        let _ = writeln!(chain, "a{level}: &a{level} {}", nested(200, &format!("*a{}", level - 1)));
    }
    assert!(fault(&chain).message.starts_with("collections nest more than"));
    assert!(parse_spanned(&chain).is_err());
}

#[test]
fn json_comes_as_a_stream_or_turns_into_yaml() {
    assert_eq!(
        values(" {\"a\": 1.0, \"b\": \"\\/\"}\n{\"a\": 18446744073709551615}\t[1]"),
        [json!({"a": 1, "b": "/"}), json!({"a": 18_446_744_073_709_551_615.0}), json!([1]),]
    );
    assert_eq!(values("{a: 1}\n---\nb: 2"), [json!({"a": 1}), json!({"b": 2})]);
    assert_eq!(values("{\"a\": 1}\n---\n{\"b\": 010}"), [json!({"a": 1}), json!({"b": 8})]);
    let error = fault("{\"a\": 1}\n{\"b\": 2}\n{\"c\": }");
    assert_eq!((error.position.line, error.message.as_str()), (3, "expected value"));
    assert_eq!(load("{\"a\": 1, \"a\": 2}").notes.len(), 1);
}

#[test]
fn tags_that_the_parser_panics_at_are_faults() {
    let error = fault("a: 1\n---\nb: [x, !y, z]\n");
    assert_eq!((error.position.line, error.position.column), (3, 8));
    assert!(load("b: !%ff x\n---\nc: 1\n").faults.len() == 1);
    assert_eq!(values("b: [x, !y , \"!,\"]"), [json!({"b": ["x", "", "!,"]})]);
}

#[test]
fn a_mebibyte_passes() {
    let text = format!("data:\n  blob: |\n{}", "    0123456789abcdef 0123456789abcdef\n".repeat(32 * 1024));
    let value = values(&text).remove(0);
    assert!(value["data"]["blob"].as_str().unwrap().len() > 1024 * 1024);
}

#[test]
fn bytes_are_decoded_as_kubectl_decodes_them() {
    assert_eq!(decode(b"\xEF\xBB\xBFa: 1"), ("a: 1".into(), false));
    assert_eq!(decode(b"\xFF\xFEa\0:\0"), ("a:".into(), false));
    assert_eq!(decode(b"\xFE\xFF\0a\0:"), ("a:".into(), false));
    assert_eq!(decode(b"a: \xFF"), ("a: \u{FFFD}".into(), true));
}

#[test]
fn every_key_and_value_knows_its_place() {
    let text = "# ä comment\nname: shop\r\nlist:\n  - ö: \"x\"\n    b: [1, 2]\n";
    let documents = parse_spanned(text).unwrap();
    let SpannedValue::Map(entries) = &documents[0].root.value else { panic!() };
    let place = |spanned: &Spanned| {
        (spanned.start.line, spanned.start.column, &text[spanned.start.offset..spanned.end.offset])
    };
    assert_eq!(place(&entries[0].0), (2, 1, "name"));
    assert_eq!(place(&entries[0].1), (2, 7, "shop"));
    let SpannedValue::Seq(items) = &entries[1].1.value else { panic!() };
    assert_eq!((items[0].start.line, items[0].start.column), (4, 5));
    let SpannedValue::Map(inner) = &items[0].value else { panic!() };
    assert_eq!(place(&inner[0].0), (4, 5, "ö"));
    assert_eq!(place(&inner[0].1), (4, 8, "\"x\""));
    assert_eq!(place(&inner[1].1), (5, 8, "[1, 2]"));
    assert_eq!(documents[0].root.start, Position { line: 2, column: 1, offset: 13 });
}

#[test]
fn the_spanned_tree_keeps_duplicates_and_applies_merges() {
    let documents = parse_spanned("a: 1\na: 2\n<<: {b: 3}\nb: 4\n---\nx: y\n").unwrap();
    assert_eq!(documents.len(), 2);
    let SpannedValue::Map(entries) = &documents[0].root.value else { panic!() };
    let found: Vec<_> = entries.iter().map(|(key, value)| (key.value.clone(), value.value.clone())).collect();
    let key = |name: &str| SpannedValue::String(name.into());
    assert_eq!(
        found,
        [
            (key("a"), SpannedValue::Int(1)),
            (key("a"), SpannedValue::Int(2)),
            (key("b"), SpannedValue::Int(4)),
        ]
    );
}

proptest! {
    /// No text makes either reader panic, and every place lies within the text.
    #[test]
    fn no_text_panics(text in "[-a:\\[\\]{}&*!|>'\"%@ #\n\r\té,?<0-9]{0,80}") {
        for error in load(&text).faults {
            prop_assert!(error.position.offset <= text.len());
            prop_assert!(text.is_char_boundary(error.position.offset));
        }
        let _ = parse_spanned(&text);
    }
}
