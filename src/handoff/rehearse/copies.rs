//! The namespaces of a copy by those of production.

use std::collections::BTreeMap;

use crate::manifest::Object;

/// What the names of copies begin with.
const PREFIX: &str = "devcluster-rehearse-";
/// The namespace of a rehearsal's own Pods, beside the copies: no namespace's copy has this name.
pub const GROUND: &str = "devcluster-rehearse";
/// The longest name of a namespace.
const LONGEST: usize = 63;

/// Which namespace is the copy of which.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copies(BTreeMap<String, String>);

impl Copies {
    /// A copy of each namespace in which something makes Pods.
    pub fn of<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Self {
        let workloads = objects.into_iter().filter(|object| object.pod_template().is_some());
        Self(workloads.map(|object| (object.namespace().to_owned(), name(object.namespace()))).collect())
    }

    /// The copy of a namespace.
    pub fn get(&self, namespace: &str) -> Option<&str> {
        self.0.get(namespace).map(String::as_str)
    }

    /// The copy of the namespace that is meant where none is named: of `default`, or the only one.
    pub fn unnamed(&self) -> Option<&str> {
        let mut copies = self.0.values();
        match (self.get("default"), copies.next(), copies.next()) {
            (Some(copy), ..) => Some(copy),
            (None, Some(only), None) => Some(only),
            _ => None,
        }
    }

    /// All of them: production's first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(own, copy)| (own.as_str(), copy.as_str()))
    }
}

fn name(namespace: &str) -> String {
    let whole = format!("{PREFIX}{namespace}");
    if whole.len() <= LONGEST {
        return whole;
    }
    let digest = blake3::hash(namespace.as_bytes()).to_hex();
    format!("{}-{}", whole[..LONGEST - 9].trim_end_matches('-'), &digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        assert_eq!(name("shop"), "devcluster-rehearse-shop");
        let long = "a".repeat(62);
        let (one, other) = (name(&(long.clone() + "b")), name(&(long + "c")));
        assert_eq!((one.len(), other.len()), (63, 63));
        assert_ne!(one, other);
    }
}
