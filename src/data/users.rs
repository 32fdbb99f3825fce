//! Finds what uses a store: workloads whose containers are told the name of a Service that leads to it. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use super::discover::Store;
use crate::manifest::{Object, ObjectId};

/// The workloads among `objects` that name the store in variables, arguments, or what ConfigMaps and Secrets of the manifests
/// give them; in their order. Jobs are not among them: they are done.
pub fn users(objects: &[Object], store: &Store) -> Vec<ObjectId> {
    let names = service_names(objects, store);
    let stays =
        |object: &&Object| !matches!(object.kind(), "Job" | "CronJob") && object.id() != store.workload;
    let names_it = |object: &&Object| {
        let near = object.namespace() == store.workload.namespace;
        texts(object, objects).iter().any(|text| mentions(text, &names, near, &store.workload.namespace))
    };
    objects.iter().filter(stays).filter(names_it).map(Object::id).collect()
}

/// Services of the store's namespace that select its Pods.
fn service_names<'o>(objects: &'o [Object], store: &Store) -> BTreeSet<&'o str> {
    let workload = objects.iter().find(|object| object.id() == store.workload);
    let labels =
        workload.and_then(Object::pod_template).and_then(|template| template.pointer("/metadata/labels"));
    let Some(labels) = labels.and_then(Value::as_object) else { return BTreeSet::new() };
    let selects = |service: &&Object| {
        let selector = service.value.pointer("/spec/selector").and_then(Value::as_object);
        selector.is_some_and(|all| {
            !all.is_empty() && all.iter().all(|(key, value)| labels.get(key) == Some(value))
        })
    };
    let own = objects
        .iter()
        .filter(|object| object.kind() == "Service" && object.namespace() == store.workload.namespace);
    own.filter(selects).map(Object::name).collect()
}

/// All that a workload's containers are told.
fn texts<'o>(object: &'o Object, objects: &'o [Object]) -> Vec<&'o str> {
    let Some(spec) = object.pod_template().and_then(|template| template.get("spec")) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut sources: BTreeSet<(&str, &str)> = BTreeSet::new();
    for container in
        ["containers", "initContainers"].iter().filter_map(|list| spec[*list].as_array()).flatten()
    {
        for list in ["command", "args"].iter().filter_map(|list| container[*list].as_array()) {
            found.extend(list.iter().filter_map(Value::as_str));
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            found.extend(variable["value"].as_str());
            sources.extend(source(&variable["valueFrom"], "configMapKeyRef", "secretKeyRef", "name"));
        }
        for from in container["envFrom"].as_array().into_iter().flatten() {
            sources.extend(source(from, "configMapRef", "secretRef", "name"));
        }
    }
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        sources.extend(volume["configMap"]["name"].as_str().map(|name| ("ConfigMap", name)));
        sources.extend(volume["secret"]["secretName"].as_str().map(|name| ("Secret", name)));
    }
    let given = |held: &&Object| {
        held.namespace() == object.namespace() && sources.contains(&(held.kind(), held.name()))
    };
    for held in objects.iter().filter(given) {
        for data in ["data", "stringData"].iter().filter_map(|key| held.value[*key].as_object()) {
            found.extend(data.values().filter_map(Value::as_str));
        }
    }
    found
}

fn source<'o>(from: &'o Value, map: &str, secret: &str, key: &str) -> Option<(&'o str, &'o str)> {
    let named = |kind: &str| from.get(kind)?.get(key)?.as_str();
    named(map).map(|name| ("ConfigMap", name)).or_else(|| named(secret).map(|name| ("Secret", name)))
}

/// Whether a text has one of the names as a host: alone within its namespace, else with that behind it.
fn mentions(text: &str, names: &BTreeSet<&str>, near: bool, namespace: &str) -> bool {
    let hosts = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-' && letter != '.');
    hosts.into_iter().any(|host| {
        let mut labels = host.split('.');
        let known = labels.next().is_some_and(|first| names.contains(first));
        known && labels.next().map_or(near, |second| second == namespace)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::discover::stores;
    use crate::manifest::Origin;
    use serde_json::json;

    fn object(value: Value) -> Object {
        Object { value, origin: Origin { source: String::new(), file: None, line: 0 } }
    }

    fn workload(kind: &str, namespace: &str, name: &str, spec: &Value) -> Object {
        let template = json!({"metadata": {"labels": {"app": name}}, "spec": spec});
        object(
            json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"namespace": namespace, "name": name},
            "spec": {"template": template}}),
        )
    }

    #[test]
    fn what_is_told_a_service_of_the_store_uses_it() {
        let told = |value: &str| json!({"containers": [{"name": "c", "image": "web", "env": [{"name": "A", "value": value}]}]});
        let configured = json!({"containers": [{"name": "c", "image": "web", "envFrom": [{"configMapRef": {"name": "settings"}}]}]});
        let objects = [
            workload(
                "StatefulSet",
                "shop",
                "orders",
                &json!({"containers": [{"name": "db", "image": "postgres:15"}]}),
            ),
            object(
                json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": "orders-db"},
                "spec": {"selector": {"app": "orders"}}}),
            ),
            object(
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "shop", "name": "settings"},
                "data": {"app.yaml": "database:\n  host: orders-db\n"}}),
            ),
            workload("Deployment", "shop", "api", &told("postgres://app@orders-db:5432/shop")),
            workload("Deployment", "shop", "worker", &configured),
            workload("Deployment", "shop", "web", &told("http://orders-db-proxy/")),
            workload("Deployment", "other", "far", &told("orders-db.shop.svc.cluster.local:5432")),
            workload("Deployment", "other", "alike", &told("orders-db:5432")),
            workload("Job", "shop", "migrate", &told("orders-db")),
        ];
        let found = users(&objects, &stores(&objects)[0]);
        let names: Vec<&str> = found.iter().map(|id| id.name.as_str()).collect();
        assert_eq!(names, ["api", "worker", "far"]);
    }
}
