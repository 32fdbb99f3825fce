//! The Docker Engine: connecting to it and running programs inside its containers, over one kept connection.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::SystemVersion;
use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::sync::OnceCell;

use crate::process::indented;

/// What is fed to a program's standard input.
pub type Input = Pin<Box<dyn AsyncRead + Send>>;

/// Why the engine did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No engine answers.
    #[error("no Docker Engine answers ({reason}); start Docker, or set DOCKER_HOST to the engine's address")]
    Unreachable {
        /// What the connection said.
        reason: String,
    },
    /// The engine answered a request with an error.
    #[error("the engine refused to {what}: {source}")]
    Refused {
        /// What was asked, as a verb phrase.
        what: String,
        /// What the engine said.
        source: bollard::errors::Error,
    },
    /// The connection to the engine broke while it worked.
    #[error(
        "the engine went away while it was to {what}: {reason}; run the same command again once it is back"
    )]
    Lost {
        /// What was asked, as a verb phrase.
        what: String,
        /// What the connection said.
        reason: String,
    },
    /// A program in a container failed.
    #[error("`{argv}` in container {container} failed (exit code {code}){}", indented(.output))]
    Failed {
        /// The container.
        container: String,
        /// The command line.
        argv: String,
        /// Its exit code.
        code: i64,
        /// What it wrote to standard error, or to standard output where that was empty.
        output: String,
    },
}

impl EngineError {
    /// From a bollard error: tells a broken connection from a refusal.
    pub fn from_bollard(what: impl Into<String>, source: bollard::errors::Error) -> Self {
        use bollard::errors::Error;
        let what = what.into();
        match source {
            Error::HyperResponseError { .. } | Error::HyperLegacyError { .. } | Error::IOError { .. } => {
                Self::Lost { what, reason: source.to_string() }
            }
            Error::SocketNotFoundError(_) => Self::Unreachable { reason: source.to_string() },
            source => Self::Refused { what, source },
        }
    }

    /// Whether this may pass by itself: the engine is away, or a node's container does not run while it starts again.
    pub fn is_absence(&self) -> bool {
        use bollard::errors::Error::DockerResponseServerError;
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } => true,
            Self::Refused { source: DockerResponseServerError { status_code: 409, message }, .. } => {
                message.contains("is not running") || message.contains("is restarting")
            }
            _ => false,
        }
    }

    /// Whether the engine answered that the thing asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                source: bollard::errors::Error::DockerResponseServerError { status_code: 404, .. },
                ..
            }
        )
    }
}

/// A connection to the Docker Engine. Clones share it.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    version: Arc<OnceCell<SystemVersion>>,
}

impl Engine {
    /// Connects to the engine that `DOCKER_HOST` names, or the default one, and agrees on an API version.
    pub async fn connect() -> Result<Self, EngineError> {
        let unreachable =
            |error: bollard::errors::Error| EngineError::Unreachable { reason: error.to_string() };
        let docker = Docker::connect_with_defaults().map_err(unreachable)?;
        let docker = docker.negotiate_version().await.map_err(unreachable)?;
        Ok(Self { docker, version: Arc::default() })
    }

    /// What it says of itself, asked once.
    pub async fn version(&self) -> Result<&SystemVersion, EngineError> {
        let failed = |error| EngineError::from_bollard("tell its version", error);
        self.version.get_or_try_init(|| async { self.docker.version().await.map_err(failed) }).await
    }

    /// The client itself.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Runs `argv` in `container` to its end, feeding it `stdin`, and gives its standard output.
    pub async fn exec(
        &self,
        container: &str,
        argv: &[&str],
        stdin: Option<Input>,
    ) -> Result<Vec<u8>, EngineError> {
        let what = format!("run `{}` in {container}", argv.join(" "));
        let failed = |source| EngineError::from_bollard(&what, source);
        let options = CreateExecOptions {
            attach_stdin: Some(stdin.is_some()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(argv.iter().map(ToString::to_string).collect()),
            ..CreateExecOptions::default()
        };
        let exec = self.docker.create_exec(container, options).await.map_err(failed)?;
        let started = self.docker.start_exec(&exec.id, None::<StartExecOptions>).await.map_err(failed)?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        if let StartExecResults::Attached { mut output, mut input } = started {
            let feeding = async move {
                if let Some(mut stdin) = stdin {
                    // A program that ends before it has read everything tells by its exit code.
                    let _ = tokio::io::copy_buf(
                        &mut tokio::io::BufReader::with_capacity(256 * 1024, &mut stdin),
                        &mut input,
                    )
                    .await;
                    let _ = input.shutdown().await;
                }
            };
            let draining = async {
                while let Some(frame) = output.next().await {
                    match frame.map_err(failed)? {
                        LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
                        LogOutput::StdOut { message } | LogOutput::Console { message } => {
                            stdout.extend_from_slice(&message);
                        }
                        LogOutput::StdIn { .. } => {}
                    }
                }
                Ok::<(), EngineError>(())
            };
            tokio::pin!(feeding, draining);
            // A program that ends early reads no more: its output's end is the end, fed to the last byte or not.
            let mut fed = false;
            loop {
                tokio::select! {
                    drained = &mut draining => { drained?; break }
                    () = &mut feeding, if !fed => fed = true,
                }
            }
        }
        let code = self.docker.inspect_exec(&exec.id).await.map_err(failed)?.exit_code.unwrap_or(0);
        if code == 0 {
            return Ok(stdout);
        }
        let said = if stderr.trim_ascii().is_empty() { &stdout } else { &stderr };
        Err(EngineError::Failed {
            container: container.into(),
            argv: argv.join(" "),
            code,
            output: String::from_utf8_lossy(said).into_owned(),
        })
    }
}

/// A cluster's node: a container of the engine.
#[derive(Clone, Debug)]
pub struct Node {
    /// The node's name, which is the container's too.
    pub name: String,
    /// The engine that runs it.
    pub engine: Engine,
    /// The host's socket that leads to its containerd, where it has one.
    pub containerd: Option<PathBuf>,
}

impl Node {
    /// When the node's container was last started, as the engine words it; none where it does not run.
    pub async fn started(&self) -> Result<Option<String>, EngineError> {
        let failed = |source| EngineError::from_bollard(format!("look at {}", self.name), source);
        let found = self.engine.docker().inspect_container(&self.name, None).await.map_err(failed)?;
        let state = found.state.filter(|state| state.running == Some(true));
        Ok(state.and_then(|state| state.started_at))
    }

    /// Runs a program on the node and gives its standard output as text.
    pub async fn run(&self, argv: &[&str]) -> Result<String, EngineError> {
        let output = self.engine.exec(&self.name, argv, None).await?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    /// Runs a program on the node, feeding it `stdin`.
    pub async fn run_with_input(&self, argv: &[&str], stdin: Input) -> Result<String, EngineError> {
        let output = self.engine.exec(&self.name, argv, Some(stdin)).await?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }
}
