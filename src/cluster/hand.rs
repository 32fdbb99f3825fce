//! devcluster's hand on a node: a kept session with a small program that puts files into running containers, from outside
//! them. It needs no shell, tar or root in their images, and every path is resolved by the kernel inside the container.
//!
//! Over its standard input go batches: `B`, records, `E`, targets. A record is its kind, then its path, then what the kind
//! needs; texts and chunks are a length of four bytes (big endian) and the bytes. It answers `A`, then for each target a
//! status (empty where all is well) and the records that failed, then owner and mode of each record's path in the first target.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bytes::BytesMut;
use futures::{Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::engine::{EngineError, Node};

const PROGRAM: &str = include_str!("hand.pl");

/// How much of a file goes at a time.
const CHUNK: usize = 256 << 10;

/// How often a file that changes while it is read is read again.
const READS: usize = 3;

/// What is to be at a path in containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The path in the container, absolute.
    pub path: PathBuf,
    /// What is to be there.
    pub what: Placement,
}

/// What is to be at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// A file with what is in a local one.
    File {
        /// The local file.
        local: PathBuf,
        /// Its permissions.
        mode: u32,
        /// Whether a file that is there keeps its own permissions.
        keep_mode: bool,
    },
    /// A symbolic link.
    Link {
        /// Where it points.
        target: PathBuf,
    },
    /// A directory.
    Directory {
        /// Its permissions, where it is made.
        mode: u32,
    },
    /// Nothing. A directory that holds other things stays.
    Nothing,
    /// Whatever stands there: the answer tells whose it is, or whose it would be, and no mode.
    Anything,
}

/// A running container on the hand's node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InContainer {
    /// Its id, as containerd has it.
    pub id: String,
    /// A signal for its first process once the files are there.
    pub signal: Option<String>,
}

/// What came of a batch in one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// The files are there, but for those named: path and reason.
    There(Vec<(PathBuf, String)>),
    /// The container is gone: one that starts in its place is another.
    Gone,
    /// It could not be done at all, for a reason.
    Failed(String),
}

/// Owner and permissions of a path in a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permissions; 0 where they were not asked for or nothing stands there.
    pub mode: u32,
}

/// What came of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// In each container, in their order.
    pub arrivals: Vec<Arrival>,
    /// What stands at each path now, where a container had it.
    pub owners: BTreeMap<PathBuf, Owner>,
}

/// A kept session on a node. One that failed is to be dropped: another may be opened.
pub struct Hand {
    node: String,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    buffer: BytesMut,
    said: String,
    /// Local files of the batch that cannot be read, by their path in containers.
    unread: Vec<(PathBuf, String)>,
}

impl Hand {
    /// Opens a session.
    pub async fn open(node: &Node) -> Result<Self, EngineError> {
        let what = format!("reach into the containers of {}", node.name);
        let failed = |source| EngineError::from_bollard(&what, source);
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(vec!["perl".to_owned(), "-e".to_owned(), PROGRAM.to_owned()]),
            ..CreateExecOptions::default()
        };
        let docker = node.engine.docker();
        let exec = docker.create_exec(&node.name, options).await.map_err(failed)?;
        match docker.start_exec(&exec.id, None::<StartExecOptions>).await.map_err(failed)? {
            StartExecResults::Attached { output, input } => Ok(Self {
                node: node.name.clone(),
                input,
                output,
                buffer: BytesMut::new(),
                said: String::new(),
                unread: Vec::new(),
            }),
            StartExecResults::Detached => {
                Err(EngineError::Lost { what, reason: "the engine did not attach to it".into() })
            }
        }
    }

    /// Puts a batch into containers and waits until it is there.
    pub async fn place(&mut self, batch: &[Placed], into: &[InContainer]) -> Result<Answer, EngineError> {
        // Whoever went away tells why on its standard error, which the answer's reader sees.
        let sent = self.send(batch, into).await;
        let answered = self.answer(batch, into.len()).await;
        match (answered, sent) {
            (Ok(answer), Ok(())) => Ok(answer),
            (Err(error), _) => Err(error),
            (Ok(_), Err(error)) => Err(self.lost(&error.to_string())),
        }
    }

    async fn send(&mut self, batch: &[Placed], into: &[InContainer]) -> io::Result<()> {
        let mut out = vec![b'B'];
        for placed in batch {
            match &placed.what {
                Placement::File { local, mode, keep_mode } => {
                    self.send_file(&mut out, &placed.path, local, *mode, *keep_mode).await?;
                }
                Placement::Link { target } => {
                    record(&mut out, b'L', &placed.path);
                    text(&mut out, target.as_os_str().as_bytes());
                }
                Placement::Directory { mode } => {
                    record(&mut out, b'D', &placed.path);
                    out.extend(mode.to_be_bytes());
                }
                Placement::Nothing => record(&mut out, b'R', &placed.path),
                Placement::Anything => record(&mut out, b'S', &placed.path),
            }
            if out.len() >= CHUNK {
                self.input.write_all(&out).await?;
                out.clear();
            }
        }
        out.push(b'E');
        out.extend(length(into.len()));
        for container in into {
            text(&mut out, container.id.as_bytes());
            text(&mut out, container.signal.as_deref().unwrap_or_default().as_bytes());
        }
        self.input.write_all(&out).await?;
        self.input.flush().await
    }

    /// Sends a file; one that changes meanwhile again. One that is gone is removed there.
    async fn send_file(
        &mut self,
        out: &mut Vec<u8>,
        path: &Path,
        local: &Path,
        mode: u32,
        keep_mode: bool,
    ) -> io::Result<()> {
        for read in 1..=READS {
            let opened = async {
                let file = tokio::fs::File::open(local).await?;
                let before = file.metadata().await?;
                Ok::<_, io::Error>((file, before))
            };
            let (mut file, before) = match opened.await {
                Ok(opened) => opened,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    record(out, b'R', path);
                    return Ok(());
                }
                Err(error) => {
                    self.unreadable(out, path, &error);
                    return Ok(());
                }
            };
            record(out, b'F', path);
            out.extend(mode.to_be_bytes());
            out.push(u8::from(keep_mode));
            let mut chunk = Vec::new();
            loop {
                chunk.clear();
                if let Err(error) = (&mut file).take(CHUNK as u64).read_to_end(&mut chunk).await {
                    text(out, &[]);
                    out.push(0);
                    self.unreadable(out, path, &error);
                    return Ok(());
                }
                text(out, &chunk);
                if chunk.is_empty() {
                    break;
                }
                if out.len() >= CHUNK {
                    self.input.write_all(out).await?;
                    out.clear();
                }
            }
            let same = tokio::fs::metadata(local).await.is_ok_and(|after| {
                after.len() == before.len() && after.modified().ok() == before.modified().ok()
            });
            let good = same || read == READS;
            out.push(u8::from(good));
            if good {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Leaves what is there. Records and answers stay in step.
    fn unreadable(&mut self, out: &mut Vec<u8>, path: &Path, error: &io::Error) {
        record(out, b'N', path);
        self.unread.push((path.to_owned(), format!("cannot be read: {error}")));
    }

    async fn answer(&mut self, batch: &[Placed], containers: usize) -> Result<Answer, EngineError> {
        if self.bytes(1).await?[..] != *b"A" {
            return Err(self.lost("its answer is none"));
        }
        let mut answer = Answer::default();
        for _ in 0..containers {
            let status = self.text().await?;
            let mut faults = self.unread.clone();
            for _ in 0..self.number().await? {
                let at = self.number().await? as usize;
                let reason = self.text().await?;
                let path = batch.get(at).map(|placed| placed.path.clone()).unwrap_or_default();
                faults.push((path, reason));
            }
            answer.arrivals.push(match status.as_str() {
                "" => Arrival::There(faults),
                "gone" => Arrival::Gone,
                _ => Arrival::Failed(status),
            });
        }
        self.unread.clear();
        for at in 0..self.number().await? as usize {
            let owner =
                Owner { uid: self.number().await?, gid: self.number().await?, mode: self.number().await? };
            if let Some(placed) = batch.get(at) {
                answer.owners.insert(placed.path.clone(), owner);
            }
        }
        Ok(answer)
    }

    async fn number(&mut self) -> Result<u32, EngineError> {
        let bytes = self.bytes(4).await?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    async fn text(&mut self) -> Result<String, EngineError> {
        let length = self.number().await? as usize;
        Ok(String::from_utf8_lossy(&self.bytes(length).await?).into_owned())
    }

    async fn bytes(&mut self, length: usize) -> Result<BytesMut, EngineError> {
        while self.buffer.len() < length {
            match self.output.next().await {
                Some(Ok(LogOutput::StdErr { message })) => {
                    self.said.push_str(&String::from_utf8_lossy(&message));
                }
                Some(Ok(other)) => self.buffer.extend_from_slice(&other.into_bytes()),
                Some(Err(error)) => return Err(self.lost(&error.to_string())),
                None => {
                    let said = self.said.trim().to_owned();
                    return Err(self.lost(if said.is_empty() { "it ended" } else { &said }));
                }
            }
        }
        Ok(self.buffer.split_to(length))
    }

    fn lost(&self, reason: &str) -> EngineError {
        EngineError::Lost {
            what: format!("put files into containers of {}", self.node),
            reason: reason.to_owned(),
        }
    }
}

fn record(out: &mut Vec<u8>, kind: u8, path: &Path) {
    out.push(kind);
    text(out, OsStr::as_bytes(path.as_os_str()));
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(length(bytes.len()));
    out.extend_from_slice(bytes);
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}
