//! Literals of types that are neither numbers nor texts: UUIDs, JSON, addresses, arrays and ranges.

use std::io::Write as _;

use super::dictionary::{Locale, entries};
use super::digits::write_integer;
use super::distribution::span;
use super::form::{Form, Special, Unit};
use super::random::Draws;

/// Appends the literal that `index` counts, below the type's size; what the index leaves open is drawn.
pub(super) fn write(kind: &Special, index: u64, draws: &mut Draws, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = match kind {
        Special::Bytes => write!(out, "\\x{index:012x}{:04x}", draws.below(1 << 16)),
        Special::Uuid => {
            let (high, low) = (draws.below(1 << 12), draws.below(1 << 62));
            let (first, second) = (index >> 16, index & 0xffff);
            let (third, fourth) = ((low >> 48) | 0x8000, low & 0xffff_ffff_ffff);
            write!(out, "{first:08x}-{second:04x}-4{high:03x}-{third:04x}-{fourth:012x}")
        }
        Special::Interval => write!(out, "{:02}:{:02}:{:02}", index / 3600, index / 60 % 60, index % 60),
        Special::Json => write!(out, "{{\"id\": {index}, \"tag\": \"{}\"}}", word(draws)),
        Special::Xml => write!(out, "<value id=\"{index}\">{}</value>", word(draws)),
        Special::Address => write!(out, "10.{}.{}.{}", index >> 16 & 255, index >> 8 & 255, index & 255),
        Special::MacAddress => {
            let byte = |at: u32| index >> (8 * at) & 255;
            write!(out, "02:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", byte(4), byte(3), byte(2), byte(1), byte(0))
        }
        Special::Bits(bits) => {
            for bit in 0..*bits {
                out.push(b'0' + u8::from(bit < 48 && index >> bit & 1 == 1));
            }
            Ok(())
        }
        Special::Words => write!(out, "'{}':2 'n{index}':1", word(draws)),
        Special::Point => write!(out, "({index},{})", draws.below(1000)),
        Special::Array(of) => {
            array(of, index, draws, out);
            Ok(())
        }
        Special::Range(unit) => {
            range(*unit, index, draws, out);
            Ok(())
        }
    };
}

fn word(draws: &mut Draws) -> &'static str {
    let words = entries(Locale::En, "word").unwrap_or_default();
    let at = draws.below(words.len() as u64);
    usize::try_from(at).ok().and_then(|at| words.get(at)).copied().unwrap_or("word")
}

/// One to three values; the first is counted, so that arrays of different indexes differ.
fn array(of: &Form, index: u64, draws: &mut Draws, out: &mut Vec<u8>) {
    out.push(b'{');
    for at in 0..=draws.below(3) {
        if at > 0 {
            out.push(b',');
        }
        let index = if at == 0 { index } else { draws.below(1 << 20) };
        element(of, index, draws, out);
    }
    out.push(b'}');
}

fn element(of: &Form, index: u64, draws: &mut Draws, out: &mut Vec<u8>) {
    match of {
        Form::Boolean => out.push(if index.is_multiple_of(2) { b'f' } else { b't' }),
        Form::Number { unit, range: (low, high) } => {
            // From 0 on upward where that is in the range.
            let start = if matches!(unit, Unit::Decimal { .. }) { 0.clamp(*low, *high) } else { *low };
            let offset = index % span(start, *high);
            unit.write(start.saturating_add_unsigned(offset), out);
        }
        Form::Label(labels) => {
            let at = usize::try_from(index % (labels.len() as u64).max(1)).unwrap_or(0);
            quote(labels.get(at).map_or("", String::as_str).as_bytes(), out);
        }
        Form::Text { longest, .. } => code(index, longest.unwrap_or(6).min(6), out),
        Form::Special(special) => {
            let mut inner = Vec::new();
            write(special, index % special.size(), draws, &mut inner);
            if matches!(special, Special::Array(_)) { out.extend(inner) } else { quote(&inner, out) }
        }
        Form::Unknown(_) => out.extend_from_slice(b"NULL"),
    }
}

fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// `width` digits of base 36.
pub(super) fn code(index: u64, width: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let mut rest = index;
    for _ in 0..width {
        let digit = u8::try_from(rest % 36).unwrap_or(0);
        out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
        rest /= 36;
    }
    out[start..].reverse();
}

fn range(unit: Unit, index: u64, draws: &mut Draws, out: &mut Vec<u8>) {
    let (start, step): (i64, i64) = match unit {
        Unit::Decimal { .. } => (0, 1),
        Unit::Day => (super::calendar::day(2000, 1, 1) - 1, 1),
        Unit::Time { .. } | Unit::Instant { .. } => {
            (super::calendar::day(2000, 1, 1) * super::calendar::DAY, 60 * super::calendar::SECOND)
        }
    };
    let low = start + step * i64::try_from(index).unwrap_or(0);
    let high = low + step * (1 + i64::try_from(draws.below(100)).unwrap_or(0));
    out.extend_from_slice(b"[\"");
    unit.write(low, out);
    out.extend_from_slice(b"\",\"");
    unit.write(high, out);
    out.extend_from_slice(b"\")");
}

/// Appends a number as text with `digits` beneath it: shorter than [`code`] where people read it.
pub(super) fn number(index: u64, out: &mut Vec<u8>) {
    write_integer(index, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::generate::random::Stream;

    fn literal(kind: &Special, index: u64) -> String {
        let mut out = Vec::new();
        write(kind, index, &mut Stream::new(42, &["t", "c"]).draws(1), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn literals_are_the_same_on_every_version() {
        let integers = Form::Number { unit: Unit::Decimal { scale: 0 }, range: (-10, 1000) };
        let kinds = [
            Special::Bytes,
            Special::Uuid,
            Special::Interval,
            Special::Json,
            Special::Xml,
            Special::Address,
            Special::MacAddress,
            Special::Bits(5),
            Special::Words,
            Special::Point,
            Special::Array(Box::new(integers)),
            Special::Array(Box::new(Form::Label(vec!["a \"b\"".into()]))),
            Special::Range(Unit::Day),
        ];
        let all: Vec<String> = kinds.iter().map(|kind| literal(kind, 77)).collect();
        assert_eq!(all, GOLDEN);
    }

    const GOLDEN: [&str; 13] = [
        "\\x00000000004d6c56",
        "00000000-004d-46c5-83c7-01e552dd6c00",
        "00:01:17",
        "{\"id\": 77, \"tag\": \"include\"}",
        "<value id=\"77\">include</value>",
        "10.0.0.77",
        "02:00:00:00:00:4d",
        "10110",
        "'include':2 'n77':1",
        "(77,423)",
        "{77,827}",
        "{\"a \\\"b\\\"\",\"a \\\"b\\\"\"}",
        "[\"2000-03-17\",\"2000-04-29\")",
    ];

    #[test]
    fn codes_have_their_width() {
        let mut out = Vec::new();
        code(36 * 36 - 1, 3, &mut out);
        assert_eq!(out, b"0zz");
    }
}
