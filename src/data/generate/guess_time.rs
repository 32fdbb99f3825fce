//! What a time is likely to be, by its column's name and its table's other columns.

use super::calendar::DAY;
use super::form::Unit;
use super::guess::{Guess, Known, TYPE, guess};
use crate::data::seed::{Make, Series, Spread};

/// Names of the time at which a row was made.
const CREATED: [&str; 5] = ["created_at", "created_on", "created", "inserted_at", "creation_date"];
/// Names of days of birth.
const BIRTH: [&str; 6] = ["birth", "birthday", "birthdate", "born", "dob", "date_of_birth"];
/// Names of times that most rows do not have.
const RARE: [&str; 7] =
    ["deleted_at", "cancelled_at", "canceled_at", "archived_at", "deleted", "revoked_at", "banned_at"];
/// Names of times well after a row was made.
const LATE: [&str; 7] = ["expires", "expires_at", "valid_until", "due", "due_at", "due_date", "expiry"];

/// A day or an instant.
pub(super) fn guess_time(known: &Known<'_>, unit: Unit) -> Guess {
    let per_day = if unit == Unit::Day { 1 } else { DAY };
    let now = known.clock / (DAY / per_day);
    if known.named(&BIRTH) {
        let years = |years: i64| now - years * 365 * per_day;
        return known.range(Spread::Uniform, (years(85), years(18)), 0.1, "its name: a day of birth");
    }
    let null = if known.named(&RARE) { 0.9 } else { 0.1 };
    let mut columns = known.table.columns.iter();
    let created =
        columns.find(|column| column.kind == known.column.kind && CREATED.contains(&column.name.as_str()));
    if let Some(created) = created.filter(|created| created.name != known.column.name) {
        let (mean, why) = if known.named(&LATE) {
            ("30d", "its name: after it was created")
        } else {
            ("3d", "the table has a time of creation")
        };
        let max = Some("365d".to_owned());
        return guess(Make::After { column: created.name.clone(), mean: mean.to_owned(), max }, null, why);
    }
    if known.limits.low.is_empty() && known.limits.high.is_empty() {
        return guess(Make::Series(business()), null, "its type: a time of business in the last year");
    }
    known.range(Spread::Uniform, (now - 365 * per_day, now), null, TYPE)
}

/// Working days and hours.
fn business() -> Series {
    let hours = (0..24).map(|hour| match hour {
        9..=17 => 10.0,
        7 | 8 | 18..=21 => 5.0,
        _ => 1.0,
    });
    Series { days: vec![5.0, 5.0, 5.0, 5.0, 5.0, 2.0, 2.0], hours: hours.collect(), ..Series::default() }
}
