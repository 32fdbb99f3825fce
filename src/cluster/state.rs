//! What devcluster remembers of a cluster on this machine: its directory, its record, and the lock that keeps two
//! commands from changing one cluster at the same time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::parity::Fixed;

/// Why the state could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Reading or writing failed.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// The path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The record is not what devcluster writes.
    #[error(
        "{path} is not a cluster record ({reason}); remove it, and `devcluster up` takes the cluster for a new one"
    )]
    Malformed {
        /// The record's path.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// Another command is at work on the cluster.
    #[error(
        "another devcluster command (process {process}) is working on cluster {cluster}; wait for it to end"
    )]
    Busy {
        /// The cluster's name.
        cluster: String,
        /// The other command's process id.
        process: String,
    },
    /// There is no home directory to keep state in.
    #[error("no directory for state; set HOME or DEVCLUSTER_HOME")]
    NoHome,
}

/// The cluster's identity and the parts of its shape that cannot change while it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// blake3 of the cluster's CA certificate, hex.
    pub ca: String,
    /// The uid of namespace `kube-system`; a cluster recreated under the same name has another.
    pub uid: String,
    /// The provider's node containers, by id.
    pub nodes: Vec<String>,
    /// What cannot change while the cluster lives.
    pub fixed: Fixed,
}

/// A cluster's directories on this machine.
#[derive(Debug, Clone)]
pub struct State {
    cluster: String,
    directory: PathBuf,
    volumes: PathBuf,
    cache: PathBuf,
}

/// Holds a cluster for one command; dropped, it lets go. The kernel lets go of a killed command's lock too.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl State {
    /// The state of `cluster`, under `DEVCLUSTER_HOME`, else the XDG directories. Creates the directory.
    pub fn open(cluster: &str) -> Result<Self, StateError> {
        let from = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = from("HOME");
        let (state, data, cache) = if let Some(root) = from("DEVCLUSTER_HOME") {
            (root.join("clusters"), root.join("volumes"), root.join("cache"))
        } else {
            let below = |variable: &str, default: &str| {
                from(variable)
                    .or_else(|| home.as_ref().map(|home| home.join(default)))
                    .ok_or(StateError::NoHome)
            };
            (
                below("XDG_STATE_HOME", ".local/state")?.join("devcluster/clusters"),
                below("XDG_DATA_HOME", ".local/share")?.join("devcluster/volumes"),
                below("XDG_CACHE_HOME", ".cache")?.join("devcluster"),
            )
        };
        let (directory, volumes) = (state.join(cluster), data.join(cluster));
        let state = Self { cluster: cluster.into(), directory, volumes, cache };
        make_private(&state.directory)?;
        make_private(&state.cache)?;
        Ok(state)
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The directory for everything that can be made again.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the volumes' data lives, by namespace and claim. It outlives the cluster.
    pub fn volumes(&self) -> &Path {
        &self.volumes
    }

    /// The directory for what all clusters of this user share and what can be learnt again.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The directory of all that outlives clusters, volumes among it.
    fn data(&self) -> &Path {
        self.volumes.ancestors().nth(2).unwrap_or(&self.volumes)
    }

    /// The file of this user's key for masks. It outlives clusters: what was masked before is masked alike.
    pub fn masking_key(&self) -> PathBuf {
        self.data().join("masking.key")
    }

    /// The directory of the repository that is served for pushes. It outlives clusters.
    pub fn served(&self) -> PathBuf {
        self.data().join("git").join(&self.cluster)
    }

    /// The file of the ledger of releases while there is no cluster to hold it. It outlives clusters, as volumes do.
    pub fn ledger(&self) -> PathBuf {
        self.data().join("ledgers").join(format!("{}.json", self.cluster))
    }

    /// Writes that file, whole or not at all, readable by the user alone: Secrets' values are in it.
    pub fn write_ledger(&self, bytes: &[u8]) -> Result<(), StateError> {
        let path = self.ledger();
        let directory = path.parent().unwrap_or(&self.volumes);
        make_private(directory)?;
        let attempt = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        attempt().map_err(|source| StateError::Io { what: "write", path: path.clone(), source })
    }

    /// Removes that file; false where there is none.
    pub fn forget_ledger(&self) -> Result<bool, StateError> {
        let path = self.ledger();
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(StateError::Io { what: "remove", path, source }),
        }
    }

    /// The directory of what runs of commands note for the next run. It outlives clusters, as what a killed run leaves does.
    pub fn runs(&self) -> PathBuf {
        self.data().join("runs").join(&self.cluster)
    }

    /// devcluster's own kubeconfig for the cluster.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }

    /// Takes the cluster for this command.
    pub fn lock(&self) -> Result<Lock, StateError> {
        let path = self.directory.join("lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|source| StateError::Io { what: "open", path: path.clone(), source })?;
        if file.try_lock().is_err() {
            let process = fs::read_to_string(&path).unwrap_or_default();
            return Err(StateError::Busy { cluster: self.cluster.clone(), process: process.trim().into() });
        }
        let written = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        written.map_err(|source| StateError::Io { what: "write", path, source })?;
        Ok(Lock { _file: file })
    }

    /// The record of the cluster that was made under this name, if one was.
    pub fn record(&self) -> Result<Option<Record>, StateError> {
        let path = self.directory.join("cluster.json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StateError::Io { what: "read", path, source }),
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| StateError::Malformed { path, reason: error.to_string() })
    }

    /// Remembers the cluster.
    pub fn remember(&self, record: &Record) -> Result<(), StateError> {
        let text = serde_json::to_vec_pretty(record).unwrap_or_default();
        self.write("cluster.json", &text)
    }

    /// Forgets the cluster: everything but its volumes.
    pub fn forget(&self) -> Result<(), StateError> {
        fs::remove_dir_all(&self.directory).or_else(|source| {
            if source.kind() == io::ErrorKind::NotFound {
                Ok(())
            } else {
                Err(StateError::Io { what: "remove", path: self.directory.clone(), source })
            }
        })
    }

    /// Reads a file of the state directory; none where it does not exist.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.directory.join(name)).ok()
    }

    /// Writes a file of the state directory, whole or not at all, readable by the user alone.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let path = self.directory.join(name);
        let attempt = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
            file.write_all(bytes)?;
            file.persist(&path)?;
            Ok(())
        };
        attempt().map_err(|source| StateError::Io { what: "write", path: path.clone(), source })
    }
}

fn make_private(directory: &Path) -> Result<(), StateError> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|source| StateError::Io {
        what: "create",
        path: directory.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(root: &Path) -> State {
        let [directory, volumes, cache] = ["a", "v", "c"].map(|name| root.join(name));
        let state = State { cluster: "a".into(), directory, volumes, cache };
        make_private(&state.directory).unwrap();
        state
    }

    #[test]
    fn a_second_command_is_told_who_is_at_work() {
        let root = tempfile::tempdir().unwrap();
        let state = state(root.path());
        let lock = state.lock().unwrap();
        let error = state.lock().unwrap_err().to_string();
        assert!(error.contains(&format!("(process {})", std::process::id())), "{error}");
        drop(lock);
        state.lock().unwrap();
    }

    #[test]
    fn a_record_comes_back_as_it_was_kept() {
        let root = tempfile::tempdir().unwrap();
        let state = state(root.path());
        assert_eq!(state.record().unwrap(), None);
        let fixed =
            Fixed { nodes: 1, node_image: None, ports: (80, 443), pod_subnet: None, service_subnet: None };
        let record = Record { ca: "c".into(), uid: "u".into(), nodes: vec!["n".into()], fixed };
        state.remember(&record).unwrap();
        assert_eq!(state.record().unwrap(), Some(record));
        state.write("cluster.json", b"{").unwrap();
        assert!(state.record().unwrap_err().to_string().contains("is not a cluster record"));
    }
}
