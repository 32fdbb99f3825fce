//! Properties over random schemas in a real MariaDB server: rows keep every constraint, the same seed gives the same rows, and
//! what is dumped and restored is the same.

use std::fmt::Write as _;

use devcluster::data::mysql::{DumpOptions, LoadOptions, schema};
use devcluster::data::subset::{self, Cap, Request, Root};

use super::draws::Draws;
use super::mysql_load::{seeded, shape, violations};
use super::mysql_server::Database;
use super::mysql_snapshot::Kept;

/// A table's name and its key's columns with their types.
type Keyed = (String, Vec<(String, &'static str)>);

const TYPES: [&str; 27] = [
    "int",
    "int unsigned",
    "bigint",
    "bigint unsigned",
    "smallint unsigned",
    "tinyint",
    "tinyint(1)",
    "mediumint",
    "decimal(9,2)",
    "decimal(5,3) unsigned",
    "text",
    "varchar(40)",
    "varchar(200) COLLATE utf8mb4_bin",
    "char(5)",
    "date",
    "datetime",
    "datetime(6)",
    "timestamp NULL",
    "time",
    "year",
    "json",
    "enum('new', 'it''s', 'done, \"quoted\"')",
    "set('a', 'b')",
    "blob",
    "binary(16)",
    "double",
    "bit(7)",
];

/// The statements of a random schema.
fn random(seed: u64) -> String {
    let mut draws = Draws(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (mut text, mut keyed): (String, Vec<Keyed>) = (String::new(), Vec::new());
    for at in 0..2 + draws.below(5) {
        table(&mut draws, &format!("`Table {at}`"), &mut keyed, &mut text);
    }
    // Circles, by way of columns that may be null.
    for at in 0..keyed.len() {
        if draws.chance(50) {
            let (from, to) = (keyed[at].0.clone(), keyed[draws.below(keyed.len())].clone());
            let columns: Vec<String> =
                to.1.iter().enumerate().map(|(place, (_, kind))| format!("ADD back{place} {kind}")).collect();
            let names: Vec<String> = (0..columns.len()).map(|place| format!("back{place}")).collect();
            let _ = writeln!(
                text,
                "ALTER TABLE {from} {}, ADD FOREIGN KEY ({}) REFERENCES {} ({});",
                columns.join(", "),
                names.join(", "),
                to.0,
                to.1.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
            );
        }
    }
    text
}

fn table(draws: &mut Draws, name: &str, keyed: &mut Vec<Keyed>, text: &mut String) {
    let mut parts = Vec::new();
    let key: Vec<(String, &'static str)> = match draws.below(6) {
        0 => vec![],
        1 => vec![("id".into(), "binary(16)")],
        2 => vec![("one".into(), "int unsigned"), ("two".into(), "varchar(12)")],
        3 => vec![("id".into(), "mediumint unsigned")],
        _ => vec![("id".into(), "bigint unsigned")],
    };
    let counts = if key.len() == 1 && key[0].1 != "binary(16)" { " AUTO_INCREMENT" } else { "" };
    parts.extend(key.iter().map(|(column, kind)| format!("{column} {kind} NOT NULL{counts}")));
    let mut names: Vec<&str> = key.iter().map(|(column, _)| column.as_str()).collect();
    // Tables with partitions have no foreign keys, and none refers to them.
    let partitioned = !key.is_empty() && draws.chance(15);
    if partitioned {
        parts.push("day date NOT NULL".into());
        names.push("day");
    }
    if !key.is_empty() {
        parts.push(format!("PRIMARY KEY ({})", names.join(", ")));
    }
    for place in 0..draws.below(3).min(if partitioned { 0 } else { keyed.len() }) {
        let parent = keyed[draws.below(keyed.len())].clone();
        let null = draws.pick(&["", " NOT NULL"]);
        let columns: Vec<String> = (0..parent.1.len()).map(|at| format!("parent{place}_{at}")).collect();
        parts.extend(
            columns.iter().zip(&parent.1).map(|(column, (_, kind))| format!("{column} {kind}{null}")),
        );
        let references: Vec<&str> = parent.1.iter().map(|(name, _)| name.as_str()).collect();
        parts.push(format!(
            "FOREIGN KEY ({}) REFERENCES {} ({})",
            columns.join(", "),
            parent.0,
            references.join(", ")
        ));
    }
    for place in 0..=draws.below(5) {
        let kind = draws.pick(&TYPES);
        let unique = !partitioned
            && matches!(kind, "bigint" | "varchar(40)" | "binary(16)" | "datetime" | "date")
            && draws.chance(25);
        let null = if kind.ends_with("NULL") { "" } else { draws.pick(&["", " NOT NULL"]) };
        let check = match kind {
            "int" if draws.chance(50) => format!(" CHECK (free{place} >= 10 AND free{place} < 5000)"),
            "varchar(40)" if draws.chance(30) => format!(" CHECK (char_length(free{place}) > 2)"),
            _ => String::new(),
        };
        parts.push(format!("free{place} {kind}{null}{}{check}", if unique { " UNIQUE" } else { "" }));
    }
    if draws.chance(30) {
        parts.push("made varchar(60) AS (concat('x', free0)) VIRTUAL".into());
    }
    let by = if partitioned {
        " PARTITION BY RANGE COLUMNS (day) (PARTITION a VALUES LESS THAN ('2024-02-01'), PARTITION b VALUES LESS THAN ('2024-03-01'))"
    } else {
        ""
    };
    let _ = writeln!(text, "CREATE TABLE {name} ({}){by};", parts.join(", "));
    if !partitioned && !key.is_empty() {
        keyed.push((name.to_owned(), key));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_schema_rows_hold_and_come_back() {
    let seeds = std::env::var("DEVCLUSTER_RANDOM_SCHEMAS").ok().and_then(|count| count.parse().ok());
    for seed in 0..seeds.unwrap_or(12) {
        let text = random(seed);
        let (database, kept) = (Database::new(&text), Kept::new());
        let (server, before) = (database.server().await, shape(&database));
        let options = LoadOptions::default();
        seeded(&server, 40, &options).await.unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(violations(&database), "", "{text}");
        let rows = database.digest();
        seeded(&server, 40, &LoadOptions { generators: 1, sessions: 1 }).await.unwrap();
        assert_eq!((database.digest() == rows, shape(&database) == before), (true, true), "{text}");
        let first = kept.dump(&server, "random", &DumpOptions::whole("shop")).await.unwrap().0;
        database.sql("CREATE TABLE since (a int)");
        kept.restore(&server, &first).await.unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!((database.digest() == rows, shape(&database) == before), (true, true), "{text}");
        let again = kept.dump(&server, "again", &DumpOptions::whole("shop")).await.unwrap().0;
        assert_eq!(again.content, first.content, "{text}");
    }
}

/// What refers to rows that are not there.
fn dangling(database: &Database) -> Vec<String> {
    let keys = database.sql(
        "SELECT concat('SELECT count(*) FROM `', table_name, '` c LEFT JOIN `', referenced_table_name, '` p ON ',
           group_concat('c.`', column_name, '` = p.`', referenced_column_name, '`' SEPARATOR ' AND '), ' WHERE ',
           group_concat('c.`', column_name, '` IS NOT NULL' SEPARATOR ' AND '), ' AND p.`', max(referenced_column_name), '` IS NULL')
         FROM information_schema.key_column_usage WHERE table_schema = database() AND referenced_table_name IS NOT NULL
         GROUP BY table_name, constraint_name, referenced_table_name",
    );
    keys.lines().filter(|query| database.sql(query) != "0").map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_schema_no_key_of_a_subset_dangles() {
    let seeds = std::env::var("DEVCLUSTER_RANDOM_SCHEMAS").ok().and_then(|count| count.parse().ok());
    let mut smaller = 0;
    for seed in 0..seeds.unwrap_or(10) {
        let text = random(seed);
        let (database, kept) = (Database::new(&text), Kept::new());
        let server = database.server().await;
        seeded(&server, 40, &LoadOptions::default()).await.unwrap_or_else(|error| panic!("{error}\n{text}"));
        let known = schema(&server).await.unwrap();
        let with_key = known.tables.iter().find(|table| !table.primary_key.is_empty());
        let Some(root) = with_key.map(|table| format!("{}=20", table.name)) else { continue };
        let (rows, before) = (count(&database), shape(&database));
        let mut taken = Vec::new();
        for (name, cap) in
            [("all", Cap::All), ("again", Cap::All), ("capped", Cap::Most(2)), ("up", Cap::Most(0))]
        {
            let roots = vec![Root::percent(&known, &root).unwrap()];
            let request = Request { roots, whole: Vec::new(), cap, caps: Vec::new(), seed: 7 };
            let plan = subset::plan(&known, &request).unwrap();
            let options = DumpOptions { subset: Some(plan), ..DumpOptions::whole("shop") };
            let dumped = kept.dump(&server, name, &options).await;
            taken.push(dumped.unwrap_or_else(|error| panic!("{error}\n{text}")).0);
        }
        assert_eq!(taken[0].content, taken[1].content, "the same request takes the same rows\n{text}");
        let mut counts = Vec::new();
        for manifest in [&taken[0], &taken[2], &taken[3]] {
            kept.restore(&server, manifest).await.unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!((dangling(&database), shape(&database) == before), (Vec::new(), true), "{text}");
            counts.push(count(&database));
        }
        assert!(
            counts[0] <= rows && counts[1] <= counts[0] && counts[2] <= counts[1],
            "{counts:?} of {rows}\n{text}"
        );
        smaller += u32::from(counts[2] < rows && counts[2] > 0);
    }
    assert!(smaller > 3, "{smaller}");
}

/// Rows of all tables.
fn count(database: &Database) -> u64 {
    let tables =
        database.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = database()");
    tables
        .lines()
        .map(|table| database.sql(&format!("SELECT count(*) FROM `{table}`")).parse::<u64>().unwrap())
        .sum()
}
