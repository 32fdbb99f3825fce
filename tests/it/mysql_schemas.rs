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

/// A rental shop, after Sakila.
pub const RENTALS: &str = r"
CREATE TABLE country (country_id smallint unsigned AUTO_INCREMENT PRIMARY KEY, country varchar(50) NOT NULL, last_update timestamp NOT NULL DEFAULT current_timestamp ON UPDATE current_timestamp);
CREATE TABLE city (city_id smallint unsigned AUTO_INCREMENT PRIMARY KEY, city varchar(50) NOT NULL, country_id smallint unsigned NOT NULL, FOREIGN KEY (country_id) REFERENCES country (country_id) ON DELETE RESTRICT ON UPDATE CASCADE);
CREATE TABLE address (address_id smallint unsigned AUTO_INCREMENT PRIMARY KEY, address varchar(50) NOT NULL, district varchar(20) NOT NULL, city_id smallint unsigned NOT NULL, postal_code varchar(10), phone varchar(20) NOT NULL, FOREIGN KEY (city_id) REFERENCES city (city_id));
CREATE TABLE language (language_id tinyint unsigned AUTO_INCREMENT PRIMARY KEY, name char(20) NOT NULL);
CREATE TABLE film (film_id smallint unsigned AUTO_INCREMENT PRIMARY KEY, title varchar(128) NOT NULL, description text, release_year year, language_id tinyint unsigned NOT NULL,
  original_language_id tinyint unsigned, rental_duration tinyint unsigned NOT NULL DEFAULT 3, rental_rate decimal(4,2) NOT NULL DEFAULT 4.99, length smallint unsigned,
  replacement_cost decimal(5,2) NOT NULL DEFAULT 19.99, rating enum('G', 'PG', 'PG-13', 'R', 'NC-17') DEFAULT 'G', special_features set('Trailers', 'Commentaries', 'Deleted Scenes', 'Behind the Scenes'),
  KEY by_title (title), FOREIGN KEY (language_id) REFERENCES language (language_id), FOREIGN KEY (original_language_id) REFERENCES language (language_id));
CREATE TABLE actor (actor_id smallint unsigned AUTO_INCREMENT PRIMARY KEY, first_name varchar(45) NOT NULL, last_name varchar(45) NOT NULL, KEY by_name (last_name));
CREATE TABLE film_actor (actor_id smallint unsigned NOT NULL, film_id smallint unsigned NOT NULL, PRIMARY KEY (actor_id, film_id), FOREIGN KEY (actor_id) REFERENCES actor (actor_id), FOREIGN KEY (film_id) REFERENCES film (film_id));
CREATE TABLE store (store_id tinyint unsigned AUTO_INCREMENT PRIMARY KEY, manager_staff_id tinyint unsigned NOT NULL UNIQUE, address_id smallint unsigned NOT NULL, FOREIGN KEY (address_id) REFERENCES address (address_id));
CREATE TABLE staff (staff_id tinyint unsigned AUTO_INCREMENT PRIMARY KEY, first_name varchar(45) NOT NULL, last_name varchar(45) NOT NULL, address_id smallint unsigned NOT NULL, picture blob,
  email varchar(50), store_id tinyint unsigned NOT NULL, active boolean NOT NULL DEFAULT true, username varchar(16) NOT NULL, FOREIGN KEY (store_id) REFERENCES store (store_id), FOREIGN KEY (address_id) REFERENCES address (address_id));
ALTER TABLE store ADD CONSTRAINT fk_store_staff FOREIGN KEY (manager_staff_id) REFERENCES staff (staff_id);
CREATE TABLE customer (customer_id int unsigned AUTO_INCREMENT PRIMARY KEY, store_id tinyint unsigned NOT NULL, first_name varchar(45) NOT NULL, last_name varchar(45) NOT NULL, email varchar(50), address_id smallint unsigned NOT NULL,
  active boolean NOT NULL DEFAULT true, create_date datetime NOT NULL, FOREIGN KEY (store_id) REFERENCES store (store_id), FOREIGN KEY (address_id) REFERENCES address (address_id));
CREATE TABLE inventory (inventory_id mediumint unsigned AUTO_INCREMENT PRIMARY KEY, film_id smallint unsigned NOT NULL, store_id tinyint unsigned NOT NULL, FOREIGN KEY (film_id) REFERENCES film (film_id), FOREIGN KEY (store_id) REFERENCES store (store_id));
CREATE TABLE rental (rental_id int AUTO_INCREMENT PRIMARY KEY, rental_date datetime NOT NULL, inventory_id mediumint unsigned NOT NULL, customer_id int unsigned NOT NULL, return_date datetime, staff_id tinyint unsigned NOT NULL,
  UNIQUE KEY (rental_date, inventory_id, customer_id), FOREIGN KEY (inventory_id) REFERENCES inventory (inventory_id), FOREIGN KEY (customer_id) REFERENCES customer (customer_id), FOREIGN KEY (staff_id) REFERENCES staff (staff_id));
CREATE TABLE payment (payment_id int unsigned AUTO_INCREMENT PRIMARY KEY, customer_id int unsigned NOT NULL, staff_id tinyint unsigned NOT NULL, rental_id int, amount decimal(5,2) NOT NULL, payment_date datetime NOT NULL,
  FOREIGN KEY (customer_id) REFERENCES customer (customer_id), FOREIGN KEY (staff_id) REFERENCES staff (staff_id), FOREIGN KEY (rental_id) REFERENCES rental (rental_id) ON DELETE SET NULL);
CREATE VIEW customer_list AS SELECT c.customer_id, concat(c.first_name, ' ', c.last_name) AS name, a.address FROM customer c JOIN address a USING (address_id);
";

/// A music shop, after Chinook.
pub const MUSIC: &str = r"
CREATE TABLE Artist (ArtistId int NOT NULL PRIMARY KEY, Name varchar(120));
CREATE TABLE Album (AlbumId int NOT NULL PRIMARY KEY, Title varchar(160) NOT NULL, ArtistId int NOT NULL, FOREIGN KEY (ArtistId) REFERENCES Artist (ArtistId));
CREATE TABLE Track (TrackId int NOT NULL PRIMARY KEY, Name varchar(200) NOT NULL, AlbumId int, Composer varchar(220), Milliseconds int NOT NULL, Bytes int, UnitPrice decimal(10,2) NOT NULL, FOREIGN KEY (AlbumId) REFERENCES Album (AlbumId), KEY (Composer));
CREATE TABLE Employee (EmployeeId int NOT NULL PRIMARY KEY, LastName varchar(20) NOT NULL, FirstName varchar(20) NOT NULL, ReportsTo int, BirthDate datetime, Email varchar(60), FOREIGN KEY (ReportsTo) REFERENCES Employee (EmployeeId));
CREATE TABLE Customer (CustomerId int NOT NULL PRIMARY KEY, FirstName varchar(40) NOT NULL, LastName varchar(20) NOT NULL, Email varchar(60) NOT NULL, SupportRepId int, FOREIGN KEY (SupportRepId) REFERENCES Employee (EmployeeId));
CREATE TABLE Playlist (PlaylistId int NOT NULL PRIMARY KEY, Name varchar(120));
CREATE TABLE PlaylistTrack (PlaylistId int NOT NULL, TrackId int NOT NULL, PRIMARY KEY (PlaylistId, TrackId), FOREIGN KEY (PlaylistId) REFERENCES Playlist (PlaylistId), FOREIGN KEY (TrackId) REFERENCES Track (TrackId));
";

/// Circles, composite keys, and what values are asked to be.
pub const CIRCLES: &str = r"
CREATE TABLE tenants (id binary(16) PRIMARY KEY, slug varchar(30) NOT NULL, plan enum('free', 'pro') NOT NULL, UNIQUE (slug), CHECK (slug = lower(slug)));
CREATE TABLE users (tenant binary(16) NOT NULL, number int unsigned NOT NULL, login varchar(12) NOT NULL, boss int unsigned, current_team int unsigned, flags set('a', 'b') NOT NULL, tag binary(4) NOT NULL,
  settings json NOT NULL, ok bit(1) NOT NULL, bits bit(5) NOT NULL, born date CHECK (born > '1930-01-01' AND born < '2010-01-01'), age tinyint unsigned CHECK (age BETWEEN 18 AND 120),
  ratio float NOT NULL CHECK (ratio >= 0 AND ratio <= 1), PRIMARY KEY (tenant, number), UNIQUE (tenant, login), FOREIGN KEY (tenant) REFERENCES tenants (id), FOREIGN KEY (tenant, boss) REFERENCES users (tenant, number));
CREATE TABLE teams (tenant binary(16) NOT NULL, number int unsigned NOT NULL, lead int unsigned NOT NULL, code char(3) NOT NULL, opens time NOT NULL, since timestamp NOT NULL DEFAULT current_timestamp, PRIMARY KEY (tenant, number),
  FOREIGN KEY (tenant, lead) REFERENCES users (tenant, number));
ALTER TABLE users ADD CONSTRAINT users_team FOREIGN KEY (tenant, current_team) REFERENCES teams (tenant, number);
CREATE TABLE bookings (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, tenant binary(16) NOT NULL, user int unsigned NOT NULL, starts datetime NOT NULL, ends datetime NOT NULL, cents int unsigned NOT NULL,
  euros decimal(10, 2) AS (cents / 100) STORED, state varchar(10) NOT NULL CHECK (state IN ('open', 'paid', 'gone')), email varchar(60) NOT NULL UNIQUE, doc json,
  CHECK (ends > starts), FOREIGN KEY (tenant, user) REFERENCES users (tenant, number), FULLTEXT KEY (email));
";
