//! Exit codes, and the one error type a verb ends with.

use miette::Diagnostic;

/// Why a command ended as it did; the number is its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Something failed.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The system was not ready in time.
    NotReady = 3,
    /// What was compared differs.
    Differs = 4,
    /// A tool or the engine is missing.
    Missing = 5,
    /// Commands of `ci:` failed on a system that was ready.
    TestsFailed = 6,
    /// The user interrupted.
    Interrupted = 130,
}

/// An error as it is shown. A word that stands alone above each fault says nothing.
pub fn shown(report: &miette::Report) -> String {
    format!("{report:?}").replace("\nError: \n", "\n").trim_end().to_owned()
}

/// A verb's failure: the code to exit with, and what to show.
#[derive(Debug)]
pub struct CliError {
    /// The exit code.
    pub exit: Exit,
    /// What to show; none where the verb's own output said it all.
    pub report: Option<miette::Report>,
}

impl CliError {
    /// A failure that shows `error` with its source spans and help.
    pub fn diagnostic(exit: Exit, error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { exit, report: Some(miette::Report::new(error)) }
    }

    /// A failure that shows a sentence.
    pub fn message(exit: Exit, text: impl std::fmt::Display) -> Self {
        Self { exit, report: Some(miette::miette!("{text}")) }
    }

    /// A failure whose story is already on stdout.
    pub fn told(exit: Exit) -> Self {
        Self { exit, report: None }
    }
}
