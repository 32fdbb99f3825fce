//! Free text: each word gives way to another as long, digits to digits; spaces, line ends and punctuation stay. Words are
//! drawn by the whole text, so that how often a word occurs tells nothing.

use std::ops::Range;
use std::sync::OnceLock;

use super::super::key::{Secret, Stream};
use super::number::digits;

/// Words of one to ten letters, by length.
const WORDS: &str = include_str!("../dictionary/words.txt");
/// The longest.
const LONGEST: usize = 10;

/// Masks free text. Its characters are as many; a letter beyond ASCII becomes one within.
pub(in super::super) fn prose(secret: &Secret, value: &str, out: &mut Vec<u8>) {
    let mut stream = secret.stream(&[b"prose", value.as_bytes()]);
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        let kind = kind(first);
        let end = rest.find(|character| self::kind(character) != kind).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        match kind {
            Kind::Letters => word(&mut stream, run, out),
            Kind::Digits => digits(&mut stream, run.chars().count(), out),
            Kind::Other => out.extend_from_slice(run.as_bytes()),
        }
        rest = after;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letters,
    Digits,
    Other,
}

fn kind(character: char) -> Kind {
    match character {
        _ if character.is_numeric() => Kind::Digits,
        _ if character.is_alphabetic() => Kind::Letters,
        _ => Kind::Other,
    }
}

/// Words in the place of a run of letters: as long, and with a capital where it had one.
fn word(stream: &mut Stream, run: &str, out: &mut Vec<u8>) {
    let start = out.len();
    let mut missing = run.chars().count();
    while missing > 0 {
        let part = missing.min(LONGEST);
        let word = stream.one_of(words(part)).copied().unwrap_or_default();
        out.extend_from_slice(word.as_bytes());
        missing -= part;
    }
    let mut letters = run.chars();
    let (first, second) = (letters.next().is_some_and(char::is_uppercase), letters.next());
    let written = &mut out[start..];
    if first && second.is_some_and(char::is_uppercase) {
        written.make_ascii_uppercase();
    } else if first {
        written[..1].make_ascii_uppercase();
    }
}

/// The words of a length.
fn words(length: usize) -> &'static [&'static str] {
    static BY_LENGTH: OnceLock<(Vec<&'static str>, Vec<Range<usize>>)> = OnceLock::new();
    let (words, ranges) = BY_LENGTH.get_or_init(|| {
        let words: Vec<&str> = WORDS.lines().collect();
        let start = |length: usize| words.partition_point(|word| word.len() < length);
        let ranges = (0..=LONGEST).map(|length| start(length)..start(length + 1)).collect();
        (words, ranges)
    });
    ranges.get(length).and_then(|range| words.get(range.clone())).unwrap_or_default()
}

/// Whether a word is one of those that masked text is made of.
pub(in super::super) fn is_of_dictionary(word: &str) -> bool {
    let folded = word.to_ascii_lowercase();
    words(word.len()).binary_search(&folded.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::key::Key;
    use super::*;

    fn masked(value: &str) -> String {
        let mut out = Vec::new();
        prose(&Key::new([1; 32]).secret("free-text"), value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn there_are_words_of_every_length() {
        assert!(words(0).is_empty() && (1..=LONGEST).all(|length| words(length).len() >= 3));
        assert!(is_of_dictionary("Water") && !is_of_dictionary("qzx"));
        assert!(WORDS.lines().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())));
    }

    #[test]
    fn texts_keep_their_look() {
        let text = masked("Call Ann, UTRECHT 1017!\nGrüße");
        assert!(text.as_bytes()[8] == b',' && text.ends_with(|c: char| c.is_ascii_lowercase()), "{text}");
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text[10..17].bytes().all(|byte| byte.is_ascii_uppercase()), "{text}");
        assert!(text[18..22].bytes().all(|byte| byte.is_ascii_digit()), "{text}");
        assert_eq!(masked(""), "");
    }

    proptest! {
        #[test]
        fn lengths_in_characters_stay(value in "\\PC{0,80}") {
            prop_assert_eq!(masked(&value).chars().count(), value.chars().count());
            prop_assert!(masked(&value).len() <= value.len());
        }
    }
}
