//! What the library reports while it works. The command line draws it; the library never prints.

use std::sync::Arc;
use std::time::Duration;

/// Something that happened during a long piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A step began. `step` is a short stable name such as `cluster` or `image catalogue`.
    Started {
        /// The step's name, unique among the steps that run at the same time.
        step: String,
        /// What is being done, in a few words.
        what: String,
    },
    /// How far a running step is.
    Progress {
        /// The step's name.
        step: String,
        /// Units done.
        done: u64,
        /// Units in all; 0 where that is not known.
        total: u64,
        /// What the units are or what is being worked on now.
        what: String,
    },
    /// A step ended well.
    Done {
        /// The step's name.
        step: String,
        /// What came of it.
        what: String,
        /// How long it took.
        took: Duration,
    },
    /// What was saved runs.
    Saved {
        /// How it came there: `sync` or `swap`.
        step: String,
        /// The image, as the configuration names it.
        image: String,
        /// In how many running containers.
        containers: usize,
        /// All of that in a sentence.
        what: String,
        /// From the save until it ran.
        took: Duration,
        /// What took how long of that, by name.
        parts: Vec<(&'static str, Duration)>,
    },
    /// A step had nothing to do.
    Skipped {
        /// The step's name.
        step: String,
        /// Why there was nothing to do.
        why: String,
    },
    /// A line of output from a tool that a step runs.
    Output {
        /// The step's name.
        step: String,
        /// The line, without its line end.
        line: String,
    },
    /// Something the user should know but need not act upon.
    Note(String),
    /// Something the user should look at.
    Warning(String),
}

/// Takes events. Implementations must not block for long.
pub trait Reporter: Send + Sync {
    /// Takes one event.
    fn report(&self, event: Event);
}

/// A shared reporter, handed to everything that works for long.
pub type SharedReporter = Arc<dyn Reporter>;

/// A reporter that drops everything.
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event) {}
}
