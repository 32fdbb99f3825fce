//! `devcluster up`

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::down::ask;
use super::exit::CliError;
use super::progress::{Progress, seconds};
use super::store::leave_preparing;
use super::{Global, learn, printer};
use crate::config::Config;
use crate::operation::hooks;
use crate::operation::memory::Pressure;
use crate::operation::session::Session;
use crate::operation::up::{self, Options, Report};
use crate::words::counted;

/// What every verb takes that brings the system up.
#[derive(Debug, clap::Args)]
pub(super) struct Raising {
    /// Make the cluster anew without asking where it must be
    #[arg(short, long)]
    pub yes: bool,
    /// How long to wait for everything to be ready, such as 90s or 10m; the profile's where unset
    #[arg(long, value_parser = super::settings::duration, value_name = "TIME")]
    timeout: Option<Duration>,
    /// Take no snapshot before a migration that cannot be taken back, whatever the profile says
    #[arg(long)]
    pub no_snapshot: bool,
}

impl Raising {
    /// How long to wait for everything to be ready.
    pub fn timeout(&self, config: &Config) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(config.profile.timeout_seconds))
    }

    /// Whether a snapshot is taken before a migration that cannot be taken back.
    pub fn snapshot(&self, config: &Config) -> bool {
        config.profile.snapshot_before_migrations && !self.no_snapshot
    }
}

/// What `up` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    raising: Raising,
    /// Run the charts' test hooks once everything is ready
    #[arg(long)]
    test: bool,
    /// Delete volumes that left the manifests, with their data
    #[arg(long)]
    prune_volumes: bool,
}

/// Brings the system up.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let config = global.config()?;
    let (timeout, snapshot) = (args.raising.timeout(&config), args.raising.snapshot(&config));
    let progress = global.progress();
    let session = Session::open(config, progress.clone()).await?;
    let confirm = confirm(progress.clone(), args.raising.yes);
    let options =
        Options { confirm: &confirm, timeout, prune_volumes: args.prune_volumes, snapshot, developing: None };
    let result = up::run(&session, &options).await;
    progress.clear();
    let report = result?;
    learn::leave_running(session.state.cache(), &report.sent_builds);
    for store in &report.given {
        leave_preparing(&session, store);
    }
    if args.test {
        let ran = hooks::test(&session).await;
        progress.clear();
        printer::talk(&format!("{} test hooks succeeded", ran?));
    }
    if global.is_for_machines() {
        printer::value(global.output, &report);
    } else {
        printer::talk(text(&report).trim_end());
    }
    Ok(())
}

pub(super) fn confirm(progress: Arc<Progress>, yes: bool) -> impl Fn(&[String]) -> bool + Sync {
    move |reasons| {
        progress.clear();
        printer::talk("the cluster has to be made anew (volumes are kept):");
        for reason in reasons {
            printer::talk(&format!("  {reason}"));
        }
        yes || ask("go on?").unwrap_or(false)
    }
}

fn text(report: &Report) -> String {
    let took = seconds(Duration::from_secs_f64(report.seconds));
    let mut text = if report.unchanged {
        format!("nothing to do: {} objects stand as production wrote them ({took})\n", report.objects)
    } else {
        format!("up: {} objects as production wrote them ({took})\n", report.objects)
    };
    if report.stand_ins > 0 {
        let images = counted(report.stand_ins, "image");
        let stand = if report.stand_ins == 1 { "is a stand-in" } else { "are stand-ins" };
        let _ = writeln!(text, "  {images} {stand}, not production's: `devcluster parity` names them");
    }
    let width = report.addresses.iter().map(|tried| tried.address.len()).max().unwrap_or(0);
    for tried in &report.addresses {
        let mark = if tried.answers { "answers" } else { "DOES NOT ANSWER" };
        let _ = writeln!(text, "  {:<width$}  {}  {mark}: {}", tried.address, tried.what, tried.said);
    }
    let hosts: std::collections::BTreeSet<&str> =
        report.addresses.iter().filter_map(|tried| tried.unresolved.as_deref()).collect();
    if !hosts.is_empty() {
        let hosts: Vec<&str> = hosts.into_iter().collect();
        let _ = writeln!(
            text,
            "  for the browser: echo '127.0.0.1 {}' | sudo tee -a /etc/hosts",
            hosts.join(" ")
        );
    }
    if let Some(memory) = report.memory.filter(|memory| memory.pressure() != Pressure::None) {
        let _ = writeln!(text, "  memory is short: {}", memory.sentence());
    }
    text
}
