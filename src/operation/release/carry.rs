//! The ledger's way from a cluster that goes into the next of its name: a file on this machine, the user's alone because
//! Secrets are part of it. It is written anew after each record and before the cluster goes, so that a cluster which something
//! else took away has not taken its ledger along. It waits for its cluster while that is another than it was taken from last.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cluster::ProvidedNode;
use crate::cluster::identity;
use crate::cluster::state::Record;
use crate::event::Event;
use crate::handoff::release::Entry;
use crate::operation::error::OperationError;
use crate::operation::fault;
use crate::operation::ground;
use crate::operation::release::{BLOBS, Book, RECORD, name};
use crate::operation::session::{Existing, Session};
use crate::operation::up::INVENTORY;

/// How long a cluster that is about to go may take to tell its ledger, and to be started for that.
const PATIENCE: Duration = Duration::from_mins(2);

/// All objects of a ledger, to be put into another cluster, in the order of being put. Not to be shown, for Secrets are
/// among it.
#[derive(Default, Serialize, Deserialize)]
pub struct Whole {
    /// The uid of the cluster that it was taken from last.
    cluster: String,
    parts: Vec<Part>,
}

#[derive(Serialize, Deserialize)]
struct Part {
    secret: bool,
    object: Value,
}

impl Whole {
    /// With what is in `other` alone.
    fn with(mut self, other: Self) -> Self {
        let known: BTreeSet<(bool, String)> =
            self.parts.iter().map(|part| (part.secret, name(&part.object).to_owned())).collect();
        let is_new = |part: &Part| !known.contains(&(part.secret, name(&part.object).to_owned()));
        self.parts.extend(other.parts.into_iter().filter(is_new));
        self.parts.sort_by_key(|part| order(&part.object));
        self
    }
}

/// Blobs before records, and of these the last first: whoever records something while a ledger has come only in part takes a
/// number that is free in all of it.
fn order(object: &Value) -> (bool, Reverse<Option<Entry>>) {
    let is_record = object.get("binaryData").is_some_and(|data| data.get(RECORD).is_some());
    let entry = name(object).rsplit_once('-').and_then(|(_, entry)| entry.parse().ok());
    (is_record, Reverse(entry.filter(|_| is_record)))
}

/// What tells whose ledger a file holds.
#[derive(Deserialize)]
struct Head {
    cluster: String,
}

impl Book {
    /// Everything that the ledger is made of.
    pub async fn whole(&self) -> Result<Whole, OperationError> {
        let mut parts = Vec::new();
        for (secret, part) in [(true, BLOBS), (false, BLOBS), (false, RECORD)] {
            for mut object in self.list(secret, part).await? {
                let mut bare = self.object(secret, name(&object), part);
                for key in ["data", "binaryData", "type"] {
                    if let Some(value) = object.get_mut(key).map(Value::take) {
                        bare[key] = value;
                    }
                }
                parts.push(Part { secret, object: bare });
            }
        }
        parts.sort_by_key(|part| order(&part.object));
        Ok(Whole { cluster: String::new(), parts })
    }

    /// Adds everything that another cluster's ledger was made of. What is there already stays.
    pub async fn put(&self, whole: &Whole) -> Result<(), OperationError> {
        for Part { secret, object } in &whole.parts {
            self.create(*secret, name(object), object).await?;
        }
        Ok(())
    }
}

/// Takes the ledger out of a cluster that is about to go, beside what is kept of an earlier one; nodes that stand still are
/// started for that. Gives whether there is one; says why where it cannot be read.
pub(in crate::operation) async fn take(
    session: &Session,
    record: &Record,
    nodes: &[ProvidedNode],
) -> Result<bool, String> {
    let kept = read(session).map_err(|error| error.to_string())?;
    let reading = async {
        if nodes.iter().any(|node| !node.running) {
            ground::start(session, nodes).await?;
        }
        let cluster = session.connect().await?;
        identity::verify(&session.state, record, &cluster.client).await?;
        Book::new(&cluster, INVENTORY).whole().await
    };
    let whole = match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(whole)) => whole,
        failed => {
            let why = match failed {
                Ok(Err(error)) => error.to_string(),
                _ => format!("its API server did not answer within {} s", PATIENCE.as_secs()),
            };
            if kept.is_none_or(|kept| kept.cluster != record.uid) {
                return Err(why);
            }
            let text =
                format!("the ledger of releases stays as it was copied after the last of them, for {why}");
            session.reporter.report(Event::Warning(text));
            return Ok(true);
        }
    };
    let is_there = write(session, &record.uid, whole.with(kept.unwrap_or_default()));
    let is_there = is_there.map_err(|error| error.to_string())?;
    if is_there {
        fault::point("ledger-kept");
    }
    Ok(is_there)
}

/// Writes the file, as taken from the cluster with this uid; false where there is nothing to write.
fn write(session: &Session, cluster: &str, whole: Whole) -> Result<bool, OperationError> {
    if whole.parts.is_empty() {
        return Ok(false);
    }
    let whole = Whole { cluster: cluster.to_owned(), ..whole };
    session.state.write_ledger(&serde_json::to_vec(&whole).unwrap_or_default())?;
    Ok(true)
}

/// Copies the ledger of a cluster that has all of it into the file. That it cannot is said: the next record tries again.
pub(in crate::operation) async fn keep(session: &Session, existing: &Existing) {
    let copying = async {
        let kept = read(session)?.unwrap_or_default();
        let whole = Book::new(&existing.cluster, INVENTORY).whole().await?;
        write(session, &existing.record.uid, whole.with(kept))
    };
    if let Err(error) = copying.await {
        let text = format!("should this cluster be lost, its newest releases are lost with it: {error}");
        session.reporter.report(Event::Warning(text));
    }
}

/// Whether a ledger waits to be put into this cluster. A file that cannot be read counts: who goes on to read it says why.
pub(in crate::operation) fn waits(session: &Session, existing: &Existing) -> bool {
    match std::fs::read(session.state.ledger()) {
        Ok(text) => {
            let head: Option<Head> = serde_json::from_slice(&text).ok();
            head.is_none_or(|head| head.cluster != existing.record.uid)
        }
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// Whether there is a file.
pub(in crate::operation) fn is_kept(session: &Session) -> bool {
    session.state.ledger().exists()
}

fn read(session: &Session) -> Result<Option<Whole>, OperationError> {
    let path = session.state.ledger();
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OperationError::Ledger { path, reason: error.to_string() }),
    };
    let whole = serde_json::from_slice(&text);
    whole.map(Some).map_err(|error| OperationError::Ledger { path, reason: error.to_string() })
}

/// Puts the ledger that waits into the cluster that took the place; false where none does. For who holds the cluster's lock.
pub(in crate::operation) async fn put(
    session: &Session,
    existing: &Existing,
) -> Result<bool, OperationError> {
    if !waits(session, existing) {
        return Ok(false);
    }
    let Some(whole) = read(session)? else { return Ok(false) };
    Book::new(&existing.cluster, INVENTORY).put(&whole).await?;
    fault::point("ledger-put");
    write(session, &existing.record.uid, whole)?;
    session.reporter.report(Event::Note("the ledger of releases is in this cluster again".into()));
    Ok(true)
}

/// The same as soon as there is a cluster, so that also one that nothing gets ready in tells its releases. That it cannot is said,
/// and who records next tries again.
pub(in crate::operation) async fn put_or_tell(session: &Session, existing: &Existing) {
    if let Err(error) = put(session, existing).await {
        let text = format!("the ledger of releases is not in this cluster yet: {error}");
        session.reporter.report(Event::Warning(text));
    }
}

/// Takes it out of a cluster that is made anew; that it cannot be read is said.
pub(in crate::operation) async fn take_or_tell(session: &Session, record: &Record, nodes: &[ProvidedNode]) {
    if let Err(why) = take(session, record, nodes).await {
        let text = format!("the ledger of releases does not come along into the cluster that is made: {why}");
        session.reporter.report(Event::Warning(text));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records_come_last_and_the_newest_first_and_what_was_kept_stays() {
        let record = |n: u64| json!({"metadata": {"name": format!("release-system-{n}")}, "binaryData": {"record": ""}});
        let blobs = json!({"metadata": {"name": "release-system-blobs-12"}, "binaryData": {"aa": ""}});
        let whole = |objects: Vec<Value>| Whole {
            cluster: "a".into(),
            parts: objects.into_iter().map(|object| Part { secret: false, object }).collect(),
        };
        let mut other = record(2);
        other["data"] = json!({"hash": "of another"});
        let mut said = record(2);
        said["metadata"]["name"] = "release-system-2.1".into();
        let both = whole(vec![record(2), record(10), blobs]).with(whole(vec![record(3), said, other]));
        let names: Vec<&str> = both.parts.iter().map(|part| name(&part.object)).collect();
        let wanted = ["blobs-12", "10", "3", "2.1", "2"].map(|name| format!("release-system-{name}"));
        assert_eq!(names, wanted);
        assert!(both.parts[4].object.get("data").is_none(), "what the cluster has counts");
    }
}
