//! Numbers: whole ones permuted where they are keys, others moved by a share of themselves.

use super::super::key::Secret;
use super::super::symbols;
use super::code::code;

/// Where bands of whole numbers end: each number stays within its band and so within its type, whichever it is, and the
/// same number is masked the same under all types. Powers of ten from 100,000 and the borders of 16, 32 and 64 bits.
///
/// Below zero they hold the number's size less one: there is one more number in two's complement, but not of decimal digits.
fn bands(negative: bool, border: Option<u128>) -> impl Iterator<Item = u128> {
    let ends = (5..=38).map(|digits| 10_u128.pow(digits)).chain(border);
    // A border that is a power of two is one of two's complement, too.
    let tens = ends.map(move |end| end - u128::from(negative && !end.is_power_of_two()));
    [1 << 15, 1 << 31, 1 << 63].into_iter().chain(tens)
}

/// Masks a whole number. `border` is one more band's end, for types below five digits. Different numbers stay different.
pub(in super::super) fn whole(secret: &Secret, border: Option<u128>, value: &str, out: &mut Vec<u8>) {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let plain =
        digits.bytes().all(|digit| digit.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    let Some(number) = digits.parse::<u128>().ok().filter(|_| plain) else {
        return code(secret, 0, b"", value, out);
    };
    let negative = digits.len() < value.len();
    let number = if negative { number.saturating_sub(1) } else { number };
    let (mut low, mut high) = (0, u128::MAX);
    for end in bands(negative, border) {
        if end <= number { low = low.max(end) } else { high = high.min(end) }
    }
    let size = high - low;
    if size > super::super::permute::LARGEST {
        return code(secret, 1, b"wide", value, out);
    }
    let tweak = secret.tweak(&[b"whole", &low.to_le_bytes(), &high.to_le_bytes(), &[u8::from(negative)]]);
    let masked = low + secret.permute(&tweak, size, number - low);
    let text = if negative { format!("-{}", masked + 1) } else { masked.to_string() };
    out.extend_from_slice(text.as_bytes());
}

/// Moves a number by up to `percent` of itself, with as many digits after the point. It never gets more digits before the
/// point, nor beyond `most`: where it would, it moves toward zero instead. Zero, infinities and NaN stay.
pub(in super::super) fn noise(
    secret: &Secret,
    percent: u8,
    most: Option<u64>,
    value: &str,
    out: &mut Vec<u8>,
) {
    let Some(number) = value.parse::<f64>().ok().filter(|_| value.bytes().any(|byte| byte.is_ascii_digit()))
    else {
        if ["NaN", "Infinity", "-Infinity"].contains(&value) {
            return out.extend_from_slice(value.as_bytes());
        }
        return code(secret, 0, b"", value, out);
    };
    #[expect(clippy::cast_precision_loss, reason = "53 random bits fill a float exactly")]
    let share = (secret.stream(&[b"noise", value.as_bytes()]).number() >> 11) as f64 / (1_u64 << 53) as f64;
    let factor = (2.0 * share - 1.0) * f64::from(percent) / 100.0;
    let shown = |factor: f64| {
        let moved = number * (1.0 + factor);
        if value.contains(['e', 'E']) {
            return format!("{moved:e}");
        }
        let decimals = value.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        format!("{moved:.decimals$}")
    };
    let before = |text: &str| text.split('.').next().map_or(0, |whole| whole.trim_start_matches('-').len());
    let beyond = |text: &str| {
        #[expect(clippy::cast_precision_loss, reason = "a bound that is too near by one is no harm")]
        let bound = most.map_or(f64::MAX, |most| most as f64);
        before(text) > before(value) || text.parse::<f64>().is_ok_and(|moved| moved.abs() > bound)
    };
    let text = shown(factor);
    let text = if beyond(&text) { shown(-factor) } else { text };
    out.extend_from_slice(if beyond(&text) { "0".as_bytes() } else { text.as_bytes() });
}

/// A run of digits as JSON or text has it, each drawn by the whole: for digits within prose.
pub(in super::super) fn digits(stream: &mut super::super::key::Stream, count: usize, out: &mut Vec<u8>) {
    out.extend((0..count).map(|_| b'0' + stream.below(10).to_le_bytes()[0]));
}

/// Whether a text is a number that JSON can hold without quotes.
pub(in super::super) fn is_json_number(text: &str) -> bool {
    symbols::read(text).is_some() && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::super::key::Key;
    use super::*;

    fn masked(border: Option<u128>, value: &str) -> String {
        let mut out = Vec::new();
        whole(&Key::new([1; 32]).secret("id"), border, value, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn moved(percent: u8, most: Option<u64>, value: &str) -> String {
        let mut out = Vec::new();
        noise(&Key::new([1; 32]).secret("number"), percent, most, value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn all_of_16_bits_are_permuted() {
        let all: BTreeSet<i16> =
            (i16::MIN..=i16::MAX).map(|number| masked(None, &number.to_string()).parse().unwrap()).collect();
        assert_eq!(all.len(), 1 << 16);
        let tens: BTreeSet<u8> =
            (0..100).map(|n: u8| masked(Some(100), &n.to_string()).parse().unwrap()).collect();
        assert_eq!(tens, (0..100).collect());
    }

    #[test]
    fn no_number_gets_more_digits() {
        let image = |value: i64, border| masked(border, &value.to_string());
        for value in [99_999, 999_999, 99_999_999] {
            let size = value.to_string().len();
            assert!((value - 300..=value).all(|value| image(value, None).len() == size));
            assert!((-value..=300 - value).all(|value| image(value, None).len() == size + 1), "{value}");
        }
        let all: BTreeSet<String> = (-99..100).map(|value| image(value, Some(100))).collect();
        assert_eq!(all, (-99..100).map(|value: i64| value.to_string()).collect());
    }

    #[test]
    fn huge_numbers_keep_their_length() {
        for value in ["9".repeat(38), "9".repeat(60), format!("-{}", "9".repeat(38))] {
            assert_eq!(masked(None, &value).len(), value.len());
        }
    }

    #[test]
    fn noise_keeps_digits_and_bounds() {
        for (value, most) in
            [("9.99", None), ("32767", Some(32767)), ("-5.0", None), ("0", None), ("1e+20", None)]
        {
            let text = moved(20, most, value);
            let (was, is): (f64, f64) = (value.parse().unwrap(), text.parse().unwrap());
            assert!((is - was).abs() <= was.abs() * 0.2 + 1.0 && text.len() <= value.len().max(24), "{text}");
        }
        assert_eq!(moved(10, None, "NaN"), "NaN");
        assert_ne!(moved(10, None, "x1y2"), "x1y2");
    }

    proptest! {
        #[test]
        fn keys_stay_apart_and_within_their_type(one: i64, other in -100_000_i64..100_000, small: i32) {
            let image = |number: i64| masked(None, &number.to_string()).parse::<i64>().unwrap();
            prop_assert_eq!(image(one) == image(other), one == other);
            prop_assert_eq!(image(one).is_negative(), one.is_negative());
            prop_assert!(i32::try_from(image(small.into())).is_ok());
        }

        #[test]
        fn noise_stays_near(whole in 0_u32..1_000_000, cents in 0_u32..100, percent in 1_u8..=100) {
            let value = format!("{whole}.{cents:02}");
            let text = moved(percent, None, &value);
            let (was, is): (f64, f64) = (value.parse().unwrap(), text.parse().unwrap());
            prop_assert!((is - was).abs() <= was * f64::from(percent) / 100.0 + 0.011, "{} {}", value, text);
            prop_assert!(text.len() <= value.len());
        }
    }
}
