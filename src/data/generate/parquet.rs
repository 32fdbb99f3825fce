//! Rows as Apache Parquet (<https://parquet.apache.org/docs/file-format/>): numbers, days and instants as what they are,
//! JSON marked as such, all else as text.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::column::{Column, Table};
use super::evaluate::{At, Value};
use super::form::{Form, Special, Unit};
use super::{GenerateError, Generator};
use crate::data::schema::TableName;

/// Rows that are in memory at once: those of a row group.
const GROUP: u64 = 1 << 16;

/// Digits of the largest decimal that is made.
const DIGITS: i32 = 18;

impl Generator {
    /// Writes all rows of a table as one file and gives its bytes. `on_rows` is told how many there are so far.
    pub fn write_parquet(
        &self,
        table: &TableName,
        out: impl Write + Send,
        on_rows: &dyn Fn(u64),
    ) -> Result<u64, GenerateError> {
        let table = self.table(table)?;
        let failed = |error: ParquetError| GenerateError::Parquet(error.to_string());
        let columns: Vec<&Column> = table.columns.iter().filter(|column| !column.omitted).collect();
        let fields =
            columns.iter().map(|column| field(column)).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let schema =
            Type::group_type_builder(&table.name.name).with_fields(fields).build().map_err(failed)?;
        let compression = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_created_by("devcluster".to_owned())
            .build();
        let mut writer =
            SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)).map_err(failed)?;
        let mut from = 0;
        while from < table.rows {
            let to = table.rows.min(from + GROUP);
            let group = writer.next_row_group().map_err(failed)?;
            self.group(group, table, &columns, from..to).map_err(failed)?;
            from = to;
            on_rows(to);
        }
        writer.finish().map_err(failed)?;
        Ok(writer.bytes_written() as u64)
    }

    fn group<W: Write + Send>(
        &self,
        mut group: SerializedRowGroupWriter<'_, W>,
        table: &Table,
        columns: &[&Column],
        rows: std::ops::Range<u64>,
    ) -> Result<(), ParquetError> {
        for column in columns {
            let values = rows.clone().map(|row| At { tables: &self.tables, table, row });
            let Some(mut out) = group.next_column()? else { break };
            write(out.untyped(), column, values)?;
            out.close()?;
        }
        group.close()?;
        Ok(())
    }
}

/// A column as the schema has it. Every one may have nulls.
fn field(column: &Column) -> Result<Arc<Type>, ParquetError> {
    let (physical, logical) = match &column.form {
        Form::Boolean => (Physical::BOOLEAN, None),
        Form::Number { unit: Unit::Decimal { scale: 0 }, .. } => (Physical::INT64, None),
        Form::Number { unit: Unit::Decimal { scale }, .. } => {
            let scale = i32::try_from(*scale).unwrap_or(DIGITS);
            (Physical::INT64, Some(LogicalType::decimal(scale, DIGITS)))
        }
        Form::Number { unit: Unit::Day, .. } => (Physical::INT32, Some(LogicalType::Date)),
        Form::Number { unit: Unit::Time { zoned }, .. } => {
            (Physical::INT64, Some(LogicalType::time(*zoned, TimeUnit::MICROS)))
        }
        Form::Number { unit: Unit::Instant { zoned }, .. } => {
            (Physical::INT64, Some(LogicalType::timestamp(*zoned, TimeUnit::MICROS)))
        }
        Form::Special(Special::Bytes) => (Physical::BYTE_ARRAY, None),
        Form::Special(Special::Json) => (Physical::BYTE_ARRAY, Some(LogicalType::Json)),
        _ => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let mut builder = Type::primitive_type_builder(&column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    if let Form::Number { unit: Unit::Decimal { scale }, .. } = &column.form
        && *scale > 0
    {
        builder = builder.with_precision(DIGITS).with_scale(i32::try_from(*scale).unwrap_or(DIGITS));
    }
    builder.build().map(Arc::new)
}

/// Writes one column of a row group.
fn write<'g>(
    out: &mut ColumnWriter<'_>,
    column: &Column,
    rows: impl Iterator<Item = At<'g>>,
) -> Result<(), ParquetError> {
    let mut levels = Vec::new();
    let (mut numbers, mut texts, mut truths) = (Vec::new(), Vec::new(), Vec::new());
    let mut scratch = Vec::new();
    for at in rows {
        scratch.clear();
        let value = at.value(column, &mut scratch);
        levels.push(i16::from(value != Value::Null));
        match value {
            Value::Null => {}
            Value::Boolean(value) => truths.push(value),
            Value::Number(value) => numbers.push(value),
            Value::Text(start) => texts.push(bytes(column, &scratch[start..])),
        }
    }
    let levels = Some(levels.as_slice());
    match out {
        ColumnWriter::BoolColumnWriter(out) => out.write_batch(&truths, levels, None),
        ColumnWriter::Int32ColumnWriter(out) => {
            let days: Vec<i32> =
                numbers.into_iter().map(|day| i32::try_from(day).unwrap_or(i32::MAX)).collect();
            out.write_batch(&days, levels, None)
        }
        ColumnWriter::Int64ColumnWriter(out) => out.write_batch(&numbers, levels, None),
        ColumnWriter::ByteArrayColumnWriter(out) => out.write_batch(&texts, levels, None),
        _ => Err(ParquetError::General(format!("column {} has no such type", column.name))),
    }?;
    Ok(())
}

/// A text as it is stored; bytes are not the hexadecimal digits that databases read.
fn bytes(column: &Column, text: &[u8]) -> ByteArray {
    if column.form != Form::Special(Special::Bytes) {
        return ByteArray::from(text.to_vec());
    }
    let digits = text.strip_prefix(b"\\x").unwrap_or_default();
    let digit =
        |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0);
    ByteArray::from(
        digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |all, byte| all << 4 | digit(*byte)))
            .collect::<Vec<u8>>(),
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use std::collections::BTreeMap;

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    use serde_json::Value;

    use crate::data::generate::test_schema::shop;
    use crate::data::generate::{Format, Generator};
    use crate::data::seed::{PlanOptions, plan};

    /// What is read back is what JSON lines have: the same rows, columns, and nulls in the same places.
    #[test]
    fn files_have_the_rows_that_other_formats_have() {
        let schema = shop();
        let seed = plan(&schema, &PlanOptions { rows: 300, ..PlanOptions::default() });
        let generator = Generator::new(&schema, &seed).unwrap();
        for step in generator.tables() {
            let mut file = Vec::new();
            let size = generator.write_parquet(&step.table, &mut file, &|_| {}).unwrap();
            assert_eq!(size, file.len() as u64);
            let mut again = Vec::new();
            generator.write_parquet(&step.table, &mut again, &|_| {}).unwrap();
            assert_eq!(file, again, "the same seed gives the same bytes");
            let mut lines = Vec::new();
            generator.write(&step.table, 0..step.rows, Format::JsonLines, &mut lines).unwrap();
            let lines = String::from_utf8(lines).unwrap();
            let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
            let mut rows = 0;
            for (row, line) in reader.get_row_iter(None).unwrap().zip(lines.lines()) {
                let row: BTreeMap<String, Field> = row
                    .unwrap()
                    .get_column_iter()
                    .map(|(name, field)| (name.clone(), field.clone()))
                    .collect();
                let line: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
                assert!(row.keys().eq(line.keys()), "{row:?}");
                for (name, value) in &line {
                    match (value, &row[name]) {
                        (Value::Null, found) => assert_eq!(found, &Field::Null, "{name}"),
                        (Value::Number(value), Field::Long(found)) => {
                            assert_eq!(value.as_i64(), Some(*found), "{name}");
                        }
                        (Value::String(value), Field::Str(found)) => assert_eq!(value, found, "{name}"),
                        (Value::Number(_), Field::Decimal(_))
                        | (Value::String(_), Field::TimestampMicros(_)) => {}
                        (value, found) => panic!("{name}: {value} is {found:?}"),
                    }
                }
                rows += 1;
            }
            assert_eq!(rows, step.rows, "{}", step.table);
        }
    }
}
