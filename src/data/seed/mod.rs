//! seed.yaml: which tables get how many rows, and how each column's values are made. Planned from a schema, edited by people,
//! read back with every fault at once.

mod model;

pub use model::{ColumnSeed, Coupling, FanOut, Make, Rows, Seed, Series, Spread, States, TableSeed};
