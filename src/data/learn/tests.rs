//! Profiles as text, and seeds that are shaped by them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::data::generate::Generator;
use crate::data::generate::test_schema::{column, key, table};
use crate::data::schema::{Column, ColumnType, Schema, TableName};
use crate::data::seed::{FanOut, Make, PlanOptions, Rows, plan, read};

const TEXT: &str = include_str!("testdata/profile.yaml");

#[test]
fn a_profile_reads_back_as_it_was_written() {
    let profile = Profile::read(TEXT, "profile.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(profile.to_yaml(), TEXT);
    assert_eq!(Profile::read(&Profile::default().to_yaml(), "p").unwrap(), Profile::default());
}

#[test]
fn all_faults_are_told_at_once() {
    let text = "least: 1\ntables:\n  public:\n    a:\n      rows: many\n      columns:\n        b: {nulls: 12, distinct: some, growth: 3}\n        \
                c: {quartiles: [1, 2, 0], seasons: {days: [1]}}\n      correlations: [{columns: [a], rank: 7}]\n";
    let faults = Profile::read(text, "p.yaml").unwrap_err().to_string();
    for said in [
        "p.yaml has 10 faults",
        "1:8: it cannot be `1`",
        "5:13: it cannot be `many`",
        "`growth` is not known here",
        "`nulls` is missing",
        "7:20: it cannot be `12`; needed is a share such as `12%`",
        "8:28: it cannot be `2`",
        "a sequence of 7 numbers",
        "two columns",
        "-1 to 1",
    ] {
        assert!(faults.contains(said), "{said} in {faults}");
    }
}

fn schema() -> Schema {
    let mut customers = table(
        "customers",
        vec![
            column("id", ColumnType::Integer),
            column("country", ColumnType::VarChar(2)),
            Column { not_null: false, ..column("note", ColumnType::Text) },
        ],
    );
    customers.primary_key = vec!["id".into()];
    let mut orders = table(
        "orders",
        vec![
            column("id", ColumnType::BigInt),
            column("customer_id", ColumnType::Integer),
            column("status", ColumnType::Text),
            column("total", ColumnType::Numeric { precision: Some(8), scale: 2 }),
            column("points", ColumnType::Integer),
            column("at", ColumnType::Timestamp { zoned: true }),
        ],
    );
    orders.primary_key = vec!["id".into()];
    orders.foreign_keys.push(key("orders", &["customer_id"], "customers", &["id"]));
    orders.checks.insert("orders_points".into(), "((points >= 0) AND (points <= 5))".into());
    Schema { tables: vec![customers, orders], ..Schema::default() }
}

#[test]
fn a_seed_takes_what_was_measured_and_runs() {
    let (schema, profile) = (schema(), Profile::read(TEXT, "p").unwrap());
    let mut seed = plan(&schema, &PlanOptions::default());
    let unknown = shape(&schema, &profile, &mut seed);
    assert_eq!(unknown, ["public.gone", "public.orders.renamed"]);
    let [customers, orders] =
        ["customers", "orders"].map(|name| &seed.tables[&TableName::new("public", name)]);
    assert_eq!(customers.rows, Rows::Count(1200));
    assert_eq!(orders.rows, Rows::Per { table: TableName::new("public", "customers"), ratio: 2.0 });
    assert_eq!(
        orders.columns["customer_id"].make,
        Some(Make::Parent(FanOut::Counts(vec![(0, 50.0), (1, 30.0), (5, 18.0), (40, 2.0)])))
    );
    assert_eq!(
        orders.columns["status"].make,
        Some(Make::Choice(vec![("paid".into(), 70.0), ("it's new".into(), 30.0)]))
    );
    assert_eq!(
        customers.columns["country"].make,
        Some(Make::Choice(vec![("1".into(), 60.0), ("2".into(), 30.0), ("3".into(), 10.0)]))
    );
    assert_eq!(customers.columns["note"].null, Some(0.12));
    assert!(
        orders.columns["total"].with.is_none()
            && orders.columns["at"].with.as_ref().is_some_and(|with| with.column == "total")
    );
    let text = seed.to_yaml(&schema);
    let again = read(&text, "seed.yaml", &schema).unwrap_or_else(|faults| panic!("{faults}\n{text}"));
    assert!(Generator::new(&schema, &again).is_ok(), "{text}");
}

#[test]
fn what_constraints_do_not_allow_is_taken_back() {
    let schema = schema();
    let text = TEXT.replace("paid", "paid\\u0000").replace("note: {nulls: 12%", "note: {nulls: 100%");
    let mut profile = Profile::read(&text, "p").unwrap();
    let orders = profile.tables.get_mut(&TableName::new("public", "orders")).unwrap();
    orders.columns.get_mut("points").unwrap().labels =
        vec![("7".into(), Share::Percent(90.0)), ("8".into(), Share::Percent(10.0))];
    let mut seed = plan(&schema, &PlanOptions::default());
    shape(&schema, &profile, &mut seed);
    assert!(Generator::new(&schema, &seed).is_ok());
    let note = &seed.notes[&(TableName::new("public", "orders"), Some("points".to_owned()))];
    assert!(note.starts_with("not as measured: `7` is not allowed"), "{note}");
}

fn share() -> impl Strategy<Value = Share> {
    let told = (1..100_u32).prop_map(|percent| Share::Percent(f64::from(percent) / 10.0));
    prop_oneof![Just(Share::None), Just(Share::Under), told, Just(Share::AllButUnder), Just(Share::All)]
}

fn distinct() -> impl Strategy<Value = Option<Distinct>> {
    let told = (1..1_000_000_u64, 0..4).prop_map(|(count, which)| match which {
        0 => None,
        1 => Some(Distinct::Each(count)),
        2 => Some(Distinct::About(count)),
        _ => Some(Distinct::All),
    });
    told.boxed()
}

fn any_column() -> impl Strategy<Value = ColumnProfile> {
    let labels =
        proptest::collection::btree_map("\\PC{0,8}|[\\x00-\\x7f]{0,4}|true|null|12|~", share(), 0..4);
    let lies = proptest::option::of((0..20_u32, share(), share()).prop_map(|(place, negative, zero)| {
        NumberShape { quartiles: [0.0, f64::from(place) / 20.0, 1.0], negative, zero }
    }));
    let seasons = proptest::option::of((1..1_u64 << 40, 1..50_u32).prop_map(|(span, growth)| Seasons {
        span: Some(span),
        growth: Some(f64::from(growth) / 10.0),
        days: vec![12.5; 7],
        hours: Vec::new(),
    }));
    (share(), distinct(), labels, lies, seasons, proptest::option::of(1..30_u32)).prop_map(
        |(nulls, distinct, labels, lies, seasons, zipf)| ColumnProfile {
            nulls,
            distinct,
            widths: None,
            labels: labels.into_iter().collect(),
            frequencies: zipf.iter().map(|percent| f64::from(*percent)).collect(),
            zipf: zipf.map(|tenths| f64::from(tenths) / 10.0),
            lies,
            seasons,
        },
    )
}

proptest! {
    #[test]
    fn any_profile_reads_back(
        columns in proptest::collection::btree_map("\\PC{1,10}|[ -~]{1,6}", any_column(), 0..4),
        schema in "[a-zA-Z\"' :#.]{1,8}",
        rows in 1..1_u64 << 50,
    ) {
        let keys = BTreeMap::from([("k: 1".to_owned(), FanOutProfile { mean: 1.5, children: vec![(0, 50.0), (3, 50.0)] })]);
        let correlations = vec![Correlation { columns: ["a, b".to_owned(), "c]".to_owned()], rank: -0.5 }];
        let table = TableProfile { rows: Quantity::About(rows), columns, correlations, keys };
        let tables = BTreeMap::from([(TableName::new(schema, "t.t"), table)]);
        let profile = Profile { rules: Rules::default(), tables };
        let text = profile.to_yaml();
        prop_assert_eq!(Profile::read(&text, "p").map_err(|faults| TestCaseError::fail(format!("{faults}\n{text}")))?, profile);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(least: 50\n)?(tables:\n)?[ a-z:{}\\[\\],\n0-9%\"-]{0,80}") {
        drop(Profile::read(&text, "p"));
    }
}
