//! Connecting to a real PostgreSQL server, and what its catalogue reads as.

use std::sync::Arc;

use devcluster::data::postgres::{Credentials, Password, Server, fingerprint, moved, schema};
use devcluster::data::schema::{ColumnType, Made, PartitionBy, TableName, Unique};

use super::nowhere::Nowhere;
use super::postgres_schemas::EVERYTHING;
use super::postgres_server::{Database, reach};

#[tokio::test(flavor = "multi_thread")]
async fn why_there_is_no_connection_is_said() {
    let database = Database::new("");
    let good = database.credentials();
    let wrong = Credentials { password: Password::new("hunter2"), ..good.clone() };
    let error = Server::connect(reach(), wrong.clone()).await.unwrap_err().to_string();
    assert!(error.contains("does not let user `postgres` in: password authentication failed"), "{error}");
    assert!(!format!("{error} {wrong:?}").contains("hunter2"));
    let absent = Credentials { database: "shopp".into(), ..good.clone() };
    let error = Server::connect(reach(), absent).await.unwrap_err().to_string();
    assert!(error.contains("has no database `shopp`") && error.contains(&database.name), "{error}");
    let error =
        Server::connect(Arc::new(Nowhere("PostgreSQL shop/nowhere")), good).await.unwrap_err().to_string();
    assert_eq!(error, "cannot reach PostgreSQL shop/nowhere: connection refused; is it running and ready?");
    let server = database.server().await;
    assert!(server.version() >= 12 && server.release().contains(&server.version().to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_reads_as_it_was_written() {
    let database = Database::new(EVERYTHING);
    let server = database.server().await;
    let read = schema(&server).await.unwrap();
    let table = |space: &str, name: &str| read.table(&TableName::new(space, name)).unwrap();
    let types: Vec<String> =
        table("public", "every_type").columns.iter().map(|column| format!("{:?}", column.kind)).collect();
    let expected = "BigInt Boolean SmallInt Integer BigInt Numeric { precision: Some(10), scale: 2 } Numeric { precision: None, scale: 0 } \
         Real Double Money Text VarChar(40) Char(5) Bytes Uuid Date Time { zoned: false } Time { zoned: true } Timestamp { zoned: false } \
         Timestamp { zoned: true } Interval Json Jsonb Xml Inet Cidr MacAddress Bit(7) VarBit(Some(9)) TextSearchVector Enum(\"public.mood\") \
         Domain(\"public.short_text\") Array(Integer) Array(Text) Array(Enum(\"public.mood\")) Range(Integer) Range(Date) \
         Range(Timestamp { zoned: true }) Other(\"point\") VarBit(None) Range(Numeric { precision: None, scale: 0 })";
    assert_eq!(types.join(" "), expected);
    assert_eq!(read.enums["public.mood"], ["sad", "ok", "happy; very"]);
    let domain = &read.domains["public.short_text"];
    assert_eq!(
        (&domain.base, domain.not_null, &domain.checks[..]),
        (&ColumnType::Text, true, &["(length(VALUE) <= 12)".to_owned()][..])
    );
    let order = table("Sales Dept", "Order; 1");
    let made: Vec<Made> = order.columns.iter().map(|column| column.made).collect();
    assert_eq!(made, [Made::Sequence, Made::Plain, Made::Generated, Made::Plain]);
    let unique = |columns: &[&str]| Unique {
        columns: columns.iter().map(|name| (*name).into()).collect(),
        nulls_not_distinct: false,
    };
    assert_eq!(order.uniques, [unique(&["code"]), unique(&["total", "code"])]);
    assert_eq!(order.checks.values().collect::<Vec<_>>(), ["(total >= (0)::numeric)"]);
    assert_eq!(table("public", "every_type").columns[0].made, Made::IdentityAlways);
    assert_eq!(table("public", "cities").foreign_keys[0].references, ["country", "region"]);
    let partitioning = table("public", "events").partitioning.clone().unwrap();
    assert_eq!(
        (partitioning.by, &partitioning.columns[..], partitioning.bounds.len()),
        (PartitionBy::Range, &["at".to_owned()][..], 2)
    );
    assert_eq!(table("public", "derived").inherits, Some(TableName::new("public", "base")));
    assert!(read.table(&TableName::new("public", "events_2024")).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_moves_on_is_noticed() {
    let (database, same) = (Database::new(EVERYTHING), Database::new(EVERYTHING));
    let server = database.server().await;
    let before = schema(&server).await.unwrap();
    assert_eq!(fingerprint(&before), fingerprint(&schema(&same.server().await).await.unwrap()));
    database.sql(
        "INSERT INTO keyless VALUES (1, 'a'); ANALYZE; ALTER TABLE keyless ADD c int; DROP TABLE cities",
    );
    let after = schema(&server).await.unwrap();
    let texts: Vec<String> = moved(&before, &after).iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "table public.cities: removed",
            "table public.keyless column c: added",
            "table public.keyless order of columns: was a, b, is a, b, c"
        ]
    );
}
