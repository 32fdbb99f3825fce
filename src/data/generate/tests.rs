//! Properties over random schemas: all constraints hold; the same seed gives the same bytes, however they are cut.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::random_schema::{Rule, random};
use super::test_schema::{column, followers, key, shop, table, tenants, unique};
use super::*;
use crate::data::schema::{Column, ColumnType, Table as SchemaTable, Unique};
use crate::data::seed::{PlanOptions, plan};

type Row = BTreeMap<String, Option<String>>;

/// A field of COPY's text format.
fn field(text: &str) -> Option<String> {
    (text != "\\N").then(|| text.replace("\\t", "\t").replace("\\n", "\n").replace("\\\\", "\\"))
}

fn bytes(generator: &Generator, table: &TableName, slices: u64, format: Format) -> Vec<u8> {
    let rows = generator.tables().iter().find(|plan| plan.table == *table).map_or(0, |plan| plan.rows);
    let mut out = Vec::new();
    for slice in 0..slices {
        generator.write(table, rows * slice / slices..rows * (slice + 1) / slices, format, &mut out).unwrap();
    }
    out
}

fn rows(generator: &Generator, table: &TableName) -> Vec<Row> {
    let text = String::from_utf8(bytes(generator, table, 1, Format::Copy)).unwrap();
    let columns = generator.columns(table).unwrap();
    let row = |line: &str| {
        let fields: Vec<_> = line.split('\t').map(field).collect();
        assert_eq!(fields.len(), columns.len(), "{line}");
        columns.iter().map(|name| (*name).to_owned()).zip(fields).collect()
    };
    text.lines().map(row).collect()
}

fn generator(schema: &Schema, options: &PlanOptions) -> Generator {
    let seed = plan(schema, options);
    let left_out: Vec<_> =
        schema.tables.iter().filter(|table| !seed.tables.contains_key(&table.name)).collect();
    assert!(
        left_out.is_empty(),
        "{:?}",
        seed.notes.iter().filter(|((_, column), _)| column.is_none()).collect::<Vec<_>>()
    );
    Generator::new(schema, &seed).unwrap_or_else(|error| panic!("{error}\n{}", seed.to_yaml(schema)))
}

/// The values of some columns; none where one of them is null.
fn tuple(row: &Row, columns: &[String]) -> Option<Vec<String>> {
    columns.iter().map(|column| row[column].clone()).collect()
}

fn assert_unique(rows: &[Row], columns: &[String], table: &SchemaTable) {
    if columns.is_empty() {
        return;
    }
    let tuples: Vec<_> = rows.iter().filter_map(|row| tuple(row, columns)).collect();
    let distinct: BTreeSet<_> = tuples.iter().collect();
    assert_eq!(distinct.len(), tuples.len(), "{} {columns:?}", table.name);
}

fn assert_types(schema: &Schema, table: &SchemaTable, row: &Row) {
    for column in &table.columns {
        let Some(value) = &row[&column.name] else {
            assert!(
                !column.not_null && !table.primary_key.contains(&column.name),
                "{} {}",
                table.name,
                column.name
            );
            continue;
        };
        let good = match &column.kind {
            ColumnType::SmallInt => value.parse::<i16>().is_ok(),
            ColumnType::Integer => value.parse::<i32>().is_ok(),
            ColumnType::BigInt => value.parse::<i64>().is_ok(),
            ColumnType::Numeric { .. } | ColumnType::Real | ColumnType::Double => {
                value.parse::<f64>().is_ok()
            }
            ColumnType::VarChar(most) | ColumnType::Char(most) => value.chars().count() <= *most as usize,
            ColumnType::Enum(name) => schema.enums[name].contains(value),
            ColumnType::Date => calendar::parse_date(value).is_some(),
            ColumnType::Timestamp { .. } => calendar::parse_timestamp(value).is_some(),
            ColumnType::Boolean => matches!(value.as_str(), "t" | "f"),
            ColumnType::Json | ColumnType::Jsonb => serde_json::from_str::<serde_json::Value>(value).is_ok(),
            ColumnType::Bit(bits) => value.len() == *bits as usize,
            _ => true,
        };
        assert!(good, "{} {} {:?}: {value}", table.name, column.name, column.kind);
    }
}

fn assert_rule(rule: &Rule, row: &Row) {
    let number = |column: &String| row[column].as_ref().and_then(|value| value.parse::<f64>().ok());
    // Unknown is as good as true, in SQL too.
    let holds = match rule {
        Rule::Between(column, low, high) => number(column).is_none_or(|n| (*low..=*high).contains(&n)),
        Rule::Not(column, other) => number(column) != Some(*other),
        Rule::In(column, items) => row[column].as_ref().is_none_or(|value| items.contains(value)),
        Rule::Length(column, least, most) => {
            row[column].as_ref().is_none_or(|value| (*least..=*most).contains(&value.chars().count()))
        }
        Rule::Matches(column, regex) => {
            let regex = regex::bytes::RegexBuilder::new(regex).unicode(false).build().unwrap();
            row[column].as_ref().is_none_or(|value| regex.is_match(value.as_bytes()))
        }
        Rule::Lower(column) => row[column].as_ref().is_none_or(|value| value.to_lowercase() == *value),
        Rule::Ordered(one, other, strict) => match (&row[one], &row[other]) {
            (Some(one), Some(other)) => match (one.parse::<f64>(), other.parse::<f64>()) {
                (Ok(one), Ok(other)) => one < other || (!strict && one <= other),
                _ => one < other || (!strict && one <= other),
            },
            _ => true,
        },
    };
    assert!(holds, "{rule:?}: {row:?}");
}

fn assert_constraints(schema: &Schema, rules: &[(TableName, Rule)], generator: &Generator) {
    let all: BTreeMap<&TableName, Vec<Row>> =
        schema.tables.iter().map(|table| (&table.name, rows(generator, &table.name))).collect();
    for table in &schema.tables {
        let found = &all[&table.name];
        assert!(!found.is_empty(), "{}", table.name);
        for row in found {
            assert_types(schema, table, row);
        }
        assert_unique(found, &table.primary_key, table);
        for unique in &table.uniques {
            assert_unique(found, &unique.columns, table);
            let null = |row: &&Row| unique.columns.iter().any(|column| row[column].is_none());
            assert!(!unique.nulls_not_distinct || found.iter().filter(null).count() < 2, "{unique:?}");
        }
        for key in &table.foreign_keys {
            let parents: BTreeSet<_> =
                all[&key.table].iter().filter_map(|row| tuple(row, &key.references)).collect();
            for row in found {
                let refers = tuple(row, &key.columns);
                assert!(
                    refers.as_ref().is_none_or(|refers| parents.contains(refers)),
                    "{} {refers:?}",
                    key.name
                );
            }
        }
        for (_, rule) in rules.iter().filter(|(name, _)| *name == table.name) {
            for row in found {
                assert_rule(rule, row);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_constraint_holds(number: u64, seed: u64, rows in 1_u64..60) {
        let random = random(number);
        let options = PlanOptions { seed, rows, ..PlanOptions::default() };
        assert_constraints(&random.schema, &random.rules, &generator(&random.schema, &options));
    }

    #[test]
    fn keys_that_share_a_column_stay_with_the_same_tenant(seed: u64, rows in 1_u64..60) {
        let schema = tenants();
        let generator = generator(&schema, &PlanOptions { seed, rows, ..PlanOptions::default() });
        assert_constraints(&schema, &[], &generator);
        let orders = self::rows(&generator, &TableName::new("public", "orders"));
        prop_assert!(orders.iter().any(|row| row["gift_id"].is_some()));
    }

    #[test]
    fn no_one_follows_themselves(seed: u64, rows in 2_u64..60) {
        let schema = followers();
        let generator = generator(&schema, &PlanOptions { seed, rows, ..PlanOptions::default() });
        assert_constraints(&schema, &[], &generator);
        for row in self::rows(&generator, &TableName::new("public", "follows")) {
            prop_assert_ne!(&row["follower_id"], &row["followed_id"]);
        }
        for row in self::rows(&generator, &TableName::new("public", "people")) {
            prop_assert_ne!(&row["superior_id"], &row["id"]);
        }
    }

    #[test]
    fn a_plan_reads_back_and_gives_the_same_bytes(number: u64) {
        let schema = random(number).schema;
        let planned = plan(&schema, &PlanOptions { rows: 10, ..PlanOptions::default() });
        let text = planned.to_yaml(&schema);
        let read = crate::data::seed::read(&text, "seed.yaml", &schema).unwrap_or_else(|faults| panic!("{faults}\n{text}"));
        let (one, other) = (Generator::new(&schema, &planned).unwrap(), Generator::new(&schema, &read).unwrap());
        for plan in one.tables() {
            prop_assert_eq!(bytes(&one, &plan.table, 1, Format::Copy), bytes(&other, &plan.table, 1, Format::Copy));
        }
    }

    #[test]
    fn slices_concatenate_and_seeds_differ(number: u64, seed in 0..u64::MAX) {
        let schema = random(number).schema;
        let of = |seed| generator(&schema, &PlanOptions { seed, rows: 40, ..PlanOptions::default() });
        let (one, again, other) = (of(seed), of(seed), of(seed + 1));
        let mut differs = false;
        for plan in one.tables() {
            for format in [Format::Copy, Format::Csv, Format::JsonLines, Format::Sql] {
                let whole = bytes(&one, &plan.table, 1, format);
                prop_assert_eq!(&bytes(&again, &plan.table, 2, format), &whole);
                prop_assert_eq!(&bytes(&again, &plan.table, 7, format), &whole);
                differs |= bytes(&other, &plan.table, 1, format) != whole;
            }
        }
        let random_columns = schema.tables.iter().flat_map(|table| &table.columns);
        // Keys alone may count up whatever the seed is.
        prop_assert!(differs || random_columns.count() <= 4);
    }
}

#[test]
fn a_shop_is_the_same_on_every_version() {
    let schema = shop();
    let generator = generator(&schema, &PlanOptions { rows: 4, ..PlanOptions::default() });
    let mut all = Vec::new();
    for plan in generator.tables() {
        all.extend(
            format!("{} {}\n", plan.table, generator.columns(&plan.table).unwrap().join(" ")).into_bytes(),
        );
        all.extend(bytes(&generator, &plan.table, 1, Format::Copy));
    }
    assert_eq!(String::from_utf8(all).unwrap(), include_str!("testdata/shop.txt"));
}

#[test]
fn states_and_their_times_fit() {
    let schema = shop();
    let seed =
        crate::data::seed::read(include_str!("../seed/testdata/whole.yaml"), "whole.yaml", &schema).unwrap();
    let generator = Generator::new(&schema, &seed).unwrap();
    let orders = rows(&generator, &TableName::new("public", "orders"));
    assert_eq!(orders.len(), 700);
    let mut statuses = BTreeSet::new();
    for row in &orders {
        let status = row["status"].as_deref().unwrap();
        let (created, paid, shipped) =
            (row["created_at"].as_ref(), row["paid_at"].as_ref(), row["shipped_at"].as_ref());
        assert_eq!(paid.is_some(), matches!(status, "paid" | "shipped"), "{row:?}");
        assert_eq!(shipped.is_some(), status == "shipped", "{row:?}");
        assert!(paid.is_none_or(|paid| Some(paid) > created), "{row:?}");
        assert!(shipped.is_none_or(|shipped| Some(shipped) > paid), "{row:?}");
        statuses.insert(status);
    }
    assert_eq!(statuses.len(), 4);
    let mut children: BTreeMap<_, u32> = BTreeMap::new();
    for row in &orders {
        *children.entry(row["customer_id"].clone()).or_default() += 1;
    }
    // 30 % of 200 customers have one order or two, 30 % about nine; 40 % have none.
    assert_eq!(children.len(), 120);
}

#[test]
fn prices_go_together_as_told() {
    let schema = shop();
    let mut seed =
        crate::data::seed::read(include_str!("../seed/testdata/whole.yaml"), "whole.yaml", &schema).unwrap();
    let products = TableName::new("public", "products");
    seed.tables.get_mut(&products).unwrap().rows = crate::data::seed::Rows::Count(500);
    let generator = Generator::new(&schema, &seed).unwrap();
    let pairs: Vec<(f64, f64)> = rows(&generator, &products)
        .iter()
        .filter_map(|row| {
            Some((row["price"].as_ref()?.parse().ok()?, row["sale_price"].as_ref()?.parse().ok()?))
        })
        .collect();
    assert!(pairs.len() > 400 && pairs.iter().all(|(price, sale)| sale <= price));
}

#[test]
fn a_key_that_is_unique_alone_and_where_nulls_are_equal_is_never_null() {
    let mut parents = table("parents", vec![column("id", ColumnType::Integer)]);
    parents.primary_key = vec!["id".into()];
    let optional = Column { not_null: false, ..column("parent_id", ColumnType::Integer) };
    let mut children = table("children", vec![optional, column("on_day", ColumnType::Date)]);
    children.foreign_keys.push(key("children", &["parent_id"], "parents", &["id"]));
    children.uniques.push(unique(&["parent_id"]));
    children.uniques.push(Unique { nulls_not_distinct: true, ..unique(&["parent_id", "on_day"]) });
    let schema = Schema { tables: vec![children, parents], ..Schema::default() };
    let mut seed = plan(&schema, &PlanOptions { rows: 5, ..PlanOptions::default() });
    assert_constraints(&schema, &[], &Generator::new(&schema, &seed).unwrap());
    seed.tables.get_mut(&TableName::new("public", "children")).unwrap().rows =
        crate::data::seed::Rows::Count(9);
    let error = Generator::new(&schema, &seed).unwrap_err().to_string();
    assert!(
        error.contains("public.children, parent_id: it has to be unique, which 5 rows can be"),
        "{error}"
    );
}

#[test]
fn what_is_not_understood_is_named_unless_it_is_said_to_hold() {
    let mut schema = shop();
    schema.tables[4].checks.insert("odd".into(), "((id % 2) = 1)".into());
    let mut seed = plan(&schema, &PlanOptions::default());
    let products = seed.tables.get_mut(&schema.tables[4].name).unwrap();
    assert!(products.unchecked.remove("odd"));
    let error = Generator::new(&schema, &seed).unwrap_err().to_string();
    assert!(
        error.contains("public.products, odd: it is not understood: ((id % 2) = 1); give its columns"),
        "{error}"
    );
}

#[test]
fn rows_that_are_not_there_are_refused() {
    let generator = generator(&shop(), &PlanOptions { rows: 4, ..PlanOptions::default() });
    let mut out = Vec::new();
    let orders = TableName::new("public", "orders");
    assert!(generator.write(&orders, 0..13, Format::Copy, &mut out).is_err());
    assert!(generator.write(&TableName::new("public", "none"), 0..1, Format::Copy, &mut out).is_err());
    assert!(out.is_empty());
    assert!(generator.write(&orders, 12..12, Format::Copy, &mut out).is_ok());
}

#[test]
fn any_slice_of_any_size_is_made_at_once() {
    let schema = shop();
    let rows = 2_000_000_000;
    let generator = generator(&schema, &PlanOptions { rows, ..PlanOptions::default() });
    let customers = TableName::new("public", "customers");
    let mut out = Vec::new();
    generator.write(&customers, rows - 3..rows, Format::Csv, &mut out).unwrap();
    assert_eq!(String::from_utf8_lossy(&out).lines().count(), 3);
    assert!(out.starts_with(b"1999999998,"), "{}", String::from_utf8_lossy(&out));
}

#[test]
fn makers_that_do_not_fit_are_named_at_once() {
    let schema = shop();
    let text = "seed: 1
clock: 2025-01-01
tables:
  public.customers:
    rows: 10
    columns: {age: {uniform: [200, 300]}, first_name: {parent: uniform}, email: {choice: [a, b]}, created_at: {words: [1, 2]}}
  public.orders:
    rows: 5
    columns: {customer_id: {sequence: 1}, status: {choice: [sold]}, total: {normal: {mean: x, deviation: 1}}, id: {nulls: 0.5}}
  public.categories:
    rows: 5
    columns: {name: {template: \"{nme}\"}}
";
    let seed = crate::data::seed::read(text, "seed.yaml", &schema).unwrap();
    let GenerateError::Faults(faults) = Generator::new(&schema, &seed).unwrap_err() else { panic!() };
    let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let expected = [
        "public.categories, name: `{nme}` is nothing that a template knows; name a column of the table, a dictionary, `unique` or `number`",
        "public.customers, age: its constraints allow nothing between `min` and `max`; move the range",
        "public.customers, created_at: `words` makes no values of its type; take another, or leave it out: it is guessed then",
        "public.customers, email: it has to be unique, which 2 rows can be; the table has 10; lower `rows`, or widen its range, `choice` or `pattern`",
        "public.customers, first_name: it is told to take a parent, and no foreign key gives it one; take another maker",
        "public.orders, customer_id: a foreign key gives it its value, and it is told another maker; take `parent`, or leave it out",
        "public.orders, id: a share of nulls is told, and it cannot be null or is referred to; leave `nulls` out",
        "public.orders, status: `sold` is none of its values; take one of its type's or constraint's",
        "public.orders, total: `x` is no value of its type; write it as in SQL, without quotes",
    ];
    assert_eq!(shown, expected);
}
