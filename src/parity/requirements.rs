//! What a set of objects needs of a cluster, gathered into one value.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::absent::{Absent, absent};
use super::images::{BadImage, ImageNeed, images};
use super::network::{
    FixedAddress, IngressClassNeed, IngressNeed, LoadBalancer, fixed_addresses, ingress_classes, ingresses,
    load_balancers,
};
use super::quantity::Resources;
use super::selector::Labels;
use super::signatures::{SignatureCheck, signature_checks};
use super::storage::{Claim, ForeignVolume, StorageClassNeed, claims, foreign_volumes, storage_classes};
use super::workload::{ContainerDefaults, Workload, workload};
use super::{builtin, json};
use crate::manifest::{Gvk, Object, ObjectId};

/// What the objects need. Every list is in a fixed order, so equal objects give equal requirements.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Requirements {
    /// How many objects there are.
    pub objects: usize,
    /// Everything that makes Pods.
    pub workloads: Vec<Workload>,
    /// Requests of all Pods at once, autoscalers at their maximum and rolling updates included; a DaemonSet counts once.
    pub total: Resources,
    /// Labels of the namespaces that the manifests create.
    pub namespace_labels: BTreeMap<String, Labels>,
    /// Namespaces used, not created, and not Kubernetes' own; with the number of objects in them.
    pub namespaces: BTreeMap<String, usize>,
    /// Volumes that will be claimed.
    pub claims: Vec<Claim>,
    /// Storage classes asked for or supplied.
    pub storage_classes: Vec<StorageClassNeed>,
    /// Who needs a default storage class.
    pub default_storage: BTreeSet<ObjectId>,
    /// Volumes that Kubernetes alone cannot provide.
    pub foreign_volumes: Vec<ForeignVolume>,
    /// Ingresses.
    pub ingresses: Vec<IngressNeed>,
    /// Ingress classes asked for or supplied.
    pub ingress_classes: Vec<IngressClassNeed>,
    /// Who needs a default ingress class.
    pub default_ingress: BTreeSet<ObjectId>,
    /// Priority classes referred to and not supplied.
    pub priority_classes: Vec<PriorityClassNeed>,
    /// Runtime classes referred to and not supplied, with their users.
    pub runtime_classes: BTreeMap<String, BTreeSet<ObjectId>>,
    /// Secrets, ConfigMaps and ServiceAccounts referred to and not there.
    pub absent: Vec<Absent>,
    /// Kinds that the cluster does not serve and no CRD of the manifests supplies.
    pub missing_kinds: Vec<MissingKind>,
    /// Services that expect an address from outside.
    pub load_balancers: Vec<LoadBalancer>,
    /// Addresses that the manifests fix.
    pub fixed_addresses: Vec<FixedAddress>,
    /// Autoscalers that need CPU or memory metrics.
    pub resource_metrics: BTreeSet<ObjectId>,
    /// Autoscalers that need metrics from elsewhere.
    pub custom_metrics: BTreeSet<ObjectId>,
    /// Images.
    pub images: Vec<ImageNeed>,
    /// Texts that are no image references.
    pub bad_images: Vec<BadImage>,
    /// What would check image signatures.
    pub signature_checks: Vec<SignatureCheck>,
}

/// A priority class that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PriorityClassNeed {
    /// Its name.
    pub name: String,
    /// Its value, where a Pod states it; else it is not known.
    pub value: Option<i64>,
    /// Who refers to it.
    pub users: BTreeSet<ObjectId>,
}

/// A kind that is not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingKind {
    /// Group, version and kind.
    pub gvk: Gvk,
    /// Why it is not served.
    pub why: MissingWhy,
    /// The objects of that kind.
    pub objects: BTreeSet<ObjectId>,
}

/// Why a kind is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingWhy {
    /// Neither Kubernetes nor a CRD has it.
    UnknownKind,
    /// Kubernetes has the kind, but no longer or not yet in this version.
    VersionNotServed,
    /// A CRD of the manifests has the kind, but does not serve this version.
    CrdVersionNotServed,
}

/// Groups and kinds that a cluster serves.
pub type ServedKinds = BTreeSet<(String, String)>;

/// Works out what the objects need. `served` is what the cluster serves; before there is one, Kubernetes' own kinds.
pub fn requirements(objects: &[Object], served: Option<&ServedKinds>) -> Requirements {
    let autoscalers = autoscalers(objects);
    let defaults = limit_range_defaults(objects);
    let none = ContainerDefaults::new();
    let mut workloads: Vec<Workload> = objects
        .iter()
        .filter_map(|object| {
            let target = (object.namespace(), object.kind(), object.name());
            let range = autoscalers.get(&target).copied();
            workload(object, range, defaults.get(object.namespace()).unwrap_or(&none))
        })
        .collect();
    workloads.sort_by(|a, b| a.object.cmp(&b.object));
    let total = workloads.iter().fold(Resources::default(), |sum, workload| {
        sum.plus(&workload.requests.times(workload.peak().into()))
    });
    let claims = claims(objects, &workloads);
    let (storage_classes, default_storage) = storage_classes(objects, &claims);
    let ingresses = ingresses(objects);
    let (ingress_classes, default_ingress) = ingress_classes(objects, &ingresses);
    let (resource_metrics, custom_metrics) = metrics(objects);
    let (images, bad_images) = images(objects);
    Requirements {
        objects: objects.len(),
        total,
        namespace_labels: namespace_labels(objects),
        namespaces: namespaces(objects),
        claims,
        storage_classes,
        default_storage,
        foreign_volumes: foreign_volumes(objects),
        ingresses,
        ingress_classes,
        default_ingress,
        priority_classes: priority_classes(objects, &workloads),
        runtime_classes: runtime_classes(objects, &workloads),
        absent: absent(objects),
        missing_kinds: missing_kinds(objects, served),
        load_balancers: load_balancers(objects),
        fixed_addresses: fixed_addresses(objects),
        resource_metrics,
        custom_metrics,
        images,
        bad_images,
        signature_checks: signature_checks(objects),
        workloads,
    }
}

/// The minimum and maximum that autoscalers set, by namespace, kind and name of their target.
fn autoscalers(objects: &[Object]) -> BTreeMap<(&str, &str, &str), (u32, u32)> {
    of_kind(objects, "HorizontalPodAutoscaler")
        .map(|object| {
            let target = (
                object.namespace(),
                object.text("/spec/scaleTargetRef/kind"),
                object.text("/spec/scaleTargetRef/name"),
            );
            let bound = |pointer: &str| json::count(&object.value, pointer).unwrap_or(1);
            (target, (bound("/spec/minReplicas"), bound("/spec/maxReplicas")))
        })
        .collect()
}

fn of_kind<'a>(objects: &'a [Object], kind: &'a str) -> impl Iterator<Item = &'a Object> {
    objects.iter().filter(move |object| object.kind() == kind)
}

/// What LimitRanges give to containers without requests: their default request, else their default limit.
fn limit_range_defaults(objects: &[Object]) -> BTreeMap<&str, ContainerDefaults> {
    let mut found: BTreeMap<&str, ContainerDefaults> = BTreeMap::new();
    for object in of_kind(objects, "LimitRange") {
        let limits = json::items(&object.value, "/spec/limits").iter();
        for limit in limits.filter(|limit| json::text(limit, "/type") == "Container") {
            let defaults = found.entry(object.namespace()).or_default();
            for pointer in ["/default", "/defaultRequest"] {
                defaults
                    .extend(json::entries(limit, pointer).map(|(name, value)| (name.clone(), value.clone())));
            }
        }
    }
    found
}

fn namespace_labels(objects: &[Object]) -> BTreeMap<String, Labels> {
    let mut found: BTreeMap<_, _> = of_kind(objects, "Namespace")
        .map(|object| (object.name().to_owned(), json::texts(&object.value, "/metadata/labels")))
        .collect();
    let used = objects.iter().map(|object| object.namespace().to_owned());
    for name in used.filter(|name| !name.is_empty()).collect::<BTreeSet<_>>() {
        found.entry(name).or_default();
    }
    // The API server labels every namespace with its name.
    for (name, labels) in &mut found {
        labels.insert("kubernetes.io/metadata.name".into(), name.clone());
    }
    found
}

fn namespaces(objects: &[Object]) -> BTreeMap<String, usize> {
    let created: BTreeSet<&str> =
        of_kind(objects, "Namespace").map(Object::name).chain(builtin::NAMESPACES).collect();
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for object in objects {
        let namespace = object.namespace();
        if !namespace.is_empty() && !created.contains(namespace) {
            *used.entry(namespace.to_owned()).or_default() += 1;
        }
    }
    used
}

fn priority_classes(objects: &[Object], workloads: &[Workload]) -> Vec<PriorityClassNeed> {
    let present: BTreeSet<&str> =
        of_kind(objects, "PriorityClass").map(Object::name).chain(builtin::PRIORITY_CLASSES).collect();
    let mut found: BTreeMap<&str, PriorityClassNeed> = BTreeMap::new();
    for workload in workloads {
        let Some(name) = workload.priority_class.as_deref().filter(|name| !present.contains(name)) else {
            continue;
        };
        let need = found.entry(name).or_insert_with(|| PriorityClassNeed {
            name: name.to_owned(),
            value: None,
            users: BTreeSet::new(),
        });
        need.value = need.value.or(workload.priority);
        need.users.insert(workload.object.clone());
    }
    found.into_values().collect()
}

fn runtime_classes(objects: &[Object], workloads: &[Workload]) -> BTreeMap<String, BTreeSet<ObjectId>> {
    let present: BTreeSet<&str> = of_kind(objects, "RuntimeClass").map(Object::name).collect();
    let mut found: BTreeMap<String, BTreeSet<ObjectId>> = BTreeMap::new();
    for workload in workloads {
        if let Some(name) = workload.runtime_class.as_deref().filter(|name| !present.contains(name)) {
            found.entry(name.to_owned()).or_default().insert(workload.object.clone());
        }
    }
    found
}

fn missing_kinds(objects: &[Object], served: Option<&ServedKinds>) -> Vec<MissingKind> {
    let crds = crds(objects);
    let mut found: BTreeMap<Gvk, MissingKind> = BTreeMap::new();
    for object in objects {
        let gvk = object.gvk();
        let key = (gvk.group.clone(), gvk.kind.clone());
        let is_served = match served {
            Some(served) => served.contains(&key),
            None => builtin::serves_kind(&gvk.group, &gvk.kind),
        };
        let why = match crds.get(&key) {
            Some(versions) if versions.contains(gvk.version.as_str()) => continue,
            Some(_) => MissingWhy::CrdVersionNotServed,
            None if !is_served => MissingWhy::UnknownKind,
            None if !builtin::serves_version(&gvk.group, &gvk.version) => MissingWhy::VersionNotServed,
            None => continue,
        };
        let missing =
            found.entry(gvk.clone()).or_insert_with(|| MissingKind { gvk, why, objects: BTreeSet::new() });
        missing.objects.insert(object.id());
    }
    found.into_values().collect()
}

/// Group and kind of every CRD of the manifests, with the versions it serves.
fn crds(objects: &[Object]) -> BTreeMap<(String, String), BTreeSet<&str>> {
    of_kind(objects, "CustomResourceDefinition")
        .map(|object| {
            let key = (object.text("/spec/group").to_owned(), object.text("/spec/names/kind").to_owned());
            let served = json::items(&object.value, "/spec/versions")
                .iter()
                .filter(|version| json::flag(version, "/served"))
                .map(|version| json::text(version, "/name"));
            (key, served.collect())
        })
        .collect()
}

/// Autoscalers by whether they need resource metrics and whether they need others.
fn metrics(objects: &[Object]) -> (BTreeSet<ObjectId>, BTreeSet<ObjectId>) {
    let (mut resource, mut custom) = (BTreeSet::new(), BTreeSet::new());
    for object in of_kind(objects, "HorizontalPodAutoscaler") {
        let metrics = json::items(&object.value, "/spec/metrics");
        let is_resource =
            |metric: &&Value| matches!(json::text(metric, "/type"), "Resource" | "ContainerResource");
        let of_resource = metrics.iter().filter(is_resource).count();
        // Without any metric the autoscaler takes CPU.
        if of_resource > 0 || metrics.is_empty() {
            resource.insert(object.id());
        }
        if of_resource < metrics.len() {
            custom.insert(object.id());
        }
    }
    (resource, custom)
}
