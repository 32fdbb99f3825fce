//! `devcluster dev`

use std::path::PathBuf;
use std::time::Duration;

use super::exit::CliError;
use super::up::confirm;
use super::{Global, printer};
use crate::operation::dev::{self, Options};
use crate::operation::dev_sources::sources;
use crate::operation::session::Session;
use crate::operation::swap::Style;
use crate::operation::up;

/// What `dev` takes.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools)] // each is a flag of its own
pub struct Args {
    /// Make the cluster anew without asking where it must be
    #[arg(short, long)]
    yes: bool,
    /// How long `up` may wait for everything to be ready, such as 90s or 10m; the profile's where unset
    #[arg(long, value_parser = super::settings::duration, value_name = "TIME")]
    timeout: Option<Duration>,
    /// Keep production's preStop hooks and grace when a container is swapped; else what runs is killed
    #[arg(long)]
    grace: bool,
    /// Swap one container after the other, each ready before the next
    #[arg(long)]
    one_at_a_time: bool,
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
        for effect in sources(&config).effects_of(&path) {
            printer::data(&effect.to_string());
        }
        return Ok(());
    }
    let timeout = args.timeout.unwrap_or(Duration::from_secs(config.profile.timeout_seconds));
    let progress = global.progress();
    let session = Session::open(config, progress.clone()).await?;
    let confirm = confirm(progress.clone(), args.yes);
    let again = session.clone();
    let reload = || {
        let config = global.try_config().map_err(|error| format!("{:?}", miette::Report::new(error)))?;
        again.with(config).map_err(|error| error.to_string())
    };
    let options = Options {
        up: up::Options { confirm: &confirm, timeout, prune_volumes: false, developing: true },
        style: Style { grace: args.grace, one_at_a_time: args.one_at_a_time },
        once: args.once,
        reload: &reload,
    };
    let ended = dev::run(session, &options).await;
    progress.clear();
    Ok(ended?)
}
