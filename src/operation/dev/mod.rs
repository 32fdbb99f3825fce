//! Keeps the running system as the files are: a saved file is running in the cluster before the window is switched.

pub(super) mod command;
mod copying;
pub mod developed;
mod due;
pub(super) mod node_watch;
mod raise;
pub(super) mod report;
mod running;
pub mod sources;
mod waiting;
mod work;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

pub use self::command::Command;
use self::due::Due;
use self::running::Running;
use self::sources::sources;
use crate::event::Event;
use crate::operation::error::OperationError;
use crate::operation::logs::Line;
use crate::operation::session::Session;
use crate::operation::swap::Style;
use crate::operation::sync::Syncer;
use crate::operation::up;
use crate::watch::{Sources, Watcher};
use crate::words::shown;

/// How long the engine or the API server is left alone before it is tried again.
const ABSENT: Duration = Duration::from_secs(1);

/// How to develop.
pub struct Options<'a> {
    /// How `up` is called, first and whenever manifests change.
    pub up: up::Options<'a>,
    /// How containers are swapped.
    pub style: Style,
    /// Whether to end once the system is as the files are.
    pub once: bool,
    /// Reads the configuration again.
    pub reload: &'a (dyn Fn() -> Result<Session, String> + Sync),
    /// Takes what the system's containers write; none where nobody wants to know.
    pub logs: Option<mpsc::Sender<Line>>,
    /// Where the system answers, written each time it was brought up.
    pub addresses: &'a Mutex<Vec<String>>,
}

/// Brings the system up and keeps it as the files are, until it is dropped.
pub async fn run(
    mut session: Session,
    options: &Options<'_>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) -> Result<(), OperationError> {
    let mut owed = BTreeSet::new();
    loop {
        // Watched before anything is done, so that nothing that changes meanwhile is missed.
        let begun = Instant::now();
        let sources = sources(&session.config);
        let watcher = Watcher::start(&sources.roots())?;
        let syncer = Syncer::start(&sources);
        let line = format!("all of it is watched after {:.2} s", begun.elapsed().as_secs_f64());
        session.reporter.report(Event::Output { step: "watch".into(), line });
        owed.retain(|name| sources.images.iter().any(|image| image.name == *name));
        let mut work = Work {
            session: &session,
            options,
            sources,
            watcher,
            syncer,
            running: None,
            waiting: false,
            commands: &mut commands,
            learning: None,
            owed,
        };
        match work.raise().await {
            Err(error) if options.once || !error.is_mended_by_a_save() => return Err(error),
            Err(error) => work.say_failed(&error),
            Ok(()) if options.once => return Ok(()),
            Ok(()) => {}
        }
        session.reporter.report(Event::Note(watching(&work.sources)));
        for (root, kind) in &work.watcher.polled {
            let root = shown(root);
            let note = format!(
                "{root} is on {kind}, which does not tell of changes: it is looked at again and again"
            );
            session.reporter.report(Event::Note(note));
        }
        Box::pin(work.until_configured_anew()).await?;
        work.syncer.settle().await;
        owed = std::mem::take(&mut work.owed);
        session = work.reload().await;
    }
}

fn watching(sources: &Sources) -> String {
    let images: Vec<&str> = sources.images.iter().map(|image| image.name.as_str()).collect();
    let images = if images.is_empty() { "no image".into() } else { images.join(", ") };
    format!("watching the manifests and the sources of {images}")
}

struct Work<'a> {
    session: &'a Session,
    options: &'a Options<'a>,
    sources: Sources,
    watcher: Watcher,
    syncer: Syncer,
    running: Option<Running>,
    /// Whether it was said that something is away.
    waiting: bool,
    commands: &'a mut mpsc::UnboundedReceiver<Command>,
    learning: Option<AbortOnDropHandle<()>>,
    /// Images whose swap was interrupted, or is yet to begin: it is made up for once the system is up.
    owed: BTreeSet<String>,
}
