//! `devcluster parity`

use super::exit::{CliError, Exit};
use super::printer::Format;
use super::{Global, printer};
use crate::operation::parity;
use crate::operation::session::Session;
use crate::parity::{to_markdown, to_text};

/// What `parity` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Exit 4 where one of the three counts is not zero
    #[arg(long)]
    strict: bool,
}

/// Reports how close the laptop is to production.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    let report = parity::run(&session).await?;
    match global.output {
        Format::Text => printer::data(&to_text(&report)),
        Format::Markdown => printer::data(&to_markdown(&report)),
        format => printer::value(format, &report),
    }
    if args.strict && !report.counts.are_zero() { Err(CliError::told(Exit::Differs)) } else { Ok(()) }
}
