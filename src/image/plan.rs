//! Pure: which names a node lacks and which layers must go there.

use std::collections::{BTreeMap, BTreeSet};

use super::node::ImageRecords;
use super::oci;

/// The names among `names` that do not stand for `manifest` on a node, or that the kubelet does not see.
pub(super) fn missing_names<'a>(records: &ImageRecords, names: &'a [String], manifest: &str) -> Vec<&'a str> {
    names
        .iter()
        .filter(|name| !records.get(*name).is_some_and(|is| is.digest == manifest && is.seen_by_kubelet))
        .map(String::as_str)
        .collect()
}

/// The layers of an image that a node lacks: those whose chain is not unpacked there.
pub(super) fn missing_layers(diff_ids: &[String], unpacked: &BTreeSet<String>) -> BTreeSet<String> {
    diff_ids
        .iter()
        .zip(oci::chain_ids(diff_ids))
        .filter(|(_, chain)| !unpacked.contains(chain))
        .map(|(diff_id, _)| diff_id.clone())
        .collect()
}

/// How many bytes layers come to.
pub(super) fn bytes(layers: &BTreeSet<String>, sizes: &BTreeMap<String, u64>) -> u64 {
    layers.iter().filter_map(|layer| sizes.get(layer)).sum()
}

#[cfg(test)]
mod tests {
    use super::super::node::ImageRecord;
    use super::*;

    #[test]
    fn a_name_must_stand_for_the_bytes_and_be_seen() {
        let record = |digest: &str, seen| ImageRecord {
            digest: digest.into(),
            media_type: String::new(),
            seen_by_kubelet: seen,
        };
        let records = ImageRecords::from([
            ("good".into(), record("m", true)),
            ("old".into(), record("n", true)),
            ("unseen".into(), record("m", false)),
        ]);
        let names: Vec<String> = ["absent", "good", "old", "unseen"].map(Into::into).into();
        assert_eq!(missing_names(&records, &names, "m"), ["absent", "old", "unseen"]);
    }

    #[test]
    fn a_layer_counts_with_what_is_beneath_it() {
        let ids: Vec<String> = ["sha256:a", "sha256:b"].map(Into::into).into();
        let unpacked = BTreeSet::from(["sha256:a".to_owned(), "sha256:b".to_owned()]);
        assert_eq!(
            missing_layers(&ids, &unpacked),
            BTreeSet::from(["sha256:b".to_owned()]),
            "b alone is another chain"
        );
        let whole: BTreeSet<String> = oci::chain_ids(&ids).into_iter().collect();
        assert!(missing_layers(&ids, &whole).is_empty());
    }
}
