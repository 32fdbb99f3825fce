//! Documents as rows: each path to a value is a column. What a path goes through arrays for is a column for each of the first
//! items. Pure.

use std::collections::{BTreeMap, HashMap};

use bson::spec::BinarySubtype;
use bson::{RawBsonRef, RawDocument};
use serde::{Deserialize, Serialize};

use crate::data::schema::{ColumnType, Schema, TableName};
use crate::data::seed::Seed;

/// Items of an array that become columns, at most.
const MOST_ITEMS: usize = 3;
/// Paths of a collection, at most.
const MOST_PATHS: usize = 500;
/// Documents within documents that are looked into.
const DEEPEST: usize = 32;

/// Collections as tables, and how their rows become documents again. Kept with a seed: a fresh server has no documents to
/// learn it from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shapes {
    /// The databases' collections: a table's schema is the database. Columns have the paths' names: `address.city`,
    /// `lines.0.sku`.
    pub schema: Schema,
    /// What was left out or decided, for whoever reads the seed.
    pub notes: Vec<String>,
    /// The share of documents without a value, by collection and column, where there are any.
    pub nulls: BTreeMap<String, BTreeMap<String, f64>>,
    pub(super) fields: BTreeMap<String, Vec<Field>>,
}

impl Shapes {
    /// Gives a seed that was planned for this schema the shares of documents without a value that were found.
    pub fn refine(&self, seed: &mut Seed) {
        for (table, made) in &mut seed.tables {
            let Some(nulls) = self.nulls.get(&table.to_string()) else { continue };
            for (column, made) in &mut made.columns {
                if let (Some(share), Some(_)) = (nulls.get(column), made.null) {
                    // As few digits as a reader wants to see.
                    made.null = Some((share * 1000.0).round() / 1000.0);
                }
            }
        }
    }

    /// A collection's fields, in their order.
    pub(super) fn fields(&self, table: &TableName) -> Option<&[Field]> {
        self.fields.get(&table.to_string()).map(Vec::as_slice)
    }
}

/// A value's place in documents, and its type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Field {
    /// The column's name.
    pub column: String,
    pub path: Vec<Segment>,
    pub kind: FieldKind,
}

/// A step into a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Segment {
    /// Into a field.
    Field(String),
    /// Into an item of an array.
    Item(usize),
}

/// Types of values that rows can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FieldKind {
    Double,
    Text,
    Boolean,
    ObjectId,
    Date,
    Int32,
    Int64,
    Decimal,
    Uuid,
    Bytes,
}

impl FieldKind {
    /// Of a value; none of types that rows have nothing for.
    pub(super) fn of(value: &RawBsonRef<'_>) -> Option<Self> {
        match value {
            RawBsonRef::Double(_) => Some(Self::Double),
            RawBsonRef::String(_) | RawBsonRef::Symbol(_) => Some(Self::Text),
            RawBsonRef::Boolean(_) => Some(Self::Boolean),
            RawBsonRef::ObjectId(_) => Some(Self::ObjectId),
            RawBsonRef::DateTime(_) => Some(Self::Date),
            RawBsonRef::Int32(_) => Some(Self::Int32),
            RawBsonRef::Int64(_) => Some(Self::Int64),
            RawBsonRef::Decimal128(_) => Some(Self::Decimal),
            RawBsonRef::Binary(binary) if binary.subtype == BinarySubtype::Uuid => Some(Self::Uuid),
            RawBsonRef::Binary(_) => Some(Self::Bytes),
            _ => None,
        }
    }

    /// The column type that a generator makes values of. Object ids are numbers there, so that references to them agree.
    pub(super) fn column(self) -> ColumnType {
        match self {
            Self::Double => ColumnType::Double,
            Self::Text => ColumnType::Text,
            Self::Boolean => ColumnType::Boolean,
            Self::ObjectId | Self::Int64 => ColumnType::BigInt,
            Self::Date => ColumnType::Timestamp { zoned: true },
            Self::Int32 => ColumnType::Integer,
            Self::Decimal => ColumnType::Numeric { precision: None, scale: 2 },
            Self::Uuid => ColumnType::Uuid,
            Self::Bytes => ColumnType::Bytes,
        }
    }
}

/// A path's name as a column.
pub(super) fn column_name(path: &[Segment]) -> String {
    let step = |segment: &Segment| match segment {
        Segment::Field(name) => name.clone(),
        Segment::Item(at) => at.to_string(),
    };
    path.iter().map(step).collect::<Vec<_>>().join(".")
}

/// What a path was found to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub path: Vec<Segment>,
    pub kind: FieldKind,
    /// The share of documents, or of items, without a value.
    pub null: f64,
    /// The only texts allowed, where there are such.
    pub labels: Vec<String>,
    /// The least and the greatest number allowed.
    pub limits: (Option<f64>, Option<f64>),
}

/// Learns from documents what paths there are.
#[derive(Debug, Default)]
pub(super) struct Learner {
    paths: Vec<(Vec<Segment>, BTreeMap<FieldKind, u64>)>,
    places: HashMap<Vec<Segment>, usize>,
    /// How often an array's item, or the document itself, was there.
    visits: HashMap<Vec<Segment>, u64>,
    /// How often an array was there, and its items in all.
    arrays: BTreeMap<Vec<Segment>, (u64, u64)>,
    pub notes: BTreeMap<String, String>,
}

impl Learner {
    /// Looks at a document.
    pub(super) fn see(&mut self, document: &RawDocument) {
        self.within(document, &mut Vec::new());
    }

    fn within(&mut self, document: &RawDocument, path: &mut Vec<Segment>) {
        *self.visits.entry(path.clone()).or_default() += 1;
        for element in document.iter().flatten() {
            let name = element.0.as_str();
            if name.contains('.') {
                self.note(path, format!("field `{name}` is left out: its name has a dot"));
                continue;
            }
            path.push(Segment::Field(name.to_owned()));
            self.value(element.1, path);
            path.pop();
        }
    }

    fn value(&mut self, value: RawBsonRef<'_>, path: &mut Vec<Segment>) {
        match value {
            RawBsonRef::Document(document) if path.len() < DEEPEST => self.within(document, path),
            RawBsonRef::Array(array) if path.len() < DEEPEST => {
                let mut items = 0;
                for (at, item) in array.into_iter().flatten().enumerate() {
                    items += 1;
                    if at < MOST_ITEMS {
                        path.push(Segment::Item(at));
                        if !matches!(item, RawBsonRef::Document(_)) {
                            *self.visits.entry(path.clone()).or_default() += 1;
                        }
                        self.value(item, path);
                        path.pop();
                    }
                }
                let (arrays, all) = self.arrays.entry(path.clone()).or_default();
                *arrays += 1;
                *all += items;
            }
            RawBsonRef::Null => {}
            other => {
                if let Some(kind) = FieldKind::of(&other) {
                    self.leaf(path, kind);
                } else {
                    let name = column_name(path);
                    self.note(path, format!("`{name}` is left out: there is no synthetic data of its type"));
                }
            }
        }
    }

    fn leaf(&mut self, path: &[Segment], kind: FieldKind) {
        let at = match self.places.get(path) {
            Some(at) => *at,
            None if self.paths.len() >= MOST_PATHS => {
                return self.note(&[], format!("only the first {MOST_PATHS} paths are columns"));
            }
            None => {
                self.places.insert(path.to_vec(), self.paths.len());
                self.paths.push((path.to_vec(), BTreeMap::new()));
                self.paths.len() - 1
            }
        };
        if let Some((_, kinds)) = self.paths.get_mut(at) {
            *kinds.entry(kind).or_default() += 1;
        }
    }

    fn note(&mut self, path: &[Segment], text: String) {
        self.notes.insert(format!("{} {text}", column_name(path)), text);
    }

    /// What was found, in the order in which documents have it.
    pub(super) fn found(&mut self) -> Vec<Found> {
        let mut found = Vec::new();
        for (path, kinds) in &self.paths {
            if !self.is_usual(path) {
                continue;
            }
            let seen: u64 = kinds.values().sum();
            // The most frequent; of equals the last in the order of types.
            let Some((kind, often)) = kinds.iter().max_by_key(|(_, often)| **often) else { continue };
            if *often < seen {
                let name = column_name(path);
                let text =
                    format!("`{name}` has values of {} types; the most frequent one is made", kinds.len());
                self.notes.insert(name, text);
            }
            let base = self.base(path).max(seen);
            #[expect(clippy::cast_precision_loss, reason = "a share of a sample")]
            let null = (base - seen) as f64 / base as f64;
            found.push(Found {
                path: path.clone(),
                kind: *kind,
                null,
                labels: Vec::new(),
                limits: (None, None),
            });
        }
        found
    }

    /// Whether arrays on the way have so many items on average.
    fn is_usual(&self, path: &[Segment]) -> bool {
        path.iter().enumerate().all(|(place, segment)| {
            let Segment::Item(at) = segment else { return true };
            let (arrays, items) =
                path.get(..place).and_then(|array| self.arrays.get(array)).copied().unwrap_or((1, 0));
            // Rounded to the nearest.
            let usual = (2 * items + arrays) / (2 * arrays.max(1));
            (*at as u64) < usual
        })
    }

    /// How often what a path starts from was there: the innermost item, or the document.
    fn base(&self, path: &[Segment]) -> u64 {
        let item = path.iter().rposition(|segment| matches!(segment, Segment::Item(_)));
        let start = item.map_or(0, |at| at + 1);
        path.get(..start).and_then(|start| self.visits.get(start)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{Document, doc};

    fn learned(documents: &[Document]) -> (Vec<(String, FieldKind, f64)>, Vec<String>) {
        let mut learner = Learner::default();
        for document in documents {
            let bytes = bson::serialize_to_vec(document).unwrap();
            learner.see(RawDocument::from_bytes(&bytes).unwrap());
        }
        let found = learner.found().into_iter();
        let found = found.map(|found| (column_name(&found.path), found.kind, found.null)).collect();
        (found, learner.notes.into_values().collect())
    }

    #[test]
    fn paths_types_and_shares_of_nulls_are_learnt() {
        use FieldKind as K;
        let (found, notes) = learned(&[
            doc! { "_id": 1, "name": "a", "at": { "city": "x", "zip": 7 }, "lines": [{ "sku": 1 }, { "sku": 2, "n": 1_i64 }], "tags": ["x"] },
            doc! { "_id": 2, "name": null, "at": { "city": "y" }, "lines": [{ "sku": 1 }, { "sku": 2 }], "tags": [] },
            doc! { "_id": 3, "name": "b", "at": { "city": 3 }, "lines": [{ "sku": 1 }], "tags": ["x", "y", "z", "z"] },
            doc! { "_id": 4, "name": "b", "lines": [{ "sku": 1 }, { "sku": 2 }], "tags": ["x"], "code": bson::Bson::MinKey },
        ]);
        let expected = [
            ("_id", K::Int32, 0.0),
            ("name", K::Text, 0.25),
            ("at.city", K::Text, 0.25),
            ("at.zip", K::Int32, 0.75),
            ("lines.0.sku", K::Int32, 0.0),
            ("lines.1.sku", K::Int32, 0.0),
            ("lines.1.n", K::Int64, 2.0 / 3.0),
            ("tags.0", K::Text, 0.0),
            ("tags.1", K::Text, 0.0),
        ];
        let expected: Vec<_> =
            expected.iter().map(|(name, kind, null)| ((*name).to_owned(), *kind, *null)).collect();
        assert_eq!(found, expected);
        assert_eq!(
            notes,
            [
                "`at.city` has values of 2 types; the most frequent one is made",
                "`code` is left out: there is no synthetic data of its type"
            ]
        );
    }
}
