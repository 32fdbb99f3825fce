//! Verdicts on migrations, held against a real PostgreSQL: what is undone leaves schema and rows as they were, and what is called
//! additive takes nothing from the rows and columns that were there.

use devcluster::data::postgres::{fingerprint, schema};
use devcluster::handoff::migration::{Dialect, Script, Verdict, judge, worst};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::postgres_server::Database;

/// What was there before: with a trigger that changes what nobody asked it to.
const BEFORE: &str = "
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, note varchar(20), touched int NOT NULL DEFAULT 0);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customers, cents int NOT NULL DEFAULT 0 CHECK (cents >= 0),
  state mood, CONSTRAINT small CHECK (cents < 1000000));
CREATE INDEX orders_customer ON orders (customer);
CREATE VIEW open AS SELECT id FROM orders WHERE state IS NULL;
CREATE SEQUENCE numbers;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.touched = OLD.touched + 1; RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO customers SELECT n, 'c' || n, nullif('n' || n % 3, 'n0') FROM generate_series(1, 40) n;
INSERT INTO orders SELECT n, n % 40 + 1, n * 7, CASE n % 2 WHEN 0 THEN 'ok'::mood END FROM generate_series(1, 200) n;
";

/// What the old code does.
const OLD_CODE: &str = "
BEGIN;
INSERT INTO customers (id, name) VALUES (1000, 'new');
INSERT INTO orders (id, customer, cents) VALUES (1000, 1000, 5);
UPDATE orders SET cents = cents + 1, state = 'sad' WHERE id = 1000;
SELECT o.id, o.customer, o.cents, o.state, c.name, c.note, c.touched FROM orders o JOIN customers c ON c.id = o.customer;
SELECT * FROM open;
SELECT nextval('numbers');
DELETE FROM orders WHERE id = 1000;
ROLLBACK;
";

/// A hash over what was there: its rows by its columns, whatever stands beside them. A name that is gone is told.
const OLD_ROWS: &str = "
SELECT md5(string_agg(concat_ws('|', id, name, coalesce(note, '-'), touched), ',' ORDER BY id)) FROM customers;
SELECT md5(string_agg(concat_ws('|', id, customer, cents, coalesce(state::text, '-')), ',' ORDER BY id)) FROM orders;
SELECT last_value, is_called FROM numbers;
";

/// Statements of which each is undone by what is named for it.
const UNDONE: [&str; 24] = [
    "CREATE TABLE notes (id int PRIMARY KEY, of_order int REFERENCES orders, at timestamptz DEFAULT now())",
    "CREATE TABLE public.copied AS SELECT id, lower(name) AS name FROM customers",
    "ALTER TABLE customers ADD COLUMN mail text",
    "ALTER TABLE ONLY public.customers ADD mail text NOT NULL DEFAULT 'none'",
    "ALTER TABLE customers ADD COLUMN number bigserial",
    "ALTER TABLE customers ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE orders ADD CONSTRAINT positive CHECK (id > 0)",
    "ALTER TABLE orders ADD CONSTRAINT later CHECK (id > 50) NOT VALID",
    "ALTER TABLE orders ADD CONSTRAINT one UNIQUE (id, customer)",
    "ALTER TABLE orders ADD CONSTRAINT known FOREIGN KEY (id) REFERENCES orders (id)",
    "ALTER TABLE orders ALTER COLUMN state DROP NOT NULL, ADD CONSTRAINT k CHECK (cents > -1)",
    "ALTER TABLE customers RENAME TO people",
    "ALTER TABLE public.customers RENAME TO \"People\"",
    "ALTER TABLE customers RENAME COLUMN name TO \"full name\"",
    "ALTER TABLE orders RENAME CONSTRAINT small TO smaller",
    "ALTER INDEX orders_customer RENAME TO by_customer",
    "CREATE INDEX by_state ON public.orders (state) WHERE cents > 5",
    "CREATE UNIQUE INDEX by_both ON orders (customer, id)",
    "CREATE VIEW sad AS SELECT * FROM orders WHERE state = 'sad'",
    "CREATE MATERIALIZED VIEW sums AS SELECT customer, sum(cents) FROM orders GROUP BY customer",
    "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TYPE size AS ENUM ('s', 'm')",
    "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'",
    "CREATE TRIGGER also BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION touch()",
];

fn script(text: &str) -> Script {
    Script { name: "x.sql".into(), text: text.into(), dialect: Dialect::Postgres, stops: true }
}

async fn state(database: &Database) -> (String, String) {
    let server = database.server().await;
    (fingerprint(&schema(&server).await.unwrap()), database.digest())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_undone_leaves_all_as_it_was() {
    let database = Database::new(BEFORE);
    let before = state(&database).await;
    for text in UNDONE {
        let judged = judge(&[script(text)]).remove(0);
        assert!(!worst(&judged).may_lose(), "{text}: {judged:?}");
        database.sql(text);
        if worst(&judged) == Verdict::Additive {
            database
                .try_sql(OLD_CODE)
                .unwrap_or_else(|error| panic!("the old code does not run after {text}: {error}"));
            database.sql("SELECT setval('numbers', 1, false)");
        }
        for one in judged.iter().rev() {
            let undo = one.judgement.undo.as_ref();
            // Of what was nullable before, `DROP NOT NULL` changes nothing, and there is nothing to put back.
            if let Some(undo) = undo.filter(|undo| !undo.ends_with("SET NOT NULL")) {
                database.sql(undo);
            }
        }
        assert_eq!(state(&database).await, before, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_is_widened_is_turned_back() {
    let database = Database::new(BEFORE);
    let before = state(&database).await;
    let first = script(BEFORE);
    for text in [
        "ALTER TABLE orders ALTER COLUMN customer TYPE bigint",
        "ALTER TABLE customers ALTER COLUMN note TYPE varchar(200)",
        "ALTER TABLE customers ALTER COLUMN note SET DATA TYPE text",
    ] {
        let judged = judge(&[first.clone(), script(text)]).remove(1);
        assert_eq!(worst(&judged), Verdict::Undoable, "{text}");
        database.sql(text);
        database.sql(OLD_CODE);
        database.sql("SELECT setval('numbers', 1, false)");
        database.sql(judged[0].judgement.undo.as_ref().unwrap());
        assert_eq!(state(&database).await, before, "{text}");
    }
}

/// Statements of every kind, over the names that are there and some that a script makes.
fn statements() -> impl Strategy<Value = String> {
    let table = prop::sample::select(vec![
        "customers",
        "orders",
        "fresh",
        "other",
        "public.fresh",
        "\"Fresh\"",
        "FRESH",
    ]);
    let column = prop::sample::select(vec!["id", "cents", "note", "extra", "name"]);
    let form = prop::sample::select(vec![
        "CREATE TABLE T (id int, cents int, note text, name text)",
        "CREATE TABLE T (id int, cents int, note text, name text)",
        "CREATE TABLE IF NOT EXISTS T (id int)",
        "CREATE TEMP TABLE T (id int, cents int, name text)",
        "CREATE TABLE T (id int PRIMARY KEY, cents int, note text, name text)",
        "CREATE TABLE T AS SELECT id, id AS cents, note, name FROM customers",
        "DROP TABLE T",
        "DROP TABLE IF EXISTS T CASCADE",
        "ALTER TABLE T ADD COLUMN extra int",
        "ALTER TABLE T ADD COLUMN extra int DEFAULT 7",
        "ALTER TABLE T ADD COLUMN C int REFERENCES fresh ON DELETE CASCADE",
        "ALTER TABLE T ADD COLUMN IF NOT EXISTS C text",
        "ALTER TABLE T DROP COLUMN C",
        "ALTER TABLE T RENAME COLUMN C TO extra",
        "ALTER TABLE T RENAME TO other",
        "ALTER TABLE T RENAME TO fresh",
        "ALTER TABLE T ALTER COLUMN C TYPE bigint USING 3",
        "ALTER TABLE T ALTER COLUMN C SET DEFAULT NULL",
        "ALTER TABLE T ADD CONSTRAINT k CHECK (C IS NOT NULL)",
        "INSERT INTO T (id) VALUES (5000)",
        "INSERT INTO T SELECT id, id, note, name FROM customers ON CONFLICT DO NOTHING",
        "WITH gone AS (DELETE FROM orders RETURNING id) INSERT INTO T (id) SELECT id FROM gone",
        "UPDATE T SET C = NULL",
        "UPDATE T SET id = id + 100000",
        "UPDATE T SET extra = id",
        "DELETE FROM T",
        "DELETE FROM T USING customers WHERE T.id = customers.id",
        "TRUNCATE T",
        "TRUNCATE T CASCADE",
        "CREATE INDEX ON T (C)",
        "CREATE VIEW T AS SELECT id, cents FROM orders",
        "CREATE OR REPLACE VIEW other AS SELECT id FROM T",
        "SELECT nextval('numbers')",
        "SELECT C FROM T",
        "SELECT setval('numbers', 50)",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SET search_path TO public",
        "SET search_path TO pg_temp, public",
        "CREATE TRIGGER g AFTER INSERT ON T FOR EACH ROW EXECUTE FUNCTION sweep()",
        "DO $$ BEGIN DELETE FROM orders; END $$",
        "SELECT sweep_now()",
        "-- DELETE FROM orders;",
        "/* ; */ SELECT ';' ; SELECT 1",
    ]);
    (form, table, column).prop_map(|(form, table, column)| {
        let words = form.split(' ').map(|word| match word {
            "T" => table.to_owned(),
            "C" => column.to_owned(),
            "(C)" => format!("({column})"),
            "(C" => format!("({column}"),
            "T.id" => format!("{table}.id"),
            word => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    })
}

/// What scripts might set off.
const TRAPS: &str = "
CREATE FUNCTION sweep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM orders; RETURN NEW; END $$;
CREATE FUNCTION sweep_now() RETURNS int LANGUAGE sql AS 'DELETE FROM orders; SELECT 1';
";

/// Whatever a script of random statements does, and wherever it fails: if it is called additive, the old rows are all there and the
/// old code runs; if it is called undoable, the rows are there.
#[test]
fn what_is_called_lossless_never_loses() {
    let database = Database::new("");
    let again = format!("DROP SCHEMA public CASCADE; CREATE SCHEMA public; {BEFORE} {TRAPS}");
    database.sql(&again);
    let (rows, mut seen) = (database.sql(OLD_ROWS), (0, 0));
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let seen_at = std::cell::RefCell::new(&mut seen);
    let result = runner.run(&prop::collection::vec(statements(), 1..6), |statements| {
        let text = statements.join(";\n");
        let judged = judge(&[script(&text)]).remove(0);
        let verdict = worst(&judged);
        if verdict.may_lose() {
            return Ok(());
        }
        // A script that fails half way has done the half.
        let ran = database.try_sql(&text);
        if verdict == Verdict::Undoable {
            // Half of a script is undone by half of what undoes it, which nobody knows.
            if ran.is_err() {
                database.sql(&again);
                return Ok(());
            }
            for undo in judged.iter().rev().filter_map(|one| one.judgement.undo.as_ref()) {
                // What the script has taken away again by itself, there is nothing to undo of.
                let _ = database.try_sql(undo);
            }
        }
        let after = database.try_sql(OLD_ROWS);
        let runs = if verdict == Verdict::Additive { database.try_sql(OLD_CODE).map(drop) } else { Ok(()) };
        database.sql(&again);
        let mut seen = seen_at.borrow_mut();
        if ran.is_ok() {
            seen.0 += 1;
        } else {
            seen.1 += 1;
        }
        prop_assert_eq!(after.as_ref(), Ok(&rows), "{}", text);
        prop_assert!(runs.is_ok(), "the old code does not run: {:?}\n{}", runs, text);
        Ok(())
    });
    result.unwrap();
    assert!(seen.0 > 5, "{seen:?}: too few scripts that are called lossless ran to tell anything");
}
