//! Stand-ins: the configured stand-in image with other ports, made by rewriting its configuration alone. Its layers are
//! shared by all stand-ins and the engine is not touched.

use serde_json::{Value, json};

/// The label that tells what a stand-in is.
pub const LABEL: &str = "devcluster.dev/stand-in";

/// The configuration of a stand-in for `name` that answers on `ports` (`8080`, `tcp:6379`). The same inputs give the same
/// bytes. `None` where `config` is no image configuration.
pub(super) fn configure(config: &[u8], name: &str, ports: &[String]) -> Option<Vec<u8>> {
    let mut config: Value = serde_json::from_slice(config).ok()?;
    let settings = config.as_object_mut()?.entry("config").or_insert_with(|| json!({}));
    if settings.is_null() {
        *settings = json!({});
    }
    let settings = settings.as_object_mut()?;
    let mut env: Vec<Value> = settings.get("Env").and_then(Value::as_array).cloned().unwrap_or_default();
    env.retain(|entry| entry.as_str().is_none_or(|entry| !entry.starts_with("PORTS=")));
    env.push(json!(format!("PORTS={}", ports.join(","))));
    settings.insert("Env".into(), env.into());
    let labels = settings.entry("Labels").or_insert_with(|| json!({}));
    if labels.is_null() {
        *labels = json!({});
    }
    labels.as_object_mut()?.insert(LABEL.into(), json!(name));
    Some(config.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_label_are_set_and_the_rest_stays() {
        let config = br#"{"architecture":"amd64","config":{"Env":["PATH=/bin","PORTS=1"],"Labels":null},"rootfs":{"diff_ids":["sha256:a"]}}"#;
        let ports = ["8080".to_owned(), "tcp:6379".to_owned()];
        let made = configure(config, "gcr.io/shop/cart:1", &ports).unwrap();
        let value: Value = serde_json::from_slice(&made).unwrap();
        assert_eq!(value["config"]["Env"], json!(["PATH=/bin", "PORTS=8080,tcp:6379"]));
        assert_eq!(value["config"]["Labels"][LABEL], "gcr.io/shop/cart:1");
        assert_eq!(value["rootfs"]["diff_ids"], json!(["sha256:a"]));
        assert_eq!(configure(config, "gcr.io/shop/cart:1", &ports).unwrap(), made);
        assert!(configure(b"7", "x", &ports).is_none());
    }
}
