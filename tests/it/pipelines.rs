//! Pipelines that `init --ci` writes, held against the checks of the systems that run them.

use std::process::Command;

use crate::repository::Repository;
use crate::tools::tool;

/// A project with a chart, a kustomization and four environments, at the top of its repository or below.
fn project(below: &str) -> Repository {
    let project = Repository::new();
    let file = |path: &str| if below.is_empty() { path.to_owned() } else { format!("{below}/{path}") };
    project.git(&["rm", "--quiet", "-r", "devcluster.yaml", "devcluster.lock"]);
    project.write(&file("deploy/kustomization.yaml"), "resources: []\n");
    project.write(&file("chart/Chart.yaml"), "apiVersion: v2\nname: c\nversion: 0.1.0\n");
    let config = "apiVersion: devcluster.dev/v1alpha1\nname: shop\nmanifests:\n  - kustomize: deploy\n  - helm: {chart: chart, release: c}\n\
        environments:\n  - name: integration\n  - name: staging\n  - {name: production, production: true}\n  - name: archive\n";
    project.write(&file("devcluster.yaml"), config);
    project
}

fn init(project: &Repository, below: &str, system: &str, more: &[&str]) -> (i32, String) {
    let directory = if below.is_empty() { "." } else { below };
    project.devcluster(&[&["init", directory, "--ci", system], more].concat())
}

/// What a check says of the pipeline as it is written, and of one that was broken.
fn checked(system: &str, program: &str, args: &[&str], file: &str, breaks: &[(&str, &str)]) {
    let Some(program) = tool(program) else { return };
    for below in ["", "examples/shop"] {
        let project = project(below);
        let (code, said) = init(&project, below, system, &[]);
        assert_eq!(code, 0, "{said}");
        let check = || {
            let output = Command::new(&program).args(args).current_dir(&project.directory).output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8_lossy(&said).into_owned())
        };
        let (passed, said) = check();
        assert!(passed, "{said}");
        let text = std::fs::read_to_string(project.directory.join(file)).unwrap();
        // A check that lets these through says nothing of the rest either.
        for (from, to) in breaks {
            assert!(text.contains(from), "{file} has no {from}");
            project.write(file, &text.replacen(from, to, 1));
            let (passed, said) = check();
            assert!(!passed, "{from} to {to}: {said}");
        }
    }
}

#[test]
fn github_takes_its_workflow_and_action() {
    let workflow = ".github/workflows/devcluster.yml";
    let breaks = [
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-9"),
        ("needs: ci", "needs: cd"),
        ("github.ref ==", "github.rev =="),
    ];
    checked("github", "actionlint", &["-no-color"], workflow, &breaks);
    let action = ".github/actions/devcluster/action.yml";
    let breaks = [("using: composite", "using: composed"), ("shell: bash", "shel: bash")];
    checked(
        "github",
        "check-jsonschema",
        &["--builtin-schema", "vendor.github-actions", action],
        action,
        &breaks,
    );
}

#[test]
fn gitlab_takes_its_pipeline() {
    let file = ".gitlab-ci.yml";
    let breaks =
        [("when: always", "when: ever"), ("extends: .devcluster", "extends: {a: b}"), ("junit:", "junits:")];
    checked("gitlab", "check-jsonschema", &["--builtin-schema", "vendor.gitlab-ci", file], file, &breaks);
}

const GROOVY: [&str; 5] = ["--noserver", "--failon", "error", "--files", "**/Jenkinsfile"];

#[test]
fn groovy_takes_the_jenkinsfile() {
    checked("jenkins", "npm-groovy-lint", &GROOVY, "Jenkinsfile", &[("steps {", "steps (")]);
}

#[test]
fn groovy_takes_a_teams_own_way_of_installing() {
    own_way_passes("jenkins", "npm-groovy-lint", &GROOVY);
}

#[test]
fn tekton_takes_its_tasks_and_pipelines() {
    let file = ".tekton/devcluster.yaml";
    let breaks = [
        ("runAfter: [ci]", "runAfter: [cd]"),
        ("onError: continue", "onErrors: continue"),
        ("$(params.run)", "$(params.ran)"),
        ("name: devcluster-ci", "name: Devcluster_CI"),
    ];
    checked("tekton", "tekton-check", &[file], file, &breaks);
}

#[test]
fn a_file_that_is_there_stays_unless_forced() {
    for (system, file) in [
        ("github", ".github/actions/devcluster/action.yml"),
        ("gitlab", ".gitlab-ci.yml"),
        ("jenkins", "Jenkinsfile"),
        ("tekton", ".tekton/devcluster.yaml"),
    ] {
        let project = project("");
        project.write(file, "mine\n");
        let before = std::fs::read_to_string(project.directory.join("devcluster.yaml")).unwrap();
        let (code, said) = init(&project, "", system, &[]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("is there already"), "{said}");
        assert_eq!(std::fs::read_to_string(project.directory.join(file)).unwrap(), "mine\n");
        assert!(!project.directory.join(".github/workflows").exists(), "all or nothing");
        assert_eq!(init(&project, "", system, &["--force"]).0, 0);
        assert!(
            std::fs::read_to_string(project.directory.join(file)).unwrap().starts_with("# Written by")
                || system == "jenkins"
        );
        assert_eq!(std::fs::read_to_string(project.directory.join("devcluster.yaml")).unwrap(), before);
    }
}

#[test]
fn a_new_project_gets_its_configuration_too_and_odd_places_are_refused() {
    let project = project("");
    std::fs::remove_file(project.directory.join("devcluster.yaml")).unwrap();
    let (code, said) = init(&project, "", "gitlab", &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("promotes nothing"), "{said}");
    assert!(project.directory.join("devcluster.yaml").exists());
    let text = std::fs::read_to_string(project.directory.join(".gitlab-ci.yml")).unwrap();
    assert!(text.contains("devcluster ci") && !text.contains("promote"), "{text}");
    let odd = self::project("a b");
    let (code, said) = init(&odd, "a b", "github", &[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("`a b`"), "{said}");
}

/// A way of installing that every system has to quote somehow; what is written is run as it is.
/// A command with everything in it that a pipeline's language could stumble over.
const OWN_WAY: &str = r#"printf '#!/bin/sh\necho "it is $0 \\"\n' > "$tools/bin/devcluster" && chmod +x "$tools/bin/devcluster" # ours"#;

fn own_way_passes(system: &str, program: &str, args: &[&str]) {
    let project = project("");
    let (code, said) = init(&project, "", system, &["--install", OWN_WAY]);
    assert_eq!(code, 0, "{said}");
    let Some(program) = tool(program) else { return };
    let output = Command::new(&program).args(args).current_dir(&project.directory).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{system}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn a_teams_own_way_of_installing_passes_every_check() {
    own_way_passes("github", "actionlint", &["-no-color"]);
    own_way_passes("gitlab", "check-jsonschema", &["--builtin-schema", "vendor.gitlab-ci", ".gitlab-ci.yml"]);
    own_way_passes("tekton", "tekton-check", &[".tekton/devcluster.yaml"]);
    let project = project("");
    for wrong in ["", "a\nb"] {
        let (code, said) = init(&project, "", "github", &["--install", wrong]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("one line of shell"), "{said}");
    }
    assert_eq!(project.devcluster(&["init", "--install", OWN_WAY]).0, 2, "of a pipeline alone");
    assert!(!project.directory.join(".github").exists());
}

/// GitLab's jobs, run as they are written by this machine's shell: from what was tested to production's branch. There is no engine,
/// so that the run itself fails, and with it its job.
#[test]
fn gitlabs_jobs_hand_on_what_was_tested() {
    let (Some(runner), Some(kind)) = (tool("gitlab-ci-local"), tool("kind")) else { return };
    let project = Repository::new();
    let origin = project.beside("origin.git").display().to_string();
    let install = format!("ln -s {} \"$tools/bin/devcluster\"", env!("CARGO_BIN_EXE_devcluster"));
    let (code, said) = init(&project, "", "gitlab", &["--install", &install]);
    assert_eq!(code, 0, "{said}");
    project.write(".gitignore", "/.tools/\n/.cache/\n/.gitlab-ci-local/\n/.devcluster/\n");
    project.write(".tools/bin/none", "");
    std::os::unix::fs::symlink(kind, project.directory.join(".tools/bin/kind")).unwrap();
    let root = project.lock();
    for args in [
        &["init", "--quiet", "--bare", &origin][..],
        &["remote", "add", "origin", &origin],
        &["config", "user.name", "Ada"],
        &["config", "user.email", "ada@example.com"],
        &["push", "--quiet", "origin", "main"],
        &["remote", "set-head", "origin", "main"],
    ] {
        project.git(args);
    }
    let run = |job: &str| {
        let mut command = project.command(runner.to_str().unwrap(), &["--no-color", job]);
        let output = command.env("HOME", project.beside("runner")).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let (passed, said) = run("ci");
    assert!(!passed && said.contains("# devcluster ci: failed"), "{said}");
    let attestation = project.attestation("a.json", &root, &[("lock", "passed"), ("up", "passed")]);
    std::fs::copy(attestation, project.directory.join(".devcluster/ci/attestation.json")).unwrap();
    for job in ["to-staging", "to-production"] {
        let (passed, said) = run(job);
        assert!(passed && said.contains(&format!("PASS  {job}")), "{said}");
    }
    let log = project.git(&["--git-dir", &origin, "log", "-1", "--format=%B", "environments/production"]);
    assert!(log.contains(&root) && log.contains("Devcluster-Approved-By: Ada <ada@example.com>"), "{log}");
}
