//! A configuration file as a tree in which every key and value knows where it stands.

use std::sync::Arc;

pub(super) use crate::yaml::{Spanned, SpannedValue};

use super::fault::{Document, Faults};
use crate::yaml::{Position, parse_spanned};

/// Looking into a tree.
pub(super) trait Tree {
    /// Where it stands, in bytes: the first one, and the one after the last.
    fn span(&self) -> (usize, usize);
    /// What its type is called.
    fn kind(&self) -> &'static str;
    /// The text, where it is text.
    fn text(&self) -> Option<&str>;
    /// The entries, where it is a map.
    fn entries(&self) -> Option<&[(Spanned, Spanned)]>;
    /// The items, where it is a list.
    fn items(&self) -> Option<&[Spanned]>;

    /// The first value under a key, where it is a map.
    fn get(&self, key: &str) -> Option<&Spanned> {
        self.entries()?.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }
}

impl Tree for Spanned {
    fn span(&self) -> (usize, usize) {
        (self.start.offset, self.end.offset)
    }

    fn kind(&self) -> &'static str {
        match self.value {
            SpannedValue::Null => "empty",
            SpannedValue::Bool(_) => "true or false",
            SpannedValue::Int(_) => "a whole number",
            SpannedValue::Float(_) => "a fraction",
            SpannedValue::String(_) => "text",
            SpannedValue::Seq(_) => "a list",
            SpannedValue::Map(_) => "a map",
        }
    }

    fn text(&self) -> Option<&str> {
        if let SpannedValue::String(text) = &self.value { Some(text) } else { None }
    }

    fn entries(&self) -> Option<&[(Spanned, Spanned)]> {
        if let SpannedValue::Map(entries) = &self.value { Some(entries) } else { None }
    }

    fn items(&self) -> Option<&[Spanned]> {
        if let SpannedValue::Seq(items) = &self.value { Some(items) } else { None }
    }
}

/// Reads a document, an empty one as null; `None`, with a fault, where it is not YAML or more than one document.
pub(super) fn parse(document: &Arc<Document>, faults: &Faults) -> Option<Spanned> {
    let one = "this file is one document; remove what follows it";
    let mut documents = match parse_spanned(&document.text) {
        Ok(documents) => documents.into_iter(),
        Err(error) => {
            let at = error.position.offset;
            let help = error
                .hint
                .unwrap_or_else(|| "check indentation and quotes here and in the line above".into());
            faults.add(document, (at, at + 1), format!("not YAML: {}", error.message), help);
            return None;
        }
    };
    let Some(first) = documents.next() else {
        let (start, end) = (Position::default(), Position::default());
        return Some(Spanned { value: SpannedValue::Null, start, end });
    };
    if let Some(second) = documents.next() {
        faults.add(document, second.root.span(), "a second document", one.to_owned());
    } else if let Some(at) = trailing(&document.text, first.root.end.offset) {
        faults.add(document, (at, document.text.len()), "text behind the document", one.to_owned());
    }
    Some(first.root)
}

/// Where text stands behind a document's end: the reader stops there, and nothing of this file is to be passed over.
fn trailing(text: &str, end: usize) -> Option<usize> {
    let mut at = end;
    for line in text.get(end..)?.split_inclusive('\n') {
        let plain = line.trim();
        if !plain.is_empty() && !plain.starts_with('#') && plain != "---" && plain != "..." {
            return Some(at + line.len() - line.trim_start().len());
        }
        at += line.len();
    }
    None
}
