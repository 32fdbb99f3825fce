//! `devcluster diff`

use super::exit::{CliError, Exit};
use super::{Global, printer};
use crate::apply::diff::render;
use crate::operation::diff;
use crate::operation::session::Session;

/// What `diff` takes.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Compares every object with the cluster; exits 4 where something differs that nothing explains.
pub async fn run(global: &Global, _: Args) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    let diff = diff::run(&session).await?;
    if global.is_for_machines() {
        printer::value(global.output, &diff);
    } else {
        printer::data(&render(&diff));
    }
    if diff.differs() { Err(CliError::told(Exit::Differs)) } else { Ok(()) }
}
