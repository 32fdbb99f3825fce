//! What holds for every plan: nothing dangles, caps hold, the same request takes the same rows.

use proptest::prelude::*;

use super::model::tests::{shop, table, where_customers};
use super::model::{Data, evaluate};
use super::*;
use crate::data::schema::{ForeignKey, Schema, TableName};

fn name(number: usize) -> TableName {
    TableName::new("public", format!("t{number}"))
}

/// A reference from a column of a table. Every second one is to two columns, one of them shared with the table's own.
fn reference(table: usize, number: usize, column: &str, target: usize) -> ForeignKey {
    let mut columns = vec![column.to_owned()];
    let mut references = vec!["id".to_owned()];
    if number % 2 == 1 {
        columns.push("twin".to_owned());
        references.push("twin".to_owned());
    }
    ForeignKey { name: format!("t{table}_{number}"), columns, table: name(target), references }
}

/// Schemas of tables with references to any table, themselves included, single and of two columns, with rows that hold them.
fn databases() -> impl Strategy<Value = (Schema, Data)> {
    let shape = prop::collection::vec(
        (prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0_usize..9, any::<bool>()),
        1..6,
    );
    (shape, prop::collection::vec(any::<prop::sample::Index>(), 200)).prop_map(|(shape, picks)| {
        let count = shape.len();
        let mut picks = picks.iter().cycle();
        let (mut tables, mut data) = (Vec::new(), Data::new());
        for (at, (targets, _, has_key)) in shape.iter().enumerate() {
            let columns = ["id", "twin", "a", "b", "c", "d"];
            let mut made = table(&format!("t{at}"), &columns[..2 + targets.len()], &[]);
            for (column, target) in targets.iter().enumerate() {
                made.foreign_keys.push(reference(at, column, columns[2 + column], target.index(count)));
            }
            if !has_key {
                made.primary_key.clear();
            }
            tables.push(made);
        }
        for (targets, rows, _) in &shape {
            let row = |id: usize| {
                let mut row = vec![i64::try_from(id).ok(), Some(0)];
                for target in targets {
                    let rows = shape[target.index(count)].1;
                    let picked = picks.next().unwrap().index(rows + 1);
                    row.push(i64::try_from(picked).ok().filter(|_| picked < rows));
                }
                row
            };
            data.push((0..*rows).map(row).collect());
        }
        (Schema { tables, ..Schema::default() }, data)
    })
}

fn caps() -> impl Strategy<Value = Cap> {
    prop_oneof![Just(Cap::All), (0_u32..3).prop_map(Cap::Most)]
}

fn dangling(schema: &Schema, data: &Data, taken: &[std::collections::BTreeSet<usize>]) -> Vec<String> {
    let mut dangling = Vec::new();
    for (at, table) in schema.tables.iter().enumerate() {
        for key in &table.foreign_keys {
            let target = schema.tables.iter().position(|other| other.name == key.table).unwrap();
            let column = |table: usize, name: &String| {
                schema.tables[table].columns.iter().position(|known| known.name == *name).unwrap()
            };
            for row in &taken[at] {
                let own: Option<Vec<i64>> =
                    key.columns.iter().map(|name| data[at][*row][column(at, name)]).collect();
                let Some(own) = own.map(|own| own.into_iter().map(Some).collect::<Vec<_>>()) else {
                    continue;
                };
                let meets = |other: &usize| {
                    key.references
                        .iter()
                        .zip(&own)
                        .all(|(name, value)| data[target][*other][column(target, name)] == *value)
                };
                if !taken[target].iter().any(meets) {
                    dangling.push(format!("{} row {row} by {}", table.name, key.name));
                }
            }
        }
    }
    dangling
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_dangles_and_unreached_tables_are_empty(
        (schema, data) in databases(),
        cap in caps(),
        wanted in prop::collection::btree_set(0_i64..9, 1..4),
        seed: u64,
    ) {
        let list = wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let request = Request {
            roots: vec![Root::condition(&schema, &format!("t0.id in ({list})")).unwrap()],
            whole: vec![name(schema.tables.len() - 1)],
            cap,
            caps: Vec::new(),
            seed,
        };
        let plan = plan(&schema, &request).unwrap();
        let taken = evaluate(&schema, &plan, &data);
        prop_assert_eq!(dangling(&schema, &data, &taken), Vec::<String>::new());
        for (planned, rows) in plan.tables.iter().zip(&taken) {
            prop_assert!(planned.reached || rows.is_empty());
        }
        let roots = data[0].iter().enumerate().filter(|(_, row)| row[0].is_some_and(|id| wanted.contains(&id)));
        for (row, _) in roots {
            prop_assert!(taken[0].contains(&row));
        }
        let script = PostgresScript::new(&plan);
        let exported = script.exports.iter().map(|export| export.reads.is_some());
        prop_assert!(exported.eq(plan.tables.iter().map(|table| table.reached)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn a_share_is_about_as_large_and_the_same_each_time(seed: u64) {
        let schema = shop();
        let data: Data = vec![(0..2000).map(|id| vec![Some(id)]).collect(), vec![], vec![], vec![]];
        let request = |percent: &str| {
            let roots = vec![Root::percent(&schema, percent).unwrap()];
            Request { roots, cap: Cap::Most(0), seed, ..where_customers("") }
        };
        let taken = |percent| evaluate(&schema, &plan(&schema, &request(percent)).unwrap(), &data).remove(0);
        let (five, ten) = (taken("5"), taken("customers=10"));
        prop_assert!((40..180).contains(&five.len()), "{}", five.len());
        prop_assert!(five.is_subset(&ten) && five == taken("5") && taken("100").len() == 2000);
    }
}

#[test]
fn rows_that_are_only_needed_do_not_descend_and_caps_hold() {
    let schema = shop();
    // Two customers; three orders of the first and one of the second; two lines each.
    let data: Data = vec![
        vec![vec![Some(1)], vec![Some(2)]],
        vec![vec![Some(1), Some(1)], vec![Some(2), Some(1)], vec![Some(3), Some(1)], vec![Some(4), Some(2)]],
        (0..8).map(|line| vec![Some(line / 2 + 1)]).collect(),
        vec![vec![Some(1)]],
    ];
    let count = |request: &Request| -> Vec<usize> {
        evaluate(&schema, &plan(&schema, request).unwrap(), &data)
            .iter()
            .map(std::collections::BTreeSet::len)
            .collect()
    };
    assert_eq!(count(&where_customers("customers.id in (1)")), [1, 3, 6, 0]);
    let capped = EdgeCap {
        table: TableName::new("public", "orders"),
        constraint: "orders_customer_id".into(),
        cap: Cap::Most(2),
    };
    assert_eq!(
        count(&Request { caps: vec![capped], ..where_customers("customers.id in (1)") }),
        [1, 2, 4, 0]
    );
    // An order brings its customer, and its lines, but not the customer's other orders.
    let order =
        Request { roots: vec![Root::condition(&schema, "orders.id in (2)").unwrap()], ..where_customers("") };
    assert_eq!(count(&order), [1, 1, 2, 0]);
    assert_eq!(count(&Request { whole: vec![TableName::new("public", "alone")], ..order }), [1, 1, 2, 1]);
}

#[test]
fn faults_come_at_once() {
    let mut schema = shop();
    schema.tables[1].foreign_keys[0].table.name = "people".into();
    let share = Share::parse("5").unwrap();
    let request = Request {
        roots: vec![Root::Percent { table: Some(TableName::new("public", "lines")), share }],
        whole: vec![TableName::new("public", "nothing")],
        cap: Cap::All,
        caps: vec![EdgeCap {
            table: TableName::new("public", "orders"),
            constraint: "x".into(),
            cap: Cap::All,
        }],
        seed: 0,
    };
    let expected = "\
the subset has 4 faults:
  `public.lines` has no primary key and no unique columns without null, so no share of it can be picked the same way twice; choose its rows with `--where`
  there is no table `public.nothing`; write it as `schema.table`
  `public.orders` refers by `orders_customer_id` to `public.people`, which was not read; read its schema, too
  `public.orders` has no foreign key `x`";
    assert_eq!(plan(&schema, &request).unwrap_err().to_string(), expected);
    let none = Request { roots: vec![], ..where_customers("") };
    assert!(plan(&shop(), &none).unwrap_err().to_string().contains("no rows are chosen"));
}

#[test]
fn a_plan_reads_well() {
    let mut request = where_customers("customers.id in (1)");
    request.cap = Cap::Most(50);
    let expected = "\
rows of 3 of 4 tables, beginning with
  public.customers: where customers.id in (1)
and all that they refer to, by
  public.orders (customer_id) -> public.customers (id)
  public.lines (order_id) -> public.orders (id)
and what refers to the first ones and to what came so, by
  public.orders (customer_id) -> public.customers (id): up to 50 for each
  public.lines (order_id) -> public.orders (id): up to 50 for each
public.lines has no key: its rows are told apart by where they lie
no rows of public.alone";
    assert_eq!(plan(&shop(), &request).unwrap().to_string(), expected);
}
