//! What the manifests need and what provides it; pure.

mod absent;
pub mod builtin;
mod images;
mod json;
mod network;
pub mod quantity;
pub mod reference;
pub mod requirements;
pub mod selector;
mod signatures;
mod storage;
mod workload;

pub use absent::Absent;
pub use images::{BadImage, ImageNeed, ImageUse, ImageUser, PullPolicy, Speaks};
pub use network::{FixedAddress, IngressClassNeed, IngressNeed, IngressPath, LoadBalancer};
pub use quantity::{Quantity, Resources};
pub use reference::{ImageReference, ReferenceError};
pub use requirements::{
    MissingKind, MissingWhy, PriorityClassNeed, Requirements, ServedKinds, requirements,
};
pub use selector::{Effect, Labels, Taint, Toleration};
pub use signatures::SignatureCheck;
pub use storage::{Claim, ClaimClass, ForeignVolume, StorageClassNeed};
pub use workload::{HostPort, PodTerm, Spread, Workload};
