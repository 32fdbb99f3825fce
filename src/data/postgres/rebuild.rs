//! What is taken off tables while they are loaded, and put back after: foreign keys, indexes, triggers. Sorting once is much
//! faster than growing an index row by row, and a foreign key is checked by one join.

use std::fmt::Write as _;

use tokio_postgres::Row;

use super::connect::Session;
use super::error::{During, PostgresError};
use super::sql::literal;

/// Statements that take things off and put them back.
#[derive(Debug, Default)]
pub(super) struct Rebuild {
    off: Vec<String>,
    /// Each with what it makes.
    back: Vec<(String, String)>,
}

/// Foreign keys of these tables and to them.
const FOREIGN_KEYS: &str = "
SELECT o.conrelid::regclass::text, quote_ident(o.conname), pg_catalog.pg_get_constraintdef(o.oid),
  pg_catalog.obj_description(o.oid, 'pg_constraint')
FROM pg_catalog.pg_constraint o
WHERE o.contype = 'f' AND o.conparentid = 0 AND (o.conrelid = ANY ($1) OR o.confrelid = ANY ($1))
ORDER BY 1, 2";

/// Indexes that can be made again exactly as they are: none that a view, a replica identity, a clustering, a comment or
/// another tablespace hangs on.
const INDEXES: &str = "
SELECT i.indrelid::regclass::text, quote_ident(c.relname), i.indexrelid::regclass::text, pg_catalog.pg_get_indexdef(i.indexrelid),
  quote_ident(o.conname), pg_catalog.pg_get_constraintdef(o.oid)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_constraint o ON o.conindid = i.indexrelid AND o.contype IN ('p', 'u', 'x')
WHERE i.indrelid = ANY ($1) AND i.indisvalid AND NOT i.indisreplident AND NOT i.indisclustered AND c.reltablespace = 0
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = i.indexrelid)
  AND pg_catalog.obj_description(i.indexrelid, 'pg_class') IS NULL
  AND (o.oid IS NULL OR pg_catalog.obj_description(o.oid, 'pg_constraint') IS NULL)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype = 'n' AND (
      d.refclassid = 'pg_catalog.pg_constraint'::regclass AND d.refobjid = o.oid
      OR d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = i.indexrelid AND d.classid <> 'pg_catalog.pg_constraint'::regclass))
ORDER BY o.contype IS DISTINCT FROM 'p', 1, 2";

/// Triggers of users that are on.
const TRIGGERS: &str = "
SELECT t.tgrelid::regclass::text, quote_ident(t.tgname), t.tgenabled::text FROM pg_catalog.pg_trigger t
WHERE t.tgrelid = ANY ($1) AND NOT t.tgisinternal AND t.tgenabled <> 'D'
  AND coalesce((to_jsonb(t) ->> 'tgparentid')::oid, 0) = 0
ORDER BY 1, 2";

const TASK: &str = "reading indexes, constraints and triggers";

impl Rebuild {
    /// Plans it for all the tables' triggers and foreign keys, and for the indexes of some of them.
    pub(super) async fn plan(
        session: &Session,
        tables: &[u32],
        large: &[u32],
    ) -> Result<Self, PostgresError> {
        let mut rebuild = Self::default();
        for row in session.query(TRIGGERS, &[&tables]).await.during(TASK)? {
            rebuild.trigger(&row);
        }
        let keys = session.query(FOREIGN_KEYS, &[&tables]).await.during(TASK)?;
        let indexes = session.query(INDEXES, &[&large]).await.during(TASK)?;
        rebuild.off.extend(keys.iter().map(|row| drop_constraint(row.get(0), row.get(1))));
        for row in &indexes {
            rebuild.index(row);
        }
        for row in &keys {
            rebuild.foreign_key(row);
        }
        Ok(rebuild)
    }

    /// Takes all off.
    pub(super) async fn take_off(&self, session: &Session) -> Result<(), PostgresError> {
        session.batch_execute(&self.off.join(";\n")).await.during("taking indexes and foreign keys off")
    }

    /// Puts all back, which checks every constraint.
    pub(super) async fn put_back(
        &self,
        session: &Session,
        on_step: impl Fn(&str),
    ) -> Result<(), PostgresError> {
        for (what, statement) in &self.back {
            on_step(what);
            session.batch_execute(statement).await.during_shown(what)?;
        }
        Ok(())
    }

    fn trigger(&mut self, row: &Row) {
        let (table, name, enabled): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let enable = match enabled {
            "R" => "ENABLE REPLICA",
            "A" => "ENABLE ALWAYS",
            _ => "ENABLE",
        };
        self.off.push(format!("ALTER TABLE {table} DISABLE TRIGGER {name}"));
        self.back.push((
            format!("trigger {name} of {table}"),
            format!("ALTER TABLE {table} {enable} TRIGGER {name}"),
        ));
    }

    fn index(&mut self, row: &Row) {
        let (table, name, full, definition): (&str, &str, &str, &str) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        if let (Some(constraint), Some(definition)) =
            (row.get::<_, Option<&str>>(4), row.get::<_, Option<&str>>(5))
        {
            self.off.push(drop_constraint(table, constraint));
            let add = format!("ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition}");
            self.back.push((format!("constraint {constraint} of {table}"), add));
            return;
        }
        self.off.push(format!("DROP INDEX {full}"));
        // Of a partitioned table's index the definition speaks of the parent alone; all partitions are to have it.
        let definition =
            definition.replacen(&format!("INDEX {name} ON ONLY "), &format!("INDEX {name} ON "), 1);
        self.back.push((format!("index {name} of {table}"), definition));
    }

    fn foreign_key(&mut self, row: &Row) {
        let (table, name, definition): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let mut add = format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}");
        if let Some(comment) = row.get::<_, Option<&str>>(3) {
            let _ = write!(add, "; COMMENT ON CONSTRAINT {name} ON {table} IS {}", literal(comment));
        }
        self.back.push((format!("foreign key {name} of {table}"), add));
    }
}

fn drop_constraint(table: &str, name: &str) -> String {
    format!("ALTER TABLE {table} DROP CONSTRAINT {name}")
}
