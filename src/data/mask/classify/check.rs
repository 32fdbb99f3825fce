//! What a rule must fit: the column's type, the keys it is in, the tables that refer to it.

use super::super::Moving;
use super::super::kind::MaskKind;
use super::super::links::{self, At, Links};
use super::super::policy::ColumnRule;
use super::rules::Rules;
use crate::data::schema::{Column, ColumnType, ForeignKey, PartitionBy, Schema, Table};

/// Checks every rule, and adds the faults to them.
pub(super) fn check(schema: &Schema, links: &Links, rules: &mut Rules<'_>) {
    for (table_at, table) in schema.tables.iter().enumerate() {
        if rules.drops_table(table_at) {
            continue;
        }
        for (column_at, column) in table.columns.iter().enumerate() {
            let checked = Checked { schema, links, table, column, at: (table_at, column_at) };
            match rules.rule(checked.at) {
                Some(ColumnRule::Mask(kind)) => checked.mask(kind, rules),
                Some(ColumnRule::Drop) => checked.dropped(rules),
                Some(ColumnRule::Keep) | None => {}
            }
            checked.agrees(rules);
        }
        for key in &table.foreign_keys {
            refers_to_rows(schema, table_at, key, rules);
        }
    }
}

struct Checked<'a> {
    schema: &'a Schema,
    links: &'a Links,
    table: &'a Table,
    column: &'a Column,
    at: At,
}

impl Checked<'_> {
    fn name(&self) -> String {
        format!("{}.{}", self.table.name, self.column.name)
    }

    fn fault(&self, rules: &mut Rules<'_>, what: &str, help: &str) {
        rules.fault(rules.position(self.at), format!("`{}` {what}", self.name()), help.to_owned());
    }

    fn mask(&self, kind: &MaskKind, rules: &mut Rules<'_>) {
        let resolved = links::resolved(self.schema, &self.column.kind);
        let element = links::element(self.schema, &self.column.kind);
        if !kind.fits(element) {
            let what =
                format!("is of type {}, which `{}` cannot write", links::type_name(resolved), kind.name());
            return self.fault(rules, &what, "use `keep`, `drop` or a mask for its type");
        }
        let unique = self.links.facts(self.at).unique;
        if unique && kind.may_collide() && !matches!(kind, MaskKind::FreeText) {
            let what = format!("is part of a key, and `{}` may make different values equal", kind.name());
            self.fault(rules, &what, "use `{ mask: id }` or `keep`");
        }
        if let MaskKind::Date { moving: Moving::By(by), .. } = kind {
            self.moves_by(by, unique, rules);
        }
        if let Some(partitioning) = &self.table.partitioning {
            let takes_all = partitioning.by == PartitionBy::Hash
                || partitioning.bounds.iter().any(|bounds| bounds == "DEFAULT");
            if !takes_all
                && (partitioning.columns.is_empty() || partitioning.columns.contains(&self.column.name))
            {
                let what = "is masked, and it, or an expression, decides the row's partition: there may be none for it";
                self.fault(rules, what, "use `keep`");
            }
        }
    }

    fn moves_by(&self, by: &str, unique: bool, rules: &mut Rules<'_>) {
        if self.table.written().all(|column| column.name != by) {
            return self.fault(
                rules,
                &format!("moves by `{by}`, which is no column of its table"),
                "name one",
            );
        }
        let own = &self.column.name;
        let mut keys = links::keys(self.table).filter(|key| key.contains(own));
        if unique && !keys.all(|key| key.iter().any(|column| column == by)) {
            let what = format!("is part of a key without `{by}`, and may come out equal for two of them");
            self.fault(rules, &what, "leave out `by`");
        }
    }

    fn dropped(&self, rules: &mut Rules<'_>) {
        if !self.column.not_null {
            return;
        }
        if self.table.foreign_keys.iter().any(|key| key.columns.contains(&self.column.name)) {
            self.fault(
                rules,
                "cannot be dropped: it refers to a row and cannot be null",
                "leave it out, and it follows",
            );
        } else if self.links.facts(self.at).unique {
            self.fault(
                rules,
                "cannot be dropped: it is part of a key and cannot be null",
                "use `{ mask: id }` or `keep`",
            );
        } else if empty_value(self.schema, &self.column.kind).is_none() {
            let kind = links::type_name(&self.column.kind);
            let what = format!("cannot be dropped: it cannot be null, and {kind} has no empty value");
            self.fault(rules, &what, "use `keep` or a mask");
        }
    }

    /// What refers to a column must have its rule, or be null.
    fn agrees(&self, rules: &mut Rules<'_>) {
        let Some(own) = rules.rule(self.at).filter(|rule| !matches!(rule, ColumnRule::Drop)) else { return };
        for other in self.links.refers.get(&self.at).into_iter().flatten() {
            let Some(rule) = rules.rule(*other).filter(|_| !rules.drops_table(other.0)) else { continue };
            if rule != own {
                let target = &self.schema.tables[other.0];
                let target = format!("{}.{}", target.name, target.columns[other.1].name);
                let what = format!("has `{own}`, but `{target}`, which it refers to, has `{rule}`");
                self.fault(rules, &what, "leave it out, and it follows");
            }
        }
    }
}

/// Rows must not refer to a table of which no row stays.
fn refers_to_rows(schema: &Schema, table_at: usize, key: &ForeignKey, rules: &mut Rules<'_>) {
    let Some(target) = schema.tables.iter().position(|table| table.name == key.table) else { return };
    let table = &schema.tables[table_at];
    let places = table.columns.iter().enumerate().filter(|(_, column)| key.columns.contains(&column.name));
    let mut rules_of = places.map(|(at, _)| rules.rule((table_at, at)));
    if rules.drops_table(target) && !rules_of.any(|rule| matches!(rule, Some(ColumnRule::Drop))) {
        let message = format!(
            "`{}` is dropped, but `{}` refers to it by `{}`",
            key.table,
            table.name,
            key.columns.join(", ")
        );
        let help = "drop that column or its table, too".to_owned();
        rules.fault(rules.position((target, usize::MAX)), message, help);
    }
}

/// What stands for no value in a column that cannot be null, as COPY writes it before escaping.
pub(super) fn empty_value(schema: &Schema, kind: &ColumnType) -> Option<Vec<u8>> {
    use ColumnType as T;
    let text = match links::resolved(schema, kind) {
        T::Boolean => "f",
        T::SmallInt | T::Integer | T::BigInt | T::Numeric { .. } | T::Real | T::Double | T::Money => "0",
        T::Text | T::VarChar(_) | T::Char(_) | T::CiText | T::TextSearchVector | T::VarBit(_) => "",
        T::Bytes => "\\x",
        T::Uuid => "00000000-0000-0000-0000-000000000000",
        T::Date => "1970-01-01",
        T::Time { .. } | T::Interval => "00:00:00",
        T::Timestamp { .. } => "1970-01-01 00:00:00",
        T::Json | T::Jsonb => "null",
        T::Inet => "0.0.0.0",
        T::Cidr => "0.0.0.0/32",
        T::MacAddress => "00:00:00:00:00:00",
        T::Bit(count) => return Some(vec![b'0'; *count as usize]),
        T::Enum(name) => return schema.enums.get(name)?.first().map(|label| label.clone().into_bytes()),
        T::Array(_) => "{}",
        T::Range(_) => "empty",
        T::Xml | T::Domain(_) | T::Other(_) => return None,
    };
    Some(text.as_bytes().to_vec())
}
