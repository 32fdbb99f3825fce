//! `devcluster network-probe`, hidden: what a rehearsal's Pods run to see whether the network holds them back.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::exit::{CliError, Exit};
use super::printer;
use crate::operation::rehearse::network_probe;

/// What `network-probe` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Listen on this port, and nothing else
    #[arg(long, value_name = "PORT")]
    listen: Option<u16>,
    /// The address that may be reached
    #[arg(long, value_name = "ADDRESS", requires = "beyond", required_unless_present = "listen")]
    within: Option<SocketAddr>,
    /// The address that may not
    #[arg(long, value_name = "ADDRESS", requires = "within")]
    beyond: Option<SocketAddr>,
    /// Where to leave what was seen
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Does it.
pub async fn run(args: Args) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::message(Exit::Failed, error);
    if let Some(port) = args.listen {
        return network_probe::listen(port).await.map_err(failed);
    }
    let (Some(within), Some(beyond)) = (args.within, args.beyond) else { return Ok(()) };
    let sight = network_probe::look(within, beyond, args.to.as_deref()).await.map_err(failed)?;
    printer::talk(&format!("{sight:?}"));
    Ok(())
}
