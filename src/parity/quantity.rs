//! Kubernetes quantities (`250m`, `1.5Gi`, `1e3`), exact, and the resources a Pod asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;

/// An amount as Kubernetes writes it, in billionths: the API server keeps no smaller part and rounds up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Quantity {
    nanos: i128,
}

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It is not a number with a known suffix.
    #[error(
        "`{0}` is not a quantity: write a number with one of n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei"
    )]
    Malformed(String),
    /// It is a number too large to be held.
    #[error("the quantity `{0}` is too large: the largest is about 9Ei")]
    TooLarge(String),
}

const BILLION: i128 = 1_000_000_000;
/// 2^63 - 1 units, where Kubernetes' own arithmetic ends.
const LARGEST: i128 = (i64::MAX as i128) * BILLION;

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let malformed = || QuantityError::Malformed(text.to_owned());
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return Err(malformed());
        }
        let (factor, exponent) = scale(suffix).ok_or_else(malformed)?;
        let nanos = nanos(whole, fraction.trim_end_matches('0'), factor, exponent)
            .filter(|nanos| *nanos <= LARGEST)
            .ok_or_else(|| QuantityError::TooLarge(text.to_owned()))?;
        Ok(Self { nanos: if negative { -nanos } else { nanos } })
    }
}

/// What a suffix multiplies by: a factor and a power of ten.
fn scale(suffix: &str) -> Option<(i128, i32)> {
    Some(match suffix {
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "" => (1, 0),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => return suffix.strip_prefix(['e', 'E'])?.parse().ok().map(|exponent| (1, exponent)),
    })
}

/// The number in billionths, rounded up; nothing where it does not fit.
fn nanos(whole: &str, fraction: &str, factor: i128, exponent: i32) -> Option<i128> {
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let power = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?.checked_add(9)?;
    if power >= 0 {
        let mantissa: i128 = digits.parse().ok()?;
        return mantissa.checked_mul(10_i128.checked_pow(power.unsigned_abs())?)?.checked_mul(factor);
    }
    // Digits below a billionth are kept only as "there was more", which rounds up.
    let Some(divisor) = 10_i128.checked_pow(power.unsigned_abs()) else { return Some(1) };
    let scaled = digits.parse::<i128>().ok()?.checked_mul(factor)?;
    Some(scaled / divisor + i128::from(scaled % divisor != 0))
}

impl Quantity {
    /// From a JSON text or number, as manifests have both.
    pub fn from_json(value: &Value) -> Result<Self, QuantityError> {
        match value {
            Value::String(text) => text.parse(),
            Value::Number(number) => number.to_string().parse(),
            other => Err(QuantityError::Malformed(other.to_string())),
        }
    }

    /// In thousandths, rounded up, as Kubernetes counts CPU; 0 where negative.
    pub fn millis(self) -> u64 {
        ceiling(self.nanos, 1_000_000)
    }

    /// In whole units, rounded up, such as bytes; 0 where negative.
    pub fn units(self) -> u64 {
        ceiling(self.nanos, BILLION)
    }

    /// In billionths, exact.
    pub fn nanos(self) -> i128 {
        self.nanos
    }
}

fn ceiling(nanos: i128, unit: i128) -> u64 {
    if nanos <= 0 {
        return 0;
    }
    u64::try_from((nanos + unit - 1) / unit).unwrap_or(u64::MAX)
}

/// What a Pod, a container or many of them ask for. Additions saturate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// CPU in thousandths of a core.
    pub cpu_millis: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Local disk in bytes.
    pub ephemeral_bytes: u64,
    /// Everything else by name, in whole units: devices, huge pages.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extended: BTreeMap<String, u64>,
}

impl Resources {
    /// The sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.combine(other, u64::saturating_add)
    }

    /// The larger of each.
    #[must_use]
    pub fn or_larger(&self, other: &Self) -> Self {
        self.combine(other, u64::max)
    }

    /// So many times as much.
    #[must_use]
    pub fn times(&self, factor: u64) -> Self {
        Self {
            cpu_millis: self.cpu_millis.saturating_mul(factor),
            memory_bytes: self.memory_bytes.saturating_mul(factor),
            ephemeral_bytes: self.ephemeral_bytes.saturating_mul(factor),
            extended: self
                .extended
                .iter()
                .map(|(name, n)| (name.clone(), n.saturating_mul(factor)))
                .collect(),
        }
    }

    fn combine(&self, other: &Self, with: impl Fn(u64, u64) -> u64) -> Self {
        let mut extended = self.extended.clone();
        for (name, amount) in &other.extended {
            let mine = extended.entry(name.clone()).or_default();
            *mine = with(*mine, *amount);
        }
        Self {
            cpu_millis: with(self.cpu_millis, other.cpu_millis),
            memory_bytes: with(self.memory_bytes, other.memory_bytes),
            ephemeral_bytes: with(self.ephemeral_bytes, other.ephemeral_bytes),
            extended,
        }
    }
}

impl fmt::Display for Resources {
    /// `4 CPU, 32 Gi`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} CPU, {}", cpu_text(self.cpu_millis), bytes_text(self.memory_bytes))?;
        self.extended.iter().try_for_each(|(name, amount)| write!(out, ", {amount} {name}"))
    }
}

/// CPU for people: `2`, `0.25`.
pub fn cpu_text(millis: u64) -> String {
    let (whole, rest) = (millis / 1000, millis % 1000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:03}").trim_end_matches('0').to_owned() }
}

/// Bytes for people, in powers of 1024 with at most one decimal, rounded to the nearest: `512 Mi`, `1.5 Gi`.
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let mut unit = 0;
    while unit + 1 < UNITS.len() && bytes >> (10 * (unit + 1)) != 0 {
        unit += 1;
    }
    let size = 1_u128 << (10 * unit);
    let tenths = (u128::from(bytes) * 10 + size / 2) / size;
    let (whole, decimal) = (tenths / 10, tenths % 10);
    if decimal == 0 {
        format!("{whole} {}", UNITS[unit])
    } else {
        format!("{whole}.{decimal} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_every_form() {
        let table: &[(&str, i128)] = &[
            ("0", 0),
            ("1", BILLION),
            ("100m", 100_000_000),
            ("0.5", 500_000_000),
            (".5", 500_000_000),
            ("5.", 5 * BILLION),
            ("-1", -BILLION),
            ("+1", BILLION),
            ("1n", 1),
            ("1u", 1000),
            ("0.1n", 1),
            ("0.0000000001", 1),
            ("1e3", 1000 * BILLION),
            ("1E3", 1000 * BILLION),
            ("1E-3", 1_000_000),
            ("1E", 1_000_000_000_000_000_000 * BILLION),
            ("12e+1", 120 * BILLION),
            ("1k", 1000 * BILLION),
            ("1.5Gi", 1_610_612_736 * BILLION),
            ("128974848", 128_974_848 * BILLION),
            ("129M", 129_000_000 * BILLION),
            ("123Mi", 128_974_848 * BILLION),
            ("1Ei", (1 << 60) * BILLION),
        ];
        for (text, nanos) in table {
            assert_eq!(text.parse::<Quantity>().map(Quantity::nanos), Ok(*nanos), "{text}");
        }
    }

    #[test]
    fn refuses_what_kubernetes_refuses() {
        for text in ["", "m", "1 Gi", "1K", "1ki", "0x10", "1..5", ".", "1e", "Gi", "1mm", "--1", "NaN"] {
            assert!(matches!(text.parse::<Quantity>(), Err(QuantityError::Malformed(_))), "{text}");
        }
        assert!(matches!("1000Ei".parse::<Quantity>(), Err(QuantityError::TooLarge(_))));
        assert!(matches!("1e99".parse::<Quantity>(), Err(QuantityError::TooLarge(_))));
    }

    #[test]
    fn rounds_up() {
        assert_eq!("1500u".parse::<Quantity>().map(Quantity::millis), Ok(2));
        assert_eq!("0.1".parse::<Quantity>().map(Quantity::units), Ok(1));
        assert_eq!("-5".parse::<Quantity>().map(Quantity::units), Ok(0));
    }

    #[test]
    fn people_read_them() {
        assert_eq!(
            (cpu_text(250), cpu_text(4000), cpu_text(1500)),
            ("0.25".into(), "4".into(), "1.5".into())
        );
        let text = [0, 1023, 1024, 1_610_612_736, 32 << 30, u64::MAX].map(bytes_text);
        assert_eq!(text, ["0 B", "1023 B", "1 Ki", "1.5 Gi", "32 Gi", "16 Ei"]);
    }

    proptest! {
        #[test]
        fn suffixes_agree_with_plain_numbers(n in 0_u64..9_000_000) {
            let of = |text: String| text.parse::<Quantity>().map(Quantity::nanos);
            prop_assert_eq!(of(format!("{n}Mi")), of((n * (1 << 20)).to_string()));
            prop_assert_eq!(of(format!("{n}m")), of(format!("{n}e-3")));
            prop_assert_eq!(of(format!("{n}k")), of(format!("{n}000")));
        }

        #[test]
        fn never_panics(text in "[-+.0-9eEnumkKMGTPi]{0,40}") {
            let _ = text.parse::<Quantity>();
        }
    }
}
