//! Why no subset can be planned.

use crate::data::schema::TableName;
use crate::words::{counted, listed};

/// One thing wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubsetFault {
    /// Nothing says where to begin.
    #[error("no rows are chosen; say which: `--where customers.id in (1, 2)` or `--percent 5`")]
    NoRoots,
    /// A name is no table's.
    #[error("there is no table `{0}`; write it as `schema.table`")]
    UnknownTable(String),
    /// A name is several tables'.
    #[error("`{0}` is a table of several schemas; write it as `schema.table`")]
    AmbiguousTable(String),
    /// A condition names a column that its table does not have.
    #[error("`{table}` has no column `{column}`")]
    UnknownColumn {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// A condition does not begin with a column.
    #[error("`{0}` does not begin with a column such as `customers.id`")]
    NoColumn(String),
    /// A condition is not one SQL expression.
    #[error("the condition `{condition}` {what}")]
    Condition {
        /// The condition.
        condition: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A share is none.
    #[error("`{0}` is no share; needed is a number above 0 and up to 100, such as `5` or `0.5`")]
    Share(String),
    /// A share of a table whose rows cannot be told apart.
    #[error(
        "`{0}` has no primary key and no unique columns without null, so no share of it can be picked the same way twice; choose its rows with `--where`"
    )]
    NoKey(TableName),
    /// A share of everything, where every table refers to another.
    #[error("every table refers to another, so `--percent` does not say of which: write `--percent TABLE=5`")]
    NoStart,
    /// A reference to a table that is not in the schema.
    #[error("`{table}` refers by `{constraint}` to `{target}`, which was not read; read its schema, too")]
    Outside {
        /// The table.
        table: TableName,
        /// The foreign key.
        constraint: String,
        /// The table referred to.
        target: TableName,
    },
    /// A limit for a foreign key that is not there.
    #[error("`{table}` has no foreign key `{constraint}`")]
    UnknownEdge {
        /// The table.
        table: TableName,
        /// The foreign key.
        constraint: String,
    },
}

/// Everything wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the subset has {}:{}", counted(.0.len(), "fault"), listed(.0))]
pub struct SubsetFaults(pub Vec<SubsetFault>);
