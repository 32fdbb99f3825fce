//! `devcluster status`

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
        text.push_str(&format!(
            "  {}  {ready}  {}  advertises {} CPUs, {}\n",
            node.name, node.version, node.cpu, node.memory
        ));
    }
    let shown: Vec<_> =
        status.objects.iter().filter(|object| all || object.workload || !object.ready).collect();
    let width = shown.iter().map(|object| object.id.to_string().len()).max().unwrap_or(0);
    for object in &shown {
        let mark = if object.ready { "ready    " } else { "NOT READY" };
        text.push_str(&format!("  {mark}  {:<width$}  {}\n", object.id.to_string(), object.message));
    }
    let hidden = status.objects.len() - shown.len();
    if hidden > 0 {
        text.push_str(&format!("  and {hidden} more objects, all ready (--all shows them)\n"));
    }
    if let Some(memory) = status.memory {
        let pressure = match memory.pressure() {
            Pressure::None => "",
            Pressure::Tight => ": memory is tight",
            Pressure::Critical => ": MEMORY IS NEARLY GONE, the kernel is about to kill",
        };
        text.push_str(&format!("memory: {}{pressure}\n", memory.sentence()));
    }
    for killed in &status.killed {
        text.push_str(&format!("  killed for want of memory: {killed}\n"));
    }
    text.push_str(&format!("kubectl: KUBECONFIG={}\n", status.kubeconfig.display()));
    text
}
