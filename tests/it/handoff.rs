//! Manifests handed to branches and directories, by the built program and the real git.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use devcluster::yaml;
use serde_json::Value;

use crate::lock::copy;
use crate::repository::Repository;

const STAGING: &str = "environments/staging";

/// What of the user's must not change: the index, the work tree as git sees it, the branch that is checked out.
fn users(project: &Repository) -> (Vec<u8>, String, String) {
    let index = std::fs::read(project.directory.join(".git/index")).unwrap();
    (index, project.git(&["status", "--porcelain", "--ignored"]), project.git(&["rev-parse", "HEAD"]))
}

#[test]
fn a_branch_gets_one_commit_and_the_user_keeps_everything() {
    let project = Repository::new();
    let root = project.root();
    project.write("notes.txt", "mine");
    project.edit("deploy/all.yaml", "kind: Namespace", "# mine\nkind: Namespace");
    project.git(&["add", "deploy"]);
    project.write("other.txt", "mine, too");
    let before = users(&project);
    let (code, said) = project.devcluster(&["handoff", "--to", "staging"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Secret shop/database is left out"), "{said}");
    assert!(said.contains("registry.example.com/shop/web:1.4 is as written: no engine was there"), "{said}");
    assert_eq!(users(&project), before);

    let commit = project.git(&["rev-parse", STAGING]);
    let trailer = ["log", "-1", "--format=%(trailers:key=Devcluster-Lock,valueonly)", STAGING];
    assert_eq!(project.git(&trailer), root);
    let files = project.git(&["ls-tree", "-r", "--name-only", STAGING]);
    let wanted = [
        ".devcluster/handoff.json",
        "kustomization.yaml",
        "manifests/_cluster/namespace-shop.yaml",
        "manifests/shop/deployment.apps-web.yaml",
    ];
    assert_eq!(files.lines().collect::<Vec<_>>(), wanted);
    let (code, _) = project.try_git(&["grep", "hunter2", STAGING]);
    assert_eq!(code, 1, "no value of a Secret is in the branch");
    assert!(project.git(&["log", "-1", "--format=%B", STAGING]).contains("- Secret shop/database"));

    let again = project.json(&["handoff", "--to", STAGING]);
    assert_eq!((again["changed"].as_bool(), again["commit"].as_str()), (Some(false), Some(commit.as_str())));
    assert_eq!(project.git(&["rev-list", "--count", STAGING]), "1");
}

#[test]
fn only_what_changes_is_in_the_next_commit_and_what_others_added_stays() {
    let project = Repository::new();
    assert_eq!(project.devcluster(&["handoff", "--to", "staging"]).0, 0);
    project.git(&["worktree", "add", "--quiet", "../staging", STAGING]);
    let (code, said) = project.devcluster(&["handoff", "--to", "staging"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is checked out in"), "{said}");
    let worktree = project.beside("staging");
    std::fs::create_dir(worktree.join("sealed")).unwrap();
    std::fs::write(worktree.join("sealed/secret.yaml"), "kind: SealedSecret\n").unwrap();
    project.git(&["-C", worktree.to_str().unwrap(), "add", "--all"]);
    project.git(&["-C", worktree.to_str().unwrap(), "commit", "--quiet", "--message", "sealed"]);
    project.git(&["worktree", "remove", "../staging"]);

    project.edit(
        "deploy/all.yaml",
        "kind: Namespace\nmetadata: {name: shop}",
        "kind: Namespace\nmetadata: {name: store}",
    );
    project.lock();
    assert_eq!(project.devcluster(&["handoff", "--to", "staging"]).0, 0);
    let changed = project.git(&["show", "--format=", "--name-status", "--no-renames", STAGING]);
    let wanted = [
        "M\t.devcluster/handoff.json",
        "M\tkustomization.yaml",
        "D\tmanifests/_cluster/namespace-shop.yaml",
        "A\tmanifests/_cluster/namespace-store.yaml",
    ];
    assert_eq!(changed.lines().collect::<Vec<_>>(), wanted);
    assert_eq!(project.git(&["show", &format!("{STAGING}:sealed/secret.yaml")]), "kind: SealedSecret");
}

#[test]
fn what_is_not_the_lock_is_not_handed_off() {
    let project = Repository::new();
    project.edit("deploy/all.yaml", "web:1.4", "web:1.5");
    let (code, said) = project.devcluster(&["handoff", "--to", "staging"]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("~ Deployment.apps shop/web") && said.contains("nothing was handed off"), "{said}");
    assert_eq!(project.git(&["branch", "--format=%(refname:short)"]), "main");
    std::fs::remove_file(project.directory.join("devcluster.lock")).unwrap();
    let (code, said) = project.devcluster(&["handoff", "--to", "staging"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("`devcluster lock` writes it"), "{said}");
}

#[test]
fn branches_of_others_are_refused() {
    let project = Repository::new();
    project.git(&["branch", "theirs"]);
    for (to, wanted) in [
        ("theirs", "no handoff wrote"),
        ("main", "no handoff wrote"),
        ("a..b", "can be no branch"),
        ("-x", "can be no branch"),
        ("@{-1}", "can be no branch"),
    ] {
        let to = format!("--to={to}");
        let (code, said) = project.devcluster(&["handoff", &to]);
        assert_eq!(code, 2, "{to}: {said}");
        assert!(said.replace("\n  | ", " ").contains(wanted), "{to}: {said}");
    }
    let (code, said) = project.devcluster(&["handoff", "--to", "./x", "--push", "origin"]);
    assert_eq!(code, 2, "{said}");
    let (code, said) = project.devcluster(&["handoff", "--to", "x", "--push=--upload-pack=touch x"]);
    assert_eq!(code, 2, "{said}");
    assert_eq!(project.git(&["branch", "--format=%(refname:short)"]), "main\ntheirs");
}

#[test]
fn production_takes_no_lock_that_nobody_approved() {
    let project = Repository::new();
    for to in ["production", "environments/production"] {
        let (code, said) = project.devcluster(&["handoff", "--to", to]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("has no approval") || said.contains("no approval that holds"), "{said}");
    }
    let root = project.root();
    let attestation = project.attestation("a.json", &root, &[("lock", "passed"), ("up", "passed")]);
    let approve = ["promote", "--to", "production", "--approve", "--attestation", &attestation];
    assert_eq!(project.devcluster(&approve).0, 0);
    let handed = project.json(&["handoff", "--to", "production"]);
    assert_eq!(handed["lock"].as_str(), Some(root.as_str()));
}

#[test]
fn a_remote_is_pushed_to_only_when_asked_and_gone_on_from() {
    let project = Repository::new();
    let remote = project.beside("remote.git");
    project.git(&["init", "--quiet", "--bare", "--initial-branch", "main", remote.to_str().unwrap()]);
    project.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    project.git(&["push", "--quiet", "origin", "main"]);
    let remotes = || project.git(&["ls-remote", "origin", STAGING]);
    assert_eq!(project.devcluster(&["handoff", "--to", "staging"]).0, 0);
    assert_eq!(remotes(), "");
    // As after a run that was killed between writing and pushing.
    let handed = project.json(&["handoff", "--to", "staging", "--push", "origin"]);
    assert_eq!((handed["changed"].as_bool(), handed["pushed"].as_bool()), (Some(false), Some(true)));
    let first = project.git(&["rev-parse", STAGING]);
    assert!(remotes().starts_with(&first));

    let clone = project.cloned(&remote);
    clone.edit("deploy/all.yaml", "web:1.4", "web:1.5");
    clone.lock();
    let handed = clone.json(&["handoff", "--to", "staging", "--push", "origin"]);
    let second = handed["commit"].as_str().unwrap().to_owned();
    assert_eq!(
        clone.git(&["rev-parse", &format!("{second}^")]),
        first,
        "it goes on from what the remote has"
    );
    assert!(remotes().starts_with(&second));

    // Behind the remote: it goes on from there, too.
    project.edit("deploy/all.yaml", "web:1.4", "web:1.6");
    project.lock();
    let handed = project.json(&["handoff", "--to", "staging", "--push", "origin"]);
    let third = handed["commit"].as_str().unwrap().to_owned();
    assert_eq!(project.git(&["rev-parse", &format!("{third}^")]), second);

    clone.edit("deploy/all.yaml", "web:1.5", "web:1.7");
    clone.lock();
    assert_eq!(clone.devcluster(&["handoff", "--to", "staging"]).0, 0);
    let (code, said) = clone.devcluster(&["handoff", "--to", "staging", "--push", "origin"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("each what the other lacks"), "{said}");
    assert!(remotes().starts_with(&third));
}

/// Git tells of every ref whose name ends like the one that is asked for.
#[test]
fn a_branch_whose_name_ends_alike_is_another() {
    let project = Repository::new();
    let remote = project.beside("remote.git");
    project.git(&["init", "--quiet", "--bare", "--initial-branch", "main", remote.to_str().unwrap()]);
    project.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    let other = format!("main:refs/heads/a/refs/heads/{STAGING}");
    project.git(&["push", "--quiet", "origin", &other]);
    project.json(&["handoff", "--to", "staging"]);
    let handed = project.json(&["handoff", "--to", "staging", "--push", "origin"]);
    assert_eq!((handed["changed"].as_bool(), handed["pushed"].as_bool()), (Some(false), Some(true)));
    assert!(project.git(&["ls-remote", "origin"]).contains(&format!("\trefs/heads/{STAGING}")));
}

#[test]
fn images_are_pinned_where_their_digest_is_known() {
    let project = Repository::new();
    let digest = format!("sha256:{}", "ab".repeat(32));
    let image = format!("registry.example.com/shop/web:1.4@{digest}");
    let handed = project.json(&["handoff", "--to", "staging", "--image", &image]);
    assert_eq!(handed["imagesAsWritten"][0]["image"], "registry.example.com/shop/log:2");
    assert_eq!(handed["imagesAsWritten"].as_array().unwrap().len(), 1);
    let file = project.git(&["show", &format!("{STAGING}:manifests/shop/deployment.apps-web.yaml")]);
    assert!(file.contains(&image) && file.contains("image: registry.example.com/shop/log:2\n"), "{file}");
    let (code, said) = project.devcluster(&["handoff", "--to", "staging", "--image", "web@sha256:12"]);
    assert_eq!(code, 2, "{said}");
}

/// Objects by kind, namespace and name.
fn objects(text: &str) -> BTreeMap<String, Value> {
    let documents = yaml::load(text).documents.into_iter().map(|document| document.value);
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).map(Value::to_string).unwrap_or_default();
    documents
        .filter(|value| !value.is_null())
        .map(|value| {
            let key = ["/kind", "/metadata/namespace", "/metadata/name"].map(|pointer| text(&value, pointer));
            (key.join(" "), value)
        })
        .collect()
}

#[test]
fn a_directory_is_what_production_applies_as_kubectl_reads_it() {
    if Command::new("helm").arg("version").output().is_err()
        || Command::new("kubectl").arg("version").output().is_err()
    {
        eprintln!("skipped: there is no helm or kubectl");
        return;
    }
    let project = Repository::new();
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
    std::fs::remove_file(project.directory.join("devcluster.yaml")).unwrap();
    copy(&shop, &project.directory);
    let (code, said) = project.devcluster(&["lock"]);
    assert_eq!(code, 0, "{said}");
    let out = project.beside("out");
    let to = out.to_str().unwrap();
    let handed = project.json(&["handoff", "--to", to]);
    assert_eq!(handed["changed"], true);
    assert_eq!(project.json(&["handoff", "--to", to])["changed"], false);
    let rendered = project.command(env!("CARGO_BIN_EXE_devcluster"), &["render"]).output().unwrap();
    let mut wanted = objects(&String::from_utf8(rendered.stdout).unwrap());
    let all = wanted.len();
    wanted.retain(|key, _| !key.starts_with("\"Secret\""));
    assert!(wanted.len() < all && wanted.len() > 30);
    let built = project.command("kubectl", &["kustomize", to]).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let found = objects(&String::from_utf8(built.stdout).unwrap());
    assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (key, value) in wanted {
        assert_eq!(found[&key], value, "{key}");
    }
    std::fs::write(out.join("mine.txt"), "mine").unwrap();
    let kustomization = project.directory.join("deploy/overlays/production/kustomization.yaml");
    let text = std::fs::read_to_string(&kustomization).unwrap();
    std::fs::write(&kustomization, text.replace("newTag: 1.4.2", "newTag: 1.4.3")).unwrap();
    assert_eq!(project.devcluster(&["lock"]).0, 0);
    let (code, said) = project.devcluster(&["handoff", "--to", to]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("mine.txt"), "{said}");
}
