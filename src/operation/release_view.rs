//! What the ledger tells: its releases, one of them, in what two differ; and what is said about one.

use std::collections::BTreeMap;

use super::error::OperationError;
use super::release::{Book, Draft};
use super::release_record::{book, who};
use super::session::Session;
use crate::handoff::release::diff::{diff, unequal};
use crate::handoff::release::{Content, Kept, Ledger, Made, Record, ReleaseDiff, ReleaseError};
use crate::manifest::{Object, ObjectId};

/// The ledger.
pub async fn ledger(session: &Session) -> Result<Ledger, OperationError> {
    book(&session.existing().await?).load().await
}

/// In what two releases differ; the second is the one that stands now where none is named.
pub async fn compare(
    session: &Session,
    first: u64,
    second: Option<u64>,
) -> Result<ReleaseDiff, OperationError> {
    let book = book(&session.existing().await?);
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
    Ok(diff((was.number, &was.content), (is.number, &is.content), &texts))
}

/// Adds to the ledger what somebody says about a release.
pub async fn annotate(session: &Session, number: u64, text: &str) -> Result<Record, OperationError> {
    let existing = session.existing().await?;
    let _lock = session.lock()?;
    let book = book(&existing);
    let ledger = book.load().await?;
    ledger.release(number)?;
    let by = who(session.config.directory()).await;
    let draft = Draft {
        note: Some(text.to_owned()),
        ..Draft::new(Made::Annotation { of: number }, by, Content::default())
    };
    book.record(&ledger, draft).await
}
