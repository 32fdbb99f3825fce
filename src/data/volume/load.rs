//! Unpacks a snapshot's files beside a volume. The volume itself is not touched.

use std::io::{self, BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use tar::Builder;
use tokio::sync::mpsc;
use tokio_util::io::SyncIoBridge;

use super::check::Check;
use super::entry::Entry;
use super::error::{ArchiveFault, VolumeError};
use super::place::{Copied, Volume};
use super::progress::{OnProgress, Progress};
use super::streams::{Contents, FORMAT, MARK, contents_path, entries_path, summary_path};
use super::write::write;
use crate::data::snapshot::{Catalogue, Manifest, StreamPath, StreamReader};

/// Bytes of the longest line of entries: holes and attributes of a file have their limits.
const LONGEST_LINE: u64 = 32 << 20;
/// Bytes of the largest summary.
const LARGEST_SUMMARY: u64 = 1 << 12;
/// Bytes that wait for the node.
const PIPE: usize = 1 << 20;
/// Bytes between two words of progress.
const STEP: u64 = 16 << 20;

/// What was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// Files, directories and links, the volume's directory among them.
    pub entries: u64,
    /// Bytes of all files, holes and all.
    pub bytes: u64,
    /// What the copy that it can be reset to takes.
    pub copy: Copied,
    /// The time it took in all.
    pub took: Duration,
}

/// A snapshot's part that is a volume.
#[derive(Clone)]
struct Part {
    catalogue: Catalogue,
    manifest: Manifest,
    prefix: String,
}

impl Volume {
    /// Unpacks a snapshot's files beside the volume, for [`Volume::swap`]. Every entry was checked before the first is written;
    /// every chunk is held against its hash as it is read.
    pub async fn unpack(
        &self,
        catalogue: &Catalogue,
        manifest: &Manifest,
        prefix: &str,
        on_progress: OnProgress<'_>,
    ) -> Result<Unpacked, VolumeError> {
        let started = Instant::now();
        let prefix = self.prefix_in(manifest, prefix)?;
        let part = Part { catalogue: catalogue.clone(), manifest: manifest.clone(), prefix };
        on_progress(Progress::Step("checking the snapshot's entries"));
        let checking = part.clone();
        let check = tokio::task::spawn_blocking(move || checking.check());
        let check = check.await.map_err(|_| VolumeError::Stopped("checking the snapshot"))?;
        let check = check.map_err(|fault| Self::refused(manifest, fault))?;
        let space = self.space().await?;
        // What is unpacked, and what it can be reset to.
        let needed = check.kept.saturating_mul(if space.reflink { 1 } else { 2 });
        if needed > space.free {
            return Err(VolumeError::Room { volume: self.name().to_owned(), needed, free: space.free });
        }
        self.send(part, check.kept, on_progress).await.map_err(|error| match error {
            Sent::Fault(fault) => Self::refused(manifest, fault),
            Sent::Volume(error) => error,
        })?;
        on_progress(Progress::Step("copying what the volume can be reset to"));
        let copy = self.arrive().await?;
        Ok(Unpacked { entries: check.entries, bytes: check.bytes, copy, took: started.elapsed() })
    }

    /// The volume's own part of a snapshot, or the only one.
    fn prefix_in(&self, manifest: &Manifest, own: &str) -> Result<String, VolumeError> {
        let parts = manifest.streams.iter().filter_map(|stream| stream.path.as_str().strip_suffix(MARK));
        let parts: Vec<&str> = parts.collect();
        match parts.as_slice() {
            parts if parts.contains(&own) => Ok(own.to_owned()),
            [only] => Ok((*only).to_owned()),
            _ => Err(VolumeError::NotInSnapshot {
                snapshot: manifest.name.to_string(),
                volume: self.name().to_owned(),
            }),
        }
    }

    async fn send(&self, part: Part, total: u64, on_progress: OnProgress<'_>) -> Result<(), Sent> {
        let (near, far) = tokio::io::duplex(PIPE);
        let (tell, mut heard) = mpsc::unbounded_channel();
        let out = SyncIoBridge::new(near);
        let sending = tokio::task::spawn_blocking(move || {
            part.send(out, &|done| {
                let _ = tell.send(done);
            })
        });
        let telling = async {
            while let Some(done) = heard.recv().await {
                on_progress(Progress::Bytes { done, total });
            }
            sending.await
        };
        let unpacking = self.ask("unpack the snapshot's files", "unpack", Some(Box::new(far)));
        let (sent, unpacked) = tokio::join!(telling, unpacking);
        match (sent, unpacked) {
            (Ok(Ok(())), Ok(_)) => Ok(()),
            // Whoever went away tells why; a pipe that broke is only what came of it.
            (Ok(Err(ArchiveFault::Read(error))), Err(said)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Sent::Volume(said))
            }
            (Ok(Err(fault)), _) => Err(Sent::Fault(fault)),
            (Ok(Ok(())), Err(error)) => Err(Sent::Volume(error)),
            (Err(_), _) => Err(Sent::Volume(VolumeError::Stopped("sending the files"))),
        }
    }

    fn refused(manifest: &Manifest, fault: ArchiveFault) -> VolumeError {
        match fault {
            ArchiveFault::Snapshot(error) => error.into(),
            ArchiveFault::Read(source) => match source.downcast() {
                Ok(error) => VolumeError::Snapshot(error),
                Err(source) => VolumeError::Refused {
                    snapshot: manifest.name.to_string(),
                    fault: ArchiveFault::Read(source),
                },
            },
            fault => VolumeError::Refused { snapshot: manifest.name.to_string(), fault },
        }
    }
}

/// Why something was not sent.
enum Sent {
    Fault(ArchiveFault),
    Volume(VolumeError),
}

impl Part {
    fn open(&self, path: &StreamPath) -> Result<StreamReader, ArchiveFault> {
        Ok(self.catalogue.read(&self.manifest, path)?)
    }

    /// Does something with each entry.
    fn entries(&self, mut each: impl FnMut(Entry) -> Result<(), ArchiveFault>) -> Result<(), ArchiveFault> {
        let mut lines = BufReader::new(self.open(&entries_path(&self.prefix)?)?);
        let (mut line, mut number) = (Vec::new(), 0);
        loop {
            line.clear();
            number += 1;
            if (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            if line.last() != Some(&b'\n') {
                return Err(ArchiveFault::Line {
                    number,
                    reason: "it is longer than any, or cut off".into(),
                });
            }
            let entry = serde_json::from_slice(&line);
            each(entry.map_err(|error| ArchiveFault::Line { number, reason: error.to_string() })?)?;
        }
    }

    /// Checks all that can be known before a file is written.
    fn check(&self) -> Result<Check, ArchiveFault> {
        let mut text = Vec::new();
        self.open(&summary_path(&self.prefix)?)?.take(LARGEST_SUMMARY).read_to_end(&mut text)?;
        let said: Contents = serde_json::from_slice(&text)
            .map_err(|_| ArchiveFault::Malformed("volume.json is not understood"))?;
        if said.format != FORMAT {
            return Err(ArchiveFault::Malformed(
                "its form is newer than this devcluster; a newer one reads it",
            ));
        }
        let mut check = Check::default();
        self.entries(|entry| {
            check.foresee(entry);
            Ok(())
        })?;
        self.entries(|entry| check.next(&entry))?;
        let path = contents_path(&self.prefix)?;
        let contents = self.manifest.stream(&path).map_or(0, |stream| stream.size);
        if check.kept != contents {
            return Err(ArchiveFault::Sizes { entries: check.kept, contents });
        }
        if (said.entries, said.bytes) != (check.entries, check.bytes) {
            return Err(ArchiveFault::Malformed("volume.json tells of other files than there are"));
        }
        Ok(check)
    }

    /// Writes the archive that the node's tar unpacks.
    fn send(&self, out: impl io::Write, on_done: &dyn Fn(u64)) -> Result<(), ArchiveFault> {
        let mut contents = self.open(&contents_path(&self.prefix)?)?;
        let mut archive = Builder::new(io::BufWriter::with_capacity(PIPE / 4, out));
        let (mut done, mut told) = (0, 0);
        self.entries(|entry| {
            write(&mut archive, &entry, &mut contents)?;
            done += entry.kept();
            if done >= told + STEP {
                told = done;
                on_done(done);
            }
            Ok(())
        })?;
        let out = archive.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        drop(out);
        Ok(())
    }
}
