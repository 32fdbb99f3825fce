//! Snapshots of a volume's files beside `tar | zstd` of the same files, on one machine in one run: prints a table with ratios.
//! `MIB=1024` mebibytes of files, half of which compress. Run it by `cargo bench --bench volume`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use devcluster::data::snapshot::{Catalogue, CreateOptions, Created};
use devcluster::data::volume::{From, Volume};

#[path = "../tests/it/volume_node.rs"]
mod volume_node;

use volume_node::Here;

/// Bytes of a file of the bench: a hundredth of what there is.
fn file(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        // xorshift64 (Marsaglia, 2003); every second KiB is text of few words, which compresses.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if (bytes.len() >> 10) & 1 == 0 {
            bytes.extend_from_slice(&state.to_le_bytes());
        } else {
            bytes.extend_from_slice(if state & 1 == 0 { b"customer" } else { b"shipping" });
        }
    }
    bytes
}

fn shell(script: &str, directory: &Path) -> Duration {
    let started = Instant::now();
    let status = Command::new("bash").args(["-o", "pipefail", "-ec", script]).current_dir(directory).status();
    assert!(status.expect("bash runs").success(), "{script}");
    started.elapsed()
}

async fn take(volume: &Volume, catalogue: &Catalogue, name: &str) -> (Created, Duration) {
    let started = Instant::now();
    let options = CreateOptions::at("2026-01-01T00:00:00Z".parse().expect("a time"));
    let writer = catalogue.create(name.parse().expect("a name"), options).expect("begun");
    volume.dump(&writer, "volume/bench/files", From::Still, 0, &|_| ()).await.expect("taken");
    let created = tokio::task::spawn_blocking(move || writer.finish(BTreeMap::new()).expect("finished"));
    (created.await.expect("joined"), started.elapsed())
}

fn row(what: &str, ours: (u64, Duration), theirs: (u64, Duration)) {
    let mib = |bytes: u64| bytes >> 20;
    #[expect(clippy::cast_precision_loss, reason = "a ratio is shown")]
    let (size, time) = (ours.0 as f64 / theirs.0 as f64, ours.1.as_secs_f64() / theirs.1.as_secs_f64());
    println!(
        "| {what} | {} MiB, {:.2} s | {} MiB, {:.2} s | {size:.3} of the bytes, {time:.2} of the time |",
        mib(ours.0),
        ours.1.as_secs_f64(),
        mib(theirs.0),
        theirs.1.as_secs_f64()
    );
}

#[tokio::main]
async fn main() {
    let mib: usize = std::env::var("MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(1024);
    let root = tempfile::Builder::new().prefix("devcluster-bench-").tempdir_in(".").expect("a directory");
    let root = std::path::absolute(root.path()).map(|path| (root, path)).expect("a path");
    let (_keep, root) = root;
    let files = root.join("volumes/files");
    std::fs::create_dir_all(&files).expect("made");
    let size = (mib << 20) / 100;
    for number in 0..100 {
        std::fs::write(files.join(format!("file-{number:02}")), file(number, size)).expect("written");
    }
    let volume = Volume::new(Arc::new(Here("the bench")), files.to_str().expect("UTF-8"));
    let catalogue = Catalogue::open(root.join("snapshots"));
    let archive = |name: &str| format!("tar -C volumes/files -c . | zstd -q -3 -T0 -o {name}.tar.zst");
    let size_of = |name: &str| std::fs::metadata(root.join(format!("{name}.tar.zst"))).expect("there").len();
    println!("| {mib} MiB of files | devcluster | tar, zstd -3 -T0 | ratio |");
    println!("|---|---|---|---|");
    // Both read from memory.
    shell("tar -C volumes/files -c . | cat >/dev/null", &root);
    let (created, took) = take(&volume, &catalogue, "first").await;
    let theirs = shell(&archive("first"), &root);
    row("a first snapshot", (created.added.bytes, took), (size_of("first"), theirs));
    let mut changed =
        std::fs::OpenOptions::new().write(true).truncate(true).open(files.join("file-50")).expect("there");
    changed.write_all(&file(1000, size)).expect("written");
    drop(changed);
    let (created, took) = take(&volume, &catalogue, "second").await;
    let theirs = shell(&archive("second"), &root);
    row("a second one, 1 % changed", (created.added.bytes, took), (size_of("second"), theirs));
    volume.stage_roughly(0, &|_| ()).await.expect("copied");
    std::fs::write(files.join("file-60"), file(1001, size)).expect("written");
    let started = Instant::now();
    volume.stage().await.expect("copied");
    let staged = started.elapsed();
    let copied = shell("sync && rm -rf copy && cp -a volumes/files copy", &root);
    volume.unstage().await.expect("removed");
    println!(
        "the exact copy that Pods are frozen for, 1 % changed since the rough one: {:.2} s; `cp -a` of all: {:.2} s",
        staged.as_secs_f64(),
        copied.as_secs_f64()
    );
    let started = Instant::now();
    let manifest = catalogue.find(&"first".parse().expect("a name")).expect("there");
    volume.unpack(&catalogue, &manifest, "volume/bench/files", &|_| ()).await.expect("unpacked");
    let unpacked = started.elapsed();
    let started = Instant::now();
    volume.swap().await.expect("swapped");
    let swapped = started.elapsed();
    let theirs = shell("mkdir back && zstd -dqc first.tar.zst | tar -x -C back", &root);
    println!(
        "load: {:.2} s beside the files, {:.2} s frozen; zstd -d | tar -x into an empty directory: {:.2} s",
        unpacked.as_secs_f64(),
        swapped.as_secs_f64(),
        theirs.as_secs_f64()
    );
    volume.prepare().await.expect("prepared");
    let started = Instant::now();
    volume.ready().await.expect("ready");
    volume.reset().await.expect("reset");
    println!("reset: {:.2} s", started.elapsed().as_secs_f64());
}
