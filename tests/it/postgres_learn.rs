//! A real PostgreSQL server measured: no value of its rows gets into a profile, and what a profile shapes is like what was measured.

use std::collections::BTreeSet;
use std::time::Duration;

use devcluster::data::generate::Generator;
use devcluster::data::learn::{Distinct, LearnOptions, Profile, Quantity, Share, shape};
use devcluster::data::postgres::{Credentials, LoadOptions, Password, Server, learn, load, schema};
use devcluster::data::schema::TableName;
use devcluster::data::seed::{PlanOptions, Seed, plan};

use super::learned::{about, differences, encodings, table_of};
use super::postgres_schemas::{EVERYTHING, OTHERS};
use super::postgres_server::{Database, reach};

/// Every type, each value of which stands in one row alone, beside columns with few values.
const CANARIES: &str = r#"
CREATE TYPE mood AS ENUM ('sad', 'ok; very');
CREATE TYPE pair AS (one int, other text);
CREATE DOMAIN code AS text CHECK (VALUE <> '');
CREATE DOMAIN codes AS code;
CREATE TABLE parents (id bigint PRIMARY KEY, name text UNIQUE);
INSERT INTO parents SELECT 700000000000 + i * 7919, 'pqzxa ' || md5('p' || i) FROM generate_series(1, 1200) i;
CREATE TABLE canaries AS SELECT
  true AS a, (10001 + i * 11)::smallint AS b, 1200345671 + i * 7907 AS c, 8100000000000345671 + i * 7907 AS d,
  (1234567 + i * 7.91)::numeric(12, 2) AS e, (9876543210123.0 + i * 13.71) * 1e13 AS f, (12345.6 + i * 1.7)::real AS g, 7654321.1234 + i * 3.7::float8 AS h,
  (234567 + i * 7.91)::numeric::money AS i, 'pqzxb-' || md5('j' || i) AS j, ('K"\' || md5('k' || i))::varchar(40) AS k,
  substr(md5('l' || i), 1, 9)::char(12) AS l, decode(md5('m' || i), 'hex') AS m, md5('n' || i)::uuid AS n,
  date '1903-03-17' + i AS o, time '03:17:19.123' + i * interval '13.7 s' AS p, (time '03:17:19.321' + i * interval '11.7 s')::timetz AS q,
  timestamp '1913-03-17 03:17:19.123' + i * interval '7919 min' AS r, timestamptz '2013-03-17 03:17:19.123' + i * interval '7907 min' AS s,
  i * interval '79.19 min' + interval '3 days 17:19' AS t, json_build_object('pqzxk', md5('u' || i), 'n', 1200345671 + i) AS u,
  jsonb_build_object('é"', md5('v' || i)) AS v, xmlelement(name x, md5('w' || i)) AS w, inet '10.17.0.0' + i * 37 AS x,
  (network(inet '172.16.0.0' + i * 256))::cidr AS y, ('08002b' || lpad(to_hex(i * 7919), 6, '0'))::macaddr AS z,
  (i * 7919)::bit(30) AS aa, (i * 7919)::bit(29)::varbit AS ab, to_tsvector('simple', md5('ac' || i)) AS ac,
  CASE WHEN i % 3 = 0 THEN 'sad' ELSE 'ok; very' END::mood AS ad, ('pqzxc ' || md5('ae' || i))::codes AS ae, ARRAY[i * 7919, 1200345671 + i] AS af,
  ARRAY['pqzxd ' || md5('ag' || i)] AS ag, int4range(i * 7919, i * 7919 + 7) AS ah, daterange(date '1907-03-17' + i, date '2107-03-17' + i) AS ai,
  point(i * 7919.5, i) AS aj, ROW(i * 7919, md5('ak' || i))::pair AS ak, tstzrange(timestamptz '2011-03-17 03:17' + i * interval '7907 min', NULL) AS al,
  ('ffpqzxl-' || md5(i::text))::text COLLATE "C" AS am, ('08002b01' || lpad(to_hex(i * 7919), 8, '0'))::macaddr8 AS an,
  700000000000 + (CASE WHEN i > 1150 THEN 1 ELSE (i + 1) / 2 END) * 7919 AS parent,
  CASE WHEN i % 5 = 0 THEN 'named twice' ELSE 'named "often"' END AS named,
  CASE WHEN i % 400 = 0 THEN 'pqzxe ' || md5('x' || i) ELSE 'common' END AS mixed,
  CASE WHEN i % 400 = 0 THEN NULL ELSE 'pqzxf ' || md5((i % 30)::text) END AS allowed,
  date '1917-03-17' + i % 2 AS days, (i % 2) * 1234567.5 + 0.25 AS amounts, repeat('pqzxg pqzxh ', 9) || (i % 2) AS prose
  FROM generate_series(1, 1200) i;
ALTER TABLE canaries ADD PRIMARY KEY (c), ADD FOREIGN KEY (parent) REFERENCES parents;
CREATE TABLE small AS SELECT 'pqzxi ' || md5(i::text) AS s, 'pqzxj' AS t FROM generate_series(1, 40) i;
CREATE TABLE nothing (a int);
"#;

/// Columns whose values may be seen: those that are named, and those that have hardly any.
const SEEN: [&str; 3] = ["a", "ad", "named"];

async fn learned(server: &Server, options: &LearnOptions) -> Profile {
    learn(server, options, &|_| {}).await.unwrap_or_else(|error| panic!("{error}"))
}

fn leaks(database: &Database, text: &str) -> Vec<String> {
    let columns = database.sql(
        "SELECT c.relname || '.' || attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
           WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0 ORDER BY 1",
    );
    let mut found = Vec::new();
    for column in columns.lines().filter(|column| !SEEN.contains(&column.split('.').next_back().unwrap())) {
        let (table, name) = column.split_once('.').unwrap();
        let values = database.sql(&format!(
            "SELECT DISTINCT to_json({name}::text)::text FROM {table} WHERE {name} IS NOT NULL"
        ));
        for value in values.lines() {
            let value: String = serde_json::from_str(value).unwrap();
            let leaked = encodings(&value).into_iter().filter(|hidden| text.contains(hidden.as_str()));
            found.extend(leaked.map(|hidden| format!("{column}: {value} as {hidden}")));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_of_any_type_is_in_a_profile() {
    let database = Database::new(CANARIES);
    let (server, before) = (database.server().await, database.digest());
    for sample_above in [1_000_000, 1000] {
        let options = LearnOptions { sample_above, sample_rows: 1100, ..LearnOptions::default() };
        let profile = learned(&server, &options).await;
        let text = profile.to_yaml();
        let leaks: Vec<String> = leaks(&database, &text)
            .into_iter()
            .filter(|leak| !leak.starts_with("canaries.mixed: common as"))
            .collect();
        assert!(leaks.is_empty(), "{leaks:#?}\n{text}");
        assert_eq!(Profile::read(&text, "p").unwrap_or_else(|faults| panic!("{faults}\n{text}")), profile);
        let table = &profile.tables[&TableName::new("public", "canaries")];
        let labels = |name: &str| {
            table.columns[name].labels.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(
            [labels("named"), labels("mixed"), labels("ad")],
            [vec!["named \"often\"", "named twice"], vec!["common"], vec!["ok; very", "sad"]]
        );
        for silent in ["allowed", "days", "amounts", "prose", "parent"] {
            assert_eq!(labels(silent), Vec::<&str>::new(), "{silent}");
        }
        for (name, distinct) in [
            ("j", Distinct::All),
            ("c", Distinct::All),
            ("named", Distinct::Each(2)),
            ("mixed", Distinct::About(10)),
        ] {
            assert_eq!(table.columns[name].distinct, Some(distinct), "{name}");
        }
        assert_eq!(table.columns["allowed"].nulls, Share::Under);
        assert_eq!(profile.tables[&TableName::new("public", "small")], table_of(Quantity::Under));
        assert_eq!(profile.tables[&TableName::new("public", "nothing")], table_of(Quantity::None));
    }
    assert_eq!(database.digest(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_every_kind_partitions_and_inheritance_are_measured() {
    let database = Database::new(EVERYTHING);
    let profile = measured(&database, |_| {}).await;
    assert_eq!(Profile::read(&profile.to_yaml(), "p").unwrap_or_else(|faults| panic!("{faults}")), profile);
    for (schema, name) in [
        ("public", "events"),
        ("public", "base"),
        ("public", "derived"),
        ("Sales Dept", "Order; 1"),
        ("public", "every_type"),
    ] {
        let rows = profile.tables[&TableName::new(schema, name)].rows;
        assert!(about(rows) >= 1500.0, "{name}: {rows:?}");
    }
    let again = Database::new(EVERYTHING);
    let schema = schema(&again.server().await).await.unwrap();
    let second = measured(&again, |seed| drop(shape(&schema, &profile, seed))).await;
    let differences = differences(&profile, &second);
    assert!(differences.is_empty(), "{differences:#?}\n{}\n{}", profile.to_yaml(), second.to_yaml());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_allowed_by_name_is_named() {
    let database = Database::new(CANARIES);
    let server = database.server().await;
    let allow =
        |name: &str| LearnOptions { allow: BTreeSet::from([name.to_owned()]), ..LearnOptions::default() };
    let profile = learned(&server, &allow("public.canaries.allowed")).await;
    let labels = &profile.tables[&TableName::new("public", "canaries")].columns["allowed"].labels;
    assert_eq!((labels.len(), labels[0].0.starts_with("pqzxf "), labels[0].1), (30, true, Share::Under));
    let error = learn(&server, &allow("public.canaries.missing"), &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("public.canaries.missing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_told_without_values() {
    let database = Database::new(CANARIES);
    let server = database.server().await;
    let options = LearnOptions { query_time: Duration::from_millis(1), ..LearnOptions::default() };
    let error = learn(&server, &options, &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("57014"), "{error}");
    let role = format!("reader_{}", database.name);
    database.sql(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'only-for-tests'; GRANT SELECT ON parents, canaries TO {role}"
    ));
    let credentials = Credentials {
        user: role.clone(),
        password: Password::new("only-for-tests"),
        database: database.name.clone(),
    };
    let reader = Server::connect(reach(), credentials).await.unwrap();
    let error = learn(&reader, &LearnOptions::default(), &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("public.nothing") && error.contains("permission denied"), "{error}");
    database.sql(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"));
    learned(&reader, &LearnOptions::default()).await;
    database.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    database.sql(
        "CREATE FUNCTION told(pair) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'bad value %', $1.other USING DETAIL = $1.other; END $$;
         CREATE CAST (pair AS text) WITH FUNCTION told(pair)",
    );
    let error = learn(&server, &LearnOptions::default(), &|_| {}).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("public.canaries.ak") && text.contains("P0001"), "{text}");
    database.sql("DROP CAST (pair AS text)");
    assert!(!text.contains("bad value") && leaks(&database, &text).is_empty(), "{text}");
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

#[tokio::test(flavor = "multi_thread")]
async fn what_a_profile_shapes_is_like_what_was_measured() {
    for (name, text) in [("shop", SHOP)].into_iter().chain(OTHERS) {
        let first = measured(&Database::new(text), |_| {}).await;
        let database = Database::new(text);
        let schema = schema(&database.server().await).await.unwrap();
        let second = measured(&database, |seed| drop(shape(&schema, &first, seed))).await;
        let differences = differences(&first, &second);
        assert!(
            differences.is_empty(),
            "{name}: {differences:#?}\n{}\n{}",
            first.to_yaml(),
            second.to_yaml()
        );
    }
}

const SHOP: &str = "
CREATE TABLE customers (id int PRIMARY KEY, email text UNIQUE, country text, joined timestamptz NOT NULL);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int REFERENCES customers, status text, total numeric(10, 2), points int, at timestamptz);
";

/// Rows that no plan makes: skewed, correlated, seasonal, partly null.
const SKEWED: &str = "
INSERT INTO customers SELECT i, 'c' || i || '@example.com', (ARRAY['de','at','ch','fr'])[1 + (i * i) % 4],
  timestamptz '2020-01-06' + (i % 700) * interval '1 day' + (9 + i % 8) * interval '1 hour' + i * interval '1 s' FROM generate_series(1, 3000) i;
INSERT INTO orders SELECT o, CASE WHEN o % 10 < 2 THEN NULL ELSE 1 + (o * o::bigint) % 997 END, CASE WHEN o % 7 = 0 THEN 'cancelled' ELSE 'paid' END,
  o / 10.0 + o % 17, o % 400, timestamptz '2021-01-04' + o * interval '41 min' FROM generate_series(1, 12000) o;
";

#[tokio::test(flavor = "multi_thread")]
async fn skew_seasons_and_correlations_come_back() {
    let source = Database::new(SHOP);
    source.sql(SKEWED);
    let first = learned(&source.server().await, &LearnOptions::default()).await;
    let orders = &first.tables[&TableName::new("public", "orders")];
    assert!(
        orders.correlations.iter().any(|found| found.columns == ["total", "at"] && found.rank > 0.8),
        "{}",
        first.to_yaml()
    );
    let database = Database::new(SHOP);
    let schema = schema(&database.server().await).await.unwrap();
    let second = measured(&database, |seed| drop(shape(&schema, &first, seed))).await;
    let text = format!("{}\n{}", first.to_yaml(), second.to_yaml());
    assert_eq!(differences(&first, &second), Vec::<String>::new(), "{text}");
    let orders = &second.tables[&TableName::new("public", "orders")];
    assert_eq!(
        orders.columns["status"].labels.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>(),
        ["paid", "cancelled"]
    );
    let hours = &second.tables[&TableName::new("public", "customers")].columns["joined"]
        .seasons
        .as_ref()
        .unwrap()
        .hours;
    assert!(hours[..9].iter().all(|percent| *percent == 0.0) && hours[9] > 8.0, "{text}");
    let without = |profile: &Profile| {
        profile.tables[&TableName::new("public", "orders")].keys["orders_customer_id_fkey"].children[0]
    };
    assert!(without(&first).0 == 0 && (without(&first).1 - without(&second).1).abs() < 5.0, "{text}");
    assert!(orders.correlations.iter().any(|found| found.rank > 0.5), "{text}");
}
