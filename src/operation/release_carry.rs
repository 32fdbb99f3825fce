//! The ledger's way from a cluster that is made anew into the one that takes its place. It is held in memory alone, for
//! Secrets are part of it: a run that is killed between loses it, and the system itself is what the files say either way.

use super::error::OperationError;
use super::release::{Book, Whole};
use super::session::{Existing, Session};
use super::up::INVENTORY;
use crate::cluster::identity;
use crate::cluster::state::Record;
use crate::event::Event;

/// Takes the ledger out of a cluster that is about to go; nothing where it cannot be read, which is said.
pub(super) async fn take(session: &Session, record: &Record) -> Option<Whole> {
    let taking = async {
        let cluster = session.connect().await?;
        identity::verify(&session.state, record, &cluster.client).await?;
        Book::new(&cluster, INVENTORY).whole().await
    };
    match taking.await {
        Ok(whole) => Some(whole),
        Err(error) => {
            lost(session, &error);
            None
        }
    }
}

/// Puts it into the cluster that took the place. The nodes are new, and have no images but those of now.
pub(super) async fn put(session: &Session, existing: &Existing, whole: Option<Whole>) {
    let Some(whole) = whole else { return };
    if let Err(error) = Book::new(&existing.cluster, INVENTORY).put(&whole).await {
        lost(session, &error);
    }
}

fn lost(session: &Session, error: &OperationError) {
    let text = format!("the ledger of releases does not come along into the cluster that is made: {error}");
    session.reporter.report(Event::Warning(text));
}
