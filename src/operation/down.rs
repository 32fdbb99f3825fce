//! Takes a cluster away. Its volumes and its ledger of releases stay on the host unless their removal is asked for.

use std::path::PathBuf;

use futures::future::try_join_all;

use super::error::OperationError;
use super::release::carry;
use super::session::Session;
use crate::cluster::ProvidedNode;
use crate::cluster::identity::Found;
use crate::cluster::provider::VOLUMES_ON_NODE;
use crate::event::Event;

/// Ends all containers of a node that is to go, for good: a directory that is written to cannot be removed.
const STOP: &str = "systemctl stop kubelet
for file in /run/containerd/io.containerd.runtime.v2.task/k8s.io/*/init.pid; do
  process=$(cat \"$file\") && kill -9 \"$process\" || continue
  for _ in $(seq 200); do [ -d \"/proc/$process\" ] || break; sleep 0.01; done
done 2>/dev/null
true";

/// What was taken away and what stays.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// The cluster's name.
    pub cluster: String,
    /// Whether there was a cluster.
    pub existed: bool,
    /// Claims whose data stays on this machine, as `NAMESPACE/CLAIM`.
    pub kept: Vec<String>,
    /// Claims whose data was removed.
    pub removed: Vec<String>,
    /// Where the data is.
    pub volumes: PathBuf,
    /// Where the ledger of releases stays; none where there was none or it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<PathBuf>,
    /// Whether a ledger was removed.
    pub ledger_removed: bool,
}

/// Takes the cluster away, and with `data` its volumes' contents and its ledger too. Where the ledger is to stay and cannot
/// be read, that is an error, unless it may be lost.
pub async fn run(session: &Session, data: bool, may_lose_ledger: bool) -> Result<Taken, OperationError> {
    let _lock = session.lock()?;
    let name = session.state.cluster().to_owned();
    let found = session.find().await?;
    let existed = !matches!(found, Found::Absent);
    let claims = claims(session);
    let mut has_ledger = carry::is_kept(session);
    if let Found::Ours(record, nodes) = &found {
        let taken = if data { Ok(true) } else { carry::take(session, record, nodes).await };
        has_ledger = match taken {
            Ok(has_ledger) => has_ledger,
            Err(reason) if may_lose_ledger => {
                let text = format!("the ledger of releases is lost with the cluster: {reason}");
                session.reporter.report(Event::Warning(text));
                false
            }
            Err(reason) => return Err(OperationError::LedgerUnread { cluster: name, reason }),
        };
    }
    if data && let Found::Ours(_, nodes) = &found {
        // Files of the volumes belong to the users that Pods run as; a node may remove them, the host's user may not.
        let running: Vec<&ProvidedNode> = nodes.iter().filter(|node| node.running).collect();
        try_join_all(running.iter().map(|node| node.node.run(&["sh", "-c", STOP]))).await?;
        if let Some(node) = running.first() {
            let script = format!("rm -rf {VOLUMES_ON_NODE}/* {VOLUMES_ON_NODE}/.[!.]*");
            node.node.run(&["sh", "-c", &script]).await?;
        }
    }
    if existed {
        session.provider.delete(&name, &session.state.kubeconfig()).await?;
    }
    if data {
        let volumes = session.state.volumes();
        match std::fs::remove_dir_all(volumes) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(OperationError::Data { path: volumes.to_owned(), source });
            }
            _ => {}
        }
        session.state.forget_ledger()?;
    }
    session.state.forget()?;
    let (kept, removed) = if data { (Vec::new(), claims) } else { (claims, Vec::new()) };
    let volumes = session.state.volumes().to_owned();
    let ledger = (has_ledger && !data).then(|| session.state.ledger());
    Ok(Taken { cluster: name, existed, kept, removed, volumes, ledger, ledger_removed: has_ledger && data })
}

/// The claims that have data on this machine.
pub fn claims(session: &Session) -> Vec<String> {
    let below = |path: PathBuf| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        // What begins with a dot is work beside volumes.
        let shown = |entry: &std::fs::DirEntry| !entry.file_name().to_string_lossy().starts_with('.');
        entries.filter(|entry| entry.path().is_dir() && shown(entry)).collect::<Vec<_>>()
    };
    let mut claims: Vec<String> = below(session.state.volumes().to_owned())
        .into_iter()
        .flat_map(|namespace| {
            let name = namespace.file_name().to_string_lossy().into_owned();
            below(namespace.path())
                .into_iter()
                .map(move |claim| format!("{name}/{}", claim.file_name().to_string_lossy()))
        })
        .collect();
    claims.sort();
    claims
}
