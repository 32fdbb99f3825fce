//! What a run came to, as a value: every step that there was to do, in order, with what became of it.

use std::fmt;

use serde::{Serialize, Serializer};

use super::redact::Redactor;
use crate::words::counted;

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of this format.
    pub version: u32,
    /// The project's name.
    pub project: String,
    /// The cluster's name.
    pub cluster: String,
    /// The profile's name.
    pub profile: String,
    /// The lock that was tested; none where the run went on without one, or did not come to read it.
    pub lock: Option<Tested>,
    /// When it began, as RFC 3339 in UTC.
    pub started_on: String,
    /// When it ended.
    pub finished_on: String,
    /// How long it took.
    pub seconds: f64,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What becomes of the cluster.
    pub after: After,
}

/// A report as machines take it, its verdict first.
#[derive(Debug, Serialize)]
pub struct Whole<'a> {
    verdict: &'static str,
    #[serde(flatten)]
    report: &'a Report,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tested {
    /// Its root.
    pub root: String,
    /// SHA-256 of its file, hex.
    pub sha256: String,
}

/// What becomes of the cluster at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum After {
    /// It stays.
    Kept,
    /// It is taken away.
    TakenDown,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its name.
    pub name: String,
    /// What kind of step it is.
    #[serde(flatten)]
    pub kind: Kind,
    /// What became of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long it took.
    pub seconds: f64,
    /// What there is to say of it beyond its verdict; may be of many lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// A command's attempts, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// The directory of what was gathered when it failed, within the results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<String>,
}

/// A kind of step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Kind {
    /// The manifests are held against the lock.
    Lock,
    /// The system is brought up.
    Up,
    /// The stores are given their data.
    Data,
    /// A command of `ci:`.
    Command(Command),
}

/// A command of `ci:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// Its command line.
    pub argv: Vec<String>,
    /// How long an attempt may take.
    pub timeout_seconds: u64,
    /// How often it is tried again.
    pub retries: u32,
    /// How it is spread over the cluster; none where it runs on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<Shards>,
}

/// How a command is spread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shards {
    /// Over how many Pods.
    pub count: u32,
    /// What they run.
    pub image: String,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "camelCase")]
pub enum Verdict {
    /// As it is to be.
    Passed,
    /// Not so.
    Failed {
        /// Why, in one line.
        why: String,
    },
    /// The run was ended meanwhile.
    Interrupted,
    /// It was not done.
    Skipped {
        /// Why.
        why: String,
    },
}

/// One attempt at a command.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// How it ended.
    #[serde(flatten)]
    pub ended: Ended,
    /// How long it took.
    pub seconds: f64,
    /// The files of what it wrote, within the results.
    pub logs: Vec<String>,
    /// The last lines it wrote.
    #[serde(skip)]
    pub tail: Vec<String>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With exit code 0.
    Passed,
    /// With another exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// It took too long and was ended.
    TimedOut {
        /// How long it was given.
        seconds: u64,
    },
    /// The run was ended meanwhile, and it too.
    Interrupted,
    /// It could not be run.
    NotRun {
        /// Why.
        why: String,
    },
    /// Some of its shards failed.
    Shards {
        /// Which.
        failed: Vec<u32>,
        /// Of how many.
        count: u32,
    },
}

impl Ended {
    /// A word for machines.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Code(_) | Self::Signal(_) | Self::Shards { .. } => "failed",
            Self::TimedOut { .. } => "timedOut",
            Self::Interrupted => "interrupted",
            Self::NotRun { .. } => "notRun",
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => write!(out, "passed"),
            Self::Code(code) => write!(out, "ended with exit code {code}"),
            Self::Signal(signal) => write!(out, "was ended by signal {signal}"),
            Self::TimedOut { seconds } => write!(out, "was ended after its {seconds} s"),
            Self::Interrupted => write!(out, "was interrupted"),
            Self::NotRun { why } => write!(out, "could not be run: {why}"),
            Self::Shards { failed, count } => {
                let failed: Vec<String> = failed.iter().map(u32::to_string).collect();
                let noun = if failed.len() == 1 { "shard" } else { "shards" };
                write!(out, "failed in {noun} {} of {count}", failed.join(", "))
            }
        }
    }
}

impl Serialize for Ended {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("result", self.word())?;
        match self {
            Self::Passed | Self::Interrupted => {}
            Self::Code(code) => map.serialize_entry("exitCode", code)?,
            Self::Signal(signal) => map.serialize_entry("signal", signal)?,
            Self::Shards { failed, .. } => map.serialize_entry("failedShards", failed)?,
            Self::TimedOut { .. } | Self::NotRun { .. } => {
                map.serialize_entry("why", &self.to_string())?;
            }
        }
        map.end()
    }
}

impl Step {
    /// A step that is still to be done.
    pub fn due(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            verdict: Verdict::Skipped { why: "not reached".into() },
            seconds: 0.0,
            said: None,
            attempts: Vec::new(),
            diagnostics: None,
        }
    }

    /// Whether it passed, but not at the first attempt.
    pub fn is_flaky(&self) -> bool {
        self.verdict == Verdict::Passed && self.attempts.len() > 1
    }

    /// What became of it, in a few words.
    pub fn outcome(&self) -> String {
        match &self.verdict {
            Verdict::Passed if self.is_flaky() => {
                format!("passed in attempt {}", self.attempts.len())
            }
            Verdict::Passed => "passed".into(),
            Verdict::Failed { why } if self.attempts.len() > 1 => {
                format!("failed: {why} (attempt {})", self.attempts.len())
            }
            Verdict::Failed { why } => format!("failed: {why}"),
            Verdict::Interrupted => "interrupted".into(),
            Verdict::Skipped { why } => format!("skipped: {why}"),
        }
    }
}

impl Report {
    /// What became of the whole: failed where a step failed, interrupted where one was, passed else.
    pub fn verdict(&self) -> &'static str {
        let any = |wanted: fn(&Verdict) -> bool| self.steps.iter().any(|step| wanted(&step.verdict));
        if any(|verdict| *verdict == Verdict::Interrupted) {
            "interrupted"
        } else if any(|verdict| matches!(verdict, Verdict::Failed { .. })) {
            "failed"
        } else {
            "passed"
        }
    }

    /// The same with its verdict first, for machines.
    pub fn whole(&self) -> Whole<'_> {
        Whole { verdict: self.verdict(), report: self }
    }

    /// The names of the commands that failed.
    pub fn failed_commands(&self) -> Vec<&str> {
        let commands = self.steps.iter().filter(|step| matches!(step.kind, Kind::Command(_)));
        let failed = commands.filter(|step| matches!(step.verdict, Verdict::Failed { .. }));
        failed.map(|step| step.name.as_str()).collect()
    }

    /// `4 of 5 steps passed, 1 skipped, in 80.2 s`; those that were skipped stand apart.
    pub fn counts(&self) -> String {
        let count =
            |wanted: fn(&Verdict) -> bool| self.steps.iter().filter(|step| wanted(&step.verdict)).count();
        let passed = count(|verdict| *verdict == Verdict::Passed);
        let skipped = count(|verdict| matches!(verdict, Verdict::Skipped { .. }));
        let done = counted(self.steps.len() - skipped, "step");
        let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
        format!("{passed} of {done} passed{skipped}, in {:.1} s", self.seconds)
    }

    /// The same without any Secret's value.
    #[must_use]
    pub fn redacted(mut self, redactor: &Redactor) -> Self {
        for step in &mut self.steps {
            step.redact(redactor);
        }
        self
    }
}

impl Step {
    fn redact(&mut self, redactor: &Redactor) {
        let clean = |text: &mut String| *text = redactor.text(text);
        match &mut self.verdict {
            Verdict::Failed { why } | Verdict::Skipped { why } => clean(why),
            Verdict::Passed | Verdict::Interrupted => {}
        }
        if let Kind::Command(command) = &mut self.kind {
            command.argv.iter_mut().for_each(clean);
        }
        self.said.iter_mut().for_each(clean);
        for attempt in &mut self.attempts {
            attempt.tail.iter_mut().for_each(clean);
            if let Ended::NotRun { why } = &mut attempt.ended {
                clean(why);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn the_result_as_json() {
        insta::assert_json_snapshot!(samples::failed());
    }

    #[test]
    fn one_failure_fails_the_whole_and_an_interruption_is_one() {
        assert_eq!(samples::passed().verdict(), "passed");
        let mut report = samples::failed();
        assert_eq!(report.verdict(), "failed");
        assert_eq!(report.failed_commands(), ["checkout", "load"]);
        report.steps[3].verdict = Verdict::Interrupted;
        assert_eq!(report.verdict(), "interrupted");
    }

    #[test]
    fn nothing_told_has_a_secret() {
        let redactor = Redactor::new([b"hunter2".to_vec()]);
        let mut report = samples::failed();
        report.steps[4].attempts[0].tail.push("password=hunter2".into());
        report.steps[4].said = Some("hunter2".into());
        report.steps[4].verdict = Verdict::Failed { why: "no hunter2".into() };
        if let Kind::Command(command) = &mut report.steps[4].kind {
            command.argv.push("--password=hunter2".into());
        }
        assert!(!format!("{:?}", report.redacted(&redactor)).contains("hunter2"));
    }
}
