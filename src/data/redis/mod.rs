//! The Redis and Valkey store: dumps what the server's own fork sees at one moment, and restores it beside the data that is
//! there before the two change places. No file is made on the server's side.

mod connect;
mod dump;
mod entry;
mod error;
mod handshake;
mod load;
mod payload;
mod progress;
mod rdb;
mod restore;
mod scan;
mod sort;
mod spare;
mod streams;
mod value;
mod wire;

pub use super::password::Password;
pub use connect::{Flavour, Server};
pub use dump::{DumpOptions, DumpReport, Moment, dump, dump_with};
pub use error::{RdbError, RedisError};
pub use progress::{OnProgress, Progress};
pub use restore::{RestoreReport, Way, restore};

#[cfg(test)]
mod rdb_tests;
