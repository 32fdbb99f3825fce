//! Canonical JSON (RFC 8785), and an object's canonical form: equal for what the API takes as equal.

use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

use super::amounts;

/// The largest whole number up to which every one is a double: 2^53.
const EXACT: u64 = 1 << 53;
/// What kubectl writes by itself and never reads from a manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A value as RFC 8785 has it: keys in order of their UTF-16 code units, numbers as ECMAScript writes them, no white space.
///
/// Whole numbers beyond 2^53, which the RFC does not take and Kubernetes' int64 fields have, keep all their digits: two
/// that differ must not become one.
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    append(&mut out, value);
    out
}

/// SHA-256 of a value's canonical JSON, hex.
pub fn hash(value: &Value) -> String {
    hex(&Sha256::digest(canonical_json(value).as_bytes()))
}

/// An object in canonical form: quantities and durations normalised where its API has them, and without the annotation
/// that kubectl adds. Lists keep their order.
pub fn canonical_object(mut value: Value) -> Value {
    amounts::normalise(&mut value);
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut);
        let emptied = annotations
            .is_some_and(|annotations| annotations.remove(LAST_APPLIED).is_some() && annotations.is_empty());
        if emptied {
            metadata.remove("annotations");
        }
        // Generators write it; the API server sets it.
        if metadata.get("creationTimestamp").is_some_and(Value::is_null) {
            metadata.remove("creationTimestamp");
        }
    }
    value
}

/// The same JSON in printable ASCII alone.
pub(super) fn ascii(json: &str) -> String {
    use std::fmt::Write as _;
    let mut units = [0; 2];
    json.chars().fold(String::with_capacity(json.len()), |mut out, character| {
        if matches!(character, ' '..='~') {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        out
    })
}

/// Bytes as lower case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut all, byte| {
        let _ = write!(all, "{byte:02x}");
        all
    })
}

fn append(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => append_number(out, number),
        Value::String(text) => append_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                append(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => append_map(out, map),
    }
}

fn append_map(out: &mut String, map: &Map<String, Value>) {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    out.push('{');
    for (number, (key, value)) in entries.into_iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        append_text(out, key);
        out.push(':');
        append(out, value);
    }
    out.push('}');
}

/// Section 3.2.2.3: as ECMAScript's `Number::toString`.
fn append_number(out: &mut String, number: &Number) {
    let beyond = number.as_u64().is_some_and(|n| n > EXACT)
        || number.as_i64().is_some_and(|n| n.unsigned_abs() > EXACT);
    match number.as_f64() {
        Some(double) if !beyond && double.is_finite() => {
            out.push_str(ryu_js::Buffer::new().format_finite(double));
        }
        _ => out.push_str(&number.to_string()),
    }
}

/// Section 3.2.2.2: the short escapes, `\u00xx` for other control characters, everything else as it is.
fn append_text(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(text: &str) -> String {
        canonical_json(&serde_json::from_str(text).unwrap())
    }

    /// RFC 8785, section 3.2.2 and 3.2.3.
    #[test]
    fn the_rfcs_own_example() {
        let written = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let wanted = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
            \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(of(written), wanted);
    }

    /// RFC 8785, section 3.2.3: sorting by UTF-16 code units puts the emoji before U+FB33.
    #[test]
    fn the_rfcs_order_of_keys() {
        let written = r#"{
            "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
            "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
        }"#;
        let canonical = of(written);
        let order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"];
        let places: Vec<usize> = order.iter().map(|word| canonical.find(word).unwrap()).collect();
        assert!(places.is_sorted(), "{canonical}");
    }

    /// RFC 8785, appendix B.
    #[test]
    fn the_rfcs_numbers() {
        for (bits, wanted) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            assert_eq!(canonical_json(&json!(f64::from_bits(bits))), wanted, "{bits:x}");
        }
        assert_eq!(of("[1.0, 1, -0, 10e0]"), "[1,1,0,10]");
    }

    #[test]
    fn large_whole_numbers_stay_apart() {
        assert_ne!(of("9007199254740993"), of("9007199254740992"));
        assert_eq!(
            of("[9223372036854775807, -9223372036854775808]"),
            "[9223372036854775807,-9223372036854775808]"
        );
    }

    #[test]
    fn what_kubectl_and_generators_add_does_not_count() {
        let plain = json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "a"}});
        let added = json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "a", "creationTimestamp": null,
            "annotations": {LAST_APPLIED: "{}"}}});
        assert_eq!(canonical_object(added), plain);
    }
}
