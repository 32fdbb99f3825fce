//! Verdicts on migrations, held against a real MariaDB: what is undone leaves schema and rows as they were, and what is called
//! additive takes nothing from the rows and columns that were there.

use devcluster::handoff::migration::Dialect;

use super::migrations_judged::{System, forms};
use super::mysql_server::Database;

/// What was there before: with a trigger that changes what nobody asked it to, and a table that others may be a window on.
const BEFORE: &str = "
CREATE TABLE customers (id int PRIMARY KEY, name varchar(60) NOT NULL, note varchar(20), touched int NOT NULL DEFAULT 0, boss int);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, cents int NOT NULL DEFAULT 0, state enum('sad', 'ok'),
  KEY by_customer (customer), KEY by_state (state), CONSTRAINT of_customer FOREIGN KEY (customer) REFERENCES customers (id),
  CONSTRAINT small CHECK (cents < 1000000));
CREATE TABLE parts (id int, KEY (id)) ENGINE=MyISAM;
CREATE TABLE items (id int PRIMARY KEY, of_order int NOT NULL, CONSTRAINT of_order FOREIGN KEY (of_order) REFERENCES orders (id));
";

/// Rows, and what is no table.
const FILLED: &str = "
CREATE VIEW unsettled AS SELECT id FROM orders WHERE state IS NULL;
CREATE TRIGGER touched BEFORE UPDATE ON customers FOR EACH ROW SET NEW.touched = OLD.touched + 1;
INSERT INTO customers WITH RECURSIVE n AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM n WHERE n < 40)
  SELECT n, concat('é', n), nullif(concat('n', n % 3), 'n0'), 0, NULL FROM n;
INSERT INTO orders WITH RECURSIVE n AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM n WHERE n < 200)
  SELECT n, n % 40 + 1, n * 7, CASE n % 2 WHEN 0 THEN 'ok' END FROM n;
INSERT INTO parts VALUES (1), (2), (3);
INSERT INTO items VALUES (1, 1), (2, 2);
DELIMITER //
CREATE FUNCTION sweep_now() RETURNS int DETERMINISTIC MODIFIES SQL DATA BEGIN DELETE FROM orders WHERE id > 100; RETURN 1; END//
CREATE PROCEDURE sweep() BEGIN DELETE FROM orders WHERE id > 100; END//
DELIMITER ;
";

/// What the old code does.
const OLD_CODE: &str = "
START TRANSACTION;
INSERT INTO customers (id, name) VALUES (1000, 'new');
INSERT INTO orders (id, customer, cents) VALUES (1000, 1000, 5);
UPDATE orders SET cents = cents + 1, state = 'sad' WHERE id = 1000;
UPDATE customers SET note = 'seen' WHERE id = 1000;
SELECT o.id, o.customer, o.cents, o.state, c.name, c.note, c.touched FROM orders o JOIN customers c ON c.id = o.customer;
SELECT * FROM unsettled;
DELETE FROM orders WHERE id = 1000;
DELETE FROM customers WHERE id = 1000;
ROLLBACK;
";

/// What was there, by its old names.
const OLD: &str = "
SELECT md5(group_concat(concat_ws('|', id, name, coalesce(note, '-'), touched, coalesce(boss, '-')) ORDER BY id)) FROM customers;
SELECT md5(group_concat(concat_ws('|', id, customer, cents, coalesce(state, '-')) ORDER BY id)) FROM orders;
SELECT md5(group_concat(id ORDER BY id)) FROM parts;
SELECT md5(group_concat(id, of_order ORDER BY id)) FROM items;
SELECT count(*) FROM unsettled;
SELECT table_name, index_name, group_concat(column_name ORDER BY seq_in_index) FROM information_schema.statistics
  WHERE table_schema = database() AND (table_name, index_name) IN
    (('customers', 'PRIMARY'), ('orders', 'PRIMARY'), ('orders', 'by_customer'), ('orders', 'by_state'))
  GROUP BY 1, 2 ORDER BY 1, 2;
";

fn again(database: &Database) -> String {
    let name = &database.name;
    format!("DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name}; USE {name}; {BEFORE} {FILLED}")
}

/// All definitions, as the server writes them, and all rows. Where an AUTO_INCREMENT stands is no definition.
fn state(database: &Database) -> String {
    let tables = database.sql(
        "SELECT concat('SHOW CREATE TABLE `', table_name, '`;') FROM information_schema.tables WHERE table_schema = database() ORDER BY table_name",
    );
    let others = "SELECT trigger_name, event_manipulation, event_object_table, action_statement FROM information_schema.triggers WHERE trigger_schema = database() ORDER BY 1;
        SELECT routine_name, routine_type FROM information_schema.routines WHERE routine_schema = database() ORDER BY 1, 2;";
    format!("{}\n{}\n{}", database.sql(&tables), database.sql(others), database.digest())
}

fn with(test: impl FnOnce(&System<'_>)) {
    let database = Database::new("");
    let system = System {
        dialect: Dialect::MySql,
        run: &|statements| database.try_sql(statements),
        again: again(&database),
        declared: BEFORE.into(),
        old_code: OLD_CODE,
        mend: "SELECT 1",
        old: OLD,
        state: &|| state(&database),
    };
    test(&system);
}

/// Statements of which each is undone by what is named for it.
const UNDONE: &[&str] = &[
    "CREATE TABLE notes (id int AUTO_INCREMENT PRIMARY KEY, of_order int, at timestamp DEFAULT now(), KEY (of_order), FOREIGN KEY (of_order) REFERENCES orders (id))",
    "CREATE TABLE copied AS SELECT id, lower(name) AS name FROM customers",
    "CREATE TABLE alike LIKE orders",
    "ALTER TABLE customers ADD COLUMN mail text",
    "ALTER TABLE `customers` ADD `mail` varchar(20) NOT NULL DEFAULT 'none' AFTER `id`",
    "ALTER TABLE customers ADD COLUMN mail varchar(20) NOT NULL FIRST",
    "ALTER TABLE customers ADD COLUMN seen timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
    "ALTER TABLE customers ADD COLUMN number bigint NOT NULL AUTO_INCREMENT UNIQUE",
    "ALTER TABLE orders ADD COLUMN euros int GENERATED ALWAYS AS (cents / 100) STORED",
    "ALTER TABLE orders ADD COLUMN euros int AS (cents / 100) VIRTUAL",
    "ALTER TABLE orders ADD COLUMN kind enum('a', 'b') NOT NULL DEFAULT 'a', ADD INDEX by_kind (kind)",
    "ALTER TABLE orders ADD CONSTRAINT positive CHECK (id > 0)",
    "ALTER TABLE orders ADD CONSTRAINT one UNIQUE (id, customer)",
    "ALTER TABLE orders ADD UNIQUE KEY one (id, customer)",
    "ALTER TABLE orders ADD CONSTRAINT one UNIQUE KEY other (id, customer)",
    "ALTER TABLE orders ADD CONSTRAINT known FOREIGN KEY (id) REFERENCES orders (id)",
    "ALTER TABLE orders ADD CONSTRAINT again FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE",
    "ALTER TABLE customers ADD FULLTEXT INDEX words (name)",
    "ALTER TABLE customers ADD INDEX by_name (name(10))",
    "ALTER TABLE customers RENAME TO people",
    "RENAME TABLE customers TO people, orders TO purchases",
    "RENAME TABLE customers TO tmp, parts TO customers, tmp TO parts",
    "ALTER TABLE customers RENAME COLUMN name TO `full name`",
    "CREATE INDEX by_cents ON orders (cents)",
    "CREATE INDEX by_name ON customers (name(10))",
    "CREATE UNIQUE INDEX by_both ON orders (customer, id)",
    // The server has made an index for the foreign key and lets it go for these.
    "CREATE INDEX by_order ON items (of_order)",
    "CREATE UNIQUE INDEX once ON items (of_order, id)",
    "ALTER TABLE items ADD INDEX by_order (of_order)",
    "ALTER TABLE items ADD CONSTRAINT once UNIQUE KEY (of_order)",
    "CREATE INDEX by_order ON items (id, of_order)",
    "CREATE VIEW sad AS SELECT * FROM orders WHERE state = 'sad'",
    "CREATE SEQUENCE numbers",
    "ALTER TABLE orders ADD COLUMN more int, ADD CONSTRAINT k CHECK (cents > -1), ALGORITHM=COPY, LOCK=SHARED",
];

#[test]
fn what_is_undone_leaves_all_as_it_was() {
    with(|system| system.is_undone(UNDONE));
}

/// Of these, what undoes them would fail or do something else: nothing is named.
#[test]
fn what_is_not_simple_to_undo_is_not_named() {
    with(|system| {
        system.has_no_undo(&[
            "ALTER TABLE orders ADD COLUMN of_other int REFERENCES customers (id)",
            "ALTER TABLE customers RENAME COLUMN name TO note, RENAME COLUMN note TO name",
            "ALTER TABLE orders ADD PRIMARY KEY (id)",
            "ALTER TABLE items ADD INDEX (of_order), ADD INDEX (of_order, id)",
        ]);
    });
}

#[test]
fn what_undoes_a_script_finds_the_names_that_it_needs() {
    with(|system| {
        system.is_undone_as_a_whole(&[
            "RENAME TABLE customers TO people; CREATE TABLE customers (id int PRIMARY KEY); INSERT INTO customers VALUES (7)",
            "ALTER TABLE customers RENAME TO people; CREATE TABLE later (id int); RENAME TABLE later TO customers",
            "ALTER TABLE customers RENAME TO people; CREATE TABLE customers (id int); DROP TABLE customers",
            "ALTER TABLE customers RENAME TO people; CREATE VIEW customers AS SELECT * FROM people",
            "ALTER TABLE customers RENAME COLUMN note TO remark; ALTER TABLE customers ADD COLUMN note int",
            "ALTER TABLE customers RENAME COLUMN note TO remark, ADD COLUMN note int",
            "ALTER TABLE customers ADD COLUMN friend int, RENAME COLUMN boss TO chief, RENAME COLUMN note TO boss",
            // The server makes an index for the key, which stays.
            "ALTER TABLE customers ADD CONSTRAINT bosses FOREIGN KEY (boss) REFERENCES customers (id)",
            "ALTER TABLE customers ADD CONSTRAINT bosses FOREIGN KEY (boss) REFERENCES customers (id); CREATE UNIQUE INDEX by_boss ON customers (boss, id)",
            "ALTER TABLE customers ADD COLUMN friend int REFERENCES customers (id); CREATE UNIQUE INDEX by_friend ON customers (friend)",
            "CREATE INDEX by_boss ON customers (boss); ALTER TABLE customers ADD CONSTRAINT bosses FOREIGN KEY (boss) REFERENCES customers (id)",
            "ALTER TABLE customers ADD COLUMN mail int NOT NULL DEFAULT 1; CREATE INDEX by_mail ON customers (mail); ALTER TABLE customers ADD CONSTRAINT f FOREIGN KEY (mail) REFERENCES customers (id)",
            "ALTER TABLE customers RENAME TO people; CREATE TABLE customers (id int, boss int); CREATE INDEX i ON customers (boss); ALTER TABLE customers ADD CONSTRAINT k FOREIGN KEY (boss) REFERENCES orders (id)",
            "ALTER TABLE items ADD COLUMN x int NOT NULL; CREATE UNIQUE INDEX both_of ON items (of_order, x)",
            "ALTER TABLE items RENAME COLUMN of_order TO ordered; CREATE UNIQUE INDEX once ON items (ordered, id)",
            "RENAME TABLE items TO things; CREATE UNIQUE INDEX once ON things (of_order, id)",
            "ALTER TABLE customers ADD COLUMN mail int NOT NULL; CREATE INDEX by_mail ON customers (mail)",
            "ALTER TABLE customers ADD COLUMN mail int NOT NULL; ALTER TABLE customers ADD COLUMN twice int AS (mail * 2) VIRTUAL",
            "ALTER TABLE orders ADD UNIQUE KEY one (id, customer); CREATE TABLE notes (a int, b int, FOREIGN KEY (a, b) REFERENCES orders (id, customer))",
        ]);
    });
}

#[test]
fn what_loses_is_called_so() {
    with(|system| {
        system.is_called_lossy(&[
            "ALTER TABLE customers ADD COLUMN note int, DROP COLUMN note",
            "CREATE TABLE Orders (id int); DELETE FROM items; SET foreign_key_checks = 0; DELETE FROM orders",
            "CREATE TABLE PARTS (id int); DELETE FROM parts",
            "CREATE TABLE fresh (id int); DELETE FROM fresh USING parts AS fresh",
            "CREATE TABLE fresh (id int, KEY (id)) ENGINE=MRG_MyISAM UNION=(parts) INSERT_METHOD=LAST; DELETE FROM fresh",
            "/*M! DELETE FROM parts */",
            "/*!999999 CREATE TABLE parts (id int) */; DELETE FROM parts",
            "DELETE /*!999999 FROM fresh */ FROM parts",
            "CREATE INDEX by_state ON customers (note); DROP INDEX by_state ON orders",
            "ALTER TABLE customers ADD COLUMN c int; ALTER TABLE customers RENAME COLUMN `C` TO d; ALTER TABLE customers RENAME COLUMN note TO c; ALTER TABLE customers DROP COLUMN c",
            "ALTER TABLE customers ADD COLUMN c int; ALTER TABLE customers RENAME COLUMN c TO d, RENAME COLUMN note TO c, DROP COLUMN touched",
            "ALTER TABLE customers CHANGE note remark varchar(20)",
            "ALTER IGNORE TABLE customers MODIFY name varchar(2)",
            "SET sql_mode = ''; ALTER TABLE customers CONVERT TO CHARACTER SET ascii",
            "SET sql_mode = ''; ALTER TABLE customers MODIFY boss int NOT NULL",
            "ALTER TABLE customers ADD COLUMN boss_of int GENERATED ALWAYS AS (boss) STORED, DROP COLUMN note",
            "SET sql_mode = ''; ALTER TABLE customers MODIFY COLUMN name varchar(2)",
            "SET sql_mode = ''; ALTER TABLE orders CHANGE cents cents tinyint",
            "SET sql_mode = ''; ALTER TABLE orders MODIFY state enum('sad')",
            "INSERT INTO customers (id, name) VALUES (1, 'x') ON DUPLICATE KEY UPDATE name = 'x'",
            "INSERT IGNORE INTO customers (id, name) VALUES (5000, 'x')",
            "REPLACE INTO parts VALUES (5)",
            "ALTER TABLE orders DROP INDEX by_state",
            "ALTER TABLE orders DROP FOREIGN KEY of_customer, DROP INDEX by_customer",
            "BEGIN; DELETE FROM parts; CREATE TABLE fresh (id int); ROLLBACK",
            "CREATE TABLE fresh (id int); BEGIN; DELETE FROM parts; COMMIT",
            "DROP TABLE IF EXISTS parts; CREATE TABLE parts (id int)",
            "CREATE OR REPLACE TABLE parts (id int)",
            "TRUNCATE parts",
            "SELECT 1 --1; DELETE FROM parts",
            "SELECT sweep_now(); DELETE FROM items; SELECT sweep_now()",
            "CALL sweep()",
            "EXECUTE IMMEDIATE 'DELETE FROM parts'",
            "ANALYZE DELETE FROM parts",
            "SELECT 1 \\g DELETE FROM parts \\g",
        ]);
    });
}

/// Statements of every kind, over the names that are there and some that a script makes.
const FORMS: &[&str] = &[
    "CREATE TABLE T (id int, cents int, note text, name text)",
    "CREATE TABLE T (id int, cents int, note text, name text)",
    "CREATE TABLE T (id int PRIMARY KEY, cents int, note text, name text)",
    "CREATE TABLE IF NOT EXISTS T (id int)",
    "CREATE OR REPLACE TABLE T (id int)",
    "CREATE TEMPORARY TABLE T (id int, cents int, name text)",
    "CREATE TABLE T LIKE parts",
    "CREATE TABLE T (id int, KEY (id)) ENGINE=MERGE UNION=(parts)",
    "CREATE TABLE T AS SELECT id, id AS cents, note, name FROM customers",
    "DROP TABLE T",
    "DROP TABLE IF EXISTS T",
    "RENAME TABLE T TO other",
    "RENAME TABLE T TO fresh, orders TO later",
    "RENAME TABLE T TO swapped, orders TO T, swapped TO orders",
    "ALTER TABLE T RENAME TO fresh",
    "ALTER TABLE T ADD COLUMN extra int",
    "ALTER TABLE T ADD COLUMN extra int NOT NULL",
    "ALTER TABLE T ADD COLUMN extra int DEFAULT 7 AFTER id",
    "ALTER TABLE T ADD COLUMN C int REFERENCES fresh (id) ON DELETE CASCADE",
    "ALTER TABLE T ADD COLUMN IF NOT EXISTS C int NOT NULL",
    "ALTER TABLE T ADD COLUMN C int, DROP COLUMN C",
    "ALTER TABLE T ADD COLUMN extra int AS (id * 2) STORED",
    "ALTER TABLE T ADD COLUMN extra int DEFAULT 7 CHECK (extra > id)",
    "ALTER TABLE T DROP COLUMN C",
    "ALTER TABLE T RENAME COLUMN C TO extra",
    "ALTER TABLE T RENAME COLUMN extra TO C",
    "ALTER TABLE T RENAME COLUMN C TO extra, ADD COLUMN C int",
    "ALTER TABLE T MODIFY COLUMN C bigint",
    "ALTER TABLE T CHANGE C extra bigint",
    "ALTER TABLE T CONVERT TO CHARACTER SET latin1",
    "ALTER TABLE T ALTER COLUMN C SET DEFAULT 5",
    "ALTER TABLE T ADD INDEX by_state (id)",
    "ALTER TABLE T ADD UNIQUE KEY u (id)",
    "ALTER TABLE T DROP INDEX by_state",
    "ALTER TABLE T ADD CONSTRAINT k CHECK (C IS NOT NULL)",
    "ALTER TABLE T ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES fresh (id) ON DELETE CASCADE",
    "INSERT INTO T (id) VALUES (5000)",
    "INSERT IGNORE INTO T SELECT id, id, note, name FROM customers",
    "REPLACE INTO T (id) VALUES (5)",
    "INSERT INTO T (id) VALUES (5) ON DUPLICATE KEY UPDATE id = 9999",
    "UPDATE T SET C = NULL",
    "UPDATE T SET id = id + 100000",
    "UPDATE T JOIN orders o ON o.id = T.id SET o.cents = 0",
    "DELETE FROM T",
    "DELETE FROM T USING T JOIN parts ON T.id = parts.id",
    "DELETE FROM fresh USING T AS fresh",
    "DELETE parts FROM T JOIN parts ON T.id = parts.id",
    "TRUNCATE T",
    "CREATE INDEX by_state ON T (id)",
    "CREATE UNIQUE INDEX u ON T (id)",
    "CREATE UNIQUE INDEX v ON items (of_order, C)",
    "CREATE UNIQUE INDEX v ON items (of_order, id)",
    "CREATE INDEX v ON items (of_order)",
    "ALTER TABLE items ADD COLUMN extra int NOT NULL",
    "ALTER TABLE orders ADD CONSTRAINT w FOREIGN KEY (C) REFERENCES orders (id)",
    "CREATE UNIQUE INDEX u ON orders (C, id)",
    "DROP INDEX by_state ON T",
    "CREATE VIEW T AS SELECT id, cents FROM orders",
    "CREATE OR REPLACE VIEW other AS SELECT id FROM T",
    "DROP VIEW T",
    "CREATE TRIGGER g AFTER INSERT ON T FOR EACH ROW DELETE FROM parts",
    "SELECT C FROM T",
    "SELECT sweep_now()",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SET foreign_key_checks = 0",
    "SET sql_mode = ''",
    "/*M! DELETE FROM parts */",
    "/*!999999 CREATE TABLE T (id int) */",
    "/*!50000 DELETE FROM T */",
    "-- DELETE FROM orders;",
    "/* ; */ SELECT ';' ; SELECT 1",
];

#[test]
fn what_is_called_lossless_never_loses() {
    let tables = ["customers", "orders", "parts", "fresh", "other", "`fresh`", "FRESH", "Parts", "unsettled"];
    let columns = ["id", "cents", "note", "extra", "name", "`Note`"];
    with(|system| system.never_loses(forms(FORMS, &tables, &columns), 2500));
}
