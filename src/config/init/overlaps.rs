//! Manifests that write the same objects again, as variants of a system and its parts in one file do: one is chosen.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use super::survey::{Yaml, display};

/// A place whose objects stand in a chosen one, too.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overlap {
    /// The place.
    pub(super) path: String,
    /// The chosen place that shares the most objects with it.
    pub(super) with: String,
    /// How many objects both have.
    pub(super) objects: usize,
}

/// Group, kind, namespace and name.
type Identity = [String; 4];

/// The places of which no two have an object in common, in their order, and those that were left for it. A place nearer to
/// the top goes before, then one with more objects.
pub(super) fn without(
    places: Vec<PathBuf>,
    manifests: &[PathBuf],
    reader: &mut Yaml<'_>,
) -> (Vec<PathBuf>, Vec<Overlap>) {
    let mut held: BTreeMap<&PathBuf, BTreeSet<Identity>> = BTreeMap::new();
    for place in &places {
        let objects = held.entry(place).or_default();
        for file in manifests.iter().filter(|file| file.starts_with(place)) {
            objects.extend(reader.documents(file).iter().flat_map(identities));
        }
    }
    let mut order: Vec<&PathBuf> = places.iter().collect();
    order.sort_by_key(|place| (place.components().count(), Reverse(held[place].len()), *place));
    let mut chosen: Vec<&PathBuf> = Vec::new();
    let mut left = Vec::new();
    for place in order {
        let common = |other: &PathBuf| held[place].intersection(&held[other]).count();
        match chosen.iter().map(|other| (common(other), *other)).max_by_key(|(count, _)| *count) {
            Some((objects @ 1.., other)) => {
                left.push(Overlap { path: display(place), with: display(other), objects });
            }
            _ => chosen.push(place),
        }
    }
    let chosen: BTreeSet<PathBuf> = chosen.into_iter().cloned().collect();
    left.sort_by(|one, other| one.path.cmp(&other.path));
    (places.into_iter().filter(|place| chosen.contains(place)).collect(), left)
}

/// What a document writes; the items of a List each.
fn identities(document: &Value) -> Vec<Identity> {
    if let Some(items) = document.get("items").and_then(Value::as_array) {
        return items.iter().flat_map(identities).collect();
    }
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let group = text("/apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
    let name = text("/metadata/name");
    if name.is_empty() {
        return Vec::new();
    }
    let namespace = Some(text("/metadata/namespace")).filter(|name| !name.is_empty()).unwrap_or("default");
    vec![[group, text("/kind"), namespace, name].map(str::to_owned)]
}
