//! Everything that `up` will do, as a value: printed by `plan`, compared in tests, empty when there is nothing to do.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::manifest::ObjectId;

pub use super::plan_text::plan_to_text;

/// Everything that `up` will do. It names objects and images; no object's content, hence no secret, is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What happens to the cluster.
    pub cluster: ClusterAction,
    /// What changes on a cluster that is kept, in words.
    pub shape_changes: Vec<String>,
    /// What happens to images. One image may be built and sent: two entries.
    pub images: Vec<ImageAction>,
    /// What happens to objects.
    pub objects: Vec<ObjectAction>,
    /// Data that stores are given before the rest starts, in order.
    pub data: Vec<DataAction>,
    /// Hooks of charts that will run, in order.
    pub hooks: Vec<HookAction>,
    /// Migrations that will run, in order.
    pub migrations: Vec<MigrationAction>,
    /// Where the system will answer.
    pub addresses: Vec<String>,
}

/// What happens to the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "action")]
pub enum ClusterAction {
    /// It is made.
    Create {
        /// How many nodes.
        nodes: usize,
        /// Why.
        reason: String,
    },
    /// It stays.
    Keep,
    /// It is made anew; volumes are found again.
    Recreate {
        /// Why; never empty.
        reasons: Vec<String>,
    },
}

/// Something that happens to an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageAction {
    /// The image as the manifests have it.
    pub name: String,
    /// What happens.
    pub action: ImageWork,
}

/// What happens to an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ImageWork {
    /// It is built.
    Build,
    /// It is pulled.
    Pull,
    /// It gets a stand-in.
    StandIn,
    /// Nodes get it, or what they lack of it.
    Send {
        /// Their names.
        nodes: BTreeSet<String>,
    },
    /// Nothing: it is there.
    Skip,
}

/// Something that happens to an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectAction {
    /// The object.
    pub id: ObjectId,
    /// What happens.
    pub action: ObjectWork,
    /// Why; empty where it goes without saying.
    pub why: String,
}

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ObjectWork {
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// It is deleted and made again, for a field that cannot change.
    Recreate,
    /// Its fields change hands from another manager's to devcluster's.
    TakeOver,
    /// It left the manifests and goes.
    Delete,
    /// Nothing.
    Unchanged,
}

/// Data that a store is given, unless it holds some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataAction {
    /// The store's workload, `NAMESPACE/NAME`.
    pub store: String,
    /// Where it comes from: `snapshot NAME`, `seed PATH`.
    pub from: String,
}

/// A chart's hook that will run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HookAction {
    /// The hook's object.
    pub id: ObjectId,
    /// The event, such as `pre-install`.
    pub event: String,
    /// Why it runs now.
    pub why: String,
}

/// A migration that will run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MigrationAction {
    /// Its name in the configuration.
    pub name: String,
    /// Whether it can be taken back: `additive`, `undoable`, `one-way`, `unknown`.
    pub reversible: String,
    /// Why, without a value of its statements.
    pub because: Vec<String>,
    /// The statements that undo it, in order, where all are known.
    pub undo: Option<Vec<String>>,
    /// Whether a snapshot is taken before it of the databases that hold data.
    pub snapshot: bool,
}

impl Plan {
    /// Whether `up` has nothing to do.
    pub fn is_empty(&self) -> bool {
        self.cluster == ClusterAction::Keep
            && self.shape_changes.is_empty()
            && self.images.iter().all(|image| image.action == ImageWork::Skip)
            && self.objects.iter().all(|object| object.action == ObjectWork::Unchanged)
            && self.data.is_empty()
            && self.hooks.is_empty()
    }

    /// How many objects have this happen to them.
    pub fn objects_to(&self, action: ObjectWork) -> usize {
        self.objects.iter().filter(|object| object.action == action).count()
    }
}
