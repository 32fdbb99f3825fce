//! Names and texts in SQL.

use crate::data::schema::TableName;

/// A name as PostgreSQL reads it, whatever it holds.
pub(in crate::data) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as PostgreSQL reads it, whatever it holds.
pub(in crate::data) fn literal(text: &str) -> String {
    let escape = if text.contains('\\') { "E" } else { "" };
    format!("{escape}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A table's full name.
pub(in crate::data) fn full_name(table: &TableName) -> String {
    format!("{}.{}", quoted(&table.schema), quoted(&table.name))
}

/// Names between commas.
pub(in crate::data) fn name_list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_name_things_stays_a_name() {
        assert_eq!(full_name(&TableName::new("a\"b", "c; --")), "\"a\"\"b\".\"c; --\"");
        assert_eq!([literal("it's"), literal("a\\b")], ["'it''s'", "E'a\\\\b'"]);
        assert_eq!(name_list(["a", "B"]), "\"a\", \"B\"");
    }
}
