//! JSON files: a stream of values, read before YAML is tried, as kubectl's decoder does it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::value;

/// What the JSON decoder made of a text.
pub(super) struct Stream {
    /// Values with the offset of their first byte and the keys that they hold twice.
    pub values: Vec<(usize, Value, Vec<String>)>,
    /// The offset where YAML takes over, or the error that ends the reading there.
    pub rest: Rest,
}

/// How a stream of JSON values ends.
pub(super) enum Rest {
    /// With the text.
    End,
    /// What begins at this offset is YAML.
    Yaml(usize),
    /// After two values or more there is no way back to YAML.
    Fault(usize, String),
}

/// Whether a text is tried as JSON at all.
pub(super) fn looks_like_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Reads the values a text begins with.
pub(super) fn read(text: &str) -> Stream {
    let mut values = Vec::new();
    let mut at = 0;
    loop {
        let start = at + text[at..].len() - text[at..].trim_start().len();
        if start == text.len() {
            return Stream { values, rest: Rest::End };
        }
        let mut twice = Vec::new();
        let mut reader = serde_json::Deserializer::from_str(&text[start..]);
        let found = Builder { twice: &mut twice }.deserialize(&mut reader);
        // An iterator over nothing tells where the reader stands.
        let end = start + reader.into_iter::<Value>().byte_offset();
        match found {
            Ok(value) => values.push((start, value, twice)),
            Err(_) if values.len() <= 1 => return Stream { rest: Rest::Yaml(next_line(text, at)), values },
            Err(error) => {
                let message = error.to_string();
                let message = message.split(" at line ").next().unwrap_or_default().to_owned();
                return Stream { values, rest: Rest::Fault(end.min(text.len()), message) };
            }
        }
        at = end;
    }
}

/// White space up to the end of its first line is passed over, as kubectl does before it tries YAML.
fn next_line(text: &str, at: usize) -> usize {
    for (offset, c) in text[at..].char_indices() {
        if !c.is_whitespace() {
            return at + offset;
        }
        if c == '\n' {
            return at + offset + 1;
        }
    }
    text.len()
}

/// Builds a value with Go's numbers, and keeps the keys that are there twice.
struct Builder<'a> {
    twice: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Builder<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Builder<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        #[allow(clippy::cast_precision_loss)] // beyond 63 bits kubectl has floats too
        i64::try_from(value).map_or_else(|_| self.visit_f64(value as f64), |value| Ok(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        value::number(value).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(Builder { twice: &mut *self.twice })? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(Builder { twice: &mut *self.twice })?;
            if map.insert(key.clone(), value).is_some() {
                self.twice.push(key);
            }
        }
        Ok(Value::Object(map))
    }
}
