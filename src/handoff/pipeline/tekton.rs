//! Tekton: Tasks and Pipelines. Production has a Pipeline of its own, which a person starts.

use super::{Carry, Facts, fill, indented};

/// Who started the Pipeline, as that said.
const APPROVER: &str = r#""$APPROVER""#;
/// Kept by the run that is named.
const ATTESTATION: &str = r#""$ATTESTATION""#;

/// The file.
pub(super) fn files(facts: &Facts) -> Vec<(&'static str, String)> {
    let mut versions = facts.versions();
    versions.push(("DOCKER_VERSION", "28.5.1"));
    let versions: Vec<String> = versions
        .iter()
        .flat_map(|(name, version)| [format!("- name: {name}"), format!("  value: {version}")])
        .collect();
    let subdirectory = match facts.directory.as_str() {
        "" => String::new(),
        directory => format!("/{directory}"),
    };
    let carries = facts.carries(APPROVER, ATTESTATION);
    // What comes behind a gate is started by a person, too.
    let first_gate = carries.iter().position(|carry| carry.production).unwrap_or(carries.len());
    let tasks: String = carries[..first_gate].iter().map(|carry| task(facts, carry, false)).collect();
    let gates: String = carries[first_gate..].iter().map(|carry| gate(facts, carry)).collect();
    let text = fill(
        include_str!("tekton.yml"),
        &[
            ("SUBDIRECTORY", &subdirectory),
            ("VERSIONS", &indented(&versions, 6)),
            ("VERSIONS_DEEPER", &indented(&versions, 8)),
            ("INSTALL", &indented(&facts.install(), 8)),
            ("TASKS", &tasks),
            ("GATES", &gates),
            ("TOOLS_KEY", &facts.tools_key()),
        ],
    );
    vec![(".tekton/devcluster.yaml", text)]
}

fn gate(facts: &Facts, carry: &Carry<'_>) -> String {
    let alone = task(facts, carry, true);
    fill(
        include_str!("tekton-gate.yml"),
        &[("ID", &carry.id), ("NAME", carry.name), ("TASK", alone.trim_end())],
    )
}

/// Of the Pipeline that follows the branch, or of one that a person starts.
fn task(facts: &Facts, carry: &Carry<'_>, is_started: bool) -> String {
    let when = format!(
        "      when:\n        - input: $(params.branch)\n          operator: in\n          values: [{}]\n",
        facts.branch
    );
    let approval = "        - name: approver\n          value: $(params.approver)\n        - name: run\n          value: $(params.run)\n";
    let text = fill(
        include_str!("tekton-task.yml"),
        &[
            ("ID", &carry.id),
            ("NEEDS", &carry.needs),
            ("WHEN", if is_started { "" } else { &when }),
            ("COMMANDS", &indented(&carry.commands, 12)),
            ("APPROVAL", if is_started { approval } else { "" }),
        ],
    );
    let without = format!("      runAfter: [{}]\n", carry.needs);
    if is_started { text.replace(&without, "") } else { text }
}
