//! Documents as JSON values, with what go-yaml and sigs.k8s.io/yaml make of keys, merges, aliases and floats.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Number, Value};

use super::documents::{self, Lines};
use super::json;
use super::scalar::{self, Scalar};
use super::tree::{self, Content, Fault, MAX_DEPTH, Mark, Node};
use super::{Position, YamlError};

/// One document as a JSON value, and the places that faults about objects point at.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The value, never null.
    pub value: Value,
    /// Where it begins.
    pub place: Place,
    /// Where each of its top-level `items` begins.
    pub items: Vec<Place>,
}

/// The places of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Its first key.
    pub start: Position,
    /// Its `metadata`'s value, or its first key where it has none.
    pub metadata: Position,
}

/// Something in a document that kubectl passes over in silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is.
    pub message: String,
    /// Where.
    pub position: Position,
}

/// All that could be read of a text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Loaded {
    /// The documents with content, in order.
    pub documents: Vec<Document>,
    /// What is wrong with those that are not among them.
    pub faults: Vec<YamlError>,
    /// Duplicate keys and content that is never read.
    pub notes: Vec<Note>,
}

/// Reads every document of `text`, the sound ones even where others are broken. A text that begins with `{` is tried
/// as a stream of JSON values first.
pub fn load(text: &str) -> Loaded {
    let lines = Lines::new(text);
    let mut loaded = Loaded::default();
    let mut rest = (0, 0);
    if json::looks_like_json(text) {
        let stream = json::read(text);
        for (offset, value, twice) in stream.values {
            loaded.json(value, lines.at(offset), twice);
        }
        rest = match stream.rest {
            json::Rest::End => return loaded,
            json::Rest::Fault(offset, message) => {
                loaded.faults.push(YamlError { message, position: lines.at(offset), hint: None });
                return loaded;
            }
            json::Rest::Yaml(offset) => (offset, lines.at(offset).line - 1),
        };
    }
    let chunks = documents::split(text, rest);
    let batch = chunks.len().div_ceil(threads_for(text, chunks.len())).max(1);
    let batches: Vec<Loaded> = std::thread::scope(|scope| {
        let lines = &lines;
        let mut batches = chunks.chunks(batch);
        let first = batches.next().unwrap_or_default();
        let others: Vec<_> = batches.map(|batch| scope.spawn(move || load_chunks(batch, lines))).collect();
        let mut done = vec![load_chunks(first, lines)];
        for other in others {
            done.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    for batch in batches {
        loaded.documents.extend(batch.documents);
        loaded.faults.extend(batch.faults);
        loaded.notes.extend(batch.notes);
    }
    loaded
}

/// Large texts of many documents are worth a thread a core, up to four.
fn threads_for(text: &str, documents: usize) -> usize {
    if text.len() < 128 * 1024 || documents < 16 {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(4)
}

fn load_chunks(chunks: &[Result<documents::Chunk<'_>, (usize, String)>], lines: &Lines<'_>) -> Loaded {
    let mut loaded = Loaded::default();
    let mut reader = tree::Reader::new();
    for chunk in chunks {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err((line, message)) => {
                loaded.faults.push(lines.error(Mark { line: *line, col: 0 }, message.clone(), None));
                continue;
            }
        };
        let mut loading = Loading { budget: Budget::default(), notes: Vec::new() };
        match reader.parse(chunk).and_then(|parsed| loading.document(parsed, lines)) {
            Ok(document) => loaded.documents.extend(document),
            Err(fault) => loaded.faults.push(fault.into_error(lines, chunk)),
        }
        let notes = loading.notes.into_iter();
        loaded
            .notes
            .extend(notes.map(|note| Note { position: lines.position(note.mark), message: note.message }));
    }
    loaded
}

impl Loaded {
    fn json(&mut self, value: Value, start: Position, twice: Vec<String>) {
        let place = Place { start, metadata: start };
        let items = value.get("items").and_then(Value::as_array).map_or(0, Vec::len);
        if !value.is_null() {
            self.documents.push(Document { value, place, items: vec![place; items] });
        }
        self.notes.extend(twice.into_iter().map(|key| Note {
            message: format!("`{key}` is set twice in one object of this document; the last one counts"),
            position: start,
        }));
    }
}

/// Bounds what aliases may blow a document up to: go-yaml v2's own rule, so that what kubectl takes is taken.
#[derive(Debug, Default)]
pub(super) struct Budget {
    nodes: u32,
    through_aliases: u32,
    alias_depth: u32,
    depth: usize,
}

impl Budget {
    /// Counts a node.
    pub(super) fn visit(&mut self, node: &Node) -> Result<(), Fault> {
        self.nodes += 1;
        if self.alias_depth == 0 {
            return Ok(());
        }
        self.through_aliases += 1;
        let (low, high) = (400_000, 4_000_000);
        let allowed = match self.nodes {
            nodes if nodes <= low => 0.99,
            nodes if nodes >= high => 0.10,
            nodes => 0.99 - 0.89 * (f64::from(nodes - low) / f64::from(high - low)),
        };
        let share = f64::from(self.through_aliases) / f64::from(self.nodes);
        if self.through_aliases > 100 && self.nodes > 1000 && share > allowed {
            return Err(Fault::at(node.start, "aliases expand this document beyond reason"));
        }
        Ok(())
    }

    pub(super) fn enter_alias(&mut self) {
        self.alias_depth += 1;
    }

    pub(super) fn leave_alias(&mut self) {
        self.alias_depth -= 1;
    }

    /// Enters a collection.
    pub(super) fn enter(&mut self, node: &Node) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::at(node.start, format!("collections nest more than {MAX_DEPTH} deep")));
        }
        Ok(())
    }

    /// Leaves a collection.
    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }
}

/// The mappings that a merge's value names, in the order in which they are written over each other.
pub(super) fn merge_sources(value: &Node) -> Result<Vec<&Node>, Fault> {
    let is_map = |node: &Node| matches!(node.target().content, Content::Map(_));
    let written_out = match &value.content {
        Content::Anchored(node) => node,
        _ => value,
    };
    match &written_out.content {
        Content::Seq(items) if items.iter().all(is_map) => Ok(items.iter().rev().collect()),
        _ if is_map(value) => Ok(vec![value]),
        _ => Err(Fault::at(value.start, "a merge (`<<`) takes a mapping or a list of mappings")),
    }
}

struct Loading {
    budget: Budget,
    notes: Vec<Fault>,
}

impl Loading {
    fn document(&mut self, parsed: tree::Parsed, lines: &Lines<'_>) -> Result<Option<Document>, Fault> {
        if let Some(mark) = parsed.ignored {
            let message = "kubectl reads no further than this line: separate documents with `---`";
            self.notes.push(Fault::at(mark, message));
        }
        let Some(root) = parsed.root else { return Ok(None) };
        let value = self.node(&root)?;
        if value.is_null() {
            return Ok(None);
        }
        let items =
            entry(&root, "items").map(Node::target).map_or_else(Vec::new, |items| match &items.content {
                Content::Seq(items) => items.iter().map(|item| place(item, lines)).collect(),
                _ => Vec::new(),
            });
        Ok(Some(Document { value, place: place(&root, lines), items }))
    }

    fn node(&mut self, node: &Node) -> Result<Value, Fault> {
        match &node.content {
            Content::Anchored(target) => return self.node(target),
            Content::Alias(target) => {
                self.budget.visit(node)?;
                self.budget.enter_alias();
                let value = self.node(target);
                self.budget.leave_alias();
                return value;
            }
            _ => self.budget.visit(node)?,
        }
        match &node.content {
            Content::Scalar { text, tag, plain } => {
                let scalar =
                    scalar::resolve(text, tag, *plain).map_err(|message| Fault::at(node.start, message))?;
                json_value(scalar).ok_or_else(|| {
                    Fault::at(node.start, format!("`{text}` cannot be a value: JSON has no such number"))
                })
            }
            Content::Seq(items) => {
                self.budget.enter(node)?;
                let items = items.iter().map(|item| self.node(item)).collect::<Result<_, _>>()?;
                self.budget.leave();
                Ok(Value::Array(items))
            }
            Content::Map(_) => {
                let mut map = Map::new();
                let mut merged = BTreeSet::new();
                self.entries(node, &mut map, &mut merged)?;
                Ok(Value::Object(map))
            }
            Content::Anchored(_) | Content::Alias(_) => Ok(Value::Null),
        }
    }

    /// Writes a mapping's entries over those that are there. `merged` holds the keys that merges brought.
    fn entries(
        &mut self,
        node: &Node,
        map: &mut Map<String, Value>,
        merged: &mut BTreeSet<String>,
    ) -> Result<(), Fault> {
        let Content::Map(entries) = &node.content else { return Ok(()) };
        self.budget.enter(node)?;
        for (key, value) in entries {
            if key.is_merge() {
                for source in merge_sources(value)? {
                    self.merge(source, map, merged)?;
                }
                continue;
            }
            let name = self.key(key)?;
            let value = self.node(value)?;
            let from_merge = !merged.is_empty() && merged.remove(name.as_ref());
            match map.get_mut(name.as_ref()) {
                None => {
                    map.insert(name.into_owned(), value);
                }
                Some(old) => {
                    *old = value;
                    if !from_merge {
                        let message = format!("`{name}` is set twice here; the last one counts");
                        self.notes.push(Fault::at(key.start, message));
                    }
                }
            }
        }
        self.budget.leave();
        Ok(())
    }

    fn merge(
        &mut self,
        source: &Node,
        map: &mut Map<String, Value>,
        merged: &mut BTreeSet<String>,
    ) -> Result<(), Fault> {
        self.budget.visit(source)?;
        self.budget.enter_alias();
        let mut own = Map::new();
        let done = self.entries(source.target(), &mut own, &mut BTreeSet::new());
        self.budget.leave_alias();
        done?;
        for (name, value) in own {
            map.insert(name.clone(), value);
            merged.insert(name);
        }
        Ok(())
    }

    fn key<'n>(&mut self, key: &'n Node) -> Result<Cow<'n, str>, Fault> {
        self.budget.visit(key)?;
        let Content::Scalar { text, tag, plain } = &key.target().content else {
            return Err(Fault::at(key.start, "a mapping's key must be a string, not a mapping or a list"));
        };
        let unfit =
            |what: &str| Err(Fault::at(key.start, format!("a mapping's key must be a string, not {what}")));
        match scalar::resolve(text, tag, *plain).map_err(|message| Fault::at(key.start, message))? {
            Scalar::String(name) => Ok(name),
            Scalar::Bool(value) => Ok(Cow::Borrowed(if value { "true" } else { "false" })),
            Scalar::Int(value) => Ok(Cow::Owned(value.to_string())),
            Scalar::Float(value) if value.is_nan() => Ok(".nan".into()),
            Scalar::Float(value) if value.is_infinite() => {
                Ok(if value > 0.0 { ".inf" } else { "-.inf" }.into())
            }
            Scalar::Float(value) => Ok(Cow::Owned(scalar::float_key(value))),
            Scalar::Null => unfit("null"),
            Scalar::Unsigned(_) => unfit("a number beyond 63 bits"),
        }
    }
}

fn entry<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Content::Map(entries) = &node.target().content else { return None };
    let found = entries
        .iter()
        .rev()
        .find(|(key, _)| matches!(&key.target().content, Content::Scalar { text, .. } if text == name));
    found.map(|(_, value)| value)
}

fn place(node: &Node, lines: &Lines<'_>) -> Place {
    let start = lines.position(node.start);
    Place {
        start,
        metadata: entry(node, "metadata").map_or(start, |metadata| lines.position(metadata.start)),
    }
}

/// None for infinities and what is no number.
fn json_value(scalar: Scalar<'_>) -> Option<Value> {
    Some(match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Int(value) => Value::Number(value.into()),
        #[allow(clippy::cast_precision_loss)] // kubectl's JSON decoder takes them for floats
        Scalar::Unsigned(value) => Value::Number(Number::from_f64(value as f64)?),
        Scalar::Float(value) => number(value)?,
        Scalar::String(text) => Value::String(text.into_owned()),
    })
}

/// A float as Go writes it to JSON and reads it back: whole ones are integers.
pub(super) fn number(value: f64) -> Option<Value> {
    if value.is_finite() && value.fract() == 0.0 && value.abs() < 1e21 {
        // Through the shortest digits, as Go does: 1.2345678901234567e18 is 1234567890123456800.
        let digits = value.to_string();
        if let Ok(whole) = digits.parse::<i64>() {
            return Some(Value::Number(whole.into()));
        }
    }
    Number::from_f64(value).map(Value::Number)
}
