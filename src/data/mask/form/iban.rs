//! International bank account numbers (ISO 13616): the country, the length and each letter's and digit's kind stay; the
//! check digits are right where they were right. Check digits that a country has within its account numbers are not kept.

use super::super::key::Secret;
use super::super::symbols::{self, Symbol};
use super::code::code;

/// The longest account number that the standard allows, country and check digits included.
const LONGEST: usize = 34;

/// Masks an account number, in groups or not.
pub(in super::super) fn iban(secret: &Secret, value: &str, out: &mut Vec<u8>) {
    let plain: Vec<u8> = value.bytes().filter(|byte| *byte != b' ').map(|b| b.to_ascii_uppercase()).collect();
    let is_account = matches!(&plain[..], [a, b, c, d, rest @ ..] if a.is_ascii_uppercase()
        && b.is_ascii_uppercase() && c.is_ascii_digit() && d.is_ascii_digit()
        && rest.len() >= 7 && rest.iter().all(u8::is_ascii_alphanumeric) && plain.len() <= LONGEST);
    let symbols = symbols::read(value).filter(|symbols| is_account && symbols.len() == plain.len());
    let Some(mut symbols) = symbols else {
        return code(secret, 0, b"", value, out);
    };
    let country = &plain[..2];
    if is_right(&symbols) {
        secret.permute_symbols(&secret.tweak(&[b"right", country]).0, &mut symbols[4..]);
        let check = check(&symbols);
        (symbols[2].digit, symbols[3].digit) = (check / 10, check % 10);
    } else {
        let context = secret.tweak(&[b"wrong", country]);
        loop {
            secret.permute_symbols(&context.0, &mut symbols[2..]);
            if !is_right(&symbols) {
                break;
            }
        }
    }
    symbols::write(value, &symbols, out);
}

fn is_right(symbols: &[Symbol]) -> bool {
    symbols[2].digit * 10 + symbols[3].digit == check(symbols)
}

/// The check digits by ISO/IEC 7064, MOD 97-10: from 02 to 98.
fn check(symbols: &[Symbol]) -> u32 {
    let rest = symbols[4..].iter().chain(&symbols[..2]).fold(0, |rest, symbol| match symbol.radix {
        10 => (rest * 10 + symbol.digit) % 97,
        _ => (rest * 100 + symbol.digit + 10) % 97,
    });
    98 - rest * 100 % 97
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::key::Key;
    use super::*;

    fn masked(value: &str) -> String {
        let mut out = Vec::new();
        iban(&Key::new([1; 32]).secret("iban"), value, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// The standard's own test, written another way: check digits from 02 to 98, and the number with its head moved to the
    /// end is 1 modulo 97.
    fn leaves_one(number: &str) -> bool {
        if !(2..=98).contains(&number[2..4].parse::<u8>().unwrap()) {
            return false;
        }
        let moved = [&number[4..], &number[..4]].concat();
        let digits: String = moved.chars().map(|c| c.to_digit(36).unwrap().to_string()).collect();
        digits.bytes().fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97) == 1
    }

    #[test]
    fn published_examples_stay_right() {
        for number in ["GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606"] {
            assert!(leaves_one(number) && leaves_one(&masked(number)), "{number} {}", masked(number));
            assert!(masked(number)[..2] == number[..2] && masked(number) != number);
        }
        let grouped = masked("DE89 3704 0044 0532 0130 00");
        assert_eq!(grouped.replace(' ', ""), masked("DE89370400440532013000"));
    }

    proptest! {
        #[test]
        fn numbers_stay_apart(one in "DE[0-9]{2}[0-9]{7,18}", other in "DE[0-9]{2}[0-9]{7,18}") {
            prop_assert_eq!(masked(&one) == masked(&other), one == other);
        }

        #[test]
        fn wrong_numbers_stay_wrong(number in "GB(0[2-9]|[1-8][0-9])[A-Z]{4}[0-9]{14}") {
            prop_assert_eq!(leaves_one(&number), leaves_one(&masked(&number)));
        }
    }
}
