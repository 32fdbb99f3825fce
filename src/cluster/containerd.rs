//! A node's containerd, reached from the host without an exec: a socket in a directory that node and host share leads to
//! containerd's own. One call takes about 3 ms where an exec takes 100. Where it cannot be had (an engine in a virtual
//! machine, a node without systemd's proxy), whoever asks goes by exec instead.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;

use super::engine::{EngineError, Node};

/// Where a node sees the directory that it shares with the host.
pub const SHARED_ON_NODE: &str = "/var/devcluster/node";

const SOCKET: &str = "containerd.sock";

/// The file beside the socket that holds what [`SETTINGS`] printed when the node was made.
const SETTINGS_FILE: &str = "containerd.settings";

/// Shell that prints a node's [`Settings`], a line each, and leaves the snapshotter in `$s`.
pub const SETTINGS: &str = r#"s=$(sed -n "s/^ *snapshotter *= *[\"']\([a-z0-9-]*\)[\"'].*/\1/p" /etc/containerd/config.toml 2>/dev/null | head -n 1)
s=${s:-overlayfs}
echo "$s"
case $(ctr images import --help 2>/dev/null) in *--discard-unpacked-layers*) echo discards;; *) echo keeps;; esac
"#;

/// How a node's containerd takes images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The snapshotter that CRI unpacks with.
    pub snapshotter: String,
    /// Whether its `ctr` can drop packed layers once they are unpacked, as kind's containerd does with pulled ones.
    pub discards: bool,
}

impl Settings {
    /// Reads what [`SETTINGS`] printed.
    pub fn read<'a>(mut lines: impl Iterator<Item = &'a str>) -> Option<Self> {
        let snapshotter = lines.next()?.to_owned();
        let discards = lines.next()? == "discards";
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
        (!snapshotter.is_empty() && snapshotter.chars().all(is_name))
            .then_some(Self { snapshotter, discards })
    }

    /// Those of a node whose containerd is open to the host.
    pub fn of(node: &Node) -> Option<Self> {
        let path = node.containerd.as_deref()?.with_file_name(SETTINGS_FILE);
        Self::read(std::fs::read_to_string(path).ok()?.lines())
    }
}

/// How long an answer may take before it is asked for otherwise.
const PATIENCE: Duration = Duration::from_secs(3);

/// The socket in the host's directory that a node sees as [`SHARED_ON_NODE`].
pub fn socket(shared: &Path) -> PathBuf {
    shared.join(SOCKET)
}

/// systemd's own proxy, started by the first connection. The directory on the host is its user's alone, so that the
/// socket itself may be open.
const OPEN: &str = r"proxy=/usr/lib/systemd/systemd-socket-proxyd
[ -x $proxy ] || proxy=/lib/systemd/systemd-socket-proxyd
[ -x $proxy ] || exit 0
cd /etc/systemd/system || exit 1
printf '[Socket]\nListenStream=%s\nSocketMode=0666\n[Install]\nWantedBy=sockets.target\n' $1 > devcluster-containerd.socket
printf '[Service]\nExecStart=%s /run/containerd/containerd.sock\n' $proxy > devcluster-containerd.service
systemctl daemon-reload
systemctl enable --quiet --now devcluster-containerd.socket";

/// Has a node that was just made open its containerd to the host.
pub async fn open(node: &Node) -> Result<(), EngineError> {
    if node.containerd.is_some() {
        let socket = format!("{SHARED_ON_NODE}/{SOCKET}");
        let script = format!("({SETTINGS}) > {SHARED_ON_NODE}/{SETTINGS_FILE}\n{OPEN}");
        node.run(&["sh", "-c", &script, "sh", &socket]).await?;
    }
    Ok(())
}

/// Calls `method` (`images.v1.Images/List`) of the node's containerd. Request and answer are framed as gRPC has them.
/// None where the socket is not there or the answer is not a good one.
pub async fn call(node: &Node, method: &str, request: Vec<u8>) -> Option<Bytes> {
    let socket = node.containerd.as_deref().filter(|_| !is_shut())?;
    tokio::time::timeout(PATIENCE, ask(socket, method, request)).await.ok().flatten()
}

/// In debug builds, whether a test has nodes asked as where the socket cannot be had.
fn is_shut() -> bool {
    cfg!(debug_assertions) && std::env::var_os("DEVCLUSTER_FAULT_CONTAINERD").is_some()
}

async fn ask(socket: &Path, method: &str, request: Vec<u8>) -> Option<Bytes> {
    let stream = UnixStream::connect(socket).await.ok()?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.ok()?;
    let driving = tokio::spawn(connection);
    let request = hyper::Request::post(format!("http://localhost/containerd.services.{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("containerd-namespace", "k8s.io")
        .body(Full::new(Bytes::from(request)))
        .ok()?;
    let answer = sender.send_request(request).await.ok()?.into_body().collect().await.ok();
    driving.abort();
    let answer = answer?;
    let status = answer.trailers()?.get("grpc-status")?.to_str().ok()?.to_owned();
    (status == "0").then(|| answer.to_bytes())
}
