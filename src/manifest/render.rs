//! All sources rendered side by side into what production would apply.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::cache::{Cache, Inputs, Outcome};
use super::duplicate::{Duplicate, Duplicates};
use super::error::{ManifestError, Warning};
use super::helm::{Chart, DEFAULT_VERSION};
use super::hook::Hook;
use super::index::Index;
use super::kustomize::{self, Reach};
use super::object::{Gvk, Object, ObjectId, Origin};
use super::reading::Read;
use super::scope::{Scope, declared_scopes, default_namespaces, scope_of};
use super::volatile::{Memory, VolatileField};
use super::{chart, files, tool};
use crate::config::{Config, HelmSource, Source};
use crate::event::{Event, Reporter};

/// What rendering needs besides the configuration.
#[derive(Debug, Clone)]
pub struct RenderContext {
    /// Where this project's state is kept. Rendered results (secrets may be among them) are kept in it, for the owner only.
    pub state_directory: PathBuf,
    /// The cluster's Kubernetes version, for charts, where the configuration does not name production's.
    pub cluster_version: Option<String>,
}

/// A Helm release among the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartRelease {
    /// The source in `devcluster.yaml`: the `origin.source` of its objects.
    pub source: String,
    /// The release's name.
    pub release: String,
    /// The release's namespace.
    pub namespace: String,
    /// Hash of the chart, its values and settings: when it changes, upgrade hooks are due.
    pub hash: String,
}

/// What production would apply.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// The objects, in order of their sources, charts' in helm's order of installation.
    pub objects: Vec<Object>,
    /// Charts' hooks, in order of their sources, and of each chart in the order in which they run.
    pub hooks: Vec<Hook>,
    /// What kubectl passes over in silence.
    pub warnings: Vec<Warning>,
    /// Fields that come out differently each time; they hold their first values.
    pub volatile: Vec<VolatileField>,
    /// The charts.
    pub charts: Vec<ChartRelease>,
    /// Whether no program had to be called.
    pub from_cache: bool,
    /// Default namespaces of objects whose kind's scope is not known yet.
    pub(crate) unsettled: BTreeMap<ObjectId, String>,
}

impl Rendered {
    /// Objects of kinds that neither Kubernetes nor a CRD among the objects declares, and that name no namespace: only
    /// the cluster can tell whether they have one.
    pub fn unsettled(&self) -> impl Iterator<Item = &ObjectId> {
        self.unsettled.keys()
    }

    /// Gives such objects their sources' namespaces where their kinds have namespaces.
    pub fn settle_namespaces(&mut self, scope: impl Fn(&Gvk) -> Option<Scope>) {
        let hooks = self.hooks.iter_mut().map(|hook| &mut hook.object);
        for object in self.objects.iter_mut().chain(hooks) {
            if let Some(namespace) = self.unsettled.get(&object.id()) {
                default_namespaces(std::slice::from_mut(object), namespace, &scope);
            }
        }
        self.unsettled.clear();
    }
}

/// Renders every source of the configuration. Faults of all sources are collected.
pub async fn render(
    config: &Config,
    context: &RenderContext,
    reporter: &dyn Reporter,
) -> Result<Rendered, ManifestError> {
    let state = &context.state_directory;
    let rendering = Rendering {
        config,
        context,
        reporter,
        cache: Cache::new(state.join("render")),
        index: Index::open(state.join("render/index.json")),
        memory: Memory::open(state.join("volatile.json"))?,
    };
    let sources = config.manifests.iter().map(|source| rendering.source(source));
    let results = futures::future::join_all(sources).await;
    rendering.index.save();
    let mut outcomes = Vec::new();
    let mut errors = Vec::new();
    for result in results {
        match result {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(ManifestError::collect(errors));
    }
    join(outcomes, config.directory())
}

/// One source's part of the whole.
struct Part {
    outcome: Outcome,
    namespace: String,
    chart: Option<ChartRelease>,
    from_cache: bool,
}

struct Rendering<'a> {
    config: &'a Config,
    context: &'a RenderContext,
    reporter: &'a dyn Reporter,
    cache: Cache,
    index: Index,
    memory: Memory,
}

impl Rendering<'_> {
    async fn source(&self, source: &Source) -> Result<Part, ManifestError> {
        let name = source_name(source, self.config.directory());
        match source {
            Source::Files { paths, namespace } => {
                let outcome = self.files(&name, paths).await?;
                Ok(Part { outcome, namespace: or_default(namespace.as_ref()), chart: None, from_cache: true })
            }
            Source::Kustomize { path, namespace } => {
                let (outcome, from_cache) = self.kustomize(&name, path).await?;
                Ok(Part { outcome, namespace: or_default(namespace.as_ref()), chart: None, from_cache })
            }
            Source::Helm(helm) => self.helm(&name, helm).await,
        }
    }

    async fn files(&self, name: &str, paths: &[String]) -> Result<Outcome, ManifestError> {
        let (source, paths, directory) =
            (name.to_owned(), paths.to_owned(), self.config.directory().to_owned());
        let read = tokio::task::spawn_blocking(move || files::read(&source, &paths, &directory)).await;
        outcome(read.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())))
    }

    async fn kustomize(&self, name: &str, path: &Path) -> Result<(Outcome, bool), ManifestError> {
        let directory = self.config.directory().join(path);
        let tool = tool::find(&["kustomize", "kubectl"]);
        let reach = Reach::of(&directory);
        let inputs = reach.as_ref().and_then(|reach| reach.inputs(&directory, &tool, &self.index));
        if let Some(kept) = inputs.as_ref().and_then(|inputs| self.cache.get(name, inputs)) {
            return Ok((kept, true));
        }
        let step = Step::start(self.reporter, name, "kustomize");
        let mut read = kustomize::build(name, &directory, &tool).await?;
        kustomize::find_origins(&mut read.objects, reach.as_ref());
        let outcome = outcome(read)?;
        if let Some(inputs) = inputs {
            self.cache.put(name, &inputs, &outcome);
        }
        step.done(&outcome);
        Ok((outcome, false))
    }

    async fn helm(&self, name: &str, helm: &HelmSource) -> Result<Part, ManifestError> {
        let production = &self.config.production;
        let version = production.kubernetes_version.as_ref().or(self.context.cluster_version.as_ref());
        let version = version.map_or(DEFAULT_VERSION, String::as_str);
        let hash = chart::hash(helm, &self.index)?;
        let mut inputs = Inputs::new();
        inputs.text("chart", &hash);
        inputs.text("tool", &tool::find(&["helm"]).stamp);
        inputs.text("version", version);
        production.api_versions.iter().for_each(|version| inputs.text("api", version));
        let inputs = inputs.hash();
        let chart = ChartRelease {
            source: name.into(),
            release: helm.release.clone(),
            namespace: helm.namespace.clone(),
            hash,
        };
        let namespace = helm.namespace.clone();
        if let Some(outcome) = self.cache.get(name, &inputs) {
            return Ok(Part { outcome, namespace, chart: Some(chart), from_cache: true });
        }
        let step = Step::start(self.reporter, name, "helm");
        let rendering = Chart { source: name, helm, version, production };
        let outcome = rendering.render(&chart.hash, &self.memory).await?;
        self.cache.put(name, &inputs, &outcome);
        step.done(&outcome);
        Ok(Part { outcome, namespace, chart: Some(chart), from_cache: false })
    }
}

fn or_default(namespace: Option<&String>) -> String {
    namespace.cloned().unwrap_or_else(|| "default".into())
}

fn outcome(read: Read) -> Result<Outcome, ManifestError> {
    if !read.faults.is_empty() {
        return Err(ManifestError::Faults(read.faults));
    }
    Ok(Outcome { objects: read.objects, warnings: read.warnings, ..Outcome::default() })
}

/// A source's name in messages: paths as one would write them beside `devcluster.yaml`.
pub(super) fn source_name(source: &Source, directory: &Path) -> String {
    let short = |path: &Path| match path.strip_prefix(directory) {
        Ok(path) if path.as_os_str().is_empty() => ".".to_owned(),
        Ok(path) => path.display().to_string(),
        Err(_) => path.display().to_string(),
    };
    match source {
        Source::Files { paths, .. } => {
            let paths: Vec<_> = paths.iter().map(|path| short(Path::new(path))).collect();
            format!("files {}", paths.join(", "))
        }
        Source::Kustomize { path, .. } => format!("kustomize {}", short(path)),
        Source::Helm(helm) => {
            format!("helm {}/{} ({})", helm.namespace, helm.release, short(&helm.chart))
        }
    }
}

/// Puts the sources' parts together: namespaces filled in, no object twice.
fn join(parts: Vec<Part>, directory: &Path) -> Result<Rendered, ManifestError> {
    let declared = declared_scopes(parts.iter().flat_map(|part| &part.outcome.objects));
    let scope =
        |gvk: &Gvk| scope_of(gvk).or_else(|| declared.get(&(gvk.group.clone(), gvk.kind.clone())).copied());
    let mut rendered = Rendered { from_cache: true, ..Rendered::default() };
    for mut part in parts {
        default_namespaces(&mut part.outcome.objects, &part.namespace, scope);
        for hook in &mut part.outcome.hooks {
            default_namespaces(std::slice::from_mut(&mut hook.object), &part.namespace, scope);
        }
        let hooks = part.outcome.hooks.iter().map(|hook| &hook.object);
        for object in part.outcome.objects.iter().chain(hooks) {
            if object.namespace().is_empty() && scope(&object.gvk()).is_none() {
                rendered.unsettled.insert(object.id(), part.namespace.clone());
            }
        }
        for field in &mut part.outcome.volatile {
            settle_field(field, &part.namespace, scope);
        }
        rendered.objects.extend(part.outcome.objects);
        rendered.hooks.extend(part.outcome.hooks);
        rendered.warnings.extend(part.outcome.warnings);
        rendered.volatile.extend(part.outcome.volatile);
        rendered.charts.extend(part.chart);
        rendered.from_cache &= part.from_cache;
    }
    let duplicates = duplicates(&rendered.objects);
    if duplicates.is_empty() {
        Ok(rendered)
    } else {
        Err(ManifestError::Duplicate(Duplicates { all: duplicates, directory: directory.to_owned() }))
    }
}

/// Fields are named by the objects' full identities.
fn settle_field(field: &mut VolatileField, namespace: &str, scope: impl Fn(&Gvk) -> Option<Scope>) {
    let gvk =
        Gvk { group: field.object.group.clone(), version: String::new(), kind: field.object.kind.clone() };
    match scope(&gvk) {
        Some(Scope::Namespaced) if field.object.namespace.is_empty() => {
            field.object.namespace = namespace.into();
        }
        Some(Scope::Cluster) => field.object.namespace.clear(),
        _ => {}
    }
}

fn duplicates(objects: &[Object]) -> Vec<Duplicate> {
    let mut seen: BTreeMap<ObjectId, &Origin> = BTreeMap::new();
    let mut found = Vec::new();
    for object in objects {
        let id = object.id();
        match seen.get(&id) {
            Some(first) => {
                found.push(Duplicate { object: id, first: (*first).clone(), second: object.origin.clone() });
            }
            None => {
                seen.insert(id, &object.origin);
            }
        }
    }
    found
}

/// A step of rendering that calls a program.
struct Step<'a> {
    reporter: &'a dyn Reporter,
    name: String,
    began: Instant,
}

impl<'a> Step<'a> {
    fn start(reporter: &'a dyn Reporter, source: &str, program: &str) -> Self {
        let name = format!("render {source}");
        reporter.report(Event::Started { step: name.clone(), what: format!("running {program}") });
        Self { reporter, name, began: Instant::now() }
    }

    fn done(self, outcome: &Outcome) {
        let hooks = match outcome.hooks.len() {
            0 => String::new(),
            1 => " and 1 hook".into(),
            count => format!(" and {count} hooks"),
        };
        let count = outcome.objects.len();
        let what = format!("{count} object{}{hooks}", if count == 1 { "" } else { "s" });
        self.reporter.report(Event::Done { step: self.name, what, took: self.began.elapsed() });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn part(source: &str, namespace: &str, objects: &[(&str, &str, &str)]) -> Part {
        let objects = objects.iter().enumerate().map(|(number, (version, kind, name))| Object {
            value: json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}}),
            origin: Origin { source: source.into(), file: Some("a.yaml".into()), line: number + 1 },
        });
        let outcome = Outcome { objects: objects.collect(), ..Outcome::default() };
        Part { outcome, namespace: namespace.into(), chart: None, from_cache: true }
    }

    #[test]
    fn one_object_from_two_sources_names_both() {
        let parts = vec![
            part("files a", "default", &[("v1", "ConfigMap", "x"), ("v1", "ConfigMap", "y")]),
            part("kustomize b", "default", &[("v1", "ConfigMap", "x")]),
            part("kustomize c", "other", &[("v1", "ConfigMap", "y")]),
        ];
        let error = join(parts, Path::new("/")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "1 object written twice:\n  files a and kustomize b both have:\n    ConfigMap default/x (a.yaml:1 and a.yaml:1)\n  \
             take a source out of `manifests`, or an object out of its file"
        );
        assert!(error.is_users());
    }

    #[test]
    fn unknown_kinds_get_their_namespace_once_the_cluster_has_told() {
        let mut rendered = join(
            vec![part("files a", "shop", &[("x.io/v1", "Thing", "t"), ("x.io/v1", "Planet", "p")])],
            Path::new("/"),
        )
        .unwrap();
        assert_eq!(rendered.unsettled().count(), 2);
        assert_eq!(rendered.objects[0].namespace(), "");
        rendered.settle_namespaces(|gvk| {
            Some(if gvk.kind == "Thing" { Scope::Namespaced } else { Scope::Cluster })
        });
        assert_eq!(rendered.objects[0].namespace(), "shop");
        assert_eq!(rendered.objects[1].namespace(), "");
        assert_eq!(rendered.unsettled().count(), 0);
    }
}
