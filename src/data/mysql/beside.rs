//! Databases that stand beside a target: made, looked for and dropped.

use super::connect::Session;
use super::error::MysqlError;
use super::sql::{literal, quoted};
pub(super) use crate::data::beside::Beside;

/// Makes an empty database with the character set of another.
pub(super) async fn create(
    session: &mut Session,
    name: &str,
    like: &str,
    user: &str,
) -> Result<(), MysqlError> {
    let query = format!(
        "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = {}",
        literal(like)
    );
    let found: Option<(String, String)> = session.first(&query, "looking for the database").await?;
    let (charset, collation) = found.unwrap_or(("utf8mb4".to_owned(), "utf8mb4_general_ci".to_owned()));
    let statement = format!("CREATE DATABASE {} CHARACTER SET {charset} COLLATE {collation}", quoted(name));
    let made = session.run(&statement, "making a database beside the target").await;
    made.map_err(|error| {
        if !error.is(&[1044, 1227, 1142]) {
            return error;
        }
        let fix = format!(
            "as root: GRANT ALL ON `devcluster\\_%`.* TO {}; or give root's credentials",
            literal(user)
        );
        MysqlError::Rights { user: user.to_owned(), what: "make a database to load into", fix }
    })
}

/// Whether a database is there.
pub(super) async fn exists(session: &mut Session, name: &str) -> Result<bool, MysqlError> {
    let query = format!("SELECT 1 FROM information_schema.schemata WHERE schema_name = {}", literal(name));
    Ok(session.first::<u8>(&query, "looking for databases").await?.is_some())
}

/// Whether a table is there.
pub(super) async fn has_table(
    session: &mut Session,
    database: &str,
    table: &str,
) -> Result<bool, MysqlError> {
    let query = format!(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = {} AND table_name = {}",
        literal(database),
        literal(table)
    );
    Ok(session.first::<u8>(&query, "looking for tables").await?.is_some())
}

/// Drops a database with all its tables, whatever refers to them.
pub(super) async fn drop_database(session: &mut Session, name: &str) -> Result<(), MysqlError> {
    let task = "dropping a database that is not needed any more";
    session.run("SET foreign_key_checks = 0", task).await?;
    let dropped = session.run(&format!("DROP DATABASE IF EXISTS {}", quoted(name)), task).await;
    session.run("SET foreign_key_checks = 1", task).await?;
    dropped
}
