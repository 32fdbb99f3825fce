//! Texts of a regular expression, counted: the n-th text of the pattern is computed, so that uniqueness is a permutation of n.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::random::{scaled, split};

/// How much longer than its least a repetition without an end becomes; less where the text has to be short.
const OPEN: [u32; 5] = [8, 4, 2, 1, 0];

/// A pattern: characters, classes, `?`, `*`, `+`, `{n,m}`, groups and alternatives of printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Pattern {
    node: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Literal(Vec<u8>),
    Class { ranges: Vec<(u8, u8)>, size: u64 },
    Repeat { node: Box<Node>, least: u32, most: u32, size: u64 },
    Concat { nodes: Vec<Node>, size: u64 },
    Either { nodes: Vec<Node>, size: u64 },
}

impl Pattern {
    /// Of a regular expression. Anchors are taken as given; the error says what cannot be had.
    pub(in crate::data) fn new(text: &str) -> Result<Self, String> {
        Self::within(text, None)
    }

    /// The same, with texts of at most `longest` bytes where repetitions without an end leave that open.
    pub(in crate::data) fn within(text: &str, longest: Option<u64>) -> Result<Self, String> {
        let mut parser = ParserBuilder::new().unicode(false).utf8(false).nest_limit(50).build();
        let hir = parser.parse(text).map_err(|error| match error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            _ => "it is no regular expression".to_owned(),
        })?;
        let made = OPEN.map(|open| Node::new(&hir, open));
        let fits = |node: &Node| longest.is_none_or(|longest| node.longest() as u64 <= longest);
        let fitting = made.iter().flatten().position(fits).unwrap_or(0);
        let node = made.into_iter().nth(fitting).ok_or("it has no texts")??;
        if node.longest() > 10_000 {
            return Err("its texts become longer than 10000 characters".to_owned());
        }
        Ok(Self { node })
    }

    /// The part of its texts that counts each once: repetitions of one length, and of alternatives the richest.
    pub(in crate::data) fn counted(&self) -> Self {
        Self { node: self.node.counted() }
    }

    /// How many texts it counts; 2^63 where there are more. Two of them may be the same where alternatives overlap.
    pub(in crate::data) fn size(&self) -> u64 {
        self.node.size()
    }

    /// Whether each of its texts counts once: no choice between texts that begin the same.
    pub(in crate::data) fn is_injective(&self) -> bool {
        self.node.is_injective()
    }

    /// Lengths of its shortest and longest text, in bytes.
    pub(in crate::data) fn lengths(&self) -> (usize, usize) {
        (self.node.shortest(), self.node.longest())
    }

    /// Appends its `index`-th text.
    pub(in crate::data) fn write(&self, index: u64, out: &mut Vec<u8>) {
        self.node.write(index % self.size(), out);
    }

    /// Appends a text drawn by `number`s, as long as there are too many to count.
    pub(in crate::data) fn write_drawn(&self, next: &mut dyn FnMut() -> u64, out: &mut Vec<u8>) {
        self.node.draw(next, out);
    }
}

/// Products and sums that end at 2^63.
fn capped(value: Option<u64>) -> u64 {
    value.unwrap_or(u64::MAX).min(1 << 63)
}

impl Node {
    fn new(hir: &Hir, open: u32) -> Result<Self, String> {
        let all = |hirs: &[Hir]| hirs.iter().map(|hir| Self::new(hir, open)).collect::<Result<Vec<_>, _>>();
        Ok(match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Self::Literal(Vec::new()),
            HirKind::Literal(literal) => {
                if std::str::from_utf8(&literal.0).is_err() || literal.0.contains(&0) {
                    return Err("it has bytes that are no text".to_owned());
                }
                Self::Literal(literal.0.to_vec())
            }
            HirKind::Class(class) => Self::class(class)?,
            HirKind::Repetition(repetition) => {
                let most = repetition.max.unwrap_or(repetition.min.saturating_add(open));
                Self::repeat(Self::new(&repetition.sub, open)?, repetition.min, most)?
            }
            HirKind::Capture(capture) => Self::new(&capture.sub, open)?,
            HirKind::Concat(hirs) => Self::concat(all(hirs)?),
            HirKind::Alternation(hirs) => {
                let nodes = all(hirs)?;
                let size = nodes.iter().fold(0, |size: u64, node| capped(size.checked_add(node.size())));
                Self::Either { nodes, size }
            }
        })
    }

    fn concat(nodes: Vec<Self>) -> Self {
        let size = nodes.iter().fold(1, |size: u64, node| capped(size.checked_mul(node.size())));
        Self::Concat { nodes, size }
    }

    fn counted(&self) -> Self {
        match self {
            Self::Literal(_) | Self::Class { .. } => self.clone(),
            Self::Repeat { node, most, .. } => {
                let node = node.counted();
                let size = (0..*most).fold(1, |size: u64, _| capped(size.checked_mul(node.size())));
                Self::Repeat { node: Box::new(node), least: *most, most: *most, size }
            }
            Self::Concat { nodes, .. } => Self::concat(nodes.iter().map(Self::counted).collect()),
            Self::Either { nodes, .. } => {
                let richest = nodes.iter().map(Self::counted).max_by_key(Self::size);
                richest.unwrap_or_else(|| Self::Literal(Vec::new()))
            }
        }
    }

    /// Only printable ASCII of a class is used: `.` and `[^x]` mean those here.
    fn class(class: &Class) -> Result<Self, String> {
        let Class::Bytes(class) = class else { return Err("it has a class beyond ASCII".to_owned()) };
        let ranges: Vec<(u8, u8)> = class
            .iter()
            .map(|range| (range.start().max(b' '), range.end().min(b'~')))
            .filter(|(start, end)| start <= end)
            .collect();
        let size = ranges.iter().map(|(start, end)| u64::from(end - start) + 1).sum();
        if size == 0 {
            return Err("it has a class without a printable ASCII character".to_owned());
        }
        Ok(Self::Class { ranges, size })
    }

    fn repeat(node: Self, least: u32, most: u32) -> Result<Self, String> {
        if most > 10_000 {
            return Err("it repeats more than 10000 times".to_owned());
        }
        let (mut size, mut power) = (0_u64, 1_u64);
        for times in 0..=most {
            if times >= least {
                size = capped(size.checked_add(power));
            }
            power = capped(power.checked_mul(node.size()));
        }
        Ok(Self::Repeat { node: Box::new(node), least, most, size })
    }

    fn size(&self) -> u64 {
        match self {
            Self::Literal(_) => 1,
            Self::Class { size, .. }
            | Self::Repeat { size, .. }
            | Self::Concat { size, .. }
            | Self::Either { size, .. } => *size,
        }
    }

    /// Sufficient, not necessary: what varies in length stands last.
    fn is_injective(&self) -> bool {
        match self {
            Self::Literal(_) | Self::Class { .. } => true,
            Self::Repeat { node, .. } => {
                node.is_injective() && node.shortest() == node.longest() && node.shortest() > 0
            }
            Self::Concat { nodes, .. } => {
                let fixed = |node: &Node| node.shortest() == node.longest();
                let but_last = nodes.split_last().map_or(&[][..], |(_, before)| before);
                nodes.iter().all(Self::is_injective) && but_last.iter().all(fixed)
            }
            Self::Either { .. } => false,
        }
    }

    fn shortest(&self) -> usize {
        match self {
            Self::Literal(bytes) => bytes.len(),
            Self::Class { .. } => 1,
            Self::Repeat { node, least, .. } => node.shortest().saturating_mul(*least as usize),
            Self::Concat { nodes, .. } => nodes.iter().map(Self::shortest).fold(0, usize::saturating_add),
            Self::Either { nodes, .. } => nodes.iter().map(Self::shortest).min().unwrap_or(0),
        }
    }

    fn longest(&self) -> usize {
        match self {
            Self::Literal(bytes) => bytes.len(),
            Self::Class { .. } => 1,
            Self::Repeat { node, most, .. } => node.longest().saturating_mul(*most as usize),
            Self::Concat { nodes, .. } => nodes.iter().map(Self::longest).fold(0, usize::saturating_add),
            Self::Either { nodes, .. } => nodes.iter().map(Self::longest).max().unwrap_or(0),
        }
    }

    fn write(&self, mut index: u64, out: &mut Vec<u8>) {
        match self {
            Self::Literal(bytes) => out.extend_from_slice(bytes),
            Self::Class { ranges, .. } => {
                for (start, end) in ranges {
                    let length = u64::from(end - start) + 1;
                    if index < length {
                        out.push(start + u8::try_from(index).unwrap_or(0));
                        return;
                    }
                    index -= length;
                }
            }
            Self::Repeat { node, least, most, .. } => {
                let mut times = *least;
                let mut power = (0..times).fold(1, |power: u64, _| capped(power.checked_mul(node.size())));
                while index >= power && times < *most {
                    index -= power;
                    times += 1;
                    power = capped(power.checked_mul(node.size()));
                }
                for _ in 0..times {
                    node.write(index % node.size(), out);
                    index /= node.size();
                }
            }
            Self::Concat { nodes, .. } => {
                for node in nodes {
                    node.write(index % node.size(), out);
                    index /= node.size();
                }
            }
            Self::Either { nodes, .. } => {
                for node in nodes {
                    if index < node.size() {
                        return node.write(index, out);
                    }
                    index -= node.size();
                }
            }
        }
    }

    fn draw(&self, next: &mut dyn FnMut() -> u64, out: &mut Vec<u8>) {
        match self {
            Self::Literal(bytes) => out.extend_from_slice(bytes),
            Self::Class { size, .. } => self.write(scaled(next(), *size), out),
            Self::Repeat { node, least, most, .. } => {
                let more = u64::from(most - least) + 1;
                let times = u64::from(*least) + if more > 1 { scaled(next(), more) } else { 0 };
                node.draw_times(times, next, out);
            }
            Self::Concat { nodes, .. } => nodes.iter().for_each(|node| node.draw(next, out)),
            Self::Either { nodes, .. } => {
                let chosen = usize::try_from(scaled(next(), nodes.len() as u64)).unwrap_or(0);
                if let Some(node) = nodes.get(chosen) {
                    node.draw(next, out);
                }
            }
        }
    }
}

impl Node {
    /// Draws several in a row. A number is enough for four characters: 28 of its bits at most.
    fn draw_times(&self, times: u64, next: &mut dyn FnMut() -> u64, out: &mut Vec<u8>) {
        let Self::Class { size, .. } = self else {
            return (0..times).for_each(|_| self.draw(next, out));
        };
        let mut left = 0;
        for at in 0..times {
            let number = if at % 4 == 0 { next() } else { left };
            let (index, rest) = split(number, *size);
            left = rest;
            self.write(index, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn texts(pattern: &str) -> Vec<String> {
        let pattern = Pattern::new(pattern).unwrap();
        let text = |index| {
            let mut out = Vec::new();
            pattern.write(index, &mut out);
            String::from_utf8(out).unwrap()
        };
        (0..pattern.size().min(500)).map(text).collect()
    }

    #[test]
    fn texts_are_counted() {
        assert_eq!(texts("^a[bc]$"), ["ab", "ac"]);
        assert_eq!(texts("x|yz?"), ["x", "y", "yz"]);
        assert_eq!(texts("[ab]{1,2}"), ["a", "b", "aa", "ba", "ab", "bb"]);
        assert_eq!(Pattern::new("[A-Z]{3}-[0-9]{4}").unwrap().size(), 26 * 26 * 26 * 10_000);
        assert_eq!(Pattern::new(r"\w{40}").unwrap().size(), 1 << 63);
    }

    #[test]
    fn every_text_matches_and_counts_once_where_that_is_said() {
        for pattern in [r"[A-Z]{2}-\d{1,3}", "(ab|c)d*", r"^\+49 [1-9][0-9]{6,8}$", "[^a-y]{1,2}", "."] {
            let found = texts(pattern);
            let regex =
                regex::bytes::RegexBuilder::new(&format!("^(?:{pattern})$")).unicode(false).build().unwrap();
            assert!(found.iter().all(|text| regex.is_match(text.as_bytes())), "{pattern}: {found:?}");
            let distinct: BTreeSet<_> = found.iter().collect();
            let injective = Pattern::new(pattern).unwrap().is_injective();
            assert!(!injective || distinct.len() == found.len(), "{pattern}");
        }
        assert!(Pattern::new("[A-Z]{3}-[0-9]{1,4}").unwrap().is_injective());
        assert!(!Pattern::new("a?a?").unwrap().is_injective());
        let counted = Pattern::new("([a-z]+@[a-z]+|x)[.]example").unwrap().counted();
        assert!(counted.is_injective() && counted.lengths() == (27, 27) && counted.size() == 1 << 63);
        assert_eq!(Pattern::new("[a-c]{1,2}|d").unwrap().counted().size(), 9);
    }

    #[test]
    fn drawn_texts_are_the_same_on_every_version() {
        let mut draws = crate::data::generate::random::Stream::new(42, &["t", "c"]).draws(7);
        let mut out = Vec::new();
        let pattern = Pattern::new("(red|blue)-[a-z]{10}-[0-9]+").unwrap();
        pattern.write_drawn(&mut || draws.number(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "blue-tgihloxocm-18");
    }

    #[test]
    fn open_ends_are_cut_to_what_fits() {
        assert_eq!(Pattern::within("[a-z]+", Some(5)).unwrap().lengths(), (1, 5));
        assert_eq!(Pattern::within("[a-z]+", Some(4)).unwrap().lengths(), (1, 3));
        assert_eq!(Pattern::within("[a-z]+", None).unwrap().lengths(), (1, 9));
    }

    #[test]
    fn what_cannot_be_had_is_said() {
        for pattern in ["(", "[ü]", "a{20000}", "(a{200}){200}", "[\\x00-\\x01]"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }
}
