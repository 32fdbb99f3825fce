//! Tells how far work on a store is, and how fast.

use std::sync::Mutex;
use std::time::Instant;

use crate::data::progress::Progress;
use crate::event::{Event, SharedReporter};

/// Tells of progress with its rate.
pub(in crate::operation) struct Meter {
    step: &'static str,
    reporter: SharedReporter,
    table: Mutex<(String, Instant)>,
}

impl Meter {
    pub fn new(step: &'static str, reporter: SharedReporter) -> Self {
        Self { step, reporter, table: Mutex::new((String::new(), Instant::now())) }
    }

    pub fn tell(&self, progress: Progress<'_>) {
        match progress {
            Progress::Part { name, done, total } => self.part(name, done, total),
            Progress::Step(what) => self.step(what),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate is shown")]
    fn part(&self, name: &str, done: u64, total: u64) {
        let Ok(mut known) = self.table.lock() else { return };
        if known.0 != name {
            *known = (name.to_owned(), Instant::now());
        }
        let rate = done as f64 / known.1.elapsed().as_secs_f64().max(1e-3);
        let what = format!("{name}, {rate:.0}/s");
        self.reporter.report(Event::Progress { step: self.step.into(), done, total, what });
    }

    fn step(&self, what: &str) {
        let (step, what) = (self.step.into(), what.to_owned());
        self.reporter.report(Event::Progress { step, done: 0, total: 0, what });
    }
}
