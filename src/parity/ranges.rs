//! Address ranges, chosen so that the addresses the manifests fix lie in them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use super::requirements::Requirements;

/// kind's and kubeadm's range of Service addresses.
const SERVICES: Range = Range { base: Ipv4Addr::new(10, 96, 0, 0).to_bits(), bits: 16 };
/// kind's range of Pod addresses, and another for when it is taken.
const PODS: [Range; 2] = [
    Range { base: Ipv4Addr::new(10, 244, 0, 0).to_bits(), bits: 16 },
    Range { base: Ipv4Addr::new(10, 32, 0, 0).to_bits(), bits: 16 },
];

#[derive(Clone, Copy)]
struct Range {
    base: u32,
    bits: u32,
}

impl Range {
    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - self.bits).unwrap_or(0)
    }

    fn holds(self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask() == self.base
    }

    fn overlaps(self, other: Self) -> bool {
        let mask = self.mask() & other.mask();
        self.base & mask == other.base & mask
    }

    fn text(self) -> String {
        format!("{}/{}", Ipv4Addr::from_bits(self.base), self.bits)
    }
}

/// Ranges of Pods and of Services, where the defaults will not do. kube-apiserver takes Service ranges of a /12 at most.
pub(crate) fn ranges(requirements: &Requirements) -> (Option<String>, Option<String>) {
    let fixed = fixed_services(requirements);
    if fixed.iter().all(|address| SERVICES.holds(*address)) {
        return (None, None);
    }
    let Some(services) = holding(&fixed) else { return (None, None) };
    let pods = if PODS[0].overlaps(services) { Some(PODS[1].text()) } else { None };
    (pods, Some(services.text()))
}

/// The Service addresses outside the range that is chosen, as far as it goes.
pub(crate) fn unreachable(requirements: &Requirements) -> BTreeSet<IpAddr> {
    let fixed = fixed_services(requirements);
    let range =
        if fixed.iter().all(|address| SERVICES.holds(*address)) { Some(SERVICES) } else { holding(&fixed) };
    let all = requirements.fixed_addresses.iter().filter(|fixed| fixed.field == "clusterIP");
    all.map(|fixed| fixed.address)
        .filter(|address| match address {
            IpAddr::V4(address) => !range.is_some_and(|range| range.holds(*address)),
            IpAddr::V6(_) => true,
        })
        .collect()
}

fn fixed_services(requirements: &Requirements) -> Vec<Ipv4Addr> {
    let all = requirements.fixed_addresses.iter().filter(|fixed| fixed.field == "clusterIP");
    all.filter_map(|fixed| match fixed.address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    })
    .collect()
}

/// The smallest range, from a /16 to a /12, that holds all addresses.
fn holding(addresses: &[Ipv4Addr]) -> Option<Range> {
    let first = addresses.first()?.to_bits();
    (12..=16).rev().find_map(|bits| {
        let range = Range { base: first & (u32::MAX << (32 - bits)), bits };
        addresses.iter().all(|address| range.holds(*address)).then_some(range)
    })
}
