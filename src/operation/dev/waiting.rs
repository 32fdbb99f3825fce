//! Waits: for a change, for what is away, for a configuration that can be read.

use super::due::{Due, next};
use super::{ABSENT, Work};
use crate::event::Event;
use crate::operation::error::OperationError;
use crate::operation::session::Session;

impl Work<'_> {
    /// Waits for a change that leads to something. Meanwhile containers that start without what was copied are told.
    pub(super) async fn next_or_restarted(&mut self) -> Option<Due> {
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

    /// Gives the engine or the API server time, and takes note of what changes meanwhile.
    pub(super) async fn wait_out(&mut self, error: &OperationError, due: &mut Due) {
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
    pub(super) fn answered(&mut self) {
        if std::mem::take(&mut self.waiting) {
            self.session.reporter.report(Event::Note("it answers again".into()));
        }
    }

    pub(super) fn say_failed(&self, error: &OperationError) {
        // A swap that failed says itself what it left.
        let rest = match error {
            OperationError::Swap { .. } => "",
            _ => "\nwhat runs is left as it is; the next save tries again",
        };
        self.session.reporter.report(Event::Warning(format!("{error}{rest}")));
    }

    /// Reads the configuration until it is a good one.
    pub(super) async fn reload(&mut self) -> Session {
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
