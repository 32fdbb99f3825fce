//! A port of this machine, on loopback, that leads to a Service's ready Pods through the API server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long a caller waits for a Pod that is ready.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(250);

/// A port that is forwarded until this is dropped.
pub(super) struct Forward {
    address: SocketAddr,
    _accepting: JoinSet<()>,
}

/// A port of a Service.
struct Target {
    client: Client,
    namespace: String,
    service: String,
    /// The port's name; empty where it has none.
    port: String,
    turn: AtomicUsize,
}

impl Forward {
    /// Opens a port for a Service's.
    pub(super) async fn open(
        client: Client,
        namespace: &str,
        service: &str,
        port: String,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let target = Arc::new(Target {
            client,
            namespace: namespace.into(),
            service: service.into(),
            port,
            turn: AtomicUsize::new(0),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, target));
        Ok(Self { address, _accepting: accepting })
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }
}

async fn accept(listener: TcpListener, target: Arc<Target>) {
    // Those that are open end with this.
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let target = target.clone();
                    // A caller learns of a failure as of a server that went away.
                    open.spawn(async move { drop(carry(stream, &target).await) });
                }
                // This process has no more descriptors for now.
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = open.join_next(), if !open.is_empty() => {}
        }
    }
}

async fn carry(mut stream: TcpStream, target: &Target) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (pod, port) = target.pick().await?;
    let api = Api::<Pod>::namespaced(target.client.clone(), &target.namespace);
    let mut forwarder = api.portforward(&pod, &[port]).await.map_err(io::Error::other)?;
    let mut there = forwarder.take_stream(port).ok_or(io::ErrorKind::NotConnected)?;
    tokio::io::copy_bidirectional(&mut stream, &mut there).await?;
    Ok(())
}

impl Target {
    /// The next of the Service's ready Pods, and the port that it listens on.
    async fn pick(&self) -> io::Result<(String, u16)> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let ready = self.ready().await.map_err(io::Error::other)?;
            if !ready.is_empty() {
                return Ok(ready[self.turn.fetch_add(1, Ordering::Relaxed) % ready.len()].clone());
            }
            if tokio::time::Instant::now() > until {
                return Err(io::ErrorKind::NotConnected.into());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn ready(&self) -> Result<Vec<(String, u16)>, kube::Error> {
        let own = ListParams::default().labels(&format!("kubernetes.io/service-name={}", self.service));
        let api = Api::<EndpointSlice>::namespaced(self.client.clone(), &self.namespace);
        let mut found: Vec<(String, u16)> =
            api.list(&own).await?.items.iter().flat_map(|slice| of_slice(slice, &self.port)).collect();
        found.sort();
        found.dedup();
        Ok(found)
    }
}

/// The ready Pods of a slice, with the port of that name.
fn of_slice(slice: &EndpointSlice, name: &str) -> Vec<(String, u16)> {
    let mut ports = slice.ports.iter().flatten();
    let port = ports.find(|port| port.name.as_deref().unwrap_or_default() == name);
    let Some(port) = port.and_then(|port| u16::try_from(port.port?).ok()) else { return Vec::new() };
    let ready = slice.endpoints.iter().filter(|endpoint| {
        endpoint.conditions.as_ref().is_none_or(|conditions| conditions.ready.unwrap_or(true))
    });
    let pods = ready.filter_map(|endpoint| endpoint.target_ref.as_ref());
    let pods = pods.filter(|target| target.kind.as_deref() == Some("Pod"));
    pods.filter_map(|target| Some((target.name.clone()?, port))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ready_pods_are_taken_with_their_own_port() {
        let slice: EndpointSlice = serde_json::from_value(serde_json::json!({
            "addressType": "IPv4",
            "metadata": {"name": "web-1"},
            "ports": [{"name": "http", "port": 8080}, {"name": "metrics", "port": 9100}],
            "endpoints": [
                {"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": "web-a"}},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": false}, "targetRef": {"kind": "Pod", "name": "web-b"}},
                {"addresses": ["10.0.0.3"], "conditions": {}, "targetRef": {"kind": "Pod", "name": "web-c"}},
                {"addresses": ["10.0.0.4"], "conditions": {"ready": true}},
            ],
        }))
        .unwrap();
        let expected = vec![("web-a".to_owned(), 9100), ("web-c".to_owned(), 9100)];
        assert_eq!(of_slice(&slice, "metrics"), expected);
        assert!(of_slice(&slice, "other").is_empty());
    }
}
