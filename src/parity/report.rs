//! The parity report: how production's manifests stand on this cluster, with the three counts that should be zero.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::absent::Absent;
use super::inert::Inert;
use super::live::{PodDifference, Rule};
use super::provided::{Provided, provided};
use super::requirements::{MissingKind, Requirements};
use super::shape::{Shape, Unmet};
use super::signatures::SignatureCheck;
use crate::manifest::ObjectId;

pub use super::report_markdown::to_markdown;
pub use super::report_text::to_text;

/// How the manifests stand on the cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The three counts; the aim for each is zero.
    pub counts: Counts,
    /// Objects of the manifests.
    pub objects: usize,
    /// How many of them stand in the cluster as production has them.
    pub unchanged: usize,
    /// What the cluster provides for that.
    pub provided: Vec<Provided>,
    /// Named patches.
    pub patches: Vec<Patch>,
    /// How many live Pods were compared with their templates.
    pub pods: usize,
    /// Fields of live Pods that differ from their templates, by who made them so.
    pub live: BTreeMap<Rule, usize>,
    /// Those that nobody known made so, by Pod.
    pub unexplained: Vec<PodFields>,
    /// Objects that are accepted and acted on by nobody.
    pub inert: Vec<Inert>,
    /// Images and whose bytes run under their names.
    pub images: Vec<ImageReport>,
    /// What would check image signatures.
    pub signature_checks: Vec<SignatureCheck>,
    /// Fields that a chart renders differently every time, whose first values were kept.
    pub volatile_fields: Vec<VolatileField>,
    /// Containers that were changed while developing.
    pub developed: Vec<Developed>,
    /// Kinds that neither Kubernetes nor the manifests supply.
    pub missing_kinds: Vec<MissingKind>,
    /// Secrets, ConfigMaps and ServiceAccounts that are referred to and not among the manifests.
    pub absent: Vec<Absent>,
    /// Needs that the cluster does not meet.
    pub unmet: Vec<Unmet>,
}

/// The three counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Objects changed by a patch.
    pub patches: usize,
    /// Fields of live Pods that differ and that nobody known made so.
    pub unexplained: usize,
    /// Objects that nobody acts on.
    pub inert: usize,
}

impl Counts {
    /// Whether all three are zero.
    pub fn are_zero(self) -> bool {
        self == Self::default()
    }
}

/// A running container that is not as its owner would make it, for it was changed while developing. Bringing the system up
/// goes back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Developed {
    /// The container, as `NAMESPACE/POD CONTAINER`.
    pub container: String,
    /// What was done to it, in words.
    pub what: String,
}

/// A change to an object of the manifests, the last resort.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    /// The object.
    pub object: ObjectId,
    /// JSON Patch operations; values within Secrets are left out.
    pub patch: Value,
    /// Why it is needed.
    pub reason: String,
    /// The rule that made it.
    pub rule: String,
}

impl Patch {
    /// A patch as it is reported: of a Secret only paths are told, no values.
    pub fn new(object: ObjectId, patch: &json_patch::Patch, reason: &str, rule: &str) -> Self {
        let mut operations = json!(patch);
        if object.kind == "Secret" {
            for operation in operations.as_array_mut().into_iter().flatten() {
                if let Some(value) = operation.get_mut("value") {
                    *value = json!("(secret)");
                }
            }
        }
        Self { object, patch: operations, reason: reason.into(), rule: rule.into() }
    }

    /// The fields that it touches.
    pub fn paths(&self) -> Vec<&str> {
        let operations = self.patch.as_array().into_iter().flatten();
        operations.filter_map(|operation| operation.get("path")?.as_str()).collect()
    }
}

/// Fields of one Pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodFields {
    /// The Pod.
    pub pod: ObjectId,
    /// JSON pointers.
    pub pointers: Vec<String>,
}

/// An image and whose bytes run under its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageReport {
    /// The image as the manifests have it.
    pub name: String,
    /// Whose bytes.
    pub bytes: ImageBytes,
    /// How many containers run it.
    pub users: usize,
}

/// Whose bytes run under an image's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "from")]
pub enum ImageBytes {
    /// Production's own, pulled under that name.
    Production,
    /// Built here from source.
    LocalBuild,
    /// Something that stands in for it.
    StandIn {
        /// What stands in.
        what: String,
    },
    /// Nobody knows: the node has it and no record says from where.
    Unknown,
}

impl ImageBytes {
    /// In a few words.
    pub fn text(&self) -> String {
        match self {
            Self::Production => "production's own".into(),
            Self::LocalBuild => "local build".into(),
            Self::StandIn { what } => format!("stand-in: {what}"),
            Self::Unknown => "unknown".into(),
        }
    }
}

/// A field that is rendered differently every time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolatileField {
    /// The object.
    pub object: ObjectId,
    /// The field, as a JSON pointer. Its value is never told: it may be a generated password.
    pub pointer: String,
}

/// What was found in the cluster.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Objects that stand unchanged.
    pub unchanged: usize,
    /// Live Pods with their differences.
    pub pods: Vec<(ObjectId, Vec<PodDifference>)>,
    /// Objects that nobody acts on.
    pub inert: Vec<Inert>,
    /// Patches.
    pub patches: Vec<Patch>,
    /// Images.
    pub images: Vec<ImageReport>,
    /// Volatile fields.
    pub volatile_fields: Vec<VolatileField>,
    /// Containers that were changed while developing.
    pub developed: Vec<Developed>,
}

/// Puts the report together.
pub fn report(requirements: &Requirements, shape: &Shape, evidence: Evidence) -> Report {
    let mut live: BTreeMap<Rule, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for (pod, differences) in &evidence.pods {
        let mut pointers = Vec::new();
        for difference in differences {
            *live.entry(difference.rule).or_default() += 1;
            if difference.rule == Rule::Unexplained {
                pointers.push(difference.pointer.clone());
            }
        }
        if !pointers.is_empty() {
            unexplained.push(PodFields { pod: pod.clone(), pointers });
        }
    }
    unexplained.sort_by(|a, b| a.pod.cmp(&b.pod));
    let mut images = evidence.images;
    images.sort_by(|a, b| a.name.cmp(&b.name));
    Report {
        counts: Counts {
            patches: evidence.patches.len(),
            unexplained: live.get(&Rule::Unexplained).copied().unwrap_or_default(),
            inert: evidence.inert.len(),
        },
        objects: requirements.objects,
        unchanged: evidence.unchanged,
        provided: provided(requirements, shape),
        patches: evidence.patches,
        pods: evidence.pods.len(),
        live,
        unexplained,
        inert: evidence.inert,
        images,
        signature_checks: requirements.signature_checks.clone(),
        volatile_fields: evidence.volatile_fields,
        developed: evidence.developed,
        missing_kinds: requirements.missing_kinds.clone(),
        absent: requirements.absent.clone(),
        unmet: shape.unmet.clone(),
    }
}
