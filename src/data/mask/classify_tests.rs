//! What is refused, and with which words.

use super::super::fixture::{SHOP_POLICY, refers, shop, table};
use super::*;
use crate::data::schema::{PartitionBy, Partitioning, Unique};

fn refused(schema: &Schema, policy: &str) -> Unclassified {
    classify(schema, &Policy::parse(policy).unwrap()).unwrap_err()
}

#[test]
fn a_whole_policy_is_taken_and_keys_follow() {
    let classified = classify(&shop(), &Policy::parse(SHOP_POLICY).unwrap()).unwrap();
    let Some(TableTreatment::Rows(orders)) = classified.table(&TableName::new("public", "orders")) else {
        panic!()
    };
    let Some(TableTreatment::Rows(customers)) = classified.table(&TableName::new("public", "customers"))
    else {
        panic!()
    };
    assert_eq!(customers.len(), 6);
    let (ColumnTreatment::Mask(follows), ColumnTreatment::Mask(key)) = (&orders[1].1, &customers[0].1) else {
        panic!()
    };
    assert_eq!((&follows.kind, &follows.facts), (&key.kind, &key.facts));
    assert!(follows.facts.unique);
    let rules = classified.rules();
    assert_eq!((rules.len(), rules[6].0.as_str(), rules[7].1.as_str()), (11, "public.orders.id", "mask: id"));
}

#[test]
fn everything_left_open_is_listed() {
    let text = refused(&shop(), "tables: { customers: { id: keep } }").to_string();
    let expected = "\
the masking policy does not say what becomes of 9 columns; give each `keep`, `drop` or a mask:
  public.customers.email (text): perhaps `{ mask: email }`
  public.customers.name (varchar(40)): perhaps `{ mask: name }`
  public.customers.phone (text): perhaps `{ mask: phone }`
  public.customers.born (date): perhaps `{ mask: date, days: 365 }`
  public.customers.profile (jsonb): perhaps `drop`
  public.orders.id (bigint): perhaps `keep`
  public.orders.placed (timestamptz): perhaps `keep`
  public.orders.note (text): perhaps `{ mask: free-text }`
  public.orders.contacts (text[]): perhaps `{ mask: free-text }`";
    assert_eq!(text, expected);
}

#[test]
fn a_column_added_since_is_refused() {
    let mut schema = shop();
    schema.tables[1].columns.push(table("x", &[("gift_email", ColumnType::Text)]).columns.remove(0));
    let open = refused(&schema, SHOP_POLICY).open;
    assert_eq!(open.iter().map(|open| open.column.as_str()).collect::<Vec<_>>(), ["gift_email"]);
}

/// A policy with one line changed, and the faults it gets.
#[test]
fn rules_that_cannot_be_are_refused() {
    for (from, to, expected) in [
        (
            "orders:",
            "orders:\n    customer_id: keep",
            "`public.orders.customer_id` has `keep`, but `public.customers.id`, which it refers to, has `mask: id`",
        ),
        (
            "email: { mask: email }",
            "email: { mask: number }",
            "`public.customers.email` is of type text, which `number` cannot write",
        ),
        (
            "    note:",
            "    nota: keep\n    note:",
            "`public.orders` has no column `nota`; did you mean `note`?",
        ),
        ("  orders:", "  order: drop\n  orders:", "there is no table `order`; did you mean `orders`?"),
        ("  orders:", "  public.orders: drop\n  orders:", "`orders` and `public.orders` are one table"),
        (
            "by: customer_id",
            "by: customer",
            "`public.orders.placed` moves by `customer`, which is no column of its table",
        ),
        ("    email:", "    upper: keep\n    email:", "`public.customers.upper` is computed by the database"),
    ] {
        let policy = SHOP_POLICY.replacen(from, to, 1);
        assert_ne!(policy, SHOP_POLICY);
        let text = refused(&shop(), &policy).to_string();
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    let dropped = "tables: { customers: drop, orders: { id: keep, customer_id: keep, placed: keep, note: drop, contacts: drop } }";
    let text = refused(&shop(), dropped).to_string();
    assert!(
        text.contains("`public.customers` is dropped, but `public.orders` refers to it by `customer_id`"),
        "{text}"
    );
    classify(&shop(), &Policy::parse(&dropped.replace("customer_id: keep", "customer_id: drop")).unwrap())
        .unwrap();
}

#[test]
fn keys_and_partitions_are_guarded() {
    let mut known =
        table("t", &[("id", ColumnType::Integer), ("at", ColumnType::Date), ("size", ColumnType::Double)]);
    known.columns.iter_mut().for_each(|column| column.not_null = true);
    known.primary_key = vec!["id".into(), "at".into()];
    known.uniques.push(Unique { columns: vec!["size".into()], nulls_not_distinct: false });
    known.partitioning =
        Some(Partitioning { by: PartitionBy::Range, columns: vec!["at".into()], bounds: vec![] });
    let mut schema = Schema { tables: vec![known], ..Schema::default() };
    let text = refused(&schema, "tables: { t: { id: drop, at: { mask: date }, size: { mask: number } } }")
        .to_string();
    for expected in [
        "`public.t.id` cannot be dropped: it is part of a key",
        "`public.t.at` is masked, and it, or an expression, decides",
        "`public.t.size` is part of a key, and `number` may make different values equal",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    schema.tables[0].partitioning = None;
    schema.tables[0].uniques.clear();
    let moving =
        |by: &str| format!("tables: {{ t: {{ id: keep, at: {{ mask: date, by: {by} }}, size: drop }} }}");
    classify(&schema, &Policy::parse(&moving("id")).unwrap()).unwrap();
    assert!(refused(&schema, &moving("size")).to_string().contains("part of a key without `size`"));
}

#[test]
fn empty_values_stand_where_null_cannot() {
    let mut schema = shop();
    schema.tables[0].columns.iter_mut().for_each(|column| column.not_null = true);
    schema.tables[1].columns[1].not_null = true;
    let policy = SHOP_POLICY
        .replace("name: { mask: name }", "name: drop")
        .replace("  orders:", "  orders:\n    customer_id: drop");
    let text = refused(&schema, &policy).to_string();
    assert!(text.contains("`public.orders.customer_id` cannot be dropped: it refers to a row"), "{text}");
    let policy = policy.replace("    customer_id: drop\n", "");
    let classified = classify(&schema, &Policy::parse(&policy).unwrap()).unwrap();
    let Some(TableTreatment::Rows(columns)) = classified.table(&schema.tables[0].name) else { panic!() };
    assert_eq!(columns[2].1, ColumnTreatment::Empty(Some(Vec::new())));
}

#[test]
fn cycles_of_keys_end() {
    let mut one = table("one", &[("id", ColumnType::Integer)]);
    let mut other = table("other", &[("id", ColumnType::Integer)]);
    one.foreign_keys.push(refers("id", "other"));
    other.foreign_keys.push(refers("id", "one"));
    let schema = Schema { tables: vec![one, other], ..Schema::default() };
    assert_eq!(refused(&schema, "").open.len(), 2);
    classify(&schema, &Policy::parse("tables: { one: { id: { mask: id } } }").unwrap()).unwrap();
}
