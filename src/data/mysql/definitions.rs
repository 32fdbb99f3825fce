//! What makes a database's tables and all that is not rows, as the server's own SHOW CREATE tells it, without the users that
//! defined it: they need not be there where it is made again.

use serde::{Deserialize, Serialize};

use super::connect::{Flavour, Session};
use super::error::MysqlError;
use super::sql::{literal, quoted};

/// What makes a database, but for its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definitions {
    /// Tables, ordered by name.
    pub(super) tables: Vec<TableDefinition>,
    /// Sequences, which MariaDB has.
    pub(super) sequences: Vec<Sequence>,
    /// All else, in an order in which triggers can be made.
    pub(super) others: Vec<Definition>,
}

/// What makes a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableDefinition {
    /// Its name.
    pub(super) name: String,
    /// `CREATE TABLE …`, with where its AUTO_INCREMENT stands.
    pub(super) statement: String,
}

/// What makes a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sequence {
    /// Its name.
    pub(super) name: String,
    /// `CREATE SEQUENCE …`.
    pub(super) statement: String,
    /// The first value that nobody was promised.
    pub(super) next: i64,
}

/// What a definition makes, in the order in which they are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Trigger,
    Event,
    View,
    Procedure,
    Function,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Trigger => "TRIGGER",
            Self::Event => "EVENT",
            Self::View => "VIEW",
            Self::Procedure => "PROCEDURE",
            Self::Function => "FUNCTION",
        }
    }
}

/// What makes a view, routine, trigger or event, and the session's settings that belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definition {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) statement: String,
    /// Empty for views, whose text says all.
    pub(super) sql_mode: String,
    pub(super) charset: String,
    pub(super) collation: String,
    /// Of events.
    pub(super) time_zone: Option<String>,
}

const TASK: &str = "reading definitions";

impl Definitions {
    /// Reads all of a database. The session must be in it: names of its own tables are told without it then.
    pub(super) async fn read(
        session: &mut Session,
        flavour: Flavour,
        database: &str,
    ) -> Result<Self, MysqlError> {
        let tables = names(session, database, "table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')").await?;
        let mut found = Self::default();
        for name in tables {
            let statement = without_database(&create(session, "TABLE", &name, 1).await?, database);
            found.tables.push(TableDefinition { name, statement });
        }
        if flavour == Flavour::MariaDb {
            for name in names(session, database, "table_type = 'SEQUENCE'").await? {
                let statement = create(session, "SEQUENCE", &name, 1).await?;
                let query = format!("SELECT next_not_cached_value FROM {}", quoted(&name));
                let next = session.first::<i64>(&query, TASK).await?.unwrap_or(1);
                found.sequences.push(Sequence { name, statement, next });
            }
        }
        found.others = others(session, database).await?;
        Ok(found)
    }
}

/// Views, routines, triggers and events of a database, in which the session must be.
pub(super) async fn others(session: &mut Session, database: &str) -> Result<Vec<Definition>, MysqlError> {
    let mut found = Vec::new();
    for name in names(session, database, "table_type = 'VIEW'").await? {
        let row = shown(session, "VIEW", &name).await?;
        found.push(Definition {
            kind: Kind::View,
            statement: undefined(&text(&row, 1)),
            sql_mode: String::new(),
            charset: text(&row, 2),
            collation: text(&row, 3),
            time_zone: None,
            name,
        });
    }
    let query = format!(
        "SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = {} \
         AND routine_type IN ('PROCEDURE', 'FUNCTION') ORDER BY 1, BINARY routine_name",
        literal(database)
    );
    for (kind, name) in session.rows::<(String, String)>(&query, TASK).await? {
        let row = shown(session, &kind, &name).await?;
        let statement = text(&row, 2);
        if statement.is_empty() {
            return Err(MysqlError::Mismatch(format!(
                "{} `{name}` cannot be read by this user; give the credentials of one who may see its body (root)",
                kind.to_lowercase()
            )));
        }
        found.push(Definition {
            kind: if kind == "PROCEDURE" { Kind::Procedure } else { Kind::Function },
            statement: undefined(&statement),
            sql_mode: text(&row, 1),
            charset: text(&row, 3),
            collation: text(&row, 4),
            time_zone: None,
            name,
        });
    }
    found.extend(triggers(session, database).await?);
    let query = format!(
        "SELECT event_name FROM information_schema.events WHERE event_schema = {} ORDER BY BINARY event_name",
        literal(database)
    );
    for name in session.rows::<String>(&query, TASK).await? {
        let row = shown(session, "EVENT", &name).await?;
        found.push(Definition {
            kind: Kind::Event,
            statement: undefined(&text(&row, 3)),
            sql_mode: text(&row, 1),
            charset: text(&row, 4),
            collation: text(&row, 5),
            time_zone: Some(text(&row, 2)),
            name,
        });
    }
    Ok(found)
}

/// A trigger as the catalogue has it.
type TriggerRow = (String, String, String, String, String, String, String, String);

/// Triggers, in the order in which they fire. Their texts are put together anew: the one that was given may name another
/// database.
async fn triggers(session: &mut Session, database: &str) -> Result<Vec<Definition>, MysqlError> {
    let query = format!(
        "SELECT trigger_name, action_timing, event_manipulation, event_object_table, action_statement, sql_mode, \
         character_set_client, collation_connection FROM information_schema.triggers WHERE trigger_schema = {} \
         ORDER BY BINARY event_object_table, action_timing, event_manipulation, action_order",
        literal(database)
    );
    let rows: Vec<TriggerRow> = session.rows(&query, TASK).await?;
    let read = |(name, timing, event, table, body, sql_mode, charset, collation): TriggerRow| Definition {
        kind: Kind::Trigger,
        statement: format!(
            "CREATE TRIGGER {} {timing} {event} ON {} FOR EACH ROW {body}",
            quoted(&name),
            quoted(&table)
        ),
        sql_mode,
        charset,
        collation,
        time_zone: None,
        name,
    };
    Ok(rows.into_iter().map(read).collect())
}

async fn names(session: &mut Session, database: &str, which: &str) -> Result<Vec<String>, MysqlError> {
    let query = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = {} AND {which} ORDER BY BINARY table_name",
        literal(database)
    );
    session.rows(&query, TASK).await
}

async fn create(session: &mut Session, kind: &str, name: &str, column: usize) -> Result<String, MysqlError> {
    Ok(text(&shown(session, kind, name).await?, column))
}

async fn shown(session: &mut Session, kind: &str, name: &str) -> Result<mysql_async::Row, MysqlError> {
    let query = format!("SHOW CREATE {kind} {}", quoted(name));
    let row: Option<mysql_async::Row> = session.first(&query, TASK).await?;
    row.ok_or(MysqlError::Stopped("reading definitions"))
}

fn text(row: &mysql_async::Row, column: usize) -> String {
    let bytes = match row.as_ref(column) {
        Some(mysql_async::Value::Bytes(bytes)) => bytes.as_slice(),
        _ => &[],
    };
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a default that counts by a sequence begins with.
pub(super) const NEXT_VALUE: &str = "DEFAULT nextval(";

/// A table's definition in which defaults name their sequences without the database that is their own, which MariaDB always tells.
fn without_database(statement: &str, database: &str) -> String {
    statement.replace(&format!("{NEXT_VALUE}{}.`", quoted(database)), &format!("{NEXT_VALUE}`"))
}

/// As a table's definition is made beside: its defaults count by the target's sequences, for they are told where they are.
pub(super) fn within(statement: &str, target: &str) -> String {
    let Some((_, first)) = statement.split_once(&format!("{NEXT_VALUE}`")) else {
        return statement.to_owned();
    };
    // One of another database names it still.
    let names_own = first.split_once('`').is_some_and(|(_, after)| after.starts_with(')'));
    let own = format!("{NEXT_VALUE}{}.`", quoted(target));
    if names_own { statement.replace(&format!("{NEXT_VALUE}`"), &own) } else { statement.to_owned() }
}

/// A statement without its `DEFINER=`user`@`host``: whoever makes it anew defines it.
pub(super) fn undefined(statement: &str) -> String {
    let Some((before, after)) = statement.split_once("DEFINER=") else { return statement.to_owned() };
    // Before it stand only words of the statement: it is not some text of its body.
    if before.contains(['`', '(', '\'', '"']) {
        return statement.to_owned();
    }
    let name = |text: &str| {
        let mut rest = text.strip_prefix('`')?;
        loop {
            let (_, after) = rest.split_once('`')?;
            match after.strip_prefix('`') {
                Some(again) => rest = again,
                None => return Some(after.to_owned()),
            }
        }
    };
    let rest = name(after).and_then(|rest| match rest.strip_prefix('@') {
        Some(host) => name(host),
        None => Some(rest),
    });
    rest.map_or_else(|| statement.to_owned(), |rest| format!("{before}{}", rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_named_where_they_will_be() {
        let shown = "  `v` int(11) DEFAULT nextval(`shop`.`s`),";
        let kept = without_database(shown, "shop");
        assert_eq!(kept, "  `v` int(11) DEFAULT nextval(`s`),");
        assert_eq!(within(&kept, "other"), "  `v` int(11) DEFAULT nextval(`other`.`s`),");
        assert_eq!(within(shown, "other"), shown);
    }

    #[test]
    fn no_user_is_named() {
        for (statement, expected) in [
            (
                "CREATE ALGORITHM=UNDEFINED DEFINER=`a``b`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1",
                "CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `v` AS select 1",
            ),
            ("CREATE DEFINER=`role` PROCEDURE `p`()\nselect 1", "CREATE PROCEDURE `p`()\nselect 1"),
            (
                "CREATE PROCEDURE `p`() select 'DEFINER=`a`@`b`'",
                "CREATE PROCEDURE `p`() select 'DEFINER=`a`@`b`'",
            ),
        ] {
            assert_eq!(undefined(statement), expected);
        }
    }
}
