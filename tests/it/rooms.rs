//! Dependencies between the rooms point one way: held by reading the `crate::` paths of the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each room with those it may use. Nothing uses `cli`; `parity` knows no cluster.
const ROOMS: [(&str, &[&str]); 17] = [
    ("dockerignore", &[]),
    ("event", &[]),
    ("process", &[]),
    ("words", &[]),
    ("yaml", &[]),
    ("config", &["dockerignore", "words", "yaml"]),
    ("manifest", &["config", "event", "process", "words", "yaml"]),
    ("data", &["manifest", "words", "yaml"]),
    ("parity", &["config", "manifest", "words"]),
    ("cluster", &["config", "event", "manifest", "parity", "process"]),
    ("image", &["cluster", "config", "dockerignore", "event", "parity", "process", "words"]),
    ("watch", &["config", "dockerignore"]),
    ("apply", &["event", "manifest"]),
    ("handoff", &["manifest", "parity", "words", "yaml"]),
    (
        "operation",
        &[
            "apply",
            "cluster",
            "config",
            "data",
            "dockerignore",
            "event",
            "handoff",
            "image",
            "manifest",
            "parity",
            "process",
            "watch",
            "words",
        ],
    ),
    (
        "cli",
        &[
            "apply",
            "cluster",
            "config",
            "data",
            "event",
            "handoff",
            "image",
            "manifest",
            "operation",
            "parity",
            "process",
            "watch",
            "words",
        ],
    ),
    ("main", &["cli"]),
];

#[test]
fn rooms_use_only_the_rooms_below_them() {
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.into_iter().collect();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for file in files(&source) {
        let below = file.strip_prefix(&source).expect("below src");
        let room = below
            .iter()
            .next()
            .and_then(|part| part.to_str())
            .expect("a room")
            .trim_end_matches(".rs")
            .to_owned();
        if room == "lib" {
            continue;
        }
        let Some(allowed) = rooms.get(room.as_str()) else {
            wrong.push(format!("{} is in no known room", below.display()));
            continue;
        };
        for used in used(&std::fs::read_to_string(&file).expect("readable")) {
            if used != room && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used}", below.display()));
            }
        }
        seen.insert(room);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rooms.keys().all(|room| seen.contains(*room)), "rooms without files: {:?}", rooms.keys());
}

/// The pure rooms do no I/O and know no client.
#[test]
fn pure_rooms_touch_nothing_outside_themselves() {
    let forbidden = [
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "std::process",
        "std::env",
        "tokio::",
        "kube::",
        "bollard::",
    ];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in ["parity", "handoff"].into_iter().flat_map(|room| files(&source.join(room))) {
        let text = std::fs::read_to_string(&file).expect("readable");
        let found = forbidden.iter().find(|path| text.contains(**path));
        assert_eq!(found, None, "{}", file.display());
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// The rooms that a file names, by `crate::ROOM` or, in main.rs, `devcluster::ROOM`.
fn used(text: &str) -> BTreeSet<String> {
    ["crate::", "devcluster::"]
        .into_iter()
        .flat_map(|prefix| text.match_indices(prefix).map(move |(at, _)| &text[at + prefix.len()..]))
        .map(|rest| rest.chars().take_while(char::is_ascii_lowercase).collect::<String>())
        .filter(|room| ROOMS.iter().any(|(known, _)| known == room))
        .collect()
}
