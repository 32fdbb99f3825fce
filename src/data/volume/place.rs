//! A volume's directory on a node, and the work that is done beside it.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt};

use super::error::VolumeError;
use crate::data::reach::{Output, Reach};

const PROGRAM: &str = include_str!("volume.pl");
/// Bytes that the program says at most.
const MOST_SAID: u64 = 1 << 16;

/// What room a volume's files take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that its files take.
    pub bytes: u64,
    /// Bytes that are free beside them.
    pub free: u64,
    /// Whether a copy there shares its blocks with what it was copied from.
    pub reflink: bool,
}

/// What stands at a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Whether a swap of its files was cut off: it has to be ended before anything else.
    pub pending: bool,
    /// Whether it has no file.
    pub empty: bool,
}

/// A copy of a volume's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Bytes that it takes, shared blocks among them.
    pub bytes: u64,
    /// Whether it shares its blocks with what it was copied from.
    pub reflink: bool,
    /// The time it took.
    pub took: Duration,
}

/// What came of preparing a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepared {
    /// A copy was made.
    Made(Copied),
    /// One stood ready.
    Ready,
}

/// A volume's directory on a node.
#[derive(Clone)]
pub struct Volume {
    pub(super) reach: Arc<dyn Reach>,
    directory: String,
}

impl fmt::Debug for Volume {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Volume({} at {})", self.name(), self.directory)
    }
}

impl Volume {
    /// The volume at an absolute path on the node that `reach` reaches, whose programs run there as root. Its name in messages
    /// is that of `reach`.
    pub fn new(reach: Arc<dyn Reach>, directory: impl Into<String>) -> Self {
        Self { reach, directory: directory.into() }
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        self.reach.name()
    }

    /// The path of its directory.
    pub(super) fn directory(&self) -> &str {
        &self.directory
    }

    /// The path of its copy.
    pub(super) fn staged(&self) -> String {
        let path = self.directory.trim_end_matches('/');
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        format!("{above}/.devcluster/{name}/stage")
    }

    /// Measures it. Reads all its directories.
    pub async fn space(&self) -> Result<Space, VolumeError> {
        let task = "measure its files";
        let said = self.fields(task, "space").await?;
        let field = |name: &str| self.field(task, &said, name);
        Ok(Space { bytes: field("bytes")?, free: field("free")?, reflink: field("reflink")? == 1 })
    }

    /// What stands at it.
    pub async fn state(&self) -> Result<State, VolumeError> {
        let task = "look at its files";
        let said = self.fields(task, "state").await?;
        let field = |name: &str| self.field(task, &said, name);
        Ok(State { pending: field("pending")? == 1, empty: field("empty")? == 1 })
    }

    /// Makes the rough copy one of this moment, for a dump; gives how many files had to be copied again. Whatever writes the
    /// files must be kept still.
    pub async fn stage(&self) -> Result<u64, VolumeError> {
        let task = "copy its changed files aside";
        let said = self.fields(task, "exact").await?;
        self.field(task, &said, "files")
    }

    /// Takes that copy away, and what was replaced before.
    pub async fn unstage(&self) -> Result<(), VolumeError> {
        self.ask("remove the copy of its files", "unstage", None).await.map(drop)
    }

    /// Puts what was unpacked in place of its files. Whatever writes them must be kept still, and started anew on the new ones.
    pub async fn swap(&self) -> Result<(), VolumeError> {
        self.ask("put the new files in place", "swap", None).await.map(drop)
    }

    /// Ends a swap that was cut off. Whatever writes its files must be kept still, and started anew.
    pub async fn settle(&self) -> Result<(), VolumeError> {
        self.ask("end an interrupted swap of its files", "settle", None).await.map(drop)
    }

    /// Makes the copy that the next reset takes, where none stands ready, and removes what was replaced before.
    pub async fn prepare(&self) -> Result<Prepared, VolumeError> {
        self.copied("make a spare copy of what was loaded", "prepare").await
    }

    /// As [`Volume::prepare`], but leaves for later all that is not needed for a reset now; bytes are not counted.
    pub async fn ready(&self) -> Result<Prepared, VolumeError> {
        self.copied("make a spare copy of what was loaded", "ready").await
    }

    /// Puts the spare copy in place of its files; as [`Volume::swap`]. One must stand ready.
    pub async fn reset(&self) -> Result<(), VolumeError> {
        self.ask("put the spare copy in place", "reset", None).await.map(drop)
    }

    /// Makes what was unpacked ready to be swapped in, and a copy of it that the volume can be reset to.
    pub(super) async fn arrive(&self) -> Result<Copied, VolumeError> {
        match self.copied("copy what was unpacked", "arrive").await? {
            Prepared::Made(copied) => Ok(copied),
            Prepared::Ready => Err(VolumeError::Stopped("the copy of what was unpacked")),
        }
    }

    async fn copied(&self, task: &'static str, verb: &str) -> Result<Prepared, VolumeError> {
        let started = Instant::now();
        let said = match self.fields(task, verb).await {
            Err(VolumeError::Node { source, .. }) if source.to_string().contains("nothing was loaded") => {
                return Err(VolumeError::NothingToReset(self.name().to_owned()));
            }
            said => said?,
        };
        let field = |name: &str| self.field(task, &said, name);
        if field("made")? == 0 {
            return Ok(Prepared::Ready);
        }
        Ok(Prepared::Made(Copied {
            bytes: field("bytes")?,
            reflink: field("reflink")? == 1,
            took: started.elapsed(),
        }))
    }

    async fn fields(&self, task: &'static str, verb: &str) -> Result<HashMap<String, u64>, VolumeError> {
        let said = self.ask(task, verb, None).await?;
        let fields = said.split_whitespace().filter_map(|field| {
            let (name, number) = field.split_once('=')?;
            Some((name.to_owned(), number.parse().ok()?))
        });
        Ok(fields.collect())
    }

    fn field(&self, task: &'static str, said: &HashMap<String, u64>, name: &str) -> Result<u64, VolumeError> {
        let missing =
            || VolumeError::Said { volume: self.name().to_owned(), task, said: format!("nothing of {name}") };
        said.get(name).copied().ok_or_else(missing)
    }

    /// Has something done beside it, and gives what the program said of that.
    pub(super) async fn ask(
        &self,
        task: &'static str,
        verb: &str,
        input: Option<Box<dyn AsyncRead + Send + Unpin>>,
    ) -> Result<String, VolumeError> {
        let failed = |source| VolumeError::Node { volume: self.name().to_owned(), task, source };
        let output = self.begin(&[verb, &self.directory], input).await.map_err(failed)?;
        let mut said = String::new();
        output.take(MOST_SAID).read_to_string(&mut said).await.map_err(failed)?;
        Ok(said)
    }

    /// Starts the program.
    pub(super) async fn begin(
        &self,
        words: &[&str],
        input: Option<Box<dyn AsyncRead + Send + Unpin>>,
    ) -> io::Result<Output> {
        let argv = [&["perl", "-e", PROGRAM], words].concat();
        self.reach.run(&argv, &[("LC_ALL", "C")], input).await
    }
}
