//! `devcluster status`

use std::fmt::Write as _;
use std::time::Duration;

use super::exit::{CliError, Exit};
use super::{Global, printer};
use crate::operation::memory::Pressure;
use crate::operation::session::Session;
use crate::operation::status::{self, Status};

/// What `status` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show it again every two seconds until interrupted
    #[arg(short, long)]
    watch: bool,
    /// Show every object, not only those that make Pods and those that are not ready
    #[arg(short, long)]
    all: bool,
}

/// Shows what runs; exits 3 where something is not ready.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    loop {
        let status = status::run(&session).await?;
        if global.is_for_machines() {
            printer::value(global.output, &status);
        } else {
            let clear =
                if args.watch && printer::is_interactive(global.no_color) { "\x1b[2J\x1b[H" } else { "" };
            printer::data(&format!("{clear}{}", text(&status, args.all)));
        }
        if !args.watch {
            let ready = status.objects.iter().all(|object| object.ready);
            return if ready { Ok(()) } else { Err(CliError::told(Exit::NotReady)) };
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

fn text(status: &Status, all: bool) -> String {
    let mut text = format!("cluster {}\n", status.cluster);
    for node in &status.nodes {
        let ready = if node.ready { "ready" } else { "NOT READY" };
        let _ = writeln!(
            text,
            "  {}  {ready}  {}  advertises {} CPUs, {}",
            node.name, node.version, node.cpu, node.memory
        );
    }
    let shown: Vec<_> =
        status.objects.iter().filter(|object| all || object.workload || !object.ready).collect();
    let width = shown.iter().map(|object| object.id.to_string().len()).max().unwrap_or(0);
    for object in &shown {
        let mark = if object.ready { "ready    " } else { "NOT READY" };
        let _ = writeln!(text, "  {mark}  {:<width$}  {}", object.id.to_string(), object.message);
    }
    let hidden = status.objects.len() - shown.len();
    if hidden > 0 {
        let _ = writeln!(text, "  and {hidden} more objects, all ready (--all shows them)");
    }
    if let Some(memory) = status.memory {
        let pressure = match memory.pressure() {
            Pressure::None => "",
            Pressure::Tight => ": memory is tight",
            Pressure::Critical => ": MEMORY IS NEARLY GONE, the kernel is about to kill",
        };
        let _ = writeln!(text, "memory: {}{pressure}", memory.sentence());
    }
    for killed in &status.killed {
        let _ = writeln!(text, "  killed for want of memory: {killed}");
    }
    if !status.developed.is_empty() {
        let _ = writeln!(text, "changed while developing; `devcluster up` goes back:");
    }
    for developed in &status.developed {
        let _ = writeln!(text, "  {}: {}", developed.container, developed.what);
    }
    let _ = writeln!(text, "kubectl: KUBECONFIG={}", status.kubeconfig.display());
    text
}
