//! UUIDs (RFC 9562): version and variant stay, the other 122 bits are permuted.

use super::super::key::Secret;
use super::code::code;

/// The bits of version and variant.
const FIXED: u128 = 0xf000_c000_0000_0000_0000;

/// Masks a UUID of 32 hexadecimal digits, with hyphens in their four places or none, in one case.
pub(in super::super) fn uuid(secret: &Secret, value: &str, out: &mut Vec<u8>) {
    let has_upper = value.bytes().any(|byte| byte.is_ascii_uppercase());
    let has_lower = value.bytes().any(|byte| byte.is_ascii_lowercase());
    let Some((number, hyphens)) = read(value).filter(|_| !(has_upper && has_lower)) else {
        return code(secret, 0, b"", value, out);
    };
    let fixed = number & FIXED;
    let tweak = secret.tweak(&[b"uuid", &fixed.to_le_bytes()]);
    let number = fixed | spread(secret.permute(&tweak, 1 << 122, gather(number)));
    let text = if has_upper { format!("{number:032X}") } else { format!("{number:032x}") };
    for (at, digit) in text.bytes().enumerate() {
        if hyphens && matches!(at, 8 | 12 | 16 | 20) {
            out.push(b'-');
        }
        out.push(digit);
    }
}

fn read(value: &str) -> Option<(u128, bool)> {
    let bytes = value.as_bytes();
    let hyphens = bytes.len() == 36;
    let is_hyphen = |at: usize| hyphens && matches!(at, 8 | 13 | 18 | 23);
    let sound = bytes
        .iter()
        .enumerate()
        .all(|(at, byte)| if is_hyphen(at) { *byte == b'-' } else { byte.is_ascii_hexdigit() });
    let digits: String = value.chars().filter(|c| *c != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok()?;
    (sound && digits.len() == 32).then_some((number, hyphens))
}

/// The 122 bits that are not fixed, without gaps.
fn gather(number: u128) -> u128 {
    (number >> 80 << 74) | ((number >> 64 & 0x0fff) << 62) | (number & ((1 << 62) - 1))
}

/// The opposite of [`gather`], zeros in the gaps.
fn spread(number: u128) -> u128 {
    (number >> 74 << 80) | ((number >> 62 & 0x0fff) << 64) | (number & ((1 << 62) - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::key::Key;
    use super::*;

    fn masked(value: &str) -> String {
        let mut out = Vec::new();
        uuid(&Key::new([1; 32]).secret("uuid"), value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn both_spellings_and_cases_are_one() {
        let text = masked("018f4e5c-7a3b-7cde-9f01-23456789abcd");
        assert_eq!(text.replace('-', ""), masked("018f4e5c7a3b7cde9f0123456789abcd"));
        assert_eq!(text.to_uppercase(), masked("018F4E5C-7A3B-7CDE-9F01-23456789ABCD"));
        assert_eq!(masked("no uuid").len(), 7);
    }

    proptest! {
        #[test]
        fn version_and_variant_stay_and_values_stay_apart(one: u128, other: u128) {
            prop_assert_eq!(spread(gather(one)) | one & FIXED, one);
            let (one, other) = (format!("{one:032x}"), format!("{other:032x}"));
            let image = masked(&one);
            prop_assert_eq!(image == masked(&other), one == other);
            prop_assert_eq!(&image[12..13], &one[12..13]);
            let variant = |text: &str| u8::from_str_radix(&text[16..17], 16).unwrap() >> 2;
            prop_assert_eq!(variant(&image), variant(&one));
        }
    }
}
