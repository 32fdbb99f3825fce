//! The MySQL and MariaDB store: reads its catalogue, loads synthetic rows, dumps and restores snapshots, and resets in an
//! instant. New tables are made in databases beside and take the old ones' places by one RENAME TABLE.

mod beside;
mod catalogue;
mod catalogue_queries;
mod columns;
mod connect;
mod copies;
mod definitions;
mod dump;
mod dump_moment;
mod dump_rows;
mod error;
mod exclusive;
mod learn;
mod learn_queries;
mod load;
mod load_data;
mod make;
mod partitions;
mod reset;
mod reshape;
mod restore;
mod row;
pub(in crate::data) mod sql;
mod streams;
mod swap;
mod types;

pub use super::password::Password;
pub use super::pristine::{CopyCost, ResetCost};
pub use super::progress::{OnProgress, Progress};
pub use super::relational::{DumpOptions, DumpedTable, LoadedTable, RestoreOptions};
pub use catalogue::schema;
pub use connect::{Credentials, Flavour, OLDEST_MARIADB, OLDEST_MYSQL, Server};
pub use dump::{DumpReport, dump};
pub use error::{MysqlError, ServerFault};
pub use learn::learn;
pub use load::{LoadOptions, LoadReport, load};
pub use reset::{ResetReport, keep_pristine, prepare_spare, reset, reset_cost};
pub use restore::{RestoreReport, restore, snapshot_schema};
