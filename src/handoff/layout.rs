//! The files that a handoff consists of: one an object under stable names, a kustomization that lists them, and what they
//! are of. Values of Secrets are never among them.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::marker::{self, Marker};
use super::pin::{Pins, pin};
use crate::manifest::emit::value_to_yaml;
use crate::manifest::{HookEvent, Object, Rendered};

/// Files by their paths, which have `/` between their parts.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Lists the objects; Argo CD, Flux and `kubectl apply -k` read it.
pub const KUSTOMIZATION: &str = "kustomization.yaml";
/// The directory of the objects.
const MANIFESTS: &str = "manifests/";
/// The directory of charts' hooks.
const HOOKS: &str = "hooks/";
/// Where objects without a namespace are; no namespace can be called so.
const CLUSTER: &str = "_cluster";
/// The longest that a file's name gets before it is cut, without its ending.
const LONGEST: usize = 200;

/// What is handed off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handoff {
    /// All files, the marker among them.
    pub files: Files,
    /// What they are of.
    pub marker: Marker,
    /// How many objects there are.
    pub objects: usize,
    /// Charts' hooks, which are written, and listed in the kustomization only where that is asked for.
    pub hooks: usize,
}

/// Lays out what was rendered. `root` is the lock's; with `list_hooks` the kustomization names the charts' hooks, too.
pub fn lay_out(rendered: &Rendered, root: &str, pins: &Pins, list_hooks: bool) -> Handoff {
    let mut draft = Draft { files: Files::new(), listed: BTreeSet::new(), secrets: BTreeSet::new(), pins };
    for object in &rendered.objects {
        draft.add(MANIFESTS, object, true);
    }
    let objects = draft.files.len();
    for hook in &rendered.hooks {
        let is_test = hook.events.iter().all(|event| *event == HookEvent::Test);
        draft.add(HOOKS, &hook.object, list_hooks && !is_test);
    }
    let hooks = draft.files.len() - objects;
    let kustomization = kustomization(&draft.listed, &draft.secrets);
    let mut files = draft.files;
    files.insert(KUSTOMIZATION.into(), kustomization.into_bytes());
    let marker = Marker {
        lock: root.to_owned(),
        contents: contents(&files),
        secrets: draft.secrets.into_iter().collect(),
        images: pins.as_written.iter().map(|image| image.image.clone()).collect(),
    };
    files.insert(marker::PATH.into(), marker::write(&marker).into_bytes());
    Handoff { files, marker, objects, hooks }
}

/// Whether a path is of a handoff's own files, which the next one replaces. Others, such as records of approvals and what
/// a team adds beside, stay.
pub fn is_own(path: &str) -> bool {
    path == KUSTOMIZATION || path == marker::PATH || path.starts_with(MANIFESTS) || path.starts_with(HOOKS)
}

/// SHA-256 over paths and contents of a handoff's own files without the marker, hex: tells what was edited by hand since.
pub fn contents(files: &Files) -> String {
    let mut hasher = Sha256::new();
    for (path, content) in files.iter().filter(|(path, _)| is_own(path) && *path != marker::PATH) {
        for part in [path.as_bytes(), content] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    super::canonical::hex(&hasher.finalize())
}

struct Draft<'a> {
    files: Files,
    listed: BTreeSet<String>,
    secrets: BTreeSet<String>,
    pins: &'a Pins,
}

impl Draft<'_> {
    fn add(&mut self, below: &str, object: &Object, is_listed: bool) {
        if is_secret(object) {
            self.secrets.insert(object.id().to_string());
            return;
        }
        let mut object = object.clone();
        pin(&mut object, self.pins);
        let path = self.free_path(below, &object);
        if is_listed {
            self.listed.insert(path.clone());
        }
        self.files.insert(path, value_to_yaml(&object.value).into_bytes());
    }

    /// Hooks may name one object twice.
    fn free_path(&self, below: &str, object: &Object) -> String {
        let stem = format!("{below}{}", stem(object));
        let first = format!("{stem}.yaml");
        if !self.files.contains_key(&first) {
            return first;
        }
        let mut paths = (2_usize..).map(|number| format!("{stem}-{number}.yaml"));
        paths.find(|path| !self.files.contains_key(path)).unwrap_or(first)
    }
}

/// A Secret of Kubernetes' own; others, such as sealed ones, are made to be in Git.
fn is_secret(object: &Object) -> bool {
    object.kind() == "Secret" && object.gvk().group.is_empty()
}

/// `NAMESPACE/KIND[.GROUP]-NAME`: without the version, as the object stays the same when it is served under another.
fn stem(object: &Object) -> String {
    let id = object.id();
    let namespace = if id.namespace.is_empty() { CLUSTER.into() } else { escaped(&id.namespace) };
    // Kinds of one group never differ in case alone.
    let mut name = escaped(&id.kind.to_lowercase());
    if !id.group.is_empty() {
        name = format!("{name}.{}", escaped(&id.group));
    }
    let generated = object.text("/metadata/generateName");
    let mut name = format!("{name}-{}", escaped(if id.name.is_empty() { generated } else { &id.name }));
    if name.len() > LONGEST {
        let digest = super::canonical::hex(&Sha256::digest(name.as_bytes()));
        name.truncate(LONGEST - 17);
        name = format!("{name}-{}", &digest[..16]);
    }
    format!("{namespace}/{name}")
}

/// A text as part of a path that every file system, git and kustomize take, and that no other text gives, whatever
/// the file system thinks of case: all but `a-z`, `0-9`, `.` and `-` becomes `_` and two digits.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let leads = out.is_empty() && byte == b'.';
        if !leads && matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-') {
            out.push(char::from(byte));
        } else {
            out.push('_');
            out.push_str(&super::canonical::hex(&[byte]));
        }
    }
    out
}

fn kustomization(resources: &BTreeSet<String>, secrets: &BTreeSet<String>) -> String {
    let mut out = String::from("# Written by `devcluster handoff`, which writes it anew: edits are lost.\n");
    if !secrets.is_empty() {
        out.push_str("# Not here, since their values do not go into Git:\n");
        for secret in secrets {
            out.push_str("#   ");
            out.extend(secret.chars().filter(|character| !character.is_control()));
            out.push('\n');
        }
    }
    out + &value_to_yaml(&serde_json::json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": resources,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::manifest::{Hook, Origin};

    fn object(value: Value) -> Object {
        Object { value, origin: Origin { source: "files".into(), file: None, line: 1 } }
    }

    fn rendered(values: Vec<Value>) -> Rendered {
        Rendered { objects: values.into_iter().map(object).collect(), ..Rendered::default() }
    }

    fn named(kind: &str, namespace: &str, name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": kind, "metadata": {"namespace": namespace, "name": name}})
    }

    #[test]
    fn one_file_an_object_and_no_value_of_a_secret() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"},
            "stringData": {"password": "hunter2"}});
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "shop:Read"}});
        let mut rendered = rendered(vec![named("ConfigMap", "shop", "a.b"), secret.clone(), role]);
        let hook = |event, value| Hook {
            object: object(value),
            release: "r".into(),
            namespace: "shop".into(),
            events: vec![event],
            weight: 0,
            delete_policies: Vec::new(),
        };
        let job = || named("Job", "shop", "m");
        rendered.hooks = vec![
            hook(HookEvent::Test, job()),
            hook(HookEvent::PreInstall, job()),
            hook(HookEvent::PreInstall, secret),
        ];
        let handoff = lay_out(&rendered, "r", &Pins::default(), false);
        let paths: Vec<&str> = handoff.files.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            [
                ".devcluster/handoff.json",
                "hooks/shop/job-m-2.yaml",
                "hooks/shop/job-m.yaml",
                "kustomization.yaml",
                "manifests/_cluster/clusterrole.rbac.authorization.k8s.io-shop_3a_52ead.yaml",
                "manifests/shop/configmap-a.b.yaml",
            ]
        );
        assert_eq!((handoff.objects, handoff.hooks), (2, 2));
        assert_eq!(handoff.marker.secrets, ["Secret shop/db"]);
        let all: String = handoff.files.values().map(|text| String::from_utf8_lossy(text)).collect();
        assert!(!all.contains("hunter2"));
        let kustomization = |list| {
            let files = lay_out(&rendered, "r", &Pins::default(), list).files;
            String::from_utf8(files[KUSTOMIZATION].clone()).unwrap()
        };
        assert!(kustomization(false).contains("#   Secret shop/db\n"), "{}", kustomization(false));
        assert!(!kustomization(false).contains("hooks/"));
        let with_hooks = kustomization(true);
        assert!(with_hooks.contains("- hooks/shop/job-m-2.yaml\n"), "{with_hooks}");
        assert!(
            !with_hooks.contains("- hooks/shop/job-m.yaml\n"),
            "tests are no part of a release: {with_hooks}"
        );
    }

    #[test]
    fn an_edit_by_hand_is_told_and_what_others_add_is_not() {
        let mut files =
            lay_out(&rendered(vec![named("ConfigMap", "a", "b")]), "r", &Pins::default(), false).files;
        let before = contents(&files);
        files.insert("README.md".into(), b"ours".to_vec());
        files.insert(".devcluster/approvals/a.json".into(), b"{}".to_vec());
        assert_eq!(contents(&files), before);
        files.insert("manifests/a/extra.yaml".into(), Vec::new());
        assert_ne!(contents(&files), before);
    }

    proptest! {
        #[test]
        fn a_name_gives_a_path_of_its_own(one in "[a-zA-Z0-9:._/ üÄ-]{1,80}", other in "[a-zA-Z0-9:._/ üÄ-]{1,80}") {
            let path = |name: &str| stem(&object(named("ConfigMap", "a", name)));
            prop_assert_eq!(one == other, path(&one).to_lowercase() == path(&other).to_lowercase());
            prop_assert!(path(&one).split('/').count() == 2 && path(&one).len() < 250);
        }
    }
}
