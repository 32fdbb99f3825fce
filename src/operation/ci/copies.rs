//! The commands of `ci:` against a copy of the system: each once, on this machine, with the addresses of the copy's Services.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::super::error::OperationError;
use super::super::session::Existing;
use super::addresses::Addresses;
use super::command::Attempt;
use super::error::CiError;
use super::log::{Log, Watch};
use super::running::Running;
use crate::cluster::state::State;
use crate::config::{CiCommand, Config, Place};
use crate::event::Reporter;
use crate::handoff::ci::{Ended, Redactor};
use crate::handoff::rehearse::{Check, Copies, Verdict, commands};

/// How many of a command's last lines are told where it fails.
const TOLD: usize = 10;

/// What commands are run with.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The cluster.
    pub existing: &'a Existing,
    /// The copy.
    pub copies: &'a Copies,
    /// What is to be told to nobody.
    pub redactor: &'a Redactor,
    /// Takes the commands' lines.
    pub watch: Watch<'a>,
    /// Ends them early.
    pub interrupted: &'a CancellationToken,
}

/// Runs all of them.
pub async fn run(
    config: &Config,
    surroundings: &Surroundings<'_>,
    reporter: &dyn Reporter,
) -> Result<Vec<Check>, OperationError> {
    if config.ci.is_empty() {
        return Ok(Vec::new());
    }
    let running = Running::begin(&State::open(&config.cluster.name)?.runs(), reporter).await?;
    let addresses = Addresses::of_copies(surroundings.existing, surroundings.copies.iter()).await?;
    let (mut env, _) = addresses.variables();
    env.insert("CI".into(), "true".into());
    // The cluster's own would lead to what is real.
    env.insert("KUBECONFIG".into(), "/dev/null".into());
    let directory = tempfile::tempdir().map_err(|source| CiError::Write { path: "/tmp".into(), source })?;
    let listing = directory.path().join("addresses.json");
    let failed = |source| CiError::Write { path: listing.clone(), source };
    std::fs::write(&listing, addresses.listing().to_string()).map_err(failed)?;
    env.insert("DEVCLUSTER_ADDRESSES".into(), listing.display().to_string());
    let mut checks = Vec::new();
    for command in &config.ci {
        let log = directory.path().join("log");
        checks.push(one(config, command, (&env, &log, &running), surroundings).await?);
    }
    Ok(checks)
}

async fn one(
    config: &Config,
    command: &CiCommand,
    (env, log, running): (&BTreeMap<String, String>, &Path, &Running),
    surroundings: &Surroundings<'_>,
) -> Result<Check, OperationError> {
    let name = command.name.clone();
    let argv = command.run.argv();
    let skipped = match command.place {
        Place::Shards { .. } => Some("it is sharded: its Pods would run beside the real system".to_owned()),
        Place::Here => commands::fixed(&argv, &command.env),
    };
    if let Some(why) = skipped {
        return Ok(Check { name, verdict: Verdict::Skipped { why }, tail: Vec::new() });
    }
    let failed = |source| CiError::Write { path: log.to_owned(), source };
    let mut written = Log::begin(log, &name, surroundings.redactor, surroundings.watch).map_err(failed)?;
    let mut env = env.clone();
    env.extend(command.env.clone());
    let attempt = Attempt {
        argv: &argv,
        env: &env,
        directory: config.directory(),
        timeout: Duration::from_secs(command.timeout_seconds),
        interrupted: surroundings.interrupted,
        running,
    };
    let ended = attempt.run(&mut written).await.map_err(failed)?;
    let mut tail = written.end().map_err(failed)?;
    if ended == Ended::Passed {
        return Ok(Check { name, verdict: Verdict::Passed, tail: Vec::new() });
    }
    let tail = tail.split_off(tail.len().saturating_sub(TOLD));
    Ok(Check { name, verdict: Verdict::Failed { why: surroundings.redactor.text(&ended.to_string()) }, tail })
}
