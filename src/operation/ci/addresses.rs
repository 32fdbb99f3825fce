//! Addresses on this machine for every port of the system's Services: a load balancer's where it answers, else a port that is
//! forwarded for as long as the run takes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::error::CiError;
use super::forward::Forward;
use crate::cluster::address;
use crate::handoff::ci::{Reached, ReachedPort, variables};
use crate::operation::error::OperationError;
use crate::operation::session::Existing;
use crate::operation::status;
use crate::operation::up;

/// Where the system is reached while this lives.
#[derive(Default)]
pub(super) struct Addresses {
    /// Of this machine.
    pub here: Vec<Reached>,
    /// Of the cluster's own Pods.
    pub within: Vec<Reached>,
    /// The ingress's ports on loopback.
    pub ingress: Option<(u16, u16)>,
    /// What has no address here, each with the reason.
    pub notes: Vec<String>,
    forwards: Vec<Forward>,
}

impl Addresses {
    /// Opens them. What answers already is told by the report of the bringing up.
    pub(super) async fn open(existing: &Existing, report: &up::Report) -> Result<Self, OperationError> {
        let mut all = Self::default();
        let answering: BTreeSet<String> = report
            .addresses
            .iter()
            .filter(|tried| tried.answers)
            .map(|tried| tried.address.trim_start_matches("http://").trim_end_matches('/').to_owned())
            .collect();
        let (http, https) = existing.record.fixed.ports;
        all.ingress =
            report.addresses.iter().any(|tried| tried.what.starts_with("Ingress ")).then_some((http, https));
        for namespace in status::namespaces(existing).await? {
            all.add_all(existing, &namespace, &namespace, &answering).await?;
        }
        Ok(all)
    }

    /// Opens those of copies: of each namespace, with the one that its Services are told under.
    pub(super) async fn of_copies<'a>(
        existing: &Existing,
        copies: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, OperationError> {
        let mut all = Self::default();
        for (told, namespace) in copies {
            all.add_all(existing, told, namespace, &BTreeSet::new()).await?;
        }
        Ok(all)
    }

    async fn add_all(
        &mut self,
        existing: &Existing,
        told: &str,
        namespace: &str,
        answering: &BTreeSet<String>,
    ) -> Result<(), OperationError> {
        let api = Api::<Service>::namespaced(existing.cluster.client.clone(), namespace);
        let listed = api.list(&ListParams::default()).await;
        let mut services = listed.map_err(|error| OperationError::request("list Services", error))?.items;
        services.sort_by_key(ResourceExt::name_any);
        // The API server's own is no part of the system.
        services.retain(|service| (namespace, service.name_any().as_str()) != ("default", "kubernetes"));
        for service in &services {
            self.add(existing, (told, namespace), service, answering).await?;
        }
        Ok(())
    }

    async fn add(
        &mut self,
        existing: &Existing,
        (told, namespace): (&str, &str),
        service: &Service,
        answering: &BTreeSet<String>,
    ) -> Result<(), OperationError> {
        let name = service.name_any();
        let ports = ports(service);
        if let Some(why) = unreachable(service, &ports) {
            self.notes.push(format!("Service {namespace}/{name} has no address here: {why}"));
            return Ok(());
        }
        let reached = |host: String, at: &dyn Fn(usize, u16) -> u16| Reached {
            namespace: told.into(),
            service: name.clone(),
            host,
            ports: ports
                .iter()
                .enumerate()
                .map(|(index, (port, number))| ReachedPort {
                    name: port.name.clone().unwrap_or_default(),
                    port: *number,
                    at: at(index, *number),
                })
                .collect(),
        };
        self.within.push(reached(format!("{name}.{namespace}.svc"), &|_, number| number));
        let balanced = balanced(service).map(|address| address.to_string());
        let answers = |address: &String| {
            ports.iter().all(|(_, number)| answering.contains(&format!("{address}:{number}")))
        };
        if let Some(address) = balanced.filter(answers) {
            self.here.push(reached(address, &|_, number| number));
            return Ok(());
        }
        let mut at = Vec::new();
        for (port, _) in &ports {
            let client = existing.cluster.client.clone();
            let forward =
                Forward::open(client, namespace, &name, port.name.clone().unwrap_or_default()).await;
            let forward = forward
                .map_err(|source| CiError::Forward { service: format!("{namespace}/{name}"), source })?;
            at.push(forward.port());
            self.forwards.push(forward);
        }
        self.here.push(reached(Ipv4Addr::LOCALHOST.to_string(), &|index, _| at[index]));
        Ok(())
    }

    /// The variables of commands on this machine.
    pub(super) fn variables(&self) -> (BTreeMap<String, String>, BTreeSet<String>) {
        let (mut all, twice) = variables(&self.here);
        if let Some((http, https)) = self.ingress {
            all.insert("DEVCLUSTER_INGRESS_HTTP".into(), format!("127.0.0.1:{http}"));
            all.insert("DEVCLUSTER_INGRESS_HTTPS".into(), format!("127.0.0.1:{https}"));
        }
        (all, twice)
    }

    /// All of it, for who reads files.
    pub(super) fn listing(&self) -> Value {
        let ingress =
            self.ingress.map(|(http, https)| json!({"host": "127.0.0.1", "http": http, "https": https}));
        json!({"services": self.here, "ingress": ingress, "notes": self.notes})
    }
}

fn ports(service: &Service) -> Vec<(&ServicePort, u16)> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let ports = ports.filter(|port| port.protocol.as_deref().unwrap_or("TCP") == "TCP");
    ports.filter_map(|port| Some((port, u16::try_from(port.port).ok()?))).collect()
}

fn unreachable(service: &Service, ports: &[(&ServicePort, u16)]) -> Option<&'static str> {
    let spec = service.spec.as_ref()?;
    if spec.type_.as_deref() == Some("ExternalName") {
        return Some("it is a name of something outside");
    }
    if spec.selector.as_ref().is_none_or(BTreeMap::is_empty) {
        return Some("it selects no Pods");
    }
    ports.is_empty().then_some("none of its ports is TCP")
}

fn balanced(service: &Service) -> Option<Ipv4Addr> {
    let live = serde_json::to_value(service).ok()?;
    address::standing([&live]).first().map(|address| address.address)
}
