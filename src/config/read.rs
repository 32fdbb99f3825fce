//! Turns a checked tree into the configuration, and names what a shape alone cannot hold: paths that do not exist,
//! names that stand twice, ranges that are none.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fault::{ConfigError, Document, Faults};
use super::model::{
    Build, Cluster, Config, DataFrom, DataSet, Environment, HelmSource, Image, ImageFrom, Migration,
    Production, ProviderKind, Source, SyncRule, Then,
};
use super::paths::Paths;
use super::profile::Profiles;
use super::tree::{Spanned, SpannedValue, Tree as _};
use crate::dockerignore::Ignore;

/// Reads one document. A place that the check found wrong reads as left out: its fault is collected already.
pub(super) struct Reader<'a> {
    pub(super) document: &'a Arc<Document>,
    pub(super) faults: &'a Faults,
    file: &'a Path,
    paths: Paths<'a>,
}

impl<'a> Reader<'a> {
    /// For the document read from `file`, which is absolute.
    pub(super) fn new(document: &'a Arc<Document>, faults: &'a Faults, file: &'a Path) -> Self {
        let directory = file.parent().unwrap_or(Path::new("/"));
        Self { document, faults, file, paths: Paths { document, faults, directory } }
    }

    /// The configuration; `None` comes with at least one fault.
    pub(super) fn config(
        &self,
        tree: &'a Spanned,
        profile: Option<(&str, &Path)>,
    ) -> Result<Option<Config>, ConfigError> {
        let profiles = Profiles::new(self.document, self.faults, self.paths.directory, tree.get("profiles"));
        let profile = profiles.select(tree.get("profile"), profile)?;
        let name = text(tree, "name").unwrap_or_default();
        // Everything is read even where the profile is wrong: all faults at once.
        let cluster = self.cluster(tree.get("cluster"), &name);
        let manifests = items(tree, "manifests").iter().filter_map(|node| self.source(node)).collect();
        let images = self.images(items(tree, "images"));
        let data = items(tree, "data").iter().filter_map(|node| self.data(node)).collect();
        let ci = self.ci(items(tree, "ci"));
        let masking = text(tree, "masking").unwrap_or_else(|| "snapshots/masking.yaml".into());
        Ok(profile.map(|profile| Config {
            file: self.file.to_owned(),
            name,
            cluster,
            manifests,
            production: production(tree.get("production")),
            images,
            data,
            migrations: items(tree, "migrations").iter().filter_map(|node| self.migration(node)).collect(),
            ci,
            environments: self.environments(items(tree, "environments")),
            masking: self.paths.directory.join(masking),
            profile,
        }))
    }

    fn environments(&self, nodes: &[Spanned]) -> Vec<Environment> {
        let mut environments: Vec<Environment> = Vec::new();
        for node in nodes {
            let Some(name) = text(node, "name") else { continue };
            let branch = text(node, "branch").unwrap_or_else(|| format!("environments/{name}"));
            let twice = |key: &str, value: &str| {
                let help = "environments differ in name and branch; give it one of its own".to_owned();
                self.faults.add(self.document, node.span(), format!("{key} `{value}` stands twice"), help);
            };
            if environments.iter().any(|known| known.name == name) {
                twice("environment", &name);
            } else if environments.iter().any(|known| known.branch == branch) {
                twice("branch", &branch);
            }
            let production =
                matches!(node.get("production").map(|node| &node.value), Some(SpannedValue::Bool(true)));
            let keys = items(node, "keys").iter().filter_map(|key| self.paths.file(key)).collect();
            environments.push(Environment { name, branch, production, keys });
        }
        environments
    }

    fn data(&self, node: &Spanned) -> Option<DataSet> {
        let from = match text(node, "snapshot") {
            Some(name) => DataFrom::Snapshot(name),
            None => DataFrom::Seed(self.paths.file(node.get("seed")?)?),
        };
        Some(DataSet { store: text(node, "store")?, from })
    }

    fn migration(&self, node: &Spanned) -> Option<Migration> {
        if let Some(name) = node.text() {
            return Some(Migration { name: name.to_owned(), statements: None, store: None });
        }
        let statements = node
            .get("statements")
            .map(|_| items(node, "statements").iter().filter_map(|path| self.paths.files(path)).collect());
        Some(Migration { name: text(node, "name")?, statements, store: text(node, "store") })
    }

    fn cluster(&self, node: Option<&Spanned>, project: &str) -> Cluster {
        let get = |key: &str| node.and_then(|node| text(node, key));
        let port = |key: &str| match node?.get(key)?.value {
            SpannedValue::Int(port) => u16::try_from(port).ok(),
            _ => None,
        };
        let subnet = |key: &str| {
            let node = node?.get(key)?;
            let text = node.text()?;
            if !text.split(',').all(is_subnet) {
                let message = format!("`cluster.{key}` cannot be `{text}`");
                let help = "needed is an address range such as `10.244.0.0/16`".to_owned();
                self.faults.add(self.document, node.span(), message, help);
            }
            Some(text.to_owned())
        };
        let (plain, secure) = (port("httpPort"), port("httpsPort"));
        if let (Some(node), Some(port), true) =
            (node.and_then(|node| node.get("httpsPort")), secure, plain == secure)
        {
            let help = "give each a port of its own".to_owned();
            let message = format!("`cluster.httpsPort` is {port}, and so is `cluster.httpPort`");
            self.faults.add(self.document, node.span(), message, help);
        }
        Cluster {
            provider: ProviderKind::Kind,
            name: get("name").unwrap_or_else(|| cluster_name(project, self.paths.directory)),
            node_image: get("nodeImage"),
            http_port: plain,
            https_port: secure,
            pod_subnet: subnet("podSubnet"),
            service_subnet: subnet("serviceSubnet"),
        }
    }

    fn source(&self, node: &Spanned) -> Option<Source> {
        if let Some(files) = node.get("files") {
            let paths = files.get("paths").unwrap_or(files);
            let paths = paths.items().unwrap_or(std::slice::from_ref(paths));
            let paths = paths.iter().filter_map(|node| self.paths.files(node)).collect();
            return Some(Source::Files { paths, namespace: text(files, "namespace") });
        }
        if let Some(kustomize) = node.get("kustomize") {
            let path = kustomize.get("path").unwrap_or(kustomize);
            let path = self.paths.kustomization(path)?;
            return Some(Source::Kustomize { path, namespace: text(kustomize, "namespace") });
        }
        let helm = node.get("helm")?;
        // Each is looked at, whatever is wrong with the others.
        let chart = helm.get("chart").and_then(|node| self.paths.chart(node));
        let values = items(helm, "values").iter().filter_map(|node| self.paths.file(node)).collect();
        Some(Source::Helm(HelmSource {
            chart: chart?,
            release: text(helm, "release")?,
            namespace: text(helm, "namespace").unwrap_or_else(|| "default".into()),
            values,
            set: self.scalars(helm, "set"),
        }))
    }

    fn images(&self, nodes: &[Spanned]) -> Vec<Image> {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for name in nodes.iter().filter_map(|node| node.get("name")) {
            let Some(text) = name.text() else { continue };
            if let Some(line) = seen.get(text) {
                let help = format!("it stands in line {line} already; keep one of them");
                self.faults.add(self.document, name.span(), format!("image `{text}` stands twice"), help);
            } else {
                seen.insert(text, name.start.line);
            }
        }
        nodes.iter().filter_map(|node| self.image(node)).collect()
    }

    fn image(&self, node: &Spanned) -> Option<Image> {
        let name = text(node, "name")?;
        if let Some(stand_in) = node.get("standIn") {
            let ports = items(stand_in, "ports").iter().filter_map(|node| self.port(node)).collect();
            return Some(Image { name, from: ImageFrom::StandIn { ports } });
        }
        if let Some(node) = node.get("name").filter(|_| name.contains('*')) {
            let help = "`*` is for stand-ins; name the one image that this context builds".to_owned();
            self.faults.add(self.document, node.span(), format!("image `{name}` names more than one"), help);
        }
        Some(Image { name, from: ImageFrom::Build(self.build(node)?) })
    }

    fn build(&self, node: &Spanned) -> Option<Build> {
        let context = self.paths.directory(node.get("context")?)?;
        let dockerfile = if let Some(node) = node.get("dockerfile") {
            self.paths.file_from(node, &context)?
        } else {
            let at = node.get("context")?;
            let default = context.join("Dockerfile");
            if !default.is_file() {
                let message = format!("`{}` has no Dockerfile", at.text()?);
                let help = "name it: `dockerfile:`, from the context's directory".to_owned();
                self.faults.add(self.document, at.span(), message, help);
            }
            default
        };
        Some(Build {
            dockerfile,
            target: text(node, "target"),
            args: self.scalars(node, "args"),
            secrets: texts(node, "secrets").iter().map(|secret| self.secret(secret)).collect(),
            ssh: texts(node, "ssh"),
            platform: text(node, "platform"),
            sync: items(node, "sync").iter().filter_map(|rule| self.sync(rule, &context)).collect(),
            context,
        })
    }

    fn sync(&self, node: &Spanned, context: &Path) -> Option<SyncRule> {
        let at = node.get("from")?;
        let from = self.paths.existing(at, context)?;
        if !from.starts_with(context) {
            let help = "sync takes what the build sees; widen `context`".to_owned();
            let message = format!("`{}` is outside the build's context", at.text()?);
            self.faults.add(self.document, at.span(), message, help);
        }
        let to = text(node, "to")?;
        let name = from.file_name().filter(|_| from.is_file() && to.ends_with('/'));
        let to = name.map_or_else(|| PathBuf::from(&to), |name| Path::new(&to).join(name));
        let ignore = texts(node, "ignore");
        if let (Err(faults), Some(at)) = (Ignore::parse(&ignore.join("\n")), node.get("ignore")) {
            self.faults.add(
                self.document,
                at.span(),
                faults.join("; "),
                "write it as in .dockerignore".to_owned(),
            );
        }
        Some(SyncRule { from, to, ignore, then: then(node.get("then")) })
    }

    /// A `--secret` value with its file's path absolute, so that it means the same from every directory.
    fn secret(&self, written: &str) -> String {
        let part = |part: &str| match part.split_once('=') {
            Some((key @ ("src" | "source"), path)) => {
                format!("{key}={}", self.paths.directory.join(path).display())
            }
            _ => part.to_owned(),
        };
        written.split(',').map(part).collect::<Vec<_>>().join(",")
    }

    fn port(&self, node: &Spanned) -> Option<String> {
        let text = match &node.value {
            SpannedValue::Int(port) => port.to_string(),
            SpannedValue::String(text) => text.clone(),
            _ => return None,
        };
        if text.trim_start_matches("tcp:").parse::<u16>().is_err() {
            let help = "needed is a port from 1 to 65535".to_owned();
            self.faults.add(self.document, node.span(), format!("`{text}` is no port"), help);
        }
        Some(text)
    }

    /// A map of scalars, each as it is written.
    pub(super) fn scalars(&self, node: &Spanned, key: &str) -> BTreeMap<String, String> {
        let entries = node.get(key).and_then(|node| node.entries()).unwrap_or_default();
        entries
            .iter()
            .filter_map(|(key, value)| {
                let written = self.document.text.get(value.start.offset..value.end.offset)?;
                let value = match &value.value {
                    SpannedValue::String(text) => text.clone(),
                    // An alias stands where its anchor's value would.
                    SpannedValue::Bool(flag) if written.starts_with('*') => flag.to_string(),
                    SpannedValue::Int(number) if written.starts_with('*') => number.to_string(),
                    SpannedValue::Float(number) if written.starts_with('*') => number.to_string(),
                    _ => written.to_owned(),
                };
                Some((key.text()?.to_owned(), value))
            })
            .collect()
    }
}

fn then(node: Option<&Spanned>) -> Then {
    let Some(node) = node else { return Then::Nothing };
    if node.text() == Some("restart") {
        return Then::Restart;
    }
    if let Some(signal) = text(node, "signal") {
        return Then::Signal(signal.trim_start_matches("SIG").to_owned());
    }
    let command = texts(node, "command");
    if command.is_empty() { Then::Nothing } else { Then::Command(command) }
}

fn production(node: Option<&Spanned>) -> Production {
    node.map_or_else(Production::default, |node| Production {
        kubernetes_version: text(node, "kubernetesVersion"),
        api_versions: texts(node, "apiVersions"),
    })
}

pub(super) fn text(node: &Spanned, key: &str) -> Option<String> {
    node.get(key)?.text().map(str::to_owned)
}

fn items<'t>(node: &'t Spanned, key: &str) -> &'t [Spanned] {
    node.get(key).and_then(|node| node.items()).unwrap_or_default()
}

pub(super) fn texts(node: &Spanned, key: &str) -> Vec<String> {
    items(node, key).iter().filter_map(|node| node.text().map(str::to_owned)).collect()
}

fn is_subnet(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let Ok(bits) = bits.parse::<u8>() else { return false };
    (address.parse::<Ipv4Addr>().is_ok() && bits <= 32)
        || (address.parse::<Ipv6Addr>().is_ok() && bits <= 128)
}

/// `NAME-HASH`: six hex digits of blake3 of the directory, and at most 40 characters, as kind's node names need.
fn cluster_name(project: &str, directory: &Path) -> String {
    let hash = blake3::hash(directory.as_os_str().as_encoded_bytes()).to_hex();
    let name: String = project.chars().take(33).collect();
    format!("{}-{}", name.trim_end_matches('-'), &hash[..6])
}
