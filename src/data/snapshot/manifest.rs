//! A snapshot's manifest: which streams it has and which chunks they are made of. One readable JSON file that
//! proves itself whole.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chunker::LARGEST;
use super::digest::{ChunkId, Digest};
use super::error::{Place, SnapshotError};
use super::name::{SnapshotName, StreamPath, Timestamp};

/// The format that is written, and the newest that is read.
pub const FORMAT: u64 = 1;
/// Bytes of the largest manifest.
pub(super) const LARGEST_MANIFEST: u64 = 64 << 20;
/// Chunks of the largest snapshot, some 140 GiB: as many as fit a manifest.
pub(super) const MOST_CHUNKS: u64 = 600_000;
/// What comes before the checksum's digits; behind them the text ends with [`TAIL`].
const CHECKSUM: &str = ",\n  \"checksum\": \"";
/// A manifest's end.
const TAIL: &str = "\"\n}\n";

/// What a snapshot is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this form.
    pub format: u64,
    /// The snapshot's name in its catalogue.
    pub name: SnapshotName,
    /// When it was created, as its maker says.
    pub created: Timestamp,
    /// What is in it: a hash over its streams' paths, sizes and hashes, whatever the name, the time, the
    /// attributes, the cuts and the compression.
    pub content: Digest,
    /// Versions of the tools that had a hand in it.
    pub tools: BTreeMap<String, String>,
    /// What else its maker says about it: masking policy, schema.
    pub attributes: BTreeMap<String, Value>,
    /// Its streams, ordered by path.
    pub streams: Vec<Stream>,
}

/// A stream of a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Its place.
    pub path: StreamPath,
    /// Its plain bytes.
    pub size: u64,
    /// The hash of all of them.
    pub hash: Digest,
    /// What else its maker says about it: rows, schema fingerprint.
    pub attributes: BTreeMap<String, Value>,
    /// Its chunks, in order.
    pub chunks: Vec<Chunk>,
}

/// A chunk of a stream; in JSON, `id size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Chunk {
    /// Its name.
    pub id: ChunkId,
    /// Its plain bytes.
    pub size: u32,
}

impl From<Chunk> for String {
    fn from(chunk: Chunk) -> Self {
        format!("{} {}", chunk.id, chunk.size)
    }
}

impl TryFrom<String> for Chunk {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refused = || format!("`{}` is not a chunk's id and size", text.escape_debug());
        let (id, size) = text.split_once(' ').ok_or_else(refused)?;
        let chunk = Self {
            id: ChunkId(id.parse().map_err(|_| refused())?),
            size: size.parse().map_err(|_| refused())?,
        };
        let possible = 0 < chunk.size && chunk.size as usize <= LARGEST;
        if possible { Ok(chunk) } else { Err(format!("no chunk has {} bytes", chunk.size)) }
    }
}

/// What tells the version of a manifest, whatever else has changed in it.
#[derive(Deserialize)]
struct Version {
    format: u64,
}

impl Manifest {
    /// Plain bytes of all streams.
    pub fn size(&self) -> u64 {
        self.streams.iter().map(|stream| stream.size).fold(0, u64::saturating_add)
    }

    /// A stream by its path.
    pub fn stream(&self, path: &StreamPath) -> Option<&Stream> {
        let at = self.streams.binary_search_by(|stream| stream.path.cmp(path)).ok()?;
        self.streams.get(at)
    }

    /// Its distinct chunks, in the order of their first use, each with its stream and where it begins there.
    pub(super) fn distinct(&self) -> impl Iterator<Item = (&Stream, u64, Chunk)> {
        let mut seen = HashSet::new();
        let places = self
            .streams
            .iter()
            .flat_map(|stream| stream.placed().map(move |(offset, chunk)| (stream, offset, chunk)));
        places.filter(move |(_, _, chunk)| seen.insert(chunk.id))
    }

    /// Where a chunk is used.
    pub(super) fn place(&self, stream: &Stream, offset: u64, chunk: ChunkId) -> Place {
        Place { snapshot: self.name.clone(), stream: stream.path.clone(), offset, chunk }
    }

    /// What [`Manifest::content`] has to be.
    pub(super) fn content_of(streams: &[Stream]) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for Stream { path, size, hash, .. } in streams {
            hasher.update(format!("{}:{path} {size} {hash}\n", path.as_str().len()).as_bytes());
        }
        Digest::finished(&hasher)
    }

    /// Its file's text. The last member is a checksum over all the text before it.
    pub(super) fn encode(&self) -> Result<String, SnapshotError> {
        let failed = |error: serde_json::Error| SnapshotError::manifest(self.name.as_str(), error);
        let whole = serde_json::to_string_pretty(self).map_err(failed)?;
        let body = whole.strip_suffix("\n}").unwrap_or(&whole);
        let text = format!("{body}{CHECKSUM}{}{TAIL}", Digest::of(body.as_bytes()));
        if text.len() as u64 > LARGEST_MANIFEST {
            return Err(SnapshotError::too_large("a snapshot's manifest", LARGEST_MANIFEST));
        }
        Ok(text)
    }

    /// From a file's text, which `shown` names. Whatever is not exactly what [`Manifest::encode`] wrote is
    /// refused.
    pub(super) fn decode(bytes: &[u8], shown: &str) -> Result<Self, SnapshotError> {
        let damaged = |reason: String| SnapshotError::manifest(shown, reason);
        let Version { format } = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if format > FORMAT {
            return Err(SnapshotError::Newer { what: shown.to_owned(), found: format, known: FORMAT });
        }
        let text = str::from_utf8(bytes).map_err(|error| damaged(error.to_string()))?;
        let body = proven(text).ok_or_else(|| damaged("its checksum does not fit its text".to_owned()))?;
        let manifest: Self =
            serde_json::from_str(&format!("{body}\n}}")).map_err(|error| damaged(error.to_string()))?;
        manifest.check().map_err(|reason| damaged(reason.to_owned()))?;
        Ok(manifest)
    }

    /// What the parts have to say of each other.
    fn check(&self) -> Result<(), &'static str> {
        let rising =
            self.streams.iter().zip(self.streams.iter().skip(1)).all(|(one, next)| one.path < next.path);
        let sized = self.streams.iter().all(|stream| {
            stream.chunks.iter().map(|chunk| u64::from(chunk.size)).sum::<u64>() == stream.size
        });
        let strange = self
            .tools
            .iter()
            .any(|(tool, version)| tool.chars().chain(version.chars()).any(char::is_control));
        match () {
            () if self.format == 0 => Err("there is no format 0"),
            () if strange => Err("a tool's name or version has control characters"),
            () if !rising => Err("its streams are not in order, or one is there twice"),
            () if !sized => Err("a stream's size is not its chunks' sum"),
            () if Self::content_of(&self.streams) != self.content => {
                Err("its content hash does not fit its streams")
            }
            () => Ok(()),
        }
    }
}

impl Stream {
    /// Its chunks, each with where it begins.
    pub(super) fn placed(&self) -> impl Iterator<Item = (u64, Chunk)> {
        self.chunks.iter().scan(0, |offset, chunk| {
            let begin = *offset;
            *offset += u64::from(chunk.size);
            Some((begin, *chunk))
        })
    }
}

/// The text before the checksum, where that fits.
fn proven(text: &str) -> Option<&str> {
    let ended = text.strip_suffix(TAIL)?;
    let (rest, checksum) = ended.split_at_checked(ended.len().checked_sub(Digest::DIGITS)?)?;
    let body = rest.strip_suffix(CHECKSUM)?;
    (checksum.parse() == Ok(Digest::of(body.as_bytes()))).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(path: &str, contents: &[u8]) -> Stream {
        let chunk = Chunk { id: ChunkId::of(contents), size: u32::try_from(contents.len()).unwrap() };
        let attributes =
            BTreeMap::from([("rows".to_owned(), Value::from(3)), ("share".to_owned(), Value::from(0.1))]);
        Stream {
            path: path.parse().unwrap(),
            size: contents.len() as u64,
            hash: Digest::of(contents),
            attributes,
            chunks: vec![chunk],
        }
    }

    fn example() -> Manifest {
        let streams = vec![stream("postgres/shop/a.copy", b"1\n"), stream("volume/b.tar", b"tar")];
        Manifest {
            format: FORMAT,
            name: "shop-small".parse().unwrap(),
            created: "2026-11-25T21:00:00Z".parse().unwrap(),
            content: Manifest::content_of(&streams),
            tools: BTreeMap::from([("devcluster".into(), "0.1.0".into())]),
            attributes: BTreeMap::from([("masking".into(), Value::from("none"))]),
            streams,
        }
    }

    fn refused(text: &str) -> String {
        Manifest::decode(text.as_bytes(), "m").unwrap_err().to_string()
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let text = example().encode().unwrap();
        assert_eq!(Manifest::decode(text.as_bytes(), "m").unwrap(), example());
        assert!(serde_json::from_str::<Value>(&text).unwrap().get("checksum").is_some());
        let empty = Manifest { streams: vec![], content: Manifest::content_of(&[]), ..example() };
        assert_eq!(Manifest::decode(empty.encode().unwrap().as_bytes(), "m").unwrap(), empty);
    }

    #[test]
    fn content_is_the_streams_alone() {
        let mut other = example();
        other.streams[0].attributes.clear();
        assert_eq!(Manifest::content_of(&other.streams), example().content);
        other.streams[0].hash = Digest::of(b"2\n");
        assert_ne!(Manifest::content_of(&other.streams), example().content);
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_refused() {
        let text = example().encode().unwrap().into_bytes();
        for length in 0..text.len() {
            assert!(Manifest::decode(&text[..length], "m").is_err(), "{length}");
        }
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&flipped, "m").is_err(), "bit {bit}");
        }
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        let changed = |change: fn(&mut Manifest)| {
            let mut manifest = example();
            change(&mut manifest);
            refused(&manifest.encode().unwrap())
        };
        let size = changed(|manifest| {
            manifest.streams[0].size = 5;
            manifest.content = Manifest::content_of(&manifest.streams);
        });
        assert!(size.contains("chunks' sum"), "{size}");
        let twice = changed(|manifest| {
            manifest.streams[1] = manifest.streams[0].clone();
            manifest.content = Manifest::content_of(&manifest.streams);
        });
        assert!(twice.contains("twice"), "{twice}");
        let content = changed(|manifest| manifest.content = Digest::of(b""));
        assert!(content.contains("content hash"), "{content}");
        assert!(changed(|manifest| manifest.streams[0].chunks[0].size = 2_000_000).contains("no chunk has"));
        let strange = changed(|manifest| drop(manifest.tools.insert("x".into(), "\x1b[2J".into())));
        assert!(strange.contains("control characters"), "{strange}");
    }

    #[test]
    fn a_newer_format_is_told_apart_from_damage() {
        let newer = r#"{"format": 2, "name": "x", "layers": []}"#;
        assert_eq!(refused(newer), "m has format 2; this version reads formats up to 1: update devcluster");
    }
}
