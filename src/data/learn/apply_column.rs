//! Shapes one column of a seed by its profile.

use super::kind::{Kind, Times};
use super::profile::{ColumnProfile, Distinct, FanOutProfile, NumberShape, Rules, Seasons};
use crate::data::generate::{Form, Unit};
use crate::data::schema::{Column, Schema, Table};
use crate::data::seed::{ColumnSeed, FanOut, Make, Series, Spread};

/// Where the quartiles of known distributions lie between their 5th and 95th percentiles.
const UNIFORM: [f64; 3] = [0.22, 0.5, 0.78];
const NORMAL: [f64; 3] = [0.295, 0.5, 0.705];
const EXPONENTIAL: [f64; 3] = [0.08, 0.22, 0.45];
/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// A column that is shaped.
pub(super) struct Shaping<'a> {
    pub(super) schema: &'a Schema,
    pub(super) table: &'a Table,
    pub(super) column: &'a Column,
    pub(super) found: &'a ColumnProfile,
    pub(super) rules: &'a Rules,
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
        if matches!(told.make, Some(Make::Constant(None) | Make::Sequence { .. } | Make::States(_) | Make::Reached { .. })) || is_key {
            return;
        }
        if !self.found.labels.is_empty() {
            return self.labels(told);
        }
        match (kind, self.found.distinct) {
            (_, None) => self.notes.push("too few rows have a value".to_owned()),
            (Kind::Text | Kind::Whole | Kind::Number(_), Some(Distinct::Each(count))) => self.stand_ins(kind, count, told),
            (Kind::Text | Kind::Whole, Some(Distinct::All)) => told.unique = true,
            (Kind::Text, Some(Distinct::About(count))) => self.texts(count, told),
            (Kind::Whole | Kind::Number(_), _) => self.numbers(kind, told),
            (Kind::Time(times), _) => self.times(times, told),
            (_, Some(distinct)) => self.notes.push(format!("{}, which its maker does not give", shown(distinct))),
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
        let longest = if let Form::Text { longest, .. } = Form::of(&self.column.kind, self.schema) { longest } else { None };
        let prefix = if kind == Kind::Text && longest.is_none_or(|longest| longest >= 8) { "value " } else { "" };
        let ranks = (1..=count.min(self.rules.most_labels.max(1))).zip(self.found.frequencies.iter().copied().chain(std::iter::repeat(0.5)));
        told.make = Some(Make::Choice(ranks.map(|(rank, weight)| (format!("{prefix}{rank}"), weight)).collect()));
        self.notes.push("its values are not named: ranks stand for them".to_owned());
    }

    fn texts(&mut self, count: u64, told: &mut ColumnSeed) {
        self.notes.push(format!("about {count} different values"));
        let (Some(Make::Words { min, max }), Some(widths)) = (&mut told.make, self.found.widths) else { return };
        // A word has about six characters, with the space behind it.
        let words = |width: u64| (width / 6).max(1);
        // Widths are rounded up to powers of two: the middle of what they were is three quarters.
        let average = words(widths.average * 3 / 4);
        (*min, *max) = ((average / 2).max(1), (average * 3 / 2).max(1).min(words(widths.most)).max((average / 2).max(1)));
    }

    fn numbers(&mut self, kind: Kind, told: &mut ColumnSeed) {
        let form = Form::of(&self.column.kind, self.schema);
        let Form::Number { unit, .. } = form else { return };
        let Some(Make::Range { shape, min: Some(min), max: Some(max) }) = &mut told.make else {
            return self.notes.push("its maker is kept".to_owned());
        };
        let units = |text: &str| form.units(text, self.clock).map(|(units, _)| units);
        let (Some(low), Some(mut high)) = (units(min), units(max)) else { return };
        let mut low = low;
        if let Some(lies) = self.found.lies {
            (low, high) = below_zero(lies, low, high);
        }
        if let (Kind::Whole, Some(Distinct::About(count))) = (kind, self.found.distinct) {
            high = low.saturating_add(i64::try_from(count).unwrap_or(i64::MAX).saturating_sub(1));
        }
        if let Some(found) = spread(self.found, unit, low, high) {
            *shape = found;
        }
        (*min, *max) = (written(unit, low), written(unit, high));
        self.notes.push("its least and greatest value are guesses".to_owned());
    }

    fn times(&mut self, times: Times, told: &mut ColumnSeed) {
        let Some(seasons) = &self.found.seasons else { return self.notes.push("its maker is kept".to_owned()) };
        if !matches!(times, Times::Day | Times::Instant) || !matches!(told.make, Some(Make::Series(_) | Make::Range { .. })) {
            return self.notes.push("its hours and days have no counterpart in its maker".to_owned());
        }
        told.make = Some(Make::Series(series(seasons, self.clock)));
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
    let length = seasons.span.and_then(|span| i64::try_from(span).ok()).map(|span| span.saturating_mul(SECOND) / 9);
    let from = length.map(|ninth| clock.saturating_sub(ninth.saturating_mul(10).min(100 * 365 * 86_400 * SECOND)));
    Series {
        from: from.map(|from| written(Unit::Instant { zoned: false }, from)),
        to: None,
        growth: seasons.growth,
        days: seasons.days.clone(),
        hours: seasons.hours.clone(),
    }
}

/// Moves a range that begins at or above 0 so that the share of those below 0 is what was measured.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a guess")]
fn below_zero(lies: NumberShape, low: i64, high: i64) -> (i64, i64) {
    let negative = lies.negative.part();
    if low < 0 || negative < 0.01 || negative > 0.99 {
        return (low, high);
    }
    ((-(high as f64) * negative / (1.0 - negative)) as i64, high)
}

/// The distribution that lies most like what was measured.
fn spread(found: &ColumnProfile, unit: Unit, low: i64, high: i64) -> Option<Spread> {
    if let Some(exponent) = found.zipf {
        return Some(Spread::Zipf { exponent });
    }
    let lies = found.lies?;
    let distance = |known: [f64; 3]| known.iter().zip(lies.quartiles).map(|(one, other)| (one - other).abs()).sum::<f64>();
    let width = high.saturating_sub(low);
    let all = [
        (distance(UNIFORM), Spread::Uniform),
        (distance(NORMAL), Spread::Normal { mean: written(unit, low.saturating_add(width / 2)), deviation: written(unit, width / 6) }),
        (distance(EXPONENTIAL), Spread::Exponential { mean: written(unit, (width / 6).max(1)) }),
    ];
    all.into_iter().min_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, spread)| spread)
}

fn written(unit: Unit, units: i64) -> String {
    let mut out = Vec::new();
    unit.write(units, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
