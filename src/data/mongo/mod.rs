//! The MongoDB store, and what speaks its protocol: dumps and restores snapshots, resets in an instant, and loads synthetic
//! documents. What is new is made beside what is there, in hidden collections, and put in place by renames that a journal
//! in the server makes all or nothing: killed at any moment, the next command goes on or takes back.

mod connect;
mod definition;
mod document;
mod dump;
mod error;
mod exclusive;
mod fill;
mod infer;
mod json_schema;
mod load;
mod masked_value;
mod masking;
mod moment;
mod namespaces;
mod paths;
mod place;
mod read;
mod reset;
mod restore;
mod rows;
mod shapes;
mod state;
mod streams;

pub use super::password::Password;
pub use super::pristine::{CopyCost, ResetCost};
pub use super::progress::{OnProgress, Progress};
pub use connect::{Credentials, Flavour, Server};
pub use dump::{DumpOptions, DumpReport, DumpedCollection, dump};
pub use error::MongoError;
pub use infer::infer;
pub use load::{LoadReport, LoadedCollection, load};
pub use masking::Masking;
pub use namespaces::{Collection, CollectionKind};
pub use paths::paths;
pub use reset::{ResetReport, keep_pristine, prepare_spare, reset, reset_cost};
pub use restore::{RestoreReport, restore};
pub use shapes::Shapes;

#[cfg(test)]
mod fixture;
