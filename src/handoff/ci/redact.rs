//! Takes Secrets' values out of whatever is told: texts, objects, logs. Each stands as `***`.
//!
//! A value is looked for as it is, line by line where it has several, and in the forms in which programs print it: base64 at
//! each of its three alignments, escaped as in JSON, in URLs and in XML. Values of fewer than four bytes are taken out of
//! Secrets themselves alone: `1` or `on` stands in every text.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What stands for a value.
pub const HIDDEN: &str = "***";
/// What is shorter is looked for in no text.
const SHORTEST: usize = 4;
/// What is left of a value in base64 at an alignment of its own counts from so many characters.
const SHORTEST_ENCODED: usize = 8;
/// What kubectl keeps of an object, its values among it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Knows the values that are to be told to nobody.
#[derive(Clone)]
pub struct Redactor {
    finder: Option<AhoCorasick>,
}

impl Redactor {
    /// For these values.
    pub fn new(values: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let forms: BTreeSet<Vec<u8>> = values.into_iter().flat_map(|value| forms(&value)).collect();
        if forms.is_empty() {
            return Self { finder: None };
        }
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(forms);
        Self { finder: finder.ok() }
    }

    /// A text without them.
    pub fn text(&self, text: &str) -> String {
        let Some(finder) = &self.finder else { return text.to_owned() };
        let mut out = String::with_capacity(text.len());
        finder.replace_all_with(text, &mut out, |_, _, out| {
            out.push_str(HIDDEN);
            true
        });
        out
    }

    /// An object without them, and, where it is a Secret, without any value. What the API server keeps for itself goes too.
    #[must_use]
    pub fn object(&self, object: &Value) -> Value {
        let mut object = object.clone();
        if object.get("kind") == Some(&json!("Secret")) {
            for values in ["data", "stringData"] {
                let values = object.get_mut(values).and_then(Value::as_object_mut);
                values
                    .into_iter()
                    .flat_map(|values| values.values_mut())
                    .for_each(|value| *value = json!(HIDDEN));
            }
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
            if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.remove(LAST_APPLIED);
            }
        }
        self.value(&mut object);
        object
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.value(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// The values of a Secret; none where the object is no Secret.
pub fn secret_values(object: &Value) -> Vec<Vec<u8>> {
    if object.get("kind") != Some(&json!("Secret")) {
        return Vec::new();
    }
    let texts = |key: &str| {
        let values = object.get(key).and_then(Value::as_object).into_iter().flat_map(|map| map.values());
        values.filter_map(Value::as_str).collect::<Vec<_>>()
    };
    let packed = texts("data").into_iter().map(|text| {
        let opened = STANDARD.decode(text.replace(['\n', '\r'], ""));
        opened.unwrap_or_else(|_| text.as_bytes().to_vec())
    });
    packed.chain(texts("stringData").into_iter().map(|text| text.as_bytes().to_vec())).collect()
}

/// Every form in which a value is looked for.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![value, value.trim_ascii()];
    parts.extend(value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !is_frame(line)));
    parts.sort_unstable();
    parts.dedup();
    parts.retain(|part| part.len() >= SHORTEST);
    let mut forms = Vec::new();
    for part in parts {
        forms.extend(encoded(part));
        if let Ok(text) = std::str::from_utf8(part) {
            forms.extend(escaped(text).map(String::into_bytes));
        }
        forms.push(part.to_vec());
    }
    forms
}

/// The line before or after a key or certificate, which every one has.
fn is_frame(line: &[u8]) -> bool {
    line.starts_with(b"-----") && line.ends_with(b"-----")
}

/// A text as JSON, URLs and XML have it.
fn escaped(text: &str) -> [String; 4] {
    let json = Value::String(text.to_owned()).to_string();
    let percent = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let xml = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    [json[1..json.len() - 1].to_owned(), percent, form, xml.replace('\'', "&apos;")]
}

/// What of a value's base64 does not depend on what stands around it, at each alignment.
fn encoded(part: &[u8]) -> Vec<Vec<u8>> {
    let whole = STANDARD.encode(part);
    let aligned = (0..3_usize).map(|before| {
        let mut padded = vec![0; before];
        padded.extend(part);
        let text = STANDARD.encode(&padded);
        // The characters that hold bits of the bytes before and after.
        let first = (before * 8).div_ceil(6);
        let last = padded.len() * 8 / 6;
        text[first..last].to_owned()
    });
    let aligned: Vec<String> = aligned.filter(|text| text.len() >= SHORTEST_ENCODED).collect();
    aligned.into_iter().chain([whole]).map(String::into_bytes).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_found_in_every_form() {
        let value = "p w'\"$x\\ and <more>";
        let redactor = Redactor::new([value.as_bytes().to_vec()]);
        let basic = STANDARD.encode(format!("orders:{value}"));
        let inner = STANDARD.encode(value);
        let told = [
            format!("password is {value}."),
            json!({ "password": value }).to_string(),
            inner.clone(),
            url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
        ];
        for told in told {
            let out = redactor.text(&told);
            assert!(out.contains(HIDDEN), "{told}");
            assert!(!out.contains(value) && !out.contains(&inner), "{out}");
        }
        assert!(redactor.text(&basic).contains(HIDDEN), "{basic}");
    }

    #[test]
    fn each_line_of_a_key_is_hidden_and_its_frame_is_not() {
        let key = "-----BEGIN KEY-----\nc2VjcmV0IG9uZQ\nc2VjcmV0IHR3bw\n-----END KEY-----\n";
        let redactor = Redactor::new([key.as_bytes().to_vec()]);
        assert_eq!(redactor.text("  c2VjcmV0IHR3bw"), "  ***");
        assert_eq!(redactor.text("-----BEGIN KEY-----"), "-----BEGIN KEY-----");
    }

    #[test]
    fn short_values_are_hidden_in_secrets_alone() {
        let secret = json!({"kind": "Secret", "metadata": {"name": "s", "managedFields": [],
            "annotations": {LAST_APPLIED: "{}", "a": "hunter2"}}, "data": {"a": "MQ=="}});
        let mut values = secret_values(&secret);
        assert_eq!(values, [b"1".to_vec()]);
        values.push(b"hunter2".to_vec());
        let redactor = Redactor::new(values);
        assert_eq!(redactor.text("1 hunter2 1"), "1 *** 1");
        let expected = json!({"kind": "Secret", "metadata": {"name": "s", "annotations": {"a": "***"}}, "data": {"a": "***"}});
        assert_eq!(redactor.object(&secret), expected);
        assert!(secret_values(&json!({"kind": "ConfigMap", "data": {"a": "MQ=="}})).is_empty());
    }

    #[test]
    fn the_longest_of_several_goes_first() {
        let redactor = Redactor::new([b"hunter2".to_vec(), b"hunter2-and-more".to_vec()]);
        assert_eq!(redactor.text("hunter2-and-more"), "***");
        assert_eq!(Redactor::new([]).text("as it is"), "as it is");
    }

    proptest! {
        #[test]
        fn no_value_stays(
            values in prop::collection::vec("[a-z0-9=/\"'&<\\\\ ]{4,12}", 1..4),
            around in prop::collection::vec("[ A-Z:]{0,6}", 4),
        ) {
            let redactor = Redactor::new(values.iter().map(|value| value.clone().into_bytes()));
            let parts = around.iter().zip(values.iter().cycle()).flat_map(|(around, value)| [around, value]);
            let text: String = parts.map(String::as_str).collect();
            let out = redactor.text(&text);
            for value in values.iter().filter(|value| value.trim().len() >= SHORTEST) {
                prop_assert!(!out.contains(value.as_str()), "{out}");
            }
        }
    }
}
