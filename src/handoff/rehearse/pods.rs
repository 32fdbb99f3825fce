//! A Pod's specification for a copy: no claim, nothing of the node's, images by the names that they have there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Volumes that live and die with their Pod.
const OWN: [&str; 5] = ["emptyDir", "configMap", "secret", "projected", "downwardAPI"];
/// Volumes of claims: an empty directory takes their place.
const CLAIMS: [&str; 2] = ["persistentVolumeClaim", "ephemeral"];
/// What nodes give away only to be counted: a copy may have more of it than is left.
const SHARED: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
const LISTS: [&str; 2] = ["initContainers", "containers"];

/// Why Pods would reach further than their namespace; none where they do not.
pub fn reaches(spec: &Value) -> Option<String> {
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if spec[field] == true {
            return Some(format!("its Pods share the node's {field}"));
        }
    }
    let volumes = spec["volumes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let foreign = volumes.iter().find_map(|volume| {
        let keys = volume.as_object()?.keys().map(String::as_str);
        let kinds = keys.filter(|key| *key != "name").collect::<Vec<_>>();
        let kind = kinds.into_iter().find(|kind| !OWN.contains(kind) && !CLAIMS.contains(kind))?;
        Some(format!("its volume {} is a {kind}", volume["name"].as_str().unwrap_or_default()))
    });
    let privileged = LISTS.iter().filter_map(|list| spec[*list].as_array()).flatten();
    let mut privileged =
        privileged.filter(|one| one.pointer("/securityContext/privileged") == Some(&json!(true)));
    foreign.or_else(|| {
        let name = privileged.next()?["name"].as_str()?;
        Some(format!("its container {name} is privileged"))
    })
}

/// Changes a Pod's specification to that of a copy, and gives the volumes that are empty there. `templates` names claims that the
/// workload makes for each Pod; volumes in `kept` go on being claims.
pub fn settle(
    spec: &mut Value,
    templates: &BTreeSet<String>,
    kept: &BTreeSet<String>,
    images: &BTreeMap<String, String>,
) -> BTreeSet<String> {
    let mut emptied: BTreeSet<String> = templates.difference(kept).cloned().collect();
    let mut volumes = spec["volumes"].as_array().cloned().unwrap_or_default();
    for volume in &mut volumes {
        let is_kept = volume["name"].as_str().is_some_and(|name| kept.contains(name));
        if !is_kept && CLAIMS.iter().any(|kind| volume.get(*kind).is_some()) {
            emptied.extend(volume["name"].as_str().map(str::to_owned));
            *volume = json!({"name": volume["name"], "emptyDir": {}});
        }
    }
    volumes.retain(|volume| !volume["name"].as_str().is_some_and(|name| templates.contains(name)));
    volumes.extend(templates.difference(kept).map(|name| json!({"name": name, "emptyDir": {}})));
    if !volumes.is_empty() {
        spec["volumes"] = Value::Array(volumes);
    }
    // What ends with the copy need not be saved.
    spec["terminationGracePeriodSeconds"] = json!(1);
    // What is real goes first: a copy takes no room that a node has given away, and nobody's place.
    if let Some(spec) = spec.as_object_mut() {
        for key in ["priorityClassName", "priority", "preemptionPolicy"] {
            spec.remove(key);
        }
    }
    ask_for_nothing(spec);
    for list in LISTS {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            settle_container(container, images);
        }
    }
    emptied
}

/// Has a Pod or container ask for no CPU, memory or disk; its limits stay, which would be asked for otherwise.
fn ask_for_nothing(one: &mut Value) {
    let Some(resources) = one.get_mut("resources").and_then(Value::as_object_mut) else { return };
    let named = ["requests", "limits"].iter().filter_map(|list| resources.get(*list)?.as_object());
    let named: BTreeSet<String> = named.flat_map(|list| list.keys().cloned()).collect();
    for name in named.iter().filter(|name| SHARED.contains(&name.as_str())) {
        resources.entry("requests").or_insert_with(|| json!({}))[name] = json!("0");
    }
}

fn settle_container(container: &mut Value, images: &BTreeMap<String, String>) {
    ask_for_nothing(container);
    if let Some(image) = container["image"].as_str().and_then(|written| images.get(written)) {
        container["image"] = json!(image);
    }
    // The node has it; a registry's may be another.
    container["imagePullPolicy"] = json!("Never");
    for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            port.remove("hostPort");
            port.remove("hostIP");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_empty_directories_and_images_the_nodes_own() {
        let mut spec = json!({
            "volumes": [{"name": "files", "persistentVolumeClaim": {"claimName": "files"}}, {"name": "c", "configMap": {"name": "c"}},
                {"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}],
            "initContainers": [{"name": "i", "image": "web:1"}],
            "containers": [{"name": "w", "image": "db:1", "imagePullPolicy": "Always", "ports": [{"containerPort": 1, "hostPort": 1}]}],
        });
        assert_eq!(reaches(&spec), None);
        let emptied = settle(
            &mut spec,
            &["data".to_owned(), "more".to_owned()].into(),
            &["more".to_owned(), "kept".to_owned()].into(),
            &[("web:1".to_owned(), "kept:1".to_owned())].into(),
        );
        let expected = json!({
            "volumes": [{"name": "files", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}},
                {"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}, {"name": "data", "emptyDir": {}}],
            "initContainers": [{"name": "i", "image": "kept:1", "imagePullPolicy": "Never"}],
            "containers": [{"name": "w", "image": "db:1", "imagePullPolicy": "Never", "ports": [{"containerPort": 1}]}],
            "terminationGracePeriodSeconds": 1,
        });
        assert_eq!(spec, expected);
        assert_eq!(emptied, ["data", "files"].map(str::to_owned).into());
    }

    #[test]
    fn a_copy_takes_no_room_and_nobodys_place() {
        let resources = json!({"requests": {"cpu": "2", "example.com/gpu": "1"}, "limits": {"memory": "4Gi", "example.com/gpu": "1"}});
        let mut spec = json!({
            "priorityClassName": "first", "priority": 1000, "preemptionPolicy": "PreemptLowerPriority",
            "resources": {"limits": {"cpu": "8"}},
            "containers": [{"name": "w", "resources": resources}, {"name": "x"}, {"name": "y", "resources": {}}],
        });
        settle(&mut spec, &BTreeSet::new(), &BTreeSet::new(), &BTreeMap::new());
        assert!(
            ["priorityClassName", "priority", "preemptionPolicy"].iter().all(|key| spec.get(*key).is_none())
        );
        assert_eq!(spec["resources"], json!({"requests": {"cpu": "0"}, "limits": {"cpu": "8"}}));
        let expected = json!({
            "requests": {"cpu": "0", "memory": "0", "example.com/gpu": "1"},
            "limits": {"memory": "4Gi", "example.com/gpu": "1"},
        });
        assert_eq!(spec["containers"][0]["resources"], expected);
        assert_eq!(spec["containers"][2]["resources"], json!({}));
    }

    #[test]
    fn what_is_the_nodes_is_told() {
        let of = |spec: &Value| reaches(spec).unwrap_or_default();
        assert_eq!(of(&json!({"hostNetwork": true})), "its Pods share the node's hostNetwork");
        assert_eq!(
            of(&json!({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]})),
            "its volume a is a hostPath"
        );
        let spec = json!({"containers": [{"name": "a", "securityContext": {"privileged": true}}]});
        assert_eq!(of(&spec), "its container a is privileged");
    }
}
