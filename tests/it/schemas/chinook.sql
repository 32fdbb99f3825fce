-- A shop that sells music: Chinook's tables for PostgreSQL, written anew from its description.
CREATE TABLE artist (artist_id integer PRIMARY KEY, name varchar(120));
CREATE TABLE album (album_id integer PRIMARY KEY, title varchar(160) NOT NULL, artist_id integer NOT NULL);
CREATE TABLE employee (
  employee_id integer PRIMARY KEY, last_name varchar(20) NOT NULL, first_name varchar(20) NOT NULL, title varchar(30), reports_to integer,
  birth_date timestamp, hire_date timestamp, address varchar(70), city varchar(40), state varchar(40), country varchar(40),
  postal_code varchar(10), phone varchar(24), fax varchar(24), email varchar(60)
);
CREATE TABLE customer (
  customer_id integer PRIMARY KEY, first_name varchar(40) NOT NULL, last_name varchar(20) NOT NULL, company varchar(80),
  address varchar(70), city varchar(40), state varchar(40), country varchar(40), postal_code varchar(10),
  phone varchar(24), fax varchar(24), email varchar(60) NOT NULL, support_rep_id integer
);
CREATE TABLE genre (genre_id integer PRIMARY KEY, name varchar(120));
CREATE TABLE media_type (media_type_id integer PRIMARY KEY, name varchar(120));
CREATE TABLE track (
  track_id integer PRIMARY KEY, name varchar(200) NOT NULL, album_id integer, media_type_id integer NOT NULL, genre_id integer,
  composer varchar(220), milliseconds integer NOT NULL, bytes integer, unit_price numeric(10,2) NOT NULL
);
CREATE TABLE invoice (
  invoice_id integer PRIMARY KEY, customer_id integer NOT NULL, invoice_date timestamp NOT NULL, billing_address varchar(70),
  billing_city varchar(40), billing_state varchar(40), billing_country varchar(40), billing_postal_code varchar(10), total numeric(10,2) NOT NULL
);
CREATE TABLE invoice_line (
  invoice_line_id integer PRIMARY KEY, invoice_id integer NOT NULL, track_id integer NOT NULL, unit_price numeric(10,2) NOT NULL, quantity integer NOT NULL
);
CREATE TABLE playlist (playlist_id integer PRIMARY KEY, name varchar(120));
CREATE TABLE playlist_track (playlist_id integer NOT NULL, track_id integer NOT NULL, PRIMARY KEY (playlist_id, track_id));
ALTER TABLE album ADD FOREIGN KEY (artist_id) REFERENCES artist;
ALTER TABLE customer ADD FOREIGN KEY (support_rep_id) REFERENCES employee;
ALTER TABLE employee ADD FOREIGN KEY (reports_to) REFERENCES employee;
ALTER TABLE invoice ADD FOREIGN KEY (customer_id) REFERENCES customer;
ALTER TABLE invoice_line ADD FOREIGN KEY (invoice_id) REFERENCES invoice;
ALTER TABLE invoice_line ADD FOREIGN KEY (track_id) REFERENCES track;
ALTER TABLE playlist_track ADD FOREIGN KEY (playlist_id) REFERENCES playlist;
ALTER TABLE playlist_track ADD FOREIGN KEY (track_id) REFERENCES track;
ALTER TABLE track ADD FOREIGN KEY (album_id) REFERENCES album;
ALTER TABLE track ADD FOREIGN KEY (genre_id) REFERENCES genre;
ALTER TABLE track ADD FOREIGN KEY (media_type_id) REFERENCES media_type;
CREATE INDEX album_artist_id_idx ON album (artist_id);
CREATE INDEX invoice_customer_id_idx ON invoice (customer_id);
CREATE INDEX track_album_id_idx ON track (album_id);
