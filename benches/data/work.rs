//! The measured work itself, each in a process of its own: `generate`, `write`, `load`, `dump`, `restore`, `keep`, `prepare`, `reset`.

use std::io::Write;
use std::sync::Arc;

use devcluster::data::generate::{Format, Generator};
use devcluster::data::postgres::{
    self, Credentials, DumpOptions, LoadOptions, Password, RestoreOptions, Server,
};
use devcluster::data::schema::{Column, ColumnType, Made, Schema, Table, TableName};
use devcluster::data::seed;
use devcluster::data::snapshot::{Catalogue, CreateOptions};

use crate::postgres_server::{PASSWORD, PORT};
use devcluster::operation::stores::direct;

/// pgbench's accounts, as its manual has them.
pub const ACCOUNTS: &str = "CREATE TABLE pgbench_accounts (aid int NOT NULL PRIMARY KEY, bid int, abalance int, filler char(84)) WITH (fillfactor = 100)";

/// Runs one; what fails ends the process.
pub fn run(verb: &str, arguments: &[String]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(at(verb, &arguments.iter().map(String::as_str).collect::<Vec<_>>()));
}

async fn at(verb: &str, arguments: &[&str]) {
    match (verb, arguments) {
        ("generate", ["lineitem", rows]) => nothing(&lineitem(), &text("public.lineitem", rows, LINE_ITEM)),
        ("generate", ["accounts", rows]) => {
            nothing(&accounts(), &text("public.pgbench_accounts", rows, ACCOUNT));
        }
        ("write", [rows, file]) => write(rows, file),
        ("load", [database, rows]) => {
            let server = server(database).await;
            let schema = postgres::schema(&server).await.expect("a schema");
            let generator = generator(&schema, &text("public.pgbench_accounts", rows, ACCOUNT));
            let options = LoadOptions::default();
            postgres::load(&server, &schema, &generator, &options, &|_| {}).await.expect("loaded");
        }
        ("dump", [database, name]) => {
            let options = CreateOptions::at("2026-01-01T00:00:00Z".parse().expect("a time"));
            let writer = catalogue().create(name.parse().expect("a name"), options).expect("begun");
            let server = server(database).await;
            postgres::dump(&server, &writer, &DumpOptions::whole("p"), &|_| {}).await.expect("dumped");
            tokio::task::spawn_blocking(move || writer.finish([].into()).expect("whole"))
                .await
                .expect("whole");
        }
        ("restore", [database, name]) => {
            let manifest = catalogue().find(&name.parse().expect("a name")).expect("a snapshot");
            let options = RestoreOptions { prefix: "p".into(), sessions: 2, keep_pristine: false };
            let server = server(database).await;
            postgres::restore(&server, &catalogue(), &manifest, &options, &|_| {}).await.expect("restored");
        }
        ("keep", [database]) => {
            postgres::keep_pristine(&server(database).await).await.expect("kept");
        }
        ("prepare", [database]) => {
            postgres::prepare_spare(&server(database).await).await.expect("prepared");
        }
        ("reset", [database]) => {
            postgres::reset(&server(database).await).await.expect("reset");
        }
        _ => panic!("no such work: {verb} {arguments:?}"),
    }
}

fn catalogue() -> Catalogue {
    Catalogue::open(std::env::var_os("CATALOGUE").expect("CATALOGUE"))
}

async fn server(database: &str) -> Server {
    let socket = std::env::var("SOCKET").expect("SOCKET").replace('/', "%2F");
    let (reach, _) =
        direct::address(&format!("postgres://postgres@{socket}:{PORT}/{database}")).expect("an address");
    let credentials =
        Credentials { user: "postgres".into(), password: Password::new(PASSWORD), database: database.into() };
    Server::connect(Arc::new(reach), credentials).await.expect("a server")
}

fn generator(schema: &Schema, text: &str) -> Generator {
    let seed = seed::read(text, "seed.yaml", schema).unwrap_or_else(|error| panic!("{error}"));
    Generator::new(schema, &seed).unwrap_or_else(|error| panic!("{error}"))
}

/// Makes all rows of the one table on this thread, and forgets them.
fn nothing(schema: &Schema, text: &str) {
    make(schema, text, |slice| {
        std::hint::black_box(slice.len());
    });
}

fn write(rows: &str, file: &str) {
    let mut out = std::io::BufWriter::new(std::fs::File::create(file).expect("a file"));
    let text = text("public.pgbench_accounts", rows, ACCOUNT);
    make(&accounts(), &text, |slice| out.write_all(slice).expect("written"));
    out.flush().expect("written");
}

fn make(schema: &Schema, text: &str, mut take: impl FnMut(&[u8])) {
    let generator = generator(schema, text);
    let plan = &generator.tables()[0];
    let (mut from, mut slice) = (0, Vec::new());
    while from < plan.rows {
        let to = plan.rows.min(from + 4096);
        slice.clear();
        generator.write(&plan.table, from..to, Format::Copy, &mut slice).expect("rows");
        take(&slice);
        from = to;
    }
}

fn text(table: &str, rows: &str, columns: &str) -> String {
    format!(
        "seed: 1\nclock: \"2026-01-01 00:00:00\"\ntables:\n  {table}:\n    rows: {rows}\n    columns:\n{columns}"
    )
}

/// As pgbench fills them, but for letters in place of its empty filler.
const ACCOUNT: &str = "      filler: {pattern: \"[a-z]{84}\"}\n";

/// Kinds of values as clause 4.2.3 of TPC-H's specification has them for scale 1; comments are words of no grammar.
const LINE_ITEM: &str = "      l_orderkey: {uniform: [1, 6000000]}
      l_partkey: {uniform: [1, 200000]}
      l_suppkey: {uniform: [1, 10000]}
      l_linenumber: {uniform: [1, 7]}
      l_quantity: {uniform: [1, 50]}
      l_extendedprice: {uniform: [900, 105000]}
      l_discount: {uniform: [0, 0.10]}
      l_tax: {uniform: [0, 0.08]}
      l_returnflag: {choice: [R, A, N]}
      l_linestatus: {choice: [O, F]}
      l_shipdate: {uniform: [1992-01-02, 1998-12-01]}
      l_commitdate: {uniform: [1992-01-31, 1998-10-31]}
      l_receiptdate: {after: {column: l_shipdate, mean: 15d, max: 30d}}
      l_shipinstruct: {choice: [DELIVER IN PERSON, COLLECT COD, NONE, TAKE BACK RETURN]}
      l_shipmode: {choice: [REG AIR, AIR, RAIL, SHIP, TRUCK, MAIL, FOB]}
      l_comment: {words: [2, 6]}
";

fn accounts() -> Schema {
    let mut aid = column("aid", ColumnType::Integer);
    aid.not_null = true;
    let columns = vec![
        aid,
        column("bid", ColumnType::Integer),
        column("abalance", ColumnType::Integer),
        column("filler", ColumnType::Char(84)),
    ];
    table("pgbench_accounts", columns, &["aid"])
}

/// TPC-H's line items (its specification, clause 1.4.1).
fn lineitem() -> Schema {
    let decimal = || ColumnType::Numeric { precision: Some(15), scale: 2 };
    let kinds = [
        ("l_orderkey", ColumnType::BigInt),
        ("l_partkey", ColumnType::BigInt),
        ("l_suppkey", ColumnType::BigInt),
        ("l_linenumber", ColumnType::Integer),
        ("l_quantity", decimal()),
        ("l_extendedprice", decimal()),
        ("l_discount", decimal()),
        ("l_tax", decimal()),
        ("l_returnflag", ColumnType::Char(1)),
        ("l_linestatus", ColumnType::Char(1)),
        ("l_shipdate", ColumnType::Date),
        ("l_commitdate", ColumnType::Date),
        ("l_receiptdate", ColumnType::Date),
        ("l_shipinstruct", ColumnType::Char(25)),
        ("l_shipmode", ColumnType::Char(10)),
        ("l_comment", ColumnType::VarChar(44)),
    ];
    let columns = kinds.into_iter().map(|(name, kind)| Column { not_null: true, ..column(name, kind) });
    table("lineitem", columns.collect(), &["l_orderkey", "l_linenumber"])
}

fn column(name: &str, kind: ColumnType) -> Column {
    Column { name: name.into(), kind, not_null: false, default: None, made: Made::Plain }
}

fn table(name: &str, columns: Vec<Column>, key: &[&str]) -> Schema {
    let table = Table {
        name: TableName::new("public", name),
        columns,
        primary_key: key.iter().map(|name| (*name).to_owned()).collect(),
        uniques: Vec::new(),
        foreign_keys: Vec::new(),
        checks: [].into(),
        partitioning: None,
        inherits: None,
        rows: 0,
    };
    Schema { tables: vec![table], ..Schema::default() }
}
