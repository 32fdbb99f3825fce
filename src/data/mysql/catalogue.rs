//! Reads a live database's catalogue into a [`Schema`].

use std::collections::{BTreeMap, HashMap};

use super::catalogue_queries::{
    CHECKS_MARIADB, CHECKS_MYSQL, COLUMNS, FOREIGN_KEYS, PARTITIONS, TABLES, UNIQUES,
};
use super::connect::{Flavour, Server, Session};
use super::error::MysqlError;
use super::partitions::{Partition, partitioning};
use super::sql::literal;
use super::types::{Kind, Types};
use crate::data::schema::{Column, ForeignKey, Made, Schema, Table, TableName, Unique};

const TASK: &str = "reading the catalogue";

/// Reads all tables of a database, and the types they use.
pub async fn schema(server: &Server) -> Result<Schema, MysqlError> {
    let mut session = server.session().await?;
    schema_in(&mut session, server.flavour(), server.database()).await
}

/// As [`schema`], by a session that is open.
pub(super) async fn schema_in(
    session: &mut Session,
    flavour: Flavour,
    database: &str,
) -> Result<Schema, MysqlError> {
    let text = literal(database);
    let query = |query: &str| query.replace("{DATABASE}", &text);
    let tables: Vec<(String, u64)> = session.rows(&query(TABLES), TASK).await?;
    let columns: Vec<ColumnRow> = session.rows(&query(COLUMNS), TASK).await?;
    let uniques: Vec<(String, String, Option<String>, Option<u64>)> =
        session.rows(&query(UNIQUES), TASK).await?;
    let keys: Vec<(String, String, String, String, String, String)> =
        session.rows(&query(FOREIGN_KEYS), TASK).await?;
    let checks = if flavour == Flavour::MariaDb { CHECKS_MARIADB } else { CHECKS_MYSQL };
    let checks: Vec<(String, String, String)> = session.rows(&query(checks), TASK).await?;
    let partitions: Vec<(String, String, Option<String>, Option<String>)> =
        session.rows(&query(PARTITIONS), TASK).await?;
    let mut found = Found::new(database, tables);
    for (table, name, check) in checks {
        // MySQL prints `_utf8mb4\'a\'`.
        let check = if flavour == Flavour::MySql { check.replace("\\'", "'") } else { check };
        found.check(&table, name, check);
    }
    let mut types = Types::default();
    for column in columns {
        found.column(column, &mut types);
    }
    found.uniques(uniques);
    for (table, name, column, schema, other, references) in keys {
        found.key(&table, name, column, TableName::new(schema, other), references);
    }
    found.partitions(partitions);
    let tables = found.order.iter().filter_map(|name| found.tables.remove(name)).collect();
    Ok(Schema { tables, enums: types.enums, domains: types.domains })
}

type ColumnRow = (String, String, String, String, String, Option<String>, String, Option<String>, bool);

/// Tables by their names.
struct Found {
    database: String,
    order: Vec<String>,
    tables: HashMap<String, Table>,
}

impl Found {
    fn new(database: &str, rows: Vec<(String, u64)>) -> Self {
        let table = |(name, rows): &(String, u64)| Table {
            name: TableName::new(database, name),
            columns: Vec::new(),
            primary_key: Vec::new(),
            uniques: Vec::new(),
            foreign_keys: Vec::new(),
            checks: BTreeMap::new(),
            partitioning: None,
            inherits: None,
            rows: *rows,
        };
        let tables = rows.iter().map(|row| (row.0.clone(), table(row))).collect();
        Self {
            database: database.to_owned(),
            order: rows.into_iter().map(|(name, _)| name).collect(),
            tables,
        }
    }

    fn check(&mut self, table: &str, name: String, check: String) {
        if let Some(table) = self.tables.get_mut(table) {
            table.checks.insert(name, check);
        }
    }

    fn column(&mut self, row: ColumnRow, types: &mut Types) {
        let (table, name, data, full, nullable, default, extra, collation, in_key) = row;
        let Some(found) = self.tables.get_mut(&table) else { return };
        let extra = extra.to_ascii_uppercase();
        let json = format!("json_valid(`{}`)", name.replace('`', "``"));
        let is_json = found.checks.values().any(|check| *check == json);
        found.checks.retain(|_, check| *check != json);
        let kind = Kind {
            data: &data,
            full: &full,
            place: format!("{}.{table}.{name}", self.database),
            folds: in_key && collation.is_some_and(|collation| collation.contains("_ci")),
            counts: extra.contains("AUTO_INCREMENT"),
            is_json,
        };
        let generated = ["VIRTUAL GENERATED", "STORED GENERATED", "PERSISTENT"];
        let made = if generated.iter().any(|word| extra.contains(word)) {
            Made::Generated
        } else if extra.contains("AUTO_INCREMENT") {
            Made::Sequence
        } else {
            Made::Plain
        };
        let kind = types.resolve(&kind);
        let default = default.filter(|default| default != "NULL");
        found.columns.push(Column { name, kind, not_null: nullable == "NO", default, made });
    }

    /// Indexes over plain columns; those over a part of a text or an expression say nothing about whole values.
    fn uniques(&mut self, rows: Vec<(String, String, Option<String>, Option<u64>)>) {
        let mut indexes: BTreeMap<(String, String), Option<Vec<String>>> = BTreeMap::new();
        for (table, index, column, part) in rows {
            let columns = indexes.entry((table, index)).or_insert_with(|| Some(Vec::new()));
            match (columns.as_mut(), column, part) {
                (Some(columns), Some(column), None) => columns.push(column),
                _ => *columns = None,
            }
        }
        for ((table, index), columns) in indexes {
            let (Some(table), Some(columns)) = (self.tables.get_mut(&table), columns) else { continue };
            if index == "PRIMARY" {
                table.primary_key = columns;
            } else {
                table.uniques.push(Unique { columns, nulls_not_distinct: false });
            }
        }
    }

    fn key(&mut self, table: &str, name: String, column: String, target: TableName, references: String) {
        let Some(table) = self.tables.get_mut(table) else { return };
        match table.foreign_keys.last_mut().filter(|key| key.name == name) {
            Some(key) => {
                key.columns.push(column);
                key.references.push(references);
            }
            None => table.foreign_keys.push(ForeignKey {
                name,
                columns: vec![column],
                table: target,
                references: vec![references],
            }),
        }
    }

    fn partitions(&mut self, rows: Vec<(String, String, Option<String>, Option<String>)>) {
        let mut by_table: BTreeMap<String, Vec<Partition>> = BTreeMap::new();
        for (table, method, expression, description) in rows {
            let expression = expression.unwrap_or_default();
            by_table.entry(table).or_default().push(Partition { method, expression, description });
        }
        for (name, partitions) in by_table {
            if let Some(table) = self.tables.get_mut(&name) {
                table.partitioning = partitioning(&partitions);
            }
        }
    }
}
