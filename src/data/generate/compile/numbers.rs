//! Numbers, times and truth: ranges brought into what constraints allow.

use super::draft::{Context, Wrong};
use super::ends::{Ends, truth};
use super::source::mismatch;
use crate::data::generate::calendar::{self, DAY};
use crate::data::generate::column::{How, Numbers};
use crate::data::generate::distribution::{Shape, Weights};
use crate::data::generate::form::{Form, Unit};
use crate::data::generate::series::Series;
use crate::data::seed::{self, Make, Spread};

/// Numbers as told, within `ends`.
pub(super) fn numbers(context: &Context<'_>, make: &Make, ends: &Ends) -> Result<Numbers, Wrong> {
    let full = |how| Numbers { low: ends.low, high: ends.high, excluded: ends.excluded.clone(), how };
    if ends.allowed.is_some() && !matches!(make, Make::Choice(_) | Make::Constant(_)) {
        return listed(ends);
    }
    match make {
        Make::Constant(Some(text)) => choice(context, &[(text.clone(), 1.0)], ends),
        Make::Choice(entries) => choice(context, entries, ends),
        Make::Sequence { start, step } => Ok(full(How::Sequence { start: *start, step: *step })),
        Make::Range { shape, min, max } => range(context, shape, (min.as_deref(), max.as_deref()), ends),
        Make::Series(series) => Ok(full(How::Series(time_series(context, series, ends)?))),
        Make::After { column, mean, max } => {
            let most = max.as_ref().map(|max| distance(context, max)).transpose()?;
            let (mean, column) = (distance(context, mean)?, context.sibling(column)?);
            let most = most.unwrap_or(mean.saturating_mul(20));
            Ok(full(How::After { column, mean: float(mean), most }))
        }
        Make::Reached { column, after, mean, .. } => {
            let (states, after) = (context.sibling(column)?, context.sibling(after)?);
            let mean = float(distance(context, mean)?);
            // The state's number is known when the column of states is made.
            Ok(full(How::Reached { states, state: usize::MAX, after, mean }))
        }
        make => Err(mismatch(make)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "means are not exact")]
fn float(units: i64) -> f64 {
    units as f64
}

fn unit(context: &Context<'_>) -> Unit {
    if let Form::Number { unit, .. } = context.form { *unit } else { Unit::Decimal { scale: 0 } }
}

fn distance(context: &Context<'_>, text: &str) -> Result<i64, Wrong> {
    let unit = unit(context);
    unit.distance(text).filter(|units| *units >= 0).ok_or_else(|| {
        let wanted = if matches!(unit, Unit::Decimal { .. }) {
            "a number such as `2.5`"
        } else {
            "a span such as `2d` or `1.5h`"
        };
        (format!("`{text}` is no distance between its values"), format!("write {wanted}"))
    })
}

fn value(context: &Context<'_>, text: &str) -> Result<i64, Wrong> {
    let found = match context.form {
        Form::Boolean => truth(text).map(i64::from),
        form => form.units(text, context.clock).map(|(units, _)| units),
    };
    found.ok_or_else(|| {
        (format!("`{text}` is no value of its type"), "write it as in SQL, without quotes".to_owned())
    })
}

/// The values that a constraint lists, each as likely.
fn listed(ends: &Ends) -> Result<Numbers, Wrong> {
    let values = ends.allowed.clone().unwrap_or_default();
    let weights = Weights::new(values.iter().map(|_| 1.0)).ok_or_else(no_weight)?;
    Ok(Numbers { low: ends.low, high: ends.high, excluded: Vec::new(), how: How::Choice { values, weights } })
}

fn no_weight() -> Wrong {
    (
        "none of its values has a weight above 0".to_owned(),
        "give one a weight, and none a negative one".to_owned(),
    )
}

fn choice(context: &Context<'_>, entries: &[(String, f64)], ends: &Ends) -> Result<Numbers, Wrong> {
    let mut values = Vec::new();
    let mut kept = Vec::new();
    for (text, weight) in entries {
        let value = value(context, text)?;
        let allowed = (ends.low..=ends.high).contains(&value)
            && !ends.excluded.contains(&value)
            && ends.allowed.as_ref().is_none_or(|allowed| allowed.contains(&value));
        if allowed && !values.contains(&value) {
            values.push(value);
            kept.push(*weight);
        } else if context.told && !allowed {
            return Err((
                format!("`{text}` is not allowed by its constraints or type"),
                "leave it out".to_owned(),
            ));
        }
    }
    let weights = Weights::new(kept).ok_or_else(no_weight)?;
    Ok(Numbers { low: ends.low, high: ends.high, excluded: Vec::new(), how: How::Choice { values, weights } })
}

fn range(
    context: &Context<'_>,
    shape: &Spread,
    (min, max): (Option<&str>, Option<&str>),
    ends: &Ends,
) -> Result<Numbers, Wrong> {
    let min = min.map(|text| value(context, text)).transpose()?;
    let max = max.map(|text| value(context, text)).transpose()?;
    let (wanted_low, wanted_high) = (min.unwrap_or(ends.low), max.unwrap_or(ends.high));
    if wanted_low > wanted_high {
        return Err(("`min` is above `max`".to_owned(), "exchange them".to_owned()));
    }
    let meets = wanted_low <= ends.high && wanted_high >= ends.low;
    if context.told && !meets {
        return Err((
            "its constraints allow nothing between `min` and `max`".to_owned(),
            "move the range".to_owned(),
        ));
    }
    let (low, high) = ends.near(wanted_low, wanted_high);
    let mean = |text: &String| distance(context, text).map(float);
    let shape = match shape {
        Spread::Uniform => Shape::Uniform,
        Spread::Normal { mean: middle, deviation } => {
            Shape::Normal { mean: float(value(context, middle)?), deviation: mean(deviation)? }
        }
        Spread::Exponential { mean: far } => Shape::Exponential { mean: mean(far)? },
        Spread::Zipf { exponent } => Shape::Zipf { exponent: *exponent },
    };
    let excluded = ends.excluded.iter().copied().filter(|value| (low..=high).contains(value)).collect();
    Ok(Numbers { low, high, excluded, how: How::Shape(shape) })
}

fn time_series(context: &Context<'_>, series: &seed::Series, ends: &Ends) -> Result<Series, Wrong> {
    let unit = unit(context);
    let instant = Unit::Instant { zoned: false };
    let time = |text: &String| {
        let parsed = if text == "now" { Some(context.clock) } else { calendar::parse_timestamp(text) };
        parsed.ok_or_else(|| (format!("`{text}` is no time"), "write it as `2024-06-01 12:00:00`".to_owned()))
    };
    let to = series.to.as_ref().map(time).transpose()?.unwrap_or(context.clock);
    let from = series.from.as_ref().map(time).transpose()?.unwrap_or(to.saturating_sub(365 * DAY));
    let wrong =
        || ("a time series is no value of its type".to_owned(), "it is for days and times".to_owned());
    let from = from.max(unit.convert(ends.low, instant, false).ok_or_else(wrong)?);
    let to = to.min(unit.convert(ends.high, instant, false).ok_or_else(wrong)?);
    if from > to {
        return Err((
            "its times end before they begin".to_owned(),
            "exchange `from` and `to`, or see its constraints".to_owned(),
        ));
    }
    let weights = |weights: &Vec<f64>, count: usize, what: &str| match weights.len() {
        0 => Ok(None),
        found if found == count => Weights::new(weights.iter().copied()).map(Some).ok_or_else(no_weight),
        found => Err((format!("{found} weights are given for {count} {what}"), format!("give {count}"))),
    };
    let growth = series.growth.unwrap_or(1.0);
    if !(0.0..=1e6).contains(&growth) {
        return Err((
            format!("`growth` cannot be {growth}"),
            "it is how many times as many at the end, 0 to 1000000".to_owned(),
        ));
    }
    let (days, hours) = (weights(&series.days, 7, "days")?, weights(&series.hours, 24, "hours")?);
    Ok(Series { from, to, growth, days, hours })
}
