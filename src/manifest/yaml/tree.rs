//! The parser's events as a tree that borrows from the text. Anchored nodes are shared, not copied.

use std::borrow::Cow;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};

use super::documents::{Chunk, Lines};
use super::scalar::Tag;
use super::{YamlError, template_hint};

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
pub(super) struct Node<'a> {
    pub content: Content<'a>,
    pub start: Mark,
    pub end: Mark,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Content<'a> {
    Scalar { text: Cow<'a, str>, tag: Tag, plain: bool },
    Seq(Vec<Node<'a>>),
    Map(Vec<(Node<'a>, Node<'a>)>),
    /// A node with an anchor, where it is written.
    Anchored(Rc<Node<'a>>),
    /// A node with an anchor, where it is used again.
    Alias(Rc<Node<'a>>),
}

impl Node<'_> {
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
pub(super) struct Parsed<'a> {
    /// Its root; none where the chunk holds comments only.
    pub root: Option<Node<'a>>,
    /// Where more follows that kubectl never reads.
    pub ignored: Option<Mark>,
}

/// Parses the first document of a chunk.
pub(super) fn parse<'a>(chunk: &'a Chunk<'_>) -> Result<Parsed<'a>, Fault> {
    let mut builder = Builder { base: chunk.line, anchors: Vec::new(), open: Vec::new(), root: None };
    let mut parser = Parser::new_from_str(&chunk.text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((Event::StreamEnd, _)) => return Ok(Parsed { root: builder.root, ignored: None }),
            Ok((Event::DocumentEnd, _)) => break,
            Ok((event, span)) => builder.event(event, span)?,
            // go-yaml stops at the end of the first node, and so never sees what is wrong behind it.
            Err(error) if builder.root.is_some() => {
                let ignored = Some(builder.mark(*error.marker()));
                return Ok(Parsed { root: builder.root, ignored });
            }
            Err(error) => return Err(builder.scan_error(&error)),
        }
    }
    let ignored = match parser.next_event() {
        None | Some(Ok((Event::StreamEnd, _))) => None,
        Some(Ok((_, span))) => Some(builder.mark(span.start)),
        Some(Err(error)) => Some(builder.mark(*error.marker())),
    };
    Ok(Parsed { root: builder.root, ignored })
}

/// A collection whose end has not come yet.
struct Open<'a> {
    items: Items<'a>,
    anchor: usize,
    start: Mark,
}

enum Items<'a> {
    Seq(Vec<Node<'a>>),
    Map(Vec<(Node<'a>, Node<'a>)>, Option<Node<'a>>),
}

struct Builder<'a> {
    base: usize,
    anchors: Vec<Option<Rc<Node<'a>>>>,
    open: Vec<Open<'a>>,
    root: Option<Node<'a>>,
}

impl<'a> Builder<'a> {
    fn mark(&self, marker: Marker) -> Mark {
        Mark { line: marker.line() + self.base, col: marker.col() }
    }

    fn scan_error(&self, error: &ScanError) -> Fault {
        let message = match error.info() {
            // The parser's own bound on `[` and `{`, lower than ours on collections.
            "recursion limit exceeded" => "flow collections nest too deep",
            message => message,
        };
        Fault::at(self.mark(*error.marker()), message)
    }

    fn event(&mut self, event: Event<'a>, span: Span) -> Result<(), Fault> {
        let start = self.mark(span.start);
        let end = self.mark(span.end);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let tag = tag.map_or(Tag::None, |tag| tag_of(&tag));
                self.finish(Node { content: Content::Scalar { text, tag, plain }, start, end }, anchor);
            }
            Event::Alias(anchor) => match self.anchors.get(anchor).and_then(Option::as_ref) {
                Some(target) => {
                    self.finish(Node { content: Content::Alias(Rc::clone(target)), start, end }, 0);
                }
                None => return Err(Fault::at(start, "the anchor's value contains itself")),
            },
            Event::SequenceStart(anchor, _) => self.open(Items::Seq(Vec::new()), anchor, start)?,
            Event::MappingStart(anchor, _) => self.open(Items::Map(Vec::new(), None), anchor, start)?,
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, items: Items<'a>, anchor: usize, start: Mark) -> Result<(), Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault::at(start, format!("collections nest more than {MAX_DEPTH} deep")));
        }
        self.open.push(Open { items, anchor, start });
        Ok(())
    }

    fn close(&mut self, span: Span) {
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
        let end = if span.is_empty() { last.unwrap_or(open.start) } else { self.mark(span.end) };
        self.finish(Node { content, start: open.start, end }, open.anchor);
    }

    fn finish(&mut self, node: Node<'a>, anchor: usize) {
        let node = if anchor == 0 {
            node
        } else {
            let (start, end) = (node.start, node.end);
            let shared = Rc::new(node);
            if self.anchors.len() <= anchor {
                self.anchors.resize(anchor + 1, None);
            }
            self.anchors[anchor] = Some(Rc::clone(&shared));
            Node { content: Content::Anchored(shared), start, end }
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

fn tag_of(tag: &saphyr_parser::Tag) -> Tag {
    const CORE: &str = "tag:yaml.org,2002:";
    let whole = format!("{}{}", tag.handle, tag.suffix);
    whole.strip_prefix(CORE).map_or(Tag::Other, |name| Tag::Core(name.to_owned()))
}
