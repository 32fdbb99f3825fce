//! The files that a container finds in ConfigMaps.

use std::collections::BTreeMap;

use serde_json::Value;

/// Files by path.
pub type Files = BTreeMap<String, String>;

/// Every file that a Pod's container finds in ConfigMaps, each given by its name.
pub fn files<'o>(spec: &Value, container: &Value, config_map: &dyn Fn(&str) -> Option<&'o Value>) -> Files {
    let mut files = Files::new();
    for mount in list(&container["volumeMounts"]) {
        let volume = list(&spec["volumes"]).iter().find(|volume| volume["name"] == mount["name"]);
        let (Some(volume), Some(path)) = (volume, mount["mountPath"].as_str()) else { continue };
        let mut own = of_config_map(&volume["configMap"], config_map);
        for source in list(&volume["projected"]["sources"]) {
            own.extend(of_config_map(&source["configMap"], config_map));
        }
        let path = path.trim_end_matches('/');
        match mount["subPath"].as_str() {
            Some(sub) => files.extend(own.remove(sub).map(|text| (path.to_owned(), text))),
            None => files.extend(own.into_iter().map(|(name, text)| (format!("{path}/{name}"), text))),
        }
    }
    files
}

fn of_config_map<'o>(source: &Value, config_map: &dyn Fn(&str) -> Option<&'o Value>) -> Files {
    let Some(found) = source["name"].as_str().and_then(config_map) else { return Files::new() };
    let data = || found["data"].as_object().into_iter().flatten();
    let all = data().filter_map(|(key, text)| Some((key.clone(), text.as_str()?.to_owned())));
    match source["items"].as_array() {
        None => all.collect(),
        Some(items) => items
            .iter()
            .filter_map(|item| {
                Some((
                    item["path"].as_str()?.to_owned(),
                    found["data"][item["key"].as_str()?].as_str()?.to_owned(),
                ))
            })
            .collect(),
    }
}

/// A list, or nothing.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
