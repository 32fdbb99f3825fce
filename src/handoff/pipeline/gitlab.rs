//! GitLab CI/CD.

use super::{ATTESTATION, Carry, Facts, fill, indented};

/// Who started the manual job.
const APPROVER: &str = r#""$GITLAB_USER_NAME <$GITLAB_USER_EMAIL>""#;

/// The file.
pub(super) fn files(facts: &Facts) -> Vec<(&'static str, String)> {
    let carries = facts.carries(APPROVER, ATTESTATION);
    let mut stages = vec!["- test".to_owned()];
    stages.extend(carries.iter().map(|carry| format!("- {}", carry.name)));
    let jobs: String = carries.iter().map(job).collect();
    let versions: Vec<String> =
        facts.versions().iter().map(|(name, version)| format!("{name}: {version}")).collect();
    let keys: Vec<String> = facts.versions().iter().map(|(name, _)| format!("${name}")).collect();
    let cd = match facts.directory.as_str() {
        "" => String::new(),
        directory => format!("    - cd {directory}\n"),
    };
    let text = fill(
        include_str!("gitlab.yml"),
        &[
            ("STAGES", &indented(&stages, 2)),
            ("VERSIONS", &indented(&versions, 2)),
            ("CACHE_KEY", &format!("devcluster-{}", keys.join("-"))),
            ("INSTALL", &indented(&facts.install(), 6)),
            ("CD", &cd),
            ("JOBS", jobs.trim_end()),
            ("BELOW", &facts.below()),
        ],
    );
    vec![(".gitlab-ci.yml", text)]
}

fn job(carry: &Carry<'_>) -> String {
    let mut commands: Vec<String> = Vec::new();
    commands.extend(carry.commands.iter().map(|command| format!("- {command}")));
    let (mut gate, mut manual) = (String::new(), "");
    let mut needs = carry.needs.clone();
    if carry.production {
        gate = format!(
            "# The gate: protect the environment `{}` (Settings, CI/CD, Protected environments); who may deploy starts this.\n",
            carry.name
        );
        manual = "      when: manual\n";
        // Its artifacts have the attestation.
        if needs != "ci" {
            needs = format!("ci, {needs}");
        }
    }
    fill(
        include_str!("gitlab-job.yml"),
        &[
            ("GATE", &gate),
            ("ID", &carry.id),
            ("NAME", carry.name),
            ("NEEDS", &needs),
            ("MANUAL", manual),
            ("COMMANDS", &indented(&commands, 4)),
        ],
    )
}
