//! Loads generated rows, all or nothing: into tables beside, whose constraints are looked at before they take the places of the
//! target's, so that whatever ends it early leaves the old rows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::try_join_all;

use super::beside::{Beside, create};
use super::columns::{Written, written};
use super::connect::{Server, Session};
use super::copies::make_tables;
use super::definitions::Definitions;
use super::error::{MysqlError, Shown};
use super::exclusive::Exclusive;
use super::load_data::{Into, QUICK};
use super::reshape;
use super::sql::{full_name, quoted};
use super::swap::{Pristine, Swap, tidy};
use crate::data::generate::{Format, Generator, TablePlan};
use crate::data::mask::lock as locked;
use crate::data::progress::{OnProgress, Progress};
use crate::data::relational::LoadedTable;
use crate::data::schema::{ForeignKey, Schema, Table, TableName};
use crate::data::slices::slices;

/// How rows are loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Threads that make rows, for each session.
    pub generators: usize,
    /// Sessions that load.
    pub sessions: usize,
}

impl Default for LoadOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8);
        Self { generators: threads.div_ceil(2), sessions: 2 }
    }
}

/// What was loaded.
#[derive(Debug)]
pub struct LoadReport {
    /// Tables that got rows, by name.
    pub tables: Vec<LoadedTable>,
    /// Tables that were emptied, for they refer to tables that got rows.
    pub emptied: Vec<TableName>,
    /// Sessions that were ended, for their transactions held tables.
    pub sessions_ended: usize,
    /// The time it took.
    pub took: Duration,
}

/// Replaces the rows of all tables that the generator has rows for. Tables that refer to them are emptied; others stay.
pub async fn load(
    server: &Server,
    schema: &Schema,
    generator: &Generator,
    options: &LoadOptions,
    on_progress: OnProgress<'_>,
) -> Result<LoadReport, MysqlError> {
    let started = Instant::now();
    let changed = generator.changed(schema);
    let loading = Loading { server, generator, options, on_progress, changed };
    let mut held = Exclusive::take(server).await?;
    let replaced = loading.replace(&mut held).await;
    if replaced.is_err() {
        // The next run does it where this fails; the first error is the one to tell.
        drop(tidy(server, &mut held).await);
    }
    held.release().await;
    let (tables, sessions_ended) = replaced?;
    let got = |table: &&&Table| tables.iter().any(|loaded| loaded.table == table.name);
    let emptied =
        loading.changed.iter().filter(|table| !got(table)).map(|table| table.name.clone()).collect();
    Ok(LoadReport { tables, emptied, sessions_ended, took: started.elapsed() })
}

struct Loading<'l> {
    server: &'l Server,
    generator: &'l Generator,
    options: &'l LoadOptions,
    on_progress: OnProgress<'l>,
    changed: Vec<&'l Table>,
}

impl Loading<'_> {
    async fn replace(&self, held: &mut Exclusive) -> Result<(Vec<LoadedTable>, usize), MysqlError> {
        let (server, target) = (self.server, self.server.database());
        tidy(server, held).await?;
        let loading = Beside::Loading.name(target);
        create(held, &loading, target, server.user()).await?;
        let definitions = Definitions::read(held, server.flavour(), target).await?;
        let come: BTreeSet<&str> = self.changed.iter().map(|table| table.name.name.as_str()).collect();
        let mut new = Definitions::default();
        for table in definitions.tables.iter().filter(|table| come.contains(table.name.as_str())) {
            let mut table = table.clone();
            table.statement = reshape::beside(&table.statement, target, &come);
            new.tables.push(table);
        }
        if new.tables.len() != come.len() {
            let text = format!(
                "database `{target}` has not all tables that rows were made for; read its schema again"
            );
            return Err(MysqlError::Mismatch(text));
        }
        let tables = self.fill(&loading, &new).await?;
        for table in &self.changed {
            (self.on_progress)(Progress::Step("looking at references and analyzing"));
            self.hold_together(held, table, &loading, &come).await?;
        }
        (self.on_progress)(Progress::Step("putting the new tables in the old ones' places"));
        let names: Vec<String> = come.iter().map(|name| (*name).to_owned()).collect();
        let swap = Swap {
            from: Beside::Loading,
            out: names.clone(),
            come: names,
            wanted: &definitions.others,
            // What the database was reset to is no longer what was loaded last.
            pristine: Pristine::Ends,
        };
        let ended = swap.perform(server, held).await?;
        Ok((tables, ended))
    }

    async fn fill(&self, loading: &str, new: &Definitions) -> Result<Vec<LoadedTable>, MysqlError> {
        let open = (0..self.options.sessions.max(1)).map(async |_| {
            let mut session = self.server.session_in(loading).await?;
            session.run(QUICK, "setting up a session").await?;
            Ok::<_, MysqlError>(session)
        });
        let mut sessions = try_join_all(open).await?;
        let Some(first) = sessions.first_mut() else { return Err(MysqlError::Stopped("loading")) };
        make_tables(first, new, self.server.database()).await?;
        let columns = written(first, loading).await?;
        let queue = Mutex::new(self.generator.tables().iter());
        let next = || locked(&queue).next();
        let work = sessions.iter_mut().map(async |session| {
            let mut loaded = Vec::new();
            while let Some(plan) = next() {
                let columns = columns.get(&plan.table.name).map_or(&[][..], Vec::as_slice);
                loaded.push(self.table(loading, session, plan, columns).await?);
            }
            Ok::<_, MysqlError>(loaded)
        });
        let mut loaded: Vec<_> = try_join_all(work).await?.into_iter().flatten().collect();
        loaded.sort_by(|one, other| one.table.cmp(&other.table));
        Ok(loaded)
    }

    /// Fills one table.
    async fn table(
        &self,
        loading: &str,
        session: &mut Session,
        plan: &TablePlan,
        known: &[Written],
    ) -> Result<LoadedTable, MysqlError> {
        let started = Instant::now();
        let columns = self.columns(plan, known)?;
        let (bytes, done, total) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), plan.rows);
        let chunks = {
            let (bytes, done, threads) = (bytes.clone(), done.clone(), self.options.generators);
            slices(self.generator, &plan.table, 0..total, Format::LoadData, threads, MysqlError::Stopped)?
                .map(move |slice| {
                    slice.map(|(rows, chunk)| {
                        bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                        done.fetch_add(rows, Ordering::Relaxed);
                        chunk
                    })
                })
        };
        let into = Into { database: loading, table: &plan.table.name, columns: &columns, shown: Shown::All };
        let name = plan.table.to_string();
        let tell = |done| (self.on_progress)(Progress::Part { name: &name, done, total });
        let mut loaded = std::pin::pin!(into.load(session, chunks));
        let mut pause = tokio::time::interval(Duration::from_millis(100));
        let rows = loop {
            tokio::select! {
                biased;
                rows = &mut loaded => break rows?,
                _ = pause.tick() => tell(done.load(Ordering::Relaxed)),
            }
        };
        tell(total);
        if rows != total {
            return Err(MysqlError::RowsLost { table: plan.table.clone(), taken: rows, given: total });
        }
        let (table, bytes) = (plan.table.clone(), bytes.load(Ordering::Relaxed));
        Ok(LoadedTable { table, rows, bytes, took: started.elapsed() })
    }

    /// The generator's columns, with how their values are read.
    fn columns(&self, plan: &TablePlan, known: &[Written]) -> Result<Vec<Written>, MysqlError> {
        let find = |name: &&str| known.iter().find(|column| column.name == **name).cloned();
        let names = self.generator.columns(&plan.table)?;
        let found: Option<Vec<Written>> = names.iter().map(find).collect();
        found.ok_or_else(|| {
            let table = &plan.table;
            MysqlError::Mismatch(format!(
                "table {table} has not all columns that rows were made for; read the schema again"
            ))
        })
    }

    /// Refuses rows that refer to none: they were loaded without looking.
    async fn hold_together(
        &self,
        held: &mut Session,
        table: &Table,
        loading: &str,
        come: &BTreeSet<&str>,
    ) -> Result<(), MysqlError> {
        let here = TableName::new(loading, &table.name.name);
        for key in &table.foreign_keys {
            let comes = key.table.schema == table.name.schema && come.contains(key.table.name.as_str());
            let parent = if comes { TableName::new(loading, &key.table.name) } else { key.table.clone() };
            let query = dangling(&here, key, &parent);
            let rows: Option<u64> = held.first(&query, "looking at references").await?;
            if let Some(rows) = rows.filter(|rows| *rows > 0) {
                return Err(MysqlError::Dangling { table: table.name.clone(), key: key.name.clone(), rows });
            }
        }
        held.run(&format!("ANALYZE TABLE {}", full_name(&here)), "analyzing").await
    }
}

/// How many rows refer, by a key, to rows that are not there.
fn dangling(table: &TableName, key: &ForeignKey, parent: &TableName) -> String {
    let pairs = key.columns.iter().zip(&key.references);
    let on: Vec<String> =
        pairs.map(|(own, other)| format!("p.{} = c.{}", quoted(other), quoted(own))).collect();
    let whole: Vec<String> = key.columns.iter().map(|own| format!("c.{} IS NOT NULL", quoted(own))).collect();
    let first = key.references.first().map_or_else(String::new, |name| quoted(name));
    format!(
        "SELECT count(*) FROM {} c LEFT JOIN {} p ON {} WHERE {} AND p.{first} IS NULL",
        full_name(table),
        full_name(parent),
        on.join(" AND "),
        whole.join(" AND ")
    )
}
