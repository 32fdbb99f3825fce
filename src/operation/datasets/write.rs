//! Synthetic data into files: one a table, whole or nothing.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::data::generate::{Format, Generator};
use crate::data::schema::TableName;
use crate::event::{Event, SharedReporter};
use crate::operation::error::OperationError;
use crate::operation::snapshots::blocking;

/// Rows that are made at a time.
const SLICE: u64 = 4096;

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// The file.
    pub file: PathBuf,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// What is in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rows of a format, one after the other.
    Rows(Format),
    /// Apache Parquet.
    #[cfg(feature = "parquet")]
    Parquet,
}

/// Writes every table to a file of its own in `directory`.
pub async fn write(
    generator: Generator,
    kind: Kind,
    ending: &'static str,
    directory: PathBuf,
    reporter: SharedReporter,
) -> Result<Vec<Written>, OperationError> {
    blocking(move || {
        std::fs::create_dir_all(&directory)
            .map_err(|source| OperationError::Data { path: directory.clone(), source })?;
        let mut all = Vec::new();
        for plan in generator.tables() {
            let file = directory.join(format!("{}.{ending}", plan.table));
            let tell = |done| {
                let what = plan.table.to_string();
                reporter.report(Event::Progress { step: "data".into(), done, total: plan.rows, what });
            };
            let bytes = table(&generator, &plan.table, plan.rows, kind, &file, &tell)?;
            all.push(Written { file, rows: plan.rows, bytes });
        }
        Ok(all)
    })
    .await
}

fn table(
    generator: &Generator,
    table: &TableName,
    rows: u64,
    kind: Kind,
    file: &Path,
    tell: &dyn Fn(u64),
) -> Result<u64, OperationError> {
    let failed = |source: io::Error| OperationError::Data { path: file.to_owned(), source };
    let directory = file.parent().unwrap_or(Path::new("."));
    let draft = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    let mut out = BufWriter::new(draft);
    let bytes = match kind {
        Kind::Rows(format) => {
            let (mut from, mut bytes, mut slice) = (0, 0, Vec::new());
            while from < rows {
                let to = (from + SLICE).min(rows);
                slice.clear();
                generator.write(table, from..to, format, &mut slice)?;
                out.write_all(&slice).map_err(failed)?;
                bytes += slice.len() as u64;
                from = to;
                tell(from);
            }
            bytes
        }
        #[cfg(feature = "parquet")]
        Kind::Parquet => generator.write_parquet(table, &mut out, tell)?,
    };
    let draft = out.into_inner().map_err(|error| failed(error.into_error()))?;
    draft.persist(file).map_err(|error| failed(error.error))?;
    Ok(bytes)
}
