//! YAML as kubectl reads it: documents split as its reader splits them, scalars resolved as go-yaml v2 resolves them.
//!
//! Two readers share one tree: [`parse_spanned`] keeps the place of every key and value (for files that people get
//! faults about), [`load`] makes JSON values (for manifests, where speed counts).

mod documents;
mod json;
mod quiet;
mod scalar;
mod tree;
mod value;

use std::borrow::Cow;

pub use documents::decode;
pub use value::{Document, Loaded, Note, Place, load};

use documents::{Chunk, Lines};
use scalar::Scalar;
use tree::{Content, Fault, Mark, Node};

/// A place in a text, as people and editors count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The line, from 1; 0 where the place is not known.
    pub line: usize,
    /// The column in characters, from 1; 0 where the place is not known.
    pub column: usize,
    /// The offset in bytes from the start of the text, from 0.
    pub offset: usize,
}

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}: {message}", .position.line, .position.column)]
pub struct YamlError {
    /// What is wrong, a lowercase fragment.
    pub message: String,
    /// Where.
    pub position: Position,
    /// What is likely meant, and how to get it.
    pub hint: Option<String>,
}

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned {
    /// The value.
    pub value: SpannedValue,
    /// Its first character.
    pub start: Position,
    /// One past its last character.
    pub end: Position,
}

/// A value whose parts know where they are written.
#[derive(Debug, Clone, PartialEq)]
pub enum SpannedValue {
    /// `null`, `~` or nothing.
    Null,
    /// A boolean; `yes`, `on`, `y` and their kin too.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number; whole numbers beyond 64 bits too.
    Float(f64),
    /// A string.
    String(String),
    /// A sequence.
    Seq(Vec<Spanned>),
    /// A mapping. Merges (`<<`) are applied; a key that is written twice is here twice, in order of writing.
    Map(Vec<(Spanned, Spanned)>),
}

/// One document of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct SpannedDocument {
    /// Its value; [`SpannedValue::Null`] for an empty document.
    pub root: Spanned,
}

/// Reads every document of `text`, documents without content left out. The first fault ends the reading.
pub fn parse_spanned(text: &str) -> Result<Vec<SpannedDocument>, YamlError> {
    let lines = Lines::new(text);
    let mut found = Vec::new();
    let chunks = documents::split(text, (0, 0));
    let mut reader = tree::Reader::new();
    for chunk in &chunks {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err((line, message)) => {
                return Err(lines.error(Mark { line: *line, col: 0 }, message.clone(), None));
            }
        };
        let read = reader.parse(chunk).map_err(|fault| fault.into_error(&lines, chunk))?;
        let Some(root) = read.root else { continue };
        let mut spanning = Spanning { lines: &lines, budget: value::Budget::default() };
        let root = spanning.node(&root, None).map_err(|fault| fault.into_error(&lines, chunk))?;
        if root.value != SpannedValue::Null {
            found.push(SpannedDocument { root });
        }
    }
    Ok(found)
}

/// Turns the shared tree into the public one.
struct Spanning<'l> {
    lines: &'l Lines<'l>,
    budget: value::Budget,
}

type Entries = Vec<(Spanned, Spanned)>;

impl Spanning<'_> {
    /// `place` replaces the node's own place where it is reached through an alias.
    fn node(&mut self, node: &Node, place: Option<(Mark, Mark)>) -> Result<Spanned, Fault> {
        let (start, end) = place.unwrap_or((node.start, node.end));
        let value = match &node.content {
            Content::Anchored(target) => return self.node(target, place),
            Content::Alias(target) => {
                self.budget.visit(node)?;
                self.budget.enter_alias();
                let spanned = self.node(target, Some((start, end)));
                self.budget.leave_alias();
                return spanned;
            }
            Content::Scalar { text, tag, plain } => {
                self.budget.visit(node)?;
                let scalar = scalar::resolve(text, tag, *plain);
                spanned_scalar(scalar.map_err(|message| Fault::at(node.start, message))?)
            }
            Content::Seq(items) => {
                self.budget.visit(node)?;
                self.budget.enter(node)?;
                let items = items.iter().map(|item| self.node(item, None)).collect::<Result<_, _>>()?;
                self.budget.leave();
                SpannedValue::Seq(items)
            }
            Content::Map(_) => {
                self.budget.visit(node)?;
                let mut found = Vec::new();
                self.entries(node, &mut found)?;
                SpannedValue::Map(found)
            }
        };
        Ok(Spanned { value, start: self.lines.position(start), end: self.lines.position(end) })
    }

    fn entries(&mut self, node: &Node, into: &mut Entries) -> Result<(), Fault> {
        let Content::Map(entries) = &node.content else { return Ok(()) };
        self.budget.enter(node)?;
        // Keys that only merges brought: what is written here takes their place without being a duplicate.
        let mut merged: Vec<SpannedValue> = Vec::new();
        for (key, value) in entries {
            if key.is_merge() {
                for source in value::merge_sources(value)? {
                    let mut found = Vec::new();
                    self.budget.visit(source)?;
                    self.budget.enter_alias();
                    self.entries(source.target(), &mut found)?;
                    self.budget.leave_alias();
                    into.retain(|(old, _)| !found.iter().any(|(new, _)| new.value == old.value));
                    merged.extend(found.iter().map(|(key, _)| key.value.clone()));
                    into.append(&mut found);
                }
                continue;
            }
            let key = self.node(key, None)?;
            let value = self.node(value, None)?;
            if let Some(at) = merged.iter().position(|old| *old == key.value) {
                merged.swap_remove(at);
                into.retain(|(old, _)| old.value != key.value);
            }
            into.push((key, value));
        }
        self.budget.leave();
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss)] // numbers beyond 64 bits are floats for kubectl too
fn spanned_scalar(scalar: Scalar<'_>) -> SpannedValue {
    match scalar {
        Scalar::Null => SpannedValue::Null,
        Scalar::Bool(value) => SpannedValue::Bool(value),
        Scalar::Int(value) => SpannedValue::Int(value),
        Scalar::Unsigned(value) => SpannedValue::Float(value as f64),
        Scalar::Float(value) => SpannedValue::Float(value),
        Scalar::String(text) => SpannedValue::String(Cow::into_owned(text)),
    }
}

/// Whether a text written without quotes is read as that string.
pub fn reads_as_string(text: &str) -> bool {
    matches!(scalar::resolve(text, &scalar::Tag::None, true), Ok(Scalar::String(_))) && text != "<<"
}

/// Whether a text looks like a template that was never rendered, and what to do then.
fn template_hint(chunk: &Chunk<'_>, line: usize) -> Option<String> {
    let near = chunk.text.lines().skip(line.saturating_sub(chunk.line + 1)).take(3);
    near.clone().any(|text| text.contains("{{")).then(|| {
        "`{{ … }}` is a template's; give its chart as a `helm` source, or quote it where the braces are meant".into()
    })
}

#[cfg(test)]
mod tests;
