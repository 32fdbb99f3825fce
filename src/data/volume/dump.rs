//! Takes a volume's files into a snapshot, from its directory or from a copy beside it. Memory does not grow with the volume,
//! but for a word about each file that is left out, of which there are few.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::io::SyncIoBridge;

use super::archive::{self, Found};
use super::error::{ArchiveFault, VolumeError};
use super::place::Volume;
use super::progress::{OnProgress, Progress};
use super::streams::{Contents, FORMAT, contents_path, entries_path, summary_path};
use crate::data::snapshot::Writer;

/// Bytes between two words of progress.
const STEP: u64 = 16 << 20;
/// Bytes of entries that are written at once.
const PIECE: usize = 1 << 16;

/// The node's tar, in the words of its manual's section "Reproducibility". Its exit code 1, of files that change while they are
/// read, is no failure where the first argument allows that.
const SCRIPT: &str = "may=$1; directory=$2
tar -C \"$directory\" -c -f - --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
--sort=name --numeric-owner --sparse --acls --xattrs '--xattrs-include=*' .
code=$?; [ $code -le \"$may\" ] || exit $code";

/// What was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpReport {
    /// Files, directories and links, the volume's directory among them.
    pub entries: u64,
    /// Bytes of all files, holes and all.
    pub bytes: u64,
    /// What was left out, and why.
    pub notes: Vec<String>,
    /// The time it took.
    pub took: Duration,
}

/// Where files are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The volume's directory, whose writers are kept still: a file that changes while it is read is an error.
    Still,
    /// The volume's directory, while it is written.
    Live,
    /// The copy that [`Volume::stage`] made.
    Stage,
}

impl Volume {
    /// Adds its files to a snapshot. On an error the snapshot must be given up: some of its streams were never ended. `total`
    /// is what they are guessed to have, in bytes, for the progress.
    pub async fn dump(
        &self,
        writer: &Writer,
        prefix: &str,
        from: From,
        total: u64,
        on_progress: OnProgress<'_>,
    ) -> Result<DumpReport, VolumeError> {
        let started = Instant::now();
        let task = "read its files";
        let failed = |source| VolumeError::Node { volume: self.name().to_owned(), task, source };
        let (directory, may) = match from {
            From::Still => (self.directory().to_owned(), "0"),
            From::Live => (self.directory().to_owned(), "1"),
            From::Stage => (self.staged(), "0"),
        };
        let argv = ["sh", "-c", SCRIPT, "sh", may, &directory];
        let output = self.reach.run(&argv, &[("LC_ALL", "C")], None).await.map_err(failed)?;
        let entries = writer.stream(entries_path(prefix)?, BTreeMap::new())?;
        let mut contents = writer.stream(contents_path(prefix)?, BTreeMap::new())?;
        let (tell, mut heard) = mpsc::unbounded_channel();
        let source = SyncIoBridge::new(output);
        let work = move || {
            let mut entries = BufWriter::with_capacity(PIECE, entries);
            let told = std::cell::Cell::new(0);
            let on_bytes = |done: u64| {
                if done >= told.get() + STEP {
                    told.set(done);
                    let _ = tell.send(done);
                }
            };
            let found = archive::read(source, &mut entries, &mut contents, &on_bytes)?;
            let entries = entries.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            entries.finish()?;
            contents.finish()?;
            Ok::<Found, ArchiveFault>(found)
        };
        let working = tokio::task::spawn_blocking(work);
        while let Some(done) = heard.recv().await {
            on_progress(Progress::Bytes { done, total: total.max(done) });
        }
        let found = working.await.map_err(|_| VolumeError::Stopped("reading the files"))?;
        let found = found.map_err(|fault| self.unread(fault))?;
        let summary = Contents { format: FORMAT, entries: found.entries, bytes: found.bytes };
        let mut stream = writer.stream(summary_path(prefix)?, BTreeMap::new())?;
        let text = serde_json::to_vec(&summary).unwrap_or_default();
        stream.write_all(&text).map_err(|source| self.unread(source.into()))?;
        stream.finish()?;
        let mut notes = found.left;
        if found.left_more > 0 {
            notes.push(format!("{} more are left out or taken without their rights", found.left_more));
        }
        Ok(DumpReport { entries: found.entries, bytes: found.bytes, notes, took: started.elapsed() })
    }

    fn unread(&self, fault: ArchiveFault) -> VolumeError {
        match fault {
            ArchiveFault::Snapshot(error) => error.into(),
            ArchiveFault::Read(source) => match source.downcast() {
                Ok(error) => VolumeError::Snapshot(error),
                Err(source) => {
                    VolumeError::Node { volume: self.name().to_owned(), task: "read its files", source }
                }
            },
            fault => VolumeError::Archive { volume: self.name().to_owned(), fault },
        }
    }
}
