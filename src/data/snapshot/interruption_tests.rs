//! Work that fails or is cut short at any of its steps: nothing half-made shows, what was there stays, and
//! the next try succeeds.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::NamedTempFile;

use super::catalogue_tests::{create, name, noise, options};
use super::*;

/// A directory whose operations succeed so many times, and then no more.
#[derive(Debug)]
struct Failing {
    directory: Directory,
    left: AtomicUsize,
}

impl Failing {
    fn step(&self) -> io::Result<()> {
        let taken = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        taken.map(drop).map_err(|_| io::ErrorKind::StorageFull.into())
    }
}

impl Objects for Failing {
    fn list(&self, folder: &str) -> io::Result<Vec<Object>> {
        self.directory.list(folder)
    }

    fn read(&self, key: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.directory.read(key, offset, length)
    }

    fn draft(&self) -> io::Result<NamedTempFile> {
        self.step()?;
        self.directory.draft()
    }

    fn publish(&self, draft: NamedTempFile, key: &str, replace: bool) -> io::Result<()> {
        self.step()?;
        self.directory.publish(draft, key, replace)
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        self.step()?;
        self.directory.remove(key)
    }

    fn hold(&self, hold: Hold) -> io::Result<Guard> {
        self.directory.hold(hold)
    }

    fn sweep(&self) -> io::Result<usize> {
        self.directory.sweep()
    }

    fn reads(&self) -> Reads {
        Reads { at_once: 3, bytes: 1 << 20 }
    }

    fn shown(&self, key: &str) -> String {
        self.directory.shown(key)
    }
}

/// Does some work on a catalogue whose directory fails after 0, 1, 2, … steps, until it succeeds; after each
/// failure the snapshots that are named have to be whole, and there have to be no others. Says how often it
/// failed.
fn at_every_step(
    before: impl Fn(&Catalogue),
    whole: &[&str],
    work: impl Fn(&Catalogue) -> Result<(), SnapshotError>,
) -> usize {
    for steps in 0.. {
        let root = tempfile::tempdir().unwrap();
        let healthy = Catalogue::open(root.path());
        before(&healthy);
        let objects = Failing { directory: Directory::new(root.path()), left: AtomicUsize::new(steps) };
        match work(&Catalogue::over(Arc::new(objects))) {
            Ok(()) => return steps,
            Err(SnapshotError::DiskFull { .. } | SnapshotError::Io { .. }) => {}
            Err(error) => panic!("after {steps} steps: {error}"),
        }
        let listing = healthy.list().unwrap();
        let names: Vec<&str> = listing.snapshots.iter().map(|snapshot| snapshot.name.as_str()).collect();
        assert!(listing.damaged.is_empty() && names == whole, "after {steps} steps: {names:?}");
        for snapshot in whole {
            healthy.verify(&name(snapshot)).unwrap();
        }
        work(&healthy).unwrap();
        for snapshot in whole {
            healthy.verify(&name(snapshot)).unwrap();
        }
    }
    unreachable!("the work never succeeds");
}

fn try_create(
    catalogue: &Catalogue,
    snapshot: &str,
    bytes: &[u8],
    replace: bool,
) -> Result<(), SnapshotError> {
    let options = CreateOptions { replace, ..options() };
    let writer = catalogue.create(name(snapshot), options)?;
    let mut stream = writer.stream("volume/data".parse()?, [].into())?;
    let written = io::Write::write_all(&mut stream, bytes).map_err(|error| error.downcast().unwrap());
    written.and_then(|()| stream.finish())?;
    writer.finish([].into()).map(drop)
}

#[test]
fn create_fails_at_every_step_without_a_trace() {
    let (old, new) = (noise(1, 1 << 20), noise(2, 34 << 20));
    let before = |catalogue: &Catalogue| drop(create(catalogue, "old", &[("volume/data", &old)]));
    let failed = at_every_step(before, &["old"], |catalogue| try_create(catalogue, "new", &new, false));
    assert_eq!(failed, 6, "two packs and a manifest, each begun and published");
    let failed = at_every_step(before, &["old"], |catalogue| try_create(catalogue, "old", &new, true));
    assert_eq!(failed, 6);
}

#[test]
fn import_fails_at_every_step_without_a_trace() {
    let root = tempfile::tempdir().unwrap();
    let source = Catalogue::open(root.path());
    create(&source, "new", &[("volume/data", &noise(2, 3 << 20))]);
    let archive = source.export(&name("new"), Vec::new()).unwrap();
    let before = |catalogue: &Catalogue| drop(create(catalogue, "old", &[("volume/data", b"old")]));
    let import = |catalogue: &Catalogue| catalogue.import(&*archive, ReceiveOptions::default()).map(drop);
    assert_eq!(at_every_step(before, &["old"], import), 4);
    let push =
        |catalogue: &Catalogue| source.push(&name("new"), catalogue, ReceiveOptions::default()).map(drop);
    assert_eq!(at_every_step(before, &["old"], push), 4);
}

#[test]
fn the_garbage_collection_fails_at_every_step_without_harm() {
    // The pack that is written anew comes before the old one in the order of names, or behind it.
    for seed in 0..6 {
        let (common, large) = (noise(seed, 1 << 18), noise(100 + seed, 1 << 20));
        let before = |catalogue: &Catalogue| {
            create(catalogue, "first", &[("large", &large), ("common", &common)]);
            create(catalogue, "kept", &[("common", &common)]);
            catalogue.remove(&name("first")).unwrap();
        };
        let collect = |catalogue: &Catalogue| catalogue.collect_garbage().map(drop);
        let failed = at_every_step(before, &["kept"], collect);
        assert_eq!(failed, 3, "a pack is begun and published, the old one removed");
    }
}

#[test]
fn a_full_disk_is_told_with_its_place() {
    let root = tempfile::tempdir().unwrap();
    let objects = Failing { directory: Directory::new(root.path()), left: AtomicUsize::new(0) };
    let error =
        try_create(&Catalogue::over(Arc::new(objects)), "new", b"rows", false).unwrap_err().to_string();
    let expected =
        format!("no space is left for {}: a pack of chunks could not be written", root.path().display());
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn one_read_for_many_chunks_tells_the_same_faults() {
    let root = tempfile::tempdir().unwrap();
    let near = Catalogue::open(root.path());
    let distant = || {
        let directory = Directory::new(root.path());
        Catalogue::over(Arc::new(Failing { directory, left: AtomicUsize::new(usize::MAX) }))
    };
    let rows = "new;paid;shipped\n".repeat(300_000);
    let made = create(&near, "many", &[("noise", &noise(1, 3 << 20)), ("rows", rows.as_bytes())]).manifest;
    assert_eq!(distant().verify(&name("many")).unwrap(), near.verify(&name("many")).unwrap());
    let pack = std::fs::read_dir(root.path().join("packs")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&pack).unwrap();
    for at in (100..bytes.len() - 4_000).step_by(1_300_000) {
        bytes[at] ^= 1;
    }
    std::fs::write(&pack, &bytes).unwrap();
    let faults = |catalogue: &Catalogue| catalogue.verify(&name("many")).unwrap_err().to_string();
    // Which chunks lie there is up to the threads that packed them.
    assert!(faults(&near).contains("stream noise, byte "), "{}", faults(&near));
    assert_eq!(faults(&distant()), faults(&near));

    // A pack that is cut off while it is in use: its index is known, its end is gone.
    let far = distant();
    let stream = "rows".parse().unwrap();
    drop(far.read(&made, &stream).unwrap());
    std::fs::OpenOptions::new().write(true).open(&pack).unwrap().set_len(1000).unwrap();
    let chunk = made.stream(&stream).unwrap().chunks[0];
    let Err(fault) = &far.packs.stored_run(&[chunk])[0] else { panic!("it is read") };
    assert!(format!("{fault:?}").contains("it ends early"), "{fault:?}");
}
