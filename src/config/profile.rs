//! Profiles: the built-in ones, the project's own, and how one extends another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::Checker;
use super::fault::{ConfigError, Document, Faults};
use super::fields::PROFILE;
use super::model::{MissingCrds, Nodes, Profile};
use super::shape::Shape;
use super::tree::{self, Spanned, SpannedValue, Tree as _};

/// The profile that others extend where they name none, and the one used where the file names none.
pub(super) const DEFAULT: &str = "laptop";

/// The built-in profiles: name and text.
pub const BUILT_IN: [(&str, &str); 3] = [
    ("laptop", include_str!("../../profiles/laptop.yaml")),
    ("small", include_str!("../../profiles/small.yaml")),
    ("ci", include_str!("../../profiles/ci.yaml")),
];

/// What one profile says of its own.
#[derive(Debug, Clone, Default)]
struct Partial {
    max: Option<u32>,
    cpu: Option<u32>,
    memory_gib: Option<u32>,
    missing_crds: Option<MissingCrds>,
    stand_ins: Option<bool>,
    stand_in_image: Option<String>,
    prune: Option<bool>,
    recreate_immutable: Option<bool>,
    snapshot_before_migrations: Option<bool>,
    timeout_seconds: Option<u64>,
    metrics: Option<bool>,
    ingress: Option<bool>,
    load_balancer: Option<bool>,
}

impl Partial {
    /// Takes what a checked profile says; what is wrong there counts as left out.
    fn read(node: &Spanned) -> Self {
        let flag = |key: &str| match node.get(key)?.value {
            SpannedValue::Bool(flag) => Some(flag),
            _ => None,
        };
        let nodes = node.get("nodes");
        let count = |key: &str| match nodes?.get(key)?.value {
            SpannedValue::Int(count) => u32::try_from(count).ok(),
            _ => None,
        };
        Self {
            max: count("max"),
            cpu: count("cpu"),
            memory_gib: nodes.and_then(|nodes| nodes.get("memory")?.text()?.strip_suffix("Gi")?.parse().ok()),
            missing_crds: node.get("missingCrds").and_then(|node| match node.text()? {
                "open-schema" => Some(MissingCrds::OpenSchema),
                "skip" => Some(MissingCrds::Skip),
                "fail" => Some(MissingCrds::Fail),
                _ => None,
            }),
            stand_ins: flag("standIns"),
            stand_in_image: node.get("standInImage").and_then(|node| Some(node.text()?.to_owned())),
            prune: flag("prune"),
            recreate_immutable: flag("recreateImmutable"),
            snapshot_before_migrations: flag("snapshotBeforeMigrations"),
            timeout_seconds: node.get("timeout").and_then(|node| seconds(node.text()?)),
            metrics: flag("metrics"),
            ingress: flag("ingress"),
            load_balancer: flag("loadBalancer"),
        }
    }

    /// This one, with what it leaves out taken from `base`.
    fn over(self, base: Self) -> Self {
        Self {
            max: self.max.or(base.max),
            cpu: self.cpu.or(base.cpu),
            memory_gib: self.memory_gib.or(base.memory_gib),
            missing_crds: self.missing_crds.or(base.missing_crds),
            stand_ins: self.stand_ins.or(base.stand_ins),
            stand_in_image: self.stand_in_image.or(base.stand_in_image),
            prune: self.prune.or(base.prune),
            recreate_immutable: self.recreate_immutable.or(base.recreate_immutable),
            snapshot_before_migrations: self.snapshot_before_migrations.or(base.snapshot_before_migrations),
            timeout_seconds: self.timeout_seconds.or(base.timeout_seconds),
            metrics: self.metrics.or(base.metrics),
            ingress: self.ingress.or(base.ingress),
            load_balancer: self.load_balancer.or(base.load_balancer),
        }
    }

    /// The whole profile; `None` where something is left out, which `laptop` never does.
    fn complete(self, name: String) -> Option<Profile> {
        Some(Profile {
            name,
            nodes: Nodes { max: self.max?, cpu: self.cpu?, memory_gib: self.memory_gib? },
            missing_crds: self.missing_crds?,
            stand_ins: self.stand_ins?,
            stand_in_image: self.stand_in_image?,
            prune: self.prune?,
            recreate_immutable: self.recreate_immutable?,
            snapshot_before_migrations: self.snapshot_before_migrations?,
            timeout_seconds: self.timeout_seconds?,
            metrics: self.metrics?,
            ingress: self.ingress?,
            load_balancer: self.load_balancer?,
        })
    }
}

/// Seconds of a time such as `1h30m`; `None` where it has another form.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut number = None;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0_u64).checked_mul(10)?.checked_add(digit.into())?);
            continue;
        }
        let unit = match c {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    (number.is_none() && !text.is_empty()).then_some(total)
}

/// Where a profile is written; what tells one profile from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    BuiltIn(&'static str),
    Inline(String),
    File(PathBuf),
}

impl Place {
    fn name(&self) -> String {
        match self {
            Self::BuiltIn(name) => (*name).to_owned(),
            Self::Inline(name) => name.clone(),
            Self::File(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }
}

/// Why a reference names no profile: message and help.
struct NoProfile(String, Option<String>);

/// A profile read from where it is written.
struct Loaded {
    document: Arc<Document>,
    tree: Spanned,
    /// Where paths in it start from.
    directory: PathBuf,
}

/// The profiles that a project can use.
pub(super) struct Profiles<'a> {
    document: &'a Arc<Document>,
    faults: &'a Faults,
    directory: &'a Path,
    inline: BTreeMap<&'a str, (&'a Spanned, &'a Spanned)>,
}

impl<'a> Profiles<'a> {
    /// The built-in profiles and those of a project: `own` is what stands under `profiles`, checked already.
    pub(super) fn new(
        document: &'a Arc<Document>,
        faults: &'a Faults,
        directory: &'a Path,
        own: Option<&'a Spanned>,
    ) -> Self {
        let mut inline = BTreeMap::new();
        for (key, value) in own.and_then(|own| own.entries()).unwrap_or_default() {
            let Some(name) = key.text() else { continue };
            if built_in(name).is_some() {
                let help = "give yours another name; it can extend the built-in one".to_owned();
                faults.add(document, key.span(), format!("profile `{name}` is built in"), help);
                continue;
            }
            inline.entry(name).or_insert((key, value));
        }
        Self { document, faults, directory, inline }
    }

    /// The profile that the file or the command line names. Own profiles that are not used are held to their
    /// `extends` all the same. Faults are collected; `None` comes with at least one.
    pub(super) fn select(
        &self,
        written: Option<&Spanned>,
        asked: Option<(&str, &Path)>,
    ) -> Result<Option<Profile>, ConfigError> {
        for name in self.inline.keys() {
            self.resolve(&Place::Inline((*name).to_owned()), &mut Vec::new());
        }
        // A wrong name in the file is a fault, also when the command line names another.
        let written = written.map(|node| self.named(node, self.document, self.directory));
        let place = match asked {
            Some((name, from)) => self.find(name, from).map_err(|NoProfile(_, help)| {
                ConfigError::UnknownProfile { name: name.to_owned(), help: help.unwrap_or_default() }
            })?,
            None => match written {
                Some(None) => return Ok(None),
                Some(Some(place)) => place,
                None => Place::BuiltIn(DEFAULT),
            },
        };
        Ok(self.resolve(&place, &mut Vec::new()).and_then(|partial| partial.complete(place.name())))
    }

    /// A profile with all that it extends folded in.
    fn resolve(&self, place: &Place, chain: &mut Vec<Place>) -> Option<Partial> {
        let loaded = self.load(place)?;
        let own = Partial::read(&loaded.tree);
        chain.push(place.clone());
        let base = match loaded.tree.get("extends") {
            None if *place == Place::BuiltIn(DEFAULT) => return Some(own),
            None => Place::BuiltIn(DEFAULT),
            Some(node) => {
                let base = self.named(node, &loaded.document, &loaded.directory)?;
                if let Some(at) = chain.iter().position(|known| *known == base) {
                    let circle: Vec<String> = chain[at..].iter().chain([&base]).map(Place::name).collect();
                    let message = format!("profiles extend each other in a circle: {}", circle.join(" -> "));
                    let help = "let one of them extend a built-in profile".to_owned();
                    self.faults.add(&loaded.document, node.span(), message, help);
                    return None;
                }
                base
            }
        };
        Some(own.over(self.resolve(&base, chain)?))
    }

    /// The profile that a value of a document names; a fault where there is none.
    fn named(&self, node: &Spanned, document: &Arc<Document>, from: &Path) -> Option<Place> {
        match self.find(node.text()?, from) {
            Ok(place) => Some(place),
            Err(NoProfile(message, help)) => {
                self.faults.add(document, node.span(), message, help);
                None
            }
        }
    }

    /// The profile of a name, or of a path from `from`.
    fn find(&self, name: &str, from: &Path) -> Result<Place, NoProfile> {
        if is_path(name) {
            return from
                .join(name)
                .canonicalize()
                .ok()
                .filter(|path| path.is_file())
                .map(Place::File)
                .ok_or_else(|| {
                    NoProfile(
                        format!("profile `{name}` does not exist"),
                        Some(format!("paths start from {}", from.display())),
                    )
                });
        }
        let file = self.file_of(name);
        if let Some(built_in) = built_in(name) {
            return match file {
                Some(_) => Err(NoProfile(
                    format!("`{name}` is built in, and profiles/{name}.yaml is there too"),
                    Some(format!("rename that file, or name it by its path: `profiles/{name}.yaml`")),
                )),
                None => Ok(Place::BuiltIn(built_in)),
            };
        }
        match (self.inline.contains_key(name), file) {
            (true, Some(_)) => Err(NoProfile(
                format!("profile `{name}` stands under `profiles` and in profiles/{name}.yaml"),
                Some("keep one of them".into()),
            )),
            (true, None) => Ok(Place::Inline(name.to_owned())),
            (false, Some(path)) => Ok(Place::File(path)),
            (false, None) => Err(NoProfile(format!("no profile `{name}`"), Some(self.suggest(name)))),
        }
    }

    /// `profiles/NAME.yaml` beside the configuration, where there is one.
    fn file_of(&self, name: &str) -> Option<PathBuf> {
        let directory = self.directory.join("profiles");
        ["yaml", "yml"].iter().find_map(|ending| {
            directory.join(format!("{name}.{ending}")).canonicalize().ok().filter(|path| path.is_file())
        })
    }

    fn suggest(&self, name: &str) -> String {
        let mut known: Vec<String> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        known.extend(self.inline.keys().map(|name| (*name).to_owned()));
        known.extend(profile_files(&self.directory.join("profiles")));
        super::fault::suggest(name, "profiles are", known.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Reads and checks a profile where it is written.
    fn load(&self, place: &Place) -> Option<Loaded> {
        let (document, directory) = match place {
            Place::Inline(name) => {
                let (_, node) = self.inline.get(name.as_str())?;
                let directory = self.directory.to_owned();
                return Some(Loaded { document: self.document.clone(), tree: (*node).clone(), directory });
            }
            Place::BuiltIn(name) => {
                let (_, text) = BUILT_IN.iter().find(|(known, _)| known == name)?;
                let name = format!("built-in profile {name}");
                (Document { name, text: (*text).to_owned() }, self.directory.to_owned())
            }
            Place::File(path) => {
                let name = path.strip_prefix(self.directory).unwrap_or(path).display().to_string();
                match super::load::text_of(path) {
                    Ok(text) => (Document { name, text }, path.parent()?.to_owned()),
                    Err(error) => {
                        let document = Arc::new(Document { name, text: String::new() });
                        self.faults.add(&document, (0, 0), error.to_string(), None);
                        return None;
                    }
                }
            }
        };
        let document = Arc::new(document);
        let tree = tree::parse(&document, self.faults)?;
        Checker { document: &document, faults: self.faults }.check(&tree, &Shape::Record(&PROFILE), "");
        Some(Loaded { document, tree, directory })
    }
}

/// Whether a reference to a profile is a path rather than a name.
fn is_path(reference: &str) -> bool {
    let yaml = Path::new(reference)
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("yaml") || ending.eq_ignore_ascii_case("yml"));
    reference.contains('/') || yaml
}

fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().map(|(known, _)| *known).find(|known| *known == name)
}

/// Names of the profiles in a directory.
fn profile_files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|name| built_in(name).is_none())
        .collect();
    names.sort();
    names
}
