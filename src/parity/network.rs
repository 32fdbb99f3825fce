//! Ingresses, LoadBalancers and fixed addresses: where the manifests expect to be reached.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use super::json;
use crate::manifest::{Object, ObjectId};

/// What an Ingress answers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressNeed {
    /// The Ingress.
    pub object: ObjectId,
    /// Its class, from `spec.ingressClassName` or the old annotation; none for the cluster's default.
    pub class: Option<String>,
    /// Hosts with a certificate.
    pub tls_hosts: BTreeSet<String>,
    /// What it sends where.
    pub paths: Vec<IngressPath>,
}

impl IngressNeed {
    /// The hosts it answers to; an empty one stands for every host.
    pub fn hosts(&self) -> BTreeSet<&str> {
        self.paths.iter().map(|path| path.host.as_str()).collect()
    }
}

/// One path of an Ingress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressPath {
    /// The host; empty for every host.
    pub host: String,
    /// The path; `/` where none is written.
    pub path: String,
    /// `Prefix`, `Exact` or `ImplementationSpecific`.
    pub path_type: String,
    /// The Service; empty where it is a resource of another kind.
    pub service: String,
    /// The Service's port, a number or a name.
    pub port: String,
}

/// An ingress class that is asked for or among the manifests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressClassNeed {
    /// Its name.
    pub name: String,
    /// Its controller, where the manifests hold the class themselves.
    pub controller: Option<String>,
    /// Whether the manifests make it the default.
    pub default: bool,
    /// The Ingresses that ask for it.
    pub users: BTreeSet<ObjectId>,
}

/// A Service that expects an address from outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// The Service.
    pub object: ObjectId,
    /// Its `loadBalancerClass`.
    pub class: Option<String>,
    /// The address it asks for.
    pub address: Option<String>,
    /// Its ports.
    pub ports: Vec<u32>,
}

/// An address that a manifest fixes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FixedAddress {
    /// The object.
    pub object: ObjectId,
    /// The field: `clusterIP`, `loadBalancerIP` or `externalIPs`.
    pub field: String,
    /// The address.
    pub address: IpAddr,
}

fn of_group<'a>(objects: &'a [Object], group: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Object> {
    objects.iter().filter(move |object| object.kind() == kind && object.gvk().group == group)
}

/// All Ingresses.
pub(crate) fn ingresses(objects: &[Object]) -> Vec<IngressNeed> {
    let mut all: Vec<_> = of_group(objects, "networking.k8s.io", "Ingress").map(ingress).collect();
    all.sort_by(|a, b| a.object.cmp(&b.object));
    all
}

fn ingress(object: &Object) -> IngressNeed {
    let class = json::some_text(&object.value, "/spec/ingressClassName")
        .or_else(|| object.annotation("kubernetes.io/ingress.class"));
    let path = |host: &str, value: &serde_json::Value, backend: &str| {
        let text = |pointer: &str| json::text(value, &format!("{backend}{pointer}"));
        let number =
            json::count(value, &format!("{backend}/service/port/number")).map(|port| port.to_string());
        IngressPath {
            host: host.to_owned(),
            path: json::some_text(value, "/path").unwrap_or("/").to_owned(),
            path_type: json::some_text(value, "/pathType").unwrap_or("ImplementationSpecific").to_owned(),
            service: text("/service/name").to_owned(),
            port: number.unwrap_or_else(|| text("/service/port/name").to_owned()),
        }
    };
    let mut paths: Vec<_> = json::items(&object.value, "/spec/rules")
        .iter()
        .flat_map(|rule| {
            let host = json::text(rule, "/host");
            json::items(rule, "/http/paths").iter().map(move |value| path(host, value, "/backend"))
        })
        .collect();
    if object.value.pointer("/spec/defaultBackend").is_some() {
        paths.push(IngressPath {
            path_type: "Prefix".into(),
            ..path("", &object.value, "/spec/defaultBackend")
        });
    }
    let tls = json::items(&object.value, "/spec/tls").iter().flat_map(|tls| json::list(tls, "/hosts"));
    IngressNeed { object: object.id(), class: class.map(str::to_owned), tls_hosts: tls.collect(), paths }
}

/// The ingress classes asked for or supplied, and the Ingresses that ask for the default one.
pub(crate) fn ingress_classes(
    objects: &[Object],
    ingresses: &[IngressNeed],
) -> (Vec<IngressClassNeed>, BTreeSet<ObjectId>) {
    let mut found: BTreeMap<String, IngressClassNeed> = BTreeMap::new();
    let mut default_users = BTreeSet::new();
    for object in of_group(objects, "networking.k8s.io", "IngressClass") {
        let need = found.entry(object.name().into()).or_default();
        need.controller = Some(object.text("/spec/controller").into());
        need.default = object.annotation("ingressclass.kubernetes.io/is-default-class") == Some("true");
    }
    for ingress in ingresses {
        match &ingress.class {
            Some(class) => found.entry(class.clone()).or_default().users.insert(ingress.object.clone()),
            None => default_users.insert(ingress.object.clone()),
        };
    }
    (found.into_iter().map(|(name, need)| IngressClassNeed { name, ..need }).collect(), default_users)
}

/// All Services of type LoadBalancer.
pub(crate) fn load_balancers(objects: &[Object]) -> Vec<LoadBalancer> {
    let mut all: Vec<_> = of_group(objects, "", "Service")
        .filter(|object| object.text("/spec/type") == "LoadBalancer")
        .map(|object| LoadBalancer {
            object: object.id(),
            class: json::some_text(&object.value, "/spec/loadBalancerClass").map(str::to_owned),
            address: json::some_text(&object.value, "/spec/loadBalancerIP").map(str::to_owned),
            ports: json::items(&object.value, "/spec/ports")
                .iter()
                .filter_map(|port| json::count(port, "/port"))
                .collect(),
        })
        .collect();
    all.sort();
    all
}

/// All addresses that Services fix.
pub(crate) fn fixed_addresses(objects: &[Object]) -> Vec<FixedAddress> {
    let mut all = Vec::new();
    for object in of_group(objects, "", "Service") {
        let mut add = |field: &str, text: &str| {
            // `None` marks a headless Service and is no address.
            if let Ok(address) = text.parse() {
                all.push(FixedAddress { object: object.id(), field: field.into(), address });
            }
        };
        add("clusterIP", object.text("/spec/clusterIP"));
        for text in json::list(&object.value, "/spec/clusterIPs").iter().skip(1) {
            add("clusterIP", text);
        }
        add("loadBalancerIP", object.text("/spec/loadBalancerIP"));
        for text in json::list(&object.value, "/spec/externalIPs") {
            add("externalIPs", &text);
        }
    }
    all.sort();
    all
}
