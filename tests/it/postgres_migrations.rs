//! Verdicts on migrations, held against a real PostgreSQL: what is undone leaves schema and rows as they were, and what is called
//! additive takes nothing from the rows and columns that were there.

use devcluster::handoff::migration::Dialect;

use super::migrations_judged::{System, forms};
use super::postgres_server::Database;

/// What was there before: with a trigger that changes what nobody asked it to.
const BEFORE: &str = "
CREATE SCHEMA other;
CREATE TABLE other.things (id int);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, note varchar(20), touched int NOT NULL DEFAULT 0);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customers, cents int NOT NULL DEFAULT 0 CHECK (cents >= 0),
  state mood, CONSTRAINT small CHECK (cents < 1000000));
CREATE INDEX orders_customer ON orders (customer);
CREATE VIEW open AS SELECT id FROM orders WHERE state IS NULL;
CREATE SEQUENCE numbers;
CREATE FUNCTION one(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
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
SELECT pg_get_viewdef('open'::regclass), pg_get_indexdef('orders_customer'::regclass), pg_get_functiondef('one(text)'::regprocedure);
SELECT count(*) FROM other.things;
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

/// All definitions that a statement may change, and all rows.
fn state(database: &Database) -> String {
    let definitions = "
        SELECT n.nspname, c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
          WHERE n.nspname IN ('public', 'other') AND c.relkind <> 'i' ORDER BY 1, 2, a.attnum;
        SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'other') ORDER BY 1;
        SELECT conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2;
        SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1;
        SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1;
        SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1;
        SELECT t.typname, e.enumlabel FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid ORDER BY 1, e.enumsortorder;
        SELECT nspname FROM pg_namespace ORDER BY 1;";
    format!("{}\n{}", database.sql(definitions), database.digest())
}

fn with(test: impl FnOnce(&System<'_>)) {
    let database = Database::new("");
    let again = "DROP SCHEMA public CASCADE; DROP SCHEMA IF EXISTS other CASCADE; DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA public;";
    let system = System {
        dialect: Dialect::Postgres,
        run: &|statements| database.try_sql(statements),
        again: format!("{again} {BEFORE} {TRAPS}"),
        declared: BEFORE.into(),
        old_code: OLD_CODE,
        // The old code moved it on.
        mend: "SELECT setval('numbers', 1, false)",
        old: OLD_ROWS,
        state: &|| state(&database),
    };
    test(&system);
}

#[test]
fn what_is_undone_leaves_all_as_it_was() {
    with(|system| {
        system.is_undone(&UNDONE);
        system.is_undone(&[
            "ALTER TABLE orders ALTER COLUMN customer TYPE bigint",
            "ALTER TABLE customers ALTER COLUMN note TYPE varchar(200)",
            "ALTER TABLE customers ALTER COLUMN note SET DATA TYPE text",
        ]);
    });
}

#[test]
fn what_undoes_a_script_finds_the_names_that_it_needs() {
    with(|system| {
        system.is_undone_as_a_whole(&[
            "ALTER TABLE customers RENAME TO people; CREATE TABLE customers (id int PRIMARY KEY); INSERT INTO customers VALUES (7)",
            "ALTER TABLE customers RENAME TO people; CREATE TABLE later (id int); ALTER TABLE later RENAME TO customers",
            "ALTER TABLE customers RENAME TO people; CREATE TABLE customers (id int); DROP TABLE customers",
            "ALTER TABLE customers RENAME TO people; CREATE VIEW customers AS SELECT * FROM people",
            "ALTER TABLE customers RENAME COLUMN note TO remark; ALTER TABLE customers ADD COLUMN note int",
            "ALTER TABLE customers RENAME COLUMN note TO remark; ALTER TABLE customers RENAME TO people; ALTER TABLE people ADD COLUMN note int",
            "ALTER INDEX orders_customer RENAME TO by_customer; CREATE INDEX orders_customer ON orders (cents)",
            "ALTER INDEX orders_customer RENAME TO by_customer; CREATE TABLE orders_customer (id int)",
            "ALTER TYPE mood RENAME TO temper; CREATE TYPE mood AS ENUM ('x')",
            "ALTER TABLE customers ADD COLUMN mail int NOT NULL DEFAULT 0 CHECK (mail >= 0); CREATE VIEW mails AS SELECT mail FROM customers",
            "ALTER TABLE orders ADD CONSTRAINT one UNIQUE (id, customer); CREATE TABLE notes (a int, b int, FOREIGN KEY (a, b) REFERENCES orders (id, customer))",
            "ALTER TABLE orders ALTER COLUMN cents TYPE bigint; CREATE VIEW sums AS SELECT sum(cents) FROM orders",
            "SET search_path TO other; ALTER TABLE things RENAME TO items",
            "SET search_path TO other; ALTER TABLE things RENAME TO items; RESET search_path; ALTER TABLE customers RENAME TO people",
        ]);
    });
}

#[test]
fn what_loses_is_called_so() {
    with(|system| {
        system.is_called_lossy(&[
            "ALTER TABLE customers ADD COLUMN note int, DROP COLUMN note",
            "CREATE TABLE fresh (id int DEFAULT sweep_now()); INSERT INTO fresh DEFAULT VALUES",
            "CREATE TABLE fresh (id int CHECK (sweep_now() > 0)); INSERT INTO fresh VALUES (1)",
            "CREATE TABLE public.fresh (id int PRIMARY KEY); INSERT INTO public.fresh VALUES (1); ALTER TABLE orders ADD COLUMN f int DEFAULT 1 REFERENCES fresh ON DELETE CASCADE; DELETE FROM public.fresh",
            "CREATE FUNCTION one(int) RETURNS int LANGUAGE sql AS 'SELECT 2'; CREATE OR REPLACE FUNCTION one(text) RETURNS int LANGUAGE sql AS 'SELECT 2'",
            "CREATE FUNCTION one(int) RETURNS int LANGUAGE sql AS 'SELECT 2'; DROP FUNCTION one(text)",
            "CREATE VIEW v AS SELECT 1; ALTER TABLE v RENAME TO w; ALTER TABLE open RENAME TO v; DROP VIEW v",
            "CREATE INDEX ON customers (sweep_hidden(id))",
            "CREATE INDEX \"ORDERS_CUSTOMER\" ON orders (cents); DROP INDEX \"orders_customer\"",
            "CREATE SCHEMA s; CREATE TABLE s.t (a int); CREATE INDEX orders_customer ON s.t (a); DROP INDEX orders_customer",
            "CREATE TABLE fresh (id int); SET search_path TO other; ALTER TABLE things ADD COLUMN c int; DROP TABLE things",
            "CREATE VIEW swept AS SELECT sweep_now(); SELECT * FROM swept",
            "BEGIN; CREATE TABLE fresh (id int); ROLLBACK; DELETE FROM orders",
        ]);
    });
}

/// Statements of every kind, over the names that are there and some that a script makes.
const FORMS: &[&str] = &[
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
    "ALTER TABLE T ADD COLUMN C int, DROP COLUMN C",
    "ALTER TABLE T RENAME TO customers",
    "ALTER TABLE T RENAME COLUMN extra TO C",
    "ALTER TABLE T ADD COLUMN IF NOT EXISTS extra int NOT NULL",
    "CREATE TABLE T (id int DEFAULT sweep_now(), cents int)",
    "CREATE INDEX orders_customer ON T (id)",
    "ALTER INDEX orders_customer RENAME TO fresh",
    "DROP INDEX orders_customer",
    "ALTER TABLE T ADD CONSTRAINT u UNIQUE (id)",
    "ALTER TABLE T ADD COLUMN extra int GENERATED ALWAYS AS (id * 2) STORED",
    "ALTER TYPE mood RENAME TO fresh",
];

/// What scripts might set off.
const TRAPS: &str = "
CREATE FUNCTION sweep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM orders; RETURN NEW; END $$;
CREATE FUNCTION sweep_now() RETURNS int LANGUAGE sql AS 'DELETE FROM orders; SELECT 1';
CREATE FUNCTION sweep_hidden(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT sweep_now()';
";

#[test]
fn what_is_called_lossless_never_loses() {
    let tables = ["customers", "orders", "fresh", "other", "public.fresh", "\"Fresh\"", "FRESH", "open"];
    with(|system| system.never_loses(forms(FORMS, &tables, &["id", "cents", "note", "extra", "name"]), 1500));
}
