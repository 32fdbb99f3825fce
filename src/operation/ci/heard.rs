//! Passes events on and notes how long the data took: it is loaded in the midst of bringing the system up.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::event::{Event, Reporter, SharedReporter};

/// The step that data is reported under.
const DATA: &str = "data";

/// A reporter that listens.
pub(super) struct Heard {
    to: SharedReporter,
    data: Mutex<Duration>,
}

impl Heard {
    /// Passes on to another one.
    pub(super) fn new(to: SharedReporter) -> Self {
        Self { to, data: Mutex::default() }
    }

    /// How long the data took.
    pub(super) fn data(&self) -> Duration {
        *self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for Heard {
    fn report(&self, event: Event) {
        if let Event::Done { step, took, .. } = &event
            && step == DATA
        {
            *self.data.lock().unwrap_or_else(PoisonError::into_inner) += *took;
        }
        self.to.report(event);
    }
}
