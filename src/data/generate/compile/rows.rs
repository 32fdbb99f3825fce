//! How many rows each table gets: counts, and ratios to other tables followed to a count.

use crate::data::generate::error::Faults;
use crate::data::schema::{Schema, TableName};
use crate::data::seed::{Rows, Seed};

/// More rows than this are not counted: indexes that are embedded in values have 48 bits.
pub(in crate::data) const MOST_ROWS: u64 = 1 << 40;

/// Rows by table, in the schema's order; 0 for tables that the seed does not name.
pub(super) fn rows(schema: &Schema, seed: &Seed, faults: &mut Faults) -> Vec<u64> {
    schema.tables.iter().map(|table| resolve(&table.name, seed, faults, &mut Vec::new())).collect()
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn resolve(table: &TableName, seed: &Seed, faults: &mut Faults, on_the_way: &mut Vec<TableName>) -> u64 {
    let Some(found) = seed.tables.get(table) else { return 0 };
    let rows = match &found.rows {
        Rows::Count(rows) => *rows,
        Rows::Per { table: of, ratio } => {
            if on_the_way.contains(of) || of == table {
                faults.add(
                    table,
                    "per",
                    "tables take their rows from each other in a circle",
                    "give one of them `rows`",
                );
                return 0;
            }
            on_the_way.push(table.clone());
            let of = resolve(of, seed, faults, on_the_way);
            on_the_way.pop();
            // Within 2^40 the product is exact enough; beyond it the cast ends at the largest number.
            libm::ceil(of as f64 * ratio) as u64
        }
    };
    if rows > MOST_ROWS {
        faults.add(table, "rows", format!("{rows} rows are more than 2^40"), "lower `rows` or `ratio`");
        return 0;
    }
    rows
}
