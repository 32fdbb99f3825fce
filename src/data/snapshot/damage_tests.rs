//! Damage of every kind is told, and never handed out as data.

use std::fs;
use std::path::{Path, PathBuf};

use super::catalogue_tests::{create, name, noise, read};
use super::*;

/// The only file of a folder.
fn only(root: &Path, folder: &str) -> PathBuf {
    let mut entries = fs::read_dir(root.join(folder)).unwrap();
    let path = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    path
}

/// A catalogue with one small snapshot, and its pack.
fn small() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let root = tempfile::tempdir().unwrap();
    let text = b"order;customer\n".repeat(40);
    create(&Catalogue::open(root.path()), "small", &[("text", &text), ("noise", &noise(1, 300))]);
    let pack = only(root.path(), "packs");
    let bytes = fs::read(&pack).unwrap();
    (root, pack, bytes)
}

/// Either the snapshot is refused, or nothing in it has changed.
fn refused_or_same(root: &Path) -> bool {
    let catalogue = Catalogue::open(root);
    let refused = catalogue.verify(&name("small")).is_err();
    let manifest = catalogue.find(&name("small")).unwrap();
    if !refused {
        assert!(read(&catalogue, &manifest, "text").unwrap() == b"order;customer\n".repeat(40));
        assert!(read(&catalogue, &manifest, "noise").unwrap() == noise(1, 300));
    }
    refused
}

#[test]
fn a_pack_cut_off_anywhere_is_refused() {
    let (root, pack, bytes) = small();
    for length in 0..bytes.len() {
        fs::write(&pack, &bytes[..length]).unwrap();
        assert!(refused_or_same(root.path()), "{length} bytes");
    }
    fs::write(&pack, [&bytes[..], b"\0"].concat()).unwrap();
    assert!(refused_or_same(root.path()));
    fs::remove_file(&pack).unwrap();
    assert!(refused_or_same(root.path()));
}

#[test]
fn flipped_bits_of_a_pack_are_refused() {
    let (root, pack, bytes) = small();
    let mut harmless = Vec::new();
    for bit in (0..bytes.len() * 8).step_by(5) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&pack, &flipped).unwrap();
        if !refused_or_same(root.path()) {
            harmless.push(bit);
        }
    }
    // Zstandard's frame header has a bit without meaning (RFC 8878, 3.1.1.1.1.3), and sizes can be written in
    // several ways.
    assert!(harmless.len() <= 4, "{harmless:?}");
}

#[test]
fn a_damaged_chunk_is_told_with_its_place() {
    let root = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::open(root.path());
    let bytes = noise(1, 4 << 20);
    let manifest = create(&catalogue, "large", &[("a/good", b"x"), ("volume/data", &bytes)]).manifest;
    let pack = only(root.path(), "packs");
    let mut packed = fs::read(&pack).unwrap();
    let third: u32 = manifest.streams[1].chunks[..2].iter().map(|chunk| chunk.size).sum();
    let needle = &bytes[third as usize..][..64];
    let at = packed.windows(64).position(|window| window == needle).unwrap();
    packed[at + 70] ^= 1;
    fs::write(&pack, &packed).unwrap();

    let error = read(&catalogue, &manifest, "volume/data").unwrap_err().downcast::<SnapshotError>().unwrap();
    let SnapshotError::DamagedChunk { place, .. } = &error else { panic!("{error}") };
    assert_eq!((place.offset, place.stream.as_str()), (u64::from(third), "volume/data"));
    let SnapshotError::Faulty { faults, .. } = catalogue.verify(&name("large")).unwrap_err() else {
        panic!()
    };
    assert_eq!(faults.len(), 1);
    assert!(faults[0].to_string().contains("snapshot `large`, stream volume/data, byte"), "{}", faults[0]);
    assert!(read(&catalogue, &manifest, "a/good").is_ok());
    let exported = catalogue.export(&name("large"), Vec::new());
    assert!(matches!(exported, Err(SnapshotError::DamagedChunk { .. })));
    let there = Catalogue::open(root.path().join("there"));
    assert!(catalogue.push(&name("large"), &there, ReceiveOptions::default()).is_err());
    assert!(there.list().unwrap().snapshots.is_empty());

    // What is damaged is thought to be there until it is dropped; then any snapshot that has it heals this one.
    assert_eq!(create(&catalogue, "other", &[("data", &bytes)]).added, Added::default());
    let names = ["large", "other"].map(name);
    for damage in [catalogue.damage().unwrap(), catalogue.drop_damaged().unwrap()] {
        assert_eq!((damage.packs.len(), damage.packs[0].chunks), (1, Some(1)));
        assert_eq!((damage.manifests.len(), damage.lacking.as_slice()), (0, names.as_slice()));
    }
    assert!(catalogue.damage().unwrap().is_none());
    assert_eq!(catalogue.inspect(&name("large")).unwrap().missing, 1);
    assert_eq!(create(&catalogue, "healing", &[("data", &bytes)]).added.chunks, 1);
    for whole in ["large", "other", "healing"] {
        catalogue.verify(&name(whole)).unwrap();
    }
    let damage = catalogue.drop_damaged().unwrap();
    assert!(damage.is_none() && damage.lacking.is_empty());
}

#[test]
fn what_is_missing_is_stored_again_by_the_next_create() {
    let (root, pack, bytes) = small();
    fs::write(&pack, &bytes[..100]).unwrap();
    let catalogue = Catalogue::open(root.path());
    let error = catalogue.verify(&name("small")).unwrap_err().to_string();
    assert!(error.contains("is missing from") && error.contains("packs that cannot be read"), "{error}");
    assert_eq!(catalogue.inspect(&name("small")).unwrap().missing, 2);
    assert_eq!(catalogue.collect_garbage().unwrap(), Collected::default(), "it may yet be of use");
    let text = b"order;customer\n".repeat(40);
    create(&catalogue, "again", &[("noise", &noise(1, 300)), ("text", &text)]);
    assert_eq!(catalogue.verify(&name("small")).unwrap().streams, 2);
    catalogue.collect_garbage().unwrap();
    assert_eq!(fs::read_dir(root.path().join("packs")).unwrap().count(), 1);
}

#[test]
fn a_damaged_or_newer_manifest_hides_no_other_and_stops_the_collection() {
    let (root, ..) = small();
    let catalogue = Catalogue::open(root.path());
    fs::write(root.path().join("snapshots/newer.json"), r#"{"format": 7}"#).unwrap();
    let stolen = fs::read(root.path().join("snapshots/small.json")).unwrap();
    fs::write(root.path().join("snapshots/stolen.json"), stolen).unwrap();
    fs::write(root.path().join("snapshots/Notes.txt"), b"").unwrap();
    let listing = catalogue.list().unwrap();
    assert_eq!(listing.snapshots.len(), 1);
    let texts: Vec<String> = listing.damaged.iter().map(ToString::to_string).collect();
    assert!(texts[0].contains("has format 7") && texts[0].contains("update devcluster"), "{}", texts[0]);
    assert!(texts[1].contains("it is that of snapshot `small`"), "{}", texts[1]);
    assert!(matches!(catalogue.collect_garbage(), Err(SnapshotError::Newer { .. })));
    assert!(catalogue.verify(&name("small")).is_ok());
}

#[test]
fn what_is_damaged_and_only_that_is_taken_away() {
    let (root, pack, bytes) = small();
    let catalogue = Catalogue::open(root.path());
    let snapshots = root.path().join("snapshots");
    fs::write(snapshots.join("newer.json"), r#"{"format": 7}"#).unwrap();
    fs::write(snapshots.join("notes.json"), b"{}").unwrap();
    fs::write(snapshots.join("README"), b"mine").unwrap();
    create(&catalogue, "whole", &[("noise", &noise(2, 300))]);
    fs::write(&pack, &bytes[..100]).unwrap();
    let before = Catalogue::open(root.path()).damage().unwrap();
    assert_eq!(before.packs.iter().map(|pack| pack.chunks).collect::<Vec<_>>(), [None]);
    assert!(pack.exists() && snapshots.join("notes.json").exists(), "looking takes nothing away");
    let catalogue = Catalogue::open(root.path());
    let damage = catalogue.drop_damaged().unwrap();
    let manifests: Vec<&str> = damage.manifests.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((manifests, damage.lacking), (vec!["notes"], vec![name("small")]));
    assert!(!pack.exists() && !snapshots.join("notes.json").exists());
    let mut left: Vec<_> = fs::read_dir(&snapshots).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["README", "newer.json", "small.json", "whole.json"]);
    catalogue.verify(&name("whole")).unwrap();
    assert!(catalogue.damage().unwrap().is_none());
}
