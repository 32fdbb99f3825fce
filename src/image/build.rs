//! Builds with BuildKit, through docker's own command line: it knows incremental contexts, caches, secrets and ssh.
//! A build whose content key is known to the engine is skipped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::context::hash_context;
use super::dockerfile::base_images;
use super::error::ImageError;
use super::inspect;
use super::key::{KeyInputs, content_key};
use super::name::path_component;
use crate::cluster::engine::Engine;
use crate::config::model::Build;
use crate::dockerignore::Ignore;
use crate::event::{Event, SharedReporter};
use crate::process::Command;
use crate::words::shown;

/// Builds that run at the same time: BuildKit runs a build's own stages side by side already.
const SIDE_BY_SIDE: usize = 2;

/// Where builds happen and what they remember.
#[derive(Clone)]
pub struct Workshop {
    /// The engine.
    pub engine: Engine,
    /// The directory of what is remembered between runs; nothing in it is needed.
    pub cache: std::path::PathBuf,
    /// The project's name: part of the built images' names in the engine.
    pub project: String,
    /// The directory that relative paths of secrets start from.
    pub directory: std::path::PathBuf,
    /// Takes the events.
    pub reporter: SharedReporter,
}

/// An image to be built.
#[derive(Debug, Clone, Copy)]
pub struct BuildJob<'a> {
    /// The image's name as the configuration has it.
    pub name: &'a str,
    /// How it is built.
    pub build: &'a Build,
}

/// A built image, in the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The image's name as the configuration has it.
    pub name: String,
    /// Its reference in the engine: `devcluster.local/PROJECT/NAME:KEY`.
    pub reference: String,
    /// Its id in the engine.
    pub image_id: String,
    /// Its content key.
    pub key: String,
    /// Whether the key was known and nothing was built.
    pub skipped: bool,
}

impl Workshop {
    /// Builds what is not built yet, some side by side, and gives the images in the order of `jobs`.
    pub async fn build_all(&self, jobs: &[BuildJob<'_>]) -> Result<Vec<Built>, ImageError> {
        let platform = if jobs.iter().all(|job| job.build.platform.is_some()) {
            String::new()
        } else {
            inspect::engine_platform(&self.engine).await?.to_string()
        };
        futures::stream::iter(jobs.iter().map(|job| self.build(*job, &platform)))
            .buffered(SIDE_BY_SIDE)
            .try_collect()
            .await
    }

    /// What each of `jobs` is called in the engine, where it is built already; nothing is built.
    pub async fn known(&self, jobs: &[BuildJob<'_>]) -> Result<Vec<Option<String>>, ImageError> {
        let platform = inspect::engine_platform(&self.engine).await?.to_string();
        futures::stream::iter(jobs.iter().map(|job| async {
            let key = self.key(*job, &platform).await?;
            let found = inspect::find(&self.engine, &self.reference(*job, &key)).await?;
            Ok(found.map(|image| image.reference))
        }))
        .buffered(SIDE_BY_SIDE)
        .try_collect()
        .await
    }

    /// What an image is called in the engine: none of the user's own names.
    fn reference(&self, job: BuildJob<'_>, key: &str) -> String {
        let (project, name) = (path_component(&self.project), path_component(job.name));
        format!("devcluster.local/{project}/{name}:{}", &key[..16])
    }

    async fn build(&self, job: BuildJob<'_>, engine_platform: &str) -> Result<Built, ImageError> {
        let started = Instant::now();
        let step = format!("image {}", job.name);
        let key = self.key(job, engine_platform).await?;
        let reference = self.reference(job, &key);
        let done = |image_id: String, skipped| Built {
            name: job.name.into(),
            reference: reference.clone(),
            image_id,
            key: key.clone(),
            skipped,
        };
        if let Some(known) = inspect::find(&self.engine, &reference).await? {
            self.reporter
                .report(Event::Skipped { step, why: "built already, nothing it depends on changed".into() });
            return Ok(done(known.id, true));
        }
        let context = &job.build.context;
        let context = match context.strip_prefix(&self.directory) {
            Ok(here) if here.as_os_str().is_empty() => Path::new("."),
            Ok(below) => below,
            Err(_) => context,
        };
        self.reporter
            .report(Event::Started { step: step.clone(), what: format!("building from {}", shown(context)) });
        self.run(job, &reference, &step).await?;
        let built = inspect::find(&self.engine, &reference).await?.ok_or_else(|| ImageError::Build {
            image: job.name.into(),
            dockerfile: job.build.dockerfile.clone(),
            output: format!("the build succeeded, but left no image {reference} in the engine"),
        })?;
        self.reporter.report(Event::Done { step, what: "built".into(), took: started.elapsed() });
        Ok(done(built.id, false))
    }

    /// The content key of a build as its files and the engine's images stand now.
    async fn key(&self, job: BuildJob<'_>, engine_platform: &str) -> Result<String, ImageError> {
        let build = job.build.clone();
        let platform = build.platform.clone().unwrap_or_else(|| engine_platform.into());
        let read =
            |path: &Path, source| ImageError::Read { image: job.name.into(), path: path.into(), source };
        let dockerfile =
            std::fs::read_to_string(&build.dockerfile).map_err(|source| read(&build.dockerfile, source))?;
        let ignore = ignore_of(job)?;
        let index = index_of(&self.cache, &build);
        let (root, secrets) = (build.context.clone(), secret_hashes(job, &self.directory)?);
        let hashing = tokio::task::spawn_blocking(move || hash_context(&root, &ignore, &index));
        let mut bases = BTreeMap::new();
        for image in base_images(&dockerfile, &build.args, &platform) {
            let id = inspect::find(&self.engine, &image).await?.map(|found| found.id);
            bases.insert(image, id);
        }
        let context = match hashing.await {
            Ok(done) => done.map_err(|(path, source)| read(&path, source))?,
            Err(stopped) => return Err(read(&build.context, std::io::Error::other(stopped))),
        };
        Ok(content_key(&KeyInputs {
            context: &context.hash,
            dockerfile: &dockerfile,
            args: &build.args,
            target: build.target.as_deref(),
            platform: &platform,
            bases: &bases,
            secrets: &secrets,
            ssh: &build.ssh,
        }))
    }

    async fn run(&self, job: BuildJob<'_>, reference: &str, step: &str) -> Result<(), ImageError> {
        let command = build_command(job, reference, &self.directory, has_buildx().await);
        let mut child = command
            .to_tokio()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| command.start_error(source))?;
        let mut said = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            let mut lines = BufReader::new(stderr).split(b'\n');
            while let Ok(Some(line)) = lines.next_segment().await {
                let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                self.reporter.report(Event::Output { step: step.into(), line: line.clone() });
                said.push(line);
            }
        }
        let status = child.wait().await.map_err(|source| command.start_error(source))?;
        if status.success() {
            return Ok(());
        }
        let output = failure_tail(&said);
        if said
            .iter()
            .any(|line| line.contains("buildx component is missing") || line.contains("requires buildx"))
        {
            return Err(ImageError::NoBuildKit { output });
        }
        Err(ImageError::Build { image: job.name.into(), dockerfile: job.build.dockerfile.clone(), output })
    }
}

/// Whether docker has the buildx plugin. Command lines without it may have BuildKit built in.
async fn has_buildx() -> bool {
    Command::new("docker").args(["buildx", "version"]).output().await.is_ok()
}

fn build_command(job: BuildJob<'_>, reference: &str, directory: &Path, buildx: bool) -> Command {
    let build = job.build;
    let mut command = Command::new("docker").directory(directory);
    command = if buildx {
        command.args(["buildx", "build", "--load", "--provenance=false"])
    } else {
        command.env("DOCKER_BUILDKIT", "1").arg("build")
    };
    command = command.args(["--progress=plain", "--tag", reference, "--file"]);
    command = command.arg(build.dockerfile.to_string_lossy());
    for (flag, value) in [("--target", &build.target), ("--platform", &build.platform)] {
        if let Some(value) = value {
            command = command.args([flag, value]);
        }
    }
    for (name, value) in &build.args {
        command = command.args(["--build-arg".into(), format!("{name}={value}")]);
    }
    for secret in &build.secrets {
        command = command.args(["--secret", secret]);
    }
    for ssh in &build.ssh {
        command = command.args(["--ssh", ssh]);
    }
    command.arg(build.context.to_string_lossy())
}

/// What a failed build said last: BuildKit closes with the failed step, its output and the place in the Dockerfile.
fn failure_tail(lines: &[String]) -> String {
    const MOST: usize = 60;
    let rule = |line: &String| line.starts_with("------") && line.trim_matches('-').is_empty();
    let from = lines.iter().position(rule).unwrap_or(lines.len().saturating_sub(30));
    let tail = &lines[from..];
    let kept = tail.len().saturating_sub(MOST);
    let kept: Vec<&str> = tail[kept..].iter().filter(|line| !rule(line)).map(String::as_str).collect();
    kept.join("\n")
}

/// Where hashes of a context's files are remembered.
pub(super) fn index_of(cache: &Path, build: &Build) -> PathBuf {
    let context = blake3::hash(build.context.as_os_str().as_encoded_bytes());
    cache.join("contexts").join(context.to_hex().as_str())
}

pub(super) fn ignore_of(job: BuildJob<'_>) -> Result<Ignore, ImageError> {
    let Some(path) = Ignore::locate(&job.build.context, &job.build.dockerfile) else {
        return Ok(Ignore::default());
    };
    let text = std::fs::read_to_string(&path).map_err(|source| ImageError::Read {
        image: job.name.into(),
        path: path.clone(),
        source,
    })?;
    Ignore::parse(&text).map_err(|faults| ImageError::Ignore { image: job.name.into(), path, faults })
}

/// Each build secret's id and the hash of its contents. The contents go nowhere.
fn secret_hashes(job: BuildJob<'_>, directory: &Path) -> Result<BTreeMap<String, String>, ImageError> {
    let mut hashes = BTreeMap::new();
    for spec in &job.build.secrets {
        let fault =
            |reason: String| ImageError::Secret { image: job.name.into(), spec: spec.clone(), reason };
        let field = |names: &[&str]| {
            spec.split(',')
                .filter_map(|part| part.split_once('='))
                .find(|(name, _)| names.contains(name))
                .map(|(_, value)| value)
        };
        let id = field(&["id"]).ok_or_else(|| fault("it has no `id=`".into()))?;
        let from_environment =
            |name: &str| std::env::var_os(name).map(std::ffi::OsString::into_encoded_bytes);
        let from_file = |path: &str| {
            std::fs::read(directory.join(path)).map_err(|error| fault(format!("cannot read {path}: {error}")))
        };
        let contents = match (field(&["src", "source"]), field(&["env"])) {
            (Some(path), _) => from_file(path)?,
            (None, Some(name)) => {
                from_environment(name).ok_or_else(|| fault(format!("the environment has no {name}")))?
            }
            (None, None) => from_environment(id).map_or_else(|| from_file(id), Ok)?,
        };
        hashes.insert(id.to_owned(), blake3::hash(&contents).to_hex().to_string());
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(secrets: &[&str]) -> Build {
        Build {
            context: "/src/app".into(),
            dockerfile: "/src/app/Dockerfile".into(),
            target: Some("final".into()),
            args: BTreeMap::from([("V".into(), "1 2".into())]),
            secrets: secrets.iter().map(ToString::to_string).collect(),
            ssh: vec!["default".into()],
            platform: None,
            sync: Vec::new(),
        }
    }

    #[test]
    fn everything_configured_is_passed_on() {
        let build = build(&["id=npmrc,src=.npmrc"]);
        let job = BuildJob { name: "app", build: &build };
        assert_eq!(
            build_command(job, "devcluster.local/p/app:1", Path::new("/src"), true).argv(),
            "docker buildx build --load --provenance=false --progress=plain --tag devcluster.local/p/app:1 \
             --file /src/app/Dockerfile --target final --build-arg 'V=1 2' --secret id=npmrc,src=.npmrc --ssh default /src/app"
        );
        assert!(
            build_command(job, "r", Path::new("/"), false)
                .argv()
                .starts_with("docker build --progress=plain")
        );
    }

    #[test]
    fn the_tail_of_a_failure_is_the_failed_step() {
        let said = "#1 load\n#5 0.1 cc: error\n#5 ERROR: process did not complete\n------\n > [2/2] RUN make:\n0.1 cc: error\n------\nDockerfile:3\n--------------------\n   3 | >>> RUN make\n--------------------\nERROR: failed to solve";
        let lines: Vec<String> = said.lines().map(Into::into).collect();
        assert_eq!(
            failure_tail(&lines),
            " > [2/2] RUN make:\n0.1 cc: error\nDockerfile:3\n   3 | >>> RUN make\nERROR: failed to solve"
        );
        assert_eq!(failure_tail(&["ERROR: no such file".into()]), "ERROR: no such file");
    }

    #[test]
    fn secrets_are_hashed_and_a_missing_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), "s3cret").unwrap();
        let good = build(&["id=t,src=token"]);
        let job = BuildJob { name: "app", build: &good };
        let hashes = secret_hashes(job, directory.path()).unwrap();
        assert_eq!(hashes["t"], blake3::hash(b"s3cret").to_hex().to_string());
        let bad = build(&["id=u,env=NO_SUCH_VARIABLE_HERE"]);
        let error = secret_hashes(BuildJob { name: "app", build: &bad }, directory.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "image app: build secret `id=u,env=NO_SUCH_VARIABLE_HERE`: the environment has no NO_SUCH_VARIABLE_HERE"
        );
    }
}
