//! `devcluster verify`

use std::path::{Path, PathBuf};

use super::exit::{CliError, Exit};
use super::{Global, printer};
use crate::apply::diff::render;
use crate::handoff::ci::{self, Attested, Signature};
use crate::handoff::{Comparison, to_text};
use crate::operation::attestation::{self, AttestationError};
use crate::operation::error::OperationError;
use crate::operation::session::Session;
use crate::operation::verify;
use crate::operation::verify::live::{self, LiveComparison};
use crate::words::{counted, shown};

/// What `verify` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The lock; devcluster.lock beside the configuration where unset
    #[arg(value_name = "LOCKFILE")]
    lock: Option<PathBuf>,
    /// Hold the running cluster against it as well, where the manifests agree with it
    #[arg(long)]
    live: bool,
    /// A statement of `devcluster ci` (attestation.json), signed or not, which must be about this lock and say that all passed
    #[arg(long, value_name = "FILE")]
    attestation: Option<PathBuf>,
    /// A public key in PEM that must have signed the statement; several where any of them may
    #[arg(long, value_name = "PUBLIC.pem", requires = "attestation")]
    key: Vec<PathBuf>,
}

/// What `verify` found, with the cluster and a statement where these were asked about.
#[derive(serde::Serialize)]
struct Verified {
    #[serde(flatten)]
    comparison: Comparison,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<LiveComparison>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation: Option<Said>,
}

impl Verified {
    fn differs(&self) -> bool {
        self.comparison.differs()
            || self.live.as_ref().is_some_and(LiveComparison::differs)
            || matches!(self.attestation, Some(Said::Refused(_)))
    }
}

/// What came of asking about a statement.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
enum Said {
    Holds(Attested),
    Refused(String),
}

/// Renders again and compares; exits 4 where something differs from the lock.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let config = global.config()?;
    let (known, mut comparison) =
        verify::of_file(&config, args.lock.as_deref(), global.progress().as_ref()).await?;
    let attestation = match &args.attestation {
        Some(file) => Some(said(file, &comparison.root, &args.key).map_err(OperationError::from)?),
        None => None,
    };
    let live = if args.live && comparison.differs() {
        // A lock has hashes of objects alone: only what is rendered could be held against the cluster.
        let why = "the cluster was not compared: what is rendered is not what the lock is of";
        comparison.notes.push(why.to_owned());
        None
    } else if args.live {
        let session = Session::open(config, global.progress()).await?;
        Some(live::run(&session, &known).await?)
    } else {
        None
    };
    let verified = Verified { comparison, live, attestation };
    if global.is_for_machines() {
        printer::value(global.output, &verified);
    } else {
        printer::data(&to_text(&verified.comparison));
        verified.live.iter().for_each(show_live);
        verified.attestation.iter().for_each(show);
    }
    if verified.differs() { Err(CliError::told(Exit::Differs)) } else { Ok(()) }
}

fn show_live(live: &LiveComparison) {
    if live.objects.differs() {
        printer::data(&render(&live.objects));
    }
    for what in live.images.iter().chain(&live.containers).chain(&live.data) {
        printer::data(&format!("~ {what}"));
    }
    printer::data(if live.differs() {
        "the cluster differs from the lock"
    } else {
        "the cluster is as in the lock"
    });
    for note in &live.notes {
        printer::data(&format!("note: {note}"));
    }
}

fn said(file: &Path, root: &str, keys: &[PathBuf]) -> Result<Said, AttestationError> {
    let keys = attestation::public_keys(keys)?;
    Ok(match ci::check(&attestation::read(file)?, root, &keys) {
        Ok(attested) => Said::Holds(attested),
        Err(refusal) => Said::Refused(format!("{} {refusal}", shown(file))),
    })
}

fn show(said: &Said) {
    printer::data(&match said {
        Said::Holds(attested) => format!(
            "tested: {} passed with profile {}, {}\n{}",
            counted(attested.steps, "step"),
            attested.profile,
            attested.finished_on,
            signature(&attested.signature)
        ),
        Said::Refused(refusal) => refusal.clone(),
    });
}

fn signature(signature: &Signature) -> String {
    match signature {
        Signature::None => "not signed".into(),
        Signature::NotChecked => "signature not checked: --key PUBLIC.pem says whose it is to be".into(),
        Signature::Valid { signed_by } => format!("signed by {signed_by}"),
    }
}
