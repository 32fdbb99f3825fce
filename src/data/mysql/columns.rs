//! The columns that rows are written with, and how each one's values stand in a row's text.

use std::collections::BTreeMap;

use super::connect::Session;
use super::error::MysqlError;
use super::sql::{literal, quoted};

/// How a column's values stand in a row's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As the server writes and reads them.
    Text,
    /// `\x` and hexadecimal digits.
    Bytes,
    /// As [`Way::Bytes`]; of what is longer, so many bytes that tell values apart are taken: generators know no lengths of bytes.
    FewBytes(u8),
    /// Sixteen bytes, as a UUID is written.
    Uuid,
    /// Bits as digits.
    Bits,
    /// A number of 32 bits with all its digits, which the server else cuts to six.
    Float,
}

/// A column that rows are written with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) name: String,
    pub(super) way: Way,
}

/// Table, column, type, full type.
type Row = (String, String, String, String);

/// The columns of each table that the database does not compute, in order.
pub(super) async fn written(
    session: &mut Session,
    database: &str,
) -> Result<BTreeMap<String, Vec<Written>>, MysqlError> {
    let query = format!(
        "SELECT table_name, column_name, data_type, column_type FROM information_schema.columns \
         WHERE table_schema = {} AND extra NOT LIKE '%VIRTUAL GENERATED%' AND extra NOT LIKE '%STORED GENERATED%' \
         AND extra NOT LIKE '%PERSISTENT%' ORDER BY table_name, ordinal_position",
        literal(database)
    );
    let mut found: BTreeMap<String, Vec<Written>> = BTreeMap::new();
    for (table, name, data, full) in session.rows::<Row>(&query, "reading columns").await? {
        found.entry(table).or_default().push(Written { name, way: Way::of(&data, &full) });
    }
    Ok(found)
}

impl Way {
    fn of(data: &str, full: &str) -> Self {
        match data {
            "binary" if full.starts_with("binary(16)") => Self::Uuid,
            "binary" | "varbinary" => match few(full) {
                Some(few) => Self::FewBytes(few),
                None => Self::Bytes,
            },
            "tinyblob" | "blob" | "mediumblob" | "longblob" | "geometry" | "point" | "linestring"
            | "polygon" | "multipoint" | "multilinestring" | "multipolygon" | "geometrycollection"
            | "geomcollection" | "vector" => Self::Bytes,
            "bit" => Self::Bits,
            "float" => Self::Float,
            _ => Self::Text,
        }
    }

    /// What reads a column.
    pub(super) fn select(self, column: &str) -> String {
        let name = quoted(column);
        match self {
            Self::Text | Self::Bytes | Self::FewBytes(_) | Self::Uuid => name,
            Self::Bits => format!("bin({name} + 0)"),
            Self::Float => format!("{name} * 1e0"),
        }
    }

    /// What makes the value out of a variable that has its text; none where the text is the value.
    pub(super) fn assign(self, variable: &str) -> Option<String> {
        match self {
            Self::Text | Self::Float => None,
            Self::Bytes => Some(format!("unhex(substr({variable}, 3))")),
            // Of the eight bytes that are made, the sixth is the last that counts.
            Self::FewBytes(few) => {
                let whole = format!("unhex(substr({variable}, 3))");
                let start = 7_u8.saturating_sub(few).max(1);
                Some(format!("if(length({whole}) > {few}, substr({whole}, {start}, {few}), {whole})"))
            }
            Self::Uuid => Some(format!("unhex(replace({variable}, '-', ''))")),
            Self::Bits => Some(format!("cast(conv({variable}, 2, 10) AS unsigned)")),
        }
    }
}

/// The bytes of a column that has fewer than generators make: `binary(4)`.
fn few(full: &str) -> Option<u8> {
    let inside = full.split_once('(')?.1.split_once(')')?.0;
    inside.parse().ok().filter(|few| *few < 8)
}
