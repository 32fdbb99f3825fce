//! A real kube-apiserver and etcd on the host, one pair for the whole test process, gone when the process is, however it
//! ends. Tests share it, each with a namespace and an inventory of its own.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use devcluster::apply::client::Resource;
use devcluster::apply::{ApplyOptions, Cluster, Inventory};
use devcluster::manifest::{Gvk, Object, Origin};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// Starts both programs and waits for its standard input to end, which it does when the test process is gone. etcd makes
/// the key that service account tokens are signed with, so that no other tool is needed.
const KEEPER: &str = r#"
trap '' INT TERM HUP
cd "$DIR"
"$BIN/etcd" --data-dir etcd --unsafe-no-fsync --peer-auto-tls --log-level warn \
  --listen-client-urls "http://127.0.0.1:$ETCD" --advertise-client-urls "http://127.0.0.1:$ETCD" \
  --listen-peer-urls "http://127.0.0.1:$PEER" --initial-advertise-peer-urls "http://127.0.0.1:$PEER" \
  --initial-cluster "default=http://127.0.0.1:$PEER" > etcd.log 2>&1 &
etcd=$!
until [ -s etcd/fixtures/peer/key.pem ] || ! kill -0 $etcd; do sleep 0.05; done
"$BIN/kube-apiserver" --etcd-servers "http://127.0.0.1:$ETCD" --bind-address 127.0.0.1 --secure-port "$API" \
  --advertise-address 127.0.0.1 --endpoint-reconciler-type none --cert-dir certs \
  --service-account-key-file etcd/fixtures/peer/key.pem --service-account-signing-key-file etcd/fixtures/peer/key.pem \
  --service-account-issuer https://kubernetes.default.svc --service-cluster-ip-range 10.0.0.0/16 \
  --token-auth-file tokens.csv --authorization-mode RBAC --disable-admission-plugins ServiceAccount \
  > apiserver.log 2>&1 &
api=$!
read -r _
kill -9 $api $etcd
wait
cd / && rm -rf "$DIR"
"#;

/// The running API server.
pub struct ApiServer {
    /// Its kubeconfig; the user may do everything.
    pub kubeconfig: PathBuf,
    bin: PathBuf,
    /// Holds the keeper's standard input open for as long as this process lives.
    _keeper: Mutex<Child>,
}

static SERVER: OnceCell<ApiServer> = OnceCell::const_new();
static COUNT: AtomicU32 = AtomicU32::new(0);

/// The API server, started on first use.
pub async fn api_server() -> &'static ApiServer {
    SERVER.get_or_init(start).await
}

fn binaries() -> PathBuf {
    let bin = std::env::var_os("DEVCLUSTER_TEST_BIN")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("testbed/bin"), PathBuf::from);
    for program in ["etcd", "kube-apiserver", "kubectl"] {
        assert!(
            bin.join(program).exists(),
            "{} is not there: `testbed/apiserver/ensure` builds it (five minutes once), or set DEVCLUSTER_TEST_BIN to a \
             directory with etcd, kube-apiserver and kubectl",
            bin.join(program).display()
        );
    }
    bin
}

fn free_ports() -> [u16; 3] {
    // All held at once, so that they differ.
    let held: [TcpListener; 3] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

async fn start() -> ApiServer {
    let bin = binaries();
    let directory = tempfile::Builder::new().prefix("devcluster-it-").tempdir().unwrap().keep();
    std::fs::write(directory.join("tokens.csv"), "test-token,admin,admin,system:masters\n").unwrap();
    let [etcd, peer, api] = free_ports();
    let keeper: Child = Command::new("sh")
        .args(["-c", KEEPER])
        .env("DIR", &directory)
        .env("BIN", &bin)
        .envs([("ETCD", etcd), ("PEER", peer), ("API", api)].map(|(name, port)| (name, port.to_string())))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let kubeconfig = directory.join("kubeconfig");
    let deadline = Instant::now() + Duration::from_mins(2);
    while !ready(&directory, &kubeconfig, api).await {
        if Instant::now() > deadline {
            let tail = |log: &str| {
                let text = std::fs::read_to_string(directory.join(log)).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                lines[lines.len().saturating_sub(10)..].join("\n")
            };
            panic!(
                "the API server is not ready after 120 s\n{}\n{}",
                tail("etcd.log"),
                tail("apiserver.log")
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ApiServer { kubeconfig, bin, _keeper: Mutex::new(keeper) }
}

async fn ready(directory: &Path, kubeconfig: &Path, port: u16) -> bool {
    let certificate = directory.join("certs/apiserver.crt");
    if !certificate.exists() {
        return false;
    }
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {
            "server": format!("https://127.0.0.1:{port}"), "certificate-authority": certificate}}],
        "users": [{"name": "it", "user": {"token": "test-token"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    });
    std::fs::write(kubeconfig, config.to_string()).unwrap();
    let Ok(cluster) = Cluster::connect(kubeconfig, None).await else { return false };
    let request = kube::core::Request::new("").get("readyz", &kube::api::GetParams::default()).unwrap();
    cluster.client.request_text(request).await.is_ok_and(|text| text.trim() == "ok")
}

impl ApiServer {
    /// Runs kubectl with `input`; its exit code and what it printed, standard output first.
    pub fn kubectl(&self, args: &[&str], input: &str) -> (i32, String) {
        let mut child = Command::new(self.bin.join("kubectl"))
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
    }
}

/// One test's place on the shared API server.
pub struct Place {
    pub server: &'static ApiServer,
    pub cluster: Cluster,
    /// A namespace of its own; also the name of its inventory, and fit as part of names of cluster-wide objects.
    pub namespace: String,
}

/// A new place, with its namespace made.
pub async fn place(name: &str) -> Place {
    let server = api_server().await;
    // A client belongs to the runtime it was made in, and each test has its own.
    let cluster = Cluster::connect(&server.kubeconfig, None).await.unwrap();
    let namespace = format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let place = Place { server, cluster, namespace };
    let made = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}});
    place.cluster.create(&place.resource("v1", "Namespace"), "", &made).await.unwrap();
    place
}

impl Place {
    /// The objects of a multi-document YAML text in which `NS` stands for the namespace.
    pub fn objects(&self, yaml: &str) -> Vec<Object> {
        serde_yaml::Deserializer::from_str(&yaml.replace("NS", &self.namespace))
            .enumerate()
            .map(|(index, document)| Object {
                value: serde::Deserialize::deserialize(document).unwrap(),
                origin: Origin { source: "test".into(), file: Some("test.yaml".into()), line: index + 1 },
            })
            .collect()
    }

    /// How a built-in kind is served.
    #[allow(clippy::unused_self)] // reads better than a function with the same two arguments
    pub fn resource(&self, api_version: &str, kind: &str) -> Resource {
        let gvk = Gvk::new(api_version, kind);
        let guessed = kube::api::ApiResource::from_gvk(&kube::api::GroupVersionKind::gvk(
            &gvk.group,
            &gvk.version,
            &gvk.kind,
        ));
        let namespaced = !matches!(
            kind,
            "Namespace"
                | "CustomResourceDefinition"
                | "PersistentVolume"
                | "ValidatingWebhookConfiguration"
                | "ClusterRole"
        );
        Resource { gvk, plural: guessed.plural, namespaced }
    }

    /// A live object of the namespace.
    pub async fn live(&self, api_version: &str, kind: &str, name: &str) -> Option<Value> {
        self.cluster.get(&self.resource(api_version, kind), &self.namespace, name).await.unwrap()
    }

    /// Applies with the inventory as it is stored, as one run of the program does.
    pub async fn apply(
        &self,
        objects: &[Object],
        options: &ApplyOptions,
    ) -> Result<devcluster::apply::Report, devcluster::apply::ApplyError> {
        let mut inventory = self.inventory().await;
        devcluster::apply::apply(&self.cluster, objects, options, &mut inventory, &devcluster::event::Silent)
            .await
    }

    /// The inventory as it is stored.
    pub async fn inventory(&self) -> Inventory {
        Inventory::load(&self.cluster, &self.namespace).await.unwrap()
    }

    /// What a check finds, as `Kind name: Difference` lines.
    pub async fn check(&self, objects: &[Object]) -> Vec<String> {
        let checked =
            devcluster::apply::check(&self.cluster, objects, &self.inventory().await).await.unwrap();
        checked
            .changes
            .iter()
            .map(|change| format!("{} {}: {:?}", change.id.kind, change.id.name, change.what))
            .collect()
    }
}
