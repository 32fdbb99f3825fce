//! Copies what is to be copied into what runs, and says what has come there.

use std::time::Instant;

use super::due::took;
use super::{ABSENT, Work, report};
use crate::event::Event;
use crate::operation::error::OperationError;
use crate::operation::sync::Arrival;

impl Work<'_> {
    /// Has what was copied put under its image's name on the nodes, beside all else.
    pub(super) fn deliver(&mut self) {
        if let Some(running) = self.running.as_mut().filter(|_| self.syncer.is_ahead()) {
            let (stage, _, swapper) = running.parts(self.session, self.options.style);
            self.syncer.begin_delivery(stage, swapper);
        }
    }

    /// Copies what is to be copied, and restarts what is to be restarted for it.
    pub(super) async fn copy(&mut self, since: Option<Instant>) -> Result<(), OperationError> {
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

    /// Says what is there now; what could not come is tried again, or given up.
    pub(super) async fn arrived(&mut self, arrival: Arrival) {
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
}
