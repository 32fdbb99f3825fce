//! `devcluster release`

use std::time::Duration;

use serde_json::json;

use super::exit::{CliError, Exit};
use super::progress::seconds;
use super::store::show;
use super::{Global, printer, release_rehearse};
use crate::handoff::release::text;
use crate::operation::error::OperationError;
use crate::operation::release::revert::{self, Between, Options, Reverted};
use crate::operation::release::view;
use crate::operation::session::Session;
use crate::words::counted;

/// What is done with releases.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List what ran in the cluster, the newest first; `*` marks what stands now
    List,
    /// Show what a release is made of
    Show {
        /// The release
        number: u64,
    },
    /// Show in what two releases differ: objects, images' bytes, data
    Diff {
        /// The one
        first: u64,
        /// The other; what stands now where unset
        second: Option<u64>,
    },
    /// Go back to a release: code, configuration, secrets, objects that came and went; recorded as a new release
    Revert {
        /// The release
        number: u64,
        /// Go on where migrations or data lie between; data stays as it is
        #[arg(long)]
        keep_data: bool,
        /// Bring back what stores held as well: the snapshots that were taken before the migrations between, or loaded there
        #[arg(long, conflicts_with = "keep_data")]
        restore_data: bool,
        /// How long to wait for everything to be ready, such as 90s or 10m; the profile's where unset
        #[arg(long, value_parser = super::settings::duration, value_name = "TIME")]
        timeout: Option<Duration>,
    },
    /// Try what a release needs on copies: old and new code, each on the schema before and after its migrations
    ///
    /// Nothing touches the real data. Exits with 0 where new code on the new schema and old code on the new schema pass: the
    /// release itself needs the one, a rolling update and a revert the other.
    Rehearse {
        /// How long to wait for everything of one way to be ready, such as 90s; 2m where unset
        #[arg(long, value_parser = super::settings::duration, value_name = "TIME")]
        timeout: Option<Duration>,
        /// Go on where the network does not enforce NetworkPolicies: Pods of a copy may then reach the real stores
        #[arg(long)]
        unenforced_network: bool,
        /// Copy the files of claims that take no more than this, such as 500Mi; a claim that has more begins empty
        #[arg(long, value_parser = super::settings::bytes, value_name = "SIZE", default_value = "2Gi")]
        volumes_up_to: u64,
    },
    /// Say something about a release
    Annotate {
        /// The release
        number: u64,
        /// What is said
        text: String,
    },
}

/// Does it.
pub async fn run(global: &Global, verb: Verb) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    match verb {
        Verb::List => list(global, &session).await,
        Verb::Show { number } => {
            let ledger = view::ledger(&session).await?;
            let record = ledger.release(number).map_err(OperationError::from)?;
            let value = json!({"release": record, "notes": ledger.notes(number)});
            show(global, &value, || text::show(&ledger, record));
            Ok(())
        }
        Verb::Diff { first, second } => {
            let diff = view::compare(&session, first, second).await?;
            show(global, &json!(diff), || text::difference(&diff));
            Ok(())
        }
        Verb::Revert { number, keep_data, restore_data, timeout } => {
            let data = match (keep_data, restore_data) {
                (true, _) => Between::Keep,
                (_, true) => Between::Restore,
                _ => Between::Stop,
            };
            let timeout = timeout.unwrap_or(Duration::from_secs(session.config.profile.timeout_seconds));
            let options = Options { to: number, data, timeout };
            let reverted = revert::run(&session, &options).await?;
            show(global, &json!(reverted), || said(&reverted));
            Ok(())
        }
        Verb::Rehearse { timeout, unenforced_network, volumes_up_to } => {
            Box::pin(release_rehearse::run(global, &session, timeout, unenforced_network, volumes_up_to))
                .await
        }
        Verb::Annotate { number, text } => {
            let record = view::annotate(&session, number, &text).await?;
            let value = json!({"number": record.number, "of": number, "text": text});
            show(global, &value, || format!("said of release {number}"));
            Ok(())
        }
    }
}

async fn list(global: &Global, session: &Session) -> Result<(), CliError> {
    let (ledger, gone) = view::list(session).await?;
    let releases: Vec<_> = ledger
        .releases()
        .map(|record| {
            json!({
                "number": record.number, "at": record.at, "by": record.by, "made": record.made, "lock": record.lock,
                "tree": record.tree, "commit": record.commit, "notes": ledger.notes(record.number),
                "unready": record.unready, "objects": record.content.objects.len(), "images": record.content.images.len(),
                "imagesGone": gone.get(&record.number).cloned().unwrap_or_default(),
            })
        })
        .collect();
    let faults: Vec<_> = ledger.faults.values().collect();
    let current = ledger.current().map(|record| record.number);
    show(global, &json!({"current": current, "releases": releases, "faults": faults}), || {
        text::list(&ledger, &gone)
    });
    for fault in &faults {
        let what = match fault.annotation {
            Some(_) => "what was said of release",
            None => "release",
        };
        printer::talk(&format!(
            "warning: {what} {} cannot be read: {} {}",
            fault.number, fault.object, fault.why
        ));
    }
    if faults.is_empty() { Ok(()) } else { Err(CliError::told(Exit::Failed)) }
}

fn said(reverted: &Reverted) -> String {
    let Reverted { to, diff, .. } = reverted;
    let took = seconds(Duration::from_secs_f64(reverted.seconds));
    let Some(number) = reverted.release else {
        return format!("nothing to do: all stands as in release {to} ({took})");
    };
    let parts = [
        (diff.changed.len(), "object", "changed back"),
        (diff.came.len(), "object", "came back"),
        (diff.went.len(), "object", "gone"),
        (diff.images.len(), "image", "as of then"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, noun, what)| format!("{} {what}", counted(*count, noun)))
        .collect();
    let told = seconds(Duration::from_secs_f64(reverted.told_seconds));
    format!(
        "release {number} is release {to} again: {} ({took}, of which {told} until the cluster was told)\n  \
         the files here are as they were: the next `devcluster up` brings what they say",
        if parts.is_empty() { "nothing differed in the ledger".to_owned() } else { parts.join(", ") }
    )
}
