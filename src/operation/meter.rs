//! Tells how far work on a PostgreSQL is, and how fast.

use std::sync::Mutex;
use std::time::Instant;

use crate::data::postgres::Progress;
use crate::event::{Event, SharedReporter};

/// Tells of progress with its rate.
pub(super) struct Meter {
    step: &'static str,
    reporter: SharedReporter,
    table: Mutex<(String, Instant)>,
}

impl Meter {
    pub fn new(step: &'static str, reporter: SharedReporter) -> Self {
        Self { step, reporter, table: Mutex::new((String::new(), Instant::now())) }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate is shown")]
    pub fn tell(&self, progress: Progress<'_>) {
        match progress {
            Progress::Table { table, done, total } => {
                let name = table.to_string();
                let Ok(mut known) = self.table.lock() else { return };
                if known.0 != name {
                    *known = (name.clone(), Instant::now());
                }
                let rate = done as f64 / known.1.elapsed().as_secs_f64().max(1e-3);
                let what = format!("{name}, {rate:.0}/s");
                self.reporter.report(Event::Progress { step: self.step.into(), done, total, what });
            }
            Progress::Step(what) => self.reporter.report(Event::Progress {
                step: self.step.into(),
                done: 0,
                total: 0,
                what: what.to_owned(),
            }),
        }
    }
}
