//! `devcluster release rehearse`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::exit::{CliError, Exit};
use super::store::show;
use super::{Global, interrupted, printer};
use crate::event::{Event, Reporter as _};
use crate::handoff::rehearse::{Report, table};
use crate::operation::rehearse::{self, Options};
use crate::operation::session::Session;
use crate::words::sized;

/// How long to wait where nothing is said: in a copy that is not ready by then, something is wrong.
const PATIENCE: Duration = Duration::from_mins(2);

/// Rehearses and tells what came of it.
pub async fn run(
    global: &Global,
    session: &Session,
    timeout: Option<Duration>,
    unenforced_network: bool,
    volumes_up_to: u64,
) -> Result<(), CliError> {
    let progress = global.progress();
    let ending = end_on_signal();
    let lines = progress.clone();
    let watch = move |command: &str, line: &str| {
        lines.report(Event::Output { step: command.into(), line: line.into() });
    };
    let timeout = timeout.unwrap_or(PATIENCE);
    let options = Options { timeout, unenforced_network, volumes_up_to, watch: &watch, interrupted: &ending };
    let rehearsed = Box::pin(rehearse::run(session, &options)).await;
    progress.clear();
    let Some(report) = rehearsed? else {
        return Err(CliError::message(Exit::Interrupted, "interrupted; nothing of the rehearsal is left"));
    };
    let passes = report.passes();
    let mut value = json!(report);
    value["passes"] = json!(passes);
    show(global, &value, || said(&report));
    if passes { Ok(()) } else { Err(CliError::told(Exit::Failed)) }
}

fn said(report: &Report) -> String {
    let mut text = table::table(report);
    let mut left_out: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for left in &report.left_out {
        left_out.entry(&left.why).or_default().push(&left.object);
    }
    if !left_out.is_empty() {
        text += "\nnot in the copy:";
    }
    for (why, objects) in left_out {
        let _ = write!(text, "\n  {}: {why}", objects.join(", "));
    }
    for (claim, bytes) in &report.volumes {
        let _ = write!(text, "\nthe files of this claim were copied: {claim}, {}", sized(*bytes));
    }
    if !report.hooks.is_empty() {
        let hooks: Vec<&str> = report.hooks.iter().map(String::as_str).collect();
        let _ = write!(text, "\ncharts' hooks that were run: {}", hooks.join(", "));
    }
    for volume in &report.emptied {
        let _ = write!(text, "\nthis volume was empty there: {volume}");
    }
    if !report.renamed.is_empty() {
        text += "\nnames that led to the copy there:";
        for renamed in &report.renamed {
            let _ = write!(text, "\n  {renamed}");
        }
    }
    text
}

/// A token for the first signal; the second one ends at once.
fn end_on_signal() -> CancellationToken {
    let ending = CancellationToken::new();
    let first = ending.clone();
    tokio::spawn(async move {
        interrupted().await;
        printer::talk(
            "taking the copies away; once more ends at once, and the next rehearsal takes them away",
        );
        first.cancel();
        interrupted().await;
        std::process::exit(Exit::Interrupted as i32);
    });
    ending
}
