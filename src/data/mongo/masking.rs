//! Masks documents as they are dumped, by their paths, and looks for what came through. A path without a rule, or a value of
//! a type that its path had not when it was classified, refuses the dump.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bson::raw::CStr;
use bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf};

use super::error::MongoError;
use super::masked_value::{self, text};
use super::paths::{both, kind, step};
use crate::data::mask::{
    Classified, ColumnTreatment, Key, LeakCheck, LeakSearch, Mask, MaskKind, Moving, TableTreatment,
};
use crate::data::schema::{ColumnType, Schema, TableName};

/// How documents are masked.
#[derive(Debug)]
pub struct Masking {
    classified: Classified,
    /// Rules by collection; none where no document of it stays.
    collections: BTreeMap<TableName, Option<Rules>>,
    key: Key,
}

/// A collection's rules by path.
#[derive(Debug)]
pub(super) struct Rules {
    name: TableName,
    paths: HashMap<String, Rule>,
}

#[derive(Debug)]
struct Rule {
    action: Action,
    /// The type of the values that were classified.
    kind: ColumnType,
}

#[derive(Debug)]
enum Action {
    Keep,
    Drop,
    Mask {
        mask: Box<Mask>,
        /// The path that decides how a document's dates move.
        by: Option<String>,
    },
}

impl Masking {
    /// By a schema that [`super::paths()`] gave, a policy that was held against it, and the project's key.
    pub fn new(schema: &Schema, classified: Classified, key: Key) -> Result<Self, MongoError> {
        let mut collections = BTreeMap::new();
        for table in &schema.tables {
            let name = &table.name;
            let rules = match classified.table(name) {
                None => {
                    return Err(MongoError::Mismatch(format!("{name} is not classified; classify it again")));
                }
                Some(TableTreatment::Dropped) => None,
                Some(TableTreatment::Rows(columns)) => {
                    let mut paths = HashMap::new();
                    for (path, treatment) in columns {
                        let kind = table.column(path).map_or(ColumnType::Text, |column| column.kind.clone());
                        paths.insert(path.clone(), Rule { action: action(treatment, &key), kind });
                    }
                    if paths.get("_id").is_some_and(|rule| matches!(rule.action, Action::Drop)) {
                        return Err(MongoError::Mismatch(format!(
                            "{name}: `_id` cannot be dropped; keep or mask it"
                        )));
                    }
                    Some(Rules { name: name.clone(), paths })
                }
            };
            collections.insert(name.clone(), rules);
        }
        Ok(Self { classified, collections, key })
    }

    /// Every path's rule in words, for the snapshot's manifest.
    pub fn rules(&self) -> Vec<(String, String)> {
        self.classified.rules()
    }

    /// A collection's rules; none where its documents are dropped. One that has come since is refused.
    pub(super) fn rules_of(&self, name: &TableName) -> Result<Option<&Rules>, MongoError> {
        self.collections.get(name).map(Option::as_ref).ok_or_else(|| {
            MongoError::Unclassified(vec![format!("{name}, a collection that is there only since then")])
        })
    }

    /// A check that has seen nothing.
    pub(super) fn check(&self) -> LeakCheck {
        LeakCheck::new(self.classified.leaks, &self.key)
    }
}

fn action(treatment: &ColumnTreatment, key: &Key) -> Action {
    match treatment {
        ColumnTreatment::Keep => Action::Keep,
        ColumnTreatment::Empty(_) => Action::Drop,
        ColumnTreatment::Mask(plan) => {
            let by = match &plan.kind {
                MaskKind::Date { moving: Moving::By(path), .. } => Some(path.clone()),
                _ => None,
            };
            Action::Mask { mask: Box::new(plan.mask(key)), by }
        }
    }
}

impl Rules {
    /// Whether values may not come into the snapshot and are looked for.
    pub(super) fn hides(&self) -> bool {
        self.paths.values().any(|rule| !matches!(rule.action, Action::Keep))
    }

    /// Shows a check the values of a document that may not come out.
    pub(super) fn observe(&self, document: &RawDocument, check: &mut LeakCheck) {
        self.each_hidden(document, &mut String::new(), &mut |path, value| {
            if let Some(original) = text(value) {
                check.observe(&format!("{}.{path}", self.name), original.as_bytes());
            }
        });
    }

    fn each_hidden(
        &self,
        document: &RawDocument,
        path: &mut String,
        each: &mut dyn FnMut(&str, &RawBsonRef<'_>),
    ) {
        for (name, value) in document.iter().flatten() {
            let before = path.len();
            step(path, name.as_str());
            self.hidden_value(value, path, each);
            path.truncate(before);
        }
    }

    fn hidden_value(
        &self,
        value: RawBsonRef<'_>,
        path: &mut String,
        each: &mut dyn FnMut(&str, &RawBsonRef<'_>),
    ) {
        match value {
            RawBsonRef::Document(document) => self.each_hidden(document, path, each),
            RawBsonRef::Array(array) => {
                array.into_iter().flatten().for_each(|item| self.hidden_value(item, path, each));
            }
            value => {
                if self.paths.get(path.as_str()).is_some_and(|rule| !matches!(rule.action, Action::Keep)) {
                    each(path, &value);
                }
            }
        }
    }

    /// Masks a document, and shows a search what comes out. Paths that have no rule are told, and left out.
    pub(super) fn mask(
        &self,
        document: &RawDocument,
        search: &mut LeakSearch,
        open: &mut BTreeSet<String>,
    ) -> Result<RawDocumentBuf, MongoError> {
        let mut work = Work { rules: self, whole: document, search, open };
        work.document(document, &mut String::new())
    }
}

/// A document that is being masked.
struct Work<'w> {
    rules: &'w Rules,
    whole: &'w RawDocument,
    search: &'w mut LeakSearch,
    open: &'w mut BTreeSet<String>,
}

impl Work<'_> {
    fn document(&mut self, document: &RawDocument, path: &mut String) -> Result<RawDocumentBuf, MongoError> {
        let mut out = RawDocumentBuf::new();
        for element in document {
            let (name, value) = element.map_err(|error| self.ill_formed(&error))?;
            let before = path.len();
            step(path, name.as_str());
            self.field(&mut out, name, value, path)?;
            path.truncate(before);
        }
        Ok(out)
    }

    fn field(
        &mut self,
        out: &mut RawDocumentBuf,
        name: &CStr,
        value: RawBsonRef<'_>,
        path: &mut String,
    ) -> Result<(), MongoError> {
        match value {
            _ if self.drops(path) => {}
            RawBsonRef::Document(document) => out.append(name, self.document(document, path)?),
            RawBsonRef::Array(array) => out.append(name, self.array(array, path)?),
            value => {
                if let Some(masked) = self.leaf(value, path)? {
                    out.append(name, masked);
                }
            }
        }
        Ok(())
    }

    fn array(&mut self, array: &bson::RawArray, path: &mut String) -> Result<RawArrayBuf, MongoError> {
        let mut out = RawArrayBuf::new();
        for item in array {
            match item.map_err(|error| self.ill_formed(&error))? {
                RawBsonRef::Document(document) => out.push(self.document(document, path)?),
                RawBsonRef::Array(array) => out.push(self.array(array, path)?),
                value => {
                    if let Some(masked) = self.leaf(value, path)? {
                        out.push(masked);
                    }
                }
            }
        }
        Ok(out)
    }

    fn drops(&self, path: &str) -> bool {
        self.rules.paths.get(path).is_some_and(|rule| matches!(rule.action, Action::Drop))
    }

    /// What a value becomes; nothing where it is dropped, or has no rule.
    fn leaf(&mut self, value: RawBsonRef<'_>, path: &str) -> Result<Option<bson::RawBson>, MongoError> {
        let Some(rule) = self.rules.paths.get(path) else {
            self.open.insert(format!("{}.{path}, which only later documents have", self.rules.name));
            return Ok(None);
        };
        if both(&rule.kind, kind(&value)) != rule.kind {
            self.open.insert(format!(
                "{}.{path}, which has values of another type in later documents",
                self.rules.name
            ));
            return Ok(None);
        }
        let out = match &rule.action {
            Action::Drop => return Ok(None),
            Action::Keep => value.into(),
            Action::Mask { .. } if value == RawBsonRef::Null => value.into(),
            Action::Mask { mask, by } => {
                let row = by.as_deref().and_then(|by| masked_value::at(self.whole, by)).unwrap_or_default();
                masked_value::masked(&value, mask, row.as_bytes()).ok_or_else(|| {
                    MongoError::Mismatch(format!(
                        "{}.{path}: a value cannot be masked; drop it",
                        self.rules.name
                    ))
                })?
            }
        };
        if let Some(text) = text(&out.as_raw_bson_ref()) {
            self.search.seen(text.as_bytes());
        }
        Ok(Some(out))
    }

    fn ill_formed(&self, error: &bson::error::Error) -> MongoError {
        MongoError::Connection { task: format!("reading {}", self.rules.name), said: error.to_string() }
    }
}
