//! A way to a store that leads nowhere.

use std::io;

use async_trait::async_trait;
use devcluster::data::reach::{Connection, Output, Reach};
use tokio::io::AsyncRead;

/// A store of this name that nobody reaches.
pub struct Nowhere(pub &'static str);

#[async_trait]
impl Reach for Nowhere {
    async fn dial(&self) -> io::Result<Box<dyn Connection>> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }

    async fn run(
        &self,
        _: &[&str],
        _: &[(&str, &str)],
        _: Option<Box<dyn AsyncRead + Send + Unpin>>,
    ) -> io::Result<Output> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }

    fn name(&self) -> &'static str {
        self.0
    }
}
