//! Records of who approved which lock for an environment, as they stand in the environment's branch.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::marker::{check_version, is_digest};

/// The format written here.
const VERSION: u64 = 1;
/// More than a record ever is.
const LARGEST: usize = 4 << 20;

/// One approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Who.
    pub by: String,
    /// When, in UTC, as RFC 3339 has it.
    pub at: String,
    /// SHA-256 of the attestation's file, hex.
    pub attestation: String,
}

/// The approvals of one lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    /// The lock's root.
    pub lock: String,
    /// In the order in which they were given.
    pub approvals: Vec<Approval>,
}

/// The file of a lock's approvals.
pub fn path(lock: &str) -> String {
    format!(".devcluster/approvals/{lock}.json")
}

/// The file of an attestation that an approval rests on.
pub fn attestation_path(digest: &str) -> String {
    format!(".devcluster/attestations/{digest}.json")
}

/// The record as its file has it.
pub fn write(approvals: &Approvals) -> String {
    let value = json!({"version": VERSION, "lock": approvals.lock, "approvals": approvals.approvals});
    format!("{value:#}\n")
}

/// Reads a record of `lock`; what is wrong with it where it is none.
pub fn read(bytes: &[u8], lock: &str) -> Result<Approvals, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(rename = "version")]
        _version: u64,
        lock: String,
        approvals: Vec<Approval>,
    }
    if bytes.len() > LARGEST {
        return Err("is too large".into());
    }
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    check_version(&value, VERSION)?;
    let file: File = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if file.lock != lock {
        return Err("is about another lock than its name says".into());
    }
    if let Some(wrong) = file.approvals.iter().find(|approval| !is_digest(&approval.attestation)) {
        return Err(format!("names no attestation's digest beside {:?}", wrong.by));
    }
    Ok(Approvals { lock: file.lock, approvals: file.approvals })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_for_its_own_lock_alone() {
        let (lock, other) = ("ab".repeat(32), "cd".repeat(32));
        let approval = Approval {
            by: "Ada <ada@example.com>".into(),
            at: "2026-01-02T03:04:05Z".into(),
            attestation: other.clone(),
        };
        let record = Approvals { lock: lock.clone(), approvals: vec![approval] };
        let text = write(&record);
        assert_eq!(read(text.as_bytes(), &lock), Ok(record));
        assert!(read(text.as_bytes(), &other).is_err());
        let newer = text.replace("\"version\": 1", "\"version\": 2").replace("\"by\"", "\"who\"");
        assert!(read(newer.as_bytes(), &lock).unwrap_err().contains("bring devcluster up to date"));
        for (from, to) in [("\"version\": 1", "\"version\": 2"), ("cdcd", "xxxx"), ("\"by\"", "\"who\"")] {
            assert!(read(text.replace(from, to).as_bytes(), &lock).is_err(), "{from}");
        }
    }
}
