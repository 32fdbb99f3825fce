//! Containers that are frozen for a while: they run again when this is thawed or dropped, when devcluster is killed, and when
//! its connection to the node breaks.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::error::VolumeError;
use crate::data::reach::{Output, Reach};

const PROGRAM: &str = include_str!("guard.pl");
/// How often the guard is to hear that it is still wanted.
pub const BEAT: Duration = Duration::from_secs(2);
/// Seconds without a word after which it thaws.
const SILENCE: &str = "30";
const TASK: &str = "keep its Pods still";

/// Containers of one node, frozen.
pub struct Frozen {
    node: String,
    /// How many are.
    containers: usize,
    since: Instant,
    input: DuplexStream,
    output: BufReader<Output>,
}

impl Frozen {
    /// Freezes containers of the node that `reach` reaches, by containerd's ids of them. One that does not run is passed over.
    pub async fn freeze(reach: &dyn Reach, containers: &[String]) -> Result<Self, VolumeError> {
        let node = reach.name().to_owned();
        let failed = |source| VolumeError::Node { volume: node.clone(), task: TASK, source };
        let (input, far) = tokio::io::duplex(64);
        let argv: Vec<&str> = ["perl", "-e", PROGRAM, SILENCE]
            .into_iter()
            .chain(containers.iter().map(String::as_str))
            .collect();
        let output = reach.run(&argv, &[("LC_ALL", "C")], Some(Box::new(far))).await.map_err(failed)?;
        let mut frozen = Self {
            containers: 0,
            since: Instant::now(),
            input,
            output: BufReader::new(output),
            node: node.clone(),
        };
        let said = frozen.line().await?;
        let count = said.strip_prefix("frozen ").and_then(|count| count.parse().ok());
        frozen.containers = count.ok_or_else(|| frozen.refused(&said))?;
        Ok(frozen)
    }

    /// How many containers are frozen.
    pub fn containers(&self) -> usize {
        self.containers
    }

    /// Has them killed when they are thawed, however that comes.
    pub async fn kill_at_the_end(&mut self) -> Result<(), VolumeError> {
        self.say(b"k").await?;
        let said = self.line().await?;
        if said == "kills" { Ok(()) } else { Err(self.refused(&said)) }
    }

    /// Tells the guard that it is still wanted: to be done every [`BEAT`], or it thaws.
    pub async fn beat(&mut self) -> Result<(), VolumeError> {
        self.say(b".").await
    }

    /// Lets them run again, and gives how long they did not. Fails where the guard gave up before: what was done meanwhile was
    /// not done to files at rest.
    pub async fn thaw(mut self) -> Result<Duration, VolumeError> {
        let failed = |source| VolumeError::Node { volume: self.node.clone(), task: TASK, source };
        self.input.shutdown().await.map_err(failed)?;
        let mut said = String::new();
        (&mut self.output).take(1 << 12).read_to_string(&mut said).await.map_err(failed)?;
        let took = self.since.elapsed();
        if said.trim_end() == "thawed" { Ok(took) } else { Err(self.refused(&said)) }
    }

    async fn say(&mut self, word: &[u8]) -> Result<(), VolumeError> {
        let said = self.input.write_all(word).await;
        said.map_err(|source| VolumeError::Node { volume: self.node.clone(), task: TASK, source })
    }

    async fn line(&mut self) -> Result<String, VolumeError> {
        let mut line = String::new();
        let read = (&mut self.output).take(1 << 12).read_line(&mut line).await;
        let failed = |source| VolumeError::Node { volume: self.node.clone(), task: TASK, source };
        match read {
            Ok(0) => Err(failed(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(source) => Err(failed(source)),
        }
    }

    fn refused(&self, said: &str) -> VolumeError {
        let said = said.trim_end();
        let text = said.strip_prefix("failed ").unwrap_or(said);
        VolumeError::Node { volume: self.node.clone(), task: TASK, source: io::Error::other(text.to_owned()) }
    }
}
