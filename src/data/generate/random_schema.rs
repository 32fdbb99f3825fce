//! Random schemas, with rules that their rows have to keep.

use std::collections::BTreeMap;

use super::random::{Draws, Stream};
use super::test_schema::{column, key, table, unique};
use crate::data::schema::{
    Column, ColumnType, Domain, PartitionBy, Partitioning, Schema, Table, TableName, Unique,
};

/// What rows have to keep, as the test checks it on its own.
#[derive(Debug, Clone)]
pub(crate) enum Rule {
    /// A number within these.
    Between(String, f64, f64),
    /// Not this number.
    Not(String, f64),
    /// One of these.
    In(String, Vec<String>),
    /// So many characters.
    Length(String, usize, usize),
    /// A match of the regular expression.
    Matches(String, String),
    /// In lower letters.
    Lower(String),
    /// The first not above the second; below it where strict. Numbers, or texts that sort as they mean.
    Ordered(String, String, bool),
}

/// A schema and its rules by table.
#[derive(Debug, Clone)]
pub(crate) struct RandomSchema {
    pub(crate) schema: Schema,
    pub(crate) rules: Vec<(TableName, Rule)>,
}

/// The schema of a number.
pub(crate) fn random(seed: u64) -> RandomSchema {
    let mut maker =
        Maker { draws: Stream::new(seed, &["random schema"]).draws(0), rules: Vec::new(), names: 0 };
    let mut tables: Vec<Table> = Vec::new();
    for at in 0..=maker.draws.below(5) {
        let made = maker.table(&format!("t{at}"), &tables);
        tables.push(made);
    }
    maker.circles(&mut tables);
    tables.sort_by(|one, other| one.name.cmp(&other.name));
    let labels = ["new", "it's", "done, \"quoted\""].map(str::to_owned).to_vec();
    let short = Domain {
        base: ColumnType::Text,
        not_null: false,
        checks: vec!["((length(VALUE) >= 3) AND (length(VALUE) <= 12))".into()],
    };
    let schema = Schema {
        tables,
        enums: BTreeMap::from([("public.mood".into(), labels)]),
        domains: BTreeMap::from([("public.short".into(), short)]),
    };
    RandomSchema { schema, rules: maker.rules }
}

struct Maker {
    draws: Draws,
    rules: Vec<(TableName, Rule)>,
    names: u32,
}

impl Maker {
    fn chance(&mut self, percent: u64) -> bool {
        self.draws.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.draws.below(of.len() as u64)).unwrap()].clone()
    }

    fn name(&mut self, start: &str) -> String {
        self.names += 1;
        format!("{start}{}", self.names)
    }

    fn table(&mut self, name: &str, before: &[Table]) -> Table {
        let mut made = table(name, Vec::new());
        let with_key: Vec<Table> =
            before.iter().filter(|table| !table.primary_key.is_empty()).cloned().collect();
        match self.draws.below(7) {
            2 => self.own_key(&mut made, 2),
            3 if with_key.len() > 1 => {
                for _ in 0..2 {
                    let parent = self.pick(&with_key);
                    let columns = self.reference(&mut made, &parent, false);
                    made.primary_key.extend(columns);
                }
            }
            4 if !with_key.is_empty() => {
                let parent = self.pick(&with_key);
                made.primary_key = self.reference(&mut made, &parent, false);
            }
            5 if !with_key.is_empty() => {
                let parent = self.pick(&with_key);
                made.primary_key = self.reference(&mut made, &parent, false);
                made.columns.push(column("line", ColumnType::Integer));
                made.primary_key.push("line".into());
            }
            6 => {}
            _ => self.own_key(&mut made, 1),
        }
        if !with_key.is_empty() && self.chance(60) {
            let (parent, optional) = (self.pick(&with_key), self.chance(50));
            let columns = self.reference(&mut made, &parent, optional);
            if self.chance(20) {
                made.uniques.push(Unique { columns, nulls_not_distinct: false });
            }
        }
        for _ in 0..self.draws.below(6) {
            self.free(&mut made);
        }
        self.together(&mut made);
        if made.primary_key.is_empty() && made.uniques.is_empty() && self.chance(60) {
            self.partition(&mut made);
        }
        if made.columns.is_empty() {
            made.columns.push(column("sole", ColumnType::Boolean));
        }
        made
    }

    /// A reference and another column that are unique together.
    fn together(&mut self, made: &mut Table) {
        let checked: Vec<String> = self.rules.iter().map(|(_, rule)| format!("{rule:?}")).collect();
        let free = made.columns.iter().find(|column| {
            let kinds = [
                ColumnType::Integer,
                ColumnType::Text,
                ColumnType::Date,
                ColumnType::Enum("public.mood".into()),
            ];
            let told = checked.iter().any(|rule| rule.contains(&format!("{:?}", column.name)));
            let taken = made.uniques.iter().any(|unique| unique.columns.contains(&column.name));
            let key = made.primary_key.contains(&column.name)
                || made.foreign_keys.iter().any(|key| key.columns.contains(&column.name));
            kinds.contains(&column.kind) && !told && !taken && !key
        });
        let Some(free) = free.map(|column| column.name.clone()) else { return };
        if let (true, Some(key)) = (self.chance(40), made.foreign_keys.first()) {
            let columns = key.columns.iter().cloned().chain([free]).collect();
            let nulls_not_distinct = self.chance(50);
            made.uniques.push(Unique { columns, nulls_not_distinct });
        }
    }

    fn own_key(&mut self, made: &mut Table, columns: usize) {
        let kinds = [
            ColumnType::Integer,
            ColumnType::BigInt,
            ColumnType::Uuid,
            ColumnType::VarChar(12),
            ColumnType::Text,
            ColumnType::SmallInt,
        ];
        for _ in 0..columns {
            let (name, kind) = (self.name("key"), self.pick(&kinds));
            made.columns.push(column(&name, kind));
            made.primary_key.push(name);
        }
    }

    /// Columns that refer to a table's primary key.
    fn reference(&mut self, made: &mut Table, parent: &Table, optional: bool) -> Vec<String> {
        let mut names = Vec::new();
        for referred in &parent.primary_key {
            let name = self.name("ref");
            let kind = parent.column(referred).unwrap().kind.clone();
            made.columns.push(Column { not_null: !optional, ..column(&name, kind) });
            names.push(name);
        }
        let own: Vec<&str> = names.iter().map(String::as_str).collect();
        let referred: Vec<&str> = parent.primary_key.iter().map(String::as_str).collect();
        made.foreign_keys.push(key(&made.name.name.clone(), &own, &parent.name.name, &referred));
        names
    }

    /// References to tables that come later, and to the table itself.
    fn circles(&mut self, tables: &mut [Table]) {
        for at in 0..tables.len() {
            if self.chance(40) && !tables[at].primary_key.is_empty() && tables[at].partitioning.is_none() {
                let parent = tables[at].clone();
                let optional = self.chance(70);
                let columns = self.reference(&mut tables[at], &parent, optional);
                if self.chance(15) {
                    tables[at].uniques.push(Unique { columns, nulls_not_distinct: false });
                }
            }
            let later: Vec<Table> =
                tables[at + 1..].iter().filter(|table| !table.primary_key.is_empty()).cloned().collect();
            if self.chance(30) && !later.is_empty() {
                let (parent, optional) = (self.pick(&later), self.chance(70));
                self.reference(&mut tables[at], &parent, optional);
            }
        }
    }

    fn free(&mut self, made: &mut Table) {
        let kinds = kinds();
        let start = self.pick(&["c", "name_", "email_", "price_", "created_at_", "status_", "code_", "url_"]);
        let (name, kind) = (self.name(start), self.pick(&kinds));
        let not_null = self.chance(60);
        if let ColumnType::Domain(_) = kind {
            self.rules.push((made.name.clone(), Rule::Length(name.clone(), 3, 12)));
        }
        let can_be_unique = !matches!(
            kind,
            ColumnType::Json
                | ColumnType::Boolean
                | ColumnType::Enum(_)
                | ColumnType::Bit(_)
                | ColumnType::VarBit(_)
        );
        made.columns.push(Column { not_null, ..column(&name, kind.clone()) });
        if can_be_unique && self.chance(15) {
            made.uniques.push(unique(&[&name]));
        } else if self.chance(40) {
            self.check(made, &name, &kind);
        }
    }

    fn check(&mut self, made: &mut Table, name: &str, kind: &ColumnType) {
        let number = self.draws.below(4);
        let ordered = if number == 0 { order(made, name, kind) } else { None };
        let Some((text, rule)) = ordered.or_else(|| single_check(name, kind, number)) else { return };
        let check = self.name("check");
        made.checks.insert(check, text);
        self.rules.push((made.name.clone(), rule));
    }

    fn partition(&mut self, made: &mut Table) {
        let name = self.name("part");
        if self.chance(50) {
            made.columns.push(column(&name, ColumnType::Date));
            let bounds = vec![
                "FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')".into(),
                "FOR VALUES FROM ('2024-02-01') TO ('2024-02-11')".into(),
            ];
            let days = (1..=31)
                .map(|day| format!("2024-01-{day:02}"))
                .chain((1..=10).map(|day| format!("2024-02-{day:02}")));
            self.rules.push((made.name.clone(), Rule::In(name.clone(), days.collect())));
            made.partitioning = Some(Partitioning { by: PartitionBy::Range, columns: vec![name], bounds });
        } else {
            made.columns.push(column(&name, ColumnType::Text));
            let bounds = vec!["FOR VALUES IN ('eu', 'us')".into(), "FOR VALUES IN ('apac')".into()];
            self.rules.push((
                made.name.clone(),
                Rule::In(name.clone(), ["eu", "us", "apac"].map(str::to_owned).to_vec()),
            ));
            made.partitioning = Some(Partitioning { by: PartitionBy::List, columns: vec![name], bounds });
        }
    }
}

/// Types of columns that are no keys.
fn kinds() -> Vec<ColumnType> {
    use ColumnType as T;
    let numeric = |scale| T::Numeric { precision: Some(9), scale };
    vec![
        T::Boolean,
        T::SmallInt,
        T::Integer,
        T::BigInt,
        numeric(0),
        numeric(2),
        T::Real,
        T::Double,
        T::Money,
        T::Text,
        T::VarChar(3),
        T::VarChar(40),
        T::Char(5),
        T::Bytes,
        T::Uuid,
        T::Date,
        T::Time { zoned: false },
        T::Time { zoned: true },
        T::Timestamp { zoned: false },
        T::Timestamp { zoned: true },
        T::Interval,
        T::Json,
        T::Jsonb,
        T::Inet,
        T::Cidr,
        T::MacAddress,
        T::Bit(7),
        T::VarBit(Some(9)),
        T::TextSearchVector,
        T::Enum("public.mood".into()),
        T::Domain("public.short".into()),
        T::Array(Box::new(T::Integer)),
        T::Array(Box::new(T::Text)),
        T::Array(Box::new(T::Enum("public.mood".into()))),
        T::Range(Box::new(T::Integer)),
        T::Range(Box::new(T::Date)),
        T::Range(Box::new(T::Timestamp { zoned: true })),
        T::Numeric { precision: None, scale: 0 },
    ]
}

/// An order between an earlier free column of the type and this one: no circle comes about.
fn order(made: &Table, name: &str, kind: &ColumnType) -> Option<(String, Rule)> {
    use ColumnType as T;
    let ordered = matches!(
        kind,
        T::Integer | T::BigInt | T::SmallInt | T::Numeric { .. } | T::Date | T::Timestamp { .. }
    );
    let earlier = made.columns.iter().rev().skip(1).find(|other| ordered && other.kind == *kind)?;
    let bound = made.primary_key.contains(&earlier.name)
        || made.foreign_keys.iter().any(|key| key.columns.contains(&earlier.name))
        || made.uniques.iter().any(|unique| unique.columns.contains(&earlier.name));
    (!bound).then(|| {
        (format!("({} <= {name})", earlier.name), Rule::Ordered(earlier.name.clone(), name.to_owned(), false))
    })
}

/// A check of one column as PostgreSQL prints it, and what it means.
fn single_check(name: &str, kind: &ColumnType, number: u64) -> Option<(String, Rule)> {
    use ColumnType as T;
    let column = name.to_owned();
    Some(match (kind, number) {
        (T::SmallInt | T::Integer | T::BigInt, 1) => (format!("({name} <> 0)"), Rule::Not(column, 0.0)),
        (T::SmallInt | T::Integer | T::BigInt, 2) => {
            let items = ["3", "5", "8"].map(str::to_owned).to_vec();
            (format!("({name} = ANY (ARRAY[3, 5, 8]))"), Rule::In(column, items))
        }
        (T::SmallInt | T::Integer | T::BigInt, _) => {
            (format!("(({name} >= 10) AND ({name} < 5000))"), Rule::Between(column, 10.0, 4999.0))
        }
        (T::Numeric { .. }, _) => {
            (format!("(({name} > (0)::numeric) AND ({name} <= 99.5))"), Rule::Between(column, 0.001, 99.5))
        }
        (T::Text, 1) => {
            let regex = "^[A-Z]{2}-[0-9]{2,6}$";
            (format!("({name} ~ '{regex}'::text)"), Rule::Matches(column, regex.to_owned()))
        }
        (T::Text, 2) => (format!("({name} = lower({name}))"), Rule::Lower(column)),
        (T::VarChar(3), 1) => {
            let array = "ARRAY[('a'::character varying)::text, ('b'::character varying)::text]";
            (format!("(({name})::text = ANY ({array}))"), Rule::In(column, vec!["a".into(), "b".into()]))
        }
        (T::VarChar(3), _) => {
            let array = "(ARRAY['a'::character varying, 'b'::character varying])::text[]";
            (format!("(({name})::text = ANY ({array}))"), Rule::In(column, vec!["a".into(), "b".into()]))
        }
        (T::Text | T::VarChar(_), _) => {
            let text = format!("((length(({name})::text) >= 15) AND ({name} <> ''::text))");
            (text, Rule::Length(column, 15, 10_000))
        }
        (T::Date, _) => {
            let text = format!("(({name} >= '2020-02-01'::date) AND ({name} < '2020-03-01'::date))");
            (text, Rule::In(column, (1..=29).map(|day| format!("2020-02-{day:02}")).collect()))
        }
        _ => return None,
    })
}
