//! Loads from real directories: what is resolved, and how faults are shown.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::load::load_with;
use super::*;

const HEAD: &str = "apiVersion: devcluster.dev/v1alpha1\nname: shop\n";

/// As `load`, whatever this machine's environment says.
fn load(path: Option<&Path>, profile: Option<&str>, directory: &Path) -> Result<Config, ConfigError> {
    load_with(path, profile, directory, None)
}

/// A project's directory.
struct Project(tempfile::TempDir);

impl Project {
    /// With these files; a path that ends in `/` is a directory.
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            let full = project.path().join(path);
            if path.ends_with('/') {
                std::fs::create_dir_all(full).unwrap();
                continue;
            }
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, text).unwrap();
        }
        project
    }

    fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn load(&self) -> Result<Config, ConfigError> {
        load(None, None, &self.path())
    }

    /// The faults as the command line draws them, without colours, the directory's name made stable.
    fn drawn(&self, profile: Option<&str>) -> String {
        let error = load(None, profile, &self.path()).unwrap_err();
        let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
            .with_width(110)
            .with_links(false);
        let mut out = String::new();
        handler.render_report(&mut out, &error).unwrap();
        out.replace(&self.path().display().to_string(), "DIR")
    }

    /// Each fault on a line, with its help.
    fn faults(&self) -> Vec<String> {
        let error = self.load().unwrap_err();
        let help = |fault: &Fault| fault.help.clone().map(|help| format!(" | {help}")).unwrap_or_default();
        let line = |fault: &Fault| {
            format!("{}: {fault}{}", fault.location(), help(fault))
                .replace(&self.path().display().to_string(), "DIR")
        };
        error.faults().iter().map(line).collect()
    }
}

/// A file of this text alone.
fn alone(text: &str) -> Project {
    Project::new(&[("devcluster.yaml", text)])
}

#[test]
fn a_whole_file_is_resolved() {
    let project = Project::new(&[
        (
            "devcluster.yaml",
            "\u{feff}apiVersion: devcluster.dev/v1alpha1
name: shop
profile: mine
cluster: {httpPort: 8080, podSubnet: 10.1.0.0/16}
manifests:
  - kustomize: deploy/overlays/production
  - helm: {chart: charts/x, release: x, values: [charts/x/values-production.yaml], set: {replicas: 3, a.b: 1.10, enabled: true, t: \"007\"}}
  - files: {paths: [deploy/extra/*.yaml, ./deploy/extra], namespace: extra}
production: {kubernetesVersion: \"1.34\", apiVersions: [monitoring.coreos.com/v1]}
images:
  - {name: registry.example.com/shop/catalogue, context: services/catalogue, secrets: [\"id=npm,src=.npmrc\"], args: {V: 010}}
  - {name: \"registry.example.com/google/*\", standIn: {ports: [8080, \"tcp:6379\"]}}
  - {name: redis, standIn: true}
ci:
  - {name: smoke, run: \"curl $URL | grep 'a b'\", timeout: 1m30s, retries: 2, env: {URL: http://a, V: 010}}
  - {name: load, run: [load, --all, \"\"], shards: 3, image: registry.example.com/shop/catalogue}
profiles:
  mine: {extends: base, timeout: 1h2m3s}
",
        ),
        ("profiles/base.yaml", "extends: small\nmissingCrds: skip\nnodes: {cpu: 4}\ntimeout: 1m\n"),
        ("deploy/overlays/production/kustomization.yaml", ""),
        ("charts/x/Chart.yaml", ""),
        ("charts/x/values-production.yaml", ""),
        ("deploy/extra/a.yaml", ""),
        ("services/catalogue/Dockerfile", ""),
        ("services/deep/er/", ""),
    ]);
    let config = load(None, None, &project.path().join("services/deep/er")).unwrap();
    assert_eq!(config.directory(), project.path());
    let hash = config.cluster.name.strip_prefix("shop-").unwrap();
    assert!(hash.len() == 6 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{hash}");
    let mut shown = serde_json::to_value(&config).unwrap().to_string();
    shown = shown.replace(&project.path().display().to_string(), "DIR").replace(hash, "HASH");
    insta::assert_json_snapshot!(serde_json::from_str::<serde_json::Value>(&shown).unwrap());
}

#[test]
fn the_command_line_chooses_file_and_profile() {
    let project = Project::new(&[
        ("a/devcluster.yaml", &format!("{HEAD}manifests: []\nprofile: small\n")),
        ("a/profiles/own.yml", "nodes: {max: 7}"),
        ("else.yaml", "extends: a/profiles/own.yml\nprune: false\n"),
    ]);
    let load = |path: &str, profile| load(Some(Path::new(path)), profile, &project.path()).unwrap().profile;
    assert_eq!((load("a", None).name.as_str(), load("a", None).nodes.max), ("small", 1));
    assert_eq!(load("a/devcluster.yaml", Some("ci")).missing_crds, MissingCrds::Fail);
    assert_eq!(load("a", Some("own")).nodes.max, 7);
    let other = load("a", Some("else.yaml"));
    assert_eq!((other.name.as_str(), other.nodes.max, other.prune), ("else", 7, false));
}

#[test]
fn what_is_wrong_with_commands_is_said_of_each() {
    let commands = "ci:
  - {name: smoke, run: [], image: a}
  - {name: smoke, run: x, timeout: 10}
  - {name: Load, run: x, retries: -1, shards: 0, image: a}
  - {run: x, env: {'a b': c}}
";
    insta::assert_snapshot!(alone(&format!("{HEAD}manifests: []\n{commands}")).faults().join("\n"));
}

#[test]
fn the_environment_chooses_the_node_image() {
    let project = alone(&format!("{HEAD}manifests: []\ncluster: {{nodeImage: 'kindest/node:v1.34.0'}}\n"));
    let image = |asked: Option<&str>| {
        load_with(None, None, &project.path(), asked.map(str::to_owned)).unwrap().cluster.node_image.unwrap()
    };
    assert_eq!(image(None), "kindest/node:v1.34.0");
    assert_eq!(image(Some("")), "kindest/node:v1.34.0");
    assert_eq!(image(Some("own:1")), "own:1");
}

#[test]
fn a_profile_that_the_command_line_misspells_is_named() {
    let project = Project::new(&[
        ("devcluster.yaml", &format!("{HEAD}manifests: []\nprofiles: {{mine: {{}}}}\n")),
        ("profiles/big.yaml", ""),
    ]);
    let text = |name| load(None, Some(name), &project.path()).unwrap_err().to_string();
    assert_eq!(text("labtop"), "no profile `labtop`; did you mean `laptop`?");
    assert_eq!(text("zzz"), "no profile `zzz`; profiles are: `laptop`, `small`, `ci`, `mine`, `big`");
}

#[test]
fn every_built_in_profile_is_whole() {
    let project = alone(&format!("{HEAD}manifests: []\n"));
    let profile = |name: &str| load(None, Some(name), &project.path()).unwrap().profile;
    let laptop = profile("laptop");
    assert_eq!((laptop.nodes.max, laptop.nodes.cpu, laptop.nodes.memory_gib), (3, 16, 128));
    assert_eq!((laptop.missing_crds, laptop.timeout_seconds), (MissingCrds::OpenSchema, 600));
    assert!(laptop.stand_ins && laptop.metrics && laptop.ingress && laptop.load_balancer && laptop.prune);
    assert_eq!(profile("small").nodes.max, 1);
    let ci = profile("ci");
    assert!(!ci.stand_ins && ci.missing_crds == MissingCrds::Fail && ci.nodes == laptop.nodes);
    assert_eq!(project.load().unwrap().profile, laptop);
}

#[test]
fn two_worktrees_are_two_clusters_and_one_is_always_the_same() {
    let text = format!("{HEAD}manifests: []\n");
    let (one, other) = (alone(&text), alone(&text));
    let name = |project: &Project| project.load().unwrap().cluster.name;
    assert_ne!(name(&one), name(&other));
    assert_eq!(name(&one), name(&one));
    let long = alone(&text.replace("shop", &"a-".repeat(30).replace("-a-a-a", "-aaa")).replace("-\n", "\n"));
    assert!(name(&long).len() <= 40, "{}", name(&long));
}

#[test]
fn all_faults_are_shown_at_once_where_they_stand() {
    let project = Project::new(&[
        (
            "devcluster.yaml",
            "apiVersion: devcluster.dev/v1
name: Shop
profil: laptop
cluster:
  provider: kond
  httpPort: \"80\"
  httpPort: 81
  podSubnet: 10.0.0.0/99
manifests:
  - kustomize: deploy/overlays/prodution
  - files: [deploy/*.yml]
  - helm: {chart: charts/x}
production:
  kubernetesVersion: 1.34
images:
  - name: registry.example.com/shop/catalogue
    context: services/catalog
  - {name: \"shop/*\", context: .}
",
        ),
        ("deploy/overlays/production/kustomization.yaml", ""),
        ("deploy/a.yaml", ""),
        ("services/catalogue/Dockerfile", ""),
    ]);
    insta::assert_snapshot!(project.drawn(None));
}

#[test]
fn faults_of_a_profile_are_shown_in_its_own_file() {
    let project = Project::new(&[
        ("devcluster.yaml", &format!("{HEAD}manifests: []\nprofile: mine\nprofiles:\n  laptop: {{}}\n")),
        ("profiles/mine.yaml", "extends: smal\nnodes:\n  maximum: 2\n  memory: 8GB\ntimeout: 10\n"),
    ]);
    insta::assert_snapshot!(project.drawn(None));
}

#[test]
fn profiles_that_extend_each_other_are_named() {
    let project = Project::new(&[
        (
            "devcluster.yaml",
            &format!(
                "{HEAD}manifests: []\nprofiles:\n  a: {{extends: b}}\n  b: {{extends: profiles/c.yaml}}\n  own: {{extends: own}}\n"
            ),
        ),
        ("profiles/c.yaml", "extends: a\n"),
    ]);
    let faults = project.faults();
    assert!(faults.iter().any(|fault| fault.contains("in a circle: a -> b -> c -> a")), "{faults:#?}");
    assert!(faults.iter().any(|fault| fault.contains("in a circle: own -> own")), "{faults:#?}");
}

#[test]
fn each_mistake_has_its_words() {
    let cases = [
        "",
        "[]\n",
        "a: [\n",
        "a: 1\n---\nb: 2\n",
        "{apiVersion: devcluster.dev/v1alpha1, name: a, manifests: []}\nmore\n",
        "apiVersion: devcluster.dev/v1alpha1\nname: 12\nmanifests:\nimages: {}\n",
        "apiVersion: devcluster.dev/v1alpha1\nname: a\nmanifests: [{}, {kustomize: ., files: .}, {kustomise: .}, {kustomize: devcluster.yaml}, {kustomize: .}]\n",
        "apiVersion: devcluster.dev/v1alpha1\nname: a\nmanifests: [{helm: {chart: ., release: a, values: [.]}}, {files: 'x/[.yaml'}]\n",
        "apiVersion: devcluster.dev/v1alpha1\nname: a\nmanifests: []\nimages: [{name: a}, {name: b, standIn: false}, {name: c, target: d, standIn: true}, {name: c, context: .}]\n",
        "apiVersion: devcluster.dev/v1alpha1\nname: a\nmanifests: []\ncluster: {httpPort: 80, httpsPort: 80}\nprofile: labtop\n",
        "apiVersion: devcluster.dev/v1alpha1\nname: a\nmanifests: []\nimages: [{name: a, standIn: {ports: [99999, 'tcp:70000']}}]\nprofiles: {a: {prune: 'true', missingCrds: opn-schema}}\n",
        "apiVersion: devcluster.dev/v1alpha1\nname: a\nmanifests: []\n1: 2\nprofile: ./none.yaml\n",
    ];
    let mut out = String::new();
    for text in cases {
        let _ = writeln!(out, "{text:?}");
        for fault in alone(text).faults() {
            let _ = writeln!(out, "    {fault}");
        }
    }
    insta::assert_snapshot!(out);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let project = Project::new(&[("empty/", ""), ("latin/devcluster.yaml", "")]);
    std::fs::write(project.path().join("latin/devcluster.yaml"), b"name: caf\xe9\n").unwrap();
    let text = |path: Option<&str>, directory: &str| {
        let error = load(path.map(Path::new), None, &project.path().join(directory)).unwrap_err();
        error.to_string().replace(&project.path().display().to_string(), "DIR")
    };
    assert_eq!(
        text(Some("empty"), "."),
        "no devcluster.yaml in DIR/./empty or above it; `devcluster init` writes one"
    );
    assert_eq!(
        text(Some("gone.yaml"), "."),
        "DIR/./gone.yaml cannot be read: No such file or directory (os error 2)"
    );
    assert_eq!(text(None, "latin"), "DIR/latin/devcluster.yaml is not UTF-8 text (byte 9); save it as UTF-8");
}

#[test]
fn places_count_characters_and_survive_windows_line_ends() {
    let project = alone(
        "# ünïcödé\r\napiVersion: devcluster.dev/v1alpha1\r\nname: shop\r\nmanifests: []\r\nimages: [{name: \"é\", nmae: 1}]\r\n",
    );
    let faults = project.faults();
    assert!(faults[1].starts_with("devcluster.yaml:5:17: `images[0].name` cannot be `é`"), "{faults:#?}");
    assert!(
        faults.iter().any(|fault| fault.starts_with("devcluster.yaml:5:22: unknown key `images[0].nmae`")),
        "{faults:#?}"
    );
}

/// A valid file with every key in it, for mutilation.
const WHOLE: &str = include_str!("testdata/whole.yaml");

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]
    #[test]
    fn whatever_is_written_faults_stand_within_it(
        cuts in proptest::collection::vec((0..WHOLE.len(), 0_usize..6, ".{0,3}|[\\[{&*:\"'\n-]{1,3}"), 1..4),
    ) {
        let mut text: Vec<char> = WHOLE.chars().collect();
        for (at, gone, new) in cuts {
            let at = at.min(text.len());
            let end = (at + gone).min(text.len());
            text.splice(at..end, new.chars());
        }
        let text: String = text.into_iter().collect();
        let project = alone(&text);
        // Paths do not exist here, so there is always a fault.
        let error = project.load().unwrap_err();
        for fault in error.faults() {
            let (start, length) = fault.span;
            proptest::prop_assert!(fault.document.text.get(start..start + length).is_some(), "{fault:?}");
            proptest::prop_assert!(!fault.document.text[start..start + length].contains('\n'), "{fault:?}");
        }
        project.drawn(None);
    }
}
