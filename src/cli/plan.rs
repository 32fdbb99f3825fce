//! `devcluster plan`

use super::exit::CliError;
use super::{Global, printer};
use crate::operation::plan;
use crate::operation::session::Session;
use crate::parity::plan_to_text;

/// What `plan` takes.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Shows what `up` would do.
pub async fn run(global: &Global, _: Args) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    let plan = plan::run(&session).await?;
    if global.is_for_machines() {
        printer::value(global.output, &plan);
    } else {
        printer::data(&plan_to_text(&plan));
    }
    Ok(())
}
