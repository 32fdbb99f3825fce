//! A catalogue's files in an object store: Amazon S3 and what speaks like it.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme, PutMode, PutOptions, PutPayload};
use tempfile::NamedTempFile;
use tokio::runtime::Handle;

use super::objects::{Guard, Hold, Object, Objects, Reads};

/// Each read waits for the network far longer than it computes; memory bounds them, with three times as many
/// bytes as are read at once.
const READS: Reads = Reads { at_once: 8, bytes: 1 << 20 };

/// Options that say whose credentials to use, as the store's library names them.
const CREDENTIALS: [&str; 5] = [
    "aws_access_key_id",
    "aws_skip_signature",
    "aws_web_identity_token_file",
    "aws_container_credentials_relative_uri",
    "aws_metadata_endpoint",
];
/// What is said when there are none.
const NO_CREDENTIALS: &str = "no credentials for the object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
    or AWS_SKIP_SIGNATURE=true for a public one";

/// A place in an object store. Nothing can be locked there: garbage is collected where the store's owner says
/// that nobody else writes, and not from here. To be used by threads that may wait, not by asynchronous code.
#[derive(Debug)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    root: Path,
    shown: String,
    runtime: Handle,
}

impl Bucket {
    /// The place of a URL such as `s3://bucket/folder`. Options are named as the environment variables of
    /// Amazon's tools (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`); those that do not begin with `AWS_` are passed
    /// over. Without an option that says whose credentials to use none are looked for: a laptop is no cloud
    /// instance, whose metadata service might have some. Requests run on the given runtime.
    pub fn open(
        url: &str,
        options: impl IntoIterator<Item = (String, String)>,
        runtime: Handle,
    ) -> io::Result<Self> {
        let parsed: url::Url = url.parse().map_err(|error| invalid(&error))?;
        if !parsed.username().is_empty() || parsed.password().is_some() || parsed.query().is_some() {
            return Err(invalid(&"it may have no user, password or query; keys go into the environment"));
        }
        let options: Vec<(String, String)> = options.into_iter().filter_map(option).collect();
        let credentials = options.iter().any(|(key, _)| CREDENTIALS.contains(&key.as_str()));
        let (scheme, _) = ObjectStoreScheme::parse(&parsed).map_err(|error| invalid(&error))?;
        if scheme == ObjectStoreScheme::AmazonS3 && !credentials {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, NO_CREDENTIALS));
        }
        let (store, root) =
            object_store::parse_url_opts(&parsed, options).map_err(|error| invalid(&error))?;
        let shown = format!("{}://{}/{root}", parsed.scheme(), parsed.host_str().unwrap_or_default());
        Ok(Self { store: Arc::from(store), root, shown, runtime })
    }

    fn path(&self, key: &str) -> Path {
        key.split('/').fold(self.root.clone(), |path, part| path.child(part))
    }
}

impl Objects for Bucket {
    fn list(&self, folder: &str) -> io::Result<Vec<Object>> {
        let folder = self.path(folder);
        let listed = self.runtime.block_on(self.store.list_with_delimiter(Some(&folder))).map_err(plain)?;
        let named =
            listed.objects.iter().filter_map(|object| Some((object.location.filename()?, object.size)));
        Ok(named.map(|(name, size)| Object { name: name.to_owned(), size }).collect())
    }

    fn read(&self, key: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        if length == 0 {
            return Ok(Vec::new());
        }
        let range = offset..offset.saturating_add(length as u64);
        let bytes = self.runtime.block_on(self.store.get_range(&self.path(key), range)).map_err(plain)?;
        if bytes.len() == length { Ok(bytes.into()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn draft(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::new()
    }

    fn publish(&self, draft: NamedTempFile, key: &str, replace: bool) -> io::Result<()> {
        let payload = PutPayload::from(fs::read(draft.path())?);
        let mode = if replace { PutMode::Overwrite } else { PutMode::Create };
        let path = self.path(key);
        let put = self.store.put_opts(&path, payload, PutOptions::from(mode));
        self.runtime.block_on(put).map(drop).map_err(plain)
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        self.runtime.block_on(self.store.delete(&self.path(key))).map_err(plain)
    }

    fn hold(&self, hold: Hold) -> io::Result<Guard> {
        match hold {
            Hold::Reading | Hold::Adding => Ok(Guard::none()),
            Hold::Alone => Err(io::Error::new(io::ErrorKind::Unsupported, "an object store has no locks")),
        }
    }

    fn sweep(&self) -> io::Result<usize> {
        Ok(0)
    }

    fn reads(&self) -> Reads {
        READS
    }

    fn shown(&self, key: &str) -> String {
        let path: PathBuf = [&self.shown, key].into_iter().filter(|part| !part.is_empty()).collect();
        path.display().to_string()
    }
}

/// An option as the store's library names it, where it is one.
fn option((key, value): (String, String)) -> Option<(String, String)> {
    key.starts_with("AWS_").then(|| (key.to_ascii_lowercase(), value))
}

fn invalid(error: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("not a URL of an object store: {error}"))
}

/// The store's error by its kind.
fn plain(error: object_store::Error) -> io::Error {
    let kind = match &error {
        object_store::Error::NotFound { .. } => io::ErrorKind::NotFound,
        object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } => {
            io::ErrorKind::AlreadyExists
        }
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            io::ErrorKind::PermissionDenied
        }
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

#[cfg(test)]
mod tests {
    use super::super::catalogue_tests::{create, name, noise, read};
    use super::super::{Added, Catalogue, ReceiveOptions, SnapshotError};
    use super::*;

    #[test]
    fn snapshots_go_to_an_object_store_and_back() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let bucket = Bucket::open("memory:///team/shop", [], runtime.handle().clone()).unwrap();
        let remote = Catalogue::over(Arc::new(bucket));
        let root = tempfile::tempdir().unwrap();
        let (here, there) = (Catalogue::open(root.path().join("a")), Catalogue::open(root.path().join("b")));
        let bytes = noise(1, 36 << 20);
        create(&here, "shop", &[("volume/data", &bytes), ("empty", b"")]);
        let sent = here.push(&name("shop"), &remote, ReceiveOptions::default()).unwrap();
        assert_eq!(sent.added.bytes, 36 << 20);
        let again = here.push(&name("shop"), &remote, ReceiveOptions { replace: true, name: None }).unwrap();
        assert_eq!(again.added, Added::default());
        let taken = here.push(&name("shop"), &remote, ReceiveOptions::default());
        assert!(matches!(taken, Err(SnapshotError::NameTaken { .. })));
        let received = there.pull(&name("shop"), &remote, ReceiveOptions::default()).unwrap();
        assert_eq!(received.manifest, sent.manifest);
        assert!(read(&there, &received.manifest, "volume/data").unwrap() == bytes);
        assert_eq!(remote.verify(&name("shop")).unwrap().streams, 2);
        assert_eq!(create(&remote, "direct", &[("a", &bytes)]).added, Added::default());
        assert!(matches!(remote.collect_garbage(), Err(SnapshotError::Io { what: "lock", .. })));
        remote.remove(&name("direct")).unwrap();
        assert_eq!(remote.list().unwrap().snapshots.len(), 1);
    }

    #[test]
    fn what_is_no_url_of_a_store_is_told_without_its_secrets() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let table = [
            ("nonsense", "not a URL"),
            ("gopher://host/path", "gopher"),
            ("s3://user:hidden@bucket/path", "no user"),
            ("s3://bucket/path?key=hidden", "no user"),
            ("s3://bucket/path", "set AWS_ACCESS_KEY_ID"),
        ];
        for (url, expected) in table {
            let error = Bucket::open(url, [], runtime.handle().clone()).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hidden"), "{error}");
        }
    }
}
