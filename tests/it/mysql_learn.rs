//! A real MariaDB server measured: no value of its rows gets into a profile, and what a profile shapes is like what was measured.

use std::collections::BTreeSet;
use std::time::Duration;

use devcluster::data::generate::Generator;
use devcluster::data::learn::{Distinct, LearnOptions, Profile, Quantity, Share, shape};
use devcluster::data::mysql::{Credentials, LoadOptions, Password, Server, learn, load, schema};
use devcluster::data::schema::TableName;
use devcluster::data::seed::{PlanOptions, Seed, plan};

use super::learned::{about, differences, encodings, table_of};
use super::mysql_schemas::{CIRCLES, EVERYTHING, MUSIC, RENTALS};
use super::mysql_server::{Database, outside, reach};

/// Every type, each value of which stands in one row alone, beside columns with few values.
const CANARIES: &str = r#"
CREATE TABLE parents (id bigint unsigned PRIMARY KEY, name varchar(60) UNIQUE);
INSERT INTO parents SELECT 700000000000 + seq * 7919, concat('pqzxa ', md5(concat('p', seq))) FROM seq_1_to_1200;
CREATE TABLE canaries (
  c int PRIMARY KEY, a tinyint(1), b smallint, d bigint unsigned, e decimal(12, 2), f decimal(40, 13), g float, h double, i mediumint unsigned,
  j varchar(60), k varchar(60) CHARACTER SET latin1, l char(12), m blob, n binary(16), o date, p time(3), q year, r datetime(3), s timestamp NULL, t text,
  u json, v varbinary(20), w uuid, x inet6, y point, z bit(30), aa bit(1), ab longtext, ac varchar(60) COLLATE utf8mb4_bin, ad enum('sad', 'ok; very'), ae set('a', 'b'),
  af binary(5), ag tinytext, ah varchar(80) AS (concat('made ', j)) VIRTUAL, ai decimal(14, 2) AS (e * 2) STORED, aj double unsigned,
  parent bigint unsigned, named varchar(20), mixed varchar(60), allowed varchar(60), days date, amounts double, prose text, truth tinyint(1), cased varchar(60),
  FOREIGN KEY (parent) REFERENCES parents (id));
INSERT INTO canaries (c, a, b, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac, ad, ae, af, ag, aj, parent, named, mixed, allowed, days, amounts, prose, truth, cased) SELECT
  1200345671 + seq * 7907, true, 10001 + seq * 11, 18100000000000345671 + seq * 7907, 1234567 + seq * 7.91, (9876543210123.0 + seq * 13.71) * 1e13, 12345.6 + seq * 1.7, 7654321.1234 + seq * 3.7e0, 3000017 + seq * 7919,
  concat('pqzxb-', md5(concat('j', seq))), concat('K"\\é', md5(concat('k', seq))), substr(md5(concat('l', seq)), 1, 9), unhex(md5(concat('m', seq))), unhex(md5(concat('n', seq))),
  '1903-03-17' + interval seq day, sec_to_time(11839 + seq * 13.321), 1903 + seq % 200, '1913-03-17 03:17:19.123' + interval seq * 7919 minute, '2003-03-17 03:17:19' + interval seq * 7907 minute, concat('pqzxe ', md5(concat('t', seq))),
  json_object('pqzxk', md5(concat('u', seq)), 'n', 1200345671 + seq), unhex(md5(concat('v', seq))), insert(insert(insert(insert(insert(insert(md5(concat('w', seq)), 13, 1, '4'), 17, 1, '8'), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-'),
  inet6_ntoa(unhex(md5(concat('x', seq)))), point(seq * 7919.5, seq), seq * 7919, 1, repeat(concat('pqzxl ', md5(concat('ab', seq))), 30), concat('ffpqzxm-', md5(concat('ac', seq))),
  if(seq % 3 = 0, 'sad', 'ok; very'), if(seq % 4 = 0, 'a,b', 'b'), unhex(substr(md5(concat('af', seq)), 1, 10)), concat('é', md5(concat('ag', seq))), 5123456.75e0 + seq * 17,
  700000000000 + if(seq > 1150, 1, (seq + 1) div 2) * 7919, if(seq % 5 = 0, 'named twice', 'named "often"'), if(seq % 400 = 0, concat('pqzxe ', md5(concat('x', seq))), 'common'),
  if(seq % 400 = 0, NULL, concat('pqzxf ', md5(seq % 30))), '1917-03-17' + interval seq % 2 day, (seq % 2) * 1234567.5 + 0.25, concat(repeat('pqzxg pqzxh ', 9), seq % 2), if(seq % 2 = 0, 1, seq % 17 * 3),
  if(seq = 7, 'PQZXn', if(seq % 2 = 0, 'pqzxn', 'other'))
  FROM seq_1_to_1200;
CREATE TABLE small AS SELECT concat('pqzxi ', md5(seq)) AS s, 'pqzxj' AS t FROM seq_1_to_40;
CREATE TABLE nothing (a int);
"#;

/// Columns whose values may be seen: those that are named, and those that have hardly any.
const SEEN: [&str; 6] = ["a", "aa", "ad", "ae", "named", "cased"];

async fn learned(server: &Server, options: &LearnOptions) -> Profile {
    learn(server, options, &|_| {}).await.unwrap_or_else(|error| panic!("{error}"))
}

/// A column's values, as texts; those that are none as digits of bytes and as base64.
fn values(database: &Database, table: &str, name: &str, is_bytes: bool) -> BTreeSet<String> {
    let ways: &[&str] =
        if is_bytes { &["lower(hex(?))", "to_base64(?)"] } else { &["CONVERT(? USING utf8mb4)"] };
    let mut found = BTreeSet::new();
    for way in ways {
        let value = way.replace('?', name);
        let texts =
            database.sql(&format!("SELECT DISTINCT hex({value}) FROM {table} WHERE {name} IS NOT NULL"));
        let text = |line: &str| {
            let digits = line.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
            String::from_utf8(digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect()).unwrap()
        };
        found.extend(texts.lines().map(text));
    }
    found
}

fn leaks(database: &Database, text: &str) -> Vec<String> {
    let columns = database.sql(
        "SELECT concat_ws(' ', table_name, column_name, data_type) FROM information_schema.columns
           WHERE table_schema = database() ORDER BY 1",
    );
    let mut found = Vec::new();
    for column in columns.lines() {
        let [table, name, kind] = column.split(' ').collect::<Vec<_>>().try_into().unwrap();
        if SEEN.contains(&name) {
            continue;
        }
        let is_bytes = ["blob", "binary", "varbinary", "bit", "point"].contains(&kind);
        let of_column = values(database, table, name, is_bytes);
        assert!(table == "nothing" || !of_column.is_empty(), "{column}");
        for value in of_column {
            let leaked = encodings(&value).into_iter().filter(|hidden| text.contains(hidden.as_str()));
            found.extend(leaked.map(|hidden| format!("{table}.{name}: {value} as {hidden}")));
        }
    }
    found
}

fn name(database: &Database, table: &str) -> TableName {
    TableName::new(database.name.clone(), table)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_of_any_type_is_in_a_profile() {
    let database = Database::new(CANARIES);
    let (server, before) = (database.server().await, database.digest());
    for sample_above in [1_000_000, 1000] {
        let options = LearnOptions { sample_above, sample_rows: 1100, ..LearnOptions::default() };
        let profile = learned(&server, &options).await;
        let text = profile.to_yaml();
        let mut leaks = leaks(&database, &text);
        leaks.retain(|leak| !leak.starts_with("canaries.mixed: common as"));
        assert!(leaks.is_empty(), "{leaks:#?}\n{text}");
        assert!(
            !text.contains("PQZX"),
            "a value that one row alone has is named for others that differ in case: {text}"
        );
        assert_eq!(Profile::read(&text, "p").unwrap_or_else(|faults| panic!("{faults}\n{text}")), profile);
        let table = &profile.tables[&name(&database, "canaries")];
        let labels = |name: &str| {
            table.columns[name].labels.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(
            [labels("named"), labels("mixed"), labels("ad"), labels("ae"), labels("truth")],
            [
                vec!["named \"often\"", "named twice"],
                vec!["common"],
                vec!["ok; very", "sad"],
                vec!["b", "a,b"],
                vec!["true", "false"]
            ]
        );
        for silent in ["allowed", "days", "amounts", "prose", "parent", "q"] {
            assert_eq!(labels(silent), Vec::<&str>::new(), "{silent}");
        }
        for (name, distinct) in [
            ("j", Distinct::All),
            ("c", Distinct::All),
            ("n", Distinct::All),
            ("named", Distinct::Each(2)),
            ("mixed", Distinct::About(10)),
        ] {
            assert_eq!(table.columns[name].distinct, Some(distinct), "{name}");
        }
        assert_eq!(table.columns["allowed"].nulls, Share::Under);
        assert!(table.correlations.iter().any(|found| found.rank > 0.9), "{text}");
        assert_eq!(profile.tables[&name(&database, "small")], table_of(Quantity::Under));
        assert_eq!(profile.tables[&name(&database, "nothing")], table_of(Quantity::None));
    }
    assert_eq!(database.digest(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_allowed_by_name_is_named() {
    let database = Database::new(CANARIES);
    let server = database.server().await;
    let allow = |column: &str| LearnOptions {
        allow: BTreeSet::from([format!("{}.canaries.{column}", database.name)]),
        ..LearnOptions::default()
    };
    for (column, labels, begins) in
        [("allowed", 30, "pqzxf "), ("af", 200, "\\x"), ("y", 200, "0000"), ("u", 200, "{")]
    {
        let profile = learned(&server, &allow(column)).await;
        let found = &profile.tables[&name(&database, "canaries")].columns[column].labels;
        assert_eq!(
            (found.len(), found[0].0.starts_with(begins), found[0].1),
            (labels, true, Share::Under),
            "{column}"
        );
    }
    let error = learn(&server, &allow("missing"), &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("canaries.missing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_told_without_values() {
    let database = Database::new(CANARIES);
    let server = database.server().await;
    let options = LearnOptions { query_time: Duration::from_millis(1), ..LearnOptions::default() };
    let error = learn(&server, &options, &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("it took too long") && error.contains("1969"), "{error}");
    let user = format!("reader_{}", database.name);
    let grant = |on: &str| outside(&format!("GRANT SELECT ON {}.{on} TO {user}@localhost", database.name));
    outside(&format!("CREATE USER {user}@localhost IDENTIFIED BY 'only-for-tests'"));
    grant("parents");
    grant("canaries");
    // A view is no table, and not read.
    database.sql("CREATE VIEW told AS SELECT CAST(j AS INT) AS number FROM canaries");
    let password = Password::new("only-for-tests");
    let credentials = Credentials { user: user.clone(), password, database: database.name.clone() };
    let reader = Server::connect(reach(), credentials).await.unwrap();
    let profile = learned(&reader, &LearnOptions::default()).await;
    let seen: Vec<&str> = profile.tables.keys().map(|table| table.name.as_str()).collect();
    assert_eq!(seen, ["canaries", "parents"], "what the user may not see is not there for it");
    outside(&format!("REVOKE SELECT ON {}.parents FROM {user}@localhost", database.name));
    outside(&format!("GRANT INSERT ON {}.parents TO {user}@localhost", database.name));
    let error = learn(&reader, &LearnOptions::default(), &|_| {}).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("parents") && text.contains("command denied") && text.contains("1142"), "{text}");
    assert!(leaks(&database, &text).is_empty(), "{text}");
    outside(&format!("DROP USER {user}@localhost"));
}

/// Loads what a seed makes and measures it.
async fn measured(database: &Database, change: impl FnOnce(&mut Seed)) -> Profile {
    let server = database.server().await;
    let schema = schema(&server).await.unwrap();
    let mut seed = plan(&schema, &PlanOptions { rows: 1500, ..PlanOptions::default() });
    change(&mut seed);
    let text = seed.to_yaml(&schema);
    let generator = Generator::new(&schema, &seed).unwrap_or_else(|error| panic!("{error}\n{text}"));
    load(&server, &schema, &generator, &LoadOptions::default(), &|_| {})
        .await
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    learned(&server, &LearnOptions::default()).await
}

/// As it would be of another database: profiles name it.
fn of(profile: &Profile, database: &Database) -> Profile {
    let tables = profile.tables.iter().map(|(table, found)| (name(database, &table.name), found.clone()));
    Profile { tables: tables.collect(), ..profile.clone() }
}

/// Measures what a seed makes, and then what a seed makes that was shaped by that.
async fn again(first: &Profile, statements: &str) -> (Profile, Profile) {
    let database = Database::new(statements);
    let schema = schema(&database.server().await).await.unwrap();
    let first = of(first, &database);
    let second = measured(&database, |seed| drop(shape(&schema, &first, seed))).await;
    (first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_profile_shapes_is_like_what_was_measured() {
    for text in [SHOP, EVERYTHING, RENTALS, MUSIC, CIRCLES] {
        let first = measured(&Database::new(text), |_| {}).await;
        let (first, second) = again(&first, text).await;
        assert!(first.tables.values().any(|table| about(table.rows) >= 1000.0));
        let mut differences = differences(&first, &second);
        // Its rows go by another key; how many share a parent by this one comes back but about.
        differences.retain(|difference| !difference.contains(".payment.rental_id: distinct share"));
        assert!(differences.is_empty(), "{differences:#?}\n{}\n{}", first.to_yaml(), second.to_yaml());
    }
}

const SHOP: &str = "
CREATE TABLE customers (id int PRIMARY KEY, email varchar(60) UNIQUE, country varchar(2), joined datetime NOT NULL);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int, status varchar(12), total decimal(10, 2), points int, at datetime,
  CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id));
";

/// Rows that no plan makes: skewed, correlated, seasonal, partly null.
const SKEWED: &str = "
INSERT INTO customers SELECT seq, concat('c', seq, '@example.com'), elt(1 + (seq * seq) % 4, 'de', 'at', 'ch', 'fr'),
  '2020-01-06' + interval seq % 700 day + interval 9 + seq % 8 hour + interval seq second FROM seq_1_to_3000;
INSERT INTO orders SELECT seq, if(seq % 10 < 2, NULL, 1 + (seq * seq) % 997), if(seq % 7 = 0, 'cancelled', 'paid'),
  seq / 10 + seq % 17, seq % 400, '2021-01-04' + interval seq * 41 minute FROM seq_1_to_12000;
";

#[tokio::test(flavor = "multi_thread")]
async fn skew_seasons_and_correlations_come_back() {
    let source = Database::new(SHOP);
    source.sql(SKEWED);
    let first = learned(&source.server().await, &LearnOptions::default()).await;
    let correlations = &first.tables[&name(&source, "orders")].correlations;
    let expected =
        |found: &devcluster::data::learn::Correlation| found.columns == ["total", "at"] && found.rank > 0.8;
    assert!(correlations.iter().any(expected), "{}", first.to_yaml());
    let (first, second) = again(&first, SHOP).await;
    let text = format!("{}\n{}", first.to_yaml(), second.to_yaml());
    assert_eq!(differences(&first, &second), Vec::<String>::new(), "{text}");
    let table = |of: &Profile, name: &str| {
        of.tables.iter().find(|(table, _)| table.name == name).map(|(_, found)| found.clone()).unwrap()
    };
    let orders = table(&second, "orders");
    let labels: Vec<&str> = orders.columns["status"].labels.iter().map(|(label, _)| label.as_str()).collect();
    assert_eq!(labels, ["paid", "cancelled"]);
    let hours = table(&second, "customers").columns["joined"].seasons.clone().unwrap().hours;
    assert!(hours[..9].iter().all(|percent| *percent == 0.0) && hours[9] > 8.0, "{text}");
    let without = |of: &Profile| table(of, "orders").keys["orders_customer"].children[0];
    assert!(without(&first).0 == 0 && (without(&first).1 - without(&second).1).abs() < 5.0, "{text}");
    assert!(orders.correlations.iter().any(|found| found.rank > 0.5), "{text}");
}
