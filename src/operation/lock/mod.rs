//! Writes down what production's manifests come to: `devcluster.lock`. Neither an engine nor a cluster is needed.

pub(super) mod digests;
pub(super) mod locked_images;
pub(super) mod tree;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::cluster::state::State;
use crate::config::{Config, DataFrom, DataSet, ImageFrom};
use crate::data::snapshot::{Catalogue, SnapshotError, SnapshotName};
use crate::event::{Event, Reporter};
use crate::handoff::{self, DataEntry, Facts, Local, LockKey, Present};
use crate::manifest::{self, RenderContext, Rendered, Scope};
use crate::operation::error::OperationError;
use crate::operation::migrations::judged;
use crate::operation::verify::{self, LockError};

/// The variable that has the key for Secrets' values, as 64 hexadecimal digits: a team and its CI share one.
pub const KEY: &str = "DEVCLUSTER_LOCK_KEY";

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// The lock.
    pub file: PathBuf,
    /// Its root.
    pub root: String,
    /// How many objects and hooks it is over.
    pub objects: usize,
}

/// Renders, and writes the lock whole or not at all. `out` is beside the configuration where unset.
pub async fn run(
    config: &Config,
    out: Option<&Path>,
    reporter: &dyn Reporter,
) -> Result<Written, OperationError> {
    let file = out.map_or_else(|| config.directory().join(handoff::FILE), Path::to_owned);
    let earlier = match verify::read(config, None) {
        Ok(earlier) => Some(earlier),
        Err(LockError::Absent { .. }) => None,
        Err(error) => {
            let lost = "what it says of images that no engine here knows is not kept";
            reporter.report(Event::Warning(format!("{error}\n{lost}")));
            None
        }
    };
    let mut present = present(config, reporter).await?;
    explain(config, &mut present).await;
    let mut lock = present.into_lock();
    locked_images::fill(&mut lock, earlier.as_ref()).await;
    for data in lock.data.iter().filter(|data| data.digest.is_none()) {
        let what = format!("{} is not here: the lock says nothing of its content", data.from);
        reporter.report(Event::Warning(what));
    }
    if lock.secrets.is_none() && lock.objects.keys().any(|key| handoff::is_secret_key(key)) {
        reporter.report(Event::Note(format!("{KEY} is not set: the lock says nothing of Secrets' values")));
    }
    persist(&file, &handoff::write(&lock))
        .map_err(|source| LockError::Write { path: file.clone(), source })?;
    Ok(Written { file, root: lock.root, objects: lock.objects.len() })
}

fn persist(file: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A file as any other of the project, where the temporary one is its owner's alone.
    let mode = std::fs::Permissions::from_mode(0o644);
    let mut draft =
        tempfile::Builder::new().prefix(".devcluster.lock-").permissions(mode).tempfile_in(directory)?;
    draft.write_all(text.as_bytes())?;
    draft.as_file().sync_all()?;
    draft.persist(file)?;
    Ok(())
}

/// What is there now. What only explains differences is left out as far as it takes programs to tell.
pub(super) async fn present(config: &Config, reporter: &dyn Reporter) -> Result<Present, OperationError> {
    Ok(rendered(config, reporter).await?.1)
}

/// The same, with the objects as they are applied.
pub(super) async fn rendered(
    config: &Config,
    reporter: &dyn Reporter,
) -> Result<(Rendered, Present), OperationError> {
    let key = key()?;
    let state = State::open(&config.cluster.name)?;
    let context = RenderContext { state_directory: state.directory().to_owned(), cluster_version: None };
    let mut rendered = manifest::render(config, &context, reporter).await?;
    // Without a cluster nobody can tell: by custom, kinds without namespaces say so in their name.
    rendered.settle_namespaces(|gvk| {
        Some(if gvk.kind.starts_with("Cluster") { Scope::Cluster } else { Scope::Namespaced })
    });
    let sources = manifest::source_files(config, &context)?;
    let facts = Facts { sources, local: local(config), key, ..covered(config, &rendered, &state).await? };
    let present = handoff::build(&rendered, &facts);
    Ok((rendered, present))
}

/// What the root covers.
async fn covered(config: &Config, rendered: &Rendered, state: &State) -> Result<Facts, OperationError> {
    let images = locked_images::images(config, rendered, state.cache()).await?;
    Ok(Facts {
        directory: config.directory().to_owned(),
        kubernetes: config.production.kubernetes_version.clone(),
        api_versions: config.production.api_versions.clone(),
        images: images.locked,
        builds: images.builds,
        data: data(config)?,
        migrations: judged::entries(config, rendered)?,
        ..Facts::default()
    })
}

/// The root that a lock of what was rendered has: what registries have images as is taken from the lock that is there.
pub(super) async fn root(
    config: &Config,
    rendered: &Rendered,
    state: &State,
) -> Result<String, OperationError> {
    let mut lock = handoff::build(rendered, &covered(config, rendered, state).await?).lock;
    if let Ok(earlier) = verify::read(config, None) {
        locked_images::keep(&mut lock, &earlier, &[]);
    }
    Ok(lock.computed_root())
}

/// Adds what it takes programs to tell: versions of renderers, the git tree.
pub(super) async fn explain(config: &Config, present: &mut Present) {
    let (renderers, tree) = tokio::join!(manifest::renderers(config), tree::id(config.directory()));
    present.lock.inputs.renderers = renderers;
    present.lock.inputs.tree = tree;
}

fn key() -> Result<Option<LockKey>, OperationError> {
    let Some(text) = std::env::var_os(KEY).filter(|text| !text.is_empty()) else { return Ok(None) };
    let key = text.to_str().and_then(LockKey::parse);
    key.map(Some).ok_or(OperationError::MaskingKey { variable: KEY })
}

fn data(config: &Config) -> Result<Vec<DataEntry>, OperationError> {
    let catalogue = Catalogue::open(config.snapshots());
    config.data.iter().map(|set| data_set(config, &catalogue, set)).collect()
}

fn data_set(config: &Config, catalogue: &Catalogue, set: &DataSet) -> Result<DataEntry, OperationError> {
    let (from, digest) = match &set.from {
        DataFrom::Snapshot(name) => {
            let name: SnapshotName = name.parse().map_err(OperationError::Name)?;
            let digest = match catalogue.find(&name) {
                Ok(manifest) => Some(manifest.content.to_string()),
                Err(SnapshotError::Unknown { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            (format!("snapshot {name}"), digest)
        }
        DataFrom::Seed(path) => {
            let text = std::fs::read(path).map_err(|source| LockError::Io { path: path.clone(), source })?;
            let shown = path.strip_prefix(config.directory()).unwrap_or(path);
            (format!("seed {}", shown.display()), Some(blake3::hash(&text).to_hex().to_string()))
        }
    };
    Ok(DataEntry { store: set.store.clone(), from, digest })
}

fn local(config: &Config) -> Local {
    let images = config.images.iter().map(|image| {
        let from = match image.from {
            ImageFrom::Build(_) => "build",
            ImageFrom::StandIn { .. } => "stand-in",
        };
        (image.name.clone(), from.to_owned())
    });
    Local {
        profile: config.profile.name.clone(),
        images: images.collect::<BTreeMap<_, _>>(),
        patches: Vec::new(),
    }
}
