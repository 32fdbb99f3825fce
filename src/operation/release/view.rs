//! What the ledger tells: its releases, one of them, in what two differ; and what is said about one.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bytes;
use super::carry;
use super::record::{book, open, who};
use crate::event::Event;
use crate::handoff::release::diff::{diff, unequal};
use crate::handoff::release::{Content, Kept, Ledger, Made, Record, ReleaseDiff, ReleaseError, hooks};
use crate::manifest::{Object, ObjectId};
use crate::operation::error::OperationError;
use crate::operation::release::{Book, Draft};
use crate::operation::session::{Existing, Session};

/// The cluster. Where its ledger is not in it, for there is none or it was made just now, it is said where that waits.
async fn existing(session: &Session) -> Result<Existing, OperationError> {
    let found = session.existing().await;
    let waits = match &found {
        Ok(existing) => carry::waits(session, existing),
        Err(error) => matches!(error, OperationError::NoCluster { .. }) && carry::is_kept(session),
    };
    if waits {
        let path = session.state.ledger();
        let path = path.display();
        let text =
            format!("the ledger of releases is kept in {path}; `devcluster up` puts it into the cluster");
        session.reporter.report(Event::Note(text));
    }
    found
}

/// The ledger.
pub async fn ledger(session: &Session) -> Result<Ledger, OperationError> {
    book(&existing(session).await?).load().await
}

/// The ledger, and by number the images for lack of which a release cannot be gone back to. Nodes that cannot be asked are said
/// and leave that open.
pub async fn list(session: &Session) -> Result<(Ledger, BTreeMap<u64, Vec<String>>), OperationError> {
    let existing = existing(session).await?;
    let ledger = book(&existing).load().await?;
    let gone = match bytes::gone(session, &existing, &ledger).await {
        Ok(gone) => gone,
        Err(error) => {
            let text = format!("which releases can be gone back to is not known: {error}");
            session.reporter.report(Event::Warning(text));
            BTreeMap::new()
        }
    };
    Ok((ledger, gone))
}

/// In what two releases differ; the second is the one that stands now where none is named.
pub async fn compare(
    session: &Session,
    first: u64,
    second: Option<u64>,
) -> Result<ReleaseDiff, OperationError> {
    let book = book(&existing(session).await?);
    let ledger = book.load().await?;
    let was = ledger.release(first)?;
    let is = match second {
        Some(number) => ledger.release(number)?,
        None => ledger.current().ok_or(ReleaseError::None)?,
    };
    difference(&book, was, is).await
}

/// In what two releases differ: only texts that do are read.
pub async fn difference(book: &Book, was: &Record, is: &Record) -> Result<ReleaseDiff, OperationError> {
    let ids = unequal(&was.content, &is.content);
    let own = |record: &Record| -> Vec<Kept> {
        record.content.objects.iter().filter(|kept| ids.contains(&kept.id)).cloned().collect()
    };
    let (own_was, own_is) = (own(was), own(is));
    let (mut before, mut after) =
        tokio::try_join!(book.texts(was.number, &own_was), book.texts(is.number, &own_is))?;
    let texts: BTreeMap<ObjectId, (Object, Object)> = ids
        .into_iter()
        .filter_map(|id| Some((id.clone(), (before.remove(&id)?, after.remove(&id)?))))
        .collect();
    let hooks = hook_texts(book, was, is).await?;
    Ok(diff((was.number, &was.content), (is.number, &is.content), &texts, hooks))
}

/// The two texts of each hook that differs.
async fn hook_texts(book: &Book, was: &Record, is: &Record) -> Result<Vec<(Value, Value)>, OperationError> {
    let (before, after): (Vec<Kept>, Vec<Kept>) =
        hooks::unequal(&was.content, &is.content).into_iter().unzip();
    let (before, after) =
        tokio::try_join!(book.objects(was.number, &before), book.objects(is.number, &after))?;
    let pairs = before.into_iter().zip(after);
    Ok(pairs.map(|(was, is)| (was.value, is.value)).collect())
}

/// Adds to the ledger what somebody says about a release.
pub async fn annotate(session: &Session, number: u64, text: &str) -> Result<Record, OperationError> {
    let existing = existing(session).await?;
    let _lock = session.lock()?;
    let (book, ledger) = open(session, &existing).await?;
    ledger.release(number)?;
    let by = who(session.config.directory()).await;
    let draft = Draft {
        note: Some(text.to_owned()),
        ..Draft::new(Made::Annotation { of: number }, by, Content::default())
    };
    let record = book.record(&ledger, draft).await?;
    carry::keep(session, &existing).await;
    Ok(record)
}
