//! Names and texts as the server reads them, with the SQL mode that every session here has.

use crate::data::schema::TableName;

/// A name between backquotes.
pub(in crate::data) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table's full name.
pub(in crate::data) fn full_name(table: &TableName) -> String {
    format!("{}.{}", quoted(&table.schema), quoted(&table.name))
}

/// A text between single quotes; backslashes escape in every session here.
pub(in crate::data) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''").replace('\0', "\\0"))
}

/// Names between commas.
pub(in crate::data) fn name_list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_quotes() {
        assert_eq!(quoted("a`b"), "`a``b`");
        assert_eq!(literal(r"it's \ here"), r"'it''s \\ here'");
        assert_eq!(full_name(&TableName::new("a", "b.c")), "`a`.`b.c`");
    }
}
