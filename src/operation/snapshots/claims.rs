//! Finds claims by their names, and where their volumes' files are.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::Api;

use crate::cluster::provider::VOLUMES_ON_NODE;
use crate::cluster::{Node, supply};
use crate::data::discover::{Store, StoreKind};
use crate::data::volume::Volume;
use crate::manifest::Object;
use crate::operation::error::OperationError;
use crate::operation::session::Existing;
use crate::operation::stores::node_reach::NodeReach;
use crate::parity::{Claim, requirements};

/// What a name begins with that means a claim, whatever workload is called alike.
const PREFIX: &str = "pvc/";

/// The label by which volumes say which node they are on.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// The volume that a name means: `pvc/NAMESPACE/CLAIM`, or the claim of the manifests that is called so where no workload store
/// is. One of the cluster alone is to be named in full.
pub(in crate::operation) fn named(objects: &[Object], stores: &[Store], name: &str) -> Option<Store> {
    let split = |name: &str| {
        let (namespace, claim) = name.split_once('/')?;
        (!namespace.is_empty() && !claim.is_empty() && !claim.contains('/'))
            .then(|| Store::volume(namespace, claim))
    };
    if let Some(rest) = name.strip_prefix(PREFIX) {
        return split(rest);
    }
    let is_store = stores.iter().any(|store| store.name() == name);
    let is_claim = || claims(objects).iter().any(|claim| supply::volume_path(claim) == name);
    (!is_store && is_claim()).then(|| split(name)).flatten()
}

/// Claims of the manifests, those of StatefulSets among them.
pub(in crate::operation) fn claims(objects: &[Object]) -> Vec<Claim> {
    requirements(objects, None).claims
}

/// The claims of the manifests, for messages, behind their stores.
pub(in crate::operation) fn shown(objects: &[Object]) -> String {
    let names: Vec<String> = claims(objects).iter().map(supply::volume_path).collect();
    if names.is_empty() { String::new() } else { format!("; their claims are {}", names.join(", ")) }
}

/// A claim of the cluster that no manifest has.
pub async fn in_cluster(existing: &Existing, name: &str) -> Result<Option<Store>, OperationError> {
    let Some((namespace, claim)) = name.split_once('/') else { return Ok(None) };
    let api = Api::<PersistentVolumeClaim>::namespaced(existing.cluster.client.clone(), namespace);
    let found = api.get_opt(claim).await;
    let found = found.map_err(|error| OperationError::request(format!("read claim {name}"), error))?;
    Ok(found.map(|_| Store::volume(namespace, claim)))
}

/// The volume's directory. That of a claim that is not bound yet is where it will be.
pub(in crate::operation) async fn volume(
    existing: &Existing,
    store: &Store,
) -> Result<Volume, OperationError> {
    if store.kind != StoreKind::Volume {
        return Err(OperationError::OtherStore { store: store.to_string() });
    }
    let (namespace, claim) = (&store.workload.namespace, &store.workload.name);
    let name = format!("{namespace}/{claim}");
    let refused = |reason: String| OperationError::Claim { claim: name.clone(), reason };
    let client = &existing.cluster.client;
    let api = Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace);
    let found = api.get_opt(claim).await;
    let found = found.map_err(|error| OperationError::request(format!("read claim {name}"), error))?;
    let spec = found.as_ref().and_then(|claim| claim.spec.as_ref());
    if spec.and_then(|spec| spec.volume_mode.as_deref()) == Some("Block") {
        return Err(refused("it is a block device, which has no files".into()));
    }
    let (node, directory) = if let Some(bound) = spec.and_then(|spec| spec.volume_name.clone()) {
        let api = Api::<PersistentVolume>::all(client.clone());
        let volume = api.get(&bound).await;
        let volume =
            volume.map_err(|error| OperationError::request(format!("read volume {bound}"), error))?;
        place(existing, &volume).map_err(refused)?
    } else {
        let node = existing.nodes.first().map(|node| node.node.clone());
        let node = node.ok_or_else(|| refused("the cluster has no node".into()))?;
        (node, format!("{VOLUMES_ON_NODE}/{name}"))
    };
    if node.run(&["test", "-d", &directory]).await.is_err() {
        let reason = match found {
            Some(_) => format!("{} has no directory {directory} yet; bring up what mounts it", node.name),
            None => "there is no such claim; `kubectl get pvc -A` lists them".into(),
        };
        return Err(refused(reason));
    }
    let reach = NodeReach::new(node, format!("volume {name}"));
    Ok(Volume::new(Arc::new(reach), directory))
}

/// The node that has a volume's files, and where.
fn place(existing: &Existing, volume: &PersistentVolume) -> Result<(Node, String), String> {
    let spec = volume.spec.as_ref();
    let host = spec.and_then(|spec| spec.host_path.as_ref()).map(|host| host.path.clone());
    let local = spec.and_then(|spec| spec.local.as_ref()).map(|local| local.path.clone());
    let directory = host.or(local).ok_or("its volume is on no node, but on a server or a driver's own")?;
    let terms = spec
        .and_then(|spec| spec.node_affinity.as_ref()?.required.as_ref())
        .into_iter()
        .flat_map(|required| &required.node_selector_terms);
    let pinned: Vec<&String> = terms
        .flat_map(|term| term.match_expressions.iter().flatten())
        .filter(|expression| expression.key == HOSTNAME && expression.operator == "In")
        .flat_map(|expression| expression.values.iter().flatten())
        .collect();
    let mut nodes = existing.nodes.iter().map(|node| &node.node);
    let node = nodes.find(|node| pinned.is_empty() || pinned.iter().any(|name| **name == node.name));
    Ok((node.cloned().ok_or("no node of the cluster has it")?, directory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Origin;
    use serde_json::json;

    #[test]
    fn a_name_means_a_workload_store_before_a_claim() {
        let object = |value: serde_json::Value| Object {
            value,
            origin: Origin { source: String::new(), file: None, line: 0 },
        };
        let claim = |name: &str| json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "shop"}});
        let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"},
            "spec": {"replicas": 2, "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
                "template": {"spec": {"containers": [{"name": "c", "image": "postgres:15"}]}}}});
        let objects = [object(claim("db")), object(claim("uploads")), object(set)];
        let stores = crate::data::discover::stores(&objects);
        let means = |name: &str| named(&objects, &stores, name).map(|store| store.name());
        assert_eq!(means("shop/db"), None, "the workload's");
        assert_eq!(means("pvc/shop/db").as_deref(), Some("pvc/shop/db"));
        assert_eq!(means("shop/uploads").as_deref(), Some("pvc/shop/uploads"));
        assert_eq!(means("shop/data-db-1").as_deref(), Some("pvc/shop/data-db-1"));
        assert_eq!(means("shop/data-db-2"), None);
        assert_eq!(means("pvc/only"), None);
    }
}
