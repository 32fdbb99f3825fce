//! `devcluster handoff`

use std::path::PathBuf;

use super::exit::{CliError, Exit};
use super::{Global, printer};
use crate::handoff::message::short;
use crate::handoff::pin::GivenDigest;
use crate::handoff::to_text;
use crate::operation::error::OperationError;
use crate::operation::handoff::{self, Handed, Outcome, Request, Target};
use crate::words::counted;

/// What `handoff` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An environment of devcluster.yaml, a branch, or a directory, which is written as a path: ./DIR, DIR/
    #[arg(long, value_name = "BRANCH|DIR")]
    to: String,
    /// Push the branch to this remote, and go on from where it stands there
    #[arg(long, value_name = "REMOTE")]
    push: Option<String>,
    /// A digest that a registry gave an image built here; may stand several times
    #[arg(long = "image", value_name = "NAME@sha256:DIGEST")]
    images: Vec<GivenDigest>,
    /// List the charts' hooks in kustomization.yaml, too: Argo CD runs them as hooks, Flux would apply them as objects
    #[arg(long)]
    hooks: bool,
    /// The lock; devcluster.lock beside the configuration where unset
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
}

/// Writes the manifests that the lock is of; exits 4 where what is rendered differs from it.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let config = global.config()?;
    let to = Target::parse(&args.to, args.push, &config).map_err(OperationError::from)?;
    let request = Request { to, lock: args.lock, digests: args.images, list_hooks: args.hooks };
    match handoff::run(&config, &request, global.progress().as_ref()).await? {
        Outcome::Differs(comparison) => {
            if global.is_for_machines() {
                printer::value(global.output, &comparison);
            } else {
                printer::data(&to_text(&comparison));
                printer::talk("nothing was handed off; `devcluster lock` writes the lock anew");
            }
            Err(CliError::told(Exit::Differs))
        }
        Outcome::Handed(handed) => {
            if global.is_for_machines() {
                printer::value(global.output, &handed);
            } else {
                printer::data(&text(&handed));
            }
            Ok(())
        }
    }
}

fn text(handed: &Handed) -> String {
    let mut lines = Vec::new();
    let objects = counted(handed.objects, "object");
    let lock = short(&handed.lock);
    lines.push(if handed.changed {
        let commit =
            handed.commit.as_ref().map_or(String::new(), |commit| format!(", commit {}", short(commit)));
        format!("{}: {objects} of lock {lock}{commit}", handed.to)
    } else {
        format!("{}: {objects} of lock {lock} are there already", handed.to)
    });
    if handed.hooks > 0 {
        lines.push(format!("  hooks/ has {} of charts", counted(handed.hooks, "hook")));
    }
    for secret in &handed.secrets_left_out {
        lines.push(format!("  {secret} is left out: its values do not go into Git"));
    }
    for image in &handed.images_as_written {
        lines.push(format!("  {} is as written: {}", image.image, image.why));
    }
    if handed.pushed {
        lines.push("  pushed".to_owned());
    }
    lines.join("\n")
}
