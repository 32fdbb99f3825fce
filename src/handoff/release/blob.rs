//! Objects' texts as blobs named by their hashes, and several blobs packed for one object of the API server.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::manifest::ObjectId;

use super::error::ReleaseError;

/// The most bytes of blobs in one pack; the API server takes 1 MiB.
const PACK_LIMIT: usize = 900 * 1024;
/// The most that one blob may come to, alone in its pack.
const BLOB_LIMIT: usize = 1_000_000;
/// The most bytes that a blob is uncompressed to: no object of an API server is larger.
const MOST: usize = 8 << 20;
/// How many random bytes a Secret's blob begins with.
pub const SALT: usize = 32;

/// A text under its hash, compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// BLAKE3 of what it holds, hex.
    pub hash: String,
    /// What it holds, compressed.
    pub packed: Vec<u8>,
}

impl Blob {
    /// The blob of an object.
    pub fn of(object: &Value) -> Self {
        Self::new(object.to_string().as_bytes())
    }

    /// The blob of a Secret, behind random bytes: equal Secrets have unequal blobs, and the hash tells nothing.
    pub fn of_secret(object: &Value, salt: [u8; SALT]) -> Self {
        Self::new(&[&salt[..], object.to_string().as_bytes()].concat())
    }

    fn new(held: &[u8]) -> Self {
        let packed = zstd::bulk::compress(held, 3).unwrap_or_default();
        Self { hash: blake3::hash(held).to_hex().to_string(), packed }
    }
}

/// The object in a blob, which is held against its hash. Says in a few words what is wrong with it.
pub fn open(hash: &str, packed: &[u8], secret: bool) -> Result<Value, String> {
    let held = zstd::bulk::decompress(packed, MOST).map_err(|_| "cannot be uncompressed".to_owned())?;
    if blake3::hash(&held).to_hex().as_str() != hash {
        return Err("is not what was written: its hash is another".into());
    }
    let text = held.get(if secret { SALT } else { 0 }..).unwrap_or_default();
    serde_json::from_slice(text).map_err(|_| "is no object".to_owned())
}

/// Several blobs in one object of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// Its name, which its blobs' hashes give.
    pub name: String,
    /// Compressed, by hash.
    pub blobs: BTreeMap<String, Vec<u8>>,
}

impl Pack {
    fn new(before: &str, blobs: BTreeMap<String, Vec<u8>>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for hash in blobs.keys() {
            hasher.update(hash.as_bytes());
        }
        Self { name: format!("{before}-{}", &hasher.finalize().to_hex()[..20]), blobs }
    }
}

/// As few packs as hold the blobs. `before` is what their names begin with.
pub fn packs(before: &str, blobs: Vec<(ObjectId, Blob)>) -> Result<Vec<Pack>, ReleaseError> {
    let too_large: Vec<String> = blobs
        .iter()
        .filter(|(_, blob)| blob.packed.len() > BLOB_LIMIT)
        .map(|(id, _)| id.to_string())
        .collect();
    if !too_large.is_empty() {
        return Err(ReleaseError::TooLarge { objects: too_large });
    }
    let all: BTreeMap<String, Vec<u8>> =
        blobs.into_iter().map(|(_, blob)| (blob.hash, blob.packed)).collect();
    let (mut packs, mut open, mut size) = (Vec::new(), BTreeMap::new(), 0);
    for (hash, packed) in all {
        let own = hash.len() + packed.len();
        if size + own > PACK_LIMIT && !open.is_empty() {
            packs.push(Pack::new(before, std::mem::take(&mut open)));
            size = 0;
        }
        size += own;
        open.insert(hash, packed);
    }
    if !open.is_empty() {
        packs.push(Pack::new(before, open));
    }
    Ok(packs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn id(name: &str) -> ObjectId {
        ObjectId { group: String::new(), kind: "ConfigMap".into(), namespace: "n".into(), name: name.into() }
    }

    #[test]
    fn a_secrets_hash_tells_nothing_and_opens_again() {
        let secret = json!({"kind": "Secret", "stringData": {"word": "hunter2"}});
        let (one, other) = (Blob::of_secret(&secret, [1; SALT]), Blob::of_secret(&secret, [2; SALT]));
        assert_ne!(one.hash, other.hash);
        assert_ne!(one.hash, Blob::of(&secret).hash);
        assert_eq!(open(&one.hash, &one.packed, true), Ok(secret));
        assert!(open(&one.hash, &other.packed, true).unwrap_err().contains("hash"));
        assert!(open(&one.hash, b"", true).is_err());
    }

    #[test]
    fn what_would_fill_memory_is_refused() {
        let packed = zstd::bulk::compress(&vec![b' '; MOST + 1], 3).unwrap();
        assert_eq!(open("x", &packed, false).unwrap_err(), "cannot be uncompressed");
    }

    #[test]
    fn an_object_that_no_pack_holds_is_named() {
        let blob = Blob { hash: "a".into(), packed: vec![0; BLOB_LIMIT + 1] };
        let error = packs("p", vec![(id("large"), blob)]).unwrap_err().to_string();
        assert!(error.contains("ConfigMap n/large"), "{error}");
    }

    proptest! {
        #[test]
        fn every_blob_is_in_one_pack_below_the_limit(sizes in prop::collection::vec(0_usize..400_000, 0..12)) {
            let blobs: Vec<(ObjectId, Blob)> = sizes.iter().enumerate().map(|(n, size)| {
                let hash = blake3::hash(&n.to_le_bytes()).to_hex().to_string();
                (id(&n.to_string()), Blob { hash, packed: vec![0; *size] })
            }).collect();
            let mut again = blobs.clone();
            again.reverse();
            let made = packs("p", blobs).unwrap();
            prop_assert_eq!(&made, &packs("p", again).unwrap());
            prop_assert_eq!(made.iter().map(|pack| pack.blobs.len()).sum::<usize>(), sizes.len());
            for pack in &made {
                let size: usize = pack.blobs.iter().map(|(hash, packed)| hash.len() + packed.len()).sum();
                prop_assert!(size <= PACK_LIMIT);
            }
            let names: std::collections::BTreeSet<_> = made.iter().map(|pack| &pack.name).collect();
            prop_assert_eq!(names.len(), made.len());
        }

        #[test]
        fn nothing_that_comes_panics(hash: String, packed: Vec<u8>, secret: bool) {
            let _ = open(&hash, &packed, secret);
        }
    }
}
