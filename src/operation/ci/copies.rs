//! The commands of `ci:` against a copy of the system, with the addresses of the copy's Services; on this machine, or
//! as Pods in the rehearsal's own namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::addresses::Addresses;
use super::command::Attempt;
use super::error::CiError;
use super::log::{Log, Watch};
use super::names;
use super::out::Out;
use super::running::Running;
use super::shard_image::{self, ShardImage};
use super::shards::Crew;
use crate::config::{CiCommand, Place};
use crate::handoff::ci::{Ended, Redactor, variables};
use crate::handoff::rehearse::commands::{self, Placed};
use crate::handoff::rehearse::{Check, Copies, GROUND, Verdict};
use crate::image::keep;
use crate::operation::error::OperationError;
use crate::operation::rehearse::access;
use crate::operation::session::{Existing, Session};

/// How many of a command's last lines are told where it fails.
const TOLD: usize = 10;

/// What commands are run with.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The project.
    pub session: &'a Session,
    /// The cluster.
    pub existing: &'a Existing,
    /// The copy.
    pub copies: &'a Copies,
    /// Production's Services by namespace.
    pub services: &'a BTreeMap<String, BTreeSet<String>>,
    /// The images of sharded commands on the nodes, by command.
    pub images: &'a BTreeMap<String, String>,
    /// What is to be told to nobody.
    pub redactor: &'a Redactor,
    /// Takes the commands' lines.
    pub watch: Watch<'a>,
    /// Ends them early.
    pub interrupted: &'a CancellationToken,
}

/// Sees to it that the nodes have the images of sharded commands, and gives their names there, by command: `names` has those of
/// the manifests' images, by the `written` ones.
pub async fn images(
    session: &Session,
    existing: &Existing,
    written: &BTreeSet<String>,
    names: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, OperationError> {
    let mut all = BTreeMap::new();
    for (command, image) in shard_image::find(&session.config, written)? {
        let name = match &image {
            ShardImage::Manifests(name) => names.get(name).unwrap_or(name).clone(),
            ShardImage::Built(_, name) => {
                image.deliver_as(session, existing, &keep::rehearsed_name(name)).await?
            }
        };
        all.insert(command, name);
    }
    Ok(all)
}

/// What commands are given.
struct Given {
    /// On this machine.
    here: BTreeMap<String, String>,
    /// In the cluster.
    within: BTreeMap<String, String>,
    /// Where they write.
    out: Out,
    /// What ends them where this process is killed.
    running: Running,
}

/// Runs all of them.
pub async fn run(surroundings: &Surroundings<'_>) -> Result<Vec<Check>, OperationError> {
    let Surroundings { session, existing, copies, .. } = *surroundings;
    if session.config.ci.is_empty() {
        return Ok(Vec::new());
    }
    let directory = tempfile::tempdir().map_err(|source| CiError::Write { path: "/tmp".into(), source })?;
    let running = Running::begin(&session.state.runs(), session.reporter.as_ref()).await?;
    let out = Out::take(directory.path().join("ci"))?;
    let addresses = Addresses::of_copies(existing, copies.iter()).await?;
    let ci = ("CI".to_owned(), "true".to_owned());
    let (mut here, _) = addresses.variables();
    // The cluster's own would lead to what is real.
    let kubeconfig = access::kubeconfig(session, existing, copies).await?;
    here.insert("KUBECONFIG".into(), written(directory.path(), "kubeconfig", &kubeconfig)?);
    let listing = addresses.listing().to_string();
    here.insert("DEVCLUSTER_ADDRESSES".into(), written(directory.path(), "addresses.json", &listing)?);
    here.extend([ci.clone()]);
    let (mut within, _) = variables(&addresses.within);
    within.extend([ci]);
    let given = Given { here, within, out, running };
    let mut checks = Vec::new();
    for command in &session.config.ci {
        checks.push(one(command, &given, surroundings).await?);
    }
    Ok(checks)
}

/// Writes a file for commands that nobody else reads, and gives its path.
fn written(directory: &Path, name: &str, text: &str) -> Result<String, OperationError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = directory.join(name);
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let done = file.and_then(|mut file| file.write_all(text.as_bytes()));
    done.map_err(|source| CiError::Write { path: path.clone(), source })?;
    Ok(path.display().to_string())
}

async fn one(
    command: &CiCommand,
    given: &Given,
    surroundings: &Surroundings<'_>,
) -> Result<Check, OperationError> {
    let (name, argv) = (command.name.clone(), command.run.argv());
    let Surroundings { copies, services, .. } = surroundings;
    let placed = match commands::place(&argv, &command.env, copies, services) {
        Ok(placed) => placed,
        Err(why) => {
            let (verdict, changed) = (Verdict::Skipped { why }, BTreeSet::new());
            return Ok(Check { name, verdict, tail: Vec::new(), changed });
        }
    };
    let mut left = command.retries;
    let (ended, mut tail) = loop {
        let (ended, tail) = match &command.place {
            Place::Here => here(command, &placed, given, surroundings).await?,
            Place::Shards { count, .. } => sharded(command, &placed, *count, given, surroundings).await?,
        };
        if left == 0 || matches!(ended, Ended::Passed | Ended::Interrupted) {
            break (ended, tail);
        }
        left -= 1;
    };
    let changed = placed.changed;
    if ended == Ended::Passed {
        return Ok(Check { name, verdict: Verdict::Passed, tail: Vec::new(), changed });
    }
    let tail = tail.split_off(tail.len().saturating_sub(TOLD));
    let why = surroundings.redactor.text(&ended.to_string());
    Ok(Check { name, verdict: Verdict::Failed { why }, tail, changed })
}

/// On this machine.
async fn here(
    command: &CiCommand,
    placed: &Placed,
    given: &Given,
    surroundings: &Surroundings<'_>,
) -> Result<(Ended, Vec<String>), OperationError> {
    let path = given.out.place("log")?;
    let failed = |source| CiError::Write { path: path.clone(), source };
    let mut log =
        Log::begin(&path, &command.name, surroundings.redactor, surroundings.watch).map_err(failed)?;
    let mut env = given.here.clone();
    env.extend(command.env.clone());
    let attempt = Attempt {
        argv: &placed.argv,
        env: &env,
        directory: surroundings.session.config.directory(),
        timeout: Duration::from_secs(command.timeout_seconds),
        interrupted: surroundings.interrupted,
        running: &given.running,
    };
    let ended = attempt.run(&mut log).await.map_err(failed)?;
    Ok((ended, log.end().map_err(failed)?))
}

/// In the cluster: the policy of the rehearsal's own namespace keeps them from what is real.
async fn sharded(
    command: &CiCommand,
    placed: &Placed,
    count: u32,
    given: &Given,
    surroundings: &Surroundings<'_>,
) -> Result<(Ended, Vec<String>), OperationError> {
    let client = &surroundings.existing.cluster.client;
    let Some(image) = surroundings.images.get(&command.name) else {
        return Ok((Ended::NotRun { why: "its image is not there".into() }, Vec::new()));
    };
    names::resolve(client).await?;
    let mut env = given.within.clone();
    env.extend(command.env.clone());
    let crew = Crew {
        client: client.clone(),
        namespace: GROUND,
        command: &command.name,
        argv: &placed.argv,
        image,
        count,
        env: &env,
        // Policies of the copy admit all of the rehearsal's own namespace.
        reached: &BTreeSet::new(),
        timeout: Duration::from_secs(command.timeout_seconds),
        interrupted: surroundings.interrupted,
        reporter: surroundings.session.reporter.as_ref(),
        redactor: surroundings.redactor,
        watch: surroundings.watch,
    };
    let told = crew.run(&given.out, &command.name).await?;
    Ok((told.ended, told.tail))
}
