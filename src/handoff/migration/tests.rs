//! Statements and what is said of them.

use super::script::{Dialect, Script, judge};
use super::verdict::{Judgement, Verdict, worst};

fn script(text: &str, dialect: Dialect, stops: bool) -> Script {
    Script { name: "x.sql".into(), text: text.into(), dialect, stops }
}

fn of(text: &str, dialect: Dialect) -> Vec<Judgement> {
    judge(&[script(text, dialect, true)]).remove(0).into_iter().map(|one| one.judgement).collect()
}

fn verdict(text: &str, dialect: Dialect) -> Verdict {
    worst(&judge(&[script(text, dialect, true)]).remove(0))
}

/// Each statement of a list, one a line, has this verdict.
fn all(list: &str, dialect: Dialect, wanted: Verdict) {
    let lines = list.lines().map(str::trim).filter(|line| !line.is_empty());
    let wrong: Vec<String> = lines
        .filter(|line| verdict(line, dialect) != wanted)
        .map(|line| format!("{line}: {:?}", of(line, dialect)))
        .collect();
    assert!(wrong.is_empty(), "not {wanted:?}:\n{}", wrong.join("\n"));
}

#[test]
fn postgres_statements_that_add_are_additive() {
    all(
        "CREATE TABLE t (id bigint PRIMARY KEY, of_t bigint REFERENCES t, at timestamptz DEFAULT now(), n int DEFAULT nextval('s'))
        CREATE TABLE IF NOT EXISTS t (id int)
        CREATE TEMP TABLE t (id int)
        CREATE TABLE t AS SELECT id, lower(name) FROM s
        ALTER TABLE t ADD COLUMN c text
        ALTER TABLE t ADD COLUMN c text NOT NULL DEFAULT 'x', ADD d int
        ALTER TABLE t ADD COLUMN c bigint GENERATED ALWAYS AS IDENTITY
        ALTER TABLE t ADD COLUMN c serial NOT NULL
        ALTER TABLE t VALIDATE CONSTRAINT k
        CREATE INDEX i ON t (a)
        CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t USING gin (a) WHERE b IS NULL
        CREATE VIEW v AS SELECT * FROM t
        CREATE MATERIALIZED VIEW v AS SELECT count(*) FROM t
        CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ DELETE FROM t RETURNING 1 $$
        CREATE TYPE mood AS ENUM ('sad', 'ok')
        CREATE DOMAIN d AS text CHECK (value <> '')
        CREATE SEQUENCE s
        CREATE SCHEMA s
        CREATE EXTENSION IF NOT EXISTS pgcrypto
        GRANT SELECT ON t TO reader
        SELECT 1
        SELECT pg_advisory_xact_lock(727)
        BEGIN
        COMMIT
        SET lock_timeout = '2s'
        SET search_path TO shop
        LOCK TABLE t IN SHARE MODE
        ANALYZE t
        -- nothing at all
        /* ; DROP TABLE t; */",
        Dialect::Postgres,
        Verdict::Additive,
    );
}

#[test]
fn what_the_old_code_would_meet_is_undoable() {
    all(
        "ALTER TABLE t RENAME TO u
        ALTER TABLE t RENAME COLUMN a TO b
        ALTER TABLE t RENAME CONSTRAINT a TO b
        ALTER INDEX a RENAME TO b
        ALTER TABLE t ADD COLUMN c text NOT NULL
        ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID
        ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)
        ALTER TABLE t ADD PRIMARY KEY (a)
        ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u (b)
        ALTER TABLE t ALTER COLUMN a SET NOT NULL
        ALTER TABLE t ALTER COLUMN a DROP NOT NULL
        ALTER TABLE t ENABLE ROW LEVEL SECURITY
        CREATE UNIQUE INDEX i ON t (a)
        CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()
        ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'",
        Dialect::Postgres,
        Verdict::Undoable,
    );
}

#[test]
fn what_loses_rows_values_or_definitions_is_one_way() {
    all(
        "DROP TABLE t
        DROP TABLE IF EXISTS t
        DROP SCHEMA s CASCADE
        DROP INDEX i
        DROP VIEW v
        DROP FUNCTION f(int)
        DROP TYPE mood
        DROP TRIGGER g ON t
        ALTER TABLE t DROP COLUMN c
        ALTER TABLE t DROP CONSTRAINT k
        ALTER TABLE t ADD COLUMN c text, DROP COLUMN d
        ALTER TABLE t ALTER COLUMN a TYPE int
        ALTER TABLE t ALTER COLUMN a TYPE int USING a::int
        ALTER TABLE t ALTER COLUMN a SET DEFAULT 1
        ALTER TABLE t ALTER COLUMN a DROP DEFAULT
        ALTER TABLE t OWNER TO o
        ALTER TYPE mood ADD VALUE 'happy'
        CREATE OR REPLACE VIEW v AS SELECT 1
        CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'
        COMMENT ON TABLE t IS 'x'
        INSERT INTO t VALUES (1)
        INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = excluded.a
        UPDATE t SET a = 1
        DELETE FROM t
        TRUNCATE t
        COPY t FROM STDIN
        SELECT nextval('s')
        REVOKE ALL ON t FROM reader
        PREPARE p AS DELETE FROM t
        EXPLAIN ANALYZE DELETE FROM t
        WITH gone AS (DELETE FROM t RETURNING *) SELECT count(*) FROM gone
        CREATE TABLE u AS WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone
        MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET a = 1",
        Dialect::Postgres,
        Verdict::OneWay,
    );
}

#[test]
fn what_cannot_be_told_is_unknown() {
    all(
        "DO $$ BEGIN DROP TABLE t; END $$
        CALL p()
        SELECT do_everything()
        SELECT * FROM do_everything()
        SELECT shop.lower(a) FROM t
        EXECUTE p
        CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING
        ALTER SYSTEM SET wal_level = 'minimal'
        ALTER TABLE t DISABLE TRIGGER ALL
        ALTER TABLE t ADD COLUMN c text DEFAULT do_everything()
        COPY t TO PROGRAM 'rm -rf /'
        gibberish
        CREATE TABLE ${schema}.t (id int)
        \\i more.sql
        \\copy t from 'x.csv'
        \\! rm x
        SELECT 'DROP TABLE t' \\gexec",
        Dialect::Postgres,
        Verdict::Unknown,
    );
}

#[test]
fn mysql_statements() {
    all(
        "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, KEY k (id)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
        ALTER TABLE t ADD COLUMN c varchar(10) NULL AFTER b, ADD INDEX i (c)
        ALTER TABLE `t` ADD COLUMN `c` int NOT NULL DEFAULT 0
        SET FOREIGN_KEY_CHECKS = 0
        SET @old = 1
        SET NAMES utf8mb4
        # DROP TABLE t
        /* DROP TABLE t */",
        Dialect::MySql,
        Verdict::Additive,
    );
    all(
        "RENAME TABLE a TO b
        ALTER TABLE t RENAME COLUMN a TO b
        ALTER TABLE t ADD UNIQUE KEY u (a)
        ALTER TABLE t ADD COLUMN c int NOT NULL",
        Dialect::MySql,
        Verdict::Undoable,
    );
    all(
        "ALTER TABLE t MODIFY COLUMN a bigint
        ALTER TABLE t CHANGE a b int
        ALTER TABLE t DROP COLUMN a
        ALTER TABLE t DROP INDEX i
        ALTER TABLE t DROP FOREIGN KEY k
        REPLACE INTO t VALUES (1)
        INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 2
        TRUNCATE TABLE t
        DROP DATABASE d
        /*!40000 DROP TABLE t */
        SET GLOBAL max_connections = 1",
        Dialect::MySql,
        Verdict::OneWay,
    );
    for text in ["source more.sql", "LOAD DATA INFILE 'x' INTO TABLE t", "SET PASSWORD FOR a = 'b'"] {
        assert!(verdict(text, Dialect::MySql).may_lose(), "{text}: {:?}", of(text, Dialect::MySql));
    }
}

#[test]
fn a_script_may_do_as_it_likes_with_what_it_made() {
    all(
        "CREATE TABLE t (id int); INSERT INTO t VALUES (1); UPDATE t SET id = 2; DELETE FROM t; ALTER TABLE t DROP COLUMN id; DROP TABLE t
        CREATE TABLE T (id int); INSERT INTO t SELECT id FROM old; ALTER TABLE t RENAME TO u; TRUNCATE u
        CREATE TABLE t (id int); COPY t FROM stdin;
        ALTER TABLE t ADD COLUMN c text; ALTER TABLE t ALTER COLUMN c SET DEFAULT 'x'; ALTER TABLE t DROP COLUMN c
        CREATE INDEX i ON t (a); DROP INDEX i
        CREATE VIEW v AS SELECT 1; CREATE OR REPLACE VIEW v AS SELECT 2; DROP VIEW v",
        Dialect::Postgres,
        Verdict::Additive,
    );
    all(
        "CREATE TABLE IF NOT EXISTS t (id int); DELETE FROM t
        CREATE TABLE t (id int); DROP TABLE t; DROP TABLE t
        CREATE TABLE t (id int); SET search_path TO other; DELETE FROM t
        CREATE TABLE t (id int); ROLLBACK; DELETE FROM t
        CREATE TABLE \"T\" (id int); DELETE FROM t
        CREATE TABLE t (id int); ALTER TABLE old ADD COLUMN c int REFERENCES t ON DELETE CASCADE; DELETE FROM t
        CREATE TABLE t (id int); CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); INSERT INTO t VALUES (1)
        CREATE TABLE t PARTITION OF old DEFAULT; DELETE FROM t
        CREATE TABLE t (id int); ALTER TABLE t ATTACH PARTITION old DEFAULT; TRUNCATE t
        CREATE TABLE t (id int); DROP TABLE t CASCADE
        CREATE TABLE t (id int); WITH x AS (DELETE FROM old RETURNING *) INSERT INTO t SELECT id FROM x
        ALTER TABLE t ADD COLUMN c text; UPDATE t SET c = a",
        Dialect::Postgres,
        Verdict::OneWay,
    );
    let text = "CREATE TABLE t (id int); INSERT INTO t VALUES (1)";
    let unstopped = judge(&[script(text, Dialect::Postgres, false)]).remove(0);
    assert_eq!(worst(&unstopped), Verdict::OneWay, "the table may have been there");
    let stopped = format!("\\set ON_ERROR_STOP on\n{text}");
    assert_eq!(worst(&judge(&[script(&stopped, Dialect::Postgres, false)]).remove(0)), Verdict::Additive);
}

#[test]
fn files_pass_types_on_and_nothing_else() {
    let first = script(
        "CREATE TABLE t (a int, b varchar(10), c numeric(8,2), d timestamptz)",
        Dialect::Postgres,
        true,
    );
    let second =
        |text: &str| worst(&judge(&[first.clone(), script(text, Dialect::Postgres, true)]).remove(1));
    assert_eq!(second("ALTER TABLE t ALTER COLUMN a TYPE bigint"), Verdict::Undoable);
    assert_eq!(second("ALTER TABLE t ALTER b TYPE text, ALTER c TYPE numeric(10,2)"), Verdict::Undoable);
    for narrower in [
        "a TYPE smallint",
        "b TYPE varchar(5)",
        "c TYPE numeric(8,1)",
        "d TYPE date",
        "a TYPE bigint USING a + 1",
    ] {
        assert_eq!(second(&format!("ALTER TABLE t ALTER COLUMN {narrower}")), Verdict::OneWay, "{narrower}");
    }
    assert_eq!(second("DELETE FROM t"), Verdict::OneWay);
}

#[test]
fn what_undoes_it_and_what_breaks_are_named_without_values() {
    let found = of("ALTER TABLE shop.orders ADD COLUMN note text NOT NULL", Dialect::Postgres).remove(0);
    assert_eq!(found.undo.as_deref(), Some("ALTER TABLE shop.orders DROP COLUMN note"));
    assert!(found.breaks.is_some_and(|why| why.contains("note")));
    let found = of("ALTER TABLE shop.orders RENAME TO purchases", Dialect::Postgres).remove(0);
    assert_eq!(found.undo.as_deref(), Some("ALTER TABLE shop.purchases RENAME TO orders"));
    for text in [
        "INSERT INTO t VALUES ('hunter2')",
        "UPDATE t SET a = 'hunter2'",
        "CREATE ROLE r PASSWORD 'hunter2'",
        "ALTER ROLE r PASSWORD 'hunter2'",
        "DO 'hunter2'",
        "SELECT hunter2()",
    ] {
        let said = format!("{:?}", of(text, Dialect::Postgres));
        assert!(!said.contains("hunter2'"), "{said}");
    }
}

#[test]
fn settings_that_change_how_strings_are_read_end_the_reading() {
    assert_eq!(
        verdict("SET standard_conforming_strings = off; SELECT 1", Dialect::Postgres),
        Verdict::Unknown
    );
    assert_eq!(
        verdict("SET standard_conforming_strings = on; SELECT 1", Dialect::Postgres),
        Verdict::Additive
    );
    assert_eq!(verdict("SET sql_mode = 'ANSI_QUOTES'; SELECT 1", Dialect::MySql), Verdict::Unknown);
}
