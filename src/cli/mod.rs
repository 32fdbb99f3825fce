//! The command line: one file a verb. The only room that prints, draws progress or asks.

mod ci;
mod dev;
mod diff;
mod doctor;
mod down;
mod examples;
pub mod exit;
mod failure;
mod git;
mod handoff;
mod init;
mod keys;
mod learn;
mod lock;
mod logs;
mod network_probe;
mod parity;
mod plan;
pub mod printer;
pub mod progress;
mod promote;
mod release;
mod release_rehearse;
mod render;
mod schema;
mod seed;
mod settings;
mod snapshot;
mod snapshot_damage;
mod snapshot_files;
mod snapshot_store;
mod snapshot_text;
mod status;
mod store;
mod up;
mod validate;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use exit::{CliError, Exit};
pub use settings::Global;

/// Production's Kubernetes system on your laptop: the cluster changes, the manifests never do.
#[derive(Debug, Parser)]
#[command(name = "devcluster", version, propagate_version = true, max_term_width = 110, after_help = examples::START)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write a commented devcluster.yaml from what is found here
    #[command(after_help = examples::INIT)]
    Init(init::Args),
    /// Check devcluster.yaml and the manifests it names, and report every fault at once
    Validate(validate::Args),
    /// Show what `up` would do, and do nothing
    Plan(plan::Args),
    /// Bring production's system up, or put right what differs
    Up(up::Args),
    /// Bring the system up and keep it as the files are: a saved file is built and swapped in place
    #[command(after_help = examples::DEV)]
    Dev(dev::Args),
    /// Show what runs, whether it is ready, and what it takes
    Status(status::Args),
    /// Show the logs of the whole system
    #[command(after_help = examples::LOGS)]
    Logs(logs::Args),
    /// Take the cluster away; data stays unless told otherwise
    Down(down::Args),
    /// Compare every manifest, chart and hook with the cluster; exits 4 where something differs
    Diff(diff::Args),
    /// Report how close the laptop is to production
    Parity(parity::Args),
    /// Print what production would apply
    Render(render::Args),
    /// Synthetic data sets: plan one from a store's schema, load it, or write it to files
    #[command(subcommand, after_help = examples::SEED)]
    Seed(seed::Verb),
    /// Snapshots of stores: take, load, compare, move about
    #[command(subcommand, after_help = examples::SNAPSHOT)]
    Snapshot(snapshot::Verb),
    /// The ledger of what ran: list, show, compare, go back, say something
    #[command(subcommand, after_help = examples::RELEASE)]
    Release(release::Verb),
    /// Write down exactly what the manifests come to: devcluster.lock
    Lock(lock::Args),
    /// Render again and compare with devcluster.lock, offline; exits 4 where something differs
    #[command(after_help = examples::VERIFY)]
    Verify(verify::Args),
    /// Verify the lock, bring the system up, run the commands of `ci:` and write down what came of it
    #[command(after_help = examples::CI)]
    Ci(ci::Args),
    /// Write the very manifests that ran to a branch or directory that Argo CD or Flux follow
    #[command(after_help = examples::HANDOFF)]
    Handoff(handoff::Args),
    /// Move one lock from environment to environment; to production with a recorded approval
    #[command(after_help = examples::PROMOTE)]
    Promote(promote::Args),
    /// Git as the interface: a remote on this machine whose pushes are tested
    #[command(subcommand, after_help = examples::GIT)]
    Git(git::Verb),
    /// Look at the machine: engine, disk, memory, tools, ports, and the fix for each
    Doctor(doctor::Args),
    /// Print the JSON schema of devcluster.yaml
    Schema(schema::Args),
    /// Print a completion script for a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Have the engine learn images' layers while nothing else is to do
    #[command(hide = true)]
    Learn(learn::Args),
    /// See whether the network holds a rehearsal's Pods back
    #[command(hide = true)]
    NetworkProbe(network_probe::Args),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage as u8 } else { 0 });
        }
    };
    start_tracing();
    let plain = !printer::is_interactive(cli.global.no_color);
    let _ = miette::set_hook(Box::new(move |_| {
        // Unwrapped, so that a path or a command in it can be copied.
        let handler =
            miette::MietteHandlerOpts::new().color(!plain).unicode(!plain).width(110).wrap_lines(false);
        Box::new(handler.build())
    }));
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(&CliError::message(Exit::Failed, format!("cannot start: {error}"))),
    };
    // A run of tests ends by itself when it is told to: it has results to write.
    // So does a rehearsal, which takes its copies away.
    let ends_itself = matches!(cli.verb, Verb::Ci(_) | Verb::Release(release::Verb::Rehearse { .. }));
    let result = runtime.block_on(async {
        tokio::select! {
            result = run(cli) => result,
            () = interrupted(), if !ends_itself => {
                Err(CliError::message(Exit::Interrupted, "interrupted; the same command goes on from here"))
            }
        }
    });
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => end(&error),
    }
}

fn end(error: &CliError) -> ExitCode {
    if let Some(report) = &error.report {
        printer::talk(&exit::shown(report));
    }
    ExitCode::from(error.exit as u8)
}

async fn run(cli: Cli) -> Result<(), CliError> {
    let global = cli.global;
    match cli.verb {
        Verb::Up(args) => up::run(&global, args).await,
        Verb::Dev(args) => Box::pin(dev::run(&global, args)).await,
        Verb::Plan(args) => plan::run(&global, args).await,
        Verb::Status(args) => status::run(&global, args).await,
        Verb::Logs(args) => logs::run(&global, args).await,
        Verb::Down(args) => down::run(&global, args).await,
        Verb::Diff(args) => diff::run(&global, args).await,
        Verb::Parity(args) => parity::run(&global, args).await,
        Verb::Render(args) => render::run(&global, args).await,
        Verb::Lock(args) => lock::run(&global, args).await,
        Verb::Verify(args) => verify::run(&global, args).await,
        Verb::Ci(args) => Box::pin(ci::run(&global, args)).await,
        Verb::Handoff(args) => handoff::run(&global, args).await,
        Verb::Promote(args) => promote::run(&global, args).await,
        Verb::Git(verb) => git::run(&global, verb).await,
        Verb::Init(args) => init::run(&global, args).await,
        Verb::Validate(args) => validate::run(&global, args).await,
        Verb::Schema(args) => {
            schema::run(&args);
            Ok(())
        }
        Verb::Seed(verb) => seed::run(&global, verb).await,
        // It is a large future.
        Verb::Snapshot(verb) => Box::pin(snapshot::run(&global, verb)).await,
        Verb::Release(verb) => Box::pin(release::run(&global, verb)).await,
        Verb::Doctor(args) => doctor::run(&global, args).await,
        Verb::Learn(args) => learn::run(args).await,
        Verb::NetworkProbe(args) => network_probe::run(args).await,
        Verb::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "devcluster", &mut script);
            printer::data(&String::from_utf8_lossy(&script));
            Ok(())
        }
    }
}

/// Ctrl-C, or a polite kill.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        result = tokio::signal::ctrl_c() => if result.is_err() { std::future::pending::<()>().await },
        () = terminated => {}
    }
}

fn start_tracing() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("DEVCLUSTER_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
