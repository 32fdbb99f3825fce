//! What RESTORE takes (`dumpCommand` and `verifyDumpPayload` in `cluster.c`): serialized bytes, the RDB version they are in,
//! and a checksum over both.

use super::rdb::CHECKSUM;

/// Bytes after the serialized ones.
pub(super) const TRAILER: usize = 10;

/// Version and checksum of serialized bytes.
pub(super) fn trailer(serialized: &[u8], version: u16) -> [u8; TRAILER] {
    let mut digest = CHECKSUM.digest();
    digest.update(serialized);
    digest.update(&version.to_le_bytes());
    let mut end = [0; TRAILER];
    let bytes = version.to_le_bytes().into_iter().chain(digest.finalize().to_le_bytes());
    end.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
    end
}

/// The serialized bytes of a payload and their version, where its checksum is right.
pub(super) fn open(payload: &[u8]) -> Option<(&[u8], u16)> {
    let (serialized, end) = payload.split_last_chunk::<TRAILER>()?;
    let [a, b, ..] = *end;
    let version = u16::from_le_bytes([a, b]);
    (*end == trailer(serialized, version)).then_some((serialized, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_payload_is_opened_and_made_again() {
        // From the documentation of DUMP: `SET mykey 10`, `DUMP mykey`.
        let payload = b"\x00\xc0\n\n\x00n\x9fWE\x0e\xaec\xbb";
        assert_eq!(open(payload), Some((&b"\x00\xc0\n"[..], 10)));
        assert!(payload.ends_with(&trailer(b"\x00\xc0\n", 10)));
        assert_eq!(open(b"short"), None);
        assert_eq!(open(&[1; 13]), None);
    }
}
