//! Reaches a store in the cluster through the API server: connections to its port, and programs in its container.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{AttachParams, AttachedProcess, ListParams, Portforwarder};
use kube::{Api, Client, ResourceExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::mpsc;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::data::discover::Store;
use crate::data::reach::{Connection, Output, Reach};
use crate::manifest::ObjectId;

/// How much is read or written at a time.
const BLOCK: usize = 1 << 20;

/// How long a Pod of the store is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sets each line of its input, up to an empty one, as a variable, and becomes the program: what is secret is in no argument.
const LAUNCHER: &str = r#"while IFS= read -r line && [ -n "$line" ]; do export "${line?}"; done; exec "$@""#;

/// A store in a cluster.
pub struct ClusterReach {
    client: Client,
    store: Store,
    name: String,
}

impl ClusterReach {
    /// For a store of the cluster that `client` is connected to.
    pub fn new(client: Client, store: Store) -> Self {
        let name = store.to_string();
        Self { client, store, name }
    }

    /// Where its Pod listens, for who runs in the cluster, and that Pod's labels.
    pub async fn address(&self) -> io::Result<(SocketAddr, BTreeMap<String, String>)> {
        let pod = self.api().get(&self.pod().await?).await.map_err(io::Error::other)?;
        let labels = pod.labels().clone();
        let address = pod.status.and_then(|status| status.pod_ip).and_then(|text| text.parse().ok());
        let address =
            address.ok_or_else(|| io::Error::other(format!("the Pod of {} has no address", self.name)))?;
        Ok((SocketAddr::new(address, self.store.port), labels))
    }

    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.store.workload.namespace)
    }

    /// The first ready Pod of the store's workload, by name: the first replica of a StatefulSet is its primary by custom.
    async fn pod(&self) -> io::Result<String> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let pods = self.api().list(&ListParams::default()).await.map_err(io::Error::other)?;
            let own = pods.items.iter().filter(|pod| is_of(pod, &self.store.workload) && is_ready(pod));
            if let Some(name) = own.map(ResourceExt::name_any).min() {
                return Ok(name);
            }
            if tokio::time::Instant::now() > until {
                let said = format!("no Pod of {} is ready", self.store.workload);
                return Err(io::Error::new(io::ErrorKind::NotConnected, said));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

/// Whether a Pod belongs to a workload: it is that, is owned by it, or by a ReplicaSet named after it.
pub(in crate::operation) fn is_of(pod: &Pod, workload: &ObjectId) -> bool {
    if workload.kind == "Pod" {
        return pod.name_any() == workload.name;
    }
    pod.owner_references().iter().any(|owner| {
        let of_deployment = workload.kind == "Deployment"
            && owner.kind == "ReplicaSet"
            && owner.name.rsplit_once('-').is_some_and(|(name, _)| name == workload.name);
        of_deployment || (owner.kind == workload.kind && owner.name == workload.name)
    })
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

#[async_trait]
impl Reach for ClusterReach {
    async fn dial(&self) -> io::Result<Box<dyn Connection>> {
        let pod = self.pod().await?;
        let forwarder = self.api().portforward(&pod, &[self.store.port]).await;
        let mut forwarder = forwarder.map_err(io::Error::other)?;
        let stream = forwarder.take_stream(self.store.port);
        let stream = stream.ok_or_else(|| io::Error::other("the API server gave no stream to the port"))?;
        Ok(Box::new(Forwarded { stream, _forwarder: forwarder }))
    }

    async fn run(
        &self,
        argv: &[&str],
        environment: &[(&str, &str)],
        input: Option<Box<dyn AsyncRead + Send + Unpin>>,
    ) -> io::Result<Output> {
        let pod = self.pod().await?;
        let launched = ["sh", "-c", LAUNCHER, "sh"].into_iter().chain(argv.iter().copied());
        let params = AttachParams::default()
            .container(&self.store.container)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .max_stdout_buf_size(BLOCK)
            .max_stdin_buf_size(BLOCK);
        let process = self.api().exec(&pod, launched, &params).await.map_err(io::Error::other)?;
        let variables =
            environment.iter().fold(String::new(), |all, (name, value)| all + name + "=" + value + "\n");
        Ok(output(process, argv.join(" "), variables + "\n", input))
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Feeds a process and gives what it writes; its failure is the last thing that is read.
fn output(
    mut process: AttachedProcess,
    what: String,
    first: String,
    input: Option<Box<dyn AsyncRead + Send + Unpin>>,
) -> Output {
    let (send, receive) = mpsc::channel::<io::Result<Bytes>>(4);
    tokio::spawn(async move {
        let status = process.take_status();
        let (stdin, stdout, stderr) = (process.stdin(), process.stdout(), process.stderr());
        let feeding = async {
            let Some(mut stdin) = stdin else { return };
            // A program that reads no further tells by its exit.
            if stdin.write_all(first.as_bytes()).await.is_ok()
                && let Some(mut input) = input
            {
                let _ = tokio::io::copy(&mut input, &mut stdin).await;
            }
            let _ = stdin.shutdown().await;
        };
        let draining = async {
            let Some(stdout) = stdout else { return };
            let mut blocks = std::pin::pin!(ReaderStream::with_capacity(stdout, BLOCK));
            while let Some(block) = futures::StreamExt::next(&mut blocks).await {
                if send.send(block).await.is_err() {
                    return;
                }
            }
        };
        let hearing = async {
            let mut said = Vec::new();
            if let Some(stderr) = stderr {
                let _ = stderr.take(BLOCK as u64).read_to_end(&mut said).await;
            }
            String::from_utf8_lossy(&said).trim().to_owned()
        };
        let ((), (), said) = tokio::join!(feeding, draining, hearing);
        let status = match status {
            Some(status) => status.await,
            None => None,
        };
        if status.and_then(|status| status.status).as_deref() != Some("Success") {
            let _ = send.send(Err(io::Error::other(format!("`{what}` failed: {said}")))).await;
        }
    });
    let blocks = futures::stream::unfold(receive, |mut receive| async move {
        let block = receive.recv().await?;
        Some((block, receive))
    });
    Box::new(StreamReader::new(Box::pin(blocks)))
}

/// A connection through the API server, with what keeps it open.
struct Forwarded<S> {
    stream: S,
    _forwarder: Portforwarder,
}

impl<S: AsyncRead + Unpin> AsyncRead for Forwarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Forwarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
