//! Addresses for Services of type LoadBalancer: taken from the top of the engine's network, answered for by the first
//! node, and written to the Services' status. kube-proxy does the rest.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use bollard::query_parameters::InspectNetworkOptions;
use k8s_openapi::api::core::v1::Service;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::engine::{EngineError, Node};
use super::provider::ClusterError;

/// A Service and the address it answers on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Address {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name.
    pub service: String,
    /// The address, reachable from the host where the engine's network is.
    pub address: Ipv4Addr,
    /// The Service's ports.
    pub ports: Vec<u16>,
}

impl Address {
    fn of(service: &Service, address: Ipv4Addr) -> Self {
        let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
        Self {
            namespace: service.namespace().unwrap_or_default(),
            service: service.name_any(),
            address,
            ports: ports.filter_map(|port| u16::try_from(port.port).ok()).collect(),
        }
    }
}

/// The addresses that live Services have; nothing is asked.
pub fn standing<'a>(services: impl IntoIterator<Item = &'a Value>) -> Vec<Address> {
    let services = services.into_iter().filter_map(|live| Service::deserialize(live).ok());
    let balanced = services.filter(is_balanced);
    balanced.filter_map(|service| Some(Address::of(&service, current(&service)?))).collect()
}

/// Gives every Service of type LoadBalancer an address and has `node` answer for it. What has one keeps it; a node that
/// was restarted is told its addresses again. Returns all of them, and how many were new.
pub async fn assign(
    cluster: &str,
    client: &Client,
    node: &Node,
    services: &[Service],
) -> Result<(Vec<Address>, usize), ClusterError> {
    let wanted: Vec<&Service> = services.iter().filter(|service| is_balanced(service)).collect();
    if wanted.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let network = network(node).await?;
    let mut taken: BTreeSet<Ipv4Addr> = network.taken.clone();
    taken.extend(wanted.iter().filter_map(|service| current(service)));
    let mut free = network
        .top_quarter(cluster)
        .filter(|address| !taken.contains(address))
        .collect::<Vec<_>>()
        .into_iter();
    let (mut addresses, mut new) = (Vec::new(), 0);
    for service in wanted {
        let asked = service.spec.as_ref().and_then(|spec| spec.load_balancer_ip.as_deref()?.parse().ok());
        let standing = current(service).filter(|address| network.contains(*address));
        let address = if let Some(address) = standing {
            address
        } else {
            let asked = asked.filter(|a| network.contains(*a) && !taken.contains(a));
            let Some(address) = asked.or_else(|| free.next()) else { continue };
            publish(cluster, client, service, address).await?;
            new += 1;
            address
        };
        addresses.push(Address::of(service, address));
    }
    answer(node, &addresses).await?;
    Ok((addresses, new))
}

/// Every Service of the cluster.
pub async fn services(cluster: &str, client: &Client) -> Result<Vec<Service>, ClusterError> {
    let list = Api::<Service>::all(client.clone()).list(&ListParams::default()).await;
    list.map(|list| list.items).map_err(|source| ClusterError::Api {
        cluster: cluster.into(),
        what: "list Services".into(),
        source: Box::new(source),
    })
}

/// Whether a Service wants an address from us: a class of its own belongs to somebody else.
pub fn is_balanced(service: &Service) -> bool {
    service.spec.as_ref().is_some_and(|spec| {
        spec.type_.as_deref() == Some("LoadBalancer") && spec.load_balancer_class.is_none()
    })
}

fn current(service: &Service) -> Option<Ipv4Addr> {
    let status = service.status.as_ref()?.load_balancer.as_ref()?;
    status.ingress.as_ref()?.first()?.ip.as_deref()?.parse().ok()
}

async fn publish(
    cluster: &str,
    client: &Client,
    service: &Service,
    address: Ipv4Addr,
) -> Result<(), ClusterError> {
    let api = Api::<Service>::namespaced(client.clone(), &service.namespace().unwrap_or_default());
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"}]}}});
    let patched =
        api.patch_status(&service.name_any(), &PatchParams::default(), &Patch::Merge(&status)).await;
    patched.map(|_| ()).map_err(|source| ClusterError::Api {
        cluster: cluster.into(),
        what: format!("give Service {} its address", service.name_any()),
        source: Box::new(source),
    })
}

/// Has the node answer ARP for the addresses without owning them: what is the node's own goes to the ingress's host
/// ports before kube-proxy sees it. The route beside each entry is what makes the kernel answer.
async fn answer(node: &Node, addresses: &[Address]) -> Result<(), ClusterError> {
    let list: Vec<String> = addresses.iter().map(|address| address.address.to_string()).collect();
    let script = "for a; do ip neigh replace proxy \"$a\" dev eth0 && ip route replace \"$a/32\" dev lo || exit 1; done";
    let mut argv = vec!["sh", "-c", script, "sh"];
    argv.extend(list.iter().map(String::as_str));
    node.run(&argv).await?;
    Ok(())
}

struct Network {
    base: u32,
    prefix: u8,
    taken: BTreeSet<Ipv4Addr>,
}

async fn network(node: &Node) -> Result<Network, ClusterError> {
    let inspected = node
        .engine
        .docker()
        .inspect_network("kind", None::<InspectNetworkOptions>)
        .await
        .map_err(|error| EngineError::from_bollard("inspect network kind", error))?;
    let range = inspected
        .ipam
        .and_then(|ipam| ipam.config)
        .into_iter()
        .flatten()
        .find_map(|config| parse_range(&config.subnet?))
        .unwrap_or((0xAC12_0000, 16));
    let taken = inspected
        .containers
        .into_iter()
        .flatten()
        .filter_map(|(_, container)| container.ipv4_address?.split('/').next()?.parse().ok());
    Ok(Network { base: range.0, prefix: range.1, taken: taken.collect() })
}

fn parse_range(range: &str) -> Option<(u32, u8)> {
    let (address, prefix) = range.split_once('/')?;
    let address: Ipv4Addr = address.parse().ok()?;
    let prefix: u8 = prefix.parse().ok().filter(|prefix| (8..=29).contains(prefix))?;
    let mask = u32::MAX << (32 - prefix);
    Some((u32::from(address) & mask, prefix))
}

impl Network {
    fn size(&self) -> u32 {
        1 << (32 - self.prefix)
    }

    fn contains(&self, address: Ipv4Addr) -> bool {
        u32::from(address).wrapping_sub(self.base) < self.size()
    }

    /// Addresses from the top quarter of the range, where the engine's own come last; each cluster begins at a place of
    /// its own, so that two clusters on one network do not meet.
    fn top_quarter(&self, cluster: &str) -> impl Iterator<Item = Ipv4Addr> {
        let quarter = self.size() / 4;
        let hash = blake3::hash(cluster.as_bytes());
        let seed = u32::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1], hash.as_bytes()[2], 0]);
        let (start, first) = (self.base + self.size() - quarter, seed % quarter);
        (0..quarter.saturating_sub(2))
            .map(move |offset| Ipv4Addr::from(start + (first + offset) % (quarter - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_from_the_top_quarter_and_differ_by_cluster() {
        let (base, prefix) = parse_range("172.18.0.0/16").unwrap();
        let network = Network { base, prefix, taken: BTreeSet::new() };
        let first: Vec<_> = network.top_quarter("a").take(3).collect();
        assert!(first.iter().all(|address| address.octets()[2] >= 192 && network.contains(*address)));
        assert_ne!(first, network.top_quarter("b").take(3).collect::<Vec<_>>());
        assert_eq!(parse_range("fc00::/64"), None);
    }
}
