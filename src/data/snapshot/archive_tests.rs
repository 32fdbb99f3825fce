//! Archives that someone else made: whatever is not exactly a snapshot is refused, and leaves nothing.

use std::io::Write;
use std::path::Path;

use super::catalogue_tests::{create, name, noise};
use super::*;

/// A snapshot's archive.
fn archive(root: &Path) -> Vec<u8> {
    let catalogue = Catalogue::open(root.join("source"));
    create(&catalogue, "small", &[("text", &b"order;customer\n".repeat(40)), ("noise", &noise(1, 300))]);
    catalogue.export(&name("small"), Vec::new()).unwrap()
}

/// An archive's entries.
fn entries(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    };
    tar.entries().unwrap().map(read).collect()
}

/// A tar's entry: its name as it is, its kind, the size it declares, its bytes.
type Part<'a> = (&'a str, tar::EntryType, u64, &'a [u8]);

/// An archive of these entries, however wrong.
fn forge(parts: &[Part]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for (name, kind, size, bytes) in parts {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(*size);
        header.set_mode(0o644);
        header.set_cksum();
        gzip.write_all(header.as_bytes()).unwrap();
        gzip.write_all(bytes).unwrap();
        gzip.write_all(&vec![0; (512 - bytes.len() % 512) % 512]).unwrap();
    }
    gzip.write_all(&[0; 1024]).unwrap();
    gzip.finish().unwrap()
}

/// Why an archive is refused; nothing of it is left.
fn refused(root: &Path, archive: &[u8]) -> Option<String> {
    let directory = root.join("target");
    let catalogue = Catalogue::open(&directory);
    let Err(error) = catalogue.import(archive, ReceiveOptions::default()) else {
        std::fs::remove_dir_all(&directory).unwrap();
        return None;
    };
    for folder in ["snapshots", "packs", "temporary"] {
        assert_eq!(std::fs::read_dir(directory.join(folder)).into_iter().flatten().count(), 0, "{folder}");
    }
    Some(error.to_string())
}

#[test]
fn an_archive_is_two_plain_files() {
    let root = tempfile::tempdir().unwrap();
    let archive = archive(root.path());
    let names: Vec<String> = entries(&archive).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["manifest.json", "chunks"]);
    assert_eq!(refused(root.path(), &archive), None);
    let catalogue = Catalogue::open(root.path().join("other"));
    let renamed = || ReceiveOptions { name: Some(name("renamed")), replace: false };
    let received = catalogue.import(&*archive, renamed()).unwrap();
    assert_eq!(received.manifest.name.as_str(), "renamed");
    assert_eq!(catalogue.verify(&name("renamed")).unwrap().streams, 2);
    assert!(matches!(catalogue.import(&*archive, renamed()), Err(SnapshotError::NameTaken { .. })));
    let again = catalogue.import(&*archive, ReceiveOptions { replace: true, ..renamed() }).unwrap();
    assert_eq!(again.added, Added::default());
}

#[test]
fn every_truncation_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let archive = archive(root.path());
    for length in 0..archive.len() {
        assert!(refused(root.path(), &archive[..length]).is_some(), "{length} bytes");
    }
    assert!(refused(root.path(), &[&archive[..], b"\0"].concat()).is_some());
    assert!(refused(root.path(), &[&archive[..], &archive].concat()).is_some());
}

#[test]
fn flipped_bits_are_refused_where_they_mean_something() {
    let root = tempfile::tempdir().unwrap();
    let archive = archive(root.path());
    let mut harmless = 0;
    for bit in (0..archive.len() * 8).step_by(11) {
        let mut flipped = archive.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if refused(root.path(), &flipped).is_none() {
            let catalogue = Catalogue::open(root.path().join("taken"));
            catalogue.import(&*flipped, ReceiveOptions { name: None, replace: true }).unwrap();
            assert!(catalogue.export(&name("small"), Vec::new()).unwrap() == archive, "bit {bit}");
            harmless += 1;
        }
    }
    // gzip's header has a time, a system and flags (RFC 1952, 2.3), a stored block fills a byte up (RFC 1951,
    // 3.2.4).
    assert!(harmless <= 8 + 2, "{harmless}");
}

#[test]
fn forged_archives_are_refused() {
    use tar::EntryType::{Directory, Fifo, GNULongName, Link, Regular, Symlink, XHeader};
    let root = tempfile::tempdir().unwrap();
    let whole = entries(&archive(root.path()));
    let (manifest, chunks) = (&whole[0].1[..], &whole[1].1[..]);
    let (long, short) = (chunks.len() as u64, manifest.len() as u64);
    let m: Part = ("manifest.json", Regular, short, manifest);
    let c: Part = ("chunks", Regular, long, chunks);
    assert_eq!(refused(root.path(), &forge(&[m, c])), None);
    let twice = [chunks, chunks].concat();
    let mut swapped = chunks.to_vec();
    swapped[41..].reverse();
    let table: &[(&[Part], &str)] = &[
        (&[], "`manifest.json` is missing"),
        (&[m], "`chunks` is missing"),
        (&[c, m], "entry `chunks` should be `manifest.json`"),
        (&[m, m, c], "entry `manifest.json` should be `chunks`"),
        (&[m, c, c], "something behind"),
        (&[m, c, ("more", Regular, 1, b"x")], "something behind"),
        (&[("../manifest.json", Regular, short, manifest), c], "`../manifest.json` should be"),
        (&[("/manifest.json", Regular, short, manifest), c], "`/manifest.json` should be"),
        (&[m, ("../chunks", Regular, long, chunks)], "`../chunks` should be"),
        (&[m, ("chunks", Symlink, 0, b"")], "not a plain file"),
        (&[m, ("chunks", Link, 0, b"")], "not a plain file"),
        (&[m, ("chunks", Fifo, 0, b"")], "not a plain file"),
        (&[("manifest.json", Directory, 0, b""), m, c], "not a plain file"),
        (&[("x", GNULongName, 1 << 40, b"long"), m, c], "`x` should be"),
        (&[("x", XHeader, 1 << 40, b"long"), m, c], "`x` should be"),
        (&[("manifest.json", Regular, 1 << 40, manifest), c], "larger than any"),
        (&[("manifest.json", Regular, short - 1, &manifest[..manifest.len() - 1]), c], "damaged"),
        (&[m, ("chunks", Regular, 1 << 40, chunks)], "is refused"),
        (&[m, ("chunks", Regular, long - 1, &chunks[..chunks.len() - 1])], "ends early"),
        (&[m, ("chunks", Regular, 0, b"")], "ends early"),
        (&[m, ("chunks", Regular, 2 * long, &twice)], "does not name"),
        (&[m, ("chunks", Regular, long, &swapped)], "is refused"),
    ];
    for (at, (parts, expected)) in table.iter().enumerate() {
        let text = refused(root.path(), &forge(parts)).unwrap_or_else(|| panic!("{at} is taken"));
        assert!(text.contains(expected), "{at}: {text}");
    }
}

#[test]
fn a_newer_archive_says_so() {
    let root = tempfile::tempdir().unwrap();
    let newer = br#"{"format": 2, "name": "x"}"#;
    let text = refused(
        root.path(),
        &forge(&[("manifest.json", tar::EntryType::Regular, newer.len() as u64, newer)]),
    );
    assert_eq!(
        text.unwrap(),
        "the archive's manifest has format 2; this version reads formats up to 1: update devcluster"
    );
}
