//! Masks a database's rows as they are dumped, and looks for what came through.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{
    Classified, ColumnTreatment, Key, Leak, LeakCheck, LeakSearch, MaskError, Masker, TableTreatment,
};
use crate::data::schema::{Schema, Table, TableName};

/// How rows are masked.
#[derive(Debug)]
pub struct Masking {
    classified: Classified,
    masker: Masker,
    key: Key,
}

impl Masking {
    /// By a schema of which every column has a rule, and the project's key.
    pub fn new(classified: Classified, key: Key) -> Self {
        Self { masker: Masker::new(&classified, &key), classified, key }
    }

    /// Every column's rule in words, for the snapshot's manifest.
    pub fn rules(&self) -> Vec<(String, String)> {
        self.classified.rules()
    }

    pub(in crate::data) fn masker(&self) -> &Masker {
        &self.masker
    }

    /// Refuses a database whose columns are not exactly those that have rules.
    pub(in crate::data) fn fits(&self, schema: &Schema) -> Result<(), MaskError> {
        for table in &schema.tables {
            let now: Vec<&str> = table.written().map(|column| column.name.as_str()).collect();
            let known: Vec<&str> = match self.classified.table(&table.name) {
                None => return Err(MaskError::Changed { table: table.name.clone() }),
                Some(TableTreatment::Dropped) => continue,
                Some(TableTreatment::Rows(columns)) => {
                    columns.iter().map(|(name, _)| name.as_str()).collect()
                }
            };
            if now != known {
                return Err(MaskError::Changed { table: table.name.clone() });
            }
        }
        Ok(())
    }

    /// Whether rows of a table come into the snapshot.
    pub(in crate::data) fn keeps(&self, table: &TableName) -> bool {
        matches!(self.classified.table(table), Some(TableTreatment::Rows(_)))
    }

    /// Whether a table has values that may not come into the snapshot and are looked for.
    pub(in crate::data) fn hides(&self, table: &Table) -> bool {
        let Some(TableTreatment::Rows(columns)) = self.classified.table(&table.name) else { return false };
        columns.iter().any(|(_, treatment)| !matches!(treatment, ColumnTreatment::Keep))
    }

    /// A check that has seen nothing.
    pub(in crate::data) fn check(&self) -> LeakCheck {
        LeakCheck::new(self.classified.leaks, &self.key)
    }
}

/// What is done to rows between the server and the snapshot.
#[derive(Clone)]
pub(in crate::data) enum Treatment {
    /// Nothing.
    Plain,
    /// Their values are remembered and nothing comes out.
    Observed(Arc<Masking>, Arc<Mutex<LeakCheck>>),
    /// They are masked, and searched for what was remembered.
    Masked(Arc<Masking>, Arc<Mutex<LeakSearch>>),
}

impl Treatment {
    /// Treats whole lines of one table.
    pub(in crate::data) fn apply(&self, table: &TableName, lines: Bytes) -> Result<Bytes, MaskError> {
        let (masking, mut out) = match self {
            Self::Plain => return Ok(lines),
            Self::Observed(masking, _) | Self::Masked(masking, _) => {
                (masking, Vec::with_capacity(lines.len() + lines.len() / 4))
            }
        };
        let Some(mut masker) = masking.masker().table(table)? else { return Ok(Bytes::new()) };
        match self {
            Self::Plain => {}
            Self::Observed(_, check) => {
                let mut check = lock(check);
                for line in each(&lines) {
                    out.clear();
                    masker.mask_observed(line, &mut out, &mut check)?;
                }
                out.clear();
            }
            Self::Masked(_, search) => {
                for line in each(&lines) {
                    masker.mask(line, &mut out)?;
                }
                let mut search = lock(search);
                each(&out).for_each(|line| search.seen_line(line));
            }
        }
        Ok(out.into())
    }
}

/// Lines without their ends.
fn each(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

/// Original values that came through, the texts beside the rows searched as well. None where someone still holds the search: not
/// all would have been looked at.
pub(in crate::data) fn came_through(search: Arc<Mutex<LeakSearch>>, texts: &[String]) -> Option<Vec<Leak>> {
    let mut search = Arc::into_inner(search)?.into_inner().unwrap_or_else(PoisonError::into_inner);
    texts.iter().flat_map(|text| text.lines()).for_each(|line| search.seen(line.as_bytes()));
    Some(search.finish())
}

pub(in crate::data) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
