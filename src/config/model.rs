//! The resolved configuration: what the file says, with the profile and the defaults folded in.
//! Every other room takes its settings from here and from nowhere else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The settings of one project, complete: nothing here is optional that has a default.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Config {
    /// The file it was read from, absolute.
    pub file: PathBuf,
    /// The project's name; the cluster's name derives from it and the directory.
    pub name: String,
    /// The cluster to run on.
    pub cluster: Cluster,
    /// Where the objects come from, in the order they are applied.
    pub manifests: Vec<Source>,
    /// What production runs on.
    pub production: Production,
    /// Images built from source or stood in for.
    pub images: Vec<Image>,
    /// What the stores hold before the rest of the system starts, in this order.
    pub data: Vec<DataSet>,
    /// What migrates: Jobs and hooks (`NAMESPACE/NAME`), init containers (`NAMESPACE/WORKLOAD/CONTAINER`).
    pub migrations: Vec<Migration>,
    /// What `devcluster ci` runs against the system, in this order.
    pub ci: Vec<CiCommand>,
    /// Where locks are handed on to, in the order in which they are promoted.
    pub environments: Vec<Environment>,
    /// The masking policy's file, absolute; it need not exist where no data comes from elsewhere.
    pub masking: PathBuf,
    /// The profile's settings.
    pub profile: Profile,
}

impl Config {
    /// The directory that relative paths in the file start from.
    pub fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }

    /// The catalogue of the project's snapshots, with its seeds beside them.
    pub fn snapshots(&self) -> PathBuf {
        self.directory().join("snapshots")
    }
}

/// An environment that manifests are handed on to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// The branch that Argo CD or Flux follow.
    pub branch: String,
    /// Whether a lock gets there only when its approval is recorded.
    pub production: bool,
    /// The files of public keys of which one must have signed the attestation that an approval rests on.
    pub keys: Vec<PathBuf>,
}

impl Environment {
    /// Whether a lock gets there only with an approval.
    pub fn takes_approval(&self) -> bool {
        self.production || !self.keys.is_empty()
    }
}

/// Which cluster, and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Cluster {
    /// The program that makes it.
    pub provider: ProviderKind,
    /// Its name: as configured, or `NAME-HASH` with a hash of the project's directory, so that two worktrees are two clusters.
    pub name: String,
    /// The node image; the provider's own default where unset (`DEVCLUSTER_NODE_IMAGE` overrides).
    pub node_image: Option<String>,
    /// The host's port for the ingress's HTTP; 80 where unset and free, else one that is free.
    pub http_port: Option<u16>,
    /// The host's port for the ingress's HTTPS.
    pub https_port: Option<u16>,
    /// Range of Pod addresses; the provider's default where unset.
    pub pod_subnet: Option<String>,
    /// Range of Service addresses; the provider's default where unset.
    pub service_subnet: Option<String>,
}

/// A program that makes clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// kind.
    Kind,
}

/// One source of objects. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Plain manifests.
    Files {
        /// Files, directories (their `.yaml`, `.yml` and `.json` files, recursively) or globs, as written.
        paths: Vec<String>,
        /// The namespace of objects that name none.
        namespace: Option<String>,
    },
    /// A kustomization's directory.
    Kustomize {
        /// The directory.
        path: PathBuf,
        /// The namespace of objects that name none.
        namespace: Option<String>,
    },
    /// A Helm chart.
    Helm(HelmSource),
}

/// A Helm chart and how production installs it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HelmSource {
    /// The chart's directory or archive.
    pub chart: PathBuf,
    /// The release's name.
    pub release: String,
    /// The release's namespace.
    pub namespace: String,
    /// Values files, the last one wins.
    pub values: Vec<PathBuf>,
    /// `--set` values.
    pub set: BTreeMap<String, String>,
}

/// What production runs on: helm renders for this, not for the laptop.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Production {
    /// Its Kubernetes version, such as `1.34` or `1.34.4`; the cluster's own where unset.
    pub kubernetes_version: Option<String>,
    /// API versions beyond Kubernetes' own that it serves, such as `monitoring.coreos.com/v1`.
    pub api_versions: Vec<String>,
}

/// How an image of the manifests gets its bytes on the laptop.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Image {
    /// The repository as the manifests have it; a tag or digest limits it to that one. `*` matches within a stand-in's name.
    pub name: String,
    /// Where its bytes come from.
    pub from: ImageFrom,
}

/// Where an image's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ImageFrom {
    /// Built from source.
    Build(Build),
    /// Stood in for by a server that answers on these ports; empty: those that the manifests name.
    StandIn {
        /// Ports as the stand-in takes them: `8080`, `tcp:6379`.
        ports: Vec<String>,
    },
}

/// A Docker build.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// The context's directory, absolute.
    pub context: PathBuf,
    /// The Dockerfile, absolute.
    pub dockerfile: PathBuf,
    /// The stage to build; the last one where unset.
    pub target: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// `--secret` values, such as `id=npmrc,src=.npmrc`.
    pub secrets: Vec<String>,
    /// `--ssh` values, such as `default`.
    pub ssh: Vec<String>,
    /// The platform; the engine's own where unset.
    pub platform: Option<String>,
    /// What is copied into running containers where a build would else be made.
    pub sync: Vec<SyncRule>,
}

/// Files of a build's context that go into running containers as they are.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncRule {
    /// A directory or a file of the context, absolute.
    pub from: PathBuf,
    /// Where it is in the container, absolute; a file's own path where `from` is a file.
    pub to: PathBuf,
    /// What a change of is left to a rebuild, as `.dockerignore` has it, from the directory.
    pub ignore: Vec<String>,
    /// What the container needs to take notice.
    pub then: Then,
}

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataSet {
    /// The store's workload, `NAMESPACE/NAME`.
    pub store: String,
    /// Where its data comes from.
    pub from: DataFrom,
}

/// What migrates a database.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Migration {
    /// A Job or hook (`NAMESPACE/NAME`), or an init container (`NAMESPACE/WORKLOAD/CONTAINER`).
    pub name: String,
    /// The SQL files that it runs, each once: files, directories or globs, as written; none where the manifests tell.
    pub statements: Option<Vec<String>>,
    /// The store that it migrates; every database where unset.
    pub store: Option<String>,
}

/// Where data comes from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DataFrom {
    /// A snapshot of the catalogue.
    Snapshot(String),
    /// A seed.yaml, absolute.
    Seed(PathBuf),
}

/// A command that `devcluster ci` runs once the system is ready.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CiCommand {
    /// What it is called; no two are called alike.
    pub name: String,
    /// What runs.
    pub run: Run,
    /// How long one attempt may take, in seconds.
    pub timeout_seconds: u64,
    /// How often it is tried again where it fails.
    pub retries: u32,
    /// Variables beside those that devcluster sets.
    pub env: BTreeMap<String, String>,
    /// Where it runs.
    pub place: Place,
}

/// What a command runs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Run {
    /// A program, looked up on the PATH.
    Program {
        /// Its name.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// Text for `sh -c`.
    Shell(String),
}

impl Run {
    /// The command line.
    pub fn argv(&self) -> Vec<String> {
        match self {
            Self::Program { program, arguments } => {
                std::iter::once(program).chain(arguments).cloned().collect()
            }
            Self::Shell(script) => ["sh", "-c", script].map(str::to_owned).to_vec(),
        }
    }
}

/// Where a command runs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// On this machine.
    Here,
    /// In the cluster, side by side.
    Shards {
        /// How many Pods.
        count: u32,
        /// The image that they run.
        image: String,
    },
}

/// What is done in a container once its files are there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Then {
    /// Nothing: its program reads them anew, or sees them change.
    Nothing,
    /// The container starts anew, with the files in its image.
    Restart,
    /// Its first process gets a signal, named without `SIG`.
    Signal(String),
    /// A program runs in it.
    Command(Vec<String>),
}

/// How production is fitted onto the laptop.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools)] // each is a switch of its own in the file
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The nodes.
    pub nodes: Nodes,
    /// What happens to objects of a kind the cluster does not serve.
    pub missing_crds: MissingCrds,
    /// Whether an image that can be neither built, found nor pulled gets a stand-in.
    pub stand_ins: bool,
    /// The engine's image that stands in.
    pub stand_in_image: String,
    /// Whether objects that left the manifests are deleted (never PVCs, nor namespaces with data).
    pub prune: bool,
    /// Whether objects are recreated when an immutable field changed (Jobs and Pods always are).
    pub recreate_immutable: bool,
    /// How long `up` waits for readiness, in seconds.
    pub timeout_seconds: u64,
    /// Whether resource metrics are served where the manifests need them.
    pub metrics: bool,
    /// Whether ingresses are answered.
    pub ingress: bool,
    /// Whether Services of type LoadBalancer get addresses.
    pub load_balancer: bool,
}

/// What the nodes look like.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Nodes {
    /// The most nodes there may be.
    pub max: u32,
    /// CPUs a node advertises at least; more where the manifests request more.
    pub cpu: u32,
    /// Memory a node advertises at least, in GiB; more where the manifests request more.
    pub memory_gib: u32,
}

/// What happens to objects of a kind the cluster does not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingCrds {
    /// A CRD with an open schema takes their place: objects are kept, nobody acts on them.
    OpenSchema,
    /// The objects are left out, and named.
    Skip,
    /// `up` refuses.
    Fail,
}
