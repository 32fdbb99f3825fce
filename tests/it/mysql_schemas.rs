//! Schemas to test with.

/// Every type, each way to make a value, each kind of constraint, cycles, partitions, and what is not a table.
pub const EVERYTHING: &str = r"
CREATE TABLE every_type (
  id bigint unsigned AUTO_INCREMENT PRIMARY KEY,
  a tinyint(1), b tinyint, c tinyint unsigned, d smallint, e smallint unsigned, f mediumint, g mediumint unsigned, h int,
  i int unsigned, j bigint, k decimal(10, 2), l decimal(8, 3) unsigned, m float, n double, o float(7, 2), p char(5), q varchar(40),
  r text, s tinytext, t longtext, u binary(4), v varbinary(30), w blob, x bit(7), y bit(1), z date, aa time, ab datetime, ac datetime(6),
  ad timestamp NULL, ae year, af enum('sad', 'ok', 'happy; it''s'), ag set('a', 'b', 'c'), ah json, ai binary(16), aj char(3) CHARACTER SET latin1,
  ak point, al uuid, am inet6
);
CREATE TABLE departments (id int PRIMARY KEY, name varchar(60) NOT NULL, head int);
CREATE TABLE staff (id int AUTO_INCREMENT PRIMARY KEY, department int NOT NULL, manager int, name varchar(60) NOT NULL,
  email varchar(80) NOT NULL UNIQUE, CONSTRAINT staff_department FOREIGN KEY (department) REFERENCES departments (id),
  CONSTRAINT staff_manager FOREIGN KEY (manager) REFERENCES staff (id) ON DELETE SET NULL) AUTO_INCREMENT = 5000;
ALTER TABLE departments ADD CONSTRAINT departments_head FOREIGN KEY (head) REFERENCES staff (id);
CREATE TABLE regions (country char(2), region varchar(20), PRIMARY KEY (country, region));
CREATE TABLE cities (country char(2) NOT NULL, region varchar(20) NOT NULL, city varchar(40) NOT NULL,
  PRIMARY KEY (country, region, city), FOREIGN KEY (country, region) REFERENCES regions (country, region) ON UPDATE CASCADE);
CREATE TABLE `order; ``1` (
  `I d` int unsigned AUTO_INCREMENT PRIMARY KEY, total decimal(8, 2) NOT NULL CHECK (total >= 0),
  twice decimal(10, 2) GENERATED ALWAYS AS (total * 2) STORED, half decimal(10, 2) AS (total / 2) VIRTUAL,
  code varchar(20) NOT NULL UNIQUE, starts datetime NOT NULL, ends datetime NOT NULL,
  CONSTRAINT in_order CHECK (ends > starts), UNIQUE KEY both_of (total, code), KEY by_total (total)
);
CREATE TABLE events (at date NOT NULL, id bigint NOT NULL, note text, PRIMARY KEY (at, id))
  PARTITION BY RANGE (year(at)) (PARTITION a VALUES LESS THAN (2024), PARTITION b VALUES LESS THAN (2025), PARTITION c VALUES LESS THAN (2030));
CREATE TABLE keyless (a int, b text);
";

/// What is not a table, on top of [`EVERYTHING`].
pub const BESIDES: &str = r"
CREATE SEQUENCE numbers START WITH 100 INCREMENT BY 5;
CREATE VIEW heads AS SELECT d.id, d.name, s.name AS head FROM departments d JOIN staff s ON s.id = d.head;
CREATE VIEW a_view_of_heads AS SELECT * FROM heads;
DELIMITER //
CREATE FUNCTION twice(x int) RETURNS int DETERMINISTIC BEGIN DECLARE y int; SET y = x * 2; RETURN y; END//
CREATE PROCEDURE noted(IN what text) BEGIN INSERT INTO keyless (a, b) VALUES (twice(21), what); END//
CREATE DEFINER = nobody@nowhere TRIGGER touch BEFORE INSERT ON staff FOR EACH ROW BEGIN SET NEW.name = concat(NEW.name, '!'); END//
CREATE TRIGGER touch_too BEFORE INSERT ON staff FOR EACH ROW SET NEW.name = concat(NEW.name, '?')//
CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY STARTS '2024-01-01 00:00:00' DO DELETE FROM keyless WHERE a < 0//
DELIMITER ;
";

/// Rows of [`EVERYTHING`], with the values that are hard to keep.
pub const ROWS: &str = r#"
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
INSERT INTO every_type VALUES
  (18446744073709551614, 1, -128, 255, -32768, 65535, -8388608, 16777215, -2147483648, 4294967295, -9223372036854775808, -99999999.99, 99999.999,
   16777217.125, 0.1234567890123456789, 12345.67, 'a b', 'tab\there', 'line\nfeed \\N \'quoted\' "', 'tiny', 'é😀', x'00ff', x'5c4e0a09', x'00', b'1010101', b'1',
   '2024-02-29', '-12:34:56', '1000-01-01 00:00:00', '2024-02-29 12:34:56.123456', '2038-01-19 03:14:07', 2155, 'happy; it''s', 'a,c', '{"a": [1, null]}',
   x'00112233445566778899aabbccddeeff', 'é', ST_GeomFromText('POINT(1.5 -2)', 4326), '123e4567-e89b-12d3-a456-426655440000', '2001:db8::ff00:42:8329'),
  (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1.1754943e-38, 1.7976931348623157e308, -0.01, '', '', '', '', '', '', '', '', b'0', b'0', '0000-00-00', '838:59:59', '0000-00-00 00:00:00',
   '9999-12-31 23:59:59.999999', '1970-01-01 00:00:01', 0, 'sad', '', 'null', x'00000000000000000000000000000000', '', NULL, NULL, '::');
SET foreign_key_checks = 0;
INSERT INTO departments VALUES (1, 'Engines', 1), (2, 'Käse', NULL);
INSERT INTO staff (id, department, manager, name, email) VALUES (1, 1, NULL, 'Ada', 'ada@x.org'), (2, 1, 1, 'Grace', 'grace@x.org'), (0, 2, 0, 'zero', 'zero@x.org');
INSERT INTO regions VALUES ('DE', 'Bayern'), ('FR', 'Île');
INSERT INTO cities VALUES ('DE', 'Bayern', 'Hof'), ('FR', 'Île', 'Paris');
INSERT INTO `order; ``1` (total, code, starts, ends) SELECT seq, concat('code', seq), '2024-01-01', '2024-01-02' FROM seq_1_to_500;
INSERT INTO events VALUES ('2023-05-05', 1, 'x'), ('2024-05-05', 2, NULL), ('2029-05-05', 3, '');
INSERT INTO keyless VALUES (1, NULL), (2, 'twice'), (2, 'twice'), (NULL, '\\N');
SET foreign_key_checks = 1;
"#;
