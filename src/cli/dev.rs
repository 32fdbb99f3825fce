//! `devcluster dev`

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use super::exit::{CliError, shown};
use super::logs::prefixed;
use super::progress::Progress;
use super::up::{Raising, confirm};
use super::{Global, keys, printer};
use crate::operation::dev::sources::{real, sources};
use crate::operation::dev::{self, Options};
use crate::operation::logs::Line;
use crate::operation::session::Session;
use crate::operation::swap::Style;
use crate::operation::up;

/// What `dev` takes.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools)] // each is a flag of its own
pub struct Args {
    #[command(flatten)]
    raising: Raising,
    /// Keep production's preStop hooks and grace when a container is swapped; else what runs is killed
    #[arg(long)]
    grace: bool,
    /// Swap one container after the other, each ready before the next
    #[arg(long)]
    one_at_a_time: bool,
    /// Run the manifests' Jobs anew whenever an image of theirs was swapped
    #[arg(long)]
    recreate_jobs: bool,
    /// Do not show what containers write
    #[arg(long)]
    no_logs: bool,
    /// End once the system is as the files are
    #[arg(long)]
    once: bool,
    /// Say what a change of this file leads to, and do nothing
    #[arg(long, value_name = "PATH")]
    explain: Option<PathBuf>,
}

/// Keeps the running system as the files are.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let config = global.config()?;
    if let Some(path) = &args.explain {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        for effect in sources(&config).effects_of(&real(&path)) {
            printer::data(&effect.to_string());
        }
        return Ok(());
    }
    let (timeout, snapshot) = (args.raising.timeout(&config), args.raising.snapshot(&config));
    let progress = global.progress();
    let session = Session::open(config, progress.clone()).await?;
    let confirm = confirm(progress.clone(), args.raising.yes);
    let again = session.clone();
    let reload = || {
        let config = global.try_config().map_err(|error| shown(&miette::Report::new(error)))?;
        again.with(config).map_err(|error| error.to_string())
    };
    let addresses = Mutex::default();
    let options = Options {
        up: up::Options { confirm: &confirm, timeout, prune_volumes: false, snapshot, developing: None },
        style: Style {
            grace: args.grace,
            one_at_a_time: args.one_at_a_time,
            recreate_jobs: args.recreate_jobs,
            snapshot,
        },
        once: args.once,
        reload: &reload,
        logs: (!args.no_logs && !args.once).then(|| show_logs(global, progress.clone())),
        addresses: &addresses,
    };
    let (send, commands) = mpsc::unbounded_channel();
    let ended = tokio::select! {
        ended = dev::run(session, &options, commands) => ended,
        () = keys::obey(&progress, &send, &addresses) => Ok(()),
    };
    progress.clear();
    Ok(ended?)
}

/// Shows what containers write, each line behind its Pod and container.
fn show_logs(global: &Global, progress: Arc<Progress>) -> mpsc::Sender<Line> {
    let (send, mut lines) = mpsc::channel::<Line>(1024);
    let (machines, coloured) = (global.is_for_machines(), printer::is_interactive(global.no_color));
    tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            if machines {
                let mut value = serde_json::to_value(&line).unwrap_or_default();
                value["event"] = "log".into();
                progress.line(&value.to_string());
            } else {
                progress.line(&prefixed(&line, coloured));
            }
        }
    });
    send
}
