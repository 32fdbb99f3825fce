//! A database's definitions as pg_dump writes them, run where the server is and so of its version, and what sets sequences.

use std::fmt::Write as _;

use tokio::io::AsyncReadExt;

use super::connect::{Server, Session};
use super::error::{During, PostgresError};
use super::printed;
use super::sql::literal;

/// Bytes of the largest definitions that are taken.
const LARGEST: u64 = 256 << 20;

/// Definitions as SQL.
pub(super) struct Definitions {
    /// What comes before the rows.
    pub(super) pre_data: String,
    /// What comes after them.
    pub(super) post_data: String,
}

/// Runs pg_dump on what a transaction exported.
pub(super) async fn definitions(
    server: &Server,
    snapshot: &str,
    encoding: &str,
) -> Result<Definitions, PostgresError> {
    let pre_data = section(server, "--section=pre-data", snapshot, encoding).await?;
    let post_data = section(server, "--section=post-data", snapshot, encoding).await?;
    Ok(Definitions { pre_data, post_data })
}

async fn section(
    server: &Server,
    section: &str,
    snapshot: &str,
    encoding: &str,
) -> Result<String, PostgresError> {
    let (snapshot, encoding) = (format!("--snapshot={snapshot}"), format!("--encoding={encoding}"));
    let argv = ["pg_dump", "--schema-only", "--no-password", section, &snapshot, &encoding];
    let credentials = server.credentials();
    let environment = [
        ("PGUSER", credentials.user.as_str()),
        ("PGPASSWORD", credentials.password.reveal()),
        ("PGDATABASE", credentials.database.as_str()),
    ];
    let failed = |source| PostgresError::Program { program: "pg_dump", source };
    let output = server.reach().run(&argv, &environment, None).await.map_err(failed)?;
    let mut bytes = Vec::new();
    output.take(LARGEST + 1).read_to_end(&mut bytes).await.map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(failed(std::io::Error::other("its definitions are larger than any that are taken")));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| failed(std::io::Error::other("a definition is not UTF-8: rename what it defines")))?;
    Ok(printed::settled(&lasting(&text)).into_owned())
}

/// Without the lines that differ from one run to the next: psql's commands with random words, and versions.
fn lasting(text: &str) -> String {
    let changes =
        ["\\restrict ", "\\unrestrict ", "-- Dumped from database version", "-- Dumped by pg_dump version"];
    let kept = |line: &&str| !changes.iter().any(|start| line.starts_with(start));
    text.split_inclusive('\n').filter(kept).collect()
}

const SEQUENCES: &str = "
SELECT c.oid::regclass::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1";

const VIEWS: &str = "
SELECT c.oid::regclass::text FROM pg_catalog.pg_class c
WHERE c.relkind = 'm' AND c.relispopulated AND c.relpersistence <> 't' ORDER BY c.oid";

/// What sets sequences as they are, and fills the materialized views that are filled.
pub(super) async fn after(session: &Session) -> Result<String, PostgresError> {
    let task = "reading sequences";
    let names = session.query(SEQUENCES, &[]).await.during(task)?;
    let parts = names.iter().map(|row| row.get::<_, &str>(0));
    let parts: Vec<String> =
        parts.map(|name| format!("SELECT {}, last_value, is_called FROM {name}", literal(name))).collect();
    let mut text = String::new();
    if !parts.is_empty() {
        for row in session.query(&parts.join(" UNION ALL "), &[]).await.during(task)? {
            let (name, last, called): (&str, i64, bool) = (row.get(0), row.get(1), row.get(2));
            let _ = writeln!(text, "SELECT pg_catalog.setval({}, {last}, {called});", literal(name));
        }
    }
    for row in session.query(VIEWS, &[]).await.during("reading views")? {
        let _ = writeln!(text, "REFRESH MATERIALIZED VIEW {};", row.get::<_, &str>(0));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_runs_is_left_out() {
        let text = "--\n\\restrict a1B\n-- Dumped from database version 15.9\nSELECT 1;\n\\unrestrict a1B\n";
        assert_eq!(lasting(text), "--\nSELECT 1;\n");
    }
}
