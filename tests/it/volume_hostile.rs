//! Snapshots of volumes that are damaged or forged: refused before anything is touched.

use std::collections::BTreeMap;
use std::io::Write as _;

use devcluster::data::volume::VolumeError;

use crate::volume::{Bed, PREFIX, at, finish, noise, shell, snapshot};

/// Entries and contents as someone may have forged them.
async fn forged(entries: &str, contents: &[u8]) -> VolumeError {
    let bed = Bed::new();
    std::fs::write(bed.files().join("mine"), "mine").expect("written");
    let before = bed.listing();
    let writer = bed.catalogue().create(snapshot("forged"), at()).expect("begun");
    let lines = entries.lines().filter(|line| !line.is_empty()).count();
    let summary = format!("{{\"format\":1,\"entries\":{lines},\"bytes\":{}}}", contents.len());
    for (name, bytes) in
        [("volume.json", summary.as_bytes()), ("entries.jsonl", entries.as_bytes()), ("contents", contents)]
    {
        let mut stream = writer
            .stream(format!("{PREFIX}/{name}").parse().expect("a path"), BTreeMap::new())
            .expect("begun");
        stream.write_all(bytes).expect("written");
        stream.finish().expect("finished");
    }
    finish(writer).await;
    let error = bed.load("forged").await.expect_err("refused");
    assert_eq!(bed.listing(), before, "nothing is touched");
    assert!(!bed.beside().join("loading").exists(), "nothing is unpacked");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_snapshot_is_refused_before_anything_is_touched() {
    let root = "{\"path\":\"\",\"kind\":\"directory\",\"mode\":493,\"mtime\":\"0\"}\n";
    let file = |path: &str| format!("{{\"path\":\"{path}\",\"kind\":\"file\",\"mtime\":\"0\",\"size\":1}}\n");
    let link = |path: &str, kind: &str, to: &str| {
        format!("{{\"path\":\"{path}\",\"kind\":\"{kind}\",\"mtime\":\"0\",\"link\":\"{to}\"}}\n")
    };
    let directory = |path: &str| format!("{{\"path\":\"{path}\",\"kind\":\"directory\",\"mtime\":\"0\"}}\n");
    let long = "x".repeat(256);
    for (entries, contents, reason) in [
        (String::new() + root + &file("/etc/x"), "1", "`/etc/x` is absolute"),
        (String::new() + root + &file("../x"), "1", "leads out of the volume"),
        (String::new() + root + &directory("a") + &file("a/../../x"), "1", "leads out of the volume"),
        (String::new() + root + &file("./x"), "1", "leads out of the volume"),
        (String::new() + root + &directory("a") + &file("a//x"), "1", "has an empty part"),
        (
            String::new() + root + &link("a", "symlink", "/etc") + &file("a/x"),
            "1",
            "lies below what is no directory",
        ),
        (String::new() + root + &file("a/x"), "1", "lies below what is no directory"),
        (String::new() + root + &file("b") + &file("a"), "12", "is not in order"),
        (String::new() + root + &file("a") + &file("a"), "12", "is not in order"),
        (String::new() + root + &link("a", "hardlink", "/etc/passwd"), "", "leads out of the volume"),
        (String::new() + root + &link("a", "hardlink", "../x"), "", "leads out of the volume"),
        (String::new() + root + &link("a", "hardlink", "b") + &file("b"), "1", "or comes later"),
        (
            String::new() + root + &link("a", "symlink", "/etc/passwd") + &link("b", "hardlink", "a"),
            "",
            "of what is no file",
        ),
        (String::new() + root + &link("a", "device", "x"), "", "entry 2: unknown variant `device`"),
        (file("a"), "1", "comes before the volume's directory"),
        (String::new() + root + &file(&long), "1", "too long"),
        (String::new() + root + &file("a%2e"), "1", "spelt otherwise"),
        (String::new() + root + &file("a\\u0000"), "1", "is no path"),
        (String::new() + root + &file("a"), "", "its entries have 1 bytes, its contents 0"),
        (String::new() + root + &file("a"), "12", "its entries have 1 bytes, its contents 2"),
        (String::new() + root + &file("a").replace(":1}", ":1,\"mode\":2541}"), "1", "has permissions"),
        (
            String::new() + root + &file("a").replace(":1}", ":1,\"holes\":[[0,65536]]}"),
            "1",
            "holes that no file has",
        ),
        (
            String::new() + root + &file("a").replace(":1}", ":131072,\"holes\":[[65536,65536],[0,65536]]}"),
            "1",
            "holes that no file has",
        ),
        (String::new() + root + &file("a").replace(":1}", ":18446744073709551615}"), "1", "has a size"),
        (String::new() + root + &file("a").replace(":1}", ":1,\"uid\":4294967295}"), "1", "has an owner"),
        (
            String::new()
                + root
                + &file("a")
                    .replace(":1}", ":1,\"attributes\":{\"SCHILY.xattr.security.capability\":\"AA==\"}}"),
            "1",
            "has attributes",
        ),
        (
            String::new() + root + &file("a").replace(":1}", ":1,\"attributes\":{\"path\":\"Li4veA==\"}}"),
            "1",
            "has attributes",
        ),
        (String::new() + root + &"x".repeat(33 << 20), "", "longer than any"),
    ] {
        let error = forged(&entries, contents.as_bytes()).await.to_string();
        assert!(error.contains(reason), "{reason}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_leaves_the_volume_as_it_is() {
    let bed = Bed::new();
    std::fs::write(bed.files().join("data"), noise(3, 8 << 20)).expect("written");
    bed.take("first").await;
    std::fs::write(bed.files().join("data"), "mine").expect("written");
    let before = bed.listing();
    shell(
        bed.root.path(),
        "for pack in $(find snapshots -type f -size +1M); do printf X | dd of=$pack bs=1 seek=500000 conv=notrunc status=none; done",
    );
    let error = bed.load("first").await.expect_err("damaged").to_string();
    assert!(error.contains("first"), "{error}");
    assert_eq!(bed.listing(), before);
}
