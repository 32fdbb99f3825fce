//! Runs pg_dump's definitions in a new database: what comes before the rows one by one, indexes and constraints at once.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;

use futures::future::try_join_all;
use tokio::sync::Notify;
use tokio_postgres::error::SqlState;

use super::connect::Session;
use super::databases::{Known, known};
use super::error::{During, PostgresError};
use super::sql::{literal, quoted};
use super::statements::{statements, words};
use crate::data::mask::lock;

/// Makes the database that is filled, with the target's owner, encoding and locale where there is a target.
pub(super) async fn create_database(
    session: &Session,
    target: &str,
    name: &str,
    encoding: &str,
) -> Result<(), PostgresError> {
    let options = match known(session, target).await? {
        Some(target) => like(session, &target).await?,
        None if encoding == "SQL_ASCII" => {
            "ENCODING = 'SQL_ASCII' LC_COLLATE = 'C' LC_CTYPE = 'C'".to_owned()
        }
        None => String::new(),
    };
    let statement = format!("CREATE DATABASE {} TEMPLATE = template0 {options}", quoted(name));
    session.batch_execute(&statement).await.during("creating the database to load into")
}

/// The options that make a database like another.
async fn like(session: &Session, target: &Known) -> Result<String, PostgresError> {
    let query = "SELECT d.datcollate::text, d.datctype::text, to_jsonb(d) ->> 'datlocprovider', \
         coalesce(to_jsonb(d) ->> 'daticulocale', to_jsonb(d) ->> 'datlocale'), \
         CASE WHEN d.dattablespace <> z.dattablespace THEN quote_ident(t.spcname) END \
         FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace \
         JOIN pg_catalog.pg_database z ON z.datname = 'template0' WHERE d.oid = $1";
    let row = session.query_one(query, &[&target.id]).await.during("reading the database's locale")?;
    let mut options = vec![
        format!("OWNER = {}", quoted(&target.owner)),
        format!("ENCODING = {}", literal(&target.encoding)),
        format!("LC_COLLATE = {}", literal(row.get(0))),
        format!("LC_CTYPE = {}", literal(row.get(1))),
    ];
    // Naming the usual one would take a right that few users have.
    if let Some(tablespace) = row.get::<_, Option<&str>>(4) {
        options.push(format!("TABLESPACE = {tablespace}"));
    }
    match (row.get::<_, Option<&str>>(2), row.get::<_, Option<&str>>(3)) {
        (Some("i"), Some(locale)) => {
            options.push(format!("LOCALE_PROVIDER = icu ICU_LOCALE = {}", literal(locale)));
        }
        (Some("b"), Some(locale)) => {
            options.push(format!("LOCALE_PROVIDER = builtin BUILTIN_LOCALE = {}", literal(locale)));
        }
        _ => {}
    }
    Ok(options.join(" "))
}

/// Statements that ran, and what was left out of them.
#[derive(Debug, Default)]
pub(super) struct Script {
    left_out: BTreeMap<String, usize>,
}

/// A statement that others may run beside, and the tables that none of those may touch.
struct Task {
    sql: String,
    tables: Vec<String>,
    what: String,
}

/// When a statement of `post-data.sql` runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Index,
    Attach,
    ForeignKey,
    Rest,
}

impl Script {
    /// Runs statements in their order.
    pub(super) async fn run(&mut self, session: &Session, text: &str) -> Result<(), PostgresError> {
        for statement in statements(text) {
            self.one(session, statement).await?;
        }
        Ok(())
    }

    /// What was left out, one line a role or reason.
    pub(super) fn notes(self) -> Vec<String> {
        self.left_out
            .into_iter()
            .map(|(reason, count)| {
                format!("{} left out: {reason}", crate::words::counted(count, "statement"))
            })
            .collect()
    }

    async fn one(&mut self, session: &Session, statement: &str) -> Result<(), PostgresError> {
        match session.batch_execute(statement).await.during(summary(statement)) {
            Err(PostgresError::Server { fault, .. }) if may_fail(statement, &fault.code) => {
                *self.left_out.entry(fault.message.clone()).or_default() += 1;
                Ok(())
            }
            done => done,
        }
    }

    /// Runs what comes after the rows: indexes and keys first, then foreign keys, each on as many sessions as there are.
    pub(super) async fn post_data(
        &mut self,
        sessions: &[Session],
        text: &str,
        on_step: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<(), PostgresError> {
        let Some(first) = sessions.first() else { return Ok(()) };
        let mut settings: BTreeMap<String, String> = BTreeMap::new();
        let mut phases: BTreeMap<Phase, Vec<Task>> = BTreeMap::new();
        for statement in statements(text) {
            if let Some(name) = setting(statement) {
                // Settings of later versions are unknown to earlier servers.
                if first.batch_execute(statement).await.is_ok() {
                    settings.insert(name.to_owned(), statement.to_owned());
                }
                continue;
            }
            let (phase, tables) = phase(statement);
            let before: String = settings.values().flat_map(|setting| [setting.as_str(), ";\n"]).collect();
            let task = Task { sql: format!("{before}{statement}"), tables, what: summary(statement) };
            phases.entry(phase).or_default().push(task);
        }
        for (phase, tasks) in phases {
            match phase {
                Phase::Index | Phase::ForeignKey => at_once(sessions, tasks, on_step).await?,
                Phase::Attach | Phase::Rest => {
                    for task in tasks {
                        self.one(first, &task.sql).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// What a statement is called in messages: its first line, without values.
fn summary(statement: &str) -> String {
    let line = statement
        .lines()
        .find(|line| !line.starts_with("SET ") && !line.starts_with("SELECT pg_catalog.set_config"))
        .unwrap_or_default();
    let end = line.find(" IS '").unwrap_or(line.len());
    line.get(..end).unwrap_or(line).chars().take(120).collect()
}

/// Whether a statement may be left out for what the server answers: roles that it does not have, settings that it does not
/// know, remarks on what belongs to a superuser.
fn may_fail(statement: &str, code: &str) -> bool {
    // Settings may stand before it.
    let statement = statements(statement).last().copied().unwrap_or_default();
    let words = words(statement, 64);
    let starts = |start: &[&str]| words.starts_with(start);
    let owns = starts(&["ALTER"]) && words.windows(2).any(|pair| pair == ["OWNER", "TO"]);
    let grants = starts(&["GRANT"]) || starts(&["REVOKE"]) || starts(&["ALTER", "DEFAULT", "PRIVILEGES"]);
    if code == SqlState::UNDEFINED_OBJECT.code() {
        return owns || grants || starts(&["CREATE", "POLICY"]) || starts(&["SET"]);
    }
    code == SqlState::INSUFFICIENT_PRIVILEGE.code()
        && (owns || grants || starts(&["COMMENT", "ON", "EXTENSION"]))
}

/// The setting that a statement sets.
fn setting(statement: &str) -> Option<&str> {
    match words(statement, 4)[..] {
        ["SET", name, ..] | ["SELECT", "pg_catalog.set_config", "(", name, ..] => Some(name),
        _ => None,
    }
}

/// When a statement runs, and which tables it locks.
fn phase(statement: &str) -> (Phase, Vec<String>) {
    let words = words(statement, 400);
    let after = |what: &str| {
        let at = words.iter().position(|word| *word == what)?;
        let next = *words.get(at + 1)?;
        if next == "ONLY" { words.get(at + 2).copied() } else { Some(next) }
    };
    let owned =
        |names: &[Option<&str>]| names.iter().flatten().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    match words[..] {
        ["CREATE", "INDEX", ..] | ["CREATE", "UNIQUE", "INDEX", ..] => (Phase::Index, owned(&[after("ON")])),
        ["ALTER", "INDEX", _, "ATTACH", ..] => (Phase::Attach, Vec::new()),
        ["ALTER", "TABLE", ..] if words.contains(&"ADD") && words.contains(&"CONSTRAINT") => {
            let table = after("TABLE");
            if words.windows(2).any(|pair| pair == ["FOREIGN", "KEY"]) {
                return (Phase::ForeignKey, owned(&[table, after("REFERENCES")]));
            }
            // Checks that are not yet valid come here too, and disturb nobody.
            (Phase::Index, owned(&[table]))
        }
        _ => (Phase::Rest, Vec::new()),
    }
}

/// Runs statements on all sessions, never two at once on the same table: locks taken in another order would be deadlocks.
async fn at_once(
    sessions: &[Session],
    tasks: Vec<Task>,
    on_step: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), PostgresError> {
    let shared = Mutex::new((tasks, HashSet::<String>::new()));
    let freed = Notify::new();
    let take = || {
        let (pending, busy) = &mut *lock(&shared);
        let free = pending.iter().position(|task| !task.tables.iter().any(|table| busy.contains(table)));
        let task = free.map(|at| pending.remove(at));
        busy.extend(task.iter().flat_map(|task| task.tables.clone()));
        (task, pending.is_empty())
    };
    let work = sessions.iter().map(async |session| {
        loop {
            let mut wake = std::pin::pin!(freed.notified());
            // From here on it is woken, though it does not wait yet.
            wake.as_mut().enable();
            match take() {
                (Some(task), _) => {
                    on_step(&task.what);
                    session.batch_execute(&task.sql).await.during(&task.what)?;
                    lock(&shared).1.retain(|table| !task.tables.contains(table));
                    freed.notify_waiters();
                }
                (None, true) => return Ok::<_, PostgresError>(()),
                (None, false) => wake.await,
            }
        }
    });
    try_join_all(work).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_know_their_turn_and_tables() {
        for (statement, expected, tables) in [
            (
                "CREATE UNIQUE INDEX x ON public.\"a b\" USING btree (c)",
                Phase::Index,
                &["public.\"a b\""][..],
            ),
            ("CREATE INDEX x ON ONLY public.p USING btree (c)", Phase::Index, &["public.p"]),
            (
                "ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id)",
                Phase::Index,
                &["public.t"],
            ),
            ("ALTER INDEX public.p_pkey ATTACH PARTITION public.p1_pkey", Phase::Attach, &[]),
            (
                "ALTER TABLE ONLY public.t\n    ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.u(id)",
                Phase::ForeignKey,
                &["public.t", "public.u"],
            ),
            (
                "ALTER TABLE public.p\n    ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.u(id)",
                Phase::ForeignKey,
                &["public.p", "public.u"],
            ),
            (
                "CREATE TRIGGER t BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.f()",
                Phase::Rest,
                &[],
            ),
            ("ALTER TABLE ONLY public.t REPLICA IDENTITY USING INDEX x", Phase::Rest, &[]),
        ] {
            let (found, locked) = phase(statement);
            assert_eq!(
                (found, locked),
                (expected, tables.iter().map(|name| (*name).to_owned()).collect()),
                "{statement}"
            );
        }
    }

    #[test]
    fn only_roles_settings_and_remarks_may_fail() {
        for (statement, code, expected) in [
            ("ALTER TABLE public.t OWNER TO app", "42704", true),
            ("SET a = b;\nGRANT SELECT ON TABLE public.t TO app", "42704", true),
            ("SET transaction_timeout = 0", "42704", true),
            ("COMMENT ON EXTENSION plpgsql IS 'x'", "42501", true),
            ("CREATE TABLE t (a b.c)", "42704", false),
            ("ALTER TABLE public.t OWNER TO app", "42P01", false),
        ] {
            assert_eq!(may_fail(statement, code), expected, "{statement}");
        }
        assert_eq!(setting("SELECT pg_catalog.set_config('search_path', '', false)"), Some("'search_path'"));
        assert_eq!(summary("SET a = b;\nCOMMENT ON TABLE t IS 'secret'"), "COMMENT ON TABLE t");
    }
}
