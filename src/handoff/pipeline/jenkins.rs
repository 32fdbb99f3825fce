//! Jenkins, as a declarative pipeline.

use super::{ATTESTATION, Carry, Facts, fill, indented};

/// Who answered the input step.
const APPROVER: &str = r#""$APPROVER""#;

/// The file.
pub(super) fn files(facts: &Facts) -> Vec<(&'static str, String)> {
    let versions: Vec<String> =
        facts.versions().iter().map(|(name, version)| format!("{name} = '{version}'")).collect();
    // Between three quotes, Groovy takes these two for itself.
    let install: Vec<String> =
        facts.install().into_iter().map(|line| line.replace('\\', "\\\\").replace('\'', "\\'")).collect();
    let carries = facts.carries(APPROVER, ATTESTATION);
    let stages: String = carries.iter().map(|carry| stage(facts, carry)).collect();
    let cd = match facts.directory.as_str() {
        "" => String::new(),
        directory => format!("cd {directory} && "),
    };
    let text = fill(
        include_str!("jenkins.groovy"),
        &[
            ("VERSIONS", &indented(&versions, 8)),
            ("INSTALL", &indented(&install, 0)),
            ("CD", &cd),
            ("STAGES", &stages),
            ("TOOLS_KEY", &facts.tools_key()),
            ("BELOW", &facts.below()),
        ],
    );
    vec![("Jenkinsfile", text)]
}

fn stage(facts: &Facts, carry: &Carry<'_>) -> String {
    let mut gate = String::new();
    if carry.production {
        gate = format!(
            "            // The gate: one of the group `release-managers` answers.\n            \
             input {{\n                \
             message 'Promote to {}?'\n                \
             ok 'Promote'\n                \
             submitter 'release-managers'\n                \
             submitterParameter 'APPROVER'\n            \
             }}\n",
            carry.name
        );
    }
    let cd = match facts.directory.as_str() {
        "" => String::new(),
        directory => format!("cd {directory}\n"),
    };
    let mut commands = vec!["set -eu".to_owned()];
    commands.extend(carry.commands.iter().cloned());
    fill(
        include_str!("jenkins-stage.groovy"),
        &[
            ("NAME", carry.name),
            ("BRANCH", &facts.branch),
            ("GATE", &gate),
            ("UNSTASH", if carry.production { "                unstash 'attestation'\n" } else { "" }),
            ("CD", &cd),
            ("COMMANDS", &indented(&commands, 0)),
        ],
    )
}
