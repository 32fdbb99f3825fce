//! Days and times as numbers: days and microseconds since 1970-01-01 in the proleptic Gregorian calendar, no time zone.

/// Microseconds of a second, an hour and a day.
pub(in crate::data) const SECOND: i64 = 1_000_000;
pub(in crate::data) const HOUR: i64 = 3600 * SECOND;
pub(in crate::data) const DAY: i64 = 24 * HOUR;

/// The day of a date. Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
pub(in crate::data) fn day(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day: `civil_from_days` of the same.
pub(in crate::data) fn date(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// Monday 0 to Sunday 6.
pub(in crate::data) fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// The day of `2024-02-29`; none where there is no such date.
pub(in crate::data) fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let year: i64 = digits(parts.next()?)?;
    let (month, of_month) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let found = day(year, month, of_month);
    (date(found) == (year, month, of_month) && year < 10_000).then_some(found)
}

/// Microseconds of `10:30`, `10:30:00` or `10:30:00.25`.
pub(in crate::data) fn parse_time(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let (second, part) = match parts.next() {
        None => (0, 0),
        Some(rest) => {
            let (second, part) = rest.split_once('.').unwrap_or((rest, "0"));
            (digits(second)?, digits(&format!("{part:0<6}")).filter(|_| part.len() <= 6)?)
        }
    };
    let micros = hour * HOUR + minute * 60 * SECOND + second * SECOND + part;
    (minute < 60 && second < 60 && micros <= DAY).then_some(micros)
}

/// Microseconds since 1970 of `2024-02-29`, `2024-02-29 10:30:00`, `2024-02-29T10:30:00Z`, `2024-02-29 10:30:00+02`; without an offset it is UTC.
pub(in crate::data) fn parse_timestamp(text: &str) -> Option<i64> {
    let Some(at) = text.find(['T', ' ']) else { return Some(parse_date(text)? * DAY) };
    let (date, time) = (text.get(..at)?, text.get(at + 1..)?);
    let (time, offset) = match time.strip_suffix('Z') {
        Some(time) => (time, 0),
        None => match time.rfind(['+', '-']) {
            Some(at) => (time.get(..at)?, parse_offset(time.get(at..)?)?),
            None => (time, 0),
        },
    };
    Some(parse_date(date)? * DAY + parse_time(time)? - offset)
}

fn parse_offset(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.get(1..)?.split_once(':').unwrap_or((text.get(1..)?, "0"));
    Some(sign * (digits(hours)? * HOUR + digits(minutes)? * 60 * SECOND))
}

/// A span of time: `90s`, `15m`, `8h`, `2d`, `1w`, `1.5h`, or `1d 12h`.
pub(in crate::data) fn parse_span(text: &str) -> Option<i64> {
    let mut total = None;
    for part in text.split_whitespace() {
        let at = part.find(|c: char| c.is_ascii_alphabetic())?;
        let unit = match part.get(at..)? {
            "ms" => SECOND / 1000,
            "s" => SECOND,
            "m" | "min" => 60 * SECOND,
            "h" => HOUR,
            "d" => DAY,
            "w" => 7 * DAY,
            _ => return None,
        };
        let (whole, part) = part.get(..at)?.split_once('.').unwrap_or((part.get(..at)?, "0"));
        let scale = 10_i64.checked_pow(u32::try_from(part.len()).ok()?).filter(|scale| *scale <= 1000)?;
        let part = digits(part)? * unit / scale;
        total = Some(digits(whole)?.checked_mul(unit)?.checked_add(part)?.checked_add(total.unwrap_or(0))?);
    }
    total
}

/// A number of up to nine ASCII digits, and nothing else.
fn digits(text: &str) -> Option<i64> {
    let fits = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_and_times_are_read() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("2000-02-29"), Some(11_016));
        assert_eq!(parse_date("2023-02-29"), None);
        assert_eq!(parse_date("2023-1x-01"), None);
        assert_eq!(parse_time("10:30"), Some(10 * HOUR + 30 * 60 * SECOND));
        assert_eq!(parse_time("00:00:01.5"), Some(SECOND * 3 / 2));
        assert_eq!(parse_time("25:00"), None);
        assert_eq!(parse_timestamp("1970-01-02"), Some(DAY));
        assert_eq!(parse_timestamp("1970-01-01T02:00:00+02:00"), Some(0));
        assert_eq!(parse_timestamp("1970-01-01 00:00:00Z"), Some(0));
        assert_eq!(parse_timestamp("1970-01-01 00:00:00-05"), Some(5 * HOUR));
        assert_eq!(parse_timestamp("never"), None);
        assert_eq!(weekday(parse_date("2024-06-10").unwrap()), 0);
    }

    #[test]
    fn spans_are_read() {
        let cases =
            [("90s", Some(90 * SECOND)), ("1.5h", Some(HOUR + HOUR / 2)), ("1d 12h", Some(DAY + DAY / 2))];
        for (text, micros) in cases.into_iter().chain([("", None), ("5", None), ("h", None), ("3y", None)]) {
            assert_eq!(parse_span(text), micros, "{text}");
        }
    }

    proptest! {
        #[test]
        fn days_and_dates_are_each_others_inverse(number in -1_000_000_i64..4_000_000) {
            let (year, month, of_month) = date(number);
            prop_assert_eq!(day(year, month, of_month), number);
        }
    }
}
