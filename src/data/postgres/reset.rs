//! Instant reset: a copy of the data set stands ready, and takes the database's place by being renamed. All there is to
//! remember is in the server, in databases' names and remarks, so that any process can go on.

use std::time::{Duration, Instant};

use super::connect::Server;
use super::copies::{copy_database, remembered};
use super::databases::{Beside, Known, Swap, check_rights, drop_database, drop_retired, known, swap, tidy};
use super::error::PostgresError;
use super::exclusive::Exclusive;
use crate::data::pristine::{CopyCost, ResetCost};

/// What a reset did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetReport {
    /// Whether a spare stood ready.
    pub spare: bool,
    /// Sessions that were ended.
    pub sessions_ended: usize,
    /// The time it took.
    pub took: Duration,
}

/// Keeps the database as it is now as what it is reset to. Its sessions are ended; new ones wait until it is done.
pub async fn keep_pristine(server: &Server) -> Result<CopyCost, PostgresError> {
    let lock = Exclusive::take(server, "copy").await?;
    let kept = keep(server, &lock).await;
    lock.release().await;
    kept
}

async fn keep(server: &Server, lock: &Exclusive) -> Result<CopyCost, PostgresError> {
    check_rights(server, lock).await?;
    let target = server.database();
    tidy(lock, target).await?;
    drop_database(lock, &Beside::Spare.name(target)).await?;
    drop_database(lock, &Beside::Template.name(target)).await?;
    copy_database(server, lock, target, &Beside::Template.name(target), true).await
}

/// Drops what the last reset replaced, which takes a checkpoint, and makes the next spare where none stands ready.
pub async fn prepare_spare(server: &Server) -> Result<Option<CopyCost>, PostgresError> {
    let lock = Exclusive::take(server, "preparing a spare copy").await?;
    let prepared = prepare(server, &lock).await;
    lock.release().await;
    prepared
}

async fn prepare(server: &Server, lock: &Exclusive) -> Result<Option<CopyCost>, PostgresError> {
    check_rights(server, lock).await?;
    let target = server.database();
    drop_retired(lock, target).await?;
    if known(lock, &Beside::Spare.name(target)).await?.is_some() {
        return Ok(None);
    }
    make_spare(server, lock).await.map(Some)
}

async fn make_spare(server: &Server, lock: &Exclusive) -> Result<CopyCost, PostgresError> {
    let target = server.database();
    let template = Beside::Template.name(target);
    if known(lock, &template).await?.is_none() {
        return Err(PostgresError::NoPristine(target.to_owned()));
    }
    copy_database(server, lock, &template, &Beside::Spare.name(target), false).await
}

/// What a reset would take now.
pub async fn reset_cost(server: &Server) -> Result<ResetCost, PostgresError> {
    let session = server.maintenance().await?;
    let target = server.database();
    let template = known(&session, &Beside::Template.name(target)).await?;
    let Some(template) = template else { return Err(PostgresError::NoPristine(target.to_owned())) };
    let spare = known(&session, &Beside::Spare.name(target)).await?;
    let cost = |known: &Known| remembered(known.comment.as_deref()?).map(|cost| cost.took);
    let copy = spare.as_ref().and_then(cost).or_else(|| cost(&template));
    Ok(ResetCost { spare: spare.is_some(), bytes: template.bytes, copy })
}

/// Puts the data set back. Sessions are ended; settings and grants of the database stay. The old rows stay on disk
/// until [`prepare_spare`], which makes the next reset as quick.
pub async fn reset(server: &Server) -> Result<ResetReport, PostgresError> {
    let lock = Exclusive::take(server, "reset").await?;
    let done = put_back(server, &lock).await;
    lock.release().await;
    done
}

async fn put_back(server: &Server, lock: &Exclusive) -> Result<ResetReport, PostgresError> {
    let started = Instant::now();
    check_rights(server, lock).await?;
    let target = server.database();
    // What an earlier swap left behind has the name that the database gets now.
    drop_retired(lock, target).await?;
    let spare = known(lock, &Beside::Spare.name(target)).await?.is_some();
    if !spare {
        make_spare(server, lock).await?;
    }
    let sessions_ended = swap(server, lock, Swap::Reset).await?;
    Ok(ResetReport { spare, sessions_ended, took: started.elapsed() })
}
