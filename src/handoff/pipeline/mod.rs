//! Pipelines that run `devcluster ci` and carry what passed on, in the languages of the systems that run them.

mod github;
mod gitlab;
mod jenkins;
mod tekton;
#[cfg(test)]
mod tests;

/// Where `devcluster ci` leaves its attestation.
const ATTESTATION: &str = ".devcluster/ci/attestation.json";
/// The remote that pipelines push to.
const REMOTE: &str = "origin";

/// A system that runs pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// GitHub Actions.
    GitHub,
    /// GitLab CI/CD.
    GitLab,
    /// Jenkins, as a declarative pipeline.
    Jenkins,
    /// Tekton.
    Tekton,
}

/// What a pipeline is written from. All texts are plain words: letters, digits, `.`, `_`, `-` and `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The project's directory from the top of the repository; empty where that is the top.
    pub directory: String,
    /// The branch whose commits are handed on.
    pub branch: String,
    /// The version of devcluster.
    pub version: String,
    /// Whether charts are rendered.
    pub helm: bool,
    /// Whether kustomizations are rendered.
    pub kustomize: bool,
    /// Shell of one line that installs devcluster; from crates.io where unset.
    pub install: Option<String>,
    /// Environments by name, in the order of promotion, and whether each takes an approval, as production does.
    pub environments: Vec<(String, bool)>,
}

/// The pipeline's files, by their paths from the top of the repository.
pub fn files(system: System, facts: &Facts) -> Vec<(&'static str, String)> {
    match system {
        System::GitHub => github::files(facts),
        System::GitLab => gitlab::files(facts),
        System::Jenkins => jenkins::files(facts),
        System::Tekton => tekton::files(facts),
    }
}

impl Facts {
    /// The project's directory as the beginning of a path.
    fn below(&self) -> String {
        if self.directory.is_empty() { String::new() } else { format!("{}/", self.directory) }
    }

    /// Names and versions of what is installed.
    fn versions(&self) -> Vec<(&'static str, &str)> {
        let mut versions = vec![("DEVCLUSTER_VERSION", self.version.as_str()), ("KIND_VERSION", "v0.33.0")];
        if self.helm {
            versions.push(("HELM_VERSION", "v3.19.5"));
        }
        if self.kustomize {
            versions.push(("KUSTOMIZE_VERSION", "v5.7.1"));
        }
        versions
    }

    /// A name for a set of tools of these versions.
    fn tools_key(&self) -> String {
        let versions: Vec<&str> = self.versions().into_iter().map(|(_, version)| version).collect();
        versions.join("-")
    }

    /// Shell that installs into `$tools/bin` what is not there yet.
    fn install(&self) -> Vec<&str> {
        let mut lines = vec![r#"mkdir -p "$tools/bin""#];
        match &self.install {
            // On a line of its own, whatever it ends with.
            Some(own) => lines.extend([r#"if [ ! -x "$tools/bin/devcluster" ]; then"#, own, "fi"]),
            None => lines.push(
                r#"[ -x "$tools/bin/devcluster" ] || cargo install --locked --root "$tools" --version "$DEVCLUSTER_VERSION" devcluster"#,
            ),
        }
        lines.push(
            r#"[ -x "$tools/bin/kind" ] || { curl -fsSL -o "$tools/kind" "https://kind.sigs.k8s.io/dl/$KIND_VERSION/kind-linux-amd64" && chmod +x "$tools/kind" && mv "$tools/kind" "$tools/bin/kind"; }"#,
        );
        if self.helm {
            lines.push(r#"[ -x "$tools/bin/helm" ] || curl -fsSL "https://get.helm.sh/helm-$HELM_VERSION-linux-amd64.tar.gz" | tar -xz -C "$tools/bin" --strip-components 1 linux-amd64/helm"#);
        }
        if self.kustomize {
            lines.push(r#"[ -x "$tools/bin/kustomize" ] || curl -fsSL "https://github.com/kubernetes-sigs/kustomize/releases/download/kustomize%2F$KUSTOMIZE_VERSION/kustomize_${KUSTOMIZE_VERSION}_linux_amd64.tar.gz" | tar -xz -C "$tools/bin" kustomize"#);
        }
        lines
    }

    /// What is done for each environment.
    fn carries<'a>(&'a self, approver: &str, attestation: &str) -> Vec<Carry<'a>> {
        let mut carries: Vec<Carry<'a>> = Vec::new();
        for (name, production) in &self.environments {
            let approval = format!("--approve --attestation {attestation} --by {approver}");
            let before = carries.last().map(|carry| carry.name);
            let commands = match (before, production) {
                (None, false) => vec![format!("devcluster handoff --to {name} --push {REMOTE}")],
                (None, true) => vec![
                    format!("devcluster promote --to {name} {approval} --push {REMOTE}"),
                    format!("devcluster handoff --to {name} --push {REMOTE}"),
                ],
                (Some(before), false) => {
                    vec![format!("devcluster promote --from {before} --to {name} --push {REMOTE}")]
                }
                (Some(before), true) => {
                    vec![format!("devcluster promote --from {before} --to {name} {approval} --push {REMOTE}")]
                }
            };
            let needs = carries.last().map_or_else(|| "ci".to_owned(), |carry| carry.id.clone());
            carries.push(Carry { id: format!("to-{name}"), name, production: *production, needs, commands });
        }
        carries
    }
}

/// What brings a lock to an environment.
struct Carry<'a> {
    /// The job's name.
    id: String,
    /// The environment.
    name: &'a str,
    /// Whether somebody has to approve.
    production: bool,
    /// The job before it.
    needs: String,
    /// Shell.
    commands: Vec<String>,
}

/// A template with its `@NAME@` places filled, without an empty end.
fn fill(template: &str, places: &[(&str, &str)]) -> String {
    let text = places
        .iter()
        .fold(template.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value));
    format!("{}\n", text.trim_end())
}

/// Lines, each behind so many spaces.
fn indented<T: AsRef<str>>(lines: &[T], spaces: usize) -> String {
    let lines: Vec<String> =
        lines.iter().map(|line| format!("{}{}", " ".repeat(spaces), line.as_ref())).collect();
    lines.join("\n")
}
