//! Profiles as text, and seeds that are shaped by them.

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
