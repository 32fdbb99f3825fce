//! The files that each source is rendered from, and the versions of the programs that render: what a change may come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::ManifestError;
use super::index::Index;
use super::kustomize::Reach;
use super::render::{RenderContext, source_name};
use super::{files, tool};
use crate::config::{Config, Source};
use crate::process::Command;

/// The files of one source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceFiles {
    /// The source, as its objects' `origin.source` has it.
    pub source: String,
    /// The paths that it names, absolute.
    pub paths: Vec<PathBuf>,
    /// Each file that decides what is rendered, by absolute path.
    pub files: BTreeMap<PathBuf, SourceFile>,
}

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceFile {
    /// BLAKE3 of its content, hex.
    pub digest: String,
    /// Whether secrets are or may be in it: its digest is not for everyone's eyes, since a short password can be guessed
    /// from it.
    pub secret: bool,
}

/// Words that keys of secrets have in them.
const SECRET_WORDS: [&str; 9] =
    ["password", "passwd", "secret", "token", "apikey", "api_key", "privatekey", "private_key", "credential"];

/// The files of every source. Those that a kustomization reaches beyond its directory are among them; what it fetches from
/// elsewhere is not.
pub fn source_files(config: &Config, context: &RenderContext) -> Result<Vec<SourceFiles>, ManifestError> {
    let index = Index::open(context.state_directory.join("render/index.json"));
    let found = config.manifests.iter().map(|source| of_source(source, config.directory(), &index)).collect();
    index.save();
    found
}

fn of_source(source: &Source, directory: &Path, index: &Index) -> Result<SourceFiles, ManifestError> {
    let name = source_name(source, directory);
    let mut secret = BTreeSet::new();
    let (paths, found) = match source {
        Source::Files { paths, .. } => {
            let mut found = BTreeSet::new();
            for written in paths {
                // What cannot be found has been told of while rendering.
                found.extend(files::find(written, directory).unwrap_or_default());
            }
            (paths.iter().map(|path| directory.join(path)).collect(), found)
        }
        Source::Kustomize { path, .. } => {
            let path = directory.join(path);
            let found = if let Some(reach) = Reach::of(&path) {
                secret = reach.secret;
                reach.files
            } else {
                // Which of them become Secrets cannot be told.
                let found = below(&path)?;
                secret.extend(found.iter().filter(|file| !files::is_manifest(file)).cloned());
                found
            };
            (vec![path], found)
        }
        Source::Helm(helm) => {
            let mut found = below(&helm.chart)?;
            found.extend(helm.values.iter().cloned());
            (std::iter::once(&helm.chart).chain(&helm.values).cloned().collect(), found)
        }
    };
    let are_values = |file: &Path| {
        let Source::Helm(helm) = source else { return false };
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        helm.values.iter().any(|values| values == file) || name.starts_with("values")
    };
    let hashed = found.into_iter().map(|file| {
        let failed = |error| unreadable(&file, error);
        let digest = index.hash(&file).map_err(failed)?;
        let secret = secret.contains(&file)
            || holds_secrets(&std::fs::read(&file).map_err(failed)?, are_values(&file));
        Ok((file, SourceFile { digest, secret }))
    });
    Ok(SourceFiles { source: name, paths, files: hashed.collect::<Result<_, _>>()? })
}

/// Whether a text has a Secret in it or makes one; or, of a chart's values, a text whose key tells of a secret.
fn holds_secrets(bytes: &[u8], are_values: bool) -> bool {
    String::from_utf8_lossy(bytes).lines().any(|line| {
        let line = line.trim_start_matches([' ', '-', '"', '\'', '{']);
        let Some((key, value)) = line.split_once(':') else { return false };
        let key = key.trim_end_matches(['"', '\'', ' ']);
        is_secret(line)
            || key.eq_ignore_ascii_case("secretGenerator")
            || are_values && is_secret_value(key, value)
    })
}

/// Whether a value's key tells of a secret, and the secret itself stands there.
fn is_secret_value(key: &str, value: &str) -> bool {
    let value = value.split(" #").next().unwrap_or_default().trim_matches([' ', '"', '\'', ',']);
    let key = key.to_lowercase();
    is_text(value) && SECRET_WORDS.iter().any(|word| key.contains(word)) && !refers(&key)
}

/// Whether a line says `kind: Secret`, as YAML or as JSON.
fn is_secret(line: &str) -> bool {
    let squeezed = line.replace([' ', '"', '\''], "");
    let mut behind = squeezed.match_indices("kind:Secret").map(|(at, found)| &squeezed[at + found.len()..]);
    behind.any(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

fn is_text(value: &str) -> bool {
    !matches!(value, "" | "true" | "false" | "null" | "~") && !value.starts_with(['{', '[', '#'])
}

/// Whether a key's value is the name of a secret, and not one.
fn refers(key: &str) -> bool {
    ["name", "ref", "class", "path", "file"].iter().any(|ending| key.ends_with(ending))
}

fn below(path: &Path) -> Result<BTreeSet<PathBuf>, ManifestError> {
    let mut found = BTreeSet::new();
    if path.is_dir() {
        files::walk(path, &mut |file| {
            found.insert(file.to_owned());
        })
        .map_err(|error| unreadable(path, error))?;
    } else {
        found.insert(path.to_owned());
    }
    Ok(found)
}

fn unreadable(path: &Path, error: std::io::Error) -> ManifestError {
    ManifestError::File { path: path.display().to_string(), action: "read", error }
}

/// The versions of the programs that render these sources, by name; what does not tell its own is left out.
pub async fn renderers(config: &Config) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if config.manifests.iter().any(|source| matches!(source, Source::Kustomize { .. })) {
        let name = tool::find(&["kustomize", "kubectl"]).name;
        let args: &[&str] = if name == "kubectl" { &["version", "--client"] } else { &["version"] };
        if let Some(text) = first_line(name, args, "Kustomize Version: ").await {
            found.insert("kustomize".to_owned(), text);
        }
    }
    if config.manifests.iter().any(|source| matches!(source, Source::Helm(_)))
        && let Some(text) = first_line("helm", &["version", "--short"], "").await
    {
        found.insert("helm".to_owned(), text);
    }
    found
}

/// What a program says behind `label`, which is left out; its first line where no line has it.
async fn first_line(program: &str, args: &[&str], label: &str) -> Option<String> {
    let output = Command::new(program).args(args.iter().copied()).output().await.ok()?;
    let text = String::from_utf8_lossy(&output).into_owned();
    let labelled = text.lines().find_map(|line| line.strip_prefix(label));
    labelled.or_else(|| text.lines().next()).map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_secrets_are_told() {
        for text in [
            "apiVersion: v1\nkind: Secret\n",
            "{\n  \"kind\": \"Secret\",\n",
            "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"data\": {}}\n",
            "{apiVersion: v1, kind: Secret}\n",
            "secretGenerator:\n- name: a\n",
        ] {
            assert!(holds_secrets(text.as_bytes(), false), "{text}");
        }
        for text in ["auth:\n  rootPassword: x\n", "  - api_key: 'x' # change it\n", "token: \"0\"\n"] {
            assert!(holds_secrets(text.as_bytes(), true), "{text}");
            assert!(!holds_secrets(text.as_bytes(), false), "{text}");
        }
        for text in [
            "kind: SecretStore\n",
            "secretName: tls\nexistingSecretRef: x\n",
            "password: \"\"\nsecret: {}\n",
            "automountServiceAccountToken: false\n",
            "tag: 1\n",
        ] {
            assert!(!holds_secrets(text.as_bytes(), true), "{text}");
        }
    }

    #[test]
    fn what_becomes_a_secret_is_told_by_the_kustomization() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let kustomization = "secretGenerator: [{name: s, files: [word.txt]}]\nconfigMapGenerator: [{name: c, files: [plain.txt]}]\n";
        std::fs::write(root.join("kustomization.yaml"), kustomization).unwrap();
        std::fs::write(root.join("word.txt"), "hunter2").unwrap();
        std::fs::write(root.join("plain.txt"), "plain").unwrap();
        let index = Index::open(root.join("index.json"));
        let source = Source::Kustomize { path: root.clone(), namespace: None };
        let found = of_source(&source, &root, &index).unwrap();
        let secret: Vec<_> =
            found.files.iter().filter(|(_, file)| file.secret).map(|(path, _)| path).collect();
        assert_eq!(secret, [&root.join("kustomization.yaml"), &root.join("word.txt")]);
        assert_eq!(found.files.len(), 3);
    }
}
