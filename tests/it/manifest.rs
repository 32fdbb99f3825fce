//! Manifests are read as kubectl reads them, and rendered as kustomize and helm render them: held against the programs
//! themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use devcluster::config::{Cluster, Config, MissingCrds, Nodes, Production, Profile, ProviderKind, Source};
use devcluster::event::Silent;
use devcluster::manifest::{ManifestError, RenderContext, Rendered, emit, render};
use serde_json::Value;

use crate::apiserver::{ApiServer, api_server};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/corpus")
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

pub fn config(directory: &Path, manifests: Vec<Source>) -> Config {
    Config {
        file: directory.join("devcluster.yaml"),
        name: "it".into(),
        cluster: Cluster {
            provider: ProviderKind::Kind,
            name: "it".into(),
            node_image: None,
            http_port: None,
            https_port: None,
            pod_subnet: None,
            service_subnet: None,
        },
        manifests,
        production: Production::default(),
        images: Vec::new(),
        data: Vec::new(),
        migrations: Vec::new(),
        ci: Vec::new(),
        environments: Vec::new(),
        masking: directory.join("masking.yaml"),
        profile: Profile {
            name: "laptop".into(),
            nodes: Nodes { max: 1, cpu: 1, memory_gib: 1 },
            missing_crds: MissingCrds::Fail,
            stand_ins: true,
            stand_in_image: "standin".into(),
            prune: false,
            recreate_immutable: false,
            snapshot_before_migrations: true,
            timeout_seconds: 1,
            metrics: false,
            ingress: false,
            load_balancer: false,
        },
    }
}

pub async fn rendered(directory: &Path, source: Source) -> Result<Rendered, ManifestError> {
    let state = tempfile::tempdir().unwrap();
    let context = RenderContext { state_directory: state.path().to_owned(), cluster_version: None };
    render(&config(directory, vec![source]), &context, &Silent).await
}

async fn read(file: &Path) -> Result<Vec<Value>, ManifestError> {
    let source = Source::Files { paths: vec![file.display().to_string()], namespace: None };
    let rendered = rendered(file.parent().unwrap(), source).await?;
    Ok(rendered.objects.into_iter().map(|object| object.value).collect())
}

/// The objects kubectl makes of its arguments, or its complaint. Nothing is sent but discovery.
fn kubectl(server: &ApiServer, args: &[&str]) -> Result<Vec<Value>, String> {
    let fixed = ["create", "--dry-run=client", "--validate=false", "-o", "json"];
    let (code, text) = server.kubectl(&[&fixed, args].concat(), "");
    if code != 0 {
        return Err(text);
    }
    let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    Ok(values.map_while(Result::ok).collect())
}

/// Numbers compare by what they are, not by how they are written: Go prints whole doubles without an exponent.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.as_i64().is_none() => Value::from(number.as_f64().unwrap()),
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), canonical(value))).collect())
        }
        other => other.clone(),
    }
}

async fn compare(server: &ApiServer, file: &Path) {
    let theirs = kubectl(server, &["-f", file.to_str().unwrap()])
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let ours = read(file).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(!theirs.is_empty(), "{}: kubectl printed nothing", file.display());
    let names =
        |values: &[Value]| values.iter().map(|value| value["metadata"]["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs), "{}", file.display());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(canonical(ours), canonical(theirs), "{}", file.display());
    }
}

#[tokio::test]
async fn the_corpus_is_read_as_kubectl_reads_it() {
    let server = api_server().await;
    let files = files_in(&corpus());
    assert!(files.len() >= 20, "the corpus is gone");
    for file in files {
        compare(server, &file).await;
    }
}

#[tokio::test]
async fn what_editors_would_spoil_is_read_as_kubectl_reads_it() {
    let server = api_server().await;
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: bytes\ndata:\n";
    let other = head.replace("bytes", "other");
    let json = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bytes"}}"#;
    let utf16 =
        |text: &str, unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let blob = format!("{head}  a: |\n{}", "    0123456789abcdef 0123456789abcdef\n".repeat(30 * 1024));
    assert!(blob.len() > 1024 * 1024);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("bom", format!("\u{feff}{head}  a: b\n").into()),
        ("bom-json", format!("\u{feff}{json}").into()),
        ("bom-later", format!("{head}  a: b\n---\n\u{feff}{other}  c: d\n").into()),
        (
            "crlf",
            format!("{head}  a: |\n    b\n    c\n  d: \"e\n    f\"\n---\n{other}")
                .replace('\n', "\r\n")
                .into(),
        ),
        ("utf16-little", [vec![0xFF, 0xFE], utf16(head, u16::to_le_bytes)].concat()),
        ("utf16-big", [vec![0xFE, 0xFF], utf16(head, u16::to_be_bytes)].concat()),
        ("not-utf8", [head.as_bytes(), b"  a: b\xFFc\n"].concat()),
        ("no-line-end", format!("{head}  a: |\n    b").into()),
        ("no-line-end-folded", format!("{head}  a: >+\n    b\n ").into()),
        ("line-separator", format!("{head}  a: \"b\u{2028}  c\"\n  d: e\u{85}   f\n").into()),
        ("mebibyte", blob.into()),
    ];
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in cases {
        let file = directory.path().join(format!("{name}.yaml"));
        std::fs::write(&file, bytes).unwrap();
        compare(server, &file).await;
    }
}

#[tokio::test]
async fn what_kubectl_refuses_is_refused_with_its_place() {
    let server = api_server().await;
    let files = files_in(&corpus().join("refused"));
    assert!(files.len() >= 20, "the corpus is gone");
    let mut told = BTreeMap::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(kubectl(server, &["-f", file.to_str().unwrap()]).is_err(), "kubectl takes {name}");
        let error = read(&file).await.expect_err(&name);
        for fault in error.faults() {
            assert!(fault.position.line > 0, "{name}: {fault}");
            assert_eq!(fault.file.as_deref(), Some(file.as_path()));
        }
        let faults: Vec<String> = error
            .faults()
            .iter()
            .map(|fault| {
                let hint = if fault.hint.is_some() { " (with a hint)" } else { "" };
                format!("{}:{}: {}{hint}", fault.position.line, fault.position.column, fault.message)
            })
            .collect();
        told.insert(name, faults);
    }
    insta::assert_yaml_snapshot!("refused", told);
}

#[tokio::test]
async fn what_is_emitted_kubectl_reads_back() {
    let server = api_server().await;
    let directory = tempfile::tempdir().unwrap();
    for file in files_in(&corpus()) {
        let source = Source::Files { paths: vec![file.display().to_string()], namespace: None };
        let objects = rendered(&corpus(), source).await.unwrap().objects;
        let again = directory.path().join("again.yaml");
        std::fs::write(&again, emit::to_yaml(&objects)).unwrap();
        let theirs = kubectl(server, &["-f", again.to_str().unwrap()]).unwrap();
        assert_eq!(theirs.len(), objects.len());
        for (object, theirs) in objects.iter().zip(&theirs) {
            assert_eq!(canonical(&object.value), canonical(theirs), "{}", file.display());
        }
    }
}

/// Real manifests, read in place; which they are, the environment says.
#[tokio::test]
async fn a_real_kustomization_is_rendered_as_kubectl_renders_it() {
    let Some(manifests) = std::env::var_os("DEVCLUSTER_REAL_MANIFESTS") else {
        eprintln!("skipped: DEVCLUSTER_REAL_MANIFESTS names no directory of real manifests");
        return;
    };
    let server = api_server().await;
    let directory = Path::new(&manifests).join("online-boutique");
    let theirs = kubectl(server, &["-k", directory.to_str().unwrap()]).unwrap();
    let source = Source::Kustomize { path: directory.clone(), namespace: None };
    let ours = rendered(&directory, source).await.unwrap();
    assert_eq!(ours.objects.len(), 48);
    let by_id = |values: Vec<Value>| -> BTreeMap<String, Value> {
        let id = |value: &Value| format!("{} {}", value["kind"], value["metadata"]["name"]);
        values.into_iter().map(|value| (id(&value), canonical(&value))).collect()
    };
    let found = ours.objects.iter().filter(|object| object.origin.file.is_some()).count();
    assert_eq!(found, 48, "every object's file is known");
    assert_eq!(by_id(ours.objects.into_iter().map(|object| object.value).collect()), by_id(theirs));
}
