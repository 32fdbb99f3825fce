//! GitHub Actions: a workflow, and an action of the repository's own that installs the tools.

use super::{ATTESTATION, Carry, Facts, fill, indented};

/// Who let the run go on, as GitHub recorded it.
const APPROVER: &str = r#""${approver:?nobody approved: give the environment required reviewers}""#;
const APPROVALS: &str = r#"approver=$(gh api "repos/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID/approvals" --jq '[.[] | select(.state == "approved") | .user.login] | unique | join(", ")')"#;

/// The files.
pub(super) fn files(facts: &Facts) -> Vec<(&'static str, String)> {
    let defaults = match facts.directory.as_str() {
        "" => String::new(),
        directory => format!("\ndefaults:\n  run:\n    working-directory: {directory}\n"),
    };
    let carries = facts.carries(APPROVER, ATTESTATION);
    let jobs: String = carries.iter().map(|carry| job(facts, carry)).collect();
    let workflow = fill(
        include_str!("github.yml"),
        &[
            ("DEFAULTS", &defaults),
            ("JOBS", jobs.trim_end()),
            ("BRANCH", &facts.branch),
            ("BELOW", &facts.below()),
        ],
    );
    let versions: Vec<String> =
        facts.versions().iter().map(|(name, version)| format!("{name}: {version}")).collect();
    let action = fill(
        include_str!("github-action.yml"),
        &[("VERSIONS", &indented(&versions, 8)), ("INSTALL", &indented(&facts.install(), 8))],
    );
    vec![(".github/workflows/devcluster.yml", workflow), (".github/actions/devcluster/action.yml", action)]
}

fn job(facts: &Facts, carry: &Carry<'_>) -> String {
    let mut steps = Vec::new();
    let (mut gate, mut permissions) = (String::new(), "");
    if carry.production {
        gate = format!(
            "    # The gate: give the environment `{}` required reviewers (Settings, Environments); this waits for one of them.\n",
            carry.name
        );
        permissions = "      actions: read\n";
        steps.extend([
            "- uses: actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093 # v4.3.0".to_owned(),
            "  with:".to_owned(),
            "    name: devcluster-ci".to_owned(),
            format!("    path: {}.devcluster/ci", facts.below()),
            format!("- name: Record who approved, and promote to {}", carry.name),
            "  env:".to_owned(),
            "    GH_TOKEN: ${{ github.token }}".to_owned(),
            "  run: |".to_owned(),
            format!("    {APPROVALS}"),
        ]);
        steps.extend(carry.commands.iter().map(|command| format!("    {command}")));
    } else {
        steps.extend(carry.commands.iter().map(|command| format!("- run: {command}")));
    }
    fill(
        include_str!("github-job.yml"),
        &[
            ("ID", &carry.id),
            ("NEEDS", &carry.needs),
            ("GATE", &gate),
            ("NAME", carry.name),
            ("PERMISSIONS", permissions),
            ("STEPS", &indented(&steps, 6)),
        ],
    )
}
