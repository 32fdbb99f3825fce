//! Which claims' files a copy begins with: those of what is no store, as far as they are not too large.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::{Object, is_subdomain};
use crate::parity::template_claims;
use crate::words::sized;

/// A claim's namespace and name.
pub type ClaimName = (String, String);

/// What is known of claims before copies are made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    /// Those whose files are copied, with the bytes that they take.
    pub copied: BTreeMap<ClaimName, u64>,
    /// Why others begin empty.
    pub empty: BTreeMap<ClaimName, String>,
}

impl Files {
    /// Decides which of `found`, with the bytes that they take, are copied: none that takes more than `limit`, and so many, the
    /// smallest first, as have room in the `free` bytes twice over: as they were taken, and as one way has them. Copies that
    /// share their blocks need no room: then `free` is none.
    pub fn choose(found: Vec<(ClaimName, u64)>, limit: u64, free: Option<u64>) -> Self {
        let mut files = Self::default();
        let mut found = found;
        found.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
        let mut total = 0_u64;
        for (claim, bytes) in found {
            let after = total.saturating_add(bytes);
            let needed = after.saturating_mul(2).saturating_add(after / 4);
            if bytes > limit {
                let why = format!("its files take {}, and --volumes-up-to is {}", sized(bytes), sized(limit));
                files.empty.insert(claim, why);
            } else if free.is_some_and(|free| needed > free) {
                let free = sized(free.unwrap_or_default());
                files.empty.insert(
                    claim,
                    format!("there is no room for its {} twice: {free} are free", sized(bytes)),
                );
            } else {
                total = after;
                files.copied.insert(claim, bytes);
            }
        }
        files
    }

    /// Bytes of all that is copied.
    pub fn bytes(&self) -> u64 {
        self.copied.values().sum()
    }
}

/// The claims that a workload's Pods mount, by the names of their volumes. What lives and dies with a Pod is none,
/// nor is what no API server takes as a name.
pub fn mounted(object: &Object) -> BTreeMap<String, BTreeSet<ClaimName>> {
    let name = |claim: &str| (object.namespace().to_owned(), claim.to_owned());
    let mut all = BTreeMap::new();
    let volumes = object.pod_template().and_then(|template| template.pointer("/spec/volumes")?.as_array());
    for volume in volumes.into_iter().flatten() {
        let claim = volume.pointer("/persistentVolumeClaim/claimName").and_then(serde_json::Value::as_str);
        if let (Some(volume), Some(claim)) = (volume["name"].as_str(), claim) {
            all.insert(volume.to_owned(), BTreeSet::from([name(claim)]));
        }
    }
    let replicas = object.value.pointer("/spec/replicas").and_then(serde_json::Value::as_u64).unwrap_or(1);
    let replicas = u32::try_from(replicas).unwrap_or(u32::MAX);
    let templates = object.value.pointer("/spec/volumeClaimTemplates").and_then(serde_json::Value::as_array);
    for template in templates.into_iter().flatten() {
        let Some(volume) = template.pointer("/metadata/name").and_then(serde_json::Value::as_str) else {
            continue;
        };
        let claims = template_claims(object, template, replicas).map(|claim| name(&claim));
        all.insert(volume.to_owned(), claims.collect());
    }
    for claims in all.values_mut() {
        claims.retain(|(namespace, claim)| is_subdomain(namespace) && is_subdomain(claim));
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::Origin;

    fn claim(name: &str) -> ClaimName {
        ("shop".into(), name.into())
    }

    #[test]
    fn what_is_too_large_or_has_no_room_begins_empty() {
        let found = || vec![(claim("large"), 30 << 20), (claim("huge"), 3 << 30), (claim("small"), 10 << 20)];
        let files = Files::choose(found(), 2 << 30, Some(100 << 30));
        assert_eq!(files.copied, [(claim("large"), 30 << 20), (claim("small"), 10 << 20)].into());
        assert_eq!(files.empty[&claim("huge")], "its files take 3.22 GB, and --volumes-up-to is 2.15 GB");
        let files = Files::choose(found(), 2 << 30, Some(80 << 20));
        assert_eq!(files.bytes(), 10 << 20, "the large one with the small one twice is more than is free");
        assert_eq!(files.empty[&claim("large")], "there is no room for its 31.5 MB twice: 83.9 MB are free");
        assert_eq!(Files::choose(found(), u64::MAX, None).empty, BTreeMap::new());
        let none = Files::choose(vec![(claim("nothing"), 0), (claim("small"), 1)], 0, None);
        assert_eq!((none.copied.len(), none.empty.len()), (1, 1), "nothing costs nothing");
    }

    #[test]
    fn claims_are_found_by_volumes_and_templates() {
        let value = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"},
            "spec": {
                "replicas": 2, "ordinals": {"start": 1}, "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
                "template": {"spec": {"volumes": [
                    {"name": "v", "persistentVolumeClaim": {"claimName": "files"}},
                    {"name": "x", "persistentVolumeClaim": {"claimName": "../../files"}}, {"name": "e", "emptyDir": {}},
                    {"name": "own", "ephemeral": {}},
                ]}},
            },
        });
        let object = Object { value, origin: Origin { source: String::new(), file: None, line: 0 } };
        let expected = [
            ("data".to_owned(), [claim("data-db-1"), claim("data-db-2")].into()),
            ("v".to_owned(), [claim("files")].into()),
            ("x".to_owned(), BTreeSet::new()),
        ];
        assert_eq!(mounted(&object), expected.into());
    }
}
