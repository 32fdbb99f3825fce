//! Numbers, days and times in digits, appended without a detour.

use super::calendar::{self, HOUR, SECOND};

/// Writes a whole number.
pub(super) fn write_integer(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn write_padded(value: i64, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    write_integer(value.unsigned_abs(), out);
    let missing = width.saturating_sub(out.len() - start);
    out.splice(start..start, std::iter::repeat_n(b'0', missing));
}

/// Writes units of 1 / 10^scale with a point.
pub(super) fn write_decimal(value: i64, scale: u32, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let power = 10_u64.pow(scale.min(18));
    write_integer(value.unsigned_abs() / power, out);
    if scale > 0 {
        out.push(b'.');
        let part = i64::try_from(value.unsigned_abs() % power).unwrap_or(0);
        write_padded(part, scale as usize, out);
    }
}

/// Writes a day as `2024-02-29`.
pub(super) fn write_date(day: i64, out: &mut Vec<u8>) {
    let (year, month, day) = calendar::date(day);
    write_padded(year, 4, out);
    out.push(b'-');
    write_padded(month, 2, out);
    out.push(b'-');
    write_padded(day, 2, out);
}

/// Writes microseconds of a day as `10:30:00`, with a part of a second where there is one.
pub(super) fn write_time(micros: i64, out: &mut Vec<u8>) {
    write_padded(micros / HOUR, 2, out);
    out.push(b':');
    write_padded(micros / (60 * SECOND) % 60, 2, out);
    out.push(b':');
    write_padded(micros / SECOND % 60, 2, out);
    if micros % SECOND != 0 {
        out.push(b'.');
        write_padded(micros % SECOND, 6, out);
    }
}
