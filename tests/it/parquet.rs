//! Parquet files as another program reads them: pyarrow finds the values that the CSV files have, in every type of both stores.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use devcluster::data::generate::{Format, Generator};
use devcluster::data::schema::Schema;
use devcluster::data::seed::{PlanOptions, plan};
use devcluster::event::Silent;
use devcluster::operation::datasets::write::{Kind, write};

use super::{mysql_schemas, mysql_server, postgres_schemas, postgres_server};

/// Writes both forms and has them compared: the number of values, and the types that were met.
async fn compared(schema: &Schema) -> (usize, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let seed = plan(schema, &PlanOptions { rows: 400, ..PlanOptions::default() });
    for (kind, ending) in [(Kind::Rows(Format::Csv), "csv"), (Kind::Parquet, "parquet")] {
        let generator = Generator::new(schema, &seed).unwrap();
        write(generator, kind, ending, directory.path().to_owned(), Arc::new(Silent)).await.unwrap();
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("testbed/bin/pyarrow/bin/python");
    let output = Command::new(&python)
        .arg(here.join("tests/it/parquet_alike.py"))
        .arg(directory.path())
        .output()
        .unwrap_or_else(|error| {
            panic!("{}: {error}: testbed/tools/ensure pyarrow installs it", python.display())
        });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    (lines.next().unwrap().parse().unwrap(), lines.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn pyarrow_reads_what_the_csv_files_have() {
    let postgres = postgres_server::Database::new(postgres_schemas::EVERYTHING);
    let schema = devcluster::data::postgres::schema(&postgres.server().await).await.unwrap();
    let (count, kinds) = compared(&schema).await;
    assert!(count > 10_000, "{count}");
    for kind in ["binary", "bool", "date32[day]", "int64", "string", "timestamp[us]", "timestamp[us, tz=UTC]"]
    {
        assert!(kinds.iter().any(|known| known == kind), "{kind}: {kinds:?}");
    }
    assert!(kinds.iter().any(|kind| kind.starts_with("decimal128(18")), "{kinds:?}");
    let mysql = mysql_server::Database::new(mysql_schemas::EVERYTHING);
    let schema = devcluster::data::mysql::schema(&mysql.server().await).await.unwrap();
    assert!(compared(&schema).await.0 > 10_000);
}
