//! Makes views, routines, triggers and events, and brings a database's own to what is wanted.

use super::connect::Session;
use super::definitions::{Definition, Kind, others};
use super::error::MysqlError;
use super::sql::{literal, quoted};

const TASK: &str = "setting up for a definition";

/// Makes definitions in the session's database; what needs another that comes later is tried again.
pub(super) async fn make(session: &mut Session, definitions: &[Definition]) -> Result<(), MysqlError> {
    let mut open: Vec<&Definition> = definitions.iter().collect();
    let done = async {
        while !open.is_empty() {
            let (mut left, mut first) = (Vec::new(), None);
            for definition in &open {
                match one(session, definition).await {
                    Ok(()) => {}
                    Err(error @ MysqlError::Server { .. }) => {
                        left.push(*definition);
                        first.get_or_insert(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            if let (Some(error), true) = (first, left.len() == open.len()) {
                return Err(error);
            }
            open = left;
        }
        Ok(())
    };
    let done = done.await;
    session
        .run("SET NAMES utf8mb4, SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'", TASK)
        .await?;
    done
}

async fn one(session: &mut Session, definition: &Definition) -> Result<(), MysqlError> {
    let Definition { kind, name, sql_mode, charset, collation, .. } = definition;
    // What the text is sent in: another character set would not mean the same bytes.
    let (charset, collation) = if charset.starts_with("utf8") && is_word(collation) && is_word(charset) {
        (charset.as_str(), format!(" COLLATE {collation}"))
    } else {
        ("utf8mb4", String::new())
    };
    let zone = definition.time_zone.as_deref().unwrap_or("+00:00");
    let settings = format!(
        "SET NAMES {charset}{collation}, SESSION sql_mode = {}, time_zone = {}",
        literal(sql_mode),
        literal(zone)
    );
    session.run(&settings, TASK).await?;
    session.run(&definition.statement, &format!("making {} `{name}`", kind.word().to_lowercase())).await
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Brings the views, routines, triggers and events of the session's database to what is wanted. What is as wanted already is
/// not touched, so it can be done again after it was interrupted.
pub(super) async fn settle(
    session: &mut Session,
    database: &str,
    wanted: &[Definition],
) -> Result<(), MysqlError> {
    let mut now = others(session, database).await?;
    now.sort_by_key(|definition| definition.kind);
    let mut kept = Vec::new();
    for definition in now {
        if wanted.contains(&definition) {
            kept.push(definition);
        } else {
            remove(session, &definition).await?;
        }
    }
    // Triggers of one table fire in the order in which they were made: all of them are made again where one is missing.
    let missing = |definition: &&Definition| !kept.contains(definition);
    if wanted.iter().any(|definition| definition.kind == Kind::Trigger && missing(&definition)) {
        for trigger in kept.iter().filter(|definition| definition.kind == Kind::Trigger) {
            remove(session, trigger).await?;
        }
        kept.retain(|definition| definition.kind != Kind::Trigger);
    }
    let open: Vec<Definition> =
        wanted.iter().filter(|definition| !kept.contains(definition)).cloned().collect();
    make(session, &open).await
}

/// Drops what a definition made.
pub(super) async fn remove(session: &mut Session, definition: &Definition) -> Result<(), MysqlError> {
    let word = definition.kind.word();
    let statement = format!("DROP {word} IF EXISTS {}", quoted(&definition.name));
    session.run(&statement, &format!("dropping {} `{}`", word.to_lowercase(), definition.name)).await
}
