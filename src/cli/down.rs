//! `devcluster down`

use std::io::{BufRead, IsTerminal, Write};

use super::exit::{CliError, Exit};
use super::{Global, printer};
use crate::operation::down;
use crate::operation::session::Session;

/// What `down` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove the volumes' data and the ledger of releases as well; they cannot be had back
    #[arg(long)]
    data: bool,
    /// Do not ask; and go on where the ledger of releases cannot be read, which is lost then
    #[arg(short, long)]
    yes: bool,
}

/// Takes the cluster away.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let progress = global.progress();
    let session = Session::open(global.config()?, progress).await?;
    let claims = down::claims(&session);
    if args.data && !args.yes && !claims.is_empty() {
        let question =
            format!("remove the data of {} and the ledger of releases for good?", claims.join(", "));
        if !ask(&question)? {
            return Err(CliError::message(Exit::Failed, "nothing was removed"));
        }
    }
    let taken = down::run(&session, args.data, args.yes).await?;
    if global.is_for_machines() {
        printer::value(global.output, &taken);
        return Ok(());
    }
    printer::talk(&if taken.existed {
        format!("cluster {} is gone", taken.cluster)
    } else {
        format!("there is no cluster {}", taken.cluster)
    });
    if !taken.kept.is_empty() {
        printer::talk(&format!(
            "kept in {}: the data of {} (`devcluster up` finds it again, `devcluster down --data` removes it)",
            taken.volumes.display(),
            taken.kept.join(", ")
        ));
    }
    if let Some(ledger) = &taken.ledger {
        printer::talk(&format!(
            "kept in {}: the ledger of releases (`devcluster up` puts it back, `devcluster down --data` removes it)",
            ledger.display()
        ));
    }
    if taken.ledger_removed {
        printer::talk("removed: the ledger of releases");
    }
    if !taken.removed.is_empty() {
        printer::talk(&format!("removed: the data of {}", taken.removed.join(", ")));
    }
    Ok(())
}

/// Asks a yes-or-no question on the terminal; without one the answer must be given by `--yes`.
pub fn ask(question: &str) -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        let text = format!("{question} Nobody can be asked here: say --yes, or run it on a terminal");
        return Err(CliError::message(Exit::Usage, text));
    }
    let mut error = std::io::stderr();
    let _ = write!(error, "{question} [y/N] ");
    let _ = error.flush();
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
