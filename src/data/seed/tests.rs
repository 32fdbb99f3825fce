use std::collections::BTreeMap;

use super::*;
use crate::data::generate::Generator;
use crate::data::generate::test_schema::{column, key, shop, table};
use crate::data::schema::{ColumnType, Schema};

fn schema() -> Schema {
    shop()
}

fn without_notes(mut seed: Seed) -> Seed {
    seed.notes = BTreeMap::new();
    seed
}

#[test]
fn a_plan_runs_and_reads_back_as_it_was() {
    let schema = schema();
    let seed = plan(&schema, &PlanOptions::default());
    let text = seed.to_yaml(&schema);
    let read = read(&text, "seed.yaml", &schema).unwrap_or_else(|faults| panic!("{faults}\n{text}"));
    assert_eq!(read, without_notes(seed), "{text}");
    let generator = Generator::new(&schema, &read).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(generator.tables().len(), schema.tables.len());
    assert!(
        text.contains("email: {template: \"{first_name:slug}.{last_name:slug}{unique}@{domain}\""),
        "{text}"
    );
}

#[test]
fn every_way_to_say_something_reads_back_as_it_was() {
    let text = include_str!("testdata/whole.yaml");
    let schema = schema();
    let seed = read(text, "seed.yaml", &schema).unwrap_or_else(|faults| panic!("{faults}"));
    let again = seed.to_yaml(&schema);
    assert_eq!(
        read(&again, "again.yaml", &schema).unwrap_or_else(|faults| panic!("{faults}\n{again}")),
        seed
    );
    Generator::new(&schema, &seed).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn all_faults_are_shown_at_once_where_they_stand() {
    let text = "\
seed: -1
clock: tomorrow
locale: fr
tables:
  public.customer: {rows: 3}
  public.products: {rows: 3, unchecked: [product_check]}
  public.customers:
    rows: 10
    per: public.orders
  public.orders:
    rows: 10
    columns:
      statuss: {constant: new}
      status: {choise: [new]}
      total: {uniform: [1]}
      note: {dictionary: wrod, nulls: 2}
      customer_id: {parent: some, uniform: [1, 2]}
";
    let faults = read(text, "seed.yaml", &schema()).unwrap_err();
    let shown: Vec<String> = faults.faults.iter().map(ToString::to_string).collect();
    let expected = [
        "1:7: it cannot be `-1`; needed is a whole number from 0 on",
        "2:8: it cannot be `tomorrow`; needed is a time such as `2025-01-01 00:00:00`, in UTC",
        "3:9: there is no locale `fr`; there are `en`, `de`",
        "5:3: there is no table `public.customer`; did you mean `public.customers`?",
        "6:42: public.products has no constraint `product_check`; did you mean `products_check`?",
        "9:10: the number of rows is told twice; keep `rows`, or `per` and `ratio`",
        "13:7: public.orders has no column `statuss`; did you mean `status`?",
        "14:16: `choise` is not known here; did you mean `choice`?",
        "15:24: it cannot be this; needed is two values `[least, most]`",
        "16:26: there is no dictionary `wrod`; did you mean `word`?",
        "16:39: it cannot be `2`; needed is a share from 0 to 1",
        "17:29: it cannot be `some`; needed is `uniform`, `even`, `{zipf: 1.1}` or `{counts: {0: 30, 1: 70}}`",
    ];
    assert_eq!(shown, expected);
    assert!(faults.to_string().starts_with("seed.yaml has 12 faults:\n"));
}

#[test]
fn broken_yaml_and_empty_files_are_faults_too() {
    for text in [
        "",
        "# nothing\n",
        "seed: [1",
        "seed: 1\n---\nseed: 2\n",
        "[]",
        "seed: 1\nclock: 2025-01-01\ntables: 5\n",
    ] {
        assert!(read(text, "seed.yaml", &schema()).is_err(), "{text}");
    }
}

#[test]
fn what_cannot_be_made_is_left_out_and_said() {
    let mut odd = table(
        "odd",
        vec![column("id", ColumnType::Integer), column("shape", ColumnType::Other("geometry".into()))],
    );
    odd.primary_key = vec!["id".into()];
    odd.checks.insert("odd_check".into(), "((id % 2) = 1)".into());
    let mut child = table("child", vec![column("odd_id", ColumnType::Integer)]);
    child.foreign_keys.push(key("child", &["odd_id"], "odd", &["id"]));
    let schema = Schema { tables: vec![child, odd], ..Schema::default() };
    let seed = plan(&schema, &PlanOptions::default());
    assert!(seed.tables.is_empty());
    let text = seed.to_yaml(&schema);
    assert!(
        text.contains("# public.odd is left out: shape: it cannot be null, and nothing says how it is made"),
        "{text}"
    );
    assert!(text.contains("# public.child is left out"), "{text}");
}

proptest::proptest! {
    #[test]
    fn no_file_breaks_the_reader(at in 0_usize..1500, length in 0_usize..20, text in "[a-z0-9{}:,\\[\\]\"' \n.-]{0,12}") {
        let whole = include_str!("testdata/whole.yaml");
        let cut = |at: usize| whole.get(..at.min(whole.len())).unwrap_or_default();
        let rest = whole.get((at + length).min(whole.len())..).unwrap_or_default();
        let schema = schema();
        if let Ok(seed) = read(&format!("{}{text}{rest}", cut(at)), "seed.yaml", &schema)
            && let Ok(generator) = Generator::new(&schema, &seed)
        {
            for plan in generator.tables() {
                let mut out = Vec::new();
                let end = plan.rows.min(50);
                generator.write(&plan.table, 0..end, crate::data::generate::Format::Copy, &mut out).unwrap();
            }
        }
    }
}
