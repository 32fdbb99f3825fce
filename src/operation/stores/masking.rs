//! The masking policy and its key, for data that comes from elsewhere.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::data::mask::{Classified, Key, Masking, Policy, classify, suggest};
use crate::data::schema::Schema;
use crate::operation::error::OperationError;
use crate::operation::session::Session;

/// The variable that has the key, as 64 hexadecimal digits, where a team shares one.
const KEY: &str = "DEVCLUSTER_MASKING_KEY";

/// How rows of `schema` are masked, by the project's policy.
pub fn masking(session: &Session, schema: &Schema) -> Result<Masking, OperationError> {
    let (classified, key) = classified(session, schema)?;
    Ok(Masking::new(classified, key))
}

/// What becomes of everything that `schema` has, by the project's policy, and the key. Without a policy nothing may leave,
/// and one to start from is offered.
pub fn classified(session: &Session, schema: &Schema) -> Result<(Classified, Key), OperationError> {
    let path = &session.config.masking;
    let Some(policy) = policy(session)? else {
        return Err(OperationError::NoPolicy { path: path.clone(), draft: suggest(schema) });
    };
    let classified = classify(schema, &policy)
        .map_err(|open| OperationError::Policy { path: path.clone(), reason: open.to_string() })?;
    Ok((classified, key(session)?))
}

/// The project's policy, where there is one.
pub fn policy(session: &Session) -> Result<Option<Policy>, OperationError> {
    let path = &session.config.masking;
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OperationError::Data { path: path.clone(), source }),
    };
    Policy::parse(&text)
        .map(Some)
        .map_err(|faults| OperationError::Policy { path: path.clone(), reason: faults.to_string() })
}

/// The key: of the environment, else this user's own, made where there is none yet. It never leaves this machine.
fn key(session: &Session) -> Result<Key, OperationError> {
    if let Some(text) = std::env::var_os(KEY).filter(|text| !text.is_empty()) {
        let bytes = text.to_str().and_then(|text| blake3::Hash::from_hex(text.trim()).ok());
        let bytes = bytes.ok_or(OperationError::MaskingKey { variable: KEY })?;
        return Ok(Key::new(*bytes.as_bytes()));
    }
    let path = session.state.masking_key();
    let failed = |source| OperationError::Data { path: path.clone(), source };
    match read_key(&path) {
        Ok(key) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_key(&path).or_else(|error| match error.kind() {
                // Another run made it just now.
                io::ErrorKind::AlreadyExists => Ok(()),
                _ => Err(failed(error)),
            })?;
            read_key(&path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn read_key(path: &PathBuf) -> io::Result<Key> {
    let mut bytes = [0; 32];
    File::open(path)?.read_exact(&mut bytes)?;
    Ok(Key::new(bytes))
}

/// Whole or not at all: a key that is cut short would mask differently the next time.
fn make_key(path: &PathBuf) -> io::Result<()> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let draft = path.with_extension("new");
    let _ = std::fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::hard_link(&draft, path)?;
    std::fs::remove_file(&draft)
}
