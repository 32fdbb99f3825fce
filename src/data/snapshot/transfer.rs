//! Moves snapshots between catalogues: only the chunks that are missing there, each checked on its way.

use super::ahead::Ahead;
use super::catalogue::Catalogue;
use super::error::SnapshotError;
use super::manifest::{Chunk, Manifest};
use super::name::SnapshotName;
use super::objects::Hold;
use super::packing::{Added, Packing};

/// How a snapshot is to be brought into a catalogue.
#[derive(Debug, Clone, Default)]
pub struct ReceiveOptions {
    /// Its name there; its own where none is given.
    pub name: Option<SnapshotName>,
    /// Whether a snapshot of that name makes way, once the new one is whole.
    pub replace: bool,
}

/// What was brought into a catalogue.
#[derive(Debug)]
pub struct Received {
    /// The snapshot.
    pub manifest: Manifest,
    /// What it added to the catalogue.
    pub added: Added,
}

impl Catalogue {
    /// Copies a snapshot into another catalogue, where it shows once it is whole.
    pub fn push(
        &self,
        name: &SnapshotName,
        to: &Self,
        options: ReceiveOptions,
    ) -> Result<Received, SnapshotError> {
        let _guards = (self.hold(Hold::Reading)?, to.hold(Hold::Adding)?);
        let source = self.find(name)?;
        let manifest = Manifest { name: options.name.unwrap_or_else(|| name.clone()), ..source.clone() };
        to.free(&manifest.name, options.replace)?;
        self.packs.refresh()?;
        to.packs.refresh()?;
        let added = self.send_missing(&source, to)?;
        to.publish(&manifest, options.replace)?;
        Ok(Received { manifest, added })
    }

    /// Copies a snapshot out of another catalogue: [`Catalogue::push`] seen from the other side.
    pub fn pull(
        &self,
        name: &SnapshotName,
        from: &Self,
        options: ReceiveOptions,
    ) -> Result<Received, SnapshotError> {
        from.push(name, self, options)
    }

    /// Sends chunks that are not there. Several are fetched and checked at once.
    fn send_missing(&self, source: &Manifest, to: &Self) -> Result<Added, SnapshotError> {
        let missing: Vec<_> = source.distinct().filter(|(_, _, chunk)| !to.packs.has(chunk.id)).collect();
        let chunks: Vec<Chunk> = missing.iter().map(|(_, _, chunk)| *chunk).collect();
        let mut ahead = Ahead::stored(&self.packs, &chunks);
        let mut packing = Packing::new(to.objects.clone());
        for (stream, offset, Chunk { id, .. }) in missing {
            let chunk = ahead.next().ok_or(SnapshotError::Stopped("reading"))?;
            packing.add(&chunk.map_err(|fault| fault.at(source.place(stream, offset, id)))?)?;
        }
        packing.seal()?;
        Ok(packing.added())
    }
}
