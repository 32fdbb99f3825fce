//! A socket of this user alone that leads to a store, for client libraries that open their connections themselves.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;

use super::reach::Reach;

/// The way in: what connects to its socket is connected to the store's port. It closes, with all connections, when dropped.
pub struct Gate {
    /// Readable by this user alone, as the standard library's documentation of `TempDir` promises.
    directory: TempDir,
    _serving: JoinSet<()>,
}

impl Gate {
    /// Opens it.
    pub fn open(reach: Arc<dyn Reach>) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("devcluster-").tempdir()?;
        let listener = UnixListener::bind(socket(directory.path()))?;
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, reach));
        Ok(Self { directory, _serving: serving })
    }

    /// The socket.
    pub fn path(&self) -> PathBuf {
        socket(self.directory.path())
    }
}

/// As [`Gate`], on a port of this machine's loopback, for protocols that treat a socket and a network otherwise. Every user of the
/// machine may connect to it while it is open: only for stores that ask for a password.
pub struct Port {
    number: u16,
    _serving: JoinSet<()>,
}

impl Port {
    /// Opens a free one.
    pub async fn open(reach: Arc<dyn Reach>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let number = listener.local_addr()?.port();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                while open.try_join_next().is_some() {}
                open.spawn(pass(near, reach.clone()));
            }
        });
        Ok(Self { number, _serving: serving })
    }

    /// The port.
    pub fn number(&self) -> u16 {
        self.number
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("store.sock")
}

async fn serve(listener: UnixListener, reach: Arc<dyn Reach>) {
    let mut open = JoinSet::new();
    // A client sees a failure as a connection that closes; it tries again or says so.
    while let Ok((near, _)) = listener.accept().await {
        while open.try_join_next().is_some() {}
        open.spawn(pass(near, reach.clone()));
    }
}

async fn pass(mut near: impl AsyncRead + AsyncWrite + Unpin, reach: Arc<dyn Reach>) {
    if let Ok(mut far) = reach.dial().await {
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    }
}
