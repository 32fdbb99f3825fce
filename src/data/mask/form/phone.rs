//! Phone numbers. A leading `+`, the country calling code, a trunk prefix `0` and all punctuation stay; the digits after
//! them are permuted, so that length and uniqueness stay. A masked number may be someone's: do not dial it.

use super::super::key::Secret;
use super::code::code;

/// Country calling codes of two digits (ITU-T E.164). `1` and `7` have one digit, all others have three.
const TWO_DIGITS: [&str; 44] = [
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48",
    "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81",
    "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
];

/// Masks a number. It is the same whatever punctuation it is written with.
pub(in super::super) fn phone(secret: &Secret, value: &str, out: &mut Vec<u8>) {
    let digits: String = value.chars().filter(char::is_ascii_digit).take(5).collect();
    let (kept, context) = if value.trim_start().starts_with('+') {
        (country(&digits), "international")
    } else if let Some(rest) = digits.strip_prefix("00") {
        (2 + country(rest), "national")
    } else {
        (usize::from(digits.starts_with('0')), "national")
    };
    code(secret, kept, context.as_bytes(), value, out);
}

fn country(digits: &str) -> usize {
    match digits.as_bytes() {
        [b'1' | b'7', ..] => 1,
        _ if digits.get(..2).is_some_and(|two| TWO_DIGITS.contains(&two)) => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::super::key::Key;
    use super::*;

    fn masked(value: &str) -> String {
        let mut out = Vec::new();
        phone(&Key::new([1; 32]).secret("phone"), value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_tells_the_country_stays() {
        for (value, kept) in [
            ("+49 30 1234567", "+49 "),
            ("+1 (555) 123-4567", "+1 ("),
            ("+353 1 234 5678", "+353 "),
            ("0049 30 1234567", "0049 "),
            ("030/1234567", "0"),
        ] {
            let text = masked(value);
            assert!(text.starts_with(kept) && text.len() == value.len() && text != value, "{text}");
        }
    }

    #[test]
    fn punctuation_does_not_matter() {
        let plain: String = masked("+49 (30) 123-4567").chars().filter(|c| !" ()-".contains(*c)).collect();
        assert_eq!(plain, masked("+49301234567"));
    }

    #[test]
    fn all_numbers_of_one_length_are_permuted() {
        let all: BTreeSet<String> = (0..10_000).map(|number| masked(&format!("+49{number:04}"))).collect();
        assert_eq!(all.len(), 10_000);
    }
}
