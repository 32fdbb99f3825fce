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
#[cfg(test)]
mod live_tests;
mod network;
mod placement;
pub mod plan;
mod plan_text;
mod provided;
pub mod quantity;
mod ranges;
pub mod recreation;
pub mod reference;
pub mod report;
mod report_markdown;
#[cfg(test)]
mod report_tests;
mod report_text;
pub mod requirements;
#[cfg(test)]
mod requirements_tests;
#[cfg(test)]
mod samples;
mod search;
pub mod selector;
pub mod shape;
#[cfg(test)]
mod shape_tests;
mod signatures;
mod storage;
mod table;
mod unmet;
mod workload;

pub use absent::Absent;
pub use images::{BadImage, ImageNeed, ImageUse, ImageUser, PullPolicy, Speaks, image_references};
pub use inert::{ClusterFacts, Inert, inert};
pub use live::{PodDifference, Rule, pod_differences};
pub use network::{FixedAddress, IngressClassNeed, IngressNeed, IngressPath, LoadBalancer};
pub use plan::{
    ClusterAction, DataAction, HookAction, ImageAction, ImageWork, MigrationAction, ObjectAction, ObjectWork,
    Plan, plan_to_text,
};
pub use provided::{Provided, provided};
pub use quantity::{Quantity, Resources};
pub use recreation::{Fixed, Wanted};
pub use reference::{ImageReference, ReferenceError};
pub use report::{
    Counts, Developed, Evidence, ImageBytes, ImageReport, Patch, PodFields, Report, VolatileField, report,
    to_markdown, to_text,
};
pub use requirements::{MissingKind, MissingWhy, PriorityClassNeed, Requirements, ServedKinds, requirements};
pub use selector::{Effect, Labels, Taint, Toleration};
pub use shape::{
    ClaimVolume, Hinders, IngressClassShape, Machine, NodeShape, PriorityClassShape, Role, Shape,
    StorageClassShape, Unmet, shape,
};
pub use signatures::SignatureCheck;
pub use storage::{Claim, ClaimClass, ForeignVolume, StorageClassNeed, template_claims};
pub use workload::{HostPort, PodTerm, Spread, Workload};
