//! Manifests as production writes them: read as kubectl reads them, from files, kustomize and helm.

mod cache;
mod chart;
mod duplicate;
pub mod emit;
mod error;
mod files;
#[cfg(test)]
mod fixture;
mod helm;
mod hook;
mod index;
mod inputs;
mod kustomize;
mod name;
pub mod object;
mod pointer;
mod reading;
mod render;
pub mod scope;
mod tool;
mod volatile;

pub use duplicate::{Duplicate, Duplicates};
pub use error::{Fault, ManifestError, Warning};
pub use files::sql_files;
pub use hook::{DeletePolicy, Hook, HookEvent};
pub use inputs::{SourceFile, SourceFiles, renderers, source_files};
pub use name::is_subdomain;
pub use object::{Gvk, Object, ObjectId, Origin};
pub use pointer::at;
pub use render::{ChartRelease, RenderContext, Rendered, render};
pub use scope::{Scope, default_namespaces, is_cluster_scoped};
pub use volatile::VolatileField;
