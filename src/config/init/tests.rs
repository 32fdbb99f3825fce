//! `init` on made-up projects and on the example.

use std::path::Path;

use super::*;
use crate::config::{ConfigError, Source, load};

/// A directory with these files.
fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::Builder::new().prefix("my-shop").tempdir().unwrap();
    for (path, text) in files {
        let path = directory.path().join("shop").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::create_dir_all(directory.path().join("shop")).unwrap();
    directory
}

fn deployment(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {{template: {{spec: {{containers: [{{name: a, image: '{image}'}}]}}}}}}\n"
    )
}

/// Switches on every line of YAML that is commented out.
fn switched_on(text: &str) -> String {
    let switch = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        let rest = &line[indent..];
        let prose = rest.strip_prefix("# ").is_some_and(|rest| !rest.starts_with(' '));
        match rest.strip_prefix('#') {
            Some(yaml) if !prose => format!("{}{yaml}\n", &line[..indent]),
            _ => format!("{line}\n"),
        }
    };
    text.lines().map(switch).collect()
}

#[test]
fn a_whole_project_is_found_and_what_is_written_loads() {
    let base = deployment("catalogue:1");
    let worker = deployment("registry.example.com/shop-worker:2");
    let directory = project(&[
        ("deploy/base/kustomization.yaml", "resources: [app.yaml]\n"),
        ("deploy/base/app.yaml", &base),
        (
            "deploy/overlays/production/kustomization.yaml",
            "namespace: store\nresources: [../../base]\nimages: [{name: catalogue, newName: registry.example.com/shop/catalogue}]\n",
        ),
        ("deploy/overlays/staging/kustomization.yaml", "resources: [../../base]\n"),
        ("charts/notify/Chart.yaml", "apiVersion: v2\nname: notify\nversion: 1.0.0\n"),
        (
            "charts/notify/values.yaml",
            "image: {registry: registry.example.com, repository: shop/notify, tag: 1}\n",
        ),
        ("charts/notify/values-production.yaml", "replicas: 3\n"),
        ("charts/notify/templates/x.yaml", "{{ if .Values.x }}\n"),
        ("extra/worker.yaml", &worker),
        ("extra/README.md", "hello"),
        ("skaffold.yaml", "apiVersion: skaffold/v4beta1\nkind: Config\n"),
        ("node_modules/x/k8s.yaml", &base),
        ("services/catalogue/Dockerfile", "FROM scratch\nCOPY main.go .\n"),
        ("services/catalogue/main.go", ""),
        ("services/worker/Dockerfile", "FROM scratch\nCOPY services/worker/run.py .\n"),
        ("services/worker/run.py", ""),
        ("build/Dockerfile.notify", "FROM scratch\n"),
        ("tools/Dockerfile", "FROM scratch\n"),
        ("broken.yaml", "a: [\n"),
    ]);
    let root = directory.path().join("shop");
    let report = init(&root, false).unwrap();
    let text = std::fs::read_to_string(&report.file).unwrap();
    insta::assert_snapshot!("a_whole_project", text);
    let talk = report.to_string().replace(&root.canonicalize().unwrap().display().to_string(), "DIR");
    insta::assert_snapshot!("a_whole_project_report", talk);
    let config = load(None, None, &root).unwrap();
    assert_eq!(config.manifests.len(), 3);
    assert_eq!(config.images.len(), 3);

    std::fs::write(&report.file, switched_on(&text)).unwrap();
    let config = load(None, Some("mine"), &root).unwrap();
    assert_eq!(config.manifests.len(), 4);
    assert_eq!(config.production.kubernetes_version.as_deref(), Some("1.34"));
    assert_eq!((config.cluster.http_port, config.profile.nodes.max), (Some(8080), 2));
}

#[test]
fn of_places_that_write_the_same_objects_one_is_chosen() {
    let [a, b] = ["a", "b"].map(|name| deployment(name).replace("{name: a}", &format!("{{name: {name}}}")));
    let both = format!("{a}---\n{b}");
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}", b.trim_end().replace('\n', "\n  "));
    let directory = project(&[
        ("deploy/all.yaml", both.as_str()),
        ("deploy/kubernetes/a.yaml", &a),
        ("deploy/kubernetes/b.yaml", &b),
        ("deploy/main.go", ""),
        ("extras/tls/b.yaml", &list),
        ("extras/main.go", ""),
        ("monitoring/c.yaml", &a.replace("{name: a}", "{name: a, namespace: monitoring}")),
    ]);
    let root = directory.path().join("shop");
    let survey = survey::survey(&root);
    assert_eq!(survey.manifests.chosen, ["deploy/all.yaml", "monitoring"]);
    let overlap = |path: &str, objects| overlaps::Overlap {
        path: path.into(),
        with: "deploy/all.yaml".into(),
        objects,
    };
    assert_eq!(survey.overlapping, [overlap("deploy/kubernetes", 2), overlap("extras/tls", 1)]);
    let report = init(&root, false).unwrap();
    assert!(
        report.left.contains(
            &"manifests deploy/kubernetes, commented out: 2 objects of deploy/all.yaml again".into()
        ),
        "{report}"
    );
    assert_eq!(load(None, None, &root).unwrap().manifests.len(), 2);
}

#[test]
fn an_empty_directory_gets_a_file_that_loads() {
    let directory = project(&[]);
    let root = directory.path().join("shop");
    let report = init(&root, false).unwrap();
    assert!(report.next[0].contains("no manifests were found"), "{report}");
    assert!(load(None, None, &root).unwrap().manifests.is_empty());
}

#[test]
fn nothing_is_overwritten_unless_forced() {
    let directory = project(&[("devcluster.yaml", "mine")]);
    let root = directory.path().join("shop");
    let error = init(&root, false).unwrap_err();
    assert!(
        error.to_string().ends_with("devcluster.yaml exists already; `--force` writes it anew"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(root.join("devcluster.yaml")).unwrap(), "mine");
    assert!(matches!(load(None, None, &root), Err(ConfigError::Faults { .. })));
    init(&root, true).unwrap();
    assert_eq!(load(None, None, &root).unwrap().name, "shop");
}

#[test]
fn odd_names_are_quoted() {
    let directory = project(&[
        ("k8s: prod/12/no.yaml", &deployment("a")),
        ("on/x.yaml", &deployment("b").replace("{name: a}", "{name: b}")),
    ]);
    let root = directory.path().join("shop");
    init(&root, false).unwrap();
    let config = load(None, None, &root).unwrap();
    let paths: Vec<_> = config
        .manifests
        .iter()
        .map(|source| match source {
            Source::Files { paths, .. } => paths[0].clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(paths, ["k8s: prod", "on"]);
}

#[test]
fn the_example_is_found_whole() {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
    let survey = survey::survey(&shop);
    assert_eq!(survey.kustomizations.chosen, ["deploy/overlays/production"]);
    let [chart] = survey.charts.as_slice() else { panic!("{:?}", survey.charts) };
    assert_eq!((chart.path.as_str(), survey.namespace.as_deref()), ("charts/notifications", Some("shop")));
    assert_eq!(chart.values, ["deploy/notifications-values.yaml"]);
    assert!(survey.manifests.chosen.is_empty(), "{:?}", survey.manifests);
    assert!(survey.broken.is_empty(), "{:?}", survey.broken);
    assert!(survey.unmatched.is_empty(), "{:?}", survey.unmatched);
    let images: Vec<&str> = survey.builds.iter().map(|build| build.image.as_str()).collect();
    for service in ["catalogue", "notifications", "recommendations", "worker"] {
        assert!(images.contains(&format!("registry.example.com/shop/{service}").as_str()), "{images:?}");
    }
}

#[test]
fn the_examples_own_file_loads_with_every_profile() {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
    for profile in ["laptop", "small", "ci"] {
        let config = load(None, Some(profile), &shop).unwrap();
        assert_eq!((config.name.as_str(), config.manifests.len()), ("shop", 2));
        assert_eq!(config.profile.name, profile);
    }
}
