//! The parser's events as a tree. Anchored nodes are shared, not copied.
//!
//! The parser is a port of libyaml, as go-yaml's is, so that both take and refuse the same texts.

use std::collections::HashMap;
use std::io::{BufRead, Read as _};
use std::rc::Rc;

use libyaml_safer::{Error, Event, EventData, Mark as Marker, Parser, ScalarStyle};

use super::documents::{Chunk, Lines};
use super::scalar::Tag;
use super::{YamlError, quiet, template_hint};

/// How deep collections may nest. Kubernetes' deepest schemas stay below 100.
pub(super) const MAX_DEPTH: usize = 500;

/// A place in the whole text: line from 1, column from 0, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub line: usize,
    pub col: usize,
}

/// A node and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub content: Content,
    pub start: Mark,
    pub end: Mark,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Content {
    Scalar {
        text: String,
        tag: Tag,
        plain: bool,
    },
    Seq(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// A node with an anchor, where it is written.
    Anchored(Rc<Node>),
    /// A node with an anchor, where it is used again.
    Alias(Rc<Node>),
}

impl Node {
    /// Whether it is the key of a merge.
    pub(super) fn is_merge(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, tag, plain } if text == "<<"
            && (*plain && *tag == Tag::None || matches!(tag, Tag::Core(name) if name == "merge")))
    }

    /// The node an alias stands for, or the node itself.
    pub(super) fn target(&self) -> &Self {
        match &self.content {
            Content::Alias(target) | Content::Anchored(target) => target,
            _ => self,
        }
    }
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Fault {
    pub mark: Mark,
    pub message: String,
}

impl Fault {
    pub(super) fn at(mark: Mark, message: impl Into<String>) -> Self {
        Self { mark, message: message.into() }
    }

    pub(super) fn into_error(self, lines: &Lines<'_>, chunk: &Chunk<'_>) -> YamlError {
        let hint = template_hint(chunk, self.mark.line);
        lines.error(self.mark, self.message, hint)
    }
}

/// The first document of a chunk.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Its root; none where the chunk holds comments only.
    pub root: Option<Node>,
    /// Where more follows that kubectl never reads.
    pub ignored: Option<Mark>,
}

/// The parser, kept from document to document for its buffers.
pub(super) struct Reader<'c> {
    parser: Parser<std::io::Chain<&'c [u8], &'c [u8]>>,
}

impl<'c> Reader<'c> {
    pub(super) fn new() -> Self {
        Self { parser: Parser::new() }
    }

    /// Parses the first document of a chunk.
    pub(super) fn parse(&mut self, chunk: &'c Chunk<'_>) -> Result<Parsed, Fault> {
        // kubectl's reader ends every line, the last one too.
        let line_end: &[u8] = if chunk.text.ends_with('\n') { b"" } else { b"\n" };
        self.parser.reset();
        self.parser.set_input(chunk.text.as_bytes().chain(line_end));
        // The parser panics at two kinds of tags, which kubectl takes and nobody writes: `[!a, b]` and `!%ff`.
        if !chunk.text.contains('!') {
            return parse(&mut self.parser, chunk);
        }
        let parser = &mut self.parser;
        quiet::catch(|| parse(parser, chunk)).unwrap_or_else(|| {
            self.parser = Parser::new();
            let message = "there is a tag (`!`) here that cannot be read: put a space behind it";
            Err(Fault::at(place_of_tag(chunk), message))
        })
    }
}

/// The first tag that ends at a comma or is written with `%`.
fn place_of_tag(chunk: &Chunk<'_>) -> Mark {
    let is_odd = |tag: &str| tag.split([' ', ']', '}']).next().is_some_and(|tag| tag.contains([',', '%']));
    let found = chunk.text.lines().enumerate().find_map(|(line, text)| {
        let at = text.match_indices('!').find(|(at, _)| is_odd(&text[*at..]))?.0;
        Some(Mark { line: line + 1 + chunk.line, col: text[..at].chars().count() })
    });
    found.unwrap_or(Mark { line: chunk.line + 1, col: 0 })
}

fn parse<R: BufRead>(parser: &mut Parser<R>, chunk: &Chunk<'_>) -> Result<Parsed, Fault> {
    let mut builder = Builder { base: chunk.line, anchors: HashMap::new(), open: Vec::new(), root: None };
    loop {
        match parser.parse() {
            Ok(Event { data: EventData::StreamEnd, .. }) => return Ok(Parsed { root: None, ignored: None }),
            Ok(Event { data: EventData::DocumentEnd { .. }, .. }) => break,
            Ok(event) => builder.event(event)?,
            Err(error) => return Err(builder.fault(&error, chunk)),
        }
    }
    // go-yaml stops here, and so never sees what is wrong behind the first document.
    let ignored = match parser.parse() {
        Ok(Event { data: EventData::StreamEnd, .. }) => None,
        Ok(event) => Some(builder.mark(event.start_mark)),
        Err(error) => Some(builder.fault(&error, chunk).mark),
    };
    Ok(Parsed { root: builder.root, ignored })
}

/// A collection whose end has not come yet.
struct Open {
    items: Items,
    anchor: Option<String>,
    start: Mark,
}

enum Items {
    Seq(Vec<Node>),
    Map(Vec<(Node, Node)>, Option<Node>),
}

struct Builder {
    base: usize,
    /// Anchors by name; none for a node whose end has not come yet.
    anchors: HashMap<String, Option<Rc<Node>>>,
    open: Vec<Open>,
    root: Option<Node>,
}

impl Builder {
    fn mark(&self, marker: Marker) -> Mark {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Mark { line: number(marker.line).saturating_add(1 + self.base), col: number(marker.column) }
    }

    fn fault(&self, error: &Error, chunk: &Chunk<'_>) -> Fault {
        // Faults of the reader have no place: it refuses characters, so look for the first that it refuses.
        let mark = error.problem_mark().map_or_else(|| self.mark_of_control(chunk), |mark| self.mark(mark));
        let found =
            chunk.text.lines().nth(mark.line - 1 - self.base).and_then(|line| line.chars().nth(mark.col));
        let message = match (error.problem(), found) {
            (problem, Some('\t')) if problem.contains("character") => {
                "a tab cannot indent: use spaces".to_owned()
            }
            ("found character that cannot start any token", Some(found)) => {
                format!("a value cannot start with `{found}`: quote it")
            }
            (problem, _) => {
                let context = error.context().unwrap_or_default();
                let begun =
                    error.context_mark().map(|begun| self.mark(begun)).filter(|begun| begun.line < mark.line);
                let begun =
                    begun.map_or(String::new(), |begun| format!(" that begins in line {}", begun.line));
                format!("{problem} {context}{begun}").trim_end().to_owned()
            }
        };
        Fault::at(mark, message)
    }

    fn mark_of_control(&self, chunk: &Chunk<'_>) -> Mark {
        let refused = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
        let found = chunk.text.lines().enumerate().find_map(|(line, text)| {
            text.chars().position(refused).map(|col| Mark { line: line + 1 + self.base, col })
        });
        found.unwrap_or(Mark { line: self.base + 1, col: 0 })
    }

    fn event(&mut self, event: Event) -> Result<(), Fault> {
        let start = self.mark(event.start_mark);
        let end = self.mark(event.end_mark);
        match event.data {
            EventData::Scalar { anchor, tag, value: text, style, .. } => {
                let plain = style == ScalarStyle::Plain;
                let tag = tag.map_or(Tag::None, |tag| tag_of(&tag));
                self.finish(Node { content: Content::Scalar { text, tag, plain }, start, end }, anchor);
            }
            EventData::Alias { anchor } => match self.anchors.get(&anchor) {
                Some(Some(target)) => {
                    self.finish(Node { content: Content::Alias(Rc::clone(target)), start, end }, None);
                }
                Some(None) => {
                    return Err(Fault::at(start, format!("the value of anchor `{anchor}` contains itself")));
                }
                None => {
                    return Err(Fault::at(start, format!("there is no anchor `{anchor}` before this line")));
                }
            },
            EventData::SequenceStart { anchor, .. } => self.open(Items::Seq(Vec::new()), anchor, start)?,
            EventData::MappingStart { anchor, .. } => {
                self.open(Items::Map(Vec::new(), None), anchor, start)?;
            }
            EventData::SequenceEnd | EventData::MappingEnd => self.close(start, end),
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, items: Items, anchor: Option<String>, start: Mark) -> Result<(), Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault::at(start, format!("collections nest more than {MAX_DEPTH} deep")));
        }
        if let Some(anchor) = &anchor {
            self.anchors.insert(anchor.clone(), None);
        }
        self.open.push(Open { items, anchor, start });
        Ok(())
    }

    fn close(&mut self, start: Mark, end: Mark) {
        let Some(open) = self.open.pop() else { return };
        let (content, last) = match open.items {
            Items::Seq(items) => {
                let last = items.last().map(|node| node.end);
                (Content::Seq(items), last)
            }
            Items::Map(entries, _) => {
                let last = entries.last().map(|(_, value)| value.end);
                (Content::Map(entries), last)
            }
        };
        // A block collection has no end of its own: it ends with its last value.
        let end = if start == end { last.unwrap_or(open.start) } else { end };
        self.finish(Node { content, start: open.start, end }, open.anchor);
    }

    fn finish(&mut self, node: Node, anchor: Option<String>) {
        let node = match anchor {
            None => node,
            Some(anchor) => self.anchor(node, anchor),
        };
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::Seq(items)) => items.push(node),
            Some(Items::Map(entries, key)) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
    }
}

impl Builder {
    fn anchor(&mut self, node: Node, anchor: String) -> Node {
        let (start, end) = (node.start, node.end);
        let is_scalar = matches!(node.content, Content::Scalar { .. });
        let shared = Rc::new(node);
        let known = self.anchors.entry(anchor).or_default();
        // An anchor counts from where it is written: one of the same name further in came later.
        if is_scalar || known.is_none() {
            *known = Some(Rc::clone(&shared));
        }
        Node { content: Content::Anchored(shared), start, end }
    }
}

fn tag_of(tag: &str) -> Tag {
    tag.strip_prefix("tag:yaml.org,2002:").map_or(Tag::Other, |name| Tag::Core(name.to_owned()))
}
