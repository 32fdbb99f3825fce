//! What of a Secret goes into a lock: its shape openly, its values as keyed hashes.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::canonical::canonical_json;

/// What stands in a shape for a value.
const HIDDEN: &str = "(secret)";
/// What stands for a field that a chart makes up anew each time.
pub(super) const MADE_UP: &str = "(made up by the chart)";
/// What a keyed digest of a file begins with.
pub(super) const KEYED: &str = "keyed-";
/// Digits of a value's keyed hash: 128 bits.
const DIGITS: usize = 32;

/// The project's key for values of Secrets. It is never written into a lock, and not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct LockKey {
    values: [u8; 32],
    id: String,
}

impl fmt::Debug for LockKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "LockKey({})", self.id)
    }
}

impl LockKey {
    /// The key of 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        let id = blake3::derive_key("devcluster.lock 1 key id", &bytes);
        let mut id = super::canonical::hex(&id);
        id.truncate(16);
        Self { values: blake3::derive_key("devcluster.lock 1 secret values", &bytes), id }
    }

    /// The key of 64 hexadecimal digits; none where the text is no such key.
    pub fn parse(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text.trim()).ok().map(|bytes| Self::new(*bytes.as_bytes()))
    }

    /// What tells it from other keys and gives nothing of it away.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The keyed digest of a file that secrets are in: `keyed-KEY-DIGITS`.
    pub(super) fn file(&self, path: &str, digest: &str) -> String {
        format!("{KEYED}{}-{}", self.id, self.hash("(file)", path, digest.as_bytes()))
    }

    /// The keyed hash of a value, bound to its Secret and the name of its key.
    pub(super) fn hash(&self, secret: &str, key: &str, value: &[u8]) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.values);
        for part in [secret.as_bytes(), key.as_bytes(), value] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().to_hex()[..DIGITS].to_owned()
    }
}

/// A Secret's shape, and its values by key. `stringData` goes over `data`, as in the API server; what a chart makes up is
/// no value. None where the object is no Secret.
pub(super) fn split(object: &Value) -> Option<(Value, BTreeMap<String, Vec<u8>>)> {
    if object.get("apiVersion") != Some(&json!("v1")) || object.get("kind") != Some(&json!("Secret")) {
        return None;
    }
    let mut shape = object.as_object()?.clone();
    let (data, texts) = (shape.remove("data"), shape.remove("stringData"));
    let (mut keys, mut values) = (Map::new(), BTreeMap::new());
    let data = entries(data.as_ref()).map(|entry| (entry, true));
    let texts = entries(texts.as_ref()).map(|entry| (entry, false));
    for ((key, value), packed) in data.chain(texts) {
        let made_up = value.as_str() == Some(MADE_UP);
        keys.insert(key.clone(), json!(if made_up { MADE_UP } else { HIDDEN }));
        values.remove(key);
        if !made_up {
            values.insert(key.clone(), bytes(value, packed));
        }
    }
    if !keys.is_empty() {
        shape.insert("data".into(), Value::Object(keys));
    }
    Some((Value::Object(shape), values))
}

fn entries(map: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    map.and_then(Value::as_object).into_iter().flatten()
}

fn bytes(value: &Value, packed: bool) -> Vec<u8> {
    let Some(text) = value.as_str() else { return canonical_json(value).into_bytes() };
    let opened = if packed { STANDARD.decode(text.replace(['\n', '\r'], "")).ok() } else { None };
    opened.unwrap_or_else(|| text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(fields: &Value) -> Value {
        let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
        for (key, value) in fields.as_object().unwrap() {
            secret[key] = value.clone();
        }
        secret
    }

    #[test]
    fn packed_and_plain_values_are_the_same() {
        let packed = split(&secret(&json!({"data": {"a": "aHVudGVyMg=="}}))).unwrap();
        assert_eq!(packed, split(&secret(&json!({"stringData": {"a": "hunter2"}}))).unwrap());
        let both = secret(&json!({"data": {"a": "eA=="}, "stringData": {"a": "hunter2"}}));
        assert_eq!(packed, split(&both).unwrap());
        assert!(!packed.0.to_string().contains("hunter2") && !packed.0.to_string().contains("aHVudGVyMg"));
        assert_eq!(split(&json!({"apiVersion": "v1", "kind": "ConfigMap"})), None);
    }

    #[test]
    fn what_is_made_up_is_no_value() {
        let (shape, values) = split(&secret(&json!({"data": {"a": MADE_UP, "b": "eA=="}}))).unwrap();
        assert_eq!(values.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(shape["data"]["a"], MADE_UP);
    }

    #[test]
    fn equal_values_do_not_look_alike_and_keys_are_not_shown() {
        let (one, other) = (LockKey::new([1; 32]), LockKey::new([2; 32]));
        assert_ne!(one.hash("Secret a/b", "k", b"x"), one.hash("Secret a/c", "k", b"x"));
        assert_ne!(one.hash("Secret a/b", "k", b"x"), one.hash("Secret a/b", "l", b"x"));
        assert_ne!(one.hash("Secret a/b", "k", b"x"), other.hash("Secret a/b", "k", b"x"));
        assert_ne!(one.id(), other.id());
        assert_eq!(format!("{one:?}"), format!("LockKey({})", one.id()));
        assert_eq!(LockKey::parse(&"01".repeat(32)), Some(one));
        assert_eq!(LockKey::parse("hunter2"), None);
    }
}
