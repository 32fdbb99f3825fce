//! Looks at the machine: engine, disk, memory, inotify limits, tools, cgroups, ports; each finding with its cure.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::cluster::{Engine, capacity, port};
use crate::config::Config;
use crate::process::Command;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, with a limit.
    Limited,
    /// `up` cannot work.
    Broken,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do; empty where nothing needs doing.
    pub fix: String,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        let fix = if verdict == Verdict::Good { String::new() } else { fix.into() };
        Self { name, verdict, seen: seen.into(), fix }
    }
}

const GIB: u64 = 1 << 30;

/// Runs every check. `config`, where there is one, tells which tools are needed.
pub async fn examine(config: Option<&Config>) -> Vec<Check> {
    let (engine, tools) = tokio::join!(engine(), tools(config));
    let mut checks = vec![engine];
    checks.extend(tools);
    checks.extend([memory(), cgroups()]);
    checks.extend(inotify());
    checks.extend(ports(config));
    checks
}

async fn engine() -> Check {
    let fix = "start Docker (`sudo systemctl start docker`, or Docker Desktop), or set DOCKER_HOST";
    let info = match Engine::connect().await {
        Ok(engine) => engine.docker().info().await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match info {
        Err(reason) => Check::new("engine", Verdict::Broken, reason, fix),
        Ok(info) => {
            let version = info.server_version.unwrap_or_default();
            let root = info.docker_root_dir.unwrap_or_default();
            let storage = info.driver.unwrap_or_default();
            disk(Path::new(&root), format!("Docker {version}, {storage}, data in {root}"))
        }
    }
}

/// The engine answers; what is left is whether its disk has room for a node image and some volumes.
fn disk(root: &Path, engine: String) -> Check {
    let Some(free) = free_space(root) else { return Check::new("engine", Verdict::Good, engine, "") };
    let seen = format!("{engine}, {} GiB free", free / GIB);
    let fix = "free space with `docker system prune`, or move the engine's data";
    let verdict = match free / GIB {
        0..3 => Verdict::Broken,
        3..10 => Verdict::Limited,
        _ => Verdict::Good,
    };
    Check::new("engine", verdict, seen, fix)
}

/// Free bytes of the file system that holds `path`, as `df` tells them.
pub fn free_space(path: &Path) -> Option<u64> {
    let output = std::process::Command::new("df").args(["-Pk"]).arg(path).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let available: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(available * 1024)
}

async fn tools(config: Option<&Config>) -> Vec<Check> {
    use crate::config::Source;
    let uses = |wanted: fn(&Source) -> bool| config.is_none_or(|config| config.manifests.iter().any(wanted));
    let needed = |needed: bool| if needed { Verdict::Broken } else { Verdict::Limited };
    let kustomize = needed(uses(|source| matches!(source, Source::Kustomize { .. })));
    let helm = needed(uses(|source| matches!(source, Source::Helm(_))));
    let calls: [(&str, &[&str], Verdict, &str); 5] = [
        (
            "kind",
            &["version"],
            Verdict::Broken,
            "https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
        ),
        ("kustomize", &["version"], kustomize, "https://kubectl.docs.kubernetes.io/installation/kustomize/"),
        ("helm", &["version", "--short"], helm, "https://helm.sh/docs/intro/install/"),
        ("docker", &["buildx", "version"], Verdict::Limited, "https://docs.docker.com/go/buildx/"),
        ("kubectl", &["version", "--client"], Verdict::Limited, "https://kubernetes.io/docs/tasks/tools/"),
    ];
    futures::future::join_all(calls.map(|(program, args, missing, url)| async move {
        match Command::new(program).args(args.iter().copied()).output().await {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output);
                Check::new(program, Verdict::Good, text.lines().next().unwrap_or_default().trim(), "")
            }
            Err(error) => {
                let seen = error.to_string();
                let seen = seen.split(';').next().unwrap_or_default().lines().next().unwrap_or_default();
                Check::new(program, missing, seen, format!("install it: {url}"))
            }
        }
    }))
    .await
}

fn memory() -> Check {
    let Some((total, available)) = capacity::machine_memory() else {
        return Check::new("memory", Verdict::Limited, "cannot be told on this system", "look yourself");
    };
    let (total, available) = (total * 1024, available * 1024);
    let seen = format!("{:.1} of {:.1} GiB available", gib(available), gib(total));
    let verdict = match available / GIB {
        0 => Verdict::Broken,
        1..4 => Verdict::Limited,
        _ => Verdict::Good,
    };
    Check::new("memory", verdict, seen, "close what uses it, or give the engine's machine more")
}

#[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn gib(bytes: u64) -> f64 {
    bytes as f64 / GIB as f64
}

fn cgroups() -> Check {
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        return Check::new("cgroups", Verdict::Good, "version 2", "");
    }
    if Path::new("/sys/fs/cgroup").exists() {
        let fix = "boot with systemd.unified_cgroup_hierarchy=1: Kubernetes 1.35 and later refuse version 1";
        return Check::new("cgroups", Verdict::Limited, "version 1", fix);
    }
    Check::new("cgroups", Verdict::Good, "the engine's machine has its own", "")
}

fn inotify() -> Option<Check> {
    let read = |name: &str| -> Option<u64> {
        fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?.trim().parse().ok()
    };
    let (watches, instances) = (read("max_user_watches")?, read("max_user_instances")?);
    let verdict = if watches < 65_536 || instances < 256 { Verdict::Limited } else { Verdict::Good };
    let fix = "sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512 (several nodes and many followed logs need it)";
    Some(Check::new("inotify", verdict, format!("{watches} watches, {instances} instances"), fix))
}

fn ports(config: Option<&Config>) -> Vec<Check> {
    let asked =
        config.map(|config| (config.cluster.http_port, config.cluster.https_port)).unwrap_or_default();
    [(asked.0, 80), (asked.1, 443)]
        .into_iter()
        .map(|(asked, usual)| {
            let wanted = asked.unwrap_or(usual);
            if port::is_free(wanted) {
                return Check::new("port", Verdict::Good, format!("{wanted} is free"), "");
            }
            let fix = "if it is this project's own cluster all is well; else free the port, or set cluster.httpPort / httpsPort";
            Check::new("port", Verdict::Limited, format!("{wanted} is in use{}", port::holder(wanted)), fix)
        })
        .collect()
}
