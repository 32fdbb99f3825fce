//! How a store is reached, whichever way: the stores' own code knows neither cluster nor network.

use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection to a store's port.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// A program's standard output as it comes; reading it to its end fails where the program failed.
pub type Output = Box<dyn AsyncRead + Send + Unpin>;

/// Reaches one store.
#[async_trait]
pub trait Reach: Send + Sync {
    /// A new connection to its port.
    async fn dial(&self) -> io::Result<Box<dyn Connection>>;

    /// Starts a program where the store's own programs are (its container, or this machine for a store named by an address) and
    /// gives what it writes. Secrets go in `environment`, never in `argv`.
    async fn run(
        &self,
        argv: &[&str],
        environment: &[(&str, &str)],
        input: Option<Box<dyn AsyncRead + Send + Unpin>>,
    ) -> io::Result<Output>;

    /// What it is called in messages: `PostgreSQL shop/orders-db`.
    fn name(&self) -> &str;
}
