//! `devcluster logs`

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use super::exit::CliError;
use super::{Global, printer};
use crate::operation::logs::{Line, Options, stream};
use crate::operation::session::Session;
use crate::operation::status;

/// What `logs` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only Pods whose name contains this
    pod: Option<String>,
    /// Only this namespace; all of the system's where unset
    #[arg(short, long)]
    namespace: Option<String>,
    /// Go on as lines come, across restarts and new Pods
    #[arg(short = 'F', long)]
    follow: bool,
    /// How many lines of each container to begin with; all where unset
    #[arg(long, value_name = "LINES")]
    tail: Option<i64>,
    /// Only what is younger, such as 30s, 5m, 2h
    #[arg(long, value_parser = super::settings::duration, value_name = "AGE")]
    since: Option<std::time::Duration>,
    /// What each container wrote before it was last restarted
    #[arg(long, conflicts_with = "follow")]
    previous: bool,
}

/// Shows the logs of the whole system.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    let existing = session.existing().await?;
    let namespaces = match args.namespace {
        Some(namespace) => BTreeSet::from([namespace]),
        None => status::namespaces(&existing).await?,
    };
    let options = Options {
        namespaces,
        pod: args.pod,
        follow: args.follow,
        tail: args.tail,
        since_seconds: args.since.and_then(|since| i64::try_from(since.as_secs()).ok()),
        previous: args.previous,
    };
    let (sender, mut lines) = mpsc::channel(1024);
    let reading = tokio::spawn(stream(existing.cluster.client.clone(), options, sender));
    let coloured = printer::is_interactive(global.no_color);
    while let Some(line) = lines.recv().await {
        if global.is_for_machines() {
            printer::data(&serde_json::to_string(&line).unwrap_or_default());
        } else {
            printer::data(&prefixed(&line, coloured));
        }
    }
    match reading.await {
        Ok(Err(error)) => Err(crate::operation::error::OperationError::Request {
            what: "read logs".into(),
            source: Box::new(error),
        }
        .into()),
        _ => Ok(()),
    }
}

/// The line behind its Pod and container, each Pod in a colour of its own.
pub(super) fn prefixed(line: &Line, coloured: bool) -> String {
    let source = format!("{}/{} {}", line.namespace, line.pod, line.container);
    if !coloured {
        return format!("{source} | {}", line.text);
    }
    let hash = blake3::hash(line.pod.as_bytes());
    let colour = 31 + hash.as_bytes()[0] % 6;
    format!("\x1b[{colour}m{source} |\x1b[0m {}", line.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_it_comes_from() {
        let line = Line {
            namespace: "shop".into(),
            pod: "web-1".into(),
            container: "web".into(),
            text: "ready".into(),
        };
        assert_eq!(prefixed(&line, false), "shop/web-1 web | ready");
    }
}
