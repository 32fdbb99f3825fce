//! A configuration file as a tree in which every key and value knows where it stands.

use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::fault::{Document, Faults};

/// A value and where it stands, in bytes from the text's start.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spanned {
    /// What stands there.
    pub(super) value: SpannedValue,
    /// Its first byte.
    pub(super) start: usize,
    /// The byte after its last one.
    pub(super) end: usize,
}

/// What stands at a place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SpannedValue {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    Seq(Vec<Spanned>),
    /// As written, duplicate keys included.
    Map(Vec<(Spanned, Spanned)>),
}

impl Spanned {
    /// Where it stands.
    pub(super) fn span(&self) -> (usize, usize) {
        (self.start, self.end)
    }

    /// What its type is called.
    pub(super) fn kind(&self) -> &'static str {
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

    /// The text, where it is text.
    pub(super) fn text(&self) -> Option<&str> {
        if let SpannedValue::String(text) = &self.value { Some(text) } else { None }
    }

    /// The entries, where it is a map.
    pub(super) fn entries(&self) -> Option<&[(Spanned, Spanned)]> {
        if let SpannedValue::Map(entries) = &self.value { Some(entries) } else { None }
    }

    /// The items, where it is a list.
    pub(super) fn items(&self) -> Option<&[Spanned]> {
        if let SpannedValue::Seq(items) = &self.value { Some(items) } else { None }
    }

    /// The first value under a key, where it is a map.
    pub(super) fn get(&self, key: &str) -> Option<&Spanned> {
        self.entries()?.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }
}

/// Reads a document; `None`, with a fault, where it is not YAML or not exactly one document.
pub(super) fn parse(document: &Arc<Document>, faults: &Faults) -> Option<Spanned> {
    let mut loader = Loader { offsets: Offsets::of(&document.text), anchors: Vec::new(), nodes: 0 };
    match loader.stream(&document.text) {
        Ok(tree) => Some(tree),
        Err(Broken { at, message, help }) => {
            faults.add(document, (at, at + 1), message, Some(help));
            None
        }
    }
}

/// More nodes than any configuration has: aliases of aliases grow without bounds.
const MOST_NODES: usize = 200_000;

struct Broken {
    at: usize,
    message: String,
    help: String,
}

/// Byte offsets of characters: the parser counts characters.
struct Offsets(Option<Vec<usize>>, usize);

impl Offsets {
    fn of(text: &str) -> Self {
        let wide = !text.is_ascii();
        Self(wide.then(|| text.char_indices().map(|(at, _)| at).collect()), text.len())
    }

    fn byte(&self, character: usize) -> usize {
        match &self.0 {
            None => character.min(self.1),
            Some(offsets) => offsets.get(character).copied().unwrap_or(self.1),
        }
    }
}

struct Loader {
    offsets: Offsets,
    anchors: Vec<(usize, Spanned)>,
    nodes: usize,
}

type Events<'a> = Parser<'a, saphyr_parser::StrInput<'a>>;

impl Loader {
    /// The one document of a stream; an empty stream is an empty document.
    fn stream(&mut self, text: &str) -> Result<Spanned, Broken> {
        let mut events = Parser::new_from_str(text);
        let mut tree = None;
        loop {
            let (event, span) = self.next(&mut events)?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                event if tree.is_none() => tree = Some(self.node(event, span, &mut events)?),
                _ => {
                    return Err(Broken {
                        at: self.offsets.byte(span.start.index()),
                        message: "a second document".into(),
                        help: "this file is one document; remove the `---` and what follows".into(),
                    });
                }
            }
        }
        Ok(tree.unwrap_or(Spanned { value: SpannedValue::Null, start: 0, end: 0 }))
    }

    fn next<'a>(&self, events: &mut Events<'a>) -> Result<(Event<'a>, Span), Broken> {
        match events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.broken(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn broken(&self, error: &ScanError) -> Broken {
        Broken {
            at: self.offsets.byte(error.marker().index()),
            message: format!("not YAML: {}", error.info()),
            help: "check the indentation and quotes here and in the line above".into(),
        }
    }

    /// The node that begins with `event`.
    fn node<'a>(&mut self, event: Event<'a>, span: Span, events: &mut Events<'a>) -> Result<Spanned, Broken> {
        let start = self.offsets.byte(span.start.index());
        let mut end = self.offsets.byte(span.end.index());
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(Broken {
                at: start,
                message: "more than 200,000 values".into(),
                help: "aliases of aliases multiply; write this out".into(),
            });
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                (if plain { resolve(&text) } else { SpannedValue::String(text.into_owned()) }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next(events)? {
                        (Event::SequenceEnd, span) => break end = self.offsets.byte(span.end.index()),
                        (event, span) => items.push(self.node(event, span, events)?),
                    }
                }
                (SpannedValue::Seq(items), anchor)
            }
            Event::MappingStart(anchor, _) => {
                let mut entries = Vec::new();
                loop {
                    let (event, span) = self.next(events)?;
                    if matches!(event, Event::MappingEnd) {
                        break end = self.offsets.byte(span.end.index());
                    }
                    let key = self.node(event, span, events)?;
                    let (event, span) = self.next(events)?;
                    entries.push((key, self.node(event, span, events)?));
                }
                (SpannedValue::Map(entries), anchor)
            }
            Event::Alias(anchor) => (self.alias(anchor, start)?, 0),
            _ => (SpannedValue::Null, 0),
        };
        let node = Spanned { value, start, end };
        if anchor != 0 {
            self.anchors.push((anchor, node.clone()));
        }
        Ok(node)
    }

    /// What an alias stands for, counted as if it were written out.
    fn alias(&mut self, anchor: usize, at: usize) -> Result<SpannedValue, Broken> {
        let known = self.anchors.iter().rev().find(|(known, _)| *known == anchor);
        let Some((_, node)) = known else {
            return Err(Broken {
                at,
                message: "an alias within its own anchor".into(),
                help: "write this out".into(),
            });
        };
        let value = node.value.clone();
        self.nodes += size(&value);
        Ok(value)
    }
}

fn size(value: &SpannedValue) -> usize {
    match value {
        SpannedValue::Seq(items) => items.iter().map(|item| 1 + size(&item.value)).sum(),
        SpannedValue::Map(entries) => {
            entries.iter().map(|(key, value)| 2 + size(&key.value) + size(&value.value)).sum()
        }
        _ => 0,
    }
}

/// A plain scalar by YAML 1.2's core schema, which is how editors that know the JSON Schema read it.
fn resolve(text: &str) -> SpannedValue {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return SpannedValue::Null,
        "true" | "True" | "TRUE" => return SpannedValue::Bool(true),
        "false" | "False" | "FALSE" => return SpannedValue::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return SpannedValue::String(text.into());
    }
    let based = |prefix: &str, base| {
        digits.strip_prefix(prefix).and_then(|digits| i64::from_str_radix(digits, base).ok())
    };
    if let Some(number) = based("0x", 16).or_else(|| based("0o", 8)) {
        return SpannedValue::Int(number);
    }
    if let Ok(number) = text.parse::<i64>() {
        return SpannedValue::Int(number);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => SpannedValue::Float(number),
        _ => SpannedValue::String(text.into()),
    }
}
