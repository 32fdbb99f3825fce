//! What a container is given: its own variables, and those of ConfigMaps and Secrets that it takes whole.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Given;
use crate::manifest::Object;

/// A container's variables. `NAME_FILE` stands for `NAME`, where that is not there. What it takes whole is known where the
/// object is among the manifests; its own variables go before, as the kubelet has it.
pub(super) fn variables(container: &Value, namespace: &str, objects: &[Object]) -> BTreeMap<String, Given> {
    let mut all = BTreeMap::new();
    for source in list(container, "envFrom") {
        all.extend(taken_whole(source, namespace, objects));
    }
    let mut files = BTreeMap::new();
    for variable in list(container, "env") {
        let Some(name) = variable["name"].as_str() else { continue };
        let Some(given) = of_variable(variable) else { continue };
        match (name.strip_suffix("_FILE"), given) {
            (Some(stem), Given::Literal(path)) => files.insert(stem.to_owned(), Given::File(path)),
            (_, given) => all.insert(name.to_owned(), given),
        };
    }
    for (name, file) in files {
        all.entry(name).or_insert(file);
    }
    all
}

fn list<'a>(container: &'a Value, key: &str) -> &'a [Value] {
    container[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn of_variable(variable: &Value) -> Option<Given> {
    let reference = |kind: &str| {
        let at = variable.pointer(&format!("/valueFrom/{kind}"))?;
        Some((at["name"].as_str()?.to_owned(), at["key"].as_str()?.to_owned()))
    };
    if let Some(text) = variable["value"].as_str() {
        Some(Given::Literal(text.to_owned()))
    } else if let Some((name, key)) = reference("secretKeyRef") {
        Some(Given::Secret { name, key })
    } else {
        reference("configMapKeyRef").map(|(name, key)| Given::ConfigMap { name, key })
    }
}

/// The variables of an `envFrom`, by the keys of the object that it names.
fn taken_whole(source: &Value, namespace: &str, objects: &[Object]) -> Vec<(String, Given)> {
    let prefix = source["prefix"].as_str().unwrap_or_default();
    let named = |reference: &str| source[reference]["name"].as_str().map(ToOwned::to_owned);
    let (kind, name) = match (named("configMapRef"), named("secretRef")) {
        (Some(name), _) => ("ConfigMap", name),
        (None, Some(name)) => ("Secret", name),
        (None, None) => return Vec::new(),
    };
    let is_it =
        |object: &&Object| object.kind() == kind && object.namespace() == namespace && object.name() == name;
    let Some(object) = objects.iter().find(is_it) else { return Vec::new() };
    let keys = ["data", "stringData"].into_iter().filter_map(|field| object.value[field].as_object());
    let given = |key: &String| {
        let (name, key) = (name.clone(), key.clone());
        if kind == "Secret" { Given::Secret { name, key } } else { Given::ConfigMap { name, key } }
    };
    keys.flat_map(|map| map.keys()).map(|key| (format!("{prefix}{key}"), given(key))).collect()
}
