//! temporary
#![allow(missing_docs)]
use std::path::PathBuf;
use super::object::*;
use crate::config::{Config, Source};
use crate::event::Reporter;
use crate::process::Command;
#[derive(Debug, Clone)]
pub struct RenderContext { pub state_directory: PathBuf, pub cluster_version: Option<String> }
#[derive(Debug, Clone)]
pub struct Hook { pub object: Object, pub release: String }
#[derive(Debug, Clone)]
pub struct VolatileField { pub object: ObjectId, pub pointer: String }
#[derive(Debug, Clone)]
pub struct Rendered { pub objects: Vec<Object>, pub hooks: Vec<Hook>, pub warnings: Vec<String>, pub volatile: Vec<VolatileField> }
#[derive(Debug, thiserror::Error)]
pub enum ManifestError { #[error(transparent)] P(#[from] crate::process::ProcessError) }
impl ManifestError { pub fn is_users(&self) -> bool { true } pub fn is_missing_tool(&self) -> bool { true } }
pub async fn render(c: &Config, _: &RenderContext, _: &dyn Reporter) -> Result<Rendered, ManifestError> {
    let mut objects = Vec::new();
    for s in &c.manifests {
        let (text, ns) = match s {
            Source::Kustomize { path, namespace } => (Command::new("kustomize").arg("build").arg(path.display().to_string()).output().await?, namespace.clone()),
            Source::Helm(h) => {
                let mut k = Command::new("helm").args(["template", &h.release]).arg(h.chart.display().to_string()).args(["--namespace", &h.namespace, "--no-hooks", "--kube-version", "1.34.0"]);
                for v in &h.values { k = k.arg("-f").arg(v.display().to_string()); }
                (k.output().await?, Some(h.namespace.clone()))
            }
            Source::Files { paths, namespace } => {
                let mut k = Command::new("sh").directory(c.directory()).args(["-c", "for f in $(find \"$@\" -name '*.yaml'); do cat $f; echo; echo ---; done", "sh"]);
                for p in paths { k = k.arg(p); }
                (k.output().await?, namespace.clone())
            }
        };
        for d in super::yaml::load(&String::from_utf8_lossy(&text)).documents {
            let mut value = d.value;
            if !value.is_object() { continue; }
            if value["metadata"]["namespace"].is_null() && !["Namespace","CustomResourceDefinition","PriorityClass"].contains(&value["kind"].as_str().unwrap_or("")) {
                value["metadata"]["namespace"] = ns.clone().unwrap_or("default".into()).into();
            }
            objects.push(Object { value, origin: Origin { source: "x".into(), file: None, line: 0 } });
        }
    }
    Ok(Rendered { objects, hooks: vec![], warnings: vec![], volatile: vec![] })
}
pub mod emit { pub fn to_yaml(o: &[super::Object]) -> String { o.iter().map(|o| format!("---\n{}", serde_yaml::to_string(&o.value).unwrap())).collect() } }
