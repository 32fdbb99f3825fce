//! `devcluster lock`

use std::path::PathBuf;

use super::exit::CliError;
use super::{Global, printer};
use crate::operation::lock;
use crate::words::{counted, shown};

/// What `lock` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to write it; devcluster.lock beside the configuration where unset
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Renders the manifests and writes down what they come to.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let config = global.config()?;
    let written = lock::run(&config, args.out.as_deref(), global.progress().as_ref()).await?;
    if global.is_for_machines() {
        printer::value(global.output, &written);
    } else {
        let objects = counted(written.objects, "object");
        printer::data(&format!("{}: {objects}, root {}", shown(&written.file), written.root));
    }
    Ok(())
}
