//! Connecting to a real MariaDB server, and what its catalogue reads as.

use std::sync::Arc;

use devcluster::data::mysql::{Credentials, Flavour, Password, Server, schema};
use devcluster::data::schema::{ColumnType, Made, PartitionBy, TableName};

use super::mysql_schemas::EVERYTHING;
use super::mysql_server::{Database, Running, reach};
use super::nowhere::Nowhere;

#[tokio::test(flavor = "multi_thread")]
async fn why_there_is_no_connection_is_said() {
    let database = Database::new("");
    let good = database.credentials();
    let wrong = Credentials { password: Password::new("hunter2"), ..good.clone() };
    let error = Server::connect(reach(), wrong.clone()).await.unwrap_err().to_string();
    assert!(error.contains("does not let user `root` in: Access denied for user"), "{error}");
    assert!(!format!("{error} {wrong:?}").contains("hunter2"));
    let absent = Credentials { database: "shopp".into(), ..good.clone() };
    let error = Server::connect(reach(), absent).await.unwrap_err().to_string();
    assert!(error.contains("has no database `shopp`") && error.contains(&database.name), "{error}");
    let error = Server::connect(Arc::new(Nowhere("MySQL shop/nowhere")), good).await.unwrap_err().to_string();
    assert_eq!(error, "cannot reach MySQL shop/nowhere: connection refused; is it running and ready?");
    let server = database.server().await;
    assert_eq!(server.flavour(), Flavour::MariaDb);
    assert!(server.release().contains("MariaDB") && server.note().is_none(), "{}", server.release());
    let shown = format!("{server:?}");
    assert!(shown.contains(&database.name) && !shown.contains("only-for-tests"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_server_is_refused() {
    // The server tells the version that it is told to tell.
    let old = Running::with(&["--version=5.5.62-MariaDB"]);
    let credentials = Credentials { database: "mysql".into(), ..Database::new("").credentials() };
    let error = Server::connect(old.reach(), credentials).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "MariaDB of the tests is MariaDB 5.5.62-MariaDB; MariaDB 10.6, MySQL 8.0 and later are supported"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_reads_as_it_was_written() {
    let database = Database::new(EVERYTHING);
    let server = database.server().await;
    let read = schema(&server).await.unwrap();
    let table = |name: &str| read.table(&TableName::new(&database.name, name)).unwrap();
    let types: Vec<String> = table("every_type")
        .columns
        .iter()
        .map(|column| format!("{:?}", column.kind).replace(&database.name, "test"))
        .collect();
    let expected = r#"Domain("mysql.bigint unsigned auto_increment") Boolean Domain("mysql.tinyint") Domain("mysql.tinyint unsigned") SmallInt Domain("mysql.smallint unsigned") Domain("mysql.mediumint") Domain("mysql.mediumint unsigned") Integer Domain("mysql.int unsigned") BigInt Numeric { precision: Some(10), scale: 2 } Domain("mysql.decimal(8,3) unsigned") Real Double Numeric { precision: Some(7), scale: 2 } Char(5) VarChar(40) Text VarChar(63) Text Bytes Bytes Bytes Bit(7) Boolean Date Time { zoned: false } Timestamp { zoned: false } Timestamp { zoned: false } Domain("mysql.timestamp") Domain("mysql.year") Enum("test.every_type.af") Enum("test.every_type.ag") Json Uuid Char(3) Other("point") Uuid Other("inet6")"#;
    assert_eq!(types.join(" "), expected);
    let labels = &read.enums[&format!("{}.every_type.af", database.name)];
    assert_eq!(labels, &["sad", "ok", "happy; it's"]);
    assert!(table("every_type").checks.is_empty());
    let order = table("order; `1");
    let made: Vec<Made> = order.columns.iter().map(|column| column.made).take(4).collect();
    assert_eq!(made, [Made::Sequence, Made::Plain, Made::Generated, Made::Generated]);
    assert_eq!(order.primary_key, ["I d"]);
    let uniques: Vec<_> = order.uniques.iter().map(|unique| unique.columns.join(",")).collect();
    assert_eq!(uniques, ["total,code", "code"]);
    assert_eq!(
        order.column("code").unwrap().kind,
        ColumnType::Domain("mysql.varchar(20) without case".into())
    );
    assert_eq!(order.checks["in_order"], "`ends` > `starts`");
    let key = &table("cities").foreign_keys[0];
    assert_eq!(
        (key.columns.join(","), key.references.join(",")),
        ("country,region".into(), "country,region".into())
    );
    let staff: Vec<&str> = table("staff").foreign_keys.iter().map(|key| key.table.name.as_str()).collect();
    assert_eq!(staff, ["departments", "staff"]);
    let events = table("events").partitioning.as_ref().unwrap();
    assert_eq!((events.by, events.bounds.len()), (PartitionBy::Range, 3));
    assert_eq!(events.bounds[1], "FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')");
}
