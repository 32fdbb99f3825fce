//! `devcluster verify`

use std::path::PathBuf;

use serde_json::json;

use super::exit::{CliError, Exit};
use super::{Global, printer};
use crate::apply::diff::render;
use crate::handoff::to_text;
use crate::operation::session::Session;
use crate::operation::verify;
use crate::operation::verify_live::{self, LiveComparison};

/// What `verify` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The lock; devcluster.lock beside the configuration where unset
    #[arg(value_name = "LOCKFILE")]
    lock: Option<PathBuf>,
    /// Hold the running cluster against it as well
    #[arg(long)]
    live: bool,
}

/// Renders again and compares; exits 4 where something differs from the lock.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let config = global.config()?;
    let known = verify::known(&config, args.lock.as_deref())?;
    let comparison = verify::run(&config, &known, global.progress().as_ref()).await?;
    let live = if args.live {
        let session = Session::open(config, global.progress()).await?;
        Some(verify_live::run(&session, &known).await?)
    } else {
        None
    };
    if global.is_for_machines() {
        match &live {
            Some(live) => printer::value(global.output, &json!({"lock": comparison, "live": live})),
            None => printer::value(global.output, &comparison),
        }
    } else {
        printer::data(&to_text(&comparison));
        if let Some(live) = &live {
            printer::data(&live_text(live));
        }
    }
    let differs = comparison.differs() || live.is_some_and(|live| live.differs());
    if differs { Err(CliError::told(Exit::Differs)) } else { Ok(()) }
}

fn live_text(live: &LiveComparison) -> String {
    let told = live.images.iter().chain(&live.data).map(|what| format!("~ {what}\n"));
    let notes = live.notes.iter().map(|note| format!("note: {note}\n"));
    let end = if live.differs() {
        "the cluster differs from the lock\n"
    } else {
        "the cluster is as in the lock\n"
    };
    let objects = if live.objects.differs() { render(&live.objects) } else { String::new() };
    std::iter::once(objects).chain(told).chain(std::iter::once(end.to_owned())).chain(notes).collect()
}
