//! Gathers changes that belong together: a lone save goes almost at once, a burst as one, and a file that never stops
//! changing holds nothing up.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

/// What one save may touch: editors write a file beside and move it there.
const SAVE: usize = 2;
/// After a lone save: an editor that saves in several steps is done by then.
const LONE: Duration = Duration::from_millis(3);
/// After one of several files: a checkout writes its files closer together.
const BURST: Duration = Duration::from_millis(30);
/// A batch is never held longer.
const LONGEST: Duration = Duration::from_millis(400);

/// Changes that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The paths, each once.
    pub paths: BTreeSet<PathBuf>,
    /// When the first was told.
    pub since: std::time::Instant,
}

/// Gathers changes. A wait that is given up loses none: the next one goes on with them.
pub struct Batches {
    changes: UnboundedReceiver<PathBuf>,
    open: Option<Open>,
}

struct Open {
    batch: Batch,
    begun: Instant,
    quiet_from: Instant,
}

impl Batches {
    /// Gathers what comes on `changes`.
    pub fn new(changes: UnboundedReceiver<PathBuf>) -> Self {
        Self { changes, open: None }
    }

    /// Waits for a change and gives it with what came right after it. `None` where nothing can come anymore.
    pub async fn next(&mut self) -> Option<Batch> {
        loop {
            let Some(open) = &mut self.open else {
                let first = self.changes.recv().await?;
                let now = Instant::now();
                let batch = Batch { paths: BTreeSet::from([first]), since: std::time::Instant::now() };
                self.open = Some(Open { batch, begun: now, quiet_from: now });
                continue;
            };
            let pause = if open.batch.paths.len() <= SAVE { LONE } else { BURST };
            let until = (open.quiet_from + pause).min(open.begun + LONGEST);
            match timeout_at(until, self.changes.recv()).await {
                Ok(Some(path)) => {
                    // The same file again does not begin the wait anew.
                    if open.batch.paths.insert(path) {
                        open.quiet_from = Instant::now();
                    } else if Instant::now() >= until {
                        break;
                    }
                }
                Ok(None) | Err(_) => break,
            }
        }
        self.open.take().map(|open| open.batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::unbounded_channel;

    fn path(name: &str) -> PathBuf {
        name.into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_save_goes_at_once_and_a_burst_as_one() {
        let (send, changes) = unbounded_channel();
        let mut batches = Batches::new(changes);
        send.send(path("a")).unwrap();
        let begun = Instant::now();
        assert_eq!(batches.next().await.unwrap().paths, BTreeSet::from([path("a")]));
        assert!(begun.elapsed() <= Duration::from_millis(5), "{:?}", begun.elapsed());
        let writer = tokio::spawn(async move {
            for number in 0..20 {
                send.send(path(&number.to_string())).unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        assert_eq!(batches.next().await.unwrap().paths.len(), 20);
        writer.await.unwrap();
        assert_eq!(batches.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_never_stops_changing_holds_nothing_up() {
        let (send, changes) = unbounded_channel();
        let mut batches = Batches::new(changes);
        tokio::spawn(async move {
            loop {
                let _ = send.send(path("log"));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let begun = Instant::now();
        assert_eq!(batches.next().await.unwrap().paths, BTreeSet::from([path("log")]));
        assert!(begun.elapsed() <= Duration::from_millis(5), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_loses_nothing() {
        let (send, changes) = unbounded_channel();
        let mut batches = Batches::new(changes);
        send.send(path("a")).unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(1), batches.next()).await.is_err());
        assert_eq!(batches.next().await.unwrap().paths, BTreeSet::from([path("a")]));
    }
}
