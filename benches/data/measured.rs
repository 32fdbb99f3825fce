//! Processes and what they take.

use std::process::{Command, Stdio};

/// What one run of a process took.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// From its start to its end.
    pub seconds: f64,
    /// The most memory that it or one of its children had.
    pub kibibytes: u64,
}

/// Runs a process to its end, its output to nowhere; what failed ends the bench with what it said.
pub fn time(command: &mut Command) -> Measured {
    let report = tempfile::NamedTempFile::new().expect("a file");
    let mut timed = Command::new("/usr/bin/time");
    timed
        .arg("-f")
        .arg("%e %M")
        .arg("-o")
        .arg(report.path())
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        timed.env(name, value.unwrap_or_default());
    }
    let output = timed.stdout(Stdio::null()).stdin(Stdio::null()).output().expect("GNU time runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(report.path()).expect("a report");
    let mut words = text.split_whitespace();
    let mut next = || words.next().expect("two numbers");
    Measured { seconds: next().parse().expect("seconds"), kibibytes: next().parse().expect("KiB") }
}

/// The median of the times, in seconds; GNU time tells hundredths.
pub fn median(all: &[Measured]) -> f64 {
    let mut seconds: Vec<f64> = all.iter().map(|one| one.seconds.max(0.01)).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// The most memory of all runs, in MiB.
pub fn peak(all: &[Measured]) -> u64 {
    all.iter().map(|one| one.kibibytes >> 10).max().unwrap_or_default()
}
