//! Charts, kustomizations and the cache, with the real programs: results are kept while their inputs stand, what a chart
//! makes up keeps its first values, failures show what was run.

use std::path::Path;
use std::sync::Mutex;

use devcluster::config::{HelmSource, Source};
use devcluster::event::{Event, Reporter};
use devcluster::manifest::{HookEvent, ManifestError, RenderContext, Rendered, render};

use crate::manifest::config;

fn has(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|path| path.join(program).is_file());
    if !found {
        eprintln!("skipped: {program} is not on the PATH (`source testbed/bin/env` brings it)");
    }
    found
}

/// A project with its own state.
struct Project {
    directory: tempfile::TempDir,
    state: tempfile::TempDir,
    ran: Mutex<Vec<String>>,
}

impl Reporter for Project {
    fn report(&self, event: Event) {
        if let Event::Started { step, .. } = event {
            self.ran.lock().unwrap().push(step);
        }
    }
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self {
            directory: tempfile::tempdir().unwrap(),
            state: tempfile::tempdir().unwrap(),
            ran: Mutex::default(),
        };
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    async fn render(&self, source: &Source) -> Result<Rendered, ManifestError> {
        let context = RenderContext { state_directory: self.state.path().to_owned(), cluster_version: None };
        render(&config(self.path(), vec![source.clone()]), &context, self).await
    }

    fn helm(&self, set: &[(&str, &str)]) -> Source {
        Source::Helm(HelmSource {
            chart: self.path().join("chart"),
            release: "demo".into(),
            namespace: "demo-ns".into(),
            values: vec![self.path().join("values.yaml")],
            set: set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        })
    }
}

fn ids(rendered: &Rendered) -> Vec<String> {
    rendered.objects.iter().map(|object| object.id().to_string()).collect()
}

const CHART: [(&str, &str); 4] = [
    ("chart/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 0.1.0\n"),
    ("chart/values.yaml", "count: 1\n"),
    ("values.yaml", "greeting: hello\n"),
    (
        "chart/crds/widget.yaml",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.example.com}\n\
         spec: {group: example.com, scope: Cluster, names: {kind: Widget, plural: widgets}}\n",
    ),
];

#[tokio::test]
async fn a_chart_is_rendered_for_production_and_its_hooks_are_told_apart() {
    if !has("helm") {
        return;
    }
    let project = Project::new(&CHART);
    project.write(
        "chart/templates/all.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data:
  greeting: {{ .Values.greeting | quote }}
  secret: {{ .Values.secret | quote }}
  big: "{{ .Values.big }}"
  kind: {{ kindOf .Values.flag }}
  version: {{ .Capabilities.KubeVersion.Version }}
  monitoring: {{ .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" | quote }}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: w}
---
apiVersion: batch/v1
kind: Job
metadata:
  generateName: migrate-
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "5"}
---
apiVersion: v1
kind: Pod
metadata:
  name: check
  annotations: {helm.sh/hook: test}
"#,
    );
    let source = project.helm(&[("secret", "a,b=c\\d"), ("big", "10000000"), ("flag", "true")]);
    let context = RenderContext {
        state_directory: project.state.path().to_owned(),
        cluster_version: Some("v1.31.2".into()),
    };
    let mut config = config(project.path(), vec![source]);
    config.production.api_versions = vec!["monitoring.coreos.com/v1".into()];
    let rendered = render(&config, &context, &project).await.unwrap();
    assert_eq!(
        ids(&rendered),
        ["CustomResourceDefinition widgets.example.com", "ConfigMap demo-ns/config", "Widget.example.com w",]
    );
    let data = &rendered.objects[1].value["data"];
    assert_eq!(data["greeting"], "hello");
    assert_eq!(data["secret"], "a,b=c\\d");
    assert_eq!(data["big"], "10000000");
    assert_eq!(data["kind"], "bool");
    assert_eq!(data["version"], "v1.31.2");
    assert_eq!(data["monitoring"], "true");
    assert!(rendered.objects[1].origin.file.as_ref().unwrap().ends_with("chart/templates/all.yaml"));
    let hooks: Vec<_> =
        rendered.hooks.iter().map(|hook| (hook.object.kind(), hook.weight, hook.events.clone())).collect();
    assert_eq!(
        hooks,
        [("Pod", 0, vec![HookEvent::Test]), ("Job", 5, vec![HookEvent::PreInstall, HookEvent::PreUpgrade]),]
    );
    assert!(rendered.hooks[1].object.name().starts_with("migrate-"));
    assert_eq!(rendered.hooks[1].object.namespace(), "demo-ns");
    assert_eq!(rendered.charts.len(), 1);
}

#[tokio::test]
async fn what_a_chart_makes_up_keeps_its_first_value() {
    if !has("helm") {
        return;
    }
    let project = Project::new(&CHART);
    project.write(
        "chart/templates/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  annotations: {made: \"{{ now | unixEpoch }}\"}\n\
         stringData:\n  password: p{{ randAlphaNum 12 }}\n  url: db://u:{{ randAlphaNum 8 }}@{{ .Values.greeting }}/x\n",
    );
    let source = project.helm(&[]);
    let first = project.render(&source).await.unwrap();
    let fields: Vec<_> =
        first.volatile.iter().map(|field| format!("{} {}", field.object, field.pointer)).collect();
    assert_eq!(
        fields,
        [
            "Secret demo-ns/s /metadata/annotations/made",
            "Secret demo-ns/s /stringData/password",
            "Secret demo-ns/s /stringData/url",
        ]
    );
    let again = project.render(&source).await.unwrap();
    assert!(again.from_cache && !first.from_cache);
    assert_eq!((again.objects, again.volatile), (first.objects.clone(), first.volatile.clone()));
    std::fs::remove_dir_all(project.state.path().join("render")).unwrap();
    let cold = project.render(&source).await.unwrap();
    assert!(!cold.from_cache);
    assert_eq!(cold.objects, first.objects);
    project.write("values.yaml", "greeting: other\n");
    let changed = project.render(&source).await.unwrap();
    assert_ne!(changed.charts[0].hash, first.charts[0].hash);
    let text = |rendered: &Rendered, key: &str| {
        let secret = rendered.objects.iter().find(|object| object.kind() == "Secret").unwrap();
        secret.text(&format!("/stringData/{key}")).to_owned()
    };
    assert_eq!(text(&changed, "password"), text(&first, "password"));
    assert_eq!(text(&changed, "url"), text(&first, "url").replace("@hello/", "@other/"));
}

#[tokio::test]
async fn a_chart_that_fails_shows_what_was_run_and_said() {
    if !has("helm") {
        return;
    }
    let project = Project::new(&CHART);
    project.write("chart/templates/a.yaml", "a: {{ fail \"this is wrong\" }}\n");
    let error = project.render(&project.helm(&[("password", "hunter2")])).await.unwrap_err();
    assert!(error.is_users());
    let text = error.to_string();
    assert!(text.starts_with("helm demo-ns/demo (chart) cannot be rendered: `helm template demo "), "{text}");
    assert!(text.contains("this is wrong") && !text.contains("hunter2"), "{text}");
    project.write("chart/templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  labels: {}\n");
    let text = project.render(&project.helm(&[])).await.unwrap_err().to_string();
    assert!(text.contains("chart/templates/a.yaml: `metadata.name` is missing"), "{text}");
}

#[tokio::test]
async fn a_kustomization_is_built_again_only_when_something_in_its_reach_changed() {
    if !has("kustomize") && !has("kubectl") {
        return;
    }
    let project = Project::new(&[
        (
            "base/kustomization.yaml",
            "resources: [app.yaml]\nconfigMapGenerator:\n- {name: c, files: [a.txt]}\n",
        ),
        ("base/app.yaml", "# The app.\napiVersion: v1\nkind: Service\nmetadata: {name: app}\n"),
        ("base/a.txt", "one"),
        ("over/kustomization.yaml", "namePrefix: prod-\nresources: [../base]\n"),
    ]);
    let source = Source::Kustomize { path: project.path().join("over"), namespace: Some("shop".into()) };
    let first = project.render(&source).await.unwrap();
    assert!(ids(&first).contains(&"Service shop/prod-app".to_owned()), "{:?}", ids(&first));
    let service = first.objects.iter().find(|object| object.kind() == "Service").unwrap();
    assert!(service.origin.file.as_ref().unwrap().ends_with("base/app.yaml"));
    assert_eq!((service.origin.source.as_str(), service.origin.line), ("kustomize over", 2));
    assert!(project.render(&source).await.unwrap().from_cache);
    assert_eq!(project.ran.lock().unwrap().len(), 1);
    project.write("base/a.txt", "two");
    let changed = project.render(&source).await.unwrap();
    assert!(!changed.from_cache);
    assert_ne!(ids(&changed), ids(&first));
    project.write("over/kustomization.yaml", "resources: [../gone]\n");
    let text = project.render(&source).await.unwrap_err().to_string();
    assert!(text.starts_with("kustomize over cannot be rendered: `k"), "{text}");
    assert!(text.contains("gone"), "{text}");
}
