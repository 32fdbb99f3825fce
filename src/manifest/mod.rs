//! Manifests as production writes them: read as kubectl reads them, from files, kustomize and helm.

pub mod object;
pub mod yaml;

pub use object::{Gvk, Object, ObjectId, Origin};
