//! Instant reset: a copy of the data set stands ready, and its tables take the places of the target's while applications stay
//! connected. All there is to remember is in the server, so that any process can go on.

use std::time::{Duration, Instant};

use super::beside::{Beside, drop_database};
use super::connect::Server;
use super::copies::{Copy, known, relations};
use super::definitions::others;
use super::error::MysqlError;
use super::exclusive::Exclusive;
use super::swap::{Pristine, Swap, tidy};
use crate::data::pristine::{CopyCost, ResetCost};

/// What a reset did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetReport {
    /// Whether a spare stood ready.
    pub spare: bool,
    /// Sessions that were ended, for their transactions held tables.
    pub sessions_ended: usize,
    /// The time it took.
    pub took: Duration,
}

/// Keeps the database as it is now as what it is reset to. Who writes meanwhile waits until it is done.
pub async fn keep_pristine(server: &Server) -> Result<CopyCost, MysqlError> {
    let mut lock = Exclusive::take(server).await?;
    let kept = keep(server, &mut lock).await;
    lock.release().await;
    kept
}

async fn keep(server: &Server, lock: &mut Exclusive) -> Result<CopyCost, MysqlError> {
    let target = server.database();
    tidy(server, lock).await?;
    drop_database(lock, &Beside::Spare.name(target)).await?;
    drop_database(lock, &Beside::Template.name(target)).await?;
    let others = others(lock, target).await?;
    Copy { from: target, to: Beside::Template, others, live: true }.make(server, lock).await
}

/// Drops what the last reset replaced, and makes the next spare where none stands ready.
pub async fn prepare_spare(server: &Server) -> Result<Option<CopyCost>, MysqlError> {
    let mut lock = Exclusive::take(server).await?;
    let prepared = async {
        tidy(server, &mut lock).await?;
        if known(&mut lock, &Beside::Spare.name(server.database())).await?.is_some() {
            return Ok(None);
        }
        make_spare(server, &mut lock).await.map(Some)
    };
    let prepared = prepared.await;
    lock.release().await;
    prepared
}

async fn make_spare(server: &Server, lock: &mut Exclusive) -> Result<CopyCost, MysqlError> {
    let target = server.database();
    let template = Beside::Template.name(target);
    let Some(whole) = known(lock, &template).await? else {
        return Err(MysqlError::NoPristine(target.to_owned()));
    };
    Copy { from: &template, to: Beside::Spare, others: whole.others, live: false }.make(server, lock).await
}

/// What a reset would take now.
pub async fn reset_cost(server: &Server) -> Result<ResetCost, MysqlError> {
    let mut session = server.outside().await?;
    let target = server.database();
    let Some(template) = known(&mut session, &Beside::Template.name(target)).await? else {
        return Err(MysqlError::NoPristine(target.to_owned()));
    };
    let spare = known(&mut session, &Beside::Spare.name(target)).await?;
    let last = spare.as_ref().unwrap_or(&template);
    Ok(ResetCost { spare: spare.is_some(), bytes: template.cost.bytes, copy: Some(last.cost.took) })
}

/// Puts the data set back, with the views, routines, triggers and events that belong to it. Sessions stay, but for those whose
/// transactions hold tables for long. The old rows stay on disk until [`prepare_spare`], which makes the next reset as quick.
pub async fn reset(server: &Server) -> Result<ResetReport, MysqlError> {
    let mut lock = Exclusive::take(server).await?;
    let done = put_back(server, &mut lock).await;
    lock.release().await;
    done
}

async fn put_back(server: &Server, lock: &mut Exclusive) -> Result<ResetReport, MysqlError> {
    let started = Instant::now();
    let target = server.database();
    tidy(server, lock).await?;
    let name = Beside::Spare.name(target);
    let mut ready = known(lock, &name).await?;
    let spare = ready.is_some();
    if !spare {
        make_spare(server, lock).await?;
        ready = known(lock, &name).await?;
    }
    let Some(ready) = ready else { return Err(MysqlError::Stopped("making a spare copy")) };
    let swap = Swap {
        from: Beside::Spare,
        out: relations(lock, target).await?,
        come: relations(lock, &name).await?,
        wanted: &ready.others,
        pristine: Pristine::Stays,
    };
    let sessions_ended = swap.perform(server, lock).await?;
    Ok(ResetReport { spare, sessions_ended, took: started.elapsed() })
}
