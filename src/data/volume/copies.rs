//! Copies of a volume's files at other places of its node, for whoever is to write them without changing the volume.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::error::VolumeError;
use super::place::Volume;
use super::progress::{OnProgress, Progress};

/// Bytes that the program says at most: a line every two seconds.
const MOST_SAID: u64 = 1 << 20;

impl Volume {
    /// Copies its files aside while they are written, so that [`Volume::stage`] has little left to do. `total` is what they are
    /// guessed to have, in bytes, for the progress.
    pub async fn stage_roughly(&self, total: u64, on_progress: OnProgress<'_>) -> Result<(), VolumeError> {
        self.copying("copy its files aside", &["rough", self.directory()], total, on_progress).await
    }

    /// Moves the copy that [`Volume::stage`] made to `to`, an absolute path on the node where nothing is.
    pub async fn hand_stage(&self, to: &str) -> Result<(), VolumeError> {
        let task = "give the copy of its files away";
        self.copying(task, &["hand", self.directory(), to], 0, &|_| {}).await
    }

    /// Copies its files to `to`, an absolute path on the node where nothing is: there only when all of them are. Whatever writes
    /// them must be kept still. `total` is as for [`Volume::stage_roughly`].
    pub async fn lay(&self, to: &str, total: u64, on_progress: OnProgress<'_>) -> Result<(), VolumeError> {
        self.copying("copy its files", &["lay", self.directory(), to], total, on_progress).await
    }

    async fn copying(
        &self,
        task: &'static str,
        words: &[&str],
        total: u64,
        on_progress: OnProgress<'_>,
    ) -> Result<(), VolumeError> {
        let failed = |source| VolumeError::Node { volume: self.name().to_owned(), task, source };
        let output = self.begin(words, None).await.map_err(failed)?;
        let mut lines = BufReader::new(output.take(MOST_SAID)).lines();
        let mut last = String::new();
        while let Some(line) = lines.next_line().await.map_err(failed)? {
            if let Some(done) = line.strip_prefix("at=").and_then(|done| done.parse().ok()) {
                on_progress(Progress::Bytes { done, total: total.max(done) });
            }
            last = line;
        }
        if last == "done" {
            return Ok(());
        }
        Err(VolumeError::Said { volume: self.name().to_owned(), task, said: last })
    }
}
