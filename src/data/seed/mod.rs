//! seed.yaml: which tables get how many rows, and how each column's values are made. Planned from a schema, edited by people,
//! read back with every fault at once.

mod column;
mod fault;
mod model;
mod node;
mod plan;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use fault::{SeedFault, SeedFaults};
pub use model::{ColumnSeed, Coupling, FanOut, Make, Rows, Seed, Series, Spread, States, TableSeed};
pub use plan::{PlanOptions, plan};
pub use read::read;

pub(in crate::data) use fault::Faults;
pub(in crate::data) use node::{Reader, get};
pub(in crate::data) use write::{quoted as yaml_quoted, text as yaml_text};
