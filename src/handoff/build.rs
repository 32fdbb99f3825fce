//! A lock of what was rendered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::canonical::{ascii, canonical_json, canonical_object, hash};
use super::fields::outline;
use super::lock::{DataEntry, Entry, InputFile, Inputs, Local, Lock, LockedImage, Migration, SecretValues};
use super::secret::{self, LockKey, MADE_UP};
use crate::manifest::{Object, ObjectId, Rendered, SourceFiles};

/// What a lock says beyond the rendered objects.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The configuration's directory, absolute. Only what is relative to it is written.
    pub directory: PathBuf,
    /// Production's Kubernetes version, as configured.
    pub kubernetes: Option<String>,
    /// API versions that production serves beyond Kubernetes' own.
    pub api_versions: Vec<String>,
    /// The images that the manifests name.
    pub images: Vec<LockedImage>,
    /// What each build is made from: files from the configuration's directory with their digests, by the build's name.
    pub builds: BTreeMap<String, BTreeMap<String, String>>,
    /// What stores hold, in the order of loading.
    pub data: Vec<DataEntry>,
    /// What migrates, in order.
    pub migrations: Vec<Migration>,
    /// The sources' files.
    pub sources: Vec<SourceFiles>,
    /// Versions of the programs that render, by name.
    pub renderers: BTreeMap<String, String>,
    /// The git tree.
    pub tree: Option<String>,
    /// Local policy.
    pub local: Local,
    /// The key for Secrets' values.
    pub key: Option<LockKey>,
}

/// The lock of what is there now, and the canonical objects that it was made of.
#[derive(Debug, Clone)]
pub struct Present {
    /// The lock, whose entries lack their `fields`: comparing takes only those of the other one.
    pub lock: Lock,
    /// Canonical objects by key; Secrets without their values.
    pub objects: BTreeMap<String, Value>,
}

impl Present {
    /// The lock with all that is written of it.
    pub fn into_lock(mut self) -> Lock {
        for (key, entry) in &mut self.lock.objects {
            if let Some(value) = self.objects.get(key) {
                entry.fields = ascii(&canonical_json(&outline(value)));
            }
        }
        self.lock
    }
}

/// Writes down what was rendered.
pub fn build(rendered: &Rendered, facts: &Facts) -> Present {
    let mut builder = Builder {
        facts,
        sources: facts
            .sources
            .iter()
            .map(|known| (known.source.as_str(), source_name(facts, known)))
            .collect(),
        made_up: made_up(rendered),
        lock: Lock {
            kubernetes: facts.kubernetes.clone(),
            api_versions: facts.api_versions.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect(),
            images: facts.images.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect(),
            data: facts.data.clone(),
            migrations: facts.migrations.clone(),
            secrets: facts
                .key
                .as_ref()
                .map(|key| SecretValues { key: key.id().into(), ..Default::default() }),
            inputs: inputs(facts),
            local: facts.local.clone(),
            ..Lock::default()
        },
        objects: BTreeMap::new(),
    };
    for object in &rendered.objects {
        builder.object("", object);
    }
    for hook in &rendered.hooks {
        builder.object(&format!("hook {}/{}: ", hook.namespace, hook.release), &hook.object);
    }
    builder.lock.root = builder.lock.computed_root();
    Present { lock: builder.lock, objects: builder.objects }
}

/// The most files of a build's context that a lock names.
const BUILD_FILES: usize = 300;

/// What the files of a build are listed under.
pub(super) fn build_source(name: &str) -> String {
    format!("build {name}")
}

fn inputs(facts: &Facts) -> Inputs {
    let mut files = BTreeSet::new();
    for source in &facts.sources {
        let name = source_name(facts, source);
        for (path, file) in &source.files {
            let path = relative(path, &facts.directory);
            let digest = match &facts.key {
                _ if !file.secret => Some(file.digest.clone()),
                key => key.as_ref().map(|key| key.file(&path, &file.digest)),
            };
            files.insert(InputFile { source: name.clone(), path, digest });
        }
    }
    for (name, listed) in &facts.builds {
        // Of a large context only the whole is told, by its image.
        if listed.len() > BUILD_FILES {
            continue;
        }
        files.extend(listed.iter().map(|(path, digest)| InputFile {
            source: build_source(name),
            path: path.clone(),
            digest: Some(digest.clone()),
        }));
    }
    Inputs {
        tree: facts.tree.clone(),
        renderers: facts.renderers.clone(),
        files: files.into_iter().collect(),
    }
}

/// A source's name without this machine's paths.
fn source_name(facts: &Facts, source: &SourceFiles) -> String {
    source.paths.iter().fold(source.source.clone(), |name, path| {
        name.replace(&path.display().to_string(), &relative(path, &facts.directory))
    })
}

/// A path as one would write it in a directory.
fn relative(path: &Path, directory: &Path) -> String {
    let mut path_parts = path.components().peekable();
    let mut directory_parts = directory.components().peekable();
    while path_parts.peek().is_some() && path_parts.peek() == directory_parts.peek() {
        path_parts.next();
        directory_parts.next();
    }
    let up = directory_parts.map(|_| "..".to_owned());
    let down = path_parts.filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    let parts: Vec<String> = up.chain(down).collect();
    if parts.is_empty() { ".".into() } else { parts.join("/") }
}

/// Pointers of what charts make up, by object.
fn made_up(rendered: &Rendered) -> BTreeMap<&ObjectId, Vec<&str>> {
    let mut found: BTreeMap<&ObjectId, Vec<&str>> = BTreeMap::new();
    for field in &rendered.volatile {
        found.entry(&field.object).or_default().push(&field.pointer);
    }
    found
}

struct Builder<'a> {
    facts: &'a Facts,
    /// What sources are called, by what the renderer calls them.
    sources: BTreeMap<&'a str, String>,
    made_up: BTreeMap<&'a ObjectId, Vec<&'a str>>,
    lock: Lock,
    objects: BTreeMap<String, Value>,
}

impl Builder<'_> {
    fn object(&mut self, before: &str, object: &Object) {
        let mut value = object.value.clone();
        if !self.made_up.is_empty() {
            for pointer in self.made_up.get(&object.id()).into_iter().flatten() {
                if let Some(field) = value.pointer_mut(pointer) {
                    *field = Value::String(MADE_UP.into());
                }
            }
        }
        let mut value = canonical_object(value);
        let key = self.free_key(format!("{before}{}", key(&value)));
        if let Some((shape, values)) = secret::split(&value) {
            value = shape;
            if let (Some(lock_key), Some(secrets)) = (&self.facts.key, &mut self.lock.secrets) {
                for (name, bytes) in values {
                    let hash = lock_key.hash(&key, &name, &bytes);
                    secrets.values.insert((key.clone(), name), hash);
                }
            }
        }
        let source = object.origin.source.as_str();
        let entry = Entry {
            hash: hash(&value),
            from: self.sources.get(source).cloned().unwrap_or_else(|| source.to_owned()),
            file: object.origin.file.as_ref().map(|file| relative(file, &self.facts.directory)),
            fields: String::new(),
        };
        self.lock.objects.insert(key.clone(), entry);
        self.objects.insert(key, value);
    }

    /// Hooks may name one object twice, and names may be made up: the second has `#2` behind it.
    fn free_key(&self, key: String) -> String {
        if !self.lock.objects.contains_key(&key) {
            return key;
        }
        let mut keys = (2_usize..).map(|number| format!("{key} #{number}"));
        keys.find(|key| !self.lock.objects.contains_key(key)).unwrap_or(key)
    }
}

/// Whether a key of a lock is that of a Secret of Kubernetes' own.
pub fn is_secret_key(key: &str) -> bool {
    // A hook's has its release before it.
    key.rsplit(": ").next().is_some_and(|key| key.starts_with("Secret "))
}

/// What an object is called in a lock: `Deployment.apps shop/catalogue`, `Namespace shop`.
fn key(value: &Value) -> String {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let group = text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
    let dot = if group.is_empty() { "" } else { "." };
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let slash = if namespace.is_empty() { "" } else { "/" };
    format!("{}{dot}{group} {namespace}{slash}{name}", text("/kind"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::{Origin, SourceFile, VolatileField};

    pub(super) fn object(value: Value) -> Object {
        let origin = Origin {
            source: "kustomize /a/b/deploy".into(),
            file: Some("/a/b/deploy/x.yaml".into()),
            line: 1,
        };
        Object { value, origin }
    }

    fn facts(directory: &str) -> Facts {
        let path = PathBuf::from("/a/b/deploy");
        let source = SourceFiles {
            source: "kustomize /a/b/deploy".into(),
            paths: vec![path.clone()],
            files: [(path.join("x.yaml"), SourceFile::default())].into(),
        };
        Facts { directory: directory.into(), sources: vec![source], ..Facts::default() }
    }

    #[test]
    fn no_path_of_the_machine_is_written() {
        let rendered = Rendered {
            objects: vec![object(
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
            )],
            ..Rendered::default()
        };
        let lock = build(&rendered, &facts("/a/c")).lock;
        let entry = &lock.objects["Namespace shop"];
        assert_eq!(entry.from, "kustomize ../b/deploy");
        assert_eq!(entry.file.as_deref(), Some("../b/deploy/x.yaml"));
        assert_eq!(lock.inputs.files[0].path, "../b/deploy/x.yaml");
        assert_eq!(build(&rendered, &facts("/a/b")).lock.root, lock.root);
    }

    #[test]
    fn what_a_chart_makes_up_does_not_count() {
        let rendered = |word: &str| {
            let secret = object(
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": word}}),
            );
            let job = object(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": word}}));
            let fields = [(&secret, "/stringData/p"), (&job, "/metadata/name")];
            let volatile = fields
                .map(|(object, pointer)| VolatileField { object: object.id(), pointer: pointer.into() });
            Rendered { volatile: volatile.into(), objects: vec![secret, job], ..Rendered::default() }
        };
        let facts = Facts { key: Some(LockKey::new([1; 32])), ..facts("/a/b") };
        let one = build(&rendered("one"), &facts).lock;
        assert_eq!(one, build(&rendered("two"), &facts).lock);
        assert_eq!(one.secrets.unwrap().values.len(), 0);
    }

    #[test]
    fn the_root_is_the_same_with_any_key_and_without() {
        let secret = object(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": "hunter2"}}),
        );
        let rendered = Rendered { objects: vec![secret], ..Rendered::default() };
        let without = build(&rendered, &facts("/a/b")).lock;
        let with = build(&rendered, &Facts { key: Some(LockKey::new([1; 32])), ..facts("/a/b") }).lock;
        assert_eq!(without.root, with.root);
        assert_eq!(with.secrets.unwrap().values.len(), 1);
    }
}
