//! Payment card numbers (ISO/IEC 7812): length and the first two digits, which tell the network, stay; the check digit is
//! right where it was right. The ranges that networks reserve for tests are too small to keep all cards apart, so a
//! masked number may lie in a range that a bank uses.

use super::super::key::Secret;
use super::super::symbols::{self, Symbol};
use super::code::code;

/// The digits that stay.
const KEPT: usize = 2;

/// Masks a number of 12 to 19 digits, whatever it is grouped with.
pub(in super::super) fn card(secret: &Secret, value: &str, out: &mut Vec<u8>) {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'-'));
    let symbols = symbols::read(value).filter(|_| is_number && (12..=19).contains(&digits));
    let Some(mut symbols) = symbols else {
        return code(secret, 0, b"", value, out);
    };
    let kept = [symbols[0].digit, symbols[1].digit].map(|digit| digit.to_le_bytes()[0]);
    if check_digit(&symbols[..digits - 1]) == symbols[digits - 1].digit {
        secret.permute_symbols(&secret.tweak(&[b"right", &kept]).0, &mut symbols[KEPT..digits - 1]);
        symbols[digits - 1].digit = check_digit(&symbols[..digits - 1]);
    } else {
        // Walks until the check digit is wrong again: so wrong numbers never meet right ones.
        let context = secret.tweak(&[b"wrong", &kept]);
        loop {
            secret.permute_symbols(&context.0, &mut symbols[KEPT..]);
            if check_digit(&symbols[..digits - 1]) != symbols[digits - 1].digit {
                break;
            }
        }
    }
    symbols::write(value, &symbols, out);
}

/// The check digit by Luhn's algorithm (ISO/IEC 7812-1, annex B).
fn check_digit(payload: &[Symbol]) -> u32 {
    let sum: u32 = payload.iter().rev().enumerate().map(|(at, symbol)| luhn(at % 2 == 0, symbol.digit)).sum();
    (10 - sum % 10) % 10
}

fn luhn(doubled: bool, digit: u32) -> u32 {
    match digit * 2 {
        _ if !doubled => digit,
        twice if twice > 9 => twice - 9,
        twice => twice,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::key::Key;
    use super::*;

    fn masked(value: &str) -> String {
        let mut out = Vec::new();
        card(&Key::new([1; 32]).secret("card"), value, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn is_right(number: &str) -> bool {
        let symbols = symbols::read(number).unwrap();
        let (last, payload) = symbols.split_last().unwrap();
        check_digit(payload) == last.digit
    }

    #[test]
    fn test_numbers_that_networks_publish_have_right_check_digits() {
        for number in ["4111111111111111", "378282246310005", "5555555555554444", "6011111111111117"] {
            assert!(is_right(number) && is_right(&masked(number)), "{number}");
            assert_eq!(number[..2], masked(number)[..2]);
        }
        let spaced = masked("4111 1111 1111 1111");
        assert_eq!(spaced.replace(' ', ""), masked("4111111111111111"));
    }

    proptest! {
        #[test]
        fn check_digits_are_right_where_they_were(one in "[0-9]{12,19}", other in "[0-9]{12,19}") {
            prop_assert_eq!(is_right(&masked(&one)), is_right(&one));
            prop_assert_eq!(masked(&one) == masked(&other), one == other);
        }

        #[test]
        fn neighbours_stay_apart(start in 0_u64..99_999_990) {
            let all: std::collections::BTreeSet<String> =
                (start..start + 10).map(|number| masked(&format!("4111{number:08}"))).collect();
            prop_assert_eq!(all.len(), 10);
        }
    }
}
