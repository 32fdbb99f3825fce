//! What a handoff says of itself, in a file of its own: which lock it is of, what it leaves out, and what its files come to.

use serde::Deserialize;
use serde_json::json;

/// The marker's file.
pub const PATH: &str = ".devcluster/handoff.json";
/// The format written here.
const VERSION: u64 = 1;
/// More than a marker ever is.
const LARGEST: usize = 16 << 20;

/// What a handoff says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marker {
    /// The root of the lock.
    pub lock: String,
    /// What the files come to (see `layout::contents`).
    pub contents: String,
    /// Secrets that are left out, as `Secret NAMESPACE/NAME`, sorted.
    pub secrets: Vec<String>,
    /// Images without a digest, as the manifests write them, sorted.
    pub images: Vec<String>,
}

/// The marker as its file has it.
pub fn write(marker: &Marker) -> String {
    let value = json!({
        "version": VERSION,
        "lock": marker.lock,
        "contents": marker.contents,
        "secretsLeftOut": marker.secrets,
        "imagesAsWritten": marker.images,
    });
    format!("{value:#}\n")
}

/// Reads a marker; what is wrong with it where it is none.
pub fn read(bytes: &[u8]) -> Result<Marker, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct File {
        #[serde(rename = "version")]
        _version: u64,
        lock: String,
        contents: String,
        secrets_left_out: Vec<String>,
        images_as_written: Vec<String>,
    }
    if bytes.len() > LARGEST {
        return Err("is too large".into());
    }
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    check_version(&value, VERSION)?;
    let file: File = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if !is_digest(&file.lock) || !is_digest(&file.contents) {
        return Err("names a lock or contents that are no 64 hexadecimal digits".into());
    }
    Ok(Marker {
        lock: file.lock,
        contents: file.contents,
        secrets: file.secrets_left_out,
        images: file.images_as_written,
    })
}

/// Refuses a record of another version than `known`: what its fields mean, nobody here can tell.
pub(super) fn check_version(record: &serde_json::Value, known: u64) -> Result<(), String> {
    match record.get("version").and_then(serde_json::Value::as_u64) {
        Some(version) if version == known => Ok(()),
        Some(newer) if newer > known => Err(format!(
            "is of version {newer}, and this devcluster reads {known}: bring devcluster up to date"
        )),
        _ => Err("has no version that this devcluster reads".into()),
    }
}

/// Whether a text is a SHA-256 in lower case.
pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_comes_back_and_others_are_refused() {
        let marker = Marker {
            lock: "ab".repeat(32),
            contents: "cd".repeat(32),
            secrets: vec!["Secret shop/db".into()],
            images: vec!["a:1".into()],
        };
        let text = write(&marker);
        assert_eq!(read(text.as_bytes()), Ok(marker));
        let broken = [
            text.replace("\"version\": 1", "\"version\": 2"),
            text.replace("abab", "../"),
            text.replace("secretsLeftOut", "secrets"),
            String::new(),
        ];
        for broken in broken {
            assert!(read(broken.as_bytes()).is_err(), "{broken}");
        }
        assert!(read(&vec![b' '; LARGEST + 1]).unwrap_err().contains("too large"));
    }
}
