//! The variables by which commands find the services.
//!
//! Of every Service `NAME` in `NAMESPACE`, upper-cased and with `_` for what a variable's name cannot have:
//! `DEVCLUSTER_SERVICE_NAMESPACE_NAME_HOST` and `_PORT` (of its first port), `_ADDRESS` (`HOST:PORT`), and of each port
//! `_PORT_PORTNAME` and `_ADDRESS_PORTNAME`, by its name in the Service, or its number where it has none.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// A Service and where it is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reached {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub service: String,
    /// The host.
    pub host: String,
    /// Its ports, in its order; at least one.
    pub ports: Vec<ReachedPort>,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReachedPort {
    /// Its name in the Service; empty where it has none.
    pub name: String,
    /// Its number in the Service.
    pub port: u16,
    /// Its number at the host.
    pub at: u16,
}

/// The variables, and the names that two Services would both have: those stand for neither.
pub fn variables(services: &[Reached]) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    let mut owners: BTreeMap<String, &Reached> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for service in services {
        for (name, value) in of(service) {
            match owners.insert(name.clone(), service) {
                Some(other) if other != service => {
                    twice.insert(name);
                }
                // Of two ports of one Service the first has the name.
                Some(_) => {}
                None => {
                    all.insert(name, value);
                }
            }
        }
    }
    all.retain(|name, _| !twice.contains(name));
    (all, twice)
}

fn of(service: &Reached) -> Vec<(String, String)> {
    let prefix = format!("DEVCLUSTER_SERVICE_{}_{}", word(&service.namespace), word(&service.service));
    let mut found = vec![(format!("{prefix}_HOST"), service.host.clone())];
    let mut of_port = |ending: &str, port: &ReachedPort| {
        found.push((format!("{prefix}_PORT{ending}"), port.at.to_string()));
        found.push((format!("{prefix}_ADDRESS{ending}"), format!("{}:{}", service.host, port.at)));
    };
    if let Some(first) = service.ports.first() {
        of_port("", first);
    }
    for port in &service.ports {
        let name = if port.name.is_empty() { port.port.to_string() } else { word(&port.name) };
        of_port(&format!("_{name}"), port);
    }
    found
}

fn word(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(namespace: &str, name: &str, ports: &[(&str, u16, u16)]) -> Reached {
        Reached {
            namespace: namespace.into(),
            service: name.into(),
            host: "127.0.0.1".into(),
            ports: ports
                .iter()
                .map(|(name, port, at)| ReachedPort { name: (*name).into(), port: *port, at: *at })
                .collect(),
        }
    }

    #[test]
    fn every_port_has_its_variables() {
        let (all, twice) =
            variables(&[service("shop", "orders-api", &[("http", 80, 40001), ("", 9090, 40002)])]);
        let lines: Vec<String> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
        insta::assert_snapshot!(lines.join("\n"));
        assert!(twice.is_empty());
    }

    #[test]
    fn a_name_that_two_services_would_have_stands_for_neither() {
        let (all, twice) =
            variables(&[service("a-b", "c", &[("", 80, 1)]), service("a", "b-c", &[("", 80, 2)])]);
        assert!(all.is_empty(), "{all:?}");
        assert!(twice.contains("DEVCLUSTER_SERVICE_A_B_C_HOST"));
    }
}
