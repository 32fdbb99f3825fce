//! Edits of real manifests, one at a time: every one that matters is caught, and no other. What matters is told by kubectl's and
//! helm's own output, not by devcluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use devcluster::manifest::emit::value_to_yaml;
use devcluster::yaml;
use serde_json::Value;

use super::lock::{Project, boutique, run, shop};

/// Numbers that look random and are the same in every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Comment,
    Rewritten,
    Value,
    Order,
    Unit,
    Tag,
    Default,
}

/// In turn; the last one where there is a chart.
const KINDS: [Kind; 7] =
    [Kind::Comment, Kind::Rewritten, Kind::Value, Kind::Order, Kind::Unit, Kind::Tag, Kind::Default];

/// Files that an edit may be made in.
fn editable(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "templates" | "services" | "snapshots" | "load" | ".git") {
                editable(&path, found);
            }
        } else if path.extension().is_some_and(|ending| ending == "yaml")
            && !matches!(name.as_str(), "kustomization.yaml" | "Chart.yaml" | "devcluster.yaml")
        {
            found.push(path);
        }
    }
}

/// Places of leaves or lists, as pointers; what names an object, so that another would be there, is left alone.
fn places(value: &Value, at: &str, wanted: &dyn Fn(&str, &Value) -> bool, found: &mut Vec<String>) {
    let fixed = ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"];
    if fixed.contains(&at) {
        return;
    }
    if wanted(at, value) {
        found.push(at.to_owned());
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                places(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), wanted, found);
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter().enumerate() {
                places(value, &format!("{at}/{number}"), wanted, found);
            }
        }
        _ => {}
    }
}

fn is_amount(at: &str, value: &Value) -> bool {
    let parts: Vec<&str> = at.rsplit('/').collect();
    let named = matches!(parts[0], "cpu" | "memory" | "storage");
    named && matches!(parts.get(1), Some(&("requests" | "limits"))) && other_unit(value).is_some()
}

/// The same amount, written otherwise.
fn other_unit(value: &Value) -> Option<Value> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let amount: u64 = number.parse().ok()?;
    Some(match &text[number.len()..] {
        "" => format!("{amount}000m").into(),
        "m" => format!("{}.{:03}", amount / 1000, amount % 1000).into(),
        "Mi" => format!("{}Ki", amount * 1024).into(),
        "Gi" => format!("{}Mi", amount * 1024).into(),
        _ => return None,
    })
}

/// One edit of a file's text; none where the file has nothing of the kind.
fn edit(kind: Kind, text: &str, random: &mut Random) -> Option<String> {
    if kind == Kind::Comment {
        let lines: Vec<&str> = text.lines().collect();
        let tops: Vec<usize> =
            (0..lines.len()).filter(|at| lines[*at].starts_with(|c: char| c.is_ascii_alphabetic())).collect();
        let at = tops[random.below(tops.len())];
        return Some(format!("{}\n# says nothing\n{}\n", lines[..at].join("\n"), lines[at..].join("\n")));
    }
    let mut documents: Vec<Value> =
        yaml::load(text).documents.into_iter().map(|document| document.value).collect();
    let which = random.below(documents.len());
    let document = &mut documents[which];
    let wanted: &dyn Fn(&str, &Value) -> bool = match kind {
        Kind::Comment | Kind::Rewritten => &|at, _| at.is_empty(),
        Kind::Value | Kind::Default => &|_, value| value.is_string() || value.is_i64() || value.is_boolean(),
        Kind::Order => {
            &|_, value| value.as_array().is_some_and(|items| items.len() > 1 && items[0] != items[1])
        }
        Kind::Unit => &is_amount,
        Kind::Tag => &|at, value| value.is_string() && (at.ends_with("/image") || at.ends_with("/image/tag")),
    };
    let mut found = Vec::new();
    places(document, "", wanted, &mut found);
    if found.is_empty() {
        return None;
    }
    let place = document.pointer_mut(&found[random.below(found.len())]).unwrap();
    match (kind, &mut *place) {
        (Kind::Unit, value) => *value = other_unit(value).unwrap(),
        (Kind::Order, Value::Array(items)) => items.swap(0, 1),
        (Kind::Value | Kind::Tag | Kind::Default, Value::String(text)) => text.push('7'),
        (Kind::Value | Kind::Default, Value::Bool(value)) => *value = !*value,
        (Kind::Value | Kind::Default, value) if value.is_i64() => {
            *value = (value.as_i64().unwrap() + 1).into();
        }
        _ => {}
    }
    Some(documents.iter().map(value_to_yaml).collect::<Vec<_>>().join("---\n"))
}

/// What kubectl and helm make of the project; none where they refuse.
fn rendered(project: &Project, kustomization: &str, chart: bool) -> Option<String> {
    let (code, mut text) =
        run(Command::new("kubectl").args(["kustomize", kustomization]).current_dir(project.path()));
    if code != 0 {
        return None;
    }
    if chart {
        let args =
            ["template", "notifications", "charts/notifications", "-n", "shop", "--kube-version", "1.34"];
        let values = ["-f", "deploy/notifications-values.yaml"];
        let (code, more) = run(Command::new("helm").args(args).args(values).current_dir(project.path()));
        if code != 0 {
            return None;
        }
        text.push_str(&more);
    }
    Some(text)
}

/// How many edits are made: `usual`, or as DEVCLUSTER_EDITS has it, for the table in docs/lock.md.
fn wanted_edits(usual: usize) -> usize {
    std::env::var("DEVCLUSTER_EDITS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Makes `count` edits, one at a time, each of the next kind.
fn edits(project: &Project, kustomization: &str, chart: bool, count: usize, seed: u64) {
    let before = rendered(project, kustomization, chart).unwrap();
    project.lock();
    assert_eq!(project.devcluster(&["verify"]).0, 0);
    let mut files = Vec::new();
    editable(project.path(), &mut files);
    let mut random = Random(seed);
    let (mut made, mut caught, mut tries) = (0, 0, 0);
    let mut table: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    while made < count {
        tries += 1;
        assert!(tries < count * 100, "too few places to edit");
        let kind = KINDS[made % if chart { KINDS.len() } else { KINDS.len() - 1 }];
        let file = &files[random.below(files.len())];
        if kind == Kind::Default && !file.ends_with("charts/notifications/values.yaml") {
            continue;
        }
        let text = std::fs::read_to_string(file).unwrap();
        let Some(edited) = edit(kind, &text, &mut random) else { continue };
        std::fs::write(file, &edited).unwrap();
        let after = rendered(project, kustomization, chart);
        let Some(after) = after else {
            std::fs::write(file, text).unwrap();
            continue;
        };
        // A unit changes what is printed, and means the same.
        let matters = kind != Kind::Unit && after != before;
        let (code, said) = project.devcluster(&["verify"]);
        std::fs::write(file, &text).unwrap();
        let name = file.strip_prefix(project.path()).unwrap().display().to_string();
        assert_eq!(code, if matters { 4 } else { 0 }, "{kind:?} in {name}:\n{edited}\n{said}");
        assert!(!matters || said.contains(&name), "{kind:?}: {name} is not named:\n{said}");
        made += 1;
        caught += usize::from(matters);
        table.entry(format!("{kind:?}")).or_default()[usize::from(matters)] += 1;
        eprintln!("{kind:?} in {name}: {}", if matters { "caught" } else { "does not matter" });
    }
    for (kind, [silent, caught]) in table {
        eprintln!("| {kind} | {caught} | {silent} |");
    }
    eprintln!("{made} edits, {caught} of them mattered");
    assert!(
        caught >= count / 4 && caught <= count * 3 / 4,
        "{caught} of {made} edits mattered: a poor mixture"
    );
    assert_eq!(project.devcluster(&["verify"]).0, 0, "everything is as it was");
}

#[test]
fn edits_of_the_shop_that_matter_are_caught_and_no_others() {
    if let Some(project) = shop() {
        edits(&project, "deploy/overlays/production", true, wanted_edits(42), 0x9e37_79b9_7f4a_7c15);
    }
}

#[test]
fn edits_of_the_boutique_that_matter_are_caught_and_no_others() {
    if let Some(project) = boutique() {
        edits(&project, "deploy", false, wanted_edits(24), 0x2545_f491_4f6c_dd1d);
    }
}
