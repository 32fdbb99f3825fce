//! Does what changes lead to, one after the other, whatever comes between.

use std::time::Instant;

use super::command::{Command, obey};
use super::due::{Due, next};
use super::running::Running;
use super::sources::manifests;
use super::{Options, Work, report};
use crate::event::Event;
use crate::operation::error::OperationError;
use crate::operation::session::Session;
use crate::operation::swap::Swapper;
use crate::operation::sync::Syncer;
use crate::watch::Effects;

impl Work<'_> {
    /// Does what changes lead to, until the configuration is among them.
    pub(super) async fn until_configured_anew(&mut self) -> Result<(), OperationError> {
        let mut due = Due::default();
        if self.running.is_some() {
            due.effects.rebuild.append(&mut self.owed);
            due.since = (!due.effects.rebuild.is_empty()).then(Instant::now);
        }
        loop {
            let (copying, since) = due.take_sync();
            self.syncer.note(&self.sources, &copying);
            if due.effects.configure {
                self.owed.append(&mut due.effects.rebuild);
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
            if Box::pin(self.after(acted, &mut due)).await {
                self.owed.append(&mut due.effects.rebuild);
                return Ok(());
            }
        }
    }

    /// Says what came of what was done; what could not be done stays due. Gives whether other files are to be watched.
    async fn after(&mut self, acted: Result<Acted, OperationError>, due: &mut Due) -> bool {
        match acted {
            Ok(Acted::Done) => {
                self.answered();
                if !due.effects.rebuild.is_empty() {
                    let swapper = self.running.as_ref().map(|running| &running.swapper);
                    self.teach(swapper.map(Swapper::references).unwrap_or_default());
                }
                *due = Due::default();
            }
            Ok(Acted::Raise) => match self.raise_again(due).await {
                Ok(()) => {
                    self.answered();
                    let what = "the system is as the manifests are".into();
                    let took = due.took();
                    self.session.reporter.report(Event::Done { step: "up".into(), what, took });
                    let rebuild = std::mem::take(&mut self.owed);
                    *due = Due { effects: Effects { rebuild, ..Effects::default() }, since: due.since };
                    // Manifests that now come from elsewhere, too, are watched from the start.
                    return manifests(&self.session.config) != self.sources.manifests;
                }
                Err(error) if error.is_absence() => self.wait_out(&error, due).await,
                Err(error) => {
                    self.say_failed(&error);
                    *due = Due::default();
                }
            },
            Err(error) if error.is_absence() => self.wait_out(&error, due).await,
            Err(error) => {
                self.say_failed(&error);
                self.syncer.give_up();
                *due = Due::default();
            }
        }
        false
    }

    /// What is due as a swap is owed from then on: done when the system is up, and whatever fails until then.
    async fn raise_again(&mut self, due: &mut Due) -> Result<(), OperationError> {
        self.owed.append(&mut due.effects.rebuild);
        self.raise().await
    }

    pub(super) async fn command(&mut self, command: Command) -> Due {
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
