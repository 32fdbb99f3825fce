//! Labels for a given number of nodes, so that every workload finds one that it accepts.

use std::collections::{BTreeMap, BTreeSet};

use super::placement::{Field, HOSTNAME, Node};
use super::selector::{Expression, Labels, Operator, all_match};
use super::workload::Workload;

/// The zone's label.
pub(crate) const ZONE: &str = "topology.kubernetes.io/zone";
/// The region's label.
pub(crate) const REGION: &str = "topology.kubernetes.io/region";
/// The label of nodes that run the control plane.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// Labels that the kubelet or the provider sets and that are not ours to choose.
const GIVEN: [&str; 7] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    HOSTNAME,
    "kubernetes.io/arch",
    "kubernetes.io/os",
    CONTROL_PLANE,
    "metadata.name",
];

/// Whether a label is set by Kubernetes itself.
pub(crate) fn is_given(key: &str) -> bool {
    GIVEN.contains(&key)
}

struct Draft {
    labels: Labels,
    /// Workload and alternative that count on this node as it is.
    homes: Vec<(usize, usize)>,
}

/// Labels nodes, the first of which runs the control plane. `domains` is the number of different values that topology keys
/// such as the zone get.
pub(crate) fn draft(field: &Field<'_>, architecture: &str, nodes: usize, domains: usize) -> Vec<Node> {
    let mut drafts: Vec<Draft> =
        (0..nodes).map(|at| Draft { labels: given(at, architecture), homes: Vec::new() }).collect();
    let names = topology_values(field.workloads);
    for index in hardest_first(field.workloads) {
        find_homes(field, &names, &mut drafts, index);
    }
    label_topology(field, &names, &mut drafts, domains);
    label_preferred(field, &names, &mut drafts);
    drafts.into_iter().map(|draft| Node { labels: draft.labels, taints: Vec::new() }).collect()
}

fn given(at: usize, architecture: &str) -> Labels {
    let mut labels = Labels::from(
        [
            ("kubernetes.io/os", "linux"),
            ("beta.kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", architecture),
            ("beta.kubernetes.io/arch", architecture),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    labels.insert(HOSTNAME.into(), format!("node-{at}"));
    if at == 0 {
        labels.insert(CONTROL_PLANE.into(), String::new());
    }
    labels
}

/// Workloads that choose their node, those with the least choice first and those that only avoid labels last.
fn hardest_first(workloads: &[Workload]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..workloads.len()).filter(|index| workloads[*index].peak() > 0).collect();
    let choices = |expression: &Expression| match &expression.operator {
        Operator::In(values) => values.len(),
        _ => usize::MAX,
    };
    order.sort_by_cached_key(|index| {
        let nodes = &workloads[*index].nodes;
        let asks = nodes.iter().flatten().any(Expression::is_positive);
        let positive = nodes.iter().flatten().filter(|expression| expression.is_positive());
        (!asks, nodes.len(), positive.map(choices).max().unwrap_or(0), *index)
    });
    order
}

/// How many nodes a workload needs to accept it.
fn homes_needed(field: &Field<'_>, index: usize) -> u32 {
    let workload = &field.workloads[index];
    if workload.per_node {
        return 1;
    }
    let apart = if field.keeps_apart(index) {
        workload.replicas.saturating_add(u32::from(workload.rolls_by_adding))
    } else {
        1
    };
    let spread = workload.spread.iter().filter(|spread| spread.required);
    spread
        .map(|spread| workload.replicas.div_ceil(spread.max_skew).min(spread.min_domains))
        .fold(apart, u32::max)
}

fn find_homes(field: &Field<'_>, names: &Names, drafts: &mut [Draft], index: usize) {
    let workload = &field.workloads[index];
    if workload.nodes.iter().all(Vec::is_empty) {
        return;
    }
    let needed = usize::try_from(homes_needed(field, index)).unwrap_or(usize::MAX).min(drafts.len());
    for _ in 0..needed {
        let Some((at, alternative, additions)) = find_home(field, names, drafts, index) else { return };
        drafts[at].labels.extend(additions);
        drafts[at].homes.push((index, alternative));
    }
}

/// The node that suits a workload best: one that fits as it is, else one that can be made to.
fn find_home(
    field: &Field<'_>,
    names: &Names,
    drafts: &[Draft],
    index: usize,
) -> Option<(usize, usize, Labels)> {
    let workload = &field.workloads[index];
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    // Nodes that could be tainted for it come last: the first must stay open to the system's own Pods.
    if workload.tolerations.iter().any(|toleration| toleration.taint().is_some()) {
        order.reverse();
    }
    let mut found: Option<(usize, usize, Labels)> = None;
    for at in order {
        if drafts[at].homes.iter().any(|(home, _)| *home == index) {
            continue;
        }
        for (alternative, all) in workload.nodes.iter().enumerate() {
            let Some(additions) = additions(all, names, drafts, at) else { continue };
            if additions.is_empty() {
                return Some((at, alternative, additions));
            }
            if found.is_none() && may_add(field, &drafts[at], &additions) {
                found = Some((at, alternative, additions));
            }
        }
    }
    found
}

/// Whether every workload that counts on a node would still accept it.
fn may_add(field: &Field<'_>, draft: &Draft, additions: &Labels) -> bool {
    let mut labels = draft.labels.clone();
    labels.extend(additions.clone());
    draft
        .homes
        .iter()
        .all(|(index, alternative)| all_match(&field.workloads[*index].nodes[*alternative], &labels))
}

/// The labels a node lacks to satisfy all expressions; nothing where it cannot.
fn additions(all: &[Expression], names: &Names, drafts: &[Draft], at: usize) -> Option<Labels> {
    let mut by_key: BTreeMap<&str, Vec<&Expression>> = BTreeMap::new();
    for expression in all {
        by_key.entry(&expression.key).or_default().push(expression);
    }
    let mut additions = Labels::new();
    for (key, expressions) in by_key {
        if expressions.iter().all(|expression| expression.matches(&drafts[at].labels)) {
            continue;
        }
        if drafts[at].labels.contains_key(key) || is_given(key) {
            return None;
        }
        additions.insert(key.to_owned(), value(key, &expressions, names, drafts)?);
    }
    Some(additions)
}

/// A value that satisfies all expressions over one key; of several the one that the fewest nodes have.
fn value(key: &str, expressions: &[&Expression], names: &Names, drafts: &[Draft]) -> Option<String> {
    let mut candidates: Vec<String> = Vec::new();
    for expression in expressions {
        match &expression.operator {
            Operator::In(values) => candidates.extend(values.iter().cloned()),
            Operator::Gt(bound) => candidates.extend(bound.checked_add(1).map(|number| number.to_string())),
            Operator::Lt(bound) => candidates.extend(bound.checked_sub(1).map(|number| number.to_string())),
            Operator::Exists => candidates.extend(names.get(key).into_iter().flatten().cloned()),
            Operator::NotIn(_) | Operator::DoesNotExist => {}
        }
    }
    candidates.push(if names.contains_key(key) { nth_value(names, key, 0) } else { "true".to_owned() });
    candidates.retain(|candidate| {
        let labels = Labels::from([(key.to_owned(), candidate.clone())]);
        expressions.iter().all(|expression| expression.matches(&labels))
    });
    let used =
        |candidate: &String| drafts.iter().filter(|draft| draft.labels.get(key) == Some(candidate)).count();
    candidates.into_iter().min_by_key(used)
}

/// Topology keys and the values that the manifests name for them.
type Names = BTreeMap<String, BTreeSet<String>>;

fn topology_values(workloads: &[Workload]) -> Names {
    let mut names = Names::new();
    for workload in workloads {
        let spread = workload.spread.iter().map(|spread| &spread.topology_key);
        let terms = workload.affinity.iter().chain(&workload.anti_affinity).map(|term| &term.topology_key);
        for key in spread.chain(terms).chain(&workload.preferred_topology).filter(|key| !is_given(key)) {
            names.entry(key.clone()).or_default();
        }
    }
    for expression in workloads.iter().flat_map(|w| w.nodes.iter().chain(&w.preferred_nodes)).flatten() {
        if let Operator::In(values) = &expression.operator
            && (names.contains_key(&expression.key) || expression.key == ZONE || expression.key == REGION)
        {
            names.entry(expression.key.clone()).or_default().extend(values.iter().cloned());
        }
    }
    // A zone lies in a region, on every production node.
    if names.contains_key(ZONE) {
        names.entry(REGION.into()).or_default();
    }
    names
}

/// The n-th value of a topology key: those of the manifests, then more of the same pattern.
fn nth_value(names: &Names, key: &str, n: usize) -> String {
    let none = BTreeSet::new();
    let known = names.get(key).unwrap_or(&none);
    if let Some(value) = known.iter().nth(n) {
        return value.clone();
    }
    if key == REGION
        && let Some(zone) = names.get(ZONE).and_then(BTreeSet::first)
    {
        let region = zone.trim_end_matches(|c: char| c.is_ascii_lowercase()).trim_end_matches('-');
        if !region.is_empty() {
            return region.to_owned();
        }
    }
    let word = key.rsplit('/').next().unwrap_or(key).to_lowercase();
    let prefix = known.first().and_then(|value| value.strip_suffix(|c: char| c.is_ascii_lowercase()));
    let prefix = prefix.filter(|prefix| prefix.ends_with(|c: char| c.is_ascii_digit() || c == '-'));
    let prefix = prefix.map_or(format!("{word}-"), str::to_owned);
    ('a'..='z')
        .map(|letter| format!("{prefix}{letter}"))
        .filter(|value| !known.contains(value))
        .nth(n.saturating_sub(known.len()))
        .unwrap_or_else(|| format!("{prefix}{n}"))
}

/// Gives every node a value for every topology key, spread over so many domains.
fn label_topology(field: &Field<'_>, names: &Names, drafts: &mut [Draft], domains: usize) {
    for key in names.keys() {
        let domains = if key == REGION { 1 } else { domains.max(1) };
        for at in 0..drafts.len() {
            if drafts[at].labels.contains_key(key) {
                continue;
            }
            let used =
                |value: &String| drafts.iter().filter(|draft| draft.labels.get(key) == Some(value)).count();
            let Some(value) = (0..domains).map(|n| nth_value(names, key, n)).min_by_key(used) else {
                continue;
            };
            let additions = Labels::from([(key.clone(), value)]);
            if !may_add(field, &drafts[at], &additions) {
                continue;
            }
            drafts[at].labels.extend(additions);
        }
    }
}

/// Gives nodes the labels that workloads would like, where nothing speaks against it.
fn label_preferred(field: &Field<'_>, names: &Names, drafts: &mut [Draft]) {
    for workload in field.workloads {
        for all in &workload.preferred_nodes {
            if drafts.iter().any(|draft| workload.accepts(&draft.labels) && all_match(all, &draft.labels)) {
                continue;
            }
            let fitting = (0..drafts.len()).find_map(|at| {
                let additions = additions(all, names, drafts, at)?;
                let mut labels = drafts[at].labels.clone();
                labels.extend(additions.clone());
                (may_add(field, &drafts[at], &additions) && workload.accepts(&labels))
                    .then_some((at, additions))
            });
            if let Some((at, additions)) = fitting {
                drafts[at].labels.extend(additions);
            }
        }
    }
}
