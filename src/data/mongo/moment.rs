//! Which moment a dump is of: one where the server keeps several versions (replica sets, from version 5 on), else as many as
//! there are documents. Then what the server counts of writes says whether that makes a difference.

use bson::{Document, doc};
use mongodb::ClientSession;

use super::connect::Server;
use super::error::{During, MongoError};
use super::namespaces::number;

/// A session that sees one moment, where the server has such.
pub(super) async fn session(server: &Server) -> Result<Option<ClientSession>, MongoError> {
    if !server.has_moments() {
        return Ok(None);
    }
    let session = server.client().start_session().snapshot(true).await;
    session.map(Some).during("beginning to read one moment")
}

/// Commands that write, and how many of them the server has run since it started. None where it does not tell.
pub(super) async fn writes(server: &Server) -> Option<u64> {
    const COMMANDS: [&str; 13] = [
        "insert",
        "update",
        "delete",
        "bulkWrite",
        "findAndModify",
        "findandmodify",
        "create",
        "drop",
        "dropDatabase",
        "renameCollection",
        "createIndexes",
        "dropIndexes",
        "collMod",
    ];
    let said =
        server.run("admin", doc! { "serverStatus": 1 }, "asking for the server's status").await.ok()?;
    let commands = said.get_document("metrics").ok()?.get_document("commands").ok()?;
    let total = |name: &&str| number(commands.get_document(name).ok().and_then(|count| count.get("total")));
    // What a secondary applies was a command elsewhere.
    let applied = said.get_document("opcountersRepl").ok();
    let applied = ["insert", "update", "delete", "command"].iter().map(|kind| repeated(applied, kind));
    Some(COMMANDS.iter().map(total).chain(applied).fold(0, u64::saturating_add))
}

fn repeated(counters: Option<&Document>, kind: &str) -> u64 {
    number(counters.and_then(|counters| counters.get(kind)))
}

/// What to say of a dump that is not of one moment; nothing where nobody wrote meanwhile.
pub(super) fn note(server: &Server, before: Option<u64>, after: Option<u64>) -> Option<String> {
    let name = server.name();
    match before.zip(after) {
        Some((before, after)) if before == after => None,
        Some((before, after)) => Some(format!(
            "{name} ran {} commands that write while it was dumped, and does not let itself be read as of one moment: its \
             documents are of different moments; dump it again while nobody writes, or make it a replica set",
            after.saturating_sub(before)
        )),
        None => Some(format!(
            "{name} does not let itself be read as of one moment, and does not tell this user whether it was written to \
             meanwhile (role `clusterMonitor`): its documents may be of different moments"
        )),
    }
}
