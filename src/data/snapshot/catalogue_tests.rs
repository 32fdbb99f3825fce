//! Catalogues as their users see them: what goes in comes out, once, and nothing else.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

use proptest::prelude::*;

use super::*;

/// Bytes that nothing compresses, the same for the same seed.
pub(super) fn noise(seed: u64, length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .take(length)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

pub(super) fn name(text: &str) -> SnapshotName {
    text.parse().unwrap()
}

pub(super) fn options() -> CreateOptions {
    CreateOptions::at("2026-11-25T21:00:00Z".parse().unwrap())
}

/// A snapshot of these streams.
pub(super) fn create(catalogue: &Catalogue, snapshot: &str, streams: &[(&str, &[u8])]) -> Created {
    let writer = catalogue.create(name(snapshot), options()).unwrap();
    for (path, contents) in streams {
        let mut stream = writer.stream(path.parse().unwrap(), BTreeMap::new()).unwrap();
        stream.write_all(contents).unwrap();
        stream.finish().unwrap();
    }
    writer.finish(BTreeMap::new()).unwrap()
}

pub(super) fn read(catalogue: &Catalogue, manifest: &Manifest, path: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    catalogue.read(manifest, &path.parse().unwrap())?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn names(catalogue: &Catalogue) -> Vec<String> {
    let listing = catalogue.list().unwrap();
    assert!(listing.damaged.is_empty());
    listing.snapshots.iter().map(|snapshot| snapshot.name.to_string()).collect()
}

/// Files below a directory but for the lock.
fn files(root: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for folder in ["packs", "snapshots", "temporary"] {
        let entries = std::fs::read_dir(root.join(folder)).into_iter().flatten();
        all.extend(entries.map(|entry| format!("{folder}/{}", entry.unwrap().file_name().display())));
    }
    all
}

/// Garbage is collected once no thread of a writer that was given up holds the catalogue any more.
fn collect(catalogue: &Catalogue) -> Collected {
    loop {
        match catalogue.collect_garbage() {
            Err(SnapshotError::Busy(_)) => std::thread::yield_now(),
            collected => return collected.unwrap(),
        }
    }
}

/// Streams of bytes that repeat in parts, as rows and files do.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    let part = (0..4u64, 0..700_000usize, any::<bool>()).prop_map(|(seed, length, text)| {
        if text { format!("{seed};row;").into_bytes().repeat(length / 6) } else { noise(seed, length as u64) }
    });
    proptest::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn create_load_create_gives_the_same_snapshot(
        streams in proptest::collection::btree_map("[a-z]{1,8}/[a-z.]{1,3}x", contents(), 0..5),
        compression in prop_oneof![Just(Compression::Zstd(1)), Just(Compression::Gzip), Just(Compression::Plain)],
    ) {
        let root = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::open(root.path().join("one"));
        let streams: Vec<(&str, &[u8])> = streams.iter().map(|(path, bytes)| (&**path, &**bytes)).collect();
        let first = create(&catalogue, "first", &streams).manifest;
        let other = Catalogue::open(root.path().join("other"));
        let writer = other.create(name("second"), CreateOptions { compression, ..options() }).unwrap();
        for (path, contents) in &streams {
            let bytes = read(&catalogue, &first, path).unwrap();
            prop_assert!(bytes == *contents);
            let mut stream = writer.stream(path.parse().unwrap(), BTreeMap::new()).unwrap();
            for piece in bytes.chunks(10_007) {
                stream.write_all(piece).unwrap();
            }
            stream.finish().unwrap();
        }
        let second = writer.finish(BTreeMap::new()).unwrap().manifest;
        prop_assert_eq!(first.content, second.content);
        prop_assert_eq!(&first.streams, &second.streams);
        let archive = other.export(&name("second"), Vec::new()).unwrap();
        let third = Catalogue::open(root.path().join("third"));
        let received = third.import(&*archive, ReceiveOptions::default()).unwrap();
        prop_assert_eq!(&received.manifest, &second);
        prop_assert_eq!(third.verify(&name("second")).unwrap().bytes, second.size());
        prop_assert!(third.export(&name("second"), Vec::new()).unwrap() == archive);
    }
}

/// What is done to a catalogue.
#[derive(Debug, Clone)]
enum Step {
    Create(u8, Vec<u64>),
    Remove(u8),
    Collect,
    Elsewhere(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4u8, proptest::collection::vec(0..6u64, 0..4)).prop_map(|(name, seeds)| Step::Create(name, seeds)),
        2 => (0..4u8).prop_map(Step::Remove),
        2 => Just(Step::Collect),
        1 => (0..4u8).prop_map(Step::Elsewhere),
    ]
}

/// A stream for each seed, of sizes that make some packs worth rewriting.
fn streams(seeds: &[u64]) -> BTreeMap<String, Vec<u8>> {
    seeds.iter().map(|seed| (format!("s/{seed}"), noise(*seed, 40_000 * (1 + seed * seed)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn whatever_is_done_snapshots_stay_whole(steps in proptest::collection::vec(step(), 1..14)) {
        let root = tempfile::tempdir().unwrap();
        let (here, there) = (root.path().join("here"), root.path().join("there"));
        let (catalogue, other) = (Catalogue::open(&here), Catalogue::open(&there));
        let mut model: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Create(snapshot, seeds) => {
                    let snapshot = format!("n{snapshot}");
                    let writer = catalogue.create(name(&snapshot), CreateOptions { replace: true, ..options() }).unwrap();
                    for (path, bytes) in streams(&seeds) {
                        let mut stream = writer.stream(path.parse().unwrap(), BTreeMap::new()).unwrap();
                        stream.write_all(&bytes).unwrap();
                        stream.finish().unwrap();
                    }
                    writer.finish(BTreeMap::new()).unwrap();
                    model.insert(snapshot, seeds);
                }
                Step::Remove(snapshot) => {
                    let snapshot = format!("n{snapshot}");
                    let removed = catalogue.remove(&name(&snapshot));
                    prop_assert_eq!(removed.is_ok(), model.remove(&snapshot).is_some());
                }
                Step::Collect => drop(collect(&Catalogue::open(&here))),
                Step::Elsewhere(snapshot) => {
                    let snapshot = name(&format!("n{snapshot}"));
                    let replace = ReceiveOptions { name: None, replace: true };
                    let pushed = catalogue.push(&snapshot, &other, replace);
                    prop_assert_eq!(pushed.is_ok(), model.contains_key(snapshot.as_str()));
                }
            }
            for (snapshot, seeds) in &model {
                let manifest = catalogue.find(&name(snapshot)).unwrap();
                prop_assert_eq!(manifest.streams.len(), streams(seeds).len());
                for (path, bytes) in streams(seeds) {
                    prop_assert!(read(&catalogue, &manifest, &path).unwrap() == bytes);
                }
            }
        }
        for snapshot in other.list().unwrap().snapshots {
            other.verify(&snapshot.name).unwrap();
        }
        let names: Vec<String> = model.keys().cloned().collect();
        prop_assert_eq!(self::names(&catalogue), names);
    }
}

#[test]
fn a_second_snapshot_stores_what_changed() {
    let root = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::open(root.path());
    let mut bytes = noise(1, 24 << 20);
    let first = create(&catalogue, "monday", &[("volume/data", &bytes), ("postgres/a", b"1\n")]);
    assert!(first.added.bytes >= 24 << 20);
    let same = create(&catalogue, "same", &[("volume/data", &bytes), ("postgres/a", b"1\n")]);
    assert_eq!((same.added, same.manifest.content), (Added::default(), first.manifest.content));
    bytes[9_000_000..9_000_000 + 240_000].fill(7);
    let second = create(&catalogue, "tuesday", &[("volume/data", &bytes), ("postgres/b", b"1\n")]);
    assert!(second.added.bytes < 2 << 20, "{:?}", second.added);

    let difference = catalogue.diff(&name("monday"), &name("tuesday")).unwrap();
    assert_eq!(difference.added, [("postgres/b".parse().unwrap(), 2)]);
    assert_eq!(difference.removed, [("postgres/a".parse().unwrap(), 2)]);
    assert_eq!((difference.changed.len(), difference.same), (1, 0));
    assert_eq!(difference.shared + difference.new, second.manifest.size());
    assert!(difference.shared > 20 << 20);
    let inspection = catalogue.inspect(&name("tuesday")).unwrap();
    assert_eq!((inspection.own, inspection.missing), (second.added.bytes, 0));
    assert!(inspection.stored > 22 << 20);
}

#[test]
fn streams_may_be_written_at_once() {
    let root = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::open(root.path());
    let writer = catalogue.create(name("many"), options()).unwrap();
    std::thread::scope(|scope| {
        for seed in 0..6 {
            let mut stream = writer.stream(format!("s/{seed}").parse().unwrap(), BTreeMap::new()).unwrap();
            scope.spawn(move || {
                stream.write_all(&noise(seed / 2, 3 << 20)).unwrap();
                stream.attribute("rows", 5);
                stream.finish().unwrap();
            });
        }
    });
    let created = writer.finish(BTreeMap::new()).unwrap();
    assert!(created.added.bytes <= 9 << 20, "what two streams share is stored once");
    for seed in 0..6 {
        assert!(
            read(&catalogue, &created.manifest, &format!("s/{seed}")).unwrap() == noise(seed / 2, 3 << 20)
        );
    }
    assert_eq!(created.manifest.streams[0].attributes["rows"], 5);
}

#[test]
fn names_are_kept_apart() {
    let root = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::open(root.path().join("not-there-yet"));
    assert_eq!(names(&catalogue), [""; 0]);
    let none = catalogue.find(&name("shop")).unwrap_err().to_string();
    assert!(none.ends_with("there are none"), "{none}");
    create(&catalogue, "shop-small", &[("a", b"1")]);
    create(&catalogue, "empty", &[]);
    assert_eq!(names(&catalogue), ["empty", "shop-small"]);
    let texts = ["shop-smal", "shop", "x"].map(|wrong| catalogue.find(&name(wrong)).unwrap_err().to_string());
    assert!(texts[0].ends_with("did you mean `shop-small`?"), "{}", texts[0]);
    assert!(texts[1].ends_with("did you mean `shop-small`?"), "{}", texts[1]);
    assert!(texts[2].ends_with("there are: `empty`, `shop-small`"), "{}", texts[2]);

    let taken = catalogue.create(name("shop-small"), options()).unwrap_err();
    assert!(matches!(taken, SnapshotError::NameTaken { .. }), "{taken}");
    let replace = CreateOptions { replace: true, ..options() };
    let empty = catalogue.create(name("shop-small"), replace).unwrap().finish(BTreeMap::new()).unwrap();
    assert_eq!(catalogue.find(&name("shop-small")).unwrap(), empty.manifest);
    catalogue.remove(&name("shop-small")).unwrap();
    assert!(matches!(catalogue.remove(&name("shop-small")), Err(SnapshotError::Unknown { .. })));
}

#[test]
fn of_two_that_create_the_same_name_one_has_it() {
    let root = tempfile::tempdir().unwrap();
    let bytes = noise(3, 5 << 20);
    let made: Vec<Result<Created, SnapshotError>> = std::thread::scope(|scope| {
        let threads = [0, 1].map(|_| {
            scope.spawn(|| {
                let catalogue = Catalogue::open(root.path());
                let writer = catalogue.create(name("both"), options())?;
                let mut stream = writer.stream("a".parse()?, BTreeMap::new())?;
                stream.write_all(&bytes).unwrap();
                stream.finish()?;
                writer.finish(BTreeMap::new())
            })
        });
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    assert!(made.iter().any(|made| matches!(made, Err(SnapshotError::NameTaken { .. }))));
    let catalogue = Catalogue::open(root.path());
    assert_eq!(catalogue.verify(&name("both")).unwrap(), Verified { streams: 1, bytes: 5 << 20 });
}

#[test]
fn what_a_killed_create_leaves_is_no_snapshot_and_is_collected() {
    let root = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::open(root.path());
    let kept = create(&catalogue, "kept", &[("a", &noise(1, 2 << 20))]).manifest;
    let before = files(root.path());
    let writer = catalogue.create(name("killed"), options()).unwrap();
    let mut stream = writer.stream("a".parse().unwrap(), BTreeMap::new()).unwrap();
    stream.write_all(&noise(2, 40 << 20)).unwrap();
    assert!(matches!(catalogue.collect_garbage(), Err(SnapshotError::Busy(_))));
    drop(writer);
    drop(stream);
    std::fs::write(root.path().join("temporary/.tmpleft"), b"half a pack").unwrap();
    assert_eq!(names(&catalogue), ["kept"]);
    let collected = collect(&catalogue);
    assert_eq!((collected.packs, collected.drafts), (1, 1));
    assert_eq!(files(root.path()), before);
    assert!(read(&catalogue, &kept, "a").unwrap() == noise(1, 2 << 20));
}

#[test]
fn a_writer_with_an_open_stream_does_not_finish() {
    let root = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::open(root.path());
    let writer = catalogue.create(name("x"), options()).unwrap();
    drop(writer.stream("a".parse().unwrap(), BTreeMap::new()).unwrap());
    assert!(matches!(
        writer.stream("a".parse().unwrap(), BTreeMap::new()),
        Err(SnapshotError::StreamTaken(_))
    ));
    assert!(
        matches!(writer.finish(BTreeMap::new()), Err(SnapshotError::Unfinished(paths)) if paths.len() == 1)
    );
    assert_eq!(names(&catalogue), [""; 0]);
}

#[test]
fn garbage_goes_and_what_is_used_stays() {
    let root = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::open(root.path());
    let (common, large) = (noise(1, 3 << 20), noise(2, 20 << 20));
    create(&catalogue, "first", &[("common", &common), ("large", &large)]);
    let second = create(&catalogue, "second", &[("common", &common), ("own", &noise(3, 1 << 20))]).manifest;
    assert_eq!(collect(&catalogue), Collected::default());
    catalogue.remove(&name("first")).unwrap();
    let reader = catalogue.read(&second, &"own".parse().unwrap()).unwrap();
    assert!(matches!(catalogue.collect_garbage(), Err(SnapshotError::Busy(_))));
    drop(reader);
    let collected = collect(&catalogue);
    assert_eq!(collected.packs, 1);
    assert!((19 << 20..21 << 20).contains(&collected.bytes), "{collected:?}");
    // Another catalogue's memory of the packs may be older than the garbage collection.
    assert!(read(&catalogue, &second, "common").unwrap() == common);
    assert_eq!(catalogue.verify(&name("second")).unwrap().streams, 2);
    catalogue.remove(&name("second")).unwrap();
    collect(&catalogue);
    assert!(files(root.path()).is_empty());
}

#[test]
fn pushing_and_pulling_move_what_is_missing() {
    let root = tempfile::tempdir().unwrap();
    let (here, there) =
        (Catalogue::open(root.path().join("here")), Catalogue::open(root.path().join("there")));
    let mut bytes = noise(1, 4 << 20);
    create(&here, "first", &[("a", &bytes)]);
    bytes.extend_from_slice(&noise(2, 1000));
    create(&here, "second", &[("a", &bytes)]);
    let sent = here.push(&name("first"), &there, ReceiveOptions::default()).unwrap();
    assert_eq!(sent.added.bytes, 4 << 20);
    let renamed = ReceiveOptions { name: Some(name("other")), replace: false };
    let sent = here.push(&name("second"), &there, renamed.clone()).unwrap();
    assert!(sent.added.bytes < 2 << 20);
    assert!(matches!(here.push(&name("second"), &there, renamed), Err(SnapshotError::NameTaken { .. })));
    let again = here.pull(&name("other"), &there, ReceiveOptions::default()).unwrap();
    assert_eq!((again.added, again.manifest.content), (Added::default(), sent.manifest.content));
    assert!(read(&there, &sent.manifest, "a").unwrap() == bytes);
}
