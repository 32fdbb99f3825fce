//! Draws events: a step list with moving parts on a terminal, plain lines off it, JSON lines for machines.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use super::printer::{self, Format};
use super::settings::Global;
use crate::event::{Event, Reporter};

/// Draws events for one command.
pub struct Progress {
    mode: Mode,
    verbose: bool,
}

enum Mode {
    Quiet,
    Terminal { screen: MultiProgress, bars: Mutex<BTreeMap<String, ProgressBar>> },
    Plain { spoken: Mutex<BTreeMap<String, Instant>> },
    Json,
}

/// Off a terminal, a running step speaks at most this often.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

impl Progress {
    /// For a terminal where there is one.
    pub fn new(global: &Global) -> Self {
        let mode = if global.quiet {
            Mode::Quiet
        } else if global.output == Format::Json {
            Mode::Json
        } else if printer::is_interactive(global.no_color) {
            Mode::Terminal { screen: MultiProgress::new(), bars: Mutex::default() }
        } else {
            Mode::Plain { spoken: Mutex::default() }
        };
        Self { mode, verbose: global.verbose }
    }

    /// Shows a line that is no event of ours, such as a container's, above what moves.
    pub fn line(&self, text: &str) {
        match &self.mode {
            Mode::Quiet => {}
            Mode::Terminal { screen, .. } => {
                let _ = screen.println(text);
            }
            Mode::Plain { .. } | Mode::Json => printer::talk(text),
        }
    }

    /// Takes what moves off the screen, so that other words can stand there.
    pub fn clear(&self) {
        if let Mode::Terminal { screen, .. } = &self.mode {
            let _ = screen.clear();
        }
    }
}

impl Reporter for Progress {
    fn report(&self, event: Event) {
        match &self.mode {
            Mode::Quiet => {
                if let Event::Warning(text) = event {
                    printer::talk(&format!("warning: {text}"));
                }
            }
            Mode::Terminal { screen, bars } => draw(screen, bars, event, self.verbose),
            Mode::Plain { spoken } => {
                if let Some(line) = plain(spoken, event, self.verbose) {
                    printer::talk(&line);
                }
            }
            Mode::Json => printer::talk(&as_json(&event).to_string()),
        }
    }
}

fn draw(screen: &MultiProgress, bars: &Mutex<BTreeMap<String, ProgressBar>>, event: Event, verbose: bool) {
    let Ok(mut bars) = bars.lock() else { return };
    match event {
        Event::Started { step, what } => {
            let bar = screen.add(ProgressBar::new_spinner());
            if let Ok(style) =
                ProgressStyle::with_template("{spinner:.cyan} {prefix:<16} {wide_msg} {elapsed:.dim}")
            {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar.set_prefix(step.clone());
            bar.set_message(what);
            bars.insert(step, bar);
        }
        Event::Progress { step, done, total, what } => {
            if let Some(bar) = bars.get(&step) {
                let count = if total > 0 { format!("{done} of {total} · ") } else { String::new() };
                bar.set_message(format!("{count}{what}"));
            }
        }
        Event::Output { step, line } => {
            if let Some(bar) = bars.get(&step) {
                bar.set_message(line.clone());
            }
            if verbose {
                let _ = screen.println(format!("  {step} | {line}"));
            }
        }
        Event::Done { step, what, took } | Event::Saved { step, what, took, .. } => {
            if let Some(bar) = bars.remove(&step) {
                bar.finish_and_clear();
                screen.remove(&bar);
            }
            let _ =
                screen.println(format!("\x1b[32m✓\x1b[0m {step:<16} {what} \x1b[2m{}\x1b[0m", seconds(took)));
        }
        Event::Skipped { step, why } => {
            if verbose {
                let _ = screen.println(format!("\x1b[2m· {step:<16} {why}\x1b[0m"));
            }
        }
        Event::Note(text) => {
            let _ = screen.println(format!("  {text}"));
        }
        Event::Warning(text) => {
            let _ = screen.println(format!("\x1b[33m!\x1b[0m {text}"));
        }
    }
}

fn plain(spoken: &Mutex<BTreeMap<String, Instant>>, event: Event, verbose: bool) -> Option<String> {
    let mut spoken = spoken.lock().ok()?;
    let mut due = |step: &str| {
        let due = spoken.get(step).is_none_or(|last| last.elapsed() >= PLAIN_INTERVAL);
        if due {
            spoken.insert(step.to_owned(), Instant::now());
        }
        due
    };
    match event {
        Event::Started { step, what } => {
            due(&step);
            Some(format!("{step}: {what}"))
        }
        Event::Progress { step, done, total, what } => due(&step).then(|| {
            if total > 0 { format!("{step}: {done} of {total}, {what}") } else { format!("{step}: {what}") }
        }),
        Event::Output { step, line } => {
            let speak = verbose || due(&step);
            speak.then(|| format!("{step}: {line}"))
        }
        Event::Done { step, what, took } | Event::Saved { step, what, took, .. } => {
            Some(format!("{step}: {what} ({})", seconds(took)))
        }
        Event::Skipped { step, why } => verbose.then(|| format!("{step}: {why}")),
        Event::Note(text) => Some(text),
        Event::Warning(text) => Some(format!("warning: {text}")),
    }
}

fn as_json(event: &Event) -> serde_json::Value {
    match event {
        Event::Started { step, what } => json!({"event": "started", "step": step, "what": what}),
        Event::Progress { step, done, total, what } => {
            json!({"event": "progress", "step": step, "done": done, "total": total, "what": what})
        }
        Event::Done { step, what, took } => {
            json!({"event": "done", "step": step, "what": what, "seconds": took.as_secs_f64()})
        }
        Event::Saved { step, image, containers, what, took, parts } => {
            let parts: serde_json::Map<String, serde_json::Value> =
                parts.iter().map(|(name, took)| ((*name).to_owned(), took.as_secs_f64().into())).collect();
            json!({
                "event": "saved", "step": step, "image": image, "containers": containers, "what": what,
                "seconds": took.as_secs_f64(), "parts": parts,
            })
        }
        Event::Skipped { step, why } => json!({"event": "skipped", "step": step, "why": why}),
        Event::Output { step, line } => json!({"event": "output", "step": step, "line": line}),
        Event::Note(text) => json!({"event": "note", "text": text}),
        Event::Warning(text) => json!({"event": "warning", "text": text}),
    }
}

/// A duration as people read it: `0.08 s`, `12.3 s`, `2 min 5 s`.
pub fn seconds(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 1.0 {
        format!("{seconds:.2} s")
    } else if seconds < 100.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {} s", took.as_secs() / 60, took.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_a_terminal_a_busy_step_does_not_flood() {
        let spoken = Mutex::default();
        let line = |line: &str| Event::Output { step: "build".into(), line: line.into() };
        assert_eq!(plain(&spoken, line("one"), false).as_deref(), Some("build: one"));
        assert_eq!(plain(&spoken, line("two"), false), None);
        assert_eq!(plain(&spoken, line("three"), true).as_deref(), Some("build: three"));
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(84)), "0.08 s");
        assert_eq!(seconds(Duration::from_millis(12_340)), "12.3 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 5 s");
    }
}
