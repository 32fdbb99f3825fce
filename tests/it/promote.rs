//! One lock from environment to environment, with and without its approval, by the built program and the real git.

use crate::repository::Repository;

const STAGING: &str = "environments/staging";
const PRODUCTION: &str = "environments/production";
const PASSED: &[(&str, &str)] = &[("lock", "passed"), ("up", "passed")];
const PROMOTE: [&str; 5] = ["promote", "--from", "staging", "--to", "production"];

fn staged() -> (Repository, String) {
    let project = Repository::new();
    let (code, said) = project.devcluster(&["handoff", "--to", "staging"]);
    assert_eq!(code, 0, "{said}");
    let root = project.root();
    (project, root)
}

fn approve(project: &Repository, attestation: &str) -> (i32, String) {
    project.devcluster(&["promote", "--to", "production", "--approve", "--attestation", attestation])
}

/// Commits an edit of a branch, as somebody would by hand.
fn edit_branch(project: &Repository, branch: &str, path: &str, text: Option<&str>) {
    let worktree = project.beside("edited");
    let place = worktree.to_str().unwrap();
    project.git(&["worktree", "add", "--quiet", place, branch]);
    match text {
        Some(text) => std::fs::write(worktree.join(path), text).unwrap(),
        None => std::fs::remove_file(worktree.join(path)).unwrap(),
    }
    project.git(&["-C", place, "add", "--all"]);
    project.git(&["-C", place, "commit", "--quiet", "--message", "by hand"]);
    project.git(&["worktree", "remove", place]);
}

fn tree(project: &Repository, branch: &str) -> String {
    project.git(&["rev-parse", &format!("{branch}:manifests")])
}

#[test]
fn production_gets_a_lock_that_was_approved_on_its_own_attestation() {
    let (project, root) = staged();
    let (code, said) = project.devcluster(&PROMOTE);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("promote --to production --approve --attestation"), "{said}");

    let good =
        project.attestation("good.json", &root, &[("lock", "passed"), ("up", "passed"), ("data", "skipped")]);
    let (code, said) = approve(&project, &good);
    assert_eq!(code, 0, "{said}");
    let recorded = project.git(&["rev-parse", PRODUCTION]);
    assert_eq!(approve(&project, &good).0, 0);
    assert_eq!(project.git(&["rev-parse", PRODUCTION]), recorded, "recorded once");
    let record = project.git(&["show", &format!("{PRODUCTION}:.devcluster/approvals/{root}.json")]);
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["approvals"][0]["by"], "Ada <ada@example.com>");
    assert!(record["approvals"][0]["at"].as_str().unwrap().ends_with('Z'));

    let promoted = project.json(&PROMOTE);
    assert_eq!((promoted["changed"].as_bool(), promoted["lock"].as_str()), (Some(true), Some(root.as_str())));
    assert_eq!(tree(&project, PRODUCTION), tree(&project, STAGING), "the very same manifests");
    assert_eq!(project.json(&PROMOTE)["changed"], false);
    let body = project.git(&["log", "-1", "--format=%B", PRODUCTION]);
    for wanted in [
        "Devcluster-Lock: ",
        "Devcluster-Promoted-From: staging ",
        "Devcluster-Approved-By: Ada <ada",
        "Devcluster-Attestation: sha256:",
    ] {
        assert!(body.contains(wanted), "{body}");
    }
    let history = project.json(&["promote", "--list"]);
    let entry = &history[1]["entries"][0];
    assert_eq!((entry["from"].as_str(), entry["lock"].as_str()), (Some("staging"), Some(root.as_str())));
    assert_eq!(entry["approvedBy"], "Ada <ada@example.com>");
    assert_eq!(history[0]["entries"].as_array().unwrap().len(), 1);
    let (code, said) = project.devcluster(&["promote", "--list", "--limit", "0"]);
    assert!(code == 2 && said.contains("0 is not in 1.."), "{said}");
    let (_, said) = project.devcluster(&["promote", "--list"]);
    assert!(said.contains("production (branch environments/production, production)"), "{said}");
}

#[test]
fn an_approval_is_of_one_lock() {
    let (project, root) = staged();
    let good = project.attestation("good.json", &root, PASSED);
    assert_eq!(approve(&project, &good).0, 0);
    assert_eq!(project.devcluster(&PROMOTE).0, 0);
    edit_branch(&project, PRODUCTION, "README.md", Some("ours\n"));
    project.edit("deploy/all.yaml", "web:1.4", "web:1.5");
    let next = project.lock();
    assert_eq!(project.devcluster(&["handoff", "--to", "staging"]).0, 0);
    let (code, said) = project.devcluster(&PROMOTE);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&next[..12]), "{said}");
    let (code, said) = approve(&project, &good);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is about another lock"), "{said}");

    // Both steps at once, by somebody who is named.
    let good = project.attestation("next.json", &next, PASSED);
    let both = [&PROMOTE[..], &["--approve", "--attestation", &good, "--by", "Bob"]].concat();
    let promoted = project.json(&both);
    assert_eq!(
        (promoted["before"].as_str(), promoted["recorded"].as_bool()),
        (Some(root.as_str()), Some(true))
    );
    assert_eq!(promoted["approval"]["by"], "Bob");
    assert_eq!(project.git(&["show", &format!("{PRODUCTION}:README.md")]), "ours", "what others added stays");
    assert!(
        project.git(&["log", "--format=%s", PRODUCTION]).contains("approved by Ada"),
        "the record is kept"
    );
}

#[test]
fn attestations_that_do_not_speak_for_the_lock_are_refused() {
    let (project, root) = staged();
    let other = "ab".repeat(32);
    let cases = [
        (project.attestation("o.json", &other, PASSED), "is about another lock"),
        (
            project.attestation(
                "f.json",
                &root,
                &[("lock", "passed"), ("up", "passed"), ("smoke", "failed")],
            ),
            "smoke: failed",
        ),
        (project.attestation("s.json", &root, &[("lock", "passed"), ("up", "skipped")]), "up: skipped"),
        (project.beside("project/devcluster.yaml").display().to_string(), "is no statement of"),
    ];
    for (attestation, wanted) in cases {
        let (code, said) = approve(&project, &attestation);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(wanted), "{said}");
    }
    let good = project.attestation("good.json", &root, PASSED);
    let forged = [
        "promote",
        "--to",
        "production",
        "--approve",
        "--attestation",
        &good,
        "--by",
        "a\nDevcluster-Lock: x",
    ];
    assert_eq!(project.devcluster(&forged).0, 2);
    assert_eq!(project.git(&["branch", "--list", PRODUCTION]), "");
}

#[test]
fn records_and_manifests_that_were_edited_are_told() {
    let (project, root) = staged();
    let good = project.attestation("good.json", &root, PASSED);
    assert_eq!(approve(&project, &good).0, 0);
    let attestations =
        project.git(&["ls-tree", "-r", "--name-only", PRODUCTION, ".devcluster/attestations/"]);
    edit_branch(&project, PRODUCTION, &attestations, Some("{}"));
    let (code, said) = project.devcluster(&PROMOTE);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("that of Ada <ada@example.com> does not: its attestation was changed"), "{said}");
    edit_branch(&project, PRODUCTION, &attestations, None);
    assert!(project.devcluster(&PROMOTE).1.contains("its attestation is gone"));
    edit_branch(&project, PRODUCTION, &format!(".devcluster/approvals/{root}.json"), Some("{"));
    assert_eq!(project.devcluster(&PROMOTE).0, 2);

    edit_branch(&project, STAGING, "manifests/shop/deployment.apps-web.yaml", Some("kind: Deployment\n"));
    let (code, said) = project.devcluster(&PROMOTE);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("edited since"), "{said}");
    assert_eq!(project.git(&["ls-tree", "--name-only", PRODUCTION]), ".devcluster");
}

#[test]
fn environments_are_those_of_the_configuration() {
    let (project, _) = staged();
    let (code, said) = project.devcluster(&["promote", "--from", "staging", "--to", "live"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("there is no environment live") && said.contains("staging, production"), "{said}");
    assert_eq!(project.devcluster(&["promote", "--from", "staging", "--to", "staging"]).0, 2);
    assert_eq!(project.devcluster(&["promote", "--to", "staging"]).0, 2);
    assert_eq!(project.devcluster(&["promote"]).0, 2);
    let (code, said) = project.devcluster(&["promote", "--from", "production", "--to", "staging"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("nothing to promote"), "{said}");
    project.edit("devcluster.yaml", "name: production,", "name: staging, branch: environments/staging,");
    let (code, said) = project.devcluster(&["promote", "--list"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("`staging` stands twice"), "{said}");
}
