//! Rows as bytes: PostgreSQL's COPY text format, that of MySQL's LOAD DATA, CSV (RFC 4180), JSON lines, SQL.

use super::column::Column;
use super::evaluate::{At, Value};
use super::form::{Form, Special, Unit};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// PostgreSQL's `COPY … FROM STDIN` in text format: its manual, "COPY", "File Formats".
    Copy,
    /// As [`Format::Copy`], with truths as 1 and 0 and times without their zone, which is UTC: MySQL's `LOAD DATA … FIELDS
    /// TERMINATED BY '\\t' ESCAPED BY '\\\\'`. Bytes, UUIDs and bits are as COPY has them, for the statement to read.
    LoadData,
    /// RFC 4180 without a header; null is nothing, an empty text `""`, as COPY's CSV has it.
    Csv,
    /// One JSON object a line. What JSON has no type for (times, arrays, ranges) is a text, as the database writes it.
    JsonLines,
    /// One INSERT a line.
    Sql,
}

/// Appends one row. `scratch` is memory to work in.
pub(super) fn row(at: At<'_>, columns: &[&Column], format: Format, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    match format {
        Format::Copy => separated(at, columns, b'\t', copy, scratch, out),
        Format::LoadData => separated(at, columns, b'\t', load_data, scratch, out),
        Format::Csv => separated(at, columns, b',', csv, scratch, out),
        Format::JsonLines => {
            out.push(b'{');
            for (place, column) in columns.iter().enumerate() {
                out.extend_from_slice(if place > 0 { b", " } else { b"" });
                json_text(column.name.as_bytes(), out);
                out.extend_from_slice(b": ");
                scratch.clear();
                json(at.value(column, scratch), column, scratch, out);
            }
            out.extend_from_slice(b"}\n");
        }
        Format::Sql => insert(at, columns, scratch, out),
    }
}

type WriteValue = fn(Value, &Column, &[u8], &mut Vec<u8>);

fn separated(
    at: At<'_>,
    columns: &[&Column],
    by: u8,
    write: WriteValue,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    for (place, column) in columns.iter().enumerate() {
        if place > 0 {
            out.push(by);
        }
        scratch.clear();
        let value = at.value(column, scratch);
        write(value, column, scratch, out);
    }
    out.push(b'\n');
}

fn number(value: i64, column: &Column, out: &mut Vec<u8>) {
    if let Form::Number { unit, .. } = column.form {
        unit.write(value, out);
    }
}

fn copy(value: Value, column: &Column, scratch: &[u8], out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"\\N"),
        Value::Boolean(value) => out.push(if value { b't' } else { b'f' }),
        Value::Number(value) => number(value, column, out),
        Value::Text(start) => escaped(&scratch[start..], out, |byte| match byte {
            b'\\' => Some(b"\\\\"),
            b'\t' => Some(b"\\t"),
            b'\n' => Some(b"\\n"),
            b'\r' => Some(b"\\r"),
            _ => None,
        }),
    }
}

fn load_data(value: Value, column: &Column, scratch: &[u8], out: &mut Vec<u8>) {
    match (value, &column.form) {
        (Value::Boolean(value), _) => out.push(if value { b'1' } else { b'0' }),
        (Value::Number(value), Form::Number { unit: Unit::Time { .. }, .. }) => {
            Unit::Time { zoned: false }.write(value, out);
        }
        (Value::Number(value), Form::Number { unit: Unit::Instant { .. }, .. }) => {
            Unit::Instant { zoned: false }.write(value, out);
        }
        _ => copy(value, column, scratch, out),
    }
}

fn csv(value: Value, column: &Column, scratch: &[u8], out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Value::Number(value) => number(value, column, out),
        Value::Text(start) => {
            let text = &scratch[start..];
            let quotes = text.is_empty()
                || text == b"\\."
                || text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
            if quotes {
                out.push(b'"');
                escaped(text, out, |byte| (byte == b'"').then_some(b"\"\""));
                out.push(b'"');
            } else {
                out.extend_from_slice(text);
            }
        }
    }
}

fn json(value: Value, column: &Column, scratch: &[u8], out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Value::Number(value) if is_plain_number(column) => number(value, column, out),
        Value::Number(value) => {
            out.push(b'"');
            number(value, column, out);
            out.push(b'"');
        }
        // What the generator made is JSON; what the seed's author wrote may be anything.
        Value::Text(start)
            if is_json(column) && serde_json::from_slice::<serde_json::Value>(&scratch[start..]).is_ok() =>
        {
            out.extend_from_slice(&scratch[start..]);
        }
        Value::Text(start) => json_text(&scratch[start..], out),
    }
}

fn is_plain_number(column: &Column) -> bool {
    matches!(column.form, Form::Number { unit: Unit::Decimal { .. }, .. })
}

fn is_json(column: &Column) -> bool {
    column.form == Form::Special(Special::Json)
}

fn json_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

/// `INSERT INTO "public"."t" ("a") OVERRIDING SYSTEM VALUE VALUES (1);`, with texts as standard strings.
fn insert(at: At<'_>, columns: &[&Column], scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"INSERT INTO ");
    name(&at.table.name.schema, out);
    out.push(b'.');
    name(&at.table.name.name, out);
    out.extend_from_slice(b" (");
    for (place, column) in columns.iter().enumerate() {
        out.extend_from_slice(if place > 0 { b", " } else { b"" });
        name(&column.name, out);
    }
    out.extend_from_slice(b") OVERRIDING SYSTEM VALUE VALUES (");
    for (place, column) in columns.iter().enumerate() {
        out.extend_from_slice(if place > 0 { b", " } else { b"" });
        scratch.clear();
        match at.value(column, scratch) {
            Value::Null => out.extend_from_slice(b"NULL"),
            Value::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
            Value::Number(value) if is_plain_number(column) => number(value, column, out),
            value => {
                out.push(b'\'');
                match value {
                    Value::Text(start) => {
                        escaped(&scratch[start..], out, |byte| (byte == b'\'').then_some(b"''"));
                    }
                    Value::Number(value) => number(value, column, out),
                    _ => {}
                }
                out.push(b'\'');
            }
        }
    }
    out.extend_from_slice(b");\n");
}

fn name(name: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escaped(name.as_bytes(), out, |byte| (byte == b'"').then_some(b"\"\""));
    out.push(b'"');
}

/// Appends `text` with some bytes written otherwise.
fn escaped<const N: usize>(text: &[u8], out: &mut Vec<u8>, instead: impl Fn(u8) -> Option<&'static [u8; N]>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| instead(*byte).is_some()) {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        out.extend_from_slice(
            after.first().and_then(|byte| instead(*byte)).map_or(&[][..], |bytes| &bytes[..]),
        );
        rest = after.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}
