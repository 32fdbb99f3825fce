//! `devcluster git`

use std::io::Read as _;
use std::path::PathBuf;

use super::down::ask;
use super::exit::{CliError, Exit};
use super::{Global, printer};
use crate::event::SharedReporter;
use crate::operation::error::OperationError;
use crate::operation::git::receive::{self, Tested};
use crate::operation::git::remove;
use crate::operation::git::serve::{self, Check};
use crate::operation::handoff::error::HandoffError;
use crate::words::shown;

/// What `git` can do.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Make a remote on this machine that tests what is pushed to it, and refuses what fails
    Serve {
        /// What a push runs
        #[arg(long, value_enum, default_value_t, value_name = "VERB")]
        check: CheckName,
        /// Take the remote away: its repository, its check-out with results, and the cluster of its pushes with its data
        #[arg(long, conflicts_with = "check")]
        remove: bool,
        /// Do not ask
        #[arg(short, long, requires = "remove")]
        yes: bool,
    },
    /// Test what is pushed: called by git
    #[command(hide = true)]
    Receive {
        /// The directory of the served repository
        home: PathBuf,
    },
}

/// What a push runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum CheckName {
    /// All of `devcluster ci`
    #[default]
    Ci,
    /// `devcluster verify` alone: the lock, in a second
    Verify,
}

/// Runs it.
pub async fn run(global: &Global, verb: Verb) -> Result<(), CliError> {
    match verb {
        Verb::Serve { remove: true, yes, .. } => remove(global, yes).await,
        Verb::Serve { check, .. } => serve(global, check).await,
        Verb::Receive { home } => receive(global, home).await,
    }
}

async fn serve(global: &Global, check: CheckName) -> Result<(), CliError> {
    let check = match check {
        CheckName::Ci => Check::Ci,
        CheckName::Verify => Check::Verify,
    };
    let served = serve::run(&global.config()?, check).await?;
    if global.is_for_machines() {
        printer::value(global.output, &served);
    } else {
        printer::data(&served.url);
        printer::talk(&format!(
            "a push to it runs `devcluster {}` on what is pushed; add it with\n  {}",
            served.check, served.command
        ));
    }
    Ok(())
}

async fn remove(global: &Global, yes: bool) -> Result<(), CliError> {
    let config = global.config()?;
    let Some(standing) = remove::find(&config)? else {
        return Err(CliError::message(
            Exit::Usage,
            "there is no remote of `devcluster git serve` for this project",
        ));
    };
    let with = match standing.clusters.as_slice() {
        [] => String::new(),
        [cluster] => format!(", and cluster {cluster} with its data"),
        clusters => format!(", and clusters {} with their data", clusters.join(", ")),
    };
    let question = format!("remove {} with its check-out and results{with}?", standing.url);
    if !yes && !ask(&question)? {
        return Err(CliError::message(Exit::Failed, "nothing was removed"));
    }
    let reporter: SharedReporter = global.progress();
    let removed = remove::run(&config, standing, &reporter).await?;
    if global.is_for_machines() {
        printer::value(global.output, &removed);
        return Ok(());
    }
    printer::talk(&format!("removed: {}, its check-out and results", removed.url));
    for cluster in &removed.clusters {
        printer::talk(&format!("removed: cluster {cluster} and its data"));
    }
    for command in &removed.commands {
        printer::talk(&format!("this repository still has it as a remote; take it out with\n  {command}"));
    }
    Ok(())
}

async fn receive(global: &Global, home: PathBuf) -> Result<(), CliError> {
    let mut updates = String::new();
    std::io::stdin()
        .read_to_string(&mut updates)
        .map_err(|error| CliError::message(Exit::Failed, format!("git's list of refs: {error}")))?;
    let received = match receive::run(&home, &updates, global.progress().as_ref()).await {
        Ok(received) => received,
        // Nobody reads it, and a full pipe would hold us here.
        Err(HandoffError::Left) => return Err(CliError::told(Exit::Failed)),
        Err(error) => return Err(OperationError::from(error).into()),
    };
    for one in &received.tested {
        printer::talk(&told(one));
    }
    if let Some(project) = &received.project {
        printer::talk(&format!(
            "the cluster of pushes stays for the next one; `devcluster git serve --remove` in {} takes it and this remote away",
            shown(project)
        ));
    }
    if received.tested.iter().all(|one| one.code == Some(0)) {
        Ok(())
    } else {
        Err(CliError::told(Exit::Failed))
    }
}

fn told(tested: &Tested) -> String {
    let commit = &tested.commit[..tested.commit.len().min(12)];
    let check = tested.check;
    let outcome = match tested.code {
        Some(0) => format!("{commit}: `devcluster {check}` passed"),
        Some(code) => format!("{commit} is refused: `devcluster {check}` exited {code} ({})", meaning(code)),
        None => format!("{commit} is refused: `devcluster {check}` was killed"),
    };
    match &tested.results {
        Some(results) => format!("{outcome}; what it wrote is in {}", shown(results)),
        None => outcome,
    }
}

fn meaning(code: i32) -> &'static str {
    match code {
        2 => "usage or configuration",
        3 => "not ready in time",
        4 => "the lock differs",
        5 => "a tool or the engine is missing",
        6 => "tests failed",
        130 => "interrupted",
        _ => "it failed",
    }
}
