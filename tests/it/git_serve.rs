//! Pushes to the served remote, by the real git: what passes is taken, what fails is refused, and hostile trees go nowhere.
//! The check is `verify`, which needs no cluster.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::repository::Repository;

struct Served {
    project: Repository,
    url: String,
    home: PathBuf,
}

fn served() -> Served {
    let project = Repository::new();
    let served = project.json(&["git", "serve", "--check", "verify"]);
    let url = served["url"].as_str().unwrap().to_owned();
    let home = PathBuf::from(&url).parent().unwrap().to_owned();
    let added: Vec<&str> = served["command"].as_str().unwrap().split(' ').collect();
    project.git(&added[1..]);
    assert_eq!(project.git(&["remote", "get-url", "devcluster-verify"]), url);
    Served { project, url, home }
}

impl Served {
    fn push(&self, what: &str) -> (i32, String) {
        self.project.try_git(&["push", "--quiet", &self.url, what])
    }

    fn heads(&self) -> String {
        self.project.git(&["ls-remote", &self.url])
    }
}

#[test]
fn a_push_is_tested_line_by_line_and_refused_where_it_fails() {
    let served = served();
    let project = &served.project;
    let (code, said) = served.push("main");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("remote: 3 objects as in the lock"), "{said}");
    assert!(said.contains("`devcluster verify` passed"), "{said}");
    let main = project.git(&["rev-parse", "main"]);
    assert_eq!(served.heads(), format!("{main}\trefs/heads/main"));

    project.edit("deploy/all.yaml", "web:1.4", "web:1.5");
    project.git(&["commit", "--quiet", "--all", "--message", "without the lock"]);
    let (code, said) = served.push("main");
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("remote: ~ Deployment.apps shop/web"), "{said}");
    assert!(
        said.contains("exited 4 (the lock differs)") && said.contains("pre-receive hook declined"),
        "{said}"
    );
    assert_eq!(served.heads(), format!("{main}\trefs/heads/main"), "nothing was taken");

    // The files of the commit that failed are gone from the next check-out.
    project.write("deploy/more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n");
    project.lock();
    assert_eq!(served.push("main").0, 0);
    project.git(&["rm", "--quiet", "deploy/more.yaml"]);
    project.lock();
    let (code, said) = served.push("main");
    assert_eq!(code, 0, "{said}");
    assert!(!served.home.join("checkout/deploy/more.yaml").exists());
    assert!(!served.home.join("checkout.new").exists() && !served.home.join("checkout.index").exists());
    assert!(!served.home.join("checkout/.git").exists());
}

#[test]
fn a_branch_goes_without_a_test_and_serving_again_keeps_what_is_there() {
    let served = served();
    assert_eq!(served.push("main:other").0, 0);
    let again = served.project.json(&["git", "serve", "--check", "verify"]);
    assert_eq!(again["url"].as_str(), Some(served.url.as_str()));
    assert!(served.heads().ends_with("refs/heads/other"));
    let (code, said) = served.push(":other");
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("testing"), "{said}");
    assert_eq!(served.heads(), "");
}

#[test]
fn hostile_trees_are_refused_or_left_without_effect() {
    let served = served();
    let project = &served.project;
    std::fs::write(project.beside("outside"), "theirs").unwrap();
    for (link, target) in [("deploy/out", "/etc"), ("up", "../outside"), ("hidden", "deploy/self/../..")] {
        std::os::unix::fs::symlink(target, project.directory.join(link)).unwrap();
        if link == "hidden" {
            std::os::unix::fs::symlink("..", project.directory.join("deploy/self")).unwrap();
        }
        project.git(&["add", "--all"]);
        project.git(&["commit", "--quiet", "--message", "a link"]);
        let (code, said) = served.push("main");
        assert_ne!(code, 0, "{said}");
        assert!(said.contains("symbolic link leading out of the tree") && said.contains(link), "{said}");
        project.git(&["reset", "--quiet", "--hard", "HEAD^"]);
    }
    assert_eq!(served.heads(), "");

    let (code, said) = served.push("main:main");
    assert_eq!(code, 0, "{said}");
    let marker = project.beside("ran");
    let hook = format!("#!/bin/sh\ntouch {}\n", marker.display());
    for name in ["hooks/post-checkout", "hooks/pre-receive", ".githooks/post-checkout"] {
        project.write(name, &hook);
        project.git(&["add", name]);
        project.git(&["update-index", "--chmod=+x", name]);
    }
    let commit = project.git(&["rev-parse", "HEAD"]);
    project.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},vendor/module")]);
    project.write(".gitmodules", "[submodule \"m\"]\n\tpath = vendor/module\n\turl = ../outside.git\n");
    project.git(&["add", ".gitmodules"]);
    project.git(&["commit", "--quiet", "--message", "hooks and a submodule"]);
    let (code, said) = served.push("main");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1 submodule left out"), "{said}");
    assert!(!marker.exists());
    assert!(served.home.join("checkout/hooks/post-checkout").exists());
    assert_eq!(std::fs::read_dir(served.home.join("checkout/vendor/module")).unwrap().count(), 0);
}

#[test]
fn what_is_no_commit_of_the_project_is_refused() {
    let served = served();
    let project = &served.project;
    let blob = project.git(&["rev-parse", "HEAD:devcluster.yaml"]);
    let (code, said) = served.push(&format!("{blob}:refs/tags/blob"));
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("it is no commit"), "{said}");
    project.git(&["rm", "--quiet", "devcluster.yaml"]);
    project.git(&["commit", "--quiet", "--message", "without"]);
    let (code, said) = served.push("main");
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("it has no devcluster.yaml"), "{said}");
    assert_eq!(served.heads(), "");
}

/// Whether a hook of the served repository runs.
fn is_received(home: &Path) -> bool {
    let wanted = home.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok()).any(|line| {
        let line = String::from_utf8_lossy(&line);
        line.contains("receive\0") && line.contains(wanted)
    })
}

#[test]
fn pushes_wait_for_their_turn_and_a_killed_one_leaves_nothing() {
    let served = served();
    let turn = File::create(served.home.join("lock")).unwrap();
    turn.lock().unwrap();
    let start = || {
        let mut push = served.project.command("git", &["push", "--quiet", &served.url, "main"]);
        let mut push = push.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(push.stderr.take().unwrap()).lines();
        let waits = lines.by_ref().map_while(Result::ok).any(|line| line.contains("this one waits for it"));
        assert!(waits, "a push ended without its turn");
        (push, lines)
    };
    let (mut killed, lines) = start();
    killed.kill().unwrap();
    killed.wait().unwrap();
    drop(lines);
    // Git tells its hook that nobody listens any more.
    let deadline = Instant::now() + Duration::from_mins(1);
    while is_received(&served.home) {
        assert!(Instant::now() < deadline, "the hook of a killed push goes on");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(served.heads(), "");
    let (mut waiting, lines) = start();
    turn.unlock().unwrap();
    let said: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(waiting.wait().unwrap().success(), "{said:?}");
    assert!(served.heads().ends_with("refs/heads/main"));
}

#[test]
fn a_remote_is_taken_away_whole_when_that_is_said() {
    let served = served();
    assert_eq!(served.push("main").0, 0);
    let (code, said) = served.project.devcluster(&["git", "serve", "--remove"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("say --yes") && served.home.exists(), "{said}");
    // While a push is tested, nothing goes.
    let turn = File::create(served.home.join("lock")).unwrap();
    turn.lock().unwrap();
    let (code, said) = served.project.devcluster(&["git", "serve", "--remove", "--yes"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("a push is being tested"), "{said}");
    turn.unlock().unwrap();
    // What a removal that was killed left goes, too.
    std::fs::remove_dir_all(served.home.join("remote.git/hooks")).unwrap();
    let (code, said) = served.project.devcluster(&["git", "serve", "--remove", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&format!("removed: {}", served.url)), "{said}");
    assert!(said.contains("git remote remove devcluster-verify"), "{said}");
    assert!(!served.home.exists());
    let (code, said) = served.project.devcluster(&["git", "serve", "--remove", "--yes"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("there is no remote"), "{said}");
    let again = served.project.json(&["git", "serve", "--check", "verify"]);
    assert_eq!(again["url"].as_str(), Some(served.url.as_str()));
    assert_eq!(served.push("main").0, 0);
}
