//! The MySQL and MariaDB store: reads its catalogue, loads synthetic rows, dumps and restores snapshots, and resets in an
//! instant. New tables are made in databases beside and take the old ones' places by one RENAME TABLE.

mod catalogue;
mod catalogue_queries;
mod connect;
mod error;
mod partitions;
mod progress;
mod sql;
mod types;

pub use catalogue::schema;
pub use connect::{Credentials, Flavour, OLDEST_MARIADB, OLDEST_MYSQL, Password, Server};
pub use error::{MysqlError, ServerFault};
pub use progress::{OnProgress, Progress};
