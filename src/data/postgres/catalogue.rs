//! Reads a live database's catalogue into a [`Schema`].

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::catalogue_queries::{COLUMNS, CONSTRAINTS, TABLES, TYPES, UNIQUE_INDEXES};
use super::connect::{Server, Session};
use super::error::{During, PostgresError};
use super::printed;
use super::types::Types;
use crate::data::schema::{
    Column, ForeignKey, Made, PartitionBy, Partitioning, Schema, Table, TableName, Unique,
};

const TASK: &str = "reading the catalogue";

/// Reads all tables of a database, and the types they use, as they are at one moment.
pub async fn schema(server: &Server) -> Result<Schema, PostgresError> {
    let session = server.session().await?;
    session.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await.during(TASK)?;
    let schema = schema_in(&session).await?;
    session.batch_execute("COMMIT").await.during(TASK)?;
    Ok(schema)
}

/// As [`schema`], within a transaction that is open.
pub(in crate::data) async fn schema_in(session: &Session) -> Result<Schema, PostgresError> {
    let tables = session.query(TABLES, &[]).await.during(TASK)?;
    let ids: Vec<u32> = tables.iter().map(|row| row.get(0)).collect();
    let of_tables: [&(dyn ToSql + Sync); 1] = [&ids];
    let (columns, constraints, indexes, types) = futures::try_join!(
        session.query(COLUMNS, &of_tables),
        session.query(CONSTRAINTS, &of_tables),
        session.query(UNIQUE_INDEXES, &of_tables),
        session.query(TYPES, &[]),
    )
    .during(TASK)?;
    let mut types = Types::new(&types);
    let mut found = Found::new(&tables);
    for row in &columns {
        found.column(row, &mut types);
    }
    for row in &constraints {
        found.constraint(row);
    }
    for row in &indexes {
        found.unique(row.get(0), Unique { columns: row.get(1), nulls_not_distinct: row.get(2) });
    }
    let tables = found.order.iter().filter_map(|id| found.tables.remove(id)).collect();
    Ok(Schema { tables, enums: types.enums, domains: types.domains })
}

/// Tables by their numbers.
struct Found {
    order: Vec<u32>,
    names: HashMap<u32, TableName>,
    tables: HashMap<u32, Table>,
}

impl Found {
    fn new(rows: &[Row]) -> Self {
        let names: HashMap<u32, TableName> = rows
            .iter()
            .map(|row| (row.get(0), TableName::new(row.get::<_, String>(1), row.get::<_, String>(2))))
            .collect();
        let table = |row: &Row| {
            let id: u32 = row.get(0);
            let parent = row.get::<_, Option<u32>>(7).and_then(|parent| names.get(&parent).cloned());
            let table = Table {
                name: names.get(&id)?.clone(),
                columns: Vec::new(),
                primary_key: Vec::new(),
                uniques: Vec::new(),
                foreign_keys: Vec::new(),
                checks: BTreeMap::new(),
                partitioning: partitioning(row),
                inherits: parent,
                rows: u64::try_from(row.get::<_, i64>(3)).unwrap_or(0),
            };
            Some((id, table))
        };
        let order = rows.iter().map(|row| row.get(0)).collect();
        Self { order, tables: rows.iter().filter_map(table).collect(), names }
    }

    fn column(&mut self, row: &Row, types: &mut Types) {
        let Some(table) = self.tables.get_mut(&row.get(0)) else { return };
        let (identity, generated): (String, String) = (row.get(6), row.get(7));
        let made = match (generated.as_str(), identity.as_str()) {
            ("", "a") => Made::IdentityAlways,
            ("", "d") => Made::Sequence,
            ("", _) if row.get(8) => Made::Sequence,
            ("", _) => Made::Plain,
            _ => Made::Generated,
        };
        table.columns.push(Column {
            name: row.get(1),
            kind: types.resolve(row.get(2), row.get(3), row.get(9)),
            not_null: row.get(4),
            default: row.get(5),
            made,
        });
    }

    fn constraint(&mut self, row: &Row) {
        let (id, name, kind, columns): (u32, String, String, Vec<String>) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        match kind.as_str() {
            "u" => self.unique(id, Unique { columns, nulls_not_distinct: row.get(7) }),
            "p" => {
                if let Some(table) = self.tables.get_mut(&id) {
                    table.primary_key = columns;
                }
            }
            "f" => {
                let Some(target) = self.names.get(&row.get(4)).cloned() else { return };
                let key = ForeignKey { name, columns, table: target, references: row.get(5) };
                if let Some(table) = self.tables.get_mut(&id) {
                    table.foreign_keys.push(key);
                }
            }
            _ => {
                if let (Some(table), Some(check)) =
                    (self.tables.get_mut(&id), row.get::<_, Option<String>>(6))
                {
                    table.checks.insert(name, printed::settled(&check).into_owned());
                }
            }
        }
    }

    fn unique(&mut self, id: u32, unique: Unique) {
        let Some(table) = self.tables.get_mut(&id) else { return };
        if table.primary_key != unique.columns && !table.uniques.contains(&unique) {
            table.uniques.push(unique);
        }
    }
}

fn partitioning(row: &Row) -> Option<Partitioning> {
    let by = match row.get::<_, Option<String>>(4)?.as_str() {
        "r" => PartitionBy::Range,
        "l" => PartitionBy::List,
        _ => PartitionBy::Hash,
    };
    Some(Partitioning { by, columns: row.get(5), bounds: row.get(6) })
}
