//! What is done with a MySQL or MariaDB: seeds, snapshots, resets.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::masking::masking;
use super::meter::Meter;
use super::outcome::{Held, Part, Reset, Seeded, Taken, Words};
use crate::data::discover::Store;
use crate::data::generate::Generator;
use crate::data::mysql::{self, DumpOptions, LoadOptions, MysqlError, RestoreOptions, Server};
use crate::data::progress::Progress;
use crate::data::schema::Schema;
use crate::data::snapshot::{Catalogue, Manifest};
use crate::data::subset::Root;
use crate::event::Event;
use crate::operation::error::OperationError;
use crate::operation::session::Session;
use crate::operation::snapshots::create::{Taking, finish, plan};
use crate::operation::snapshots::load::{own_prefix, say_cost, say_not_kept, tell_ended};

/// What a store's streams begin with.
pub fn prefix(store: &Store) -> String {
    format!("mysql/{}", store.name())
}

/// Takes a snapshot. `show` is shown which rows would be taken, where not all are, before any is.
pub async fn create(
    session: &Session,
    server: &Server,
    taking: Taking<'_>,
    show: &dyn Fn(&str),
) -> Result<Taken, OperationError> {
    let started = Instant::now();
    let schema = mysql::schema(server).await?;
    let mask = if taking.masked { Some(Arc::new(masking(session, &schema)?)) } else { None };
    let rules = mask.as_ref().map(|mask| mask.rules());
    let subset = plan(&schema, taking.part, Root::mysql_condition)?;
    if let Some(subset) = &subset {
        show(&subset.to_string());
    }
    let tool = (server.flavour().to_string(), server.release().to_owned());
    let writer = taking.begin(session, tool).await?;
    let options = DumpOptions { mask, subset, ..DumpOptions::whole(&taking.prefix) };
    let meter = Meter::new("snapshot", session.reporter.clone());
    let dumped = mysql::dump(server, &writer, &options, &|progress| meter.tell(progress)).await?;
    let parts = dumped.tables.iter().map(Part::dumped);
    let source = [("source", json!(server.name())), ("database", json!(server.database()))];
    let taken = finish(session, writer, source, rules, Words::TABLES, parts.collect(), started).await?;
    for note in dumped.notes.into_iter().chain(server.note()) {
        session.reporter.report(Event::Note(note));
    }
    Ok(taken)
}

/// Puts a snapshot's data back.
pub async fn load(
    session: &Session,
    server: &Server,
    store: &Store,
    catalogue: &Catalogue,
    manifest: &Manifest,
    keep: bool,
) -> Result<Held, OperationError> {
    let prefix = own_prefix(manifest, store, &prefix(store))?;
    let meter = Meter::new("data", session.reporter.clone());
    let options = RestoreOptions { prefix, sessions: 2, keep_pristine: keep };
    let tell = |progress: Progress<'_>| meter.tell(progress);
    let report = mysql::restore(server, catalogue, manifest, &options, &tell).await?;
    tell_ended(session, report.sessions_ended);
    let parts = report.tables.iter().map(|(table, rows)| Part::counted(table, *rows)).collect();
    Ok(Held { words: Words::TABLES, parts, took: report.took })
}

/// Loads synthetic rows.
pub async fn seed(
    session: &Session,
    server: &Server,
    schema: &Schema,
    generator: &Generator,
) -> Result<Seeded, OperationError> {
    let meter = Meter::new("data", session.reporter.clone());
    let tell = |progress: Progress<'_>| meter.tell(progress);
    let report = mysql::load(server, schema, generator, &LoadOptions::default(), &tell).await?;
    tell_ended(session, report.sessions_ended);
    let parts = report.tables.iter().map(Part::loaded);
    let emptied = report.emptied.iter().map(ToString::to_string).collect();
    Ok(Seeded { words: Words::TABLES, parts: parts.collect(), emptied, took: report.took })
}

/// Puts the data back as it was loaded last. Gives its bytes, too.
pub async fn reset(session: &Session, server: &Server) -> Result<(Reset, u64), OperationError> {
    let cost = mysql::reset_cost(server).await?;
    say_cost(session, cost.spare, cost.bytes, cost.copy);
    let report = mysql::reset(server).await?;
    tell_ended(session, report.sessions_ended);
    Ok((Reset { spare: report.spare, took: report.took }, cost.bytes))
}

/// Keeps what it holds now. Nothing is lost where its server does not allow that.
pub async fn keep(session: &Session, server: &Server) -> Result<(), OperationError> {
    match mysql::keep_pristine(server).await {
        Ok(_) => Ok(()),
        Err(error @ MysqlError::Rights { .. }) => {
            say_not_kept(session, &error);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
