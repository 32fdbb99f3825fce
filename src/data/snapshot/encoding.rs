//! How a chunk's bytes are stored: compressed where that saves something, plain where it does not.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::chunker::LARGEST;
use super::digest::ChunkId;

/// How chunks are to be compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Zstandard (RFC 8878) at a level of 1 to 19.
    Zstd(u8),
    /// gzip (RFC 1952) at its usual level, for readers that have nothing else.
    Gzip,
    /// None.
    Plain,
}

impl Default for Compression {
    fn default() -> Self {
        Self::Zstd(3)
    }
}

/// How one chunk is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Encoding {
    /// As it is.
    Plain = 0,
    /// One Zstandard frame.
    Zstd = 1,
    /// One gzip member.
    Gzip = 2,
}

impl TryFrom<u8> for Encoding {
    type Error = ();

    fn try_from(byte: u8) -> Result<Self, ()> {
        match byte {
            0 => Ok(Self::Plain),
            1 => Ok(Self::Zstd),
            2 => Ok(Self::Gzip),
            _ => Err(()),
        }
    }
}

/// A chunk as it is stored.
#[derive(Debug, Clone)]
pub(super) struct Encoded {
    /// The hash of its plain bytes.
    pub id: ChunkId,
    /// How it is stored.
    pub encoding: Encoding,
    /// Plain bytes in it: 1 to [`LARGEST`].
    pub plain: u32,
    /// What is stored: never more than the plain bytes.
    pub bytes: Vec<u8>,
}

/// Compresses chunks, one after the other.
pub(super) struct Encoder {
    compression: Compression,
    zstd: Option<zstd::bulk::Compressor<'static>>,
    room: Vec<u8>,
}

impl Encoder {
    /// Its working memory is had here, once.
    pub fn new(compression: Compression) -> io::Result<Self> {
        let zstd = match compression {
            Compression::Zstd(level) => Some(zstd::bulk::Compressor::new(i32::from(level.clamp(1, 19)))?),
            Compression::Gzip | Compression::Plain => None,
        };
        Ok(Self { compression, zstd, room: Vec::new() })
    }

    /// The chunk as it is to be stored: plain where compression saves less than a 64th, which reading would
    /// not repay.
    pub fn encode(&mut self, id: ChunkId, plain: Vec<u8>) -> io::Result<Encoded> {
        let length = u32::try_from(plain.len()).map_err(io::Error::other)?;
        let encoding = self.compress(&plain)?;
        let worth = encoding != Encoding::Plain && self.room.len() < plain.len() - plain.len() / 64;
        let (encoding, bytes) =
            if worth { (encoding, self.room.as_slice().to_vec()) } else { (Encoding::Plain, plain) };
        Ok(Encoded { id, encoding, plain: length, bytes })
    }

    /// Leaves the compressed bytes in `room`.
    fn compress(&mut self, plain: &[u8]) -> io::Result<Encoding> {
        self.room.clear();
        if let Some(zstd) = &mut self.zstd {
            self.room.reserve(zstd::zstd_safe::compress_bound(plain.len()));
            zstd.compress_to_buffer(plain, &mut self.room)?;
            return Ok(Encoding::Zstd);
        }
        if self.compression == Compression::Plain {
            return Ok(Encoding::Plain);
        }
        let mut gzip = flate2::write::GzEncoder::new(&mut self.room, flate2::Compression::default());
        gzip.write_all(plain)?;
        gzip.finish()?;
        Ok(Encoding::Gzip)
    }
}

/// Brings chunks back, with no more memory than their declared size.
#[derive(Default)]
pub(super) struct Decoder(Option<zstd::bulk::Decompressor<'static>>);

impl Decoder {
    /// The plain bytes, checked against size and hash; otherwise what is wrong.
    pub fn decode(
        &mut self,
        id: ChunkId,
        encoding: Encoding,
        plain: u32,
        stored: Vec<u8>,
    ) -> Result<Vec<u8>, String> {
        let length = plain as usize;
        if length > LARGEST {
            return Err(format!("{length} bytes are declared, and no chunk has more than {LARGEST}"));
        }
        let bytes = self
            .expand(encoding, length, stored)
            .map_err(|error| format!("it cannot be decompressed ({error})"))?;
        if bytes.len() != length {
            return Err(format!("it has {} bytes and should have {length}", bytes.len()));
        }
        if ChunkId::of(&bytes) != id {
            return Err("its bytes do not hash to its name".to_owned());
        }
        Ok(bytes)
    }

    fn expand(&mut self, encoding: Encoding, length: usize, stored: Vec<u8>) -> io::Result<Vec<u8>> {
        match encoding {
            Encoding::Plain => Ok(stored),
            Encoding::Zstd => {
                let mut plain = Vec::with_capacity(length);
                let zstd = match self.0.take() {
                    Some(zstd) => zstd,
                    None => zstd::bulk::Decompressor::new()?,
                };
                self.0.insert(zstd).decompress_to_buffer(&stored, &mut plain)?;
                Ok(plain)
            }
            Encoding::Gzip => {
                let mut plain = Vec::with_capacity(length + 1);
                flate2::read::GzDecoder::new(&*stored).take(length as u64 + 1).read_to_end(&mut plain)?;
                Ok(plain)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(compression: Compression, plain: &[u8]) -> Encoded {
        let encoded = Encoder::new(compression).unwrap().encode(ChunkId::of(plain), plain.to_vec()).unwrap();
        let back =
            Decoder::default().decode(encoded.id, encoded.encoding, encoded.plain, encoded.bytes.clone());
        assert_eq!(back.unwrap(), plain);
        encoded
    }

    #[test]
    fn what_compresses_is_compressed_and_what_does_not_is_plain() {
        let text = b"order;customer;amount\n".repeat(2000);
        let mut noise = vec![0; 50_000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        let seen = [Compression::Zstd(3), Compression::Gzip, Compression::Plain]
            .map(|compression| (round(compression, &text).encoding, round(compression, &noise).encoding));
        let expected = [
            (Encoding::Zstd, Encoding::Plain),
            (Encoding::Gzip, Encoding::Plain),
            (Encoding::Plain, Encoding::Plain),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_bomb_does_not_unfold() {
        let zeros = vec![0; LARGEST];
        for compression in [Compression::Zstd(3), Compression::Gzip] {
            let encoded = round(compression, &zeros);
            let refused =
                Decoder::default().decode(encoded.id, encoded.encoding, 1000, encoded.bytes.clone());
            assert!(refused.is_err());
            let refused = Decoder::default().decode(encoded.id, encoded.encoding, u32::MAX, encoded.bytes);
            assert!(refused.unwrap_err().contains("declared"));
        }
    }
}
