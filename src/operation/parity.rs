//! How close the laptop is to production: the manifests, the live objects and the live Pods, put into the report.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::dev::developed;
use super::diff;
use super::error::OperationError;
use super::gather::{Desired, gather};
use super::session::{Existing, Session};
use super::up::INVENTORY;
use crate::apply::Inventory;
use crate::apply::diff::DiffClass;
use crate::manifest::{Gvk, ObjectId};
use crate::parity::{
    ClusterFacts, Evidence, ImageBytes, ImageReport, PodDifference, Report, VolatileField, inert,
    pod_differences, report,
};

/// Kinds whose Pods are compared with their template, and where it is.
const OWNERS: [(&str, &str); 4] =
    [("apps/v1", "ReplicaSet"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "Job")];

/// Pod networks that are known to enforce network policies, by their DaemonSet in `kube-system`.
const ENFORCERS: [&str; 6] =
    ["kindnet", "pod-network", "calico-node", "cilium", "kube-router", "antrea-agent"];

/// What differs in each Pod from its owner's template.
type Differences = Vec<(ObjectId, Vec<PodDifference>)>;

/// Asks the cluster and puts the report together.
pub async fn run(session: &Session) -> Result<Report, OperationError> {
    let (desired, existing) = tokio::try_join!(gather(session), session.existing())?;
    existing.cluster.discover().await?;
    let inventory = Inventory::load(&existing.cluster, INVENTORY).await?;
    let (diff, (differences, pods), daemons) = tokio::try_join!(
        diff::compare(&desired, &existing, &inventory),
        pods(&desired, &existing),
        list(&existing, "apps/v1", "DaemonSet", "kube-system")
    )?;
    let enforced =
        daemons.iter().any(|daemon| ENFORCERS.iter().any(|name| daemon["metadata"]["name"] == *name));
    let unchanged = diff.entries.iter().filter(|entry| entry.class == DiffClass::Same).count();
    let evidence = Evidence {
        unchanged,
        pods: differences,
        inert: inert(&desired.rendered.objects, &facts(session, &desired, enforced)),
        patches: Vec::new(),
        images: images(session, &desired),
        developed: developed::developed(session, &pods),
        volatile_fields: desired
            .rendered
            .volatile
            .iter()
            .map(|field| VolatileField { object: field.object.clone(), pointer: field.pointer.clone() })
            .collect(),
    };
    Ok(report(&desired.requirements, &desired.shape, evidence))
}

fn facts(session: &Session, desired: &Desired, network_policy_enforced: bool) -> ClusterFacts {
    let profile = &session.config.profile;
    let classes = desired.requirements.ingress_classes.iter().map(|class| class.name.clone());
    ClusterFacts {
        ingress_classes: if profile.ingress { classes.collect() } else { BTreeSet::new() },
        default_ingress: profile.ingress,
        metrics: profile.metrics,
        network_policy_enforced,
        load_balancer: profile.load_balancer,
        open_schema_kinds: desired.open_schema.clone(),
        provisioners: BTreeSet::from(["rancher.io/local-path".to_owned()]),
    }
}

/// Whose bytes run under each image's name, as the last `up` recorded it.
fn images(session: &Session, desired: &Desired) -> Vec<ImageReport> {
    let recorded: BTreeMap<String, ImageBytes> = session
        .state
        .read("bytes.json")
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let needs = desired.requirements.images.iter();
    needs
        .map(|need| ImageReport {
            name: need.reference.to_string(),
            bytes: need
                .written
                .iter()
                .find_map(|name| recorded.get(name).cloned())
                .unwrap_or(ImageBytes::Unknown),
            users: need.users.len(),
        })
        .collect()
}

/// What differs in every live Pod of the system from its owner's template; and the Pods themselves.
async fn pods(desired: &Desired, existing: &Existing) -> Result<(Differences, Vec<Value>), OperationError> {
    let (mut found, mut all) = (Vec::new(), Vec::new());
    for namespace in &desired.namespaces() {
        let mut templates: BTreeMap<String, Value> = BTreeMap::new();
        for (version, kind) in OWNERS {
            for owner in list(existing, version, kind, namespace).await? {
                let uid = owner["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
                templates.insert(uid, owner["spec"]["template"].clone());
            }
        }
        for pod in list(existing, "v1", "Pod", namespace).await? {
            let owners = pod["metadata"]["ownerReferences"].as_array();
            let mut uids = owners.into_iter().flatten().filter_map(|owner| owner["uid"].as_str());
            if let Some(template) = uids.find_map(|uid| templates.get(uid)) {
                let id = ObjectId {
                    group: String::new(),
                    kind: "Pod".into(),
                    namespace: namespace.clone(),
                    name: pod["metadata"]["name"].as_str().unwrap_or_default().into(),
                };
                found.push((id, pod_differences(template, &pod)));
            }
            all.push(pod);
        }
    }
    Ok((found, all))
}

async fn list(
    existing: &Existing,
    api_version: &str,
    kind: &str,
    namespace: &str,
) -> Result<Vec<Value>, OperationError> {
    let Some(resource) = existing.cluster.resolve_gvk(&Gvk::new(api_version, kind)) else {
        return Ok(Vec::new());
    };
    let list = existing.cluster.list(&resource, namespace, None).await;
    list.map_err(|error| OperationError::request(format!("list {kind}s"), error))
}
