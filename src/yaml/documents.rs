//! Splits a text into documents at the lines where kubectl's reader splits it, and tells places in it.
//!
//! kubectl does not leave the splitting to YAML: a line that begins with `---` ends the document wherever it stands,
//! only white space or a comment may follow it, and of what lies between only the first document counts
//! (k8s.io/apimachinery, `util/yaml.YAMLReader`).

use std::borrow::Cow;

use super::tree::Mark;
use super::{Position, YamlError};

/// The text of one document.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    /// The text, with LF line ends.
    pub text: Cow<'a, str>,
    /// Lines of the whole text that stand before it.
    pub line: usize,
}

/// The text of a file as kubectl decodes it: a byte order mark decides between UTF-8 and UTF-16 and is dropped, bytes
/// that are not UTF-8 become U+FFFD. Tells whether there were such bytes.
pub fn decode(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let mut text: String = char::decode_utf16(pairs.iter().copied().map(unit))
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        if !rest.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        text
    };
    let text = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes).into(),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes).into(),
        _ => String::from_utf8_lossy(bytes),
    };
    let damaged = matches!(text, Cow::Owned(_)) && std::str::from_utf8(bytes).is_err() && bytes[0] < 0xFE;
    (text, damaged)
}

/// Splits `text` from an offset on, before which there are so many lines. A separator that kubectl refuses is an error
/// with its line, from 1, and ends the splitting.
pub(super) fn split(text: &str, from: (usize, usize)) -> Vec<Result<Chunk<'_>, (usize, String)>> {
    let mut chunks = Vec::new();
    let mut start = from;
    let (mut offset, mut lines) = from;
    for line in text[offset..].split_inclusive('\n') {
        lines += 1;
        if let Some(after) = line.strip_prefix("---") {
            let after = after.trim();
            push(&mut chunks, text, start, offset);
            if !after.is_empty() && !after.starts_with('#') {
                chunks.push(Err((lines, separator_message(after))));
                return chunks;
            }
            start = (offset + line.len(), lines);
        }
        offset += line.len();
    }
    push(&mut chunks, text, start, offset);
    chunks
}

fn separator_message(after: &str) -> String {
    let shown: String = after.chars().take(40).collect();
    format!("only a comment may follow the separator `---`, not `{shown}`: begin a new line")
}

fn push<'a>(
    chunks: &mut Vec<Result<Chunk<'a>, (usize, String)>>,
    text: &'a str,
    (start, line): (usize, usize),
    end: usize,
) {
    let text = text.get(start..end).unwrap_or_default();
    if text.trim().is_empty() {
        return;
    }
    let text = if text.contains('\r') { text.replace("\r\n", "\n").into() } else { Cow::Borrowed(text) };
    chunks.push(Ok(Chunk { text, line }));
}

/// The lines of a whole text; turns lines and columns into byte offsets.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// The position of a mark of the whole text (line from 1, column from 0).
    pub(super) fn position(&self, mark: Mark) -> Position {
        let start = self.starts.get(mark.line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let rest = &self.text[start..];
        let within = match rest.as_bytes().get(..mark.col) {
            Some(bytes) if bytes.is_ascii() => mark.col,
            _ => rest.char_indices().nth(mark.col).map_or(rest.len(), |(at, _)| at),
        };
        Position { line: mark.line, column: mark.col + 1, offset: start + within }
    }

    /// The position of a byte offset.
    pub(super) fn at(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line.saturating_sub(1)];
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        Position { line, column: column + 1, offset }
    }

    pub(super) fn error(&self, mark: Mark, message: String, hint: Option<String>) -> YamlError {
        YamlError { message, position: self.position(mark), hint }
    }
}
