//! Keeps the running system as the files are: a saved file is running in the cluster before the window is switched.

pub(super) mod command;
pub mod developed;
pub(super) mod node_watch;
pub(super) mod report;
pub mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

pub use self::command::Command;
use self::command::obey;
use self::node_watch::NodeWatch;
use self::sources::{manifests, sources};
use crate::event::Event;
use crate::operation::address::Tried;
use crate::operation::error::OperationError;
use crate::operation::gather::Desired;
use crate::operation::hands::Hands;
use crate::operation::live::Live;
use crate::operation::logs::{self, Line};
use crate::operation::session::{Existing, Session};
use crate::operation::swap::{Stage, Style, Swapper};
use crate::operation::sync::{Arrival, Syncer};
use crate::operation::up;
use crate::watch::{Effects, RuleId, Sources, Watcher};
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

/// What is due, and since when.
#[derive(Default)]
pub(super) struct Due {
    pub effects: Effects,
    pub since: Option<Instant>,
}

impl Due {
    pub fn merge(&mut self, more: Self) {
        self.effects.merge(more.effects);
        self.since = self.since.or(more.since);
    }

    fn took(&self) -> Duration {
        took(self.since)
    }

    /// What is to be copied, and since when; the rest stays.
    fn take_sync(&mut self) -> (BTreeMap<RuleId, BTreeSet<PathBuf>>, Option<Instant>) {
        let sync = std::mem::take(&mut self.effects.sync);
        let since = self.since;
        if self.effects.is_empty() {
            *self = Self::default();
        }
        (sync, since)
    }
}

fn took(since: Option<Instant>) -> Duration {
    since.map(|since| since.elapsed()).unwrap_or_default()
}

/// What is running, and how to change it.
pub(super) struct Running {
    desired: Desired,
    existing: Arc<Existing>,
    live: Live,
    hands: Hands,
    swapper: Swapper,
    nodes: NodeWatch,
    _logs: Option<AbortOnDropHandle<()>>,
}

/// Sends on what the system's containers write from now on.
fn follow(existing: &Existing, desired: &Desired, lines: mpsc::Sender<Line>) -> AbortOnDropHandle<()> {
    let options = logs::Options {
        namespaces: desired.namespaces(),
        pod: None,
        follow: true,
        tail: Some(0),
        since_seconds: None,
        previous: false,
    };
    let client = existing.cluster.client.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        // One that follows ends only with its reader.
        let _ = logs::stream(client, options, lines).await;
    }))
}

impl Running {
    pub fn parts<'a>(
        &'a mut self,
        session: &'a Session,
        style: Style,
    ) -> (Stage<'a>, &'a mut Hands, &'a mut Swapper) {
        let Self { desired, existing, live, hands, swapper, .. } = self;
        (Stage { session, desired, existing, live, style }, hands, swapper)
    }
}

/// Brings the system up and keeps it as the files are, until it is dropped.
pub async fn run(
    mut session: Session,
    options: &Options<'_>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) -> Result<(), OperationError> {
    loop {
        // Watched before anything is done, so that nothing that changes meanwhile is missed.
        let begun = Instant::now();
        let sources = sources(&session.config);
        let watcher = Watcher::start(&sources.roots())?;
        let syncer = Syncer::start(&sources);
        let line = format!("all of it is watched after {:.2} s", begun.elapsed().as_secs_f64());
        session.reporter.report(Event::Output { step: "watch".into(), line });
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
        work.until_configured_anew().await?;
        work.syncer.settle().await;
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
}

impl Work<'_> {
    /// Brings the system up and takes hold of what runs.
    async fn raise(&mut self) -> Result<(), OperationError> {
        self.running = None;
        // What is on its way would come to stand under names that are about to mean something else.
        self.syncer.settle().await;
        let raised = up::raise(self.session, &self.options.up).await?;
        let up::Raised { report, desired, existing, builds } = raised;
        self.show(&report.addresses);
        let mut hands = Hands::new(&existing);
        // A node without what it takes is said where a file is to go there.
        let nodes = NodeWatch::start(&self.session.engine, &existing);
        let (live, _, nodes) = tokio::join!(Live::start(&existing, &desired), hands.open(), nodes);
        let swapper = Swapper::new(builds);
        self.syncer.forget();
        self.teach(swapper.references());
        let logs = self.options.logs.clone().map(|lines| follow(&existing, &desired, lines));
        self.running =
            Some(Running { desired, existing: Arc::new(existing), live, hands, swapper, nodes, _logs: logs });
        Ok(())
    }

    /// Does what changes lead to, until the configuration is among them.
    async fn until_configured_anew(&mut self) -> Result<(), OperationError> {
        let mut due = Due::default();
        loop {
            let (copying, since) = due.take_sync();
            self.syncer.note(&self.sources, &copying);
            if due.effects.configure {
                return Ok(());
            }
            if self.running.as_ref().is_some_and(|running| running.nodes.restarted()) && !due.effects.apply {
                let note = "a node was started again: the system is looked after".into();
                self.session.reporter.report(Event::Note(note));
                due.effects.apply = true;
                due.since.get_or_insert_with(Instant::now);
            }
            match self.copy(since).await {
                Ok(()) => {}
                Err(error) if error.is_absence() => {
                    self.wait_out(&error, &mut due).await;
                    continue;
                }
                Err(error) => self.say_failed(&error),
            }
            self.deliver();
            if due.effects.is_empty() {
                due = match self.next_or_restarted().await {
                    Some(next) => next,
                    None => return Ok(()),
                };
                continue;
            }
            // A change meanwhile ends what is being done and adds to what is due: nothing half-built is swapped in.
            let Self { session, options, sources, watcher, syncer, running, commands, .. } = self;
            let acted = tokio::select! {
                biased;
                more = next(watcher, sources) => {
                    due.merge(more.unwrap_or_default());
                    continue;
                }
                Some(command) = commands.recv() => {
                    due.merge(self.command(command).await);
                    continue;
                }
                acted = act(session, options, syncer, running, &due) => acted,
            };
            match acted {
                Ok(Acted::Done) => {
                    self.answered();
                    if !due.effects.rebuild.is_empty() {
                        let swapper = self.running.as_ref().map(|running| &running.swapper);
                        self.teach(swapper.map(Swapper::references).unwrap_or_default());
                    }
                    due = Due::default();
                }
                Ok(Acted::Raise) => {
                    let raised = self.raise().await;
                    match raised {
                        Ok(()) => {
                            self.answered();
                            let what = "the system is as the manifests are".into();
                            let took = due.took();
                            self.session.reporter.report(Event::Done { step: "up".into(), what, took });
                            due = Due::default();
                            // Manifests that now come from elsewhere, too, are watched from the start.
                            if manifests(&self.session.config) != self.sources.manifests {
                                return Ok(());
                            }
                        }
                        Err(error) if error.is_absence() => self.wait_out(&error, &mut due).await,
                        Err(error) => {
                            self.say_failed(&error);
                            due = Due::default();
                        }
                    }
                }
                Err(error) if error.is_absence() => self.wait_out(&error, &mut due).await,
                Err(error) => {
                    self.say_failed(&error);
                    self.syncer.give_up();
                    due = Due::default();
                }
            }
        }
    }

    /// Has the engine learn large images' layers beside all else, so that a later change goes out alone.
    fn teach(&mut self, references: Vec<String>) {
        let (engine, cache) = (self.session.engine.clone(), self.session.state.cache().to_owned());
        self.learning = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            // What is not learnt costs time later, nothing else.
            let _ = crate::image::teach(&engine, &cache, &references).await;
        })));
    }

    /// Says where the system answers.
    fn show(&self, addresses: &[Tried]) {
        for tried in addresses {
            let said = if tried.answers { "answers" } else { "DOES NOT ANSWER" };
            let note = format!("{}  {}  {said}", tried.address, tried.what);
            self.session.reporter.report(Event::Note(note));
        }
        let addresses = addresses.iter().map(|tried| tried.address.clone()).collect();
        *self.options.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    async fn command(&mut self, command: Command) -> Due {
        let images = self.sources.images.iter().map(|image| image.name.clone()).collect();
        let Some(running) = &mut self.running else { return Due::default() };
        match obey(self.session, self.options.style, running, command, images).await {
            Ok(due) => due,
            Err(error) => {
                self.say_failed(&error);
                Due::default()
            }
        }
    }

    /// Has what was copied put under its image's name on the nodes, beside all else.
    fn deliver(&mut self) {
        if let Some(running) = self.running.as_mut().filter(|_| self.syncer.is_ahead()) {
            let (stage, _, swapper) = running.parts(self.session, self.options.style);
            self.syncer.begin_delivery(stage, swapper);
        }
    }

    /// Copies what is to be copied, and restarts what is to be restarted for it.
    async fn copy(&mut self, since: Option<Instant>) -> Result<(), OperationError> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let (stage, hands, swapper) = running.parts(self.session, self.options.style);
        let copied = self.syncer.copy(stage, hands).await?;
        report::copied(self.session, &copied, took(since));
        if self.syncer.restarts() {
            let _lock = self.session.lock()?;
            let done = self.syncer.restart(stage, hands, swapper).await?;
            report::swapped(self.session, &done, took(since));
        }
        Ok(())
    }

    /// Waits for a change that leads to something. Meanwhile containers that start without what was copied are told.
    async fn next_or_restarted(&mut self) -> Option<Due> {
        loop {
            let Some(running) = &mut self.running else {
                return next(&mut self.watcher, &self.sources).await.map(|mut due| {
                    due.effects.apply = true;
                    due
                });
            };
            tokio::select! {
                biased;
                due = next(&mut self.watcher, &self.sources) => return due,
                () = running.live.changed() => {}
                () = running.nodes.restart() => return Some(Due::default()),
                Some(command) = self.commands.recv() => return Some(self.command(command).await),
                arrival = self.syncer.arrival() => {
                    self.arrived(arrival).await;
                    return Some(Due::default());
                }
            }
            let (stage, hands, _) = running.parts(self.session, self.options.style);
            if let Err(error) = self.syncer.catch_up(stage, hands).await
                && !error.is_absence()
            {
                self.say_failed(&error);
            }
        }
    }

    /// Says what is there now; what could not come is tried again, or given up.
    async fn arrived(&mut self, arrival: Arrival) {
        let Some(running) = &mut self.running else { return };
        let came = match arrival {
            Arrival::Large(reached) => {
                let (stage, hands, _) = running.parts(self.session, self.options.style);
                self.syncer.bulk_copied(stage, hands, reached).await.map(|copied| {
                    if let Some((copied, since)) = copied {
                        report::copied(self.session, &[copied], since.elapsed());
                    }
                })
            }
            Arrival::Layer(delivered) => delivered.map(|()| {
                if !self.syncer.is_ahead() {
                    let line = "the nodes have all that was copied, under their images' names".into();
                    self.session.reporter.report(Event::Output { step: "sync".into(), line });
                }
            }),
        };
        match came {
            Ok(()) => {}
            Err(error) if error.is_absence() => tokio::time::sleep(ABSENT).await,
            Err(error) => {
                self.say_failed(&error);
                self.syncer.give_up();
            }
        }
    }

    /// Gives the engine or the API server time, and takes note of what changes meanwhile.
    async fn wait_out(&mut self, error: &OperationError, due: &mut Due) {
        if !std::mem::replace(&mut self.waiting, true) {
            let said = format!("{error}\nwhat changed is kept, and done once it answers");
            self.session.reporter.report(Event::Warning(said));
        }
        let until = tokio::time::Instant::now() + ABSENT;
        while let Ok(Some(more)) =
            tokio::time::timeout_at(until, next(&mut self.watcher, &self.sources)).await
        {
            due.merge(more);
        }
    }

    /// What was away answers again.
    fn answered(&mut self) {
        if std::mem::take(&mut self.waiting) {
            self.session.reporter.report(Event::Note("it answers again".into()));
        }
    }

    fn say_failed(&self, error: &OperationError) {
        // A swap that failed says itself what it left.
        let rest = match error {
            OperationError::Swap { .. } => "",
            _ => "\nwhat runs is left as it is; the next save tries again",
        };
        self.session.reporter.report(Event::Warning(format!("{error}{rest}")));
    }

    /// Reads the configuration until it is a good one.
    async fn reload(&mut self) -> Session {
        loop {
            match (self.options.reload)() {
                Ok(session) => return session,
                Err(faults) => {
                    self.session.reporter.report(Event::Warning(faults));
                    while !next(&mut self.watcher, &self.sources)
                        .await
                        .is_some_and(|due| due.effects.configure)
                    {}
                }
            }
        }
    }
}

enum Acted {
    Done,
    /// The system is to be brought up again.
    Raise,
}

/// Does what is due in the cluster, but for copying.
async fn act(
    session: &Session,
    options: &Options<'_>,
    syncer: &mut Syncer,
    running: &mut Option<Running>,
    due: &Due,
) -> Result<Acted, OperationError> {
    let Some(running) = running else { return Ok(Acted::Raise) };
    if due.effects.apply {
        return Ok(Acted::Raise);
    }
    let (stage, hands, swapper) = running.parts(session, options.style);
    if !due.effects.rebuild.is_empty() {
        syncer.settle().await;
        let _lock = session.lock()?;
        let done = swapper.swap(stage, hands, &due.effects.rebuild).await?;
        for one in &done {
            syncer.built(&one.image);
        }
        report::swapped(session, &done, due.took());
    }
    Ok(Acted::Done)
}

/// Waits for a change that leads to something; none where nothing is watched anymore.
async fn next(watcher: &mut Watcher, sources: &Sources) -> Option<Due> {
    loop {
        let batch = watcher.batches.next().await?;
        let effects = sources.effects(&batch.paths);
        if !effects.is_empty() {
            return Some(Due { effects, since: Some(batch.since) });
        }
    }
}
