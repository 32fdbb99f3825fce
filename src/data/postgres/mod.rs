//! The PostgreSQL store: reads its catalogue, loads synthetic rows, dumps and restores snapshots, and resets in an instant.
//! All of it is all or nothing, whenever it is killed, and takes the same memory whatever the size.

mod catalogue;
mod catalogue_queries;
mod connect;
mod copies;
mod copy_in;
mod database_settings;
mod databases;
mod dump;
mod dump_definitions;
mod dump_moment;
mod dump_rows;
mod error;
mod exclusive;
mod fingerprint;
mod learn;
mod learn_queries;
mod load;
mod part;
mod printed;
mod rebuild;
mod reset;
mod restore;
mod restore_definitions;
mod sequences;
mod spread;
pub(in crate::data) mod sql;
mod statements;
mod streams;
mod types;

pub use super::password::Password;
pub use super::pristine::{CopyCost, ResetCost};
pub use super::progress::{OnProgress, Progress};
pub use super::relational::{DumpOptions, DumpedTable, LoadedTable, RestoreOptions};
pub use catalogue::schema;
pub use connect::{Credentials, NEWEST, OLDEST, Server};
pub use dump::{DumpReport, dump};
pub use error::{PostgresError, ServerFault};
pub use fingerprint::{Moved, fingerprint, moved};
pub use learn::learn;
pub use load::{LoadOptions, LoadReport, load};
pub use part::{Share, load_share};
pub use reset::{ResetReport, keep_pristine, prepare_spare, reset, reset_cost};
pub use restore::{RestoreReport, restore, snapshot_schema};
pub use spread::{Spread, SpreadReport};
