//! Where words go: stdout is data, stderr is talk.

use std::io::{IsTerminal, Write};

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
    /// For machines that prefer it, and for kubectl.
    Yaml,
    /// For pull requests (`parity` alone).
    Markdown,
}

/// Whether stderr takes colours and moving bars.
pub fn is_interactive(no_color: bool) -> bool {
    !no_color && std::env::var_os("NO_COLOR").is_none() && std::io::stderr().is_terminal()
}

/// Writes data to stdout. A reader that has gone away ends the program quietly, as it does every Unix tool.
pub fn data(text: &str) {
    let mut out = std::io::stdout().lock();
    let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
    if write!(out, "{text}{end}").and_then(|()| out.flush()).is_err() {
        std::process::exit(141);
    }
}

/// Writes a value as JSON or YAML to stdout.
pub fn value(format: Format, value: &impl serde::Serialize) {
    match format {
        Format::Yaml => data(&serde_yaml::to_string(value).unwrap_or_default()),
        _ => data(&serde_json::to_string_pretty(value).unwrap_or_default()),
    }
}

/// Says something to the person, on stderr.
pub fn talk(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
