//! `devcluster ci`

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::exit::{CliError, Exit};
use super::printer::Format;
use super::progress::Progress;
use super::up::{Raising, confirm};
use super::{Global, interrupted, printer};
use crate::event::{Event, Reporter as _};
use crate::handoff::ci::{After, Report};
use crate::operation::attestation;
use crate::operation::ci::{self, End, Finished, Locking, Options};
use crate::operation::error::OperationError;
use crate::operation::up;
use crate::operation::verify::LockError;
use crate::process::Command;
use crate::words::shown;

/// The profile of runs, where the command line names none.
const PROFILE: &str = "ci";

/// What `ci` takes.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools)] // each is a flag of its own
pub struct Args {
    #[command(flatten)]
    raising: Raising,
    /// The lock; devcluster.lock beside the configuration where unset
    #[arg(long, value_name = "FILE", conflicts_with = "no_lock")]
    lock: Option<PathBuf>,
    /// Go on without a lock: nothing is compared, and nothing attested
    #[arg(long)]
    no_lock: bool,
    /// Where the results go; .devcluster/ci beside the configuration where unset
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Keep the cluster at the end, as on a laptop (where the variable CI is unset)
    #[arg(long)]
    keep: bool,
    /// Take the cluster away at the end, as in CI
    #[arg(long, conflicts_with = "keep")]
    down: bool,
    /// Sign the attestation with this key: PKCS#8 in PEM, ECDSA on P-256 or Ed25519. Where unset, with the one that the variable
    /// DEVCLUSTER_SIGNING_KEY holds, if it does
    #[arg(long, value_name = "FILE")]
    sign_key: Option<PathBuf>,
    /// Run no further command once one has failed
    #[arg(long)]
    fail_fast: bool,
}

/// Verifies, brings the system up, runs the commands of `ci:`, and writes down what came of it.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let profile = global.profile.clone().or_else(|| Some(PROFILE.into()));
    let global = Global { profile, ..global.clone() };
    let config = global.config()?;
    // Before anything that takes minutes.
    let key = attestation::signing_key(args.sign_key.as_deref()).map_err(OperationError::from)?;
    let progress = global.progress();
    let is_ci = std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
    let confirm = confirm(progress.clone(), args.raising.yes || is_ci);
    let ending = end_on_signal();
    let watch = watch(progress.clone(), global.output);
    let options = Options {
        lock: if args.no_lock { Locking::Ignored } else { Locking::Compared(args.lock.as_deref()) },
        out: args.out.as_deref(),
        up: up::Options {
            confirm: &confirm,
            timeout: args.raising.timeout(&config),
            prune_volumes: false,
            developing: None,
            snapshot: args.raising.snapshot(&config),
        },
        secure: !args.raising.no_snapshot,
        after: if args.down || (is_ci && !args.keep) { After::TakenDown } else { After::Kept },
        key: key.as_ref(),
        fail_fast: args.fail_fast,
        watch: &watch,
        interrupted: &ending,
    };
    let finished = Box::pin(ci::run(config, &options, progress.clone())).await;
    progress.clear();
    let finished = finished?;
    show(&global, &finished);
    end(&finished)
}

/// A token for the first signal; the second one ends at once.
fn end_on_signal() -> CancellationToken {
    let ending = CancellationToken::new();
    let first = ending.clone();
    tokio::spawn(async move {
        interrupted().await;
        printer::talk("ending the commands and writing down what there is; once more ends at once");
        first.cancel();
        interrupted().await;
        std::process::exit(Exit::Interrupted as i32);
    });
    ending
}

/// Shows commands' lines as they come.
fn watch(progress: Arc<Progress>, format: Format) -> impl Fn(&str, &str) + Sync {
    move |command, line| {
        if format == Format::Json {
            progress.report(Event::Output { step: command.into(), line: line.into() });
        } else {
            progress.line(&format!("{command} | {line}"));
        }
    }
}

fn show(global: &Global, finished: &Finished) {
    match global.output {
        Format::Text => printer::data(&text(&finished.report)),
        Format::Markdown => printer::data(&finished.summary),
        format => printer::value(format, &finished.report.whole()),
    }
    // Where another configuration was named than is found from here, it has to be named again.
    let file = global.file.as_deref().map(|file| file.canonicalize().unwrap_or_else(|_| file.to_owned()));
    let file = file.map(|file| file.display().to_string());
    let after = match (&finished.taken, finished.report.after) {
        (Some(taken), _) if !taken.kept.is_empty() => {
            format!(
                "cluster {} is gone; the data of {} stays, for it was there before",
                taken.cluster,
                taken.kept.join(", ")
            )
        }
        (Some(taken), _) => format!("cluster {} is gone", taken.cluster),
        (None, After::Kept) if finished.is_there => {
            let down =
                Command::new("devcluster").args(file.iter().flat_map(|file| ["--file", file])).arg("down");
            format!("kept: cluster {}; `{}` takes it away", finished.report.cluster, down.argv())
        }
        (None, _) => String::new(),
    };
    if !after.is_empty() {
        printer::talk(&after);
    }
    printer::talk(&format!("results: {}", shown(&relative(&finished.bundle))));
}

/// A path as seen from here, where it is below.
fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).to_owned()
}

fn text(report: &Report) -> String {
    let bold = std::io::stdout().is_terminal();
    let width = report.steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for step in &report.steps {
        let line = format!("{:width$}  {}", step.name, step.outcome().replace('\n', " "));
        out.push_str(line.trim_end());
        let _ = writeln!(out, " ({:.1} s)", step.seconds);
    }
    let verdict = report.verdict();
    let verdict = if bold { format!("\x1b[1m{verdict}\x1b[0m") } else { verdict.to_owned() };
    let _ = writeln!(out, "{verdict}: {}", report.counts());
    out
}

fn end(finished: &Finished) -> Result<(), CliError> {
    match &finished.end {
        End::Passed => Ok(()),
        End::LockDiffers => {
            let said = finished.report.steps.iter().find_map(|step| step.said.as_deref()).unwrap_or_default();
            let hint = "write it anew with `devcluster lock`, or go on without one with --no-lock";
            Err(CliError::message(Exit::Differs, format!("{}\n{hint}", said.trim_end())))
        }
        End::Broken(error) if matches!(**error, OperationError::Lock(LockError::Absent { .. })) => {
            let hint = "for git, or go on without one with --no-lock";
            Err(CliError::message(Exit::Usage, format!("{error} {hint}")))
        }
        End::Broken(error) => Err(CliError::redacted(error, &finished.redactor)),
        End::TestsFailed => {
            let failed = finished.report.failed_commands().join(", ");
            Err(CliError::message(
                Exit::TestsFailed,
                format!("failed: {failed}; what the system looked like is in the results"),
            ))
        }
        End::Interrupted => Err(CliError::message(
            Exit::Interrupted,
            "interrupted; the results have what was done until then",
        )),
    }
}
