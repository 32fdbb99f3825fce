//! Text as a row of symbols: letters and digits are permuted, each within its own alphabet, and all else stays. So a
//! masked text has the form of the original, its length in characters and in bytes, and differs where originals differ.
//!
//! Upper and lower case share an alphabet and keep their places: masking and lowercasing ASCII may be done in either order.

use super::key::{Secret, Tweak};
use super::permute::LARGEST;

/// One letter or digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Symbol {
    /// Its number within its alphabet.
    pub(super) digit: u32,
    /// The alphabet's size.
    pub(super) radix: u32,
}

/// Beyond so many symbols each is drawn at random instead, by all of them: such texts collide with a chance below 2^-256.
const LONG: usize = 512;

/// Alphabets besides ASCII's, as ranges of code points. All of one range have as many bytes in UTF-8.
const ALPHABETS: [(u32, u32); 15] = [
    (0x00c0, 0x024f), // Latin with accents
    (0x0391, 0x03ce), // Greek
    (0x0400, 0x045f), // Cyrillic
    (0x05d0, 0x05ea), // Hebrew
    (0x0621, 0x063a), // Arabic
    (0x0641, 0x064a),
    (0x0671, 0x06d3),
    (0x0905, 0x0939), // Devanagari
    (0x0e01, 0x0e2e), // Thai
    (0x1e00, 0x1eff), // Latin with more accents
    (0x3041, 0x3096), // Hiragana
    (0x30a1, 0x30fa), // Katakana
    (0x4e00, 0x9fff), // Han
    (0xac00, 0xd7a3), // Hangul
    (0xff10, 0xff19), // Wide digits
];

/// The symbol of a letter or digit, and the code point of its alphabet's first.
fn symbol(character: char) -> Option<(Symbol, u32)> {
    let code = u32::from(character);
    let within = |first: u32, radix: u32| Some((Symbol { digit: code - first, radix }, first));
    match character {
        '0'..='9' => within(u32::from('0'), 10),
        'a'..='z' => within(u32::from('a'), 26),
        'A'..='Z' => within(u32::from('A'), 26),
        '\0'..='\u{7f}' => None,
        _ => {
            let (first, last) = ALPHABETS.iter().find(|(first, last)| (*first..=*last).contains(&code))?;
            within(*first, last - first + 1)
        }
    }
}

/// The symbols of a text; none where it has a letter or digit of an alphabet that is not known here.
pub(super) fn read(text: &str) -> Option<Vec<Symbol>> {
    let mut symbols = Vec::with_capacity(text.len());
    for character in text.chars() {
        match symbol(character) {
            Some((symbol, _)) => symbols.push(symbol),
            None if character.is_alphanumeric() => return None,
            None => {}
        }
    }
    Some(symbols)
}

/// Writes a text with other symbols in the places of its own.
pub(super) fn write(text: &str, symbols: &[Symbol], out: &mut Vec<u8>) {
    let mut next = symbols.iter();
    for character in text.chars() {
        let place = symbol(character).and_then(|(_, first)| Some((next.next()?, first)));
        let written = place.map_or(Some(character), |(symbol, first)| char::from_u32(first + symbol.digit));
        out.extend_from_slice(written.unwrap_or('?').encode_utf8(&mut [0; 4]).as_bytes());
    }
}

impl Secret {
    /// Writes a text with each letter and digit drawn by the whole, in memory that does not grow with it. Letters of unknown
    /// alphabets become lowercase ones.
    pub(super) fn draw_text(&self, text: &str, out: &mut Vec<u8>) {
        let mut stream = self.stream(&[b"text", text.as_bytes()]);
        for character in text.chars() {
            let (radix, first) = match symbol(character) {
                Some((symbol, first)) => (symbol.radix, first),
                None if character.is_alphanumeric() => (26, u32::from('a')),
                None => (1, u32::from(character)),
            };
            let drawn = u32::try_from(stream.below(radix.into()))
                .ok()
                .and_then(|digit| char::from_u32(first + digit));
            out.extend_from_slice(drawn.unwrap_or('?').encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// Permutes a row of symbols, each within its alphabet. The context picks the permutation.
    pub(super) fn permute_symbols(&self, context: &[u8], symbols: &mut [Symbol]) {
        if symbols.len() > LONG {
            let digits: Vec<u8> = symbols.iter().flat_map(|symbol| symbol.digit.to_le_bytes()).collect();
            let mut stream = self.stream(&[b"long", context, &digits]);
            for symbol in symbols {
                symbol.digit = u32::try_from(stream.below(symbol.radix.into())).unwrap_or(0);
            }
            return;
        }
        let context = self.tweak(&[b"symbols", context]);
        let chunks = chunks(symbols);
        if let [(start, end)] = chunks[..] {
            return self.permute_chunk(&context, &mut symbols[start..end]);
        }
        // Forth and back, each chunk under all that were before it: every symbol depends on every other, and each step
        // can be undone.
        let forth = chunks.iter();
        self.pass(b"forth", &context, forth, symbols);
        self.pass(b"back", &context, chunks.iter().rev(), symbols);
    }

    fn pass<'c>(
        &self,
        name: &[u8],
        context: &Tweak,
        chunks: impl Iterator<Item = &'c (usize, usize)>,
        symbols: &mut [Symbol],
    ) {
        let mut tweak = self.tweak(&[name, &context.0]);
        for &(start, end) in chunks {
            let chunk = &mut symbols[start..end];
            self.permute_chunk(&tweak, chunk);
            let number = chunk_number(chunk).1;
            tweak = self.tweak(&[&tweak.0, &number.to_le_bytes()]);
        }
    }

    fn permute_chunk(&self, tweak: &Tweak, chunk: &mut [Symbol]) {
        let (size, number) = chunk_number(chunk);
        let mut rest = self.permute(tweak, size, number);
        for symbol in chunk.iter_mut().rev() {
            let radix = u128::from(symbol.radix);
            symbol.digit = u32::try_from(rest % radix).unwrap_or(0);
            rest /= radix;
        }
    }
}

/// How many rows of symbols there are with a chunk's alphabets, and which of them it is.
fn chunk_number(chunk: &[Symbol]) -> (u128, u128) {
    chunk.iter().fold((1, 0), |(size, number), symbol| {
        (size * u128::from(symbol.radix), number * u128::from(symbol.radix) + u128::from(symbol.digit))
    })
}

/// The borders of the longest chunks that a permutation takes. They depend on the alphabets alone.
fn chunks(symbols: &[Symbol]) -> Vec<(usize, usize)> {
    let mut chunks = Vec::with_capacity(1);
    let (mut start, mut size) = (0, 1_u128);
    for (at, symbol) in symbols.iter().enumerate() {
        if size > LARGEST / u128::from(symbol.radix) {
            chunks.push((start, at));
            (start, size) = (at, 1);
        }
        size *= u128::from(symbol.radix);
    }
    chunks.push((start, symbols.len()));
    chunks
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::key::Key;
    use super::*;

    fn masked(text: &str) -> String {
        let mut symbols = read(text).unwrap();
        Key::new([1; 32]).secret("test").permute_symbols(b"", &mut symbols);
        let mut out = Vec::new();
        write(text, &symbols, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_alphabet_has_one_width() {
        for (first, last) in ALPHABETS {
            let all: BTreeSet<usize> =
                (first..=last).map(|code| char::from_u32(code).unwrap().len_utf8()).collect();
            assert_eq!(all.len(), 1, "{first:x}");
        }
    }

    #[test]
    fn a_whole_small_domain_is_permuted() {
        let all: BTreeSet<String> = (0..1000).map(|number| masked(&format!("{number:03}"))).collect();
        assert_eq!(all.len(), 1000);
        assert!(all.iter().all(|text| text.len() == 3));
    }

    #[test]
    fn letters_of_unknown_alphabets_are_noticed() {
        assert_eq!(read("aՀ"), None);
        assert_eq!(read("- .").map(|symbols| symbols.len()), Some(0));
    }

    proptest! {
        #[test]
        fn texts_stay_apart_and_keep_their_form(
            one in "[a-zA-Z0-9 äЖ世.-]{0,60}", other in "[a-zA-Z0-9 äЖ世.-]{0,60}"
        ) {
            prop_assert_eq!(masked(&one) == masked(&other), one == other);
            prop_assert_eq!(masked(&one).len(), one.len());
            prop_assert_eq!(masked(&one).chars().count(), one.chars().count());
        }

        #[test]
        fn one_character_makes_another_text(text in "[a-z]{1,600}", at: prop::sample::Index) {
            let mut other = text.clone().into_bytes();
            let at = at.index(other.len());
            other[at] = if other[at] == b'z' { b'a' } else { other[at] + 1 };
            prop_assert_ne!(masked(&text), masked(&String::from_utf8(other).unwrap()));
        }

        #[test]
        fn case_and_mask_may_change_places(text in "[a-zA-Z0-9@.]{0,40}") {
            prop_assert_eq!(masked(&text).to_lowercase(), masked(&text.to_lowercase()));
        }
    }
}
