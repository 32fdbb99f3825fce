//! Whether the machine has the memory for a copy: told before one starts.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::event::Event;
use crate::handoff::rehearse::Copies;
use crate::operation::memory::Memory;
use crate::operation::session::{Existing, Session};

/// Tells it. Where nodes do not say what their Pods use, nothing is told.
pub(in crate::operation) async fn tell(session: &Session, existing: &Existing, copies: &Copies) {
    let mut used = 0;
    for node in &existing.nodes {
        let Some(summary) = summary(existing, &node.node.name).await else { return };
        used += of_copied(&summary, copies);
    }
    let Some(memory) = Memory::now(0) else { return };
    let event = if is_short(&memory, used) { Event::Warning } else { Event::Note };
    session.reporter.report(event(sentence(&memory, used)));
}

fn is_short(memory: &Memory, used: u64) -> bool {
    memory.available.saturating_sub(memory.total / 20) < used
}

#[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn sentence(memory: &Memory, used: u64) -> String {
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    let there = format!(
        "what is copied uses {} of memory now, and a copy takes as much again, one way after the other; {} are available",
        gib(used),
        gib(memory.available)
    );
    if is_short(memory, used) {
        there + ", which is short: a way may fail for want of memory, so end something else first"
    } else {
        there
    }
}

/// What a node's kubelet says of its Pods, by its Summary API.
async fn summary(existing: &Existing, node: &str) -> Option<Value> {
    let path = format!("/api/v1/nodes/{node}/proxy/stats/summary?only_cpu_and_memory=true");
    let request = hyper::Request::get(path).body(Vec::new()).ok()?;
    existing.cluster.client.request::<Value>(request).await.ok()
}

/// Bytes that Pods of namespaces with a copy use, by one node's summary.
fn of_copied(summary: &Value, copies: &Copies) -> u64 {
    let pods = summary["pods"].as_array().into_iter().flatten();
    let by_pod: BTreeMap<(&str, &str), u64> = pods
        .filter_map(|pod| {
            let of = &pod["podRef"];
            let bytes = pod.pointer("/memory/workingSetBytes")?.as_u64()?;
            Some(((of["namespace"].as_str()?, of["name"].as_str()?), bytes))
        })
        .filter(|((namespace, _), _)| copies.get(namespace).is_some())
        .collect();
    by_pod.values().sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::{Object, Origin};

    #[test]
    fn what_is_copied_is_counted_and_too_much_is_said() {
        let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}, "spec": {}});
        let object = Object { value, origin: Origin { source: String::new(), file: None, line: 0 } };
        let copies = Copies::of([&object]);
        let of = |namespace: &str, name: &str, bytes: u64| json!({"podRef": {"namespace": namespace, "name": name}, "memory": {"workingSetBytes": bytes}});
        let summary = json!({"pods": [of("shop", "a", 1 << 30), of("shop", "b", 1 << 30), of("kube-system", "c", 1 << 30), {"podRef": {}}]});
        let used = of_copied(&summary, &copies);
        assert_eq!(used, 2 << 30);
        let memory = |available| Memory { requested: 0, total: 20 << 30, available };
        assert_eq!(
            sentence(&memory(4 << 30), used),
            "what is copied uses 2.0 GiB of memory now, and a copy takes as much again, one way after the other; 4.0 GiB are available"
        );
        assert!(sentence(&memory(5 << 29), used).ends_with("so end something else first"));
    }
}
