//! Production's objects as they go into the copy: what would act on anything else is left out.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};

use super::copies::Copies;
use super::error::RehearseError;
use super::volumes::{self, ClaimName, Files};
use super::{pods, policy, references};
use crate::manifest::{Object, ObjectId};

/// What goes into a copy besides what makes Pods, by group and kind.
const PLAIN: [(&str, &str); 6] = [
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
];
/// What makes Pods that stay.
const WORKLOADS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod"];

/// Makes copies.
#[derive(Debug, Clone)]
pub struct Copier<'a> {
    /// The namespaces.
    pub copies: &'a Copies,
    /// Images as the manifests write them, with the names under which nodes have the bytes.
    pub images: BTreeMap<String, String>,
    /// What runs stores: without one of them there is nothing to rehearse on.
    pub stores: BTreeSet<ObjectId>,
    /// Claims that those mount: their data is copied otherwise.
    pub of_stores: BTreeSet<ClaimName>,
    /// What is known of other claims' files.
    pub files: &'a Files,
    /// Production's Services by namespace.
    pub services: BTreeMap<String, BTreeSet<String>>,
}

/// An object that does not go into the copy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LeftOut {
    /// The object.
    pub object: String,
    /// Why.
    pub why: String,
}

/// What goes into the copy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Copied {
    /// The objects.
    pub objects: Vec<Object>,
    /// What does not.
    pub left_out: BTreeSet<LeftOut>,
    /// Names of Services that lead to the copy now, by object.
    pub renamed: BTreeSet<String>,
    /// Volumes that begin empty in the copy, by object; those of stores are given their data.
    pub emptied: BTreeSet<String>,
    /// Claims that what is no store mounts.
    pub wanted: BTreeSet<ClaimName>,
    /// Claims that there must be in the copy, by their names in production.
    pub claims: BTreeSet<ClaimName>,
    pub(super) faults: Vec<String>,
}

/// Production's Services by namespace.
pub fn services<'a>(objects: impl IntoIterator<Item = &'a Object>) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for service in objects.into_iter().filter(|object| object.kind() == "Service") {
        all.entry(service.namespace().into()).or_default().insert(service.name().into());
    }
    all
}

impl Copier<'_> {
    /// Copies all that stays within the copy. What is a store and does not, and names of Services that are not copied, are faults.
    pub fn all(&self, objects: &[Object]) -> Result<Copied, RehearseError> {
        let mut copied = Copied::default();
        for object in
            objects.iter().filter(|object| object.kind() != "Namespace" || !object.gvk().group.is_empty())
        {
            if object.kind() == "PersistentVolumeClaim" && self.files.copied.contains_key(&claim_of(object)) {
                continue;
            }
            match self.unfit(object) {
                Some(why) if self.stores.contains(&object.id()) => {
                    copied.faults.push(format!("{}: {why}, and it is a store", object.id()));
                }
                Some(why) => {
                    copied.left_out.insert(LeftOut { object: object.id().to_string(), why });
                }
                None => self.add(object, &mut copied),
            }
        }
        copied.end()
    }

    /// Copies what migrates: a Job or Pod that runs to its end, and what it needs.
    pub fn migration(&self, objects: &[&Object]) -> Result<Copied, RehearseError> {
        let mut copied = Copied::default();
        for object in objects {
            let spec = object.pod_template().and_then(|template| template.get("spec"));
            let reach = spec.and_then(pods::reaches);
            let reach = reach.or_else(|| self.outside(object));
            match reach {
                Some(why) => copied.faults.push(format!("{}: {why}, and it migrates", object.id())),
                None => self.add(object, &mut copied),
            }
        }
        copied.end()
    }

    pub(super) fn outside(&self, object: &Object) -> Option<String> {
        if object.namespace().is_empty() {
            return Some("it belongs to the whole cluster".into());
        }
        self.copies.get(object.namespace()).is_none().then(|| "nothing of its namespace is copied".into())
    }

    /// Why an object does not go into the copy.
    pub(super) fn unfit(&self, object: &Object) -> Option<String> {
        if let Some(why) = self.outside(object) {
            return Some(why);
        }
        let (group, kind) = (object.gvk().group, object.kind());
        if WORKLOADS.contains(&kind) && matches!(group.as_str(), "" | "apps") {
            return pods::reaches(object.pod_template()?.get("spec")?);
        }
        if object.kind() == "Service" && object.text("/spec/type") == "ExternalName" {
            return Some("it is a name of something outside".into());
        }
        if PLAIN.contains(&(group.as_str(), kind)) {
            return None;
        }
        Some(match kind {
            "Job" => "`migrations:` does not name it".into(),
            "CronJob" => "it would act at its time".into(),
            "Ingress" => "its host is the real system's".into(),
            "PersistentVolumeClaim" => "an empty directory takes its place".into(),
            "NetworkPolicy" if policy::lets_in(&object.value) => return None,
            "NetworkPolicy" => "the copy has one of its own, which lets out less".into(),
            "HorizontalPodAutoscaler" | "PodDisruptionBudget" => "the copy has one Pod of each".into(),
            _ => "its controller may act on more than the copy".into(),
        })
    }

    pub(super) fn add(&self, object: &Object, copied: &mut Copied) {
        let mut object = object.clone();
        let id = object.id();
        self.redirect(&id, &mut object.value, copied);
        if let Some(copy) = self.copies.get(&id.namespace) {
            object.value["metadata"]["namespace"] = json!(copy);
        }
        for subject in object.value.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(copy) = subject["namespace"].as_str().and_then(|namespace| self.copies.get(namespace))
            {
                subject["namespace"] = json!(copy);
            }
        }
        if let Some(metadata) = object.value["metadata"].as_object_mut() {
            for key in ["ownerReferences", "finalizers"] {
                metadata.remove(key);
            }
        }
        match id.kind.as_str() {
            "NetworkPolicy" => {
                policy::settle(&mut object.value, self.copies);
                copied.objects.push(policy::admission(&object));
            }
            "Service" => inner(&mut object.value["spec"]),
            "Deployment" | "ReplicaSet" if object.value["spec"]["replicas"] != 0 => {
                object.value["spec"]["replicas"] = json!(1);
            }
            _ => {}
        }
        self.mount(&id, &mut object, copied);
        copied.objects.push(object);
    }

    /// Has Pods mount copies of their claims' files, or empty directories.
    fn mount(&self, id: &ObjectId, object: &mut Object, copied: &mut Copied) {
        let is_store = self.stores.contains(id);
        let mut mounted = volumes::mounted(object);
        // By the names that production's claims have.
        for claims in mounted.values_mut() {
            *claims = claims.iter().map(|(_, claim)| (id.namespace.clone(), claim.clone())).collect();
            claims.retain(|claim| !is_store && !self.of_stores.contains(claim));
        }
        copied.wanted.extend(mounted.values().flatten().cloned());
        let is_kept =
            |claims: &BTreeSet<ClaimName>| claims.iter().any(|claim| self.files.copied.contains_key(claim));
        let kept: BTreeSet<String> =
            mounted.iter().filter(|(_, claims)| is_kept(claims)).map(|(volume, _)| volume.clone()).collect();
        copied.claims.extend(mounted.values().filter(|claims| is_kept(claims)).flatten().cloned());
        let templates = templates(&mut object.value, &kept);
        let Some(spec) = object.pod_template_mut().and_then(|template| template.get_mut("spec")) else {
            return;
        };
        let emptied = pods::settle(spec, &templates, &kept, &self.images);
        if is_store {
            return;
        }
        copied.emptied.extend(emptied.iter().map(|volume| {
            let why = mounted.get(volume).into_iter().flatten().find_map(|claim| self.files.empty.get(claim));
            format!("{id}: {volume}") + &why.map(|why| format!(": {why}")).unwrap_or_default()
        }));
    }

    /// Has every name of a Service in an object's texts lead to the copy.
    fn redirect(&self, id: &ObjectId, value: &mut Value, copied: &mut Copied) {
        let mut change = |text: &str| {
            let found = references::find(text, self.copies, &self.services);
            copied.renamed.extend(found.changed.iter().map(|name| format!("{id}: {name}")));
            let strange = found.strange.iter();
            copied
                .faults
                .extend(strange.map(|name| format!("{id}: {name} is in a namespace that is not copied")));
            found.text
        };
        if let (true, Some(data)) =
            (id.kind == "Secret", value.get_mut("data").and_then(Value::as_object_mut))
        {
            for value in data.values_mut() {
                let bytes = value.as_str().and_then(|text| STANDARD.decode(text).ok());
                let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
                if let Some(new) = text.and_then(|text| change(&text)) {
                    *value = json!(STANDARD.encode(new));
                }
            }
        }
        walk(value, &mut change);
    }
}

impl Copied {
    fn end(mut self) -> Result<Self, RehearseError> {
        if self.faults.is_empty() {
            return Ok(self);
        }
        self.faults.sort();
        self.faults.dedup();
        Err(RehearseError::Reaches(self.faults))
    }
}

fn walk(value: &mut Value, change: &mut impl FnMut(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(new) = change(text) {
                *text = new;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
        Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A Service within the cluster alone, with an address of its own.
fn inner(spec: &mut Value) {
    let Some(spec) = spec.as_object_mut() else { return };
    spec.remove("type");
    let is_headless = spec.get("clusterIP").is_some_and(|address| address == "None");
    if !is_headless {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    let outer = [
        "loadBalancerIP",
        "loadBalancerClass",
        "loadBalancerSourceRanges",
        "allocateLoadBalancerNodePorts",
        "externalIPs",
        "externalTrafficPolicy",
        "healthCheckNodePort",
    ];
    for key in outer {
        spec.remove(key);
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            port.remove("nodePort");
        }
    }
}

/// Takes a workload's claim templates away but for those in `kept`, and gives the names of all.
fn templates(value: &mut Value, kept: &BTreeSet<String>) -> BTreeSet<String> {
    let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) else { return BTreeSet::new() };
    spec.remove("persistentVolumeClaimRetentionPolicy");
    let Some(Value::Array(templates)) = spec.remove("volumeClaimTemplates") else { return BTreeSet::new() };
    let names =
        templates.iter().filter_map(|claim| Some(claim.pointer("/metadata/name")?.as_str()?.to_owned()));
    let names: BTreeSet<String> = names.collect();
    let left = names.intersection(kept).map(|name| {
        // The claims are there before the Pods are: nothing is to be provisioned.
        json!({"metadata": {"name": name}, "spec": {
            "accessModes": ["ReadWriteMany"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}},
        }})
    });
    let left: Vec<Value> = left.collect();
    if !left.is_empty() {
        spec.insert("volumeClaimTemplates".into(), Value::Array(left));
    }
    names
}

fn claim_of(object: &Object) -> ClaimName {
    (object.namespace().to_owned(), object.name().to_owned())
}

#[cfg(test)]
#[path = "copy_tests.rs"]
mod tests;
