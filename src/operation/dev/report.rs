//! What `dev` says of what it did.

use std::time::Duration;

use crate::event::Event;
use crate::operation::session::Session;
use crate::operation::swap::{Swapped, Took};
use crate::operation::sync::copy::Copied;
use crate::words::{counted, shown};

/// Reports files that were copied, and what could not be.
pub(in crate::operation) fn copied(session: &Session, all: &[Copied], took: Duration) {
    for one in all {
        session.reporter.report(Event::Saved {
            step: "sync".into(),
            image: one.image.clone(),
            containers: one.containers,
            what: copied_sentence(one),
            took,
            parts: Vec::new(),
        });
        for fault in &one.faults {
            session.reporter.report(Event::Warning(fault.clone()));
        }
    }
}

/// Reports images that were swapped.
pub(in crate::operation) fn swapped(session: &Session, swapped: &[Swapped], took: Duration) {
    for swap in swapped {
        let Took { building, sending, securing, ending, starting } = swap.took;
        session.reporter.report(Event::Saved {
            step: "swap".into(),
            image: swap.image.clone(),
            containers: swap.containers,
            what: swapped_sentence(swap),
            took,
            parts: vec![
                ("building", building),
                ("sending", sending),
                ("securing", securing),
                ("ending", ending),
                ("starting", starting),
            ],
        });
    }
}

fn copied_sentence(copied: &Copied) -> String {
    let what = match copied.paths.as_slice() {
        [one] => shown(one),
        many => counted(many.len(), "path"),
    };
    match copied.containers {
        0 => format!("{what}: nobody runs {}; its image on the nodes has it", copied.image),
        containers => format!("{what} in {} of {}", counted(containers, "container"), copied.image),
    }
}

fn swapped_sentence(swap: &Swapped) -> String {
    let took = swap.took;
    let part = |what: &str, took: Duration| format!("{what} {:.2} s", took.as_secs_f64());
    if swap.containers == 0 {
        return format!("{}: no running container had to change; the nodes have it", swap.image);
    }
    let mut parts = Vec::new();
    if !took.building.is_zero() {
        parts.push(part("built in", took.building));
    }
    parts.push(part("sent in", took.sending));
    if !took.securing.is_zero() {
        parts.push(part("snapshots in", took.securing));
    }
    if !took.ending.is_zero() {
        parts.push(part("what ran took", took.ending) + " to end");
    }
    parts.push(part("ready after", took.starting));
    format!("{} in {}: {}", swap.image, counted(swap.containers, "container"), parts.join(", "))
}
