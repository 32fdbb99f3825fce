//! Images that are not built here: the engine's own, or pulled, or, where the profile allows it, stood in for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::error::ImageError;
use super::inspect;
use crate::cluster::engine::Engine;
use crate::event::{Event, Reporter};
use crate::process::Command;

/// Pulls at the same time, as docker's own limit of layers suggests.
const PULLS: usize = 4;

/// How long an image that could not be pulled and has a stand-in is left alone: asking a registry that does not answer
/// takes seconds, and the second `up` has a tenth of one.
const AGAIN_AFTER: Duration = Duration::from_hours(12);

/// How an image can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Had {
    /// The engine has it.
    InEngine,
    /// It was pulled now.
    Pulled,
    /// It cannot be had: a stand-in takes its place.
    StandIn {
        /// Why it cannot be had.
        reason: String,
    },
}

/// Sees to it that the engine has each image, pulling some side by side. With `stand_ins`, an image that cannot be pulled
/// is told as such; without, it is an error.
pub async fn have_all(
    engine: &Engine,
    cache: &Path,
    images: &[String],
    stand_ins: bool,
    reporter: &dyn Reporter,
) -> Result<BTreeMap<String, Had>, ImageError> {
    let refused = if stand_ins { Refused::read(cache) } else { Refused::default() };
    let had: BTreeMap<String, Had> = futures::stream::iter(images)
        .map(|image| async {
            let had = have(engine, image, &refused, stand_ins, reporter).await?;
            Ok::<_, ImageError>((image.clone(), had))
        })
        .buffer_unordered(PULLS)
        .try_collect()
        .await?;
    if let Some(refused) = refused.updated(&had).filter(|_| stand_ins) {
        refused.write(cache)?;
    }
    Ok(had)
}

/// Whether an image lately could not be pulled, so that a stand-in takes its place unasked.
pub fn refused_lately(cache: &Path, image: &str) -> bool {
    Refused::read(cache).lately(image).is_some()
}

async fn have(
    engine: &Engine,
    image: &str,
    refused: &Refused,
    stand_ins: bool,
    reporter: &dyn Reporter,
) -> Result<Had, ImageError> {
    if inspect::find(engine, image).await?.is_some() {
        return Ok(Had::InEngine);
    }
    if let Some(reason) = refused.lately(image) {
        return Ok(Had::StandIn { reason });
    }
    match pull(image, reporter).await {
        Ok(()) => Ok(Had::Pulled),
        Err(ImageError::Pull { reason, .. }) if stand_ins => {
            reporter.report(Event::Note(format!(
                "{image} cannot be pulled ({reason}); a stand-in takes its place"
            )));
            Ok(Had::StandIn { reason })
        }
        Err(error) => Err(error),
    }
}

/// Pulls with docker's own command line, which knows the user's credentials and helpers.
async fn pull(image: &str, reporter: &dyn Reporter) -> Result<(), ImageError> {
    let started = Instant::now();
    let step = format!("image {image}");
    reporter.report(Event::Started { step: step.clone(), what: "pulling".into() });
    let command = Command::new("docker").args(["pull", image]);
    let mut child = command
        .to_tokio()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| command.start_error(source))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let telling = async {
        let Some(stdout) = stdout else { return };
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            reporter.report(Event::Output { step: step.clone(), line });
        }
    };
    let complaining = async {
        let mut said = String::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.read_to_string(&mut said).await;
        }
        said
    };
    let ((), said, status) = tokio::join!(telling, complaining, child.wait());
    if status.map_err(|source| command.start_error(source))?.success() {
        let what = format!("pulled {image}");
        reporter.report(Event::Done { step, what, took: started.elapsed() });
        return Ok(());
    }
    Err(ImageError::Pull { image: image.into(), reason: reason(&said) })
}

/// What docker said, in a line, without its own prefixes.
fn reason(said: &str) -> String {
    let line = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("docker gave no reason");
    line.trim().trim_start_matches("Error response from daemon: ").trim_start_matches("Error: ").into()
}

/// Images that could not be pulled, when, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Refused {
    images: BTreeMap<String, Refusal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Refusal {
    /// Seconds since 1970.
    at: u64,
    reason: String,
}

impl Refused {
    fn file(cache: &Path) -> PathBuf {
        cache.join("refused-pulls.json")
    }

    fn read(cache: &Path) -> Self {
        std::fs::read(Self::file(cache))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    fn lately(&self, image: &str) -> Option<String> {
        let refusal = self.images.get(image)?;
        // A time in the future is a clock that was set back.
        (now().checked_sub(refusal.at)? < AGAIN_AFTER.as_secs()).then(|| refusal.reason.clone())
    }

    fn write(&self, cache: &Path) -> Result<(), ImageError> {
        let path = Self::file(cache);
        super::files::write_atomically(&path, &serde_json::to_vec(self).unwrap_or_default())
            .map_err(|source| ImageError::State { path, source })
    }

    /// With what was found out now, where that changes anything. Refusals that stand keep their time.
    fn updated(&self, had: &BTreeMap<String, Had>) -> Option<Self> {
        let mut images = self.images.clone();
        for (image, had) in had {
            match had {
                Had::StandIn { .. } if self.lately(image).is_some() => {}
                Had::StandIn { reason } => {
                    images.insert(image.clone(), Refusal { at: now(), reason: reason.clone() });
                }
                Had::InEngine | Had::Pulled => {
                    images.remove(image);
                }
            }
        }
        (images != self.images).then_some(Self { images })
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_remembered_for_a_while() {
        let cache = tempfile::tempdir().unwrap();
        let had = BTreeMap::from([("a".to_owned(), Had::StandIn { reason: "no route".into() })]);
        Refused::read(cache.path()).updated(&had).unwrap().write(cache.path()).unwrap();
        let refused = Refused::read(cache.path());
        assert_eq!(refused.lately("a").as_deref(), Some("no route"));
        assert_eq!(refused.lately("b"), None);
        assert_eq!(refused.updated(&had), None, "nothing new");
        let mut old = refused.clone();
        old.images.get_mut("a").unwrap().at = now() - AGAIN_AFTER.as_secs();
        assert_eq!(old.lately("a"), None);
        old.images.get_mut("a").unwrap().at = now() + 1000;
        assert_eq!(old.lately("a"), None);
        let pulled = BTreeMap::from([("a".to_owned(), Had::Pulled)]);
        assert_eq!(refused.updated(&pulled), Some(Refused::default()));
    }

    #[test]
    fn reasons_are_one_line() {
        let said = "Using default tag: latest\nError response from daemon: manifest unknown\n";
        assert_eq!(reason(said), "manifest unknown");
        assert_eq!(reason(""), "docker gave no reason");
    }
}
