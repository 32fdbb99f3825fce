//! `devcluster promote`

use std::path::PathBuf;

use super::exit::CliError;
use super::{Global, printer};
use crate::handoff::message::short;
use crate::operation::error::OperationError;
use crate::operation::promote::approve::Approve;
use crate::operation::promote::list::{self, Entry, History};
use crate::operation::promote::{self, Promoted, Request};

/// What `promote` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment whose lock is promoted
    #[arg(long, value_name = "ENVIRONMENT", requires = "to")]
    from: Option<String>,
    /// The environment that gets it; one of production needs an approval
    #[arg(long, value_name = "ENVIRONMENT", required_unless_present = "list")]
    to: Option<String>,
    /// Record an approval: of the lock of --from, which is then promoted, or else of devcluster.lock
    #[arg(long, requires_all = ["to", "attestation"])]
    approve: bool,
    /// The attestation that the approval rests on, as `devcluster ci` writes it
    #[arg(long, value_name = "FILE", requires = "approve")]
    attestation: Option<PathBuf>,
    /// Who approves; git's user where unset
    #[arg(long, value_name = "NAME", requires = "approve")]
    by: Option<String>,
    /// Push the branch to this remote, and go by the branches there
    #[arg(long, value_name = "REMOTE", conflicts_with = "list")]
    push: Option<String>,
    /// Show which lock each environment has, and had
    #[arg(long, conflicts_with_all = ["from", "to"])]
    list: bool,
    /// How many entries of each environment are shown
    #[arg(long, value_name = "COUNT", default_value_t = 10, requires = "list",
        value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Promotes, records an approval, or shows what was.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let config = global.config()?;
    if args.list {
        let all = list::run(&config, args.limit).await.map_err(OperationError::from)?;
        if global.is_for_machines() {
            printer::value(global.output, &all);
        } else {
            printer::data(&history(&all));
        }
        return Ok(());
    }
    let Some(to) = args.to else { return Ok(()) };
    if args.from.is_none() && !args.approve {
        let text = "name the environment whose lock is promoted: --from ENVIRONMENT";
        return Err(CliError::message(super::exit::Exit::Usage, text));
    }
    let approve = args.attestation.map(|attestation| Approve { attestation, by: args.by });
    let request = Request { from: args.from, to, approve, push: args.push };
    let promoted = promote::run(&config, &request).await.map_err(OperationError::from)?;
    if global.is_for_machines() {
        printer::value(global.output, &promoted);
    } else {
        printer::data(&text(&promoted));
    }
    Ok(())
}

fn text(promoted: &Promoted) -> String {
    let mut lines = Vec::new();
    let lock = short(&promoted.lock);
    if let Some(approval) = &promoted.approval {
        let done = if promoted.recorded { "approved" } else { "was approved" };
        let attestation = short(&approval.attestation);
        lines.push(format!(
            "lock {lock} {done} by {} at {}, on attestation {attestation}",
            approval.by, approval.at
        ));
    }
    if let Some(from) = &promoted.from {
        let commit = promoted.commit.as_deref().map(short).unwrap_or_default();
        lines.push(match &promoted.before {
            _ if !promoted.changed => format!("{}: lock {lock} is there already", promoted.to),
            Some(before) => {
                format!(
                    "{}: lock {lock} from {from} in place of {}, commit {commit}",
                    promoted.to,
                    short(before)
                )
            }
            None => format!("{}: lock {lock} from {from}, commit {commit}", promoted.to),
        });
    }
    if promoted.pushed {
        lines.push("pushed".to_owned());
    }
    lines.join("\n")
}

fn history(all: &[History]) -> String {
    if all.is_empty() {
        return "no environments: `environments` of devcluster.yaml names them".to_owned();
    }
    let mut lines = Vec::new();
    for one in all {
        let kind = if one.production { ", production" } else { "" };
        lines.push(format!("{} (branch {}{kind})", one.environment, one.branch));
        if one.entries.is_empty() {
            lines.push("  nothing yet".to_owned());
        }
        lines.extend(one.entries.iter().map(|entry| format!("  {}", entry_line(entry))));
    }
    lines.join("\n")
}

fn entry_line(entry: &Entry) -> String {
    let what = match (&entry.lock, &entry.from) {
        (Some(lock), Some(from)) => format!("lock {} from {from}", short(lock)),
        (Some(lock), None) => format!("lock {} handed off", short(lock)),
        (None, _) => entry.subject.clone(),
    };
    let approved = match (&entry.lock, &entry.approved_by) {
        (Some(_), Some(by)) => format!(", approved by {by}"),
        _ => String::new(),
    };
    format!("{}  {}  {what}{approved}, by {}", entry.at, short(&entry.commit), entry.by)
}
