//! What is wanted: production's objects as rendered, what they need, and what stands beside them. Nothing is changed yet.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::error::OperationError;
use super::session::Session;
use crate::apply::crd;
use crate::cluster::{capacity, supply};
use crate::config::MissingCrds;
use crate::event::Event;
use crate::manifest::{self, Gvk, Object, ObjectId, Origin, RenderContext, Rendered, Scope};
use crate::parity::{Machine, MissingWhy, Requirements, Shape, requirements, shape};

/// What is wanted of a cluster.
#[derive(Debug, Clone)]
pub struct Desired {
    /// Production's objects, hooks, and what was seen while rendering.
    pub rendered: Rendered,
    /// What they need.
    pub requirements: Requirements,
    /// What the cluster is to look like.
    pub shape: Shape,
    /// Objects to stand beside production's.
    pub supplied: Vec<Object>,
    /// Kinds that nobody serves: an open CRD takes their place, so nobody acts on their objects.
    pub open_schema: BTreeSet<(String, String)>,
    /// Objects left out because nobody serves their kind.
    pub skipped: Vec<ObjectId>,
}

impl Desired {
    /// The namespaces that Pods of the system are in.
    pub fn namespaces(&self) -> BTreeSet<String> {
        self.requirements.workloads.iter().map(|workload| workload.object.namespace.clone()).collect()
    }

    /// Everything to apply: what stands beside production's objects, then those.
    pub fn applied(&self) -> impl Iterator<Item = &Object> {
        let skipped: BTreeSet<&ObjectId> = self.skipped.iter().collect();
        let is_left = move |object: &&Object| skipped.is_empty() || !skipped.contains(&object.id());
        self.supplied.iter().chain(self.rendered.objects.iter().filter(is_left))
    }

    /// The same as a list of its own.
    pub fn objects(&self) -> Vec<Object> {
        self.applied().cloned().collect()
    }
}

/// Renders the manifests and works out what they need.
pub async fn gather(session: &Session) -> Result<Desired, OperationError> {
    let context =
        RenderContext { state_directory: session.state.directory().to_owned(), cluster_version: None };
    let mut rendered = manifest::render(&session.config, &context, session.reporter.as_ref()).await?;
    // Kinds that nobody declares are supplied below; by custom, those without namespaces say so in their name.
    rendered.settle_namespaces(|gvk| {
        Some(if gvk.kind.starts_with("Cluster") { Scope::Cluster } else { Scope::Namespaced })
    });
    for warning in &rendered.warnings {
        session.reporter.report(Event::Warning(warning.to_string()));
    }
    desired(session, rendered)
}

/// Works out what rendered objects need.
pub(super) fn desired(session: &Session, rendered: Rendered) -> Result<Desired, OperationError> {
    let profile = &session.config.profile;
    let mut everything = Cow::from(&rendered.objects);
    if !rendered.hooks.is_empty() {
        everything.to_mut().extend(rendered.hooks.iter().map(|hook| hook.object.clone()));
    }
    let requirements = requirements(&everything, None);
    if !requirements.bad_images.is_empty() {
        let faults = requirements.bad_images.iter();
        let faults = faults.map(|bad| format!("{}, container {}: {}", bad.object, bad.container, bad.why));
        return Err(OperationError::Images(faults.collect()));
    }
    let shape = shape(&requirements, profile, &machine());
    let mut supplied = supply::supply(&requirements, profile);
    let (mut open_schema, mut skipped) = (BTreeSet::new(), Vec::new());
    let unknown = requirements.missing_kinds.iter().filter(|kind| kind.why == MissingWhy::UnknownKind);
    match profile.missing_crds {
        MissingCrds::Fail => {
            let kinds: Vec<String> = unknown
                .map(|missing| {
                    let users: Vec<String> = missing.objects.iter().map(ToString::to_string).collect();
                    format!("{} {}: {}", missing.gvk.api_version(), missing.gvk.kind, users.join(", "))
                })
                .collect();
            if !kinds.is_empty() {
                return Err(OperationError::MissingKinds(kinds));
            }
        }
        MissingCrds::Skip => {
            for missing in unknown {
                session.reporter.report(Event::Warning(format!(
                    "no CRD brings {}: {} left out",
                    missing.gvk.kind,
                    objects(missing.objects.len())
                )));
                skipped.extend(missing.objects.iter().cloned());
            }
        }
        MissingCrds::OpenSchema => {
            for missing in unknown {
                session.reporter.report(Event::Note(format!(
                    "no CRD brings {}.{}: one with an open schema takes its place for {}; nobody will act on {}",
                    missing.gvk.kind,
                    missing.gvk.group,
                    objects(missing.objects.len()),
                    if missing.objects.len() == 1 { "it" } else { "them" }
                )));
                open_schema.insert((missing.gvk.group.clone(), missing.gvk.kind.clone()));
            }
            supplied.extend(open_crds(&everything, &open_schema));
        }
    }
    Ok(Desired { rendered, requirements, shape, supplied, open_schema, skipped })
}

/// The machine that the nodes run on.
fn machine() -> Machine {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Machine { cpus: capacity::machine_cpus(), architecture: architecture.into() }
}

fn objects(count: usize) -> String {
    format!("{count} object{}", if count == 1 { "" } else { "s" })
}

/// One CRD a kind, serving every version that the objects are written in.
fn open_crds(all: &[Object], kinds: &BTreeSet<(String, String)>) -> Vec<Object> {
    let origin = Origin { source: supply::SOURCE.into(), file: None, line: 0 };
    kinds
        .iter()
        .map(|(group, kind)| {
            let of_kind: Vec<(Gvk, &Object)> = all
                .iter()
                .map(|object| (object.gvk(), object))
                .filter(|(gvk, _)| gvk.group == *group && gvk.kind == *kind)
                .collect();
            let versions: BTreeSet<&str> = of_kind.iter().map(|(gvk, _)| gvk.version.as_str()).collect();
            let versions: Vec<&str> = versions.into_iter().collect();
            let namespaced = of_kind.iter().any(|(_, object)| !object.namespace().is_empty());
            let value = crd::open_schema(group, kind, &versions, namespaced);
            Object { value, origin: origin.clone() }
        })
        .collect()
}
