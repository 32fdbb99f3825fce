//! Why an operation failed; the command line turns each kind into an exit code.

use std::path::PathBuf;

use super::attestation::AttestationError;
use super::ci::CiError;
use super::handoff::error::HandoffError;
use super::verify::LockError;
use crate::apply::ApplyError;
use crate::apply::pods::EvictError;
use crate::apply::retry::transient;
use crate::apply::wait::NotReady;
use crate::cluster::state::StateError;
use crate::cluster::{ClusterError, EngineError};
use crate::data::generate::GenerateError;
use crate::data::learn::LearnError;
use crate::data::mongo::MongoError;
use crate::data::mysql::MysqlError;
use crate::data::postgres::PostgresError;
use crate::data::redis::RedisError;
use crate::data::seed::SeedFaults;
use crate::data::snapshot::{NameError, SnapshotError};
use crate::data::subset::{SubsetFault, SubsetFaults};
use crate::data::volume::VolumeError;
use crate::handoff::rehearse::RehearseError;
use crate::handoff::release::ReleaseError;
use crate::image::ImageError;
use crate::manifest::ManifestError;
use crate::watch::WatchError;
use crate::words::{counted, listed};

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The manifests.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// State on this machine.
    #[error(transparent)]
    State(#[from] StateError),
    /// An image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Applying.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Restarting what runs old bytes.
    #[error(transparent)]
    Evict(#[from] EvictError),
    /// Something is not ready.
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// There is no cluster.
    #[error("there is no cluster {cluster}; `devcluster up` makes it")]
    NoCluster {
        /// Its name.
        cluster: String,
    },
    /// The cluster is there but stands still.
    #[error("node {node} of cluster {cluster} is stopped; `devcluster up` starts it again")]
    Stopped {
        /// The cluster.
        cluster: String,
        /// The node.
        node: String,
    },
    /// The cluster has to be made anew, and that was not agreed to.
    #[error(
        "cluster {cluster} has to be made anew: {reasons}; volumes are kept. Agree with --yes, or undo the change"
    )]
    Declined {
        /// The cluster.
        cluster: String,
        /// Why.
        reasons: String,
    },
    /// Images that cannot be had, or texts that are none.
    #[error("{} cannot be had:{}", counted(.0.len(), "image"), listed(.0))]
    Images(Vec<String>),
    /// Kinds that nobody serves, where the profile says to refuse.
    #[error("the cluster does not serve {}:{}\n  set `missingCrds: open-schema` or `skip` in the profile, or add the CRDs to `manifests`", counted(.0.len(), "kind"), listed(.0))]
    MissingKinds(Vec<String>),
    /// The file of a ledger that waits for its cluster is not what was written.
    #[error(
        "{path} holds no ledger of releases ({reason}): move it away, and `devcluster up` begins a new one"
    )]
    Ledger {
        /// The path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The ledger of a cluster that is to go cannot be read.
    #[error(
        "the ledger of releases cannot be taken out of cluster {cluster}, and nothing was taken away: {reason}\n  `devcluster up` brings the cluster up again; `devcluster down --yes` takes it away without its ledger"
    )]
    LedgerUnread {
        /// The cluster.
        cluster: String,
        /// Why.
        reason: String,
    },
    /// A volume's data.
    #[error("cannot change {path}: {source}; it may belong to a Pod's user: remove it as root")]
    Data {
        /// The path.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A request to the API server.
    #[error("the API server failed to {what}: {source}")]
    Request {
        /// What was asked, as a verb phrase.
        what: String,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// A container does not run its new image.
    #[error("cannot {what}: {reason}; the other containers are as they should be, and a save tries again")]
    Swap {
        /// What was to be done.
        what: String,
        /// Why it was not.
        reason: String,
    },
    /// The manifests run no store that data can be brought to.
    #[error("there is no PostgreSQL to work with: {help}")]
    NoStore {
        /// What there is.
        help: String,
    },
    /// There are several.
    #[error("name the store with --store: {help}")]
    WhichStore {
        /// What there is.
        help: String,
    },
    /// There is no such store.
    #[error("no store is called {name}: {help}")]
    UnknownStore {
        /// What was asked for.
        name: String,
        /// What there is.
        help: String,
    },
    /// A store of a kind that this cannot be done with.
    #[error("{store} cannot be worked with so: that is for PostgreSQL alone")]
    OtherStore {
        /// The store.
        store: String,
    },
    /// What it takes to log in is not there.
    #[error("{store} cannot be logged in to: there is no {what}")]
    NoCredentials {
        /// The store.
        store: String,
        /// What is missing.
        what: String,
    },
    /// A text that names no snapshot.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A place that snapshots are in.
    #[error("{place} cannot be opened: {reason}")]
    Place {
        /// The place.
        place: String,
        /// Why.
        reason: String,
    },
    /// Snapshots.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A store of data.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// A MySQL or MariaDB, or what is done with it.
    #[error(transparent)]
    Mysql(#[from] MysqlError),
    /// A MongoDB, or what is done with it.
    #[error(transparent)]
    Mongo(#[from] MongoError),
    /// A Redis store.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// A volume's files.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// A claim whose volume cannot be worked with.
    #[error("the volume of claim {claim} cannot be worked with: {reason}")]
    Claim {
        /// The claim.
        claim: String,
        /// Why.
        reason: String,
    },
    /// Measuring a database.
    #[error(transparent)]
    Learn(#[from] LearnError),
    /// A seed.yaml, or a profile.
    #[error(transparent)]
    Seed(#[from] SeedFaults),
    /// A seed that does not fit the schema.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// Data from elsewhere, and nobody said what of it may stay.
    #[error(
        "data from elsewhere counts as personal until {path} says what becomes of each column; this is one to start from:\n\n{draft}"
    )]
    NoPolicy {
        /// Where the policy is to be.
        path: PathBuf,
        /// A policy to start from.
        draft: String,
    },
    /// A masking policy that cannot be, or leaves columns open.
    #[error("{path}: {reason}")]
    Policy {
        /// The policy.
        path: PathBuf,
        /// What is wrong or open.
        reason: String,
    },
    /// A key that is none.
    #[error("{variable} is to be 64 hexadecimal digits")]
    MaskingKey {
        /// The variable.
        variable: &'static str,
    },
    /// A part of a database that cannot be.
    #[error(transparent)]
    Subset(#[from] SubsetFaults),
    /// One thing wrong with such a part.
    #[error(transparent)]
    SubsetPart(#[from] SubsetFault),
    /// An address that is none.
    #[error("the address cannot be used: {reason}")]
    Address {
        /// Why.
        reason: String,
    },
    /// A snapshot that has several databases, none of which is the store's.
    #[error("snapshot {snapshot} has no part of {store}; it has:{}", listed(.there))]
    NotInSnapshot {
        /// The store.
        store: String,
        /// The snapshot.
        snapshot: String,
        /// What is in it.
        there: Vec<String>,
    },
    /// Migrations that nothing in the manifests is called.
    #[error("migrations: no Job, hook or init container is called {}{}", .names.join(" or "), recognised(.there))]
    NoMigration {
        /// Their names in the configuration.
        names: Vec<String>,
        /// What looks as if it migrated.
        there: Vec<String>,
    },
    /// SQL files of a migration that are not there, or not text.
    #[error("migrations: the statements of {name}: {why}")]
    Statements {
        /// The migration's name in the configuration.
        name: String,
        /// What is wrong, with the path.
        why: String,
    },
    /// Migrations are to run of which there are none.
    #[error(
        "nothing migrates {store}: leave --migrate out, or name what does under `migrations:` in devcluster.yaml"
    )]
    NothingMigrates {
        /// The store.
        store: String,
    },
    /// The snapshot before a migration could not be taken.
    #[error(
        "no snapshot of {store} could be taken before migration {name}: {source}; `--no-snapshot` goes on without one"
    )]
    BeforeMigration {
        /// The migration's name in the configuration.
        name: String,
        /// The store.
        store: String,
        /// Why.
        source: Box<OperationError>,
    },
    /// A migration that failed.
    #[error("migration {name}: {why}{}", listed(.log))]
    Migration {
        /// Its name in the configuration.
        name: String,
        /// Why, in one sentence.
        why: String,
        /// The last lines its containers wrote.
        log: Vec<String>,
    },
    /// A migration that only the workload's own Pod can run.
    #[error(
        "migrations: {name} mounts {claim}, a volume that is made with its Pod: it cannot run ahead of it; take it out"
    )]
    MigrationOnClaim {
        /// Its name in the configuration.
        name: String,
        /// The claim template.
        claim: String,
    },
    /// Workers in the cluster that did not do what they were to.
    #[error("workers: {why}{}", listed(.log))]
    Workers {
        /// Why.
        why: String,
        /// What one of them wrote last.
        log: Vec<String>,
    },
    /// A seed and schema that no ConfigMap can hold.
    #[error("{seed} and the store's schema are larger than a ConfigMap can be: load it without --workers")]
    TooLargeForWorkers {
        /// The seed.yaml.
        seed: String,
    },
    /// A MySQL whose manifests name no database.
    #[error("{store}: no variable of its container names the database (MYSQL_DATABASE, MARIADB_DATABASE)")]
    NoDatabase {
        /// The store.
        store: String,
    },
    /// A context that leads to no cluster.
    #[error("context {name}: {reason}")]
    Context {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// Something that a kind of store cannot do.
    #[error("{store}: {what}")]
    Unable {
        /// The store.
        store: String,
        /// What is asked and cannot be.
        what: &'static str,
    },
    /// A store without tables.
    #[error("{store} has no tables yet: bring the system up, so that its migrations run")]
    NoTables {
        /// The store.
        store: String,
    },
    /// A lock that cannot be compared with.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A run of `devcluster ci`.
    #[error(transparent)]
    Ci(#[from] CiError),
    /// An attestation, or a key of one, that cannot be read.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    /// A lock that cannot be handed on.
    #[error(transparent)]
    Handoff(#[from] HandoffError),
    /// A release that cannot be told, compared or brought back.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// A rehearsal.
    #[error(transparent)]
    Rehearse(#[from] RehearseError),
    /// Files cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
}

impl OperationError {
    /// Whether a change of the project's files may be what it takes.
    pub fn is_mended_by_a_save(&self) -> bool {
        matches!(
            self,
            Self::Manifest(_) | Self::Image(_) | Self::Apply(_) | Self::NotReady(_) | Self::Swap { .. }
        )
    }

    /// Whether what failed may come back by itself: the engine or the API server is away.
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Engine(error)
            | Self::Cluster(ClusterError::Engine(error))
            | Self::Image(ImageError::Engine(error)) => error.is_absence(),
            // Another command is at work on the cluster.
            Self::State(StateError::Busy { .. }) => true,
            Self::Request { source, .. } | Self::Cluster(ClusterError::Api { source, .. }) => is_away(source),
            _ => false,
        }
    }

    /// A failed request.
    pub fn request(what: impl Into<String>, source: kube::Error) -> Self {
        Self::Request { what: what.into(), source: Box::new(source) }
    }
}

fn recognised(there: &[String]) -> String {
    if there.is_empty() { String::new() } else { format!("; what looks like it:{}", listed(there)) }
}

fn is_away(error: &kube::Error) -> bool {
    match error {
        // An API server that has only just started knows nobody's rights yet; in a cluster of ours they are all there.
        kube::Error::Api(status) if status.code == 403 => status.message.contains("\" cannot "),
        kube::Error::Api(_) => transient(error),
        _ => true,
    }
}
