//! `devcluster ci`: the lock is held against the manifests, the system brought up with its data, the commands of `ci:` are run,
//! and whatever comes of it is written down before anything is taken away. The steps are those of `steps::Runner`.

mod addresses;
mod attempts;
mod command;
pub(super) mod copies;
mod diagnostics;
mod error;
mod forward;
mod group;
mod heard;
mod known;
mod log;
mod names;
mod out;
mod processes;
mod results;
mod running;
mod shard_image;
mod shards;
mod steps;

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::cluster::state::State;
use crate::config::Config;
use crate::event::SharedReporter;
use crate::handoff::ci::{After, Redactor, Report, SigningKey};
use crate::operation::down::Taken;
use crate::operation::error::OperationError;
use crate::operation::up;
pub use error::CiError;
pub use log::Watch;
use out::Out;
pub use out::{BUNDLE, DEFAULT};
use running::Running;
use steps::Runner;

/// How the lock counts.
#[derive(Debug, Clone, Copy)]
pub enum Locking<'a> {
    /// The manifests are held against it; beside the configuration where no file is named.
    Compared(Option<&'a Path>),
    /// It is not looked at.
    Ignored,
}

/// How to run.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// How the lock counts.
    pub lock: Locking<'a>,
    /// Where the results go; [`DEFAULT`] beside the configuration where unset.
    pub out: Option<&'a Path>,
    /// How the system is brought up.
    pub up: up::Options<'a>,
    /// Whether data that stood before the run is secured before migrations, whatever the profile says: it is not the run's.
    pub secure: bool,
    /// What becomes of the cluster at the end.
    pub after: After,
    /// The key that the statement is signed with, if it is.
    pub key: Option<&'a SigningKey>,
    /// Whether the first command that fails is the last one.
    pub fail_fast: bool,
    /// Takes the commands' lines.
    pub watch: Watch<'a>,
    /// Ends the run early.
    pub interrupted: &'a CancellationToken,
}

/// Why a run came to its end.
#[derive(Debug)]
pub enum End {
    /// All passed.
    Passed,
    /// The manifests are not as in the lock.
    LockDiffers,
    /// Something before the commands did not come about.
    Broken(Box<OperationError>),
    /// Commands failed.
    TestsFailed,
    /// It was ended early.
    Interrupted,
}

/// A run that is over and written down.
pub struct Finished {
    /// What came of it, without any Secret's value.
    pub report: Report,
    /// The same in Markdown.
    pub summary: String,
    /// Where the results are.
    pub directory: PathBuf,
    /// All of them in one file.
    pub bundle: PathBuf,
    /// Why it ended.
    pub end: End,
    /// Whether a cluster stands now.
    pub is_there: bool,
    /// What was taken away; none where the cluster stays, or there was none.
    pub taken: Option<Taken>,
    /// What is to be told to nobody, for what is told of the end.
    pub redactor: Redactor,
}

/// Runs. An error is one of writing down: whatever else goes wrong is in the report.
pub async fn run(
    config: Config,
    options: &Options<'_>,
    reporter: SharedReporter,
) -> Result<Finished, OperationError> {
    let directory = options.out.map_or_else(|| config.directory().join(DEFAULT), Path::to_owned);
    let out = Out::take(directory)?;
    let running = Running::begin(&State::open(&config.cluster.name)?.runs(), reporter.as_ref()).await?;
    let mut runner = Runner::new(config, options, (out, running), reporter);
    let end = match Box::pin(runner.run()).await {
        Ok(()) => End::Passed,
        Err(end) => end,
    };
    runner.finish(end).await
}
