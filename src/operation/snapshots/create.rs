//! Takes a snapshot of a store: of the cluster's own as it is, of one elsewhere only masked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::blocking;
use crate::data::postgres::{self, DumpOptions, Server};
use crate::data::schema::Schema;
use crate::data::snapshot::{Catalogue, CreateOptions, SnapshotName, Writer};
use crate::data::subset::{self, Cap, Request, Root, SubsetFault};
use crate::event::Event;
use crate::operation::error::OperationError;
use crate::operation::session::Session;
use crate::operation::stores::masking::masking;
use crate::operation::stores::meter::Meter;
use crate::operation::stores::outcome::{self, Taken, Words};
use crate::words::{counted, sized};

const STEP: &str = "snapshot";

/// Which rows are taken, where not all are.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// Conditions such as `customers.id in (1, 2)`: the roots.
    pub conditions: Vec<String>,
    /// Shares such as `5` or `customers=5`, in percent.
    pub percent: Vec<String>,
    /// The most rows that are taken of what refers to a row, by each reference; all where unset.
    pub cap: Option<u32>,
}

impl Part {
    /// Whether all rows are.
    pub fn is_whole(&self) -> bool {
        self.conditions.is_empty() && self.percent.is_empty()
    }
}

/// What is taken.
pub struct Taking<'a> {
    /// The snapshot's name.
    pub name: SnapshotName,
    /// What its streams begin with: `postgres/shop/orders`.
    pub prefix: String,
    /// Whether a snapshot of that name makes way.
    pub replace: bool,
    /// Whether rows are masked: always, of a database that is not the cluster's own.
    pub masked: bool,
    /// Which rows.
    pub part: &'a Part,
}

impl Taking<'_> {
    /// Begins the snapshot, which has the version of the store's own `tool`.
    pub(in crate::operation) async fn begin(
        &self,
        session: &Session,
        tool: (String, String),
    ) -> Result<Writer, OperationError> {
        begin(session.config.snapshots(), self.name.clone(), self.replace, tool).await
    }
}

/// Takes a snapshot of a PostgreSQL into the project's catalogue. `show` is shown which rows would be taken, where not all are,
/// before any is.
pub async fn create(
    session: &Session,
    server: &Server,
    taking: Taking<'_>,
    show: &dyn Fn(&str),
) -> Result<Taken, OperationError> {
    let started = Instant::now();
    let reporter = &session.reporter;
    let schema = postgres::schema(server).await?;
    let mask = if taking.masked { Some(Arc::new(masking(session, &schema)?)) } else { None };
    let subset = plan(&schema, taking.part, Root::condition)?;
    if let Some(subset) = &subset {
        show(&subset.to_string());
    }
    let writer = taking.begin(session, ("PostgreSQL".to_owned(), server.release().to_owned())).await?;
    let rules = mask.as_ref().map(|mask| mask.rules());
    let options = DumpOptions { mask, subset, ..DumpOptions::whole(&taking.prefix) };
    let meter = Meter::new(STEP, reporter.clone());
    let dumped = postgres::dump(server, &writer, &options, &|progress| meter.tell(progress)).await?;
    for note in &dumped.notes {
        reporter.report(Event::Note(note.clone()));
    }
    let source = [
        ("source", json!(server.name())),
        ("database", json!(server.database())),
        ("schemaFingerprint", json!(dumped.fingerprint)),
    ];
    let parts = dumped.tables.iter().map(outcome::Part::dumped).collect();
    finish(session, writer, source, rules, Words::TABLES, parts, started).await
}

/// Ends a snapshot and says what is in it.
pub(in crate::operation) async fn finish(
    session: &Session,
    writer: Writer,
    source: impl IntoIterator<Item = (&'static str, Value)>,
    rules: Option<Vec<(String, String)>>,
    words: Words,
    parts: Vec<outcome::Part>,
    started: Instant,
) -> Result<Taken, OperationError> {
    let mut attributes: BTreeMap<String, Value> =
        source.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    attributes.insert("masked".to_owned(), json!(rules.is_some()));
    if let Some(rules) = rules {
        let rules: BTreeMap<String, String> = rules.into_iter().collect();
        attributes.insert("maskingRules".into(), json!(rules));
    }
    let created = blocking(move || Ok(writer.finish(attributes)?)).await?;
    let what = format!(
        "{}: {} {} of {}, {} kept in {} new",
        created.manifest.name,
        outcome::rows(&parts),
        words.rows,
        counted(parts.len(), words.part),
        sized(created.manifest.size()),
        sized(created.added.bytes)
    );
    let took = started.elapsed();
    session.reporter.report(Event::Done { step: STEP.into(), what, took });
    Ok(Taken { created, words, parts, took })
}

/// Begins a snapshot in a catalogue, with the versions of devcluster and of the store's own `tool`.
pub(in crate::operation) async fn begin(
    directory: PathBuf,
    name: SnapshotName,
    replace: bool,
    tool: (String, String),
) -> Result<Writer, OperationError> {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
    let mut options = CreateOptions::at(now.to_string().parse()?);
    options.replace = replace;
    options.tools = BTreeMap::from([("devcluster".to_owned(), env!("CARGO_PKG_VERSION").to_owned()), tool]);
    blocking(move || Ok(Catalogue::open(directory).create(name, options)?)).await
}

/// Which rows are taken, where not all are; `condition` reads a condition as the store does.
pub(in crate::operation) fn plan(
    schema: &Schema,
    part: &Part,
    condition: fn(&Schema, &str) -> Result<Root, SubsetFault>,
) -> Result<Option<subset::Plan>, OperationError> {
    if part.is_whole() {
        return Ok(None);
    }
    let mut roots = Vec::new();
    for text in &part.conditions {
        roots.push(condition(schema, text)?);
    }
    for percent in &part.percent {
        roots.push(Root::percent(schema, percent)?);
    }
    let cap = part.cap.map_or(Cap::All, Cap::Most);
    let request = Request { roots, whole: Vec::new(), cap, caps: Vec::new(), seed: 0 };
    Ok(Some(subset::plan(schema, &request)?))
}
