//! Times of files: seconds since 1970 and nanoseconds, as tar's extended headers spell them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A time; in text `1764115200.5`, without a fraction where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// Nanoseconds behind them.
    pub nanoseconds: u32,
}

impl Moment {
    /// From its text; none where it is no time. Digits beyond nanoseconds do not count.
    pub fn read(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
        let (sign, whole) = whole.strip_prefix('-').map_or((1, whole), |rest| (-1, rest));
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return None;
        }
        let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        let (seconds, nanoseconds) = (whole.parse::<i64>().ok()?, nine.parse::<u32>().ok()?);
        Some(match (sign, nanoseconds) {
            (-1, 0) => Self { seconds: -seconds, nanoseconds },
            (-1, _) => Self { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
            _ => Self { seconds, nanoseconds },
        })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanoseconds) = (self.seconds, self.nanoseconds);
        if nanoseconds == 0 {
            return write!(out, "{seconds}");
        }
        let (sign, whole, fraction) = if seconds < 0 {
            ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanoseconds)
        } else {
            ("", seconds.unsigned_abs(), nanoseconds)
        };
        let fraction = format!("{fraction:09}");
        write!(out, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl TryFrom<String> for Moment {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let moment = Self::read(&text).filter(|moment| moment.to_string() == text);
        moment.ok_or("a time is not spelt as `SECONDS.FRACTION`")
    }
}
