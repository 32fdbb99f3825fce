//! A small model of Kubernetes' scheduler: whether a set of Pods finds places on a set of nodes, and if not why.
//!
//! It knows labels, taints, (anti-)affinity, spread constraints, host ports and the number of Pods on a node. CPU and memory
//! are left out: nodes are sized afterwards so that everything placed here fits.

use std::collections::{BTreeMap, BTreeSet};

use super::selector::{LabelSelector, Labels, Taint, tolerated};
use super::workload::{PodTerm, Workload};

/// The label whose value is a node's own name.
pub(crate) const HOSTNAME: &str = "kubernetes.io/hostname";

/// A node as the model sees it: with the labels that Kubernetes sets itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub labels: Labels,
    pub taints: Vec<Taint>,
}

/// Why a node refuses a Pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    Labels,
    Taint,
    AntiAffinity(String),
    Affinity(String),
    Spread(String),
    HostPort(u32),
    Full,
}

/// Workloads with what they mean to each other, worked out once.
pub(crate) struct Field<'a> {
    pub workloads: &'a [Workload],
    relations: Vec<Relations>,
    max_pods: u32,
}

/// Topology keys with the workloads meant.
type Meant = Vec<(String, BTreeSet<usize>)>;

#[derive(Default)]
struct Relations {
    affinity: Meant,
    anti: Meant,
    /// Workloads whose own terms keep this one away.
    kept_away: Vec<(String, usize)>,
    /// For each required spread constraint, by its place in `Workload::spread`.
    spread: BTreeMap<usize, BTreeSet<usize>>,
}

/// Where Pods came to stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Placement {
    /// Pods of each workload on each node: `placed[node][workload]`.
    pub placed: Vec<Vec<u32>>,
    /// Pods without a node, by workload, with every reason given.
    pub unplaced: BTreeMap<usize, (u32, BTreeSet<Refusal>)>,
}

impl Placement {
    /// Pods without a node.
    pub fn missing(&self) -> u64 {
        self.unplaced.values().map(|(count, _)| u64::from(*count)).sum()
    }
}

impl<'a> Field<'a> {
    pub fn new(workloads: &'a [Workload], namespaces: &BTreeMap<String, Labels>, max_pods: u32) -> Self {
        let mut by_namespace: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, workload) in workloads.iter().enumerate() {
            by_namespace.entry(&workload.object.namespace).or_default().push(index);
        }
        let meant_by = |term: &PodTerm| -> BTreeSet<usize> {
            let by_name_only = matches!(term.namespace_selector, LabelSelector::Nothing);
            by_namespace
                .iter()
                .filter(|(namespace, _)| !by_name_only || term.namespaces.contains(**namespace))
                .flat_map(|(namespace, indexes)| indexes.iter().map(move |index| (*namespace, *index)))
                .filter(|(namespace, index)| term.means(&workloads[*index].labels, namespace, namespaces))
                .map(|(_, index)| index)
                .collect()
        };
        let meant = |terms: &[PodTerm]| -> Meant {
            terms.iter().map(|term| (term.topology_key.clone(), meant_by(term))).collect()
        };
        let mut relations: Vec<Relations> = workloads
            .iter()
            .map(|workload| {
                let peers = &by_namespace[workload.object.namespace.as_str()];
                let spread = workload.spread.iter().enumerate().filter(|(_, spread)| spread.required);
                let spread = spread.map(|(at, spread)| {
                    let matching = |index: &&usize| spread.selector.matches(&workloads[**index].labels);
                    (at, peers.iter().filter(matching).copied().collect())
                });
                Relations {
                    affinity: meant(&workload.affinity),
                    anti: meant(&workload.anti_affinity),
                    kept_away: Vec::new(),
                    spread: spread.collect(),
                }
            })
            .collect();
        for index in 0..relations.len() {
            for (key, others) in relations[index].anti.clone() {
                for other in others {
                    relations[other].kept_away.push((key.clone(), index));
                }
            }
        }
        Self { workloads, relations, max_pods }
    }

    /// The nodes that a workload cannot share with itself, by key: each of its Pods needs a domain of its own.
    pub fn keeps_apart(&self, workload: usize) -> bool {
        self.relations[workload].anti.iter().any(|(_, meant)| meant.contains(&workload))
            || !self.workloads[workload].host_ports.is_empty()
    }

    /// Places every workload's Pods one by one, the hardest first. A DaemonSet needs one node at least.
    pub fn place(&self, nodes: &[Node]) -> Placement {
        let nobody =
            Placement { placed: vec![vec![0; self.workloads.len()]; nodes.len()], unplaced: BTreeMap::new() };
        self.place_more(nodes, nobody, |workload| workload.replicas)
    }

    /// What has no place when each workload that rolls by adding a Pod does so, one workload at a time.
    pub fn roll(&self, nodes: &[Node], start: &Placement) -> Placement {
        let mut rolled = start.clone();
        let mut load = load(start);
        for (index, workload) in self.workloads.iter().enumerate() {
            if !workload.rolls_by_adding || workload.replicas == 0 || start.unplaced.contains_key(&index) {
                continue;
            }
            self.place_some(nodes, &mut rolled, &mut load, index, 1);
            // The added Pod goes again before the next workload rolls.
            for (at, load) in load.iter_mut().enumerate() {
                *load -= rolled.placed[at][index] - start.placed[at][index];
                rolled.placed[at][index] = start.placed[at][index];
            }
        }
        rolled
    }

    /// Places so many more Pods of each workload, the hardest first.
    pub fn place_more(&self, nodes: &[Node], on: Placement, count: impl Fn(&Workload) -> u32) -> Placement {
        let accepting = |workload: &Workload| nodes.iter().filter(|node| accepts(workload, node)).count();
        let mut order: Vec<usize> = (0..self.workloads.len()).collect();
        order.sort_by_cached_key(|index| {
            let workload = &self.workloads[*index];
            let follows = !workload.affinity.is_empty();
            let alone = self.keeps_apart(*index);
            (follows, accepting(workload), !alone, std::cmp::Reverse(workload.requests.cpu_millis), *index)
        });
        let mut placement = on;
        let mut load = load(&placement);
        for index in &order {
            let left = placement.unplaced.remove(index).map_or(0, |(count, _)| count);
            let wanted = count(&self.workloads[*index]).saturating_add(left);
            self.place_some(nodes, &mut placement, &mut load, *index, wanted);
        }
        // Pods that follow others may have come before them.
        for (index, (count, _)) in std::mem::take(&mut placement.unplaced) {
            self.place_some(nodes, &mut placement, &mut load, index, count);
        }
        placement
    }

    fn place_some(
        &self,
        nodes: &[Node],
        placement: &mut Placement,
        load: &mut [u32],
        index: usize,
        count: u32,
    ) {
        for done in 0..count {
            let mut refusals = BTreeSet::new();
            let mut best: Option<(u32, u32, usize)> = None;
            for at in 0..nodes.len() {
                if let Some(refusal) = self.refusal(nodes, placement, load, index, at) {
                    refusals.insert(refusal);
                    continue;
                }
                let candidate = (self.crowd(nodes, placement, index, at), load[at], at);
                best = Some(best.map_or(candidate, |best| best.min(candidate)));
            }
            let Some((_, _, at)) = best else {
                placement.unplaced.insert(index, (count - done, refusals));
                return;
            };
            placement.placed[at][index] += 1;
            load[at] += 1;
        }
    }

    /// How many Pods counted by the spread constraints are in the node's domains already.
    fn crowd(&self, nodes: &[Node], placement: &Placement, index: usize, at: usize) -> u32 {
        let spread = &self.workloads[index].spread;
        self.relations[index]
            .spread
            .iter()
            .map(|(which, peers)| in_domain(nodes, placement, &spread[*which].topology_key, at, peers))
            .sum()
    }

    fn refusal(
        &self,
        nodes: &[Node],
        placement: &Placement,
        load: &[u32],
        index: usize,
        at: usize,
    ) -> Option<Refusal> {
        let (workload, node) = (&self.workloads[index], &nodes[at]);
        if !workload.accepts(&node.labels) {
            return Some(Refusal::Labels);
        }
        if !tolerated(&node.taints, &workload.tolerations) {
            return Some(Refusal::Taint);
        }
        if load[at] >= self.max_pods {
            return Some(Refusal::Full);
        }
        self.refused_by_others(nodes, placement, index, at)
            .or_else(|| self.refused_by_spread(nodes, placement, index, at))
            .or_else(|| self.refused_by_ports(placement, index, at))
    }

    fn refused_by_others(
        &self,
        nodes: &[Node],
        placement: &Placement,
        index: usize,
        at: usize,
    ) -> Option<Refusal> {
        let relations = &self.relations[index];
        for (key, others) in &relations.anti {
            if in_domain(nodes, placement, key, at, others) > 0 {
                return Some(Refusal::AntiAffinity(key.clone()));
            }
        }
        for (key, other) in &relations.kept_away {
            if in_domain(nodes, placement, key, at, &BTreeSet::from([*other])) > 0 {
                return Some(Refusal::AntiAffinity(key.clone()));
            }
        }
        for (key, others) in &relations.affinity {
            let anywhere = placement.placed.iter().any(|node| others.iter().any(|other| node[*other] > 0));
            let is_first = !anywhere && others.contains(&index) && nodes[at].labels.contains_key(key);
            if !is_first && in_domain(nodes, placement, key, at, others) == 0 {
                return Some(Refusal::Affinity(key.clone()));
            }
        }
        None
    }

    fn refused_by_spread(
        &self,
        nodes: &[Node],
        placement: &Placement,
        index: usize,
        at: usize,
    ) -> Option<Refusal> {
        let workload = &self.workloads[index];
        for (which, peers) in &self.relations[index].spread {
            let spread = &workload.spread[*which];
            let key = &spread.topology_key;
            let refused = || Some(Refusal::Spread(key.clone()));
            if !nodes[at].labels.contains_key(key) {
                return refused();
            }
            let eligible = || (0..nodes.len()).filter(|node| workload.accepts(&nodes[*node].labels));
            let domains: BTreeSet<&String> =
                eligible().filter_map(|node| nodes[node].labels.get(key)).collect();
            let fewest = eligible()
                .filter(|node| nodes[*node].labels.contains_key(key))
                .map(|node| in_domain(nodes, placement, key, node, peers))
                .min();
            let few = u32::try_from(domains.len()).unwrap_or(u32::MAX) < spread.min_domains;
            let fewest = if few { 0 } else { fewest.unwrap_or(0) };
            let own = u32::from(peers.contains(&index));
            if in_domain(nodes, placement, key, at, peers) + own > fewest + spread.max_skew {
                return refused();
            }
        }
        None
    }

    fn refused_by_ports(&self, placement: &Placement, index: usize, at: usize) -> Option<Refusal> {
        for port in &self.workloads[index].host_ports {
            let taken = |(other, count): (usize, &u32)| {
                *count > 0 && self.workloads[other].host_ports.iter().any(|other| other.clashes(port))
            };
            if placement.placed[at].iter().enumerate().any(taken) {
                return Some(Refusal::HostPort(port.port));
            }
        }
        None
    }
}

/// Pods on each node.
fn load(placement: &Placement) -> Vec<u32> {
    placement.placed.iter().map(|node| node.iter().sum()).collect()
}

/// Whether labels and taints let a workload onto a node.
pub(crate) fn accepts(workload: &Workload, node: &Node) -> bool {
    workload.accepts(&node.labels) && tolerated(&node.taints, &workload.tolerations)
}

/// Pods of some workloads in a node's domain; none where the node lacks the key.
fn in_domain(nodes: &[Node], placement: &Placement, key: &str, at: usize, of: &BTreeSet<usize>) -> u32 {
    let Some(domain) = nodes[at].labels.get(key) else { return 0 };
    nodes
        .iter()
        .zip(&placement.placed)
        .filter(|(node, _)| node.labels.get(key) == Some(domain))
        .map(|(_, placed)| of.iter().map(|index| placed[*index]).sum::<u32>())
        .sum()
}
