//! What a project is made of as far as files go, and what a changed file leads to: one pure function.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::git::GitIgnores;
use crate::config::{SyncRule, Then};
use crate::dockerignore::Ignore;

/// What a project is made of. Paths are absolute.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `devcluster.yaml`.
    pub configuration: PathBuf,
    /// The images that are built here.
    pub images: Vec<ImageSource>,
    /// Directories and files that manifests come from: the project's own, and those outside it.
    pub manifests: Vec<PathBuf>,
    /// What Git leaves out.
    pub git: GitIgnores,
}

/// An image that is built here.
#[derive(Debug, Clone)]
pub struct ImageSource {
    /// Its name, as the configuration has it.
    pub name: String,
    /// The build's context.
    pub context: PathBuf,
    /// The Dockerfile.
    pub dockerfile: PathBuf,
    /// What the build does not see of its context.
    pub ignore: Ignore,
    /// What is copied into running containers; the first that covers a file counts.
    pub sync: Vec<Synced>,
}

/// Files that are copied into running containers.
#[derive(Debug, Clone)]
pub struct Synced {
    /// The rule.
    pub rule: SyncRule,
    /// What of it is left to a rebuild.
    pub ignore: Ignore,
}

impl Synced {
    /// Where a file is in containers; none where the rule does not cover it.
    pub fn place(&self, path: &Path) -> Option<PathBuf> {
        let below = path.strip_prefix(&self.rule.from).ok()?;
        let ignored = !below.as_os_str().is_empty() && self.ignore.ignores(&below.to_string_lossy());
        let at = if below.as_os_str().is_empty() { self.rule.to.clone() } else { self.rule.to.join(below) };
        (!ignored).then_some(at)
    }
}

/// What a rule is known by: the image's name, and its place among the image's rules.
pub type RuleId = (String, usize);

/// What a changed file leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The configuration is read again, and everything follows.
    Configure,
    /// What is ignored is read again, with the configuration.
    Ignores,
    /// Manifests are rendered again, and what differs is applied.
    Apply,
    /// It is copied into the running containers of an image.
    Sync {
        /// The rule that says so.
        rule: RuleId,
        /// Where it is in the containers.
        to: PathBuf,
        /// What happens in the containers then.
        then: Then,
    },
    /// An image is built and swapped in the running containers.
    Rebuild(String),
    /// Nothing, for a reason.
    Nothing(&'static str),
}

impl fmt::Display for Effect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configure => out.write_str("the configuration is read again"),
            Self::Ignores => out.write_str("what is ignored is read again, with the configuration"),
            Self::Apply => out.write_str("the manifests are rendered again, and what differs is applied"),
            Self::Sync { rule: (image, _), to, then: Then::Restart } => write!(
                out,
                "it stands at {} in {image} as a layer, and the running containers start anew with it",
                to.display()
            ),
            Self::Sync { rule: (image, _), to, then } => {
                write!(out, "it is copied to {} in the running containers of {image}", to.display())?;
                match then {
                    Then::Nothing | Then::Restart => Ok(()),
                    Then::Signal(signal) => write!(out, ", whose first process gets SIG{signal}"),
                    Then::Command(command) => write!(out, ", which run `{}`", command.join(" ")),
                }
            }
            Self::Rebuild(image) => write!(out, "{image} is built and swapped in the running containers"),
            Self::Nothing(why) => write!(out, "nothing: {why}"),
        }
    }
}

/// What several changed files lead to together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// The configuration is read again.
    pub configure: bool,
    /// Manifests are rendered again.
    pub apply: bool,
    /// Images to build and swap, as the configuration names them.
    pub rebuild: BTreeSet<String>,
    /// Local paths to copy, by the rule that says so.
    pub sync: BTreeMap<RuleId, BTreeSet<PathBuf>>,
}

impl Effects {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what another batch leads to.
    pub fn merge(&mut self, other: Self) {
        self.configure |= other.configure;
        self.apply |= other.apply;
        self.rebuild.extend(other.rebuild);
        for (rule, paths) in other.sync {
            self.sync.entry(rule).or_default().extend(paths);
        }
    }
}

impl ImageSource {
    /// Whether a file says what is left out of the image.
    fn is_ignored_by(&self, path: &Path) -> bool {
        let Some(name) = path.file_name() else { return false };
        let dockerfile = self.dockerfile.as_os_str().as_encoded_bytes();
        let own = path.as_os_str().as_encoded_bytes().strip_suffix(b".dockerignore");
        own == Some(dockerfile)
            || (name == ".dockerignore" && path.parent() == Some(&self.context))
            || (name == ".gitignore" && path.starts_with(&self.context))
    }

    /// What a change of `path` leads to for this image; none where it is not made of it.
    fn effect_of(&self, path: &Path, git: &GitIgnores) -> Option<Effect> {
        let rebuild = || Some(Effect::Rebuild(self.name.clone()));
        if path == self.dockerfile {
            return rebuild();
        }
        let below = path.strip_prefix(&self.context).ok()?;
        if !below.as_os_str().is_empty() && self.ignore.ignores(&below.to_string_lossy()) {
            return Some(Effect::Nothing("the build's ignore file leaves it out"));
        }
        let rule = self.sync.iter().enumerate().find_map(|(at, rule)| Some((at, rule, rule.place(path)?)));
        // What Git leaves out is left alone, unless a rule names the very directory.
        let meant = rule.as_ref().is_some_and(|(_, rule, _)| git.ignores(&rule.rule.from));
        if git.ignores(path) && !meant {
            return Some(Effect::Nothing("Git ignores it"));
        }
        match rule {
            Some((at, rule, to)) => {
                Some(Effect::Sync { rule: (self.name.clone(), at), to, then: rule.rule.then.clone() })
            }
            None => rebuild(),
        }
    }
}

impl Sources {
    /// A rule by its id.
    pub fn rule(&self, (image, at): &RuleId) -> Option<&Synced> {
        self.images.iter().find(|source| source.name == *image)?.sync.get(*at)
    }

    /// What a change of `path` leads to; never empty.
    pub fn effects_of(&self, path: &Path) -> Vec<Effect> {
        if path == self.configuration {
            return vec![Effect::Configure];
        }
        if path.components().any(|part| part.as_os_str() == ".git") {
            return vec![Effect::Nothing("it is Git's own")];
        }
        if is_editors_own(path) {
            return vec![Effect::Nothing("it is an editor's temporary file")];
        }
        if self.images.iter().any(|image| image.is_ignored_by(path)) {
            return vec![Effect::Ignores];
        }
        let (mut effects, mut unseen) = (BTreeSet::new(), None);
        for image in &self.images {
            match image.effect_of(path, &self.git) {
                Some(Effect::Nothing(why)) => unseen = Some(why),
                Some(effect) => {
                    effects.insert(effect);
                }
                None => {}
            }
        }
        // What is in a build's context may be manifests all the same: a chart in the root's context.
        if self.manifests.iter().any(|root| path.starts_with(root)) && may_be_manifest(path) {
            effects.insert(Effect::Apply);
        }
        if effects.is_empty() {
            effects.insert(Effect::Nothing(unseen.unwrap_or("no image and no manifest is made of it")));
        }
        effects.into_iter().collect()
    }

    /// What changes of `paths` lead to together.
    pub fn effects<'a>(&self, paths: impl IntoIterator<Item = &'a PathBuf>) -> Effects {
        let mut all = Effects::default();
        for (path, effect) in paths
            .into_iter()
            .flat_map(|path| self.effects_of(path).into_iter().map(move |effect| (path, effect)))
        {
            match effect {
                Effect::Sync { rule, .. } => {
                    all.sync.entry(rule).or_default().insert(path.clone());
                }
                Effect::Configure | Effect::Ignores => all.configure = true,
                Effect::Apply => all.apply = true,
                Effect::Rebuild(image) => {
                    all.rebuild.insert(image);
                }
                Effect::Nothing(_) => {}
            }
        }
        all
    }

    /// The directories to watch, none within another.
    pub fn roots(&self) -> Vec<PathBuf> {
        let contexts = self.images.iter().map(|image| image.context.clone());
        let dockerfiles = self.images.iter().filter_map(|image| Some(image.dockerfile.parent()?.to_owned()));
        let configuration = self.configuration.parent().map(Path::to_owned);
        let manifests = self
            .manifests
            .iter()
            .map(|root| if root.is_dir() { root.clone() } else { root.parent().unwrap_or(root).to_owned() });
        let all: BTreeSet<PathBuf> =
            contexts.chain(dockerfiles).chain(configuration).chain(manifests).collect();
        let mut roots: Vec<PathBuf> = Vec::new();
        for path in all {
            // Sorted: what contains a path comes before it.
            if !roots.iter().any(|root| path.starts_with(root)) {
                roots.push(path);
            }
        }
        roots
    }
}

/// Names that editors save beside a file: vim's `.x.swp` and `x~`, Emacs' `.#x` and `#x#`, JetBrains' `x___jb_tmp___`.
fn is_editors_own(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with('~')
        || name.starts_with(".#")
        || (name.starts_with('#') && name.ends_with('#'))
        || name.contains("___jb_")
        || (name.starts_with('.')
            && name.rsplit_once('.').is_some_and(|(_, end)| matches!(end, "swp" | "swo" | "swx")))
}

/// Kustomize's generators and charts take files of any name, but none of these.
fn may_be_manifest(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !matches!(name.as_ref(), "Dockerfile" | ".dockerignore" | ".gitignore")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        let image = |name: &str, context: &str, ignore: &str| ImageSource {
            name: name.into(),
            context: context.into(),
            dockerfile: PathBuf::from(context).join("Dockerfile"),
            ignore: Ignore::parse(ignore).unwrap(),
            sync: Vec::new(),
        };
        let mut web = image("web", "/p/web", "node_modules\n");
        for (from, then) in [("/p/web/static", Then::Nothing), ("/p/web/dist", Then::Restart)] {
            let to = Path::new("/srv").join(Path::new(from).file_name().unwrap());
            let rule = SyncRule { from: from.into(), to, ignore: Vec::new(), then };
            web.sync.push(Synced { rule, ignore: Ignore::parse("*.map").unwrap() });
        }
        Sources {
            configuration: "/p/devcluster.yaml".into(),
            images: vec![web, image("all", "/p", "deploy\nweb/node_modules\n")],
            manifests: vec!["/p/deploy".into(), "/charts/x".into()],
            git: GitIgnores::of_texts([(Path::new("/p"), "*.log\ndist/\n")]),
        }
    }

    #[test]
    fn each_file_leads_to_what_is_made_of_it() {
        let rebuild = |name: &str| Effect::Rebuild(name.into());
        let sync = |at, to: &str, then| Effect::Sync { rule: ("web".into(), at), to: to.into(), then };
        for (path, effects) in [
            ("/p/devcluster.yaml", vec![Effect::Configure]),
            ("/p/web/a.log", vec![Effect::Nothing("Git ignores it")]),
            ("/p/web/static/a.css", vec![sync(0, "/srv/static/a.css", Then::Nothing), rebuild("all")]),
            ("/p/web/static/a.map", vec![rebuild("all"), rebuild("web")]),
            // Git leaves it out, but a rule names it.
            ("/p/web/dist/a.js", vec![sync(1, "/srv/dist/a.js", Then::Restart)]),
            ("/p/web/main.go", vec![rebuild("all"), rebuild("web")]),
            ("/p/web/.dockerignore", vec![Effect::Ignores]),
            ("/p/web/Dockerfile.dockerignore", vec![Effect::Ignores]),
            ("/p/deep/.gitignore", vec![Effect::Ignores]),
            ("/p/web/sub/.dockerignore", vec![rebuild("all"), rebuild("web")]),
            ("/p/web/Dockerfile", vec![rebuild("all"), rebuild("web")]),
            ("/p/web/node_modules/x/y.js", vec![Effect::Nothing("the build's ignore file leaves it out")]),
            ("/p/deploy/base/a.yaml", vec![Effect::Apply]),
            ("/charts/x/values.yaml", vec![Effect::Apply]),
            ("/p/.git/index", vec![Effect::Nothing("it is Git's own")]),
            ("/p/web/.main.go.swp", vec![Effect::Nothing("it is an editor's temporary file")]),
            ("/elsewhere", vec![Effect::Nothing("no image and no manifest is made of it")]),
        ] {
            assert_eq!(sources().effects_of(Path::new(path)), effects, "{path}");
        }
    }

    #[test]
    fn roots_do_not_contain_one_another() {
        let roots = sources().roots();
        assert_eq!(roots, [PathBuf::from("/charts"), PathBuf::from("/p")]);
    }

    #[test]
    fn batches_add_up() {
        let mut all = sources().effects(&[PathBuf::from("/p/web/a")]);
        all.merge(sources().effects(&[PathBuf::from("/charts/x/b"), PathBuf::from("/p/.git/c")]));
        assert!(all.apply && !all.configure);
        assert_eq!(all.rebuild.len(), 2);
    }
}
