//! Volumes' files into snapshots and back, with the programs of a node: tar, cp and perl, on this machine's own file system.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use devcluster::data::snapshot::{Catalogue, CreateOptions, Created, SnapshotName};
use devcluster::data::volume::{From, Prepared, Volume, VolumeError};
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::volume_node::Here;

/// A volume's directory and a catalogue.
pub struct Bed {
    pub root: tempfile::TempDir,
}

impl Bed {
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("volume-").tempdir().expect("a directory");
        std::fs::create_dir_all(root.path().join("volumes/shop/files")).expect("made");
        Self { root }
    }

    pub fn files(&self) -> PathBuf {
        self.root.path().join("volumes/shop/files")
    }

    pub fn beside(&self) -> PathBuf {
        self.root.path().join("volumes/shop/.devcluster/files")
    }

    pub fn volume(&self) -> Volume {
        Volume::new(Arc::new(Here("volume shop/files")), self.files().to_str().expect("UTF-8"))
    }

    pub fn catalogue(&self) -> Catalogue {
        Catalogue::open(self.root.path().join("snapshots"))
    }

    pub async fn take(&self, name: &str) -> (Created, Vec<String>) {
        let volume = self.volume();
        let writer = self.catalogue().create(snapshot(name), at()).expect("begun");
        let report = volume.dump(&writer, PREFIX, From::Still, 0, &|_| ()).await.expect("taken");
        (finish(writer).await, report.notes)
    }

    pub async fn load(&self, name: &str) -> Result<(), VolumeError> {
        let (catalogue, volume) = (self.catalogue(), self.volume());
        let manifest = catalogue.find(&snapshot(name)).expect("there");
        volume.unpack(&catalogue, &manifest, PREFIX, &|_| ()).await?;
        volume.swap().await
    }

    /// What stands in the volume, as `find` and hashes tell it.
    pub fn listing(&self) -> String {
        listing(&self.files())
    }

    /// A tree with some of everything.
    pub fn fill(&self) {
        assert_eq!(
            std::fs::metadata("/proc/self").expect("there").uid(),
            0,
            "files are given to others: run as root"
        );
        let files = self.files();
        let write = |name: &str, bytes: &[u8]| std::fs::write(files.join(name), bytes).expect("written");
        std::fs::create_dir_all(files.join("a/b")).expect("made");
        std::fs::create_dir(files.join("a-")).expect("made");
        write("a/one", b"1");
        write("a/b/two", &noise(1, 700_000));
        write("a-/ three\n%41", b"3");
        write("empty", b"");
        std::fs::write(
            files.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff\xfe")),
            b"name",
        )
        .expect("written");
        std::fs::hard_link(files.join("a/one"), files.join("z-one-again")).expect("linked");
        symlink("../../etc/passwd", files.join("leads-out")).expect("linked");
        symlink("b/two", files.join("a/leads-in")).expect("linked");
        let sparse = std::fs::File::create(files.join("sparse")).expect("made");
        sparse.set_len(40 << 20).expect("sized");
        sparse.write_at(b"data", 5 << 20).expect("written");
        sparse.write_at(&noise(2, 100_000), 17 << 20).expect("written");
        std::fs::set_permissions(files.join("a/b"), PermissionsExt::from_mode(0o2770)).expect("set");
        std::fs::set_permissions(files.join("a/one"), PermissionsExt::from_mode(0o4711)).expect("set");
        shell(
            &files,
            "chown -h 1000:2000 a/b a/b/two leads-out; touch -d '2001-02-03 04:05:06.123456789' a/b/two a/b; touch -hd @-5.25 leads-out",
        );
        shell(
            &files,
            "mkfifo pipe; mknod device c 1 3; setfattr -n user.note -v 0x610a62ff a/b/two; setfacl -m u:77:r a/b/two; setfacl -d -m g:78:rx a; chmod 0751 .; touch -d @1000 .",
        );
    }
}

/// What stands below a directory, as `find` and hashes tell it.
fn listing(directory: &Path) -> String {
    let script = "find . -printf '%P|%y|%m|%U|%G|%T@|%l|%n\n' | sort; find . -type f -print0 | sort -z | xargs -0r sha256sum; \
                      getfattr -Rhd -m - .";
    let output = Command::new("sh").args(["-c", script]).current_dir(directory).output().expect("find runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub const PREFIX: &str = "volume/shop/files";

pub fn snapshot(name: &str) -> SnapshotName {
    name.parse().expect("a name")
}

pub fn at() -> CreateOptions {
    CreateOptions::at("2026-11-26T00:00:00Z".parse().expect("a time"))
}

pub async fn finish(writer: devcluster::data::snapshot::Writer) -> Created {
    tokio::task::spawn_blocking(move || writer.finish(BTreeMap::new()).expect("finished"))
        .await
        .expect("joined")
}

pub fn noise(seed: u8, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]).fill_bytes(&mut bytes);
    bytes
}

pub fn shell(directory: &Path, script: &str) {
    let status = Command::new("sh").args(["-ec", script]).current_dir(directory).status().expect("sh runs");
    assert!(status.success(), "{script}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_back_as_they_were() {
    let bed = Bed::new();
    bed.fill();
    let (created, notes) = bed.take("first").await;
    assert_eq!(notes.len(), 3, "{notes:?}");
    for said in ["pipe: a named pipe", "device: a device", "a/one: taken without the permission to run"] {
        assert!(notes.iter().any(|note| note.contains(said)), "{notes:?}");
    }
    assert!(created.manifest.size() < 2 << 20, "holes take no room: {}", created.manifest.size());
    shell(&bed.files(), "rm pipe device; chmod 0711 a/one; touch -d @1000 .");
    let before = bed.listing();
    shell(
        &bed.files(),
        "rm -rf a sparse; echo other > empty; echo new > new; chmod 700 .; mkdir a; touch a/x",
    );
    let directory = std::fs::metadata(bed.files()).expect("there").ino();
    bed.load("first").await.expect("loaded");
    assert_eq!(bed.listing(), before);
    assert_eq!(std::fs::metadata(bed.files()).expect("there").ino(), directory, "the directory itself stays");
    let sparse = std::fs::metadata(bed.files().join("sparse")).expect("there");
    assert!(sparse.blocks() * 512 < 2 << 20, "holes are holes again: {} blocks", sparse.blocks());
    let (again, _) = bed.take("again").await;
    assert_eq!(again.manifest.content, created.manifest.content, "the same files give the same digest");
    assert_eq!(again.added.bytes, 0);
}

/// Whatever happens between the rough copy and the exact one is in the exact one.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_of_the_moment_it_is_made_exact() {
    let bed = Bed::new();
    bed.fill();
    let files = bed.files();
    shell(
        &files,
        "mkdir -p leads/b leads-; echo 1 > leads/b/c; echo 1 > leads-/x; mkdir -p moved/deep old blue green gone; echo 1 > moved/deep/x; echo blue > blue/x; echo same > green/x; touch -r blue/x green/x",
    );
    shell(
        &files,
        "echo 1 > gone/x; echo 1 > becomes-a-directory; mkdir becomes-a-file; echo 1 > becomes-a-file/x; ln -s a becomes-real; ln a/b/two linked",
    );
    let volume = bed.volume();
    assert!(volume.stage().await.is_err(), "there is nothing to make exact");
    for changes in [
        "true",
        "echo more >> a/one; rm -r gone; mv moved old/moved; mv blue x; mv green blue; mv x green; chmod 600 empty; mkdir new; echo 1 > new/x",
        "rm -r becomes-a-file; echo 2 > becomes-a-file; rm becomes-a-directory; mkdir becomes-a-directory; touch becomes-a-directory/y",
        "rm becomes-real; mkdir becomes-real; echo 1 > becomes-real/x; ln -sfn nowhere leads-out; setfacl -m g:9:rwx a/b; chown 5 a",
        "rm linked; cp -p a/b/two linked; ln empty empty-again; printf x | dd of=sparse conv=notrunc status=none bs=1 seek=30000000",
        "rm -r leads leads-; ln -s a leads",
        "find . -mindepth 1 -delete",
    ] {
        volume.stage_roughly(0, &|_| ()).await.expect("copied");
        shell(&files, changes);
        let copied = volume.stage().await.expect("made exact");
        assert!(copied < 20, "{changes}: {copied} files were copied again");
        assert_eq!(copied == 0, changes == "true", "{changes}: {copied}");
        assert_eq!(listing(&bed.beside().join("stage")), bed.listing(), "{changes}");
    }
    volume.unstage().await.expect("removed");
    let left: Vec<_> =
        std::fs::read_dir(bed.beside()).expect("there").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["lock"]);
}

/// For whoever writes copies: each is as the volume was, and neither the volume nor what it was laid from changes with it.
#[tokio::test(flavor = "multi_thread")]
async fn copies_are_laid_apart_from_the_volume() {
    let bed = Bed::new();
    bed.fill();
    let (volume, before) = (bed.volume(), bed.listing());
    let apart = bed.root.path().join("volumes/.apart");
    let place = |name: &str| apart.join(name).to_str().expect("UTF-8").to_owned();
    assert!(volume.hand_stage(&place("one/files")).await.is_err(), "there is no copy to hand on");
    volume.stage_roughly(0, &|_| ()).await.expect("copied");
    volume.stage().await.expect("made exact");
    volume.hand_stage(&place("one/files")).await.expect("moved");
    assert_eq!(listing(&apart.join("one/files")), before);
    assert!(volume.lay(&place("one/files"), 0, &|_| ()).await.is_err(), "something is there");
    // What a killed one left is no copy.
    std::fs::create_dir_all(apart.join("two/files.partial/stray")).expect("made");
    let one = Volume::new(Arc::new(Here("the copy")), place("one/files"));
    one.lay(&place("two/files"), 0, &|_| ()).await.expect("laid");
    assert_eq!(listing(&apart.join("two/files")), before);
    shell(&apart.join("two/files"), "echo more >> a/one; find . -mindepth 1 -delete; touch new");
    assert_eq!((bed.listing(), listing(&apart.join("one/files"))), (before.clone(), before));
    let left: Vec<_> =
        std::fs::read_dir(bed.beside()).expect("there").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["lock"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digest_knows_nothing_of_how_files_were_made() {
    let (bed, other) = (Bed::new(), Bed::new());
    for (bed, order) in [(&bed, ["x", "y", "z"]), (&other, ["z", "x", "y"])] {
        for name in order {
            std::fs::write(bed.files().join(name), noise(7, 200_000)).expect("written");
        }
        // The same zeros, once allocated and once not.
        let zeros = std::fs::File::create(bed.files().join("zeros")).expect("made");
        zeros.set_len(1 << 20).expect("sized");
    }
    std::fs::write(other.files().join("zeros"), vec![0; 1 << 20]).expect("written");
    for bed in [&bed, &other] {
        shell(&bed.files(), "touch -d @1000000000 x y z zeros .");
    }
    let ((one, _), (two, _)) = (bed.take("one").await, other.take("two").await);
    assert_eq!(one.manifest.content, two.manifest.content);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_percent_changed_takes_about_one_percent() {
    let bed = Bed::new();
    for number in 0..100_u8 {
        std::fs::write(bed.files().join(format!("file-{number}")), noise(number, 1 << 20)).expect("written");
    }
    let (first, _) = bed.take("first").await;
    std::fs::write(bed.files().join("file-50"), noise(200, 1 << 20)).expect("written");
    shell(&bed.files(), "touch *");
    let (second, _) = bed.take("second").await;
    let share = second.added.bytes * 1000 / first.added.bytes;
    assert!((5..=25).contains(&share), "{share} per mille: {} of {}", second.added.bytes, first.added.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_takes_the_spare_copy() {
    let bed = Bed::new();
    bed.fill();
    shell(&bed.files(), "rm pipe device; chmod 0711 a/one; touch -d @1000 .");
    let before = bed.listing();
    let volume = bed.volume();
    assert!(matches!(volume.prepare().await, Err(VolumeError::NothingToReset(_))));
    bed.take("first").await;
    bed.load("first").await.expect("loaded");
    assert!(
        matches!(volume.prepare().await.expect("prepared"), Prepared::Made(copy) if copy.bytes > 700_000)
    );
    assert_eq!(volume.prepare().await.expect("prepared"), Prepared::Ready);
    for _ in 0..2 {
        shell(&bed.files(), "rm -rf a; echo new > new; echo 2 > a-/more");
        volume.ready().await.expect("ready");
        volume.reset().await.expect("reset");
        assert_eq!(bed.listing(), before);
    }
    // A load that never came to its swap has no part in it.
    std::fs::write(bed.files().join("other"), "other").expect("written");
    bed.take("second").await;
    let catalogue = bed.catalogue();
    let manifest = catalogue.find(&snapshot("second")).expect("there");
    volume.unpack(&catalogue, &manifest, PREFIX, &|_| ()).await.expect("unpacked");
    for _ in 0..2 {
        volume.ready().await.expect("ready");
        volume.reset().await.expect("reset");
        assert_eq!(bed.listing(), before);
    }
    volume.prepare().await.expect("prepared");
    let left: Vec<_> =
        std::fs::read_dir(bed.beside()).expect("there").flatten().map(|entry| entry.file_name()).collect();
    assert!(
        left.iter().all(|name| ["lock", "pristine", "spare"].contains(&name.to_str().expect("UTF-8"))),
        "{left:?}"
    );
}

/// The node's program, which is killed at its rename number `cut`.
fn cut_off(bed: &Bed, cut: usize, verb: &str) -> bool {
    let program = include_str!("../../src/data/volume/volume.pl");
    let counted =
        format!("my $left = {cut}; sub move {{ my ($from, $to) = @_; $left-- > 0 or kill 'KILL', $$;");
    let limited = program.replace("sub move { my ($from, $to) = @_;", &counted);
    assert_ne!(program, limited);
    let status = Command::new("perl")
        .args(["-e", &limited, verb])
        .arg(bed.files())
        .output()
        .expect("perl runs")
        .status;
    !status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_cut_off_anywhere_is_ended_by_the_next() {
    let bed = Bed::new();
    let make = |names: &[&str], text: &str| {
        for name in names {
            std::fs::write(bed.files().join(name), text).expect("written");
        }
    };
    make(&["both", "only-new", "third"], "new");
    bed.take("first").await;
    let wanted = bed.listing();
    let volume = bed.volume();
    let (catalogue, beside) = (bed.catalogue(), bed.beside());
    let manifest = catalogue.find(&snapshot("first")).expect("there");
    let mut cuts = 0;
    loop {
        shell(&bed.files(), "find . -mindepth 1 -delete");
        make(&["both", "only-old"], "old");
        volume.unpack(&catalogue, &manifest, PREFIX, &|_| ()).await.expect("unpacked");
        let killed = cut_off(&bed, cuts, "swap");
        if !volume.state().await.expect("told").pending && bed.files().join("only-old").exists() {
            assert!(killed && cuts < 2, "nothing has happened yet");
            cuts += 1;
            continue;
        }
        if volume.state().await.expect("told").pending {
            assert!(matches!(
                volume.unpack(&catalogue, &manifest, PREFIX, &|_| ()).await,
                Err(VolumeError::Node { .. })
            ));
            // What a program wrote meanwhile goes, too.
            make(&["both", "meanwhile"], "meanwhile");
            // What ends it is cut off as well, everywhere.
            let mut again = 0;
            while cut_off(&bed, again, "settle") {
                assert!(
                    volume.state().await.expect("told").pending,
                    "cut off before rename {again} of the next run"
                );
                again += 1;
            }
            assert!(again > 3, "{again} renames");
        }
        assert_eq!(bed.listing(), wanted, "cut off before rename {cuts}");
        assert!(beside.join("pristine").is_dir() && !beside.join("pristine-next").exists());
        if !killed {
            assert!(cuts > 8, "all renames were tried");
            return;
        }
        cuts += 1;
    }
}
