//! What the manifests need and what provides it; pure.

mod absent;
pub mod builtin;
mod capacity;
mod draft;
mod images;
pub mod inert;
mod json;
pub mod live;
mod live_rules;
mod network;
mod placement;
pub mod quantity;
mod ranges;
pub mod recreation;
pub mod reference;
pub mod requirements;
mod search;
pub mod selector;
pub mod shape;
mod signatures;
mod storage;
mod unmet;
mod workload;

pub use absent::Absent;
pub use images::{BadImage, ImageNeed, ImageUse, ImageUser, PullPolicy, Speaks};
pub use inert::{ClusterFacts, Inert, inert};
pub use live::{PodDifference, Rule, pod_differences};
pub use network::{FixedAddress, IngressClassNeed, IngressNeed, IngressPath, LoadBalancer};
pub use quantity::{Quantity, Resources};
pub use recreation::{Fixed, LiveChange, ShapeChange, ShapeKey, changes};
pub use reference::{ImageReference, ReferenceError};
pub use requirements::{
    MissingKind, MissingWhy, PriorityClassNeed, Requirements, ServedKinds, requirements,
};
pub use selector::{Effect, Labels, Taint, Toleration};
pub use shape::{
    ClaimVolume, Hinders, IngressClassShape, Machine, NodeShape, PriorityClassShape, Role, Shape, StorageClassShape,
    Unmet, shape,
};
pub use signatures::SignatureCheck;
pub use storage::{Claim, ClaimClass, ForeignVolume, StorageClassNeed};
pub use workload::{HostPort, PodTerm, Spread, Workload};
