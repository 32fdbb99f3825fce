//! Expressions as PostgreSQL prints them, in one form: `x IN ('a', 'b')` of a varchar is printed in one way as long as it is as
//! it was written, and in another once what was printed has been read. Both mean the same; a snapshot has the second.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// A text as it is printed, with what follows it in such a list.
const ITEM: &str = r"E?'(?:[^']|'')*'::character varying";

/// `((ARRAY['a'::character varying, 'b'::character varying])::text[])`
static WRITTEN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"\(\(ARRAY\[({ITEM}(?:, {ITEM})*)\]\)::text\[\]\)")).ok());

static ITEMS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(ITEM).ok());

/// Expressions, or statements with such, in the form that they keep.
pub(super) fn settled(text: &str) -> Cow<'_, str> {
    let (Some(written), Some(items)) = (&*WRITTEN, &*ITEMS) else { return Cow::Borrowed(text) };
    written.replace_all(text, |found: &Captures<'_>| {
        let list = items.replace_all(&found[1], |item: &Captures<'_>| format!("({})::text", &item[0]));
        format!("(ARRAY[{list}])")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_texts_have_one_form() {
        let written = "((status)::text = ANY ((ARRAY['draft'::character varying, 'it''s, ok'::character varying])::text[]))";
        let read = "((status)::text = ANY (ARRAY[('draft'::character varying)::text, ('it''s, ok'::character varying)::text]))";
        assert_eq!(settled(written), read);
        assert_eq!(settled(read), read);
        let other = "(x = ANY (ARRAY[1, 2])) AND (y <> ALL (ARRAY['a'::bpchar]))";
        assert_eq!(settled(other), other);
    }
}
