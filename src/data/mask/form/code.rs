//! Codes: letters and digits permuted in their places, all else kept. `AB-1234` becomes `QX-9471`.

use super::super::key::Secret;
use super::super::symbols;

/// What a value becomes that has letters of alphabets without a permutation: so many characters of base 32.
const OPAQUE: usize = 26;

/// Texts of more bytes are no codes: they are drawn as they go by.
const LONGEST: usize = 64 * 1024;

/// Masks a code and keeps its first `kept` letters and digits, which pick the permutation of the others.
pub(in super::super) fn code(secret: &Secret, kept: usize, context: &[u8], value: &str, out: &mut Vec<u8>) {
    if value.len() > LONGEST {
        return secret.draw_text(value, out);
    }
    let Some(mut symbols) = symbols::read(value) else {
        return opaque(secret, value.as_bytes(), usize::MAX, out);
    };
    let kept = kept.min(symbols.len());
    let prefix: Vec<u8> = symbols[..kept].iter().flat_map(|symbol| symbol.digit.to_le_bytes()).collect();
    let context = secret.tweak(&[context, &prefix]);
    secret.permute_symbols(&context.0, &mut symbols[kept..]);
    symbols::write(value, &symbols, out);
}

/// A text without form in place of any value: 130 random bits by the value, fewer where there is room for fewer.
pub(in super::super) fn opaque(secret: &Secret, value: &[u8], limit: usize, out: &mut Vec<u8>) {
    secret.stream(&[b"opaque", value]).tag(OPAQUE.min(limit), out);
}

#[cfg(test)]
mod tests {
    use super::super::super::key::Key;
    use super::*;

    fn masked(kept: usize, value: &str) -> String {
        let mut out = Vec::new();
        code(&Key::new([1; 32]).secret("code"), kept, b"", value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn form_and_kept_symbols_stay() {
        let text = masked(3, "DE-1-0815/x");
        assert!(text.starts_with("DE-1-") && text.as_bytes()[9] == b'/' && text.len() == 11, "{text}");
        assert_ne!(text, "DE-1-0815/x");
        assert_eq!(masked(99, "AB-1"), "AB-1");
    }

    #[test]
    fn a_huge_text_is_drawn_and_keeps_its_form() {
        let huge = "Ab-1 ".repeat(20_000);
        let (one, other) = (masked(0, &huge), masked(0, &format!("{huge}x")));
        let form = |text: &str| text[..10].replace(|c: char| c.is_ascii_alphanumeric(), "x");
        assert!(one.len() == huge.len() && form(&one) == form(&huge) && one[..10] != other[..10]);
    }

    #[test]
    fn an_unknown_alphabet_leaves_nothing_of_the_value() {
        let (one, other) = (masked(0, "Հայաստան 1"), masked(0, "Հայաստան 2"));
        assert!(one.len() == 26 && one.is_ascii() && one != other, "{one}");
    }
}
