//! Runs programs on a cluster's node, as its root: what the node's container has of them.

use std::io;

use async_trait::async_trait;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bytes::Bytes;
use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

use crate::cluster::Node;
use crate::data::reach::{Connection, Output, Reach};

/// Bytes that go to a program at a time.
const PIECE: usize = 256 << 10;
/// Pieces of output that wait to be read.
const WAITING: usize = 8;
/// Bytes of a program's complaints that are kept.
const KEPT: usize = 16 << 10;

/// A node, for the sake of something on it.
pub struct NodeReach {
    node: Node,
    name: String,
}

impl NodeReach {
    /// For work on `node` that messages call `name`: `volume shop/uploads`.
    pub fn new(node: Node, name: impl Into<String>) -> Self {
        Self { node, name: name.into() }
    }
}

#[async_trait]
impl Reach for NodeReach {
    async fn dial(&self) -> io::Result<Box<dyn Connection>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, format!("{} listens on no port", self.name)))
    }

    async fn run(
        &self,
        argv: &[&str],
        environment: &[(&str, &str)],
        input: Option<Box<dyn AsyncRead + Send + Unpin>>,
    ) -> io::Result<Output> {
        let docker = self.node.engine.docker().clone();
        let options = CreateExecOptions {
            attach_stdin: Some(input.is_some()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(argv.iter().map(ToString::to_string).collect()),
            env: Some(environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            ..CreateExecOptions::default()
        };
        let exec = docker.create_exec(&self.node.name, options).await.map_err(io::Error::other)?.id;
        let started = docker.start_exec(&exec, None::<StartExecOptions>).await.map_err(io::Error::other)?;
        let StartExecResults::Attached { output: mut frames, input: mut stdin } = started else {
            return Err(io::Error::other("the engine did not attach to the program"));
        };
        let (send, receive) = mpsc::channel::<io::Result<Bytes>>(WAITING);
        let program = argv.first().copied().unwrap_or_default().to_owned();
        tokio::spawn(async move {
            let mut said = Vec::new();
            let feeding = async {
                if let Some(mut input) = input {
                    let mut input = tokio::io::BufReader::with_capacity(PIECE, &mut input);
                    // A program that reads no further tells by its exit.
                    let _ = tokio::io::copy_buf(&mut input, &mut stdin).await;
                }
                let _ = stdin.shutdown().await;
                // Kept open: it is one connection for both directions.
                std::future::pending::<()>().await;
            };
            let draining = async {
                while let Some(frame) = frames.next().await {
                    match frame.map_err(io::Error::other)? {
                        LogOutput::StdErr { message } => {
                            let room = KEPT.saturating_sub(said.len()).min(message.len());
                            said.extend(message.iter().take(room));
                        }
                        LogOutput::StdOut { message } | LogOutput::Console { message } => {
                            send.send(Ok(message)).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
                        }
                        LogOutput::StdIn { .. } => {}
                    }
                }
                Ok::<(), io::Error>(())
            };
            let drained = tokio::select! {
                drained = draining => drained,
                () = feeding => Ok(()),
                // Whoever wanted it is gone: so is the connection, and with it the program's input.
                () = send.closed() => return,
            };
            let ended = match drained {
                Ok(()) => {
                    docker.inspect_exec(&exec).await.map_err(io::Error::other).map(|found| found.exit_code)
                }
                Err(error) => Err(error),
            };
            let text = String::from_utf8_lossy(&said).trim().to_owned();
            let failure = match ended {
                Ok(Some(0)) => return,
                Ok(code) if text.is_empty() => {
                    io::Error::other(format!("`{program}` ended with exit code {}", code.unwrap_or(-1)))
                }
                Ok(_) => io::Error::other(text),
                Err(error) => error,
            };
            let _ = send.send(Err(failure)).await;
        });
        let pieces = futures::stream::unfold(receive, |mut receive| async move {
            let piece = receive.recv().await?;
            Some((piece, receive))
        });
        Ok(Box::new(StreamReader::new(Box::pin(pieces))))
    }

    fn name(&self) -> &str {
        &self.name
    }
}
