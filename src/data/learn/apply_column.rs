//! Shapes one column of a seed by its profile.

use super::column;
use super::curve::Curve;
use super::kind::{Kind, Times};
use super::profile::{ColumnProfile, Distinct, FanOutProfile, NumberShape, Rules, Seasons};
use crate::data::generate::{Form, Unit};
use crate::data::schema::{Column, Schema, Table};
use crate::data::seed::{ColumnSeed, FanOut, Make, Series, Spread};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// A column that is shaped.
pub(super) struct Shaping<'a> {
    pub(super) schema: &'a Schema,
    pub(super) table: &'a Table,
    pub(super) column: &'a Column,
    pub(super) found: &'a ColumnProfile,
    pub(super) rules: &'a Rules,
    /// The table's rows.
    pub(super) rows: u64,
    /// The seed's clock.
    pub(super) clock: i64,
    /// What has no counterpart.
    pub(super) notes: Vec<String>,
}

/// By shares of parents; none where no parent has a child.
pub(super) fn fan_out(found: &FanOutProfile) -> Option<FanOut> {
    let any = found.children.iter().any(|(children, percent)| *children > 0 && *percent > 0.0);
    any.then(|| FanOut::Counts(found.children.clone()))
}

impl Shaping<'_> {
    /// The share of nulls, where there can be any.
    pub(super) fn nulls(&self, told: &mut ColumnSeed) {
        let is_key = self.table.primary_key.contains(&self.column.name);
        let is_null = told.make == Some(Make::Constant(None));
        let share = self.found.nulls.part();
        if !self.column.not_null && !is_key && !is_null && (told.null.is_some() || share > 0.0) {
            told.null = Some((share * 1000.0).round() / 1000.0);
        }
    }

    /// What makes the values.
    pub(super) fn make(&mut self, told: &mut ColumnSeed) {
        let kind = Kind::of(&self.column.kind, self.schema);
        let is_key = self.table.primary_key.contains(&self.column.name)
            || self.table.uniques.iter().any(|set| set.columns.contains(&self.column.name));
        if matches!(
            told.make,
            Some(Make::Constant(None) | Make::Sequence { .. } | Make::States(_) | Make::Reached { .. })
        ) || is_key
        {
            return;
        }
        if !self.found.labels.is_empty() {
            return self.labels(told);
        }
        match (kind, self.found.distinct) {
            (_, None) => self.notes.push("too few rows have a value".to_owned()),
            (Kind::Text | Kind::Whole | Kind::Number(_), Some(Distinct::Each(count))) => {
                self.stand_ins(kind, count, told);
            }
            (Kind::Text | Kind::Whole, Some(Distinct::All)) => told.unique = true,
            (Kind::Text, Some(Distinct::About(count))) => self.texts(count, told),
            (Kind::Whole | Kind::Number(_), _) => self.numbers(kind, told),
            (Kind::Time(times), _) => self.times(times, told),
            (_, Some(distinct)) => {
                self.notes.push(format!("{}, which its maker does not give", shown(distinct)));
            }
        }
    }

    fn labels(&mut self, told: &mut ColumnSeed) {
        let weight = |share: f64| (share * 10_000.0).round() / 100.0;
        let labels: Vec<(String, f64)> =
            self.found.labels.iter().map(|(label, share)| (label.clone(), weight(share.part()))).collect();
        let named: f64 = labels.iter().map(|(_, weight)| weight).sum();
        if named < 97.0 {
            self.notes.push(format!("{:.0}% have other values, which are not named", 100.0 - named));
        }
        told.make = Some(Make::Choice(labels));
    }

    /// Values that may not be named are called by their ranks.
    fn stand_ins(&mut self, kind: Kind, count: u64, told: &mut ColumnSeed) {
        let longest = if let Form::Text { longest, .. } = Form::of(&self.column.kind, self.schema) {
            longest
        } else {
            None
        };
        let prefix =
            if kind == Kind::Text && longest.is_none_or(|longest| longest >= 8) { "value " } else { "" };
        let ranks = (1..=count.min(self.rules.most_labels.max(1)))
            .zip(self.found.frequencies.iter().copied().chain(std::iter::repeat(0.5)));
        told.make =
            Some(Make::Choice(ranks.map(|(rank, weight)| (format!("{prefix}{rank}"), weight)).collect()));
        self.notes.push("its values are not named: ranks stand for them".to_owned());
    }

    fn texts(&mut self, count: u64, told: &mut ColumnSeed) {
        self.notes.push(format!("about {count} different values"));
        let (Some(Make::Words { min, max }), Some(widths)) = (&mut told.make, self.found.widths) else {
            return;
        };
        // A word has about seven characters, with the space behind it; widths are rounded up to powers of two.
        let told_width = min.saturating_add(*max).saturating_mul(7) / 2;
        if (widths.average / 2..=widths.average.saturating_mul(2)).contains(&told_width) {
            return;
        }
        let words = |width: u64| (width / 7).max(1);
        let average = words(widths.average * 3 / 4);
        *min = (average / 2).max(1);
        *max = (average * 3 / 2).min(words(widths.most)).max(*min);
    }

    fn numbers(&mut self, kind: Kind, told: &mut ColumnSeed) {
        let form = Form::of(&self.column.kind, self.schema);
        let Form::Number { unit, .. } = form else { return };
        let Some(Make::Range { shape, min: Some(min), max: Some(max) }) = &mut told.make else {
            return self.notes.push("its maker is kept".to_owned());
        };
        let units = |text: &str| form.units(text, self.clock).map(|(units, _)| units);
        let (Some(mut low), Some(mut high), Some(lies)) = (units(min), units(max), self.found.lies) else {
            return;
        };
        let curve = Curve::nearest(lies.quartiles);
        let zipf = self.found.zipf.filter(|_| kind == Kind::Whole);
        if let Some(Distinct::About(count)) = self.found.distinct {
            let width = match zipf {
                Some(_) => i64::try_from(count).unwrap_or(i64::MAX),
                None => curve.width(column::part(self.rows, 1.0 - self.found.nulls.part()), count),
            };
            high = low.saturating_add(width.saturating_sub(1));
        }
        (low, high) = below_zero(lies, low, high);
        *shape = match (zipf, curve) {
            (Some(exponent), _) => Spread::Zipf { exponent },
            (None, curve) => spread(curve, unit, low, high),
        };
        (*min, *max) = (written(unit, low), written(unit, high));
        self.notes.push("its least and greatest value are guesses".to_owned());
    }

    fn times(&mut self, times: Times, told: &mut ColumnSeed) {
        let Some(seasons) = &self.found.seasons else {
            return self.notes.push("its maker is kept".to_owned());
        };
        if !matches!(times, Times::Day | Times::Instant)
            || !matches!(told.make, Some(Make::Series(_) | Make::Range { .. }))
        {
            return self.notes.push("its hours and days have no counterpart in its maker".to_owned());
        }
        told.make = Some(Make::Series(series(seasons, self.clock)));
        if let Some(Distinct::About(count)) = self.found.distinct {
            self.notes.push(format!("about {count} different values were measured, and it has more"));
        }
        self.notes.push("when it begins and ends is a guess".to_owned());
    }
}

fn shown(distinct: Distinct) -> String {
    match distinct {
        Distinct::Each(count) => format!("{count} different values"),
        Distinct::About(count) => format!("about {count} different values"),
        Distinct::All => "no two values are the same".to_owned(),
    }
}

/// Up to the clock, as long as nine tenths of it were measured to be.
fn series(seasons: &Seasons, clock: i64) -> Series {
    let length =
        seasons.span.and_then(|span| i64::try_from(span).ok()).map(|span| span.saturating_mul(SECOND) / 9);
    let from =
        length.map(|ninth| clock.saturating_sub(ninth.saturating_mul(10).min(100 * 365 * 86_400 * SECOND)));
    Series {
        from: from.map(|from| written(Unit::Instant { zoned: false }, from)),
        to: None,
        growth: seasons.growth,
        days: seasons.days.clone(),
        hours: seasons.hours.clone(),
    }
}

/// Moves a range that begins at or above 0 so that the share of those below 0 is about what was measured.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a guess")]
fn below_zero(lies: NumberShape, low: i64, high: i64) -> (i64, i64) {
    let negative = lies.negative.part();
    if low < 0 || negative < 0.01 {
        return (low, high);
    }
    let width = high.saturating_sub(low);
    let low = (-(width as f64) * negative) as i64;
    (low, low.saturating_add(width))
}

/// A curve over a range, in what a seed says.
fn spread(curve: Curve, unit: Unit, low: i64, high: i64) -> Spread {
    let width = high.saturating_sub(low);
    let sixth = written(unit, (width / 6).max(1));
    match curve {
        Curve::Uniform => Spread::Uniform,
        Curve::Normal => {
            Spread::Normal { mean: written(unit, low.saturating_add(width / 2)), deviation: sixth }
        }
        Curve::Exponential => Spread::Exponential { mean: sixth },
    }
}

fn written(unit: Unit, units: i64) -> String {
    let mut out = Vec::new();
    unit.write(units, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
