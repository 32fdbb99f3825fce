//! `devcluster doctor`

use super::exit::{CliError, Exit};
use super::{Global, printer};
use crate::operation::doctor::{Verdict, examine};
use std::fmt::Write as _;

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Looks at the machine; exits 5 where `up` cannot work.
pub async fn run(global: &Global, _: Args) -> Result<(), CliError> {
    // A configuration that is missing or broken is not the machine's fault: `validate` tells of it.
    let config = global.config().ok();
    let checks = examine(config.as_ref()).await;
    if global.is_for_machines() {
        printer::value(global.output, &checks);
    } else {
        let mut text = String::new();
        for check in &checks {
            let mark = match check.verdict {
                Verdict::Good => "ok  ",
                Verdict::Limited => "note",
                Verdict::Broken => "FAIL",
            };
            let _ = writeln!(text, "{mark}  {:<10} {}", check.name, check.seen);
            if !check.fix.is_empty() {
                let _ = writeln!(text, "{:>18}{}", "-> ", check.fix);
            }
        }
        printer::data(&text);
    }
    if checks.iter().any(|check| check.verdict == Verdict::Broken) {
        return Err(CliError::told(Exit::Missing));
    }
    Ok(())
}
