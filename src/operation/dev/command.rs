//! What a developer may ask `dev` for at any time, besides saving files.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::event::Event;
use crate::operation::dev::{Due, Running};
use crate::operation::error::OperationError;
use crate::operation::session::Session;
use crate::operation::swap::Style;
use crate::operation::swap::job;
use crate::operation::sync;
use crate::watch::Effects;
use crate::words::{counted, listed};

/// Something that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Every image that is built here, built and swapped where something changed.
    Rebuild,
    /// Every container that runs an image built here, started anew.
    Restart,
    /// Every Job of the manifests that runs an image built here, run anew.
    RecreateJobs,
}

/// Does what was asked for; `images` are those that are built here. What is due then is given.
pub(super) async fn obey(
    session: &Session,
    style: Style,
    running: &mut Running,
    command: Command,
    images: BTreeSet<String>,
) -> Result<Due, OperationError> {
    let (stage, hands, _) = running.parts(session, style);
    match command {
        Command::Rebuild => {
            let effects = Effects { rebuild: images, ..Effects::default() };
            return Ok(Due { effects, since: Some(Instant::now()) });
        }
        Command::Restart => {
            let all: Vec<_> = images.iter().flat_map(|image| sync::containers(stage, image)).collect();
            hands.place(&[], &all, Some("KILL")).await?;
            session.reporter.report(Event::Note(format!("{} started anew", counted(all.len(), "container"))));
        }
        Command::RecreateJobs => {
            let _lock = session.lock()?;
            let jobs = job::recreate(stage, &images).await?;
            let what = match jobs.len() {
                0 => "no Job of the manifests runs an image that is built here".into(),
                count => format!("{} run anew:{}", counted(count, "Job"), listed(&jobs)),
            };
            session.reporter.report(Event::Note(what));
        }
    }
    Ok(Due::default())
}
