//! What a scalar means, as go-yaml v2's `resolve` decides it: the table that kubectl reads by.

use std::borrow::Cow;

use base64::Engine as _;

/// The tag of a scalar, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tag {
    /// None was written.
    None,
    /// One of YAML's own, such as `int` for `!!int`.
    Core(String),
    /// An application's, such as `!vault`.
    Other,
}

/// A resolved scalar.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Beyond what an `i64` holds.
    Unsigned(u64),
    Float(f64),
    String(Cow<'a, str>),
}

impl Scalar<'_> {
    /// The name of its tag, without `!!`.
    fn tag(&self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Bool(_) => "bool",
            Scalar::Int(_) | Scalar::Unsigned(_) => "int",
            Scalar::Float(_) => "float",
            Scalar::String(_) => "str",
        }
    }
}

/// Resolves a scalar; `plain` means written without quotes and not as a block. The error is a message.
pub(super) fn resolve<'a>(text: &'a str, tag: &Tag, plain: bool) -> Result<Scalar<'a>, String> {
    let wanted = match tag {
        Tag::None if plain => return Ok(implicit(text)),
        Tag::None | Tag::Other => return Ok(Scalar::String(text.into())),
        Tag::Core(name) => name.as_str(),
    };
    match wanted {
        "binary" => binary(text),
        "bool" | "int" | "float" | "null" | "timestamp" => {
            let is_time = is_timestamp(text);
            if is_time && wanted == "timestamp" {
                return Ok(Scalar::String(text.into()));
            }
            let scalar = implicit(text);
            match scalar {
                Scalar::Int(number) if wanted == "float" => {
                    #[allow(clippy::cast_precision_loss)] // as Go converts it
                    let number = number as f64;
                    Ok(Scalar::Float(number))
                }
                scalar if scalar.tag() == wanted && !is_time => Ok(scalar),
                scalar => {
                    let found = if is_time { "timestamp" } else { scalar.tag() };
                    Err(format!("`{text}` is a !!{found}, its tag says !!{wanted}"))
                }
            }
        }
        _ => Ok(Scalar::String(text.into())),
    }
}

fn binary<'a>(text: &str) -> Result<Scalar<'a>, String> {
    let packed: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    match base64::engine::general_purpose::STANDARD.decode(packed) {
        Ok(bytes) => Ok(Scalar::String(String::from_utf8_lossy(&bytes).into_owned().into())),
        Err(_) => Err("this !!binary value is not base64".into()),
    }
}

/// A scalar without tag.
fn implicit(text: &str) -> Scalar<'_> {
    let Some(&first) = text.as_bytes().first() else { return Scalar::Null };
    let number = match first {
        b'~' | b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' => word(text),
        b'.' => word(text).or_else(|| dotted(text)),
        b'+' | b'-' | b'0'..=b'9' => word(text).or_else(|| number(text)),
        _ => None,
    };
    number.unwrap_or_else(|| Scalar::String(text.into()))
}

fn word(text: &str) -> Option<Scalar<'static>> {
    if text.len() > 5 {
        return None;
    }
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

/// A number that begins with a dot goes straight to Go's ParseFloat, which takes `_` between digits.
fn dotted(text: &str) -> Option<Scalar<'static>> {
    let bytes = text.as_bytes();
    let between = |at: usize| {
        bytes.get(at.wrapping_sub(1)).is_some_and(u8::is_ascii_digit)
            && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
    };
    let underscores_fit = (0..bytes.len()).filter(|&at| bytes[at] == b'_').all(between);
    if underscores_fit { float(&text.replace('_', "")) } else { None }
}

fn number(text: &str) -> Option<Scalar<'static>> {
    if is_timestamp(text) {
        return None;
    }
    let plain: Cow<'_, str> =
        if text.contains('_') { text.replace('_', "").into() } else { Cow::Borrowed(text) };
    if let Some(found) = integer(&plain) {
        return Some(found);
    }
    if let Some(found) = float(&plain) {
        return Some(found);
    }
    // go-yaml looks at 0b once more, and there a sign may follow the prefix.
    let (digits, negative) = match (plain.strip_prefix("0b"), plain.strip_prefix("-0b")) {
        (Some(digits), _) => (digits, false),
        (_, Some(digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => (digits, true),
        _ => return None,
    };
    let value = i64::from_str_radix(digits, 2).ok()?;
    Some(Scalar::Int(if negative { -value } else { value }))
}

/// Go's `ParseInt(text, 0, 64)`, then `ParseUint(text, 0, 64)`. Underscores are gone already.
fn integer(text: &str) -> Option<Scalar<'static>> {
    let (negative, signed, rest) = match text.as_bytes()[0] {
        b'-' => (true, true, &text[1..]),
        b'+' => (false, true, &text[1..]),
        _ => (false, false, text),
    };
    let (radix, digits) = match rest.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &rest[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &rest[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &rest[2..]),
        [b'0', _, ..] => (8, &rest[1..]),
        _ => (10, rest),
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    match i64::try_from(value) {
        Ok(value) => Some(Scalar::Int(if negative { -value } else { value })),
        Err(_) if negative && value == i64::MIN.unsigned_abs() => Some(Scalar::Int(i64::MIN)),
        // ParseUint takes no sign.
        Err(_) if !signed => Some(Scalar::Unsigned(value)),
        Err(_) => None,
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, and within the range of a double.
fn float(text: &str) -> Option<Scalar<'static>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    let fits = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    if !fits || !exponent_fits {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Scalar::Float)
}

/// Whether go-yaml takes a text for a timestamp: `2006-1-2`, with a time after `T`, `t` or a space.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return false;
    }
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some((bytes[at], &text[at + 1..]))),
        None => (text, None),
    };
    let mut parts = date.split('-').map(small_number);
    let (Some(Some(year)), Some(Some(month)), Some(Some(day)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let date_fits = (1..=12).contains(&month) && day >= 1 && day <= days_of(year, month);
    date_fits
        && time.is_none_or(
            |(separator, time)| {
                if separator == b' ' { is_clock(time) } else { is_zoned(time) }
            },
        )
}

fn small_number(text: &str) -> Option<u32> {
    (text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn days_of(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_zoned(text: &str) -> bool {
    if let Some(clock) = text.strip_suffix('Z') {
        return is_clock(clock);
    }
    let Some(at) = text.rfind(['+', '-']) else { return false };
    let zone = text[at + 1..].split_once(':');
    let zone_fits = zone.is_some_and(|(hours, minutes)| {
        hours.len() == 2
            && minutes.len() == 2
            && small_number(hours).is_some_and(|hours| hours <= 24)
            && small_number(minutes).is_some_and(|minutes| minutes < 60)
    });
    zone_fits && is_clock(&text[..at])
}

fn is_clock(text: &str) -> bool {
    let (clock, fraction) = match text.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let parts: Vec<_> = clock.split(':').collect();
    let [hours, minutes, seconds] = parts.as_slice() else { return false };
    let below = |text: &str, limit: u32| text.len() <= 2 && small_number(text).is_some_and(|n| n < limit);
    below(hours, 24)
        && below(minutes, 60)
        && below(seconds, 60)
        && fraction.is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// A float as a mapping's key: Go's `FormatFloat(key, 'g', -1, 32)`.
pub(super) fn float_key(value: f64) -> String {
    #[allow(clippy::cast_possible_truncation)] // sigs.k8s.io/yaml formats keys with 32 bits
    let short = format!("{:e}", value as f32);
    let (mantissa, exponent) = short.split_once('e').unwrap_or((&short, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        #[allow(clippy::cast_possible_truncation)]
        return format!("{}", value as f32);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_gos() {
        for (text, number) in [
            ("0755", 493),
            ("010", 8),
            ("1_000", 1000),
            ("0_7", 7),
            ("1__0", 10),
            ("0x1F", 31),
            ("-0x1F", -31),
            ("0o17", 15),
            ("0b11", 3),
            ("-0b11", -3),
            ("+12", 12),
            ("-0", 0),
            ("1_", 1),
            ("0X1f", 31),
            ("0b-1", -1),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(implicit(text), Scalar::Int(number), "{text}");
        }
        for (text, number) in [
            ("08", 8.0),
            ("1e3", 1000.0),
            ("1.0", 1.0),
            (".5", 0.5),
            ("1.", 1.0),
            (".1_5", 0.15),
            ("-.5", -0.5),
        ] {
            assert_eq!(implicit(text), Scalar::Float(number), "{text}");
        }
        assert_eq!(implicit("18446744073709551615"), Scalar::Unsigned(u64::MAX));
    }

    #[test]
    fn words_are_go_yamls() {
        for text in ["y", "Y", "yes", "Yes", "YES", "on", "On", "true", "TRUE"] {
            assert_eq!(implicit(text), Scalar::Bool(true), "{text}");
        }
        for text in ["n", "N", "no", "off", "OFF", "False"] {
            assert_eq!(implicit(text), Scalar::Bool(false), "{text}");
        }
        for text in ["~", "", "null", "Null", "NULL"] {
            assert_eq!(implicit(text), Scalar::Null, "{text}");
        }
        for text in [
            "tRue",
            "yEs",
            "12:30:45",
            "=",
            "2001-01-01",
            "1e999",
            "_1",
            "-",
            "+",
            ".",
            "0x",
            "0b2",
            "1.2.3",
            "nUll",
            "<<",
            "._5",
            ".5_",
            "2001-12-14 21:59:43.10",
            "0x1G",
            "1e",
            "--1",
            "+-1",
            "١",
            "0o",
            "-0b-1",
        ] {
            assert_eq!(implicit(text), Scalar::String(text.into()), "{text}");
        }
    }

    #[test]
    fn tags_decide_or_refuse() {
        let resolve = |text: &'static str, tag: &str| resolve(text, &Tag::Core(tag.into()), false);
        assert_eq!(resolve("12", "str"), Ok(Scalar::String("12".into())));
        assert_eq!(resolve("12", "int"), Ok(Scalar::Int(12)));
        assert_eq!(resolve("12", "float"), Ok(Scalar::Float(12.0)));
        assert_eq!(resolve("aGk=", "binary"), Ok(Scalar::String("hi".into())));
        assert_eq!(resolve("2001-01-01", "timestamp"), Ok(Scalar::String("2001-01-01".into())));
        assert_eq!(resolve("", "null"), Ok(Scalar::Null));
        assert_eq!(resolve("x", "int"), Err("`x` is a !!str, its tag says !!int".into()));
        assert!(resolve("1.5", "int").is_err());
        assert!(resolve("%", "binary").is_err());
        assert!(resolve("noon", "timestamp").is_err());
    }

    #[test]
    fn float_keys_are_32_bits_wide() {
        for (value, key) in [
            (1.5, "1.5"),
            (1000.0, "1000"),
            (1e6, "1e+06"),
            (1e21, "1e+21"),
            (0.00001, "1e-05"),
            (0.1, "0.1"),
        ] {
            assert_eq!(float_key(value), key);
        }
    }
}
