//! JSON pointers into objects.

use serde_json::Value;

/// What a JSON pointer (RFC 6901) leads to: as [`Value::pointer`], which makes two new strings for every step it takes.
pub fn at<'v>(value: &'v Value, pointer: &str) -> Option<&'v Value> {
    if pointer.is_empty() {
        return Some(value);
    }
    if pointer.contains('~') {
        return value.pointer(pointer);
    }
    pointer.strip_prefix('/')?.split('/').try_fold(value, |value, step| match value {
        Value::Object(map) => map.get(step),
        Value::Array(items) => items.get(place(step)?),
        _ => None,
    })
}

/// A place in a list, which is written without needless zeros and signs.
fn place(step: &str) -> Option<usize> {
    let is_plain = !step.starts_with('+') && (step == "0" || !step.starts_with('0'));
    step.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn it_leads_where_serde_jsons_own_does(pointer in "(/(a|b|0|1|00|\\+1|-|~0|~1|)){0,4}|[ab/~0]{0,4}") {
            let inner = json!({"a": [1, {"b": 2}, [3]], "b": {"": 4, "0": 5, "~": 6, "/": 7, "00": 8}, "": 9, "+1": 10});
            let value = json!({"a": [inner, inner], "b": inner, "": {"": [11]}, "0": 12});
            prop_assert_eq!(at(&value, &pointer), value.pointer(&pointer));
        }
    }
}
