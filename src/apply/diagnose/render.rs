//! A diagnosis as text.

use std::fmt::Write as _;

use super::{ContainerLog, Diagnosis, EventLine};

/// Diagnoses as text, one after the other, each ending in a line end.
pub fn render(diagnoses: &[Diagnosis]) -> String {
    let mut out = String::new();
    for diagnosis in diagnoses {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}: {}", diagnosis.id, diagnosis.reason);
        if !diagnosis.events.is_empty() {
            out.push_str("  events:\n");
        }
        for event in &diagnosis.events {
            let _ = writeln!(out, "    {}", event_line(event));
        }
        for log in &diagnosis.logs {
            let _ = writeln!(out, "  {}:", log_title(log));
            for line in &log.lines {
                let _ = writeln!(out, "    {line}");
            }
        }
    }
    out
}

fn event_line(event: &EventLine) -> String {
    let age = event.age_seconds.map_or_else(|| "?".into(), age);
    let times = if event.count > 1 { format!(" ({} times)", event.count) } else { String::new() };
    let message = event.message.replace('\n', " ");
    format!("{age} ago  {}  {}: {message}{times}", event.reason, event.about)
}

/// An age as kubectl writes it: `12s`, `3m`, `2h`, `5d`.
fn age(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..120 => format!("{s}s"),
        s @ 120..7200 => format!("{}m", s / 60),
        s @ 7200..172_800 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

fn log_title(log: &ContainerLog) -> String {
    let which = if log.previous { ", before its last restart" } else { "" };
    format!("last lines of container {} in Pod {}{which}", log.container, log.pod)
}
