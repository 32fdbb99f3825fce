//! Days and times, as PostgreSQL writes them (ISO): moved by keyed days.
//!
//! Each value moves on its own (a permutation within windows of some days, and of the time within the day), or all of a
//! row's or a person's move alike, or all move alike and keep their order. The last hides little: whoever knows one
//! original knows all.

use std::fmt::Write as _;

use super::super::key::Secret;
use super::code::code;

/// How dates move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moving {
    /// Each on its own, within a window; different ones stay different.
    Each,
    /// All of rows with the same value in a column alike: spans within them stay.
    By(String),
    /// All alike: their order stays.
    InOrder,
}

const DAY: i64 = 86_400;
/// The first and the last day that moved dates may have: from 1 January 1 to 31 December 9999. Earlier and later ones move
/// among themselves, within what a timestamp can hold.
const ERAS: [i64; 4] = [-2_400_000, -719_162, 2_932_897, 106_000_000];

/// A moment as it is written: days since 1970-01-01 where there is a date, seconds and microseconds where there is a time.
struct Moment<'v> {
    days: Option<i64>,
    seconds: Option<i64>,
    micros: i64,
    separator: char,
    zone: &'v str,
    before_christ: bool,
}

/// Masks a day, a time or both. What a row has in its `By` column is `row`. Infinities stay.
pub(in super::super) fn date(
    secret: &Secret,
    window: u32,
    moving: &Moving,
    row: &[u8],
    value: &str,
    out: &mut Vec<u8>,
) {
    if matches!(value, "infinity" | "-infinity") {
        return out.extend_from_slice(value.as_bytes());
    }
    let start = out.len();
    let moment = read(value).filter(|moment| {
        write(moment, out);
        out.get(start..) == Some(value.as_bytes())
    });
    out.truncate(start);
    // Also what is written in a way of its own: two texts of one moment must not come out as one text.
    let Some(mut moment) = moment else {
        return code(secret, 0, b"", value, out);
    };
    match moving {
        Moving::Each => secret.move_each(window.into(), &mut moment),
        Moving::By(_) => secret.move_alike(window.into(), &[b"row", row], &mut moment),
        Moving::InOrder => secret.move_alike(window.into(), &[b"order"], &mut moment),
    }
    write(&moment, out);
}

impl Secret {
    fn move_each(&self, window: i64, moment: &mut Moment<'_>) {
        if let Some(days) = moment.days {
            let (first, last) = era(days);
            let start = first + (days - first) / window * window;
            let size = window.min(last - start);
            let tweak = self.tweak(&[b"days", &start.to_le_bytes()]);
            moment.days = Some(start + self.permute_small(&tweak, size, days - start));
        }
        if let Some(seconds) = moment.seconds.filter(|seconds| *seconds < DAY) {
            let tweak = self.tweak(&[b"time", &moment.days.unwrap_or(0).to_le_bytes()]);
            moment.seconds = Some(self.permute_small(&tweak, DAY, seconds));
        }
        if moment.micros > 0 {
            moment.micros = self.move_fraction(moment.seconds.unwrap_or(0), moment.micros);
        }
    }

    /// Permutes the fractions of a second that have as many digits and do not end in zero: a column of fewer digits takes them.
    fn move_fraction(&self, seconds: i64, micros: i64) -> i64 {
        let (mut digits, mut scale, mut size) = (micros, 1_i64, 900_000);
        while digits % 10 == 0 {
            (digits, scale, size) = (digits / 10, scale * 10, size / 10);
        }
        let tweak = self.tweak(&[b"fraction", &seconds.to_le_bytes(), &scale.to_le_bytes()]);
        let moved = self.permute_small(&tweak, size, digits / 10 * 9 + digits % 10 - 1);
        (moved / 9 * 10 + moved % 9 + 1) * scale
    }

    fn move_alike(&self, window: i64, by: &[&[u8]], moment: &mut Moment<'_>) {
        let mut stream = self.stream(by);
        let days = 1 + i64::try_from(stream.below(window.unsigned_abs())).unwrap_or(0);
        let days = if stream.below(2) == 0 { days } else { -days };
        let shift = i64::try_from(stream.below(DAY.unsigned_abs())).unwrap_or(0);
        let Some(day) = moment.days else {
            moment.seconds = moment.seconds.map(|seconds| (seconds + shift).rem_euclid(DAY));
            return;
        };
        let (first, last) = era(day);
        match moment.seconds {
            Some(seconds) => {
                let moved = day * DAY + seconds + days * DAY + shift;
                let moved = moved.clamp(first * DAY, last * DAY - 1);
                (moment.days, moment.seconds) = (Some(moved.div_euclid(DAY)), Some(moved.rem_euclid(DAY)));
            }
            None => moment.days = Some((day + days).clamp(first, last - 1)),
        }
    }

    fn permute_small(&self, tweak: &super::super::key::Tweak, size: i64, value: i64) -> i64 {
        let wide = |number: i64| u128::from(number.unsigned_abs());
        i64::try_from(self.permute(tweak, wide(size), wide(value))).unwrap_or(0)
    }
}

fn era(days: i64) -> (i64, i64) {
    let at = if days < ERAS[1] { 0 } else { 1 + usize::from(days >= ERAS[2]) };
    (ERAS[at], ERAS[at + 1])
}

fn read(value: &str) -> Option<Moment<'_>> {
    let (text, before_christ) = value.strip_suffix(" BC").map_or((value, false), |text| (text, true));
    let is_date = text.as_bytes().get(4..).is_some_and(|rest| rest.contains(&b'-')) && !text.contains(":-");
    let starts_with_time = text.as_bytes().get(2) == Some(&b':');
    let (date, rest) = if starts_with_time || !is_date {
        (None, text)
    } else {
        let end = text.find([' ', 'T']).unwrap_or(text.len());
        (Some(&text[..end]), &text[end..])
    };
    let days = match date {
        Some(date) => Some(read_date(date, before_christ)?),
        None => None,
    };
    let separator = rest.chars().next().filter(|_| date.is_some()).unwrap_or(' ');
    let time = if date.is_some() { rest.get(1..).unwrap_or_default() } else { rest };
    if time.is_empty() {
        return days.map(|_| Moment { days, seconds: None, micros: 0, separator, zone: "", before_christ });
    }
    let (seconds, micros, zone) = read_time(time)?;
    Some(Moment { days, seconds: Some(seconds), micros, separator, zone, before_christ })
}

fn number(text: &str, most: i64) -> Option<i64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| plain && *number <= most)
}

fn read_date(text: &str, before_christ: bool) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let (year, month, day) = (number(year, 290_000)?, number(month, 12)?, number(day, 31)?);
    let year = if before_christ { 1 - year } else { year };
    let days = days_from_civil(year, month, day);
    let sound = parts.next().is_none() && civil_from_days(days) == (year, month, day);
    (sound && (ERAS[0]..ERAS[3]).contains(&days)).then_some(days)
}

/// Seconds of the day, microseconds, and the zone as written.
fn read_time(text: &str) -> Option<(i64, i64, &str)> {
    let end = text.find(['+', '-', 'Z']).unwrap_or(text.len());
    let (time, zone) = text.split_at(end);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next()?, 24)?, number(parts.next()?, 59)?);
    let second = number(parts.next().unwrap_or("0"), 59)?;
    let seconds = hour * 3600 + minute * 60 + second;
    let micros = number(&format!("{fraction:0<6}"), 999_999).filter(|_| fraction.len() <= 6)?;
    let zone_is_sound = zone.bytes().all(|byte| byte.is_ascii_digit() || b"+-:Z".contains(&byte));
    (parts.next().is_none() && seconds <= DAY && zone_is_sound).then_some((seconds, micros, zone))
}

fn write(moment: &Moment<'_>, out: &mut Vec<u8>) {
    let mut text = String::new();
    if let Some(days) = moment.days {
        let (year, month, day) = civil_from_days(days);
        let shown = if year < 1 { 1 - year } else { year };
        text = format!("{shown:04}-{month:02}-{day:02}");
        if moment.seconds.is_some() {
            text.push(moment.separator);
        }
    }
    if let Some(seconds) = moment.seconds {
        let _ = write!(text, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        if moment.micros > 0 {
            text += format!(".{:06}", moment.micros).trim_end_matches('0');
        }
        text += moment.zone;
    }
    if moment.before_christ {
        text += " BC";
    }
    out.extend_from_slice(text.as_bytes());
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The opposite of [`days_from_civil`], by the same source.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + days.div_euclid(146_097) * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
#[path = "date_tests.rs"]
mod tests;
