//! Brings the system up, as `up` does, and takes hold of what runs then.

use std::sync::{Arc, PoisonError};

use tokio_util::task::AbortOnDropHandle;

use super::Work;
use super::node_watch::NodeWatch;
use super::running::{Running, follow};
use crate::event::Event;
use crate::operation::address::Tried;
use crate::operation::error::OperationError;
use crate::operation::hands::Hands;
use crate::operation::live::Live;
use crate::operation::swap::Swapper;
use crate::operation::up;

impl Work<'_> {
    /// Brings the system up and takes hold of what runs. Of the images that are owed a swap, what runs stays as it is.
    pub(super) async fn raise(&mut self) -> Result<(), OperationError> {
        self.running = None;
        // What is on its way would come to stand under names that are about to mean something else.
        self.syncer.settle().await;
        let raised =
            up::raise(self.session, &up::Options { developing: Some(&self.owed), ..self.options.up }).await?;
        let up::Raised { report, desired, existing, builds } = raised;
        self.show(&report.addresses);
        let mut hands = Hands::new(&existing);
        // A node without what it takes is said where a file is to go there.
        let nodes = NodeWatch::start(&self.session.engine, &existing);
        let (live, _, nodes) = tokio::join!(Live::start(&existing, &desired), hands.open(), nodes);
        let swapper = Swapper::new(builds, self.owed.clone());
        self.syncer.forget();
        self.teach(swapper.references());
        let logs = self.options.logs.clone().map(|lines| follow(&existing, &desired, lines));
        self.running =
            Some(Running { desired, existing: Arc::new(existing), live, hands, swapper, nodes, _logs: logs });
        Ok(())
    }

    /// Has the engine learn large images' layers beside all else, so that a later change goes out alone.
    pub(super) fn teach(&mut self, references: Vec<String>) {
        let (engine, cache) = (self.session.engine.clone(), self.session.state.cache().to_owned());
        self.learning = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            // What is not learnt costs time later, nothing else.
            let _ = crate::image::teach(&engine, &cache, &references).await;
        })));
    }

    /// Says where the system answers.
    pub(super) fn show(&self, addresses: &[Tried]) {
        for tried in addresses {
            let said = if tried.answers { "answers" } else { "DOES NOT ANSWER" };
            let note = format!("{}  {}  {said}", tried.address, tried.what);
            self.session.reporter.report(Event::Note(note));
        }
        let addresses = addresses.iter().map(|tried| tried.address.clone()).collect();
        *self.options.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
    }
}
