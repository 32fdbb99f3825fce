//! Images pinned to the digests they are known by.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::manifest::Object;
use crate::parity::ImageReference;

/// What is known of the manifests' images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    /// Digests by images as the manifests write them.
    pub digests: BTreeMap<String, String>,
    /// Images that stay as they are written, and why, sorted.
    pub as_written: Vec<AsWritten>,
}

/// An image that could not be pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AsWritten {
    /// The image, as the manifests write it.
    pub image: String,
    /// Why.
    pub why: String,
}

/// Pins an object's images. The tag stays before the digest: nodes go by the digest, people read the tag.
pub(super) fn pin(object: &mut Object, pins: &Pins) {
    let Some(template) = object.pod_template_mut() else { return };
    let Some(pod) = template.get_mut("spec") else { return };
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in items(pod, list) {
            container.get_mut("image").into_iter().for_each(|image| pin_text(image, pins));
        }
    }
    for volume in items(pod, "volumes") {
        volume.pointer_mut("/image/reference").into_iter().for_each(|image| pin_text(image, pins));
    }
}

fn items<'v>(pod: &'v mut Value, list: &str) -> impl Iterator<Item = &'v mut Value> {
    pod.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

fn pin_text(image: &mut Value, pins: &Pins) {
    let Value::String(written) = image else { return };
    if let Some(digest) = pins.digests.get(written.as_str()) {
        *written = format!("{written}@{digest}");
    }
}

/// A digest as the user gives it: `NAME@sha256:…`, where the name is as the manifests write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenDigest {
    /// The image.
    pub image: ImageReference,
    /// Its digest.
    pub digest: String,
}

impl std::str::FromStr for GivenDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = || {
            format!(
                "`{text}` is to be an image as the manifests write it, `@sha256:` and 64 hexadecimal digits"
            )
        };
        let whole: ImageReference = text.parse().map_err(|_| wanted())?;
        let (name, digest) = text.split_once('@').ok_or_else(wanted)?;
        if whole.digest() != Some(digest) || !digest.starts_with("sha256:") {
            return Err(wanted());
        }
        Ok(Self { image: name.parse().map_err(|_| wanted())?, digest: digest.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::Origin;

    fn digest() -> String {
        format!("sha256:{}", "ab".repeat(32))
    }

    #[test]
    fn every_image_of_a_pod_is_pinned_and_nothing_else() {
        let pod = json!({
            "initContainers": [{"image": "a:1"}], "containers": [{"image": "a:1"}, {"image": "b"}],
            "volumes": [{"image": {"reference": "a:1"}}, {"name": "a:1"}],
        });
        let value = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "a:1"},
            "spec": {"image": "a:1", "jobTemplate": {"spec": {"template": {"spec": pod}}}}});
        let mut object = Object { value, origin: Origin { source: "s".into(), file: None, line: 1 } };
        pin(&mut object, &Pins { digests: [("a:1".to_owned(), digest())].into(), as_written: Vec::new() });
        let pinned = format!("a:1@{}", digest());
        assert_eq!(
            object.value["spec"],
            json!({"image": "a:1", "jobTemplate": {"spec": {"template": {"spec": {
                "initContainers": [{"image": pinned}], "containers": [{"image": pinned}, {"image": "b"}],
                "volumes": [{"image": {"reference": pinned}}, {"name": "a:1"}],
            }}}}})
        );
    }

    #[test]
    fn a_given_digest_is_whole_or_refused() {
        let text = format!("registry.example.com/shop/web:1.4@{}", digest());
        let given: GivenDigest = text.parse().unwrap();
        assert_eq!(
            (given.image.to_string().as_str(), given.digest),
            ("registry.example.com/shop/web:1.4", digest())
        );
        for wrong in ["web", "web@sha256:ab", "@sha256:ab", "web:1@sha512:00", ""] {
            assert!(wrong.parse::<GivenDigest>().is_err(), "{wrong}");
        }
    }
}
