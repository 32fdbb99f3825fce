//! Turns counts into rounded figures that rest on enough rows.

use super::kind::{Kind, Times};
use super::profile::{
    ColumnProfile, Distinct, FanOutProfile, NumberShape, Rules, Seasons, Share, Widths, ratio, two_digits,
    two_digits_of,
};

/// A percentile of 5 rests on one row in so many.
const TAIL: u64 = 20;
/// Fewer points are no curve.
const POINTS: usize = 5;

/// What is counted in a column.
#[derive(Debug, Clone, Default)]
pub(in crate::data) struct Counts {
    pub(in crate::data) rows: u64,
    /// Rows that are not null.
    pub(in crate::data) filled: u64,
    pub(in crate::data) distinct: u64,
    /// Values that one row has.
    pub(in crate::data) lone: u64,
    /// Rows of the rarest value.
    pub(in crate::data) rarest: u64,
    /// Rows of the most frequent values.
    pub(in crate::data) top: Vec<u64>,
    /// Rows of the 1st, 2nd, 4th, 8th most frequent value, and so on.
    pub(in crate::data) doubling: Vec<u64>,
    pub(in crate::data) most_width: Option<u64>,
    pub(in crate::data) average_width: Option<u64>,
    /// Rows that lie on the line.
    pub(in crate::data) placed: u64,
    pub(in crate::data) negative: u64,
    pub(in crate::data) zero: u64,
    pub(in crate::data) quartiles: Option<[f64; 3]>,
    /// The spread's logarithm to base 2.
    pub(in crate::data) span: Option<u64>,
    pub(in crate::data) halves: [u64; 2],
    pub(in crate::data) days: Vec<u64>,
    pub(in crate::data) hours: Vec<u64>,
}

/// A column's figures, but for labels. `rows_in_all` is given where the counts are those of a sample.
pub(super) fn profile(counts: &Counts, kind: Kind, rows_in_all: Option<u64>, rules: &Rules) -> ColumnProfile {
    let least = rules.least;
    let enough = counts.filled >= least;
    let distinct = enough.then(|| distinct(counts, rows_in_all, rules));
    let repeats = enough && distinct != Some(Distinct::All);
    let rarest = least.max(part(counts.filled, rules.label_share));
    let common = counts.top.iter().filter(|count| repeats && **count >= rarest);
    ColumnProfile {
        nulls: Share::of(counts.rows - counts.filled.min(counts.rows), counts.rows, least),
        distinct,
        widths: counts.most_width.zip(counts.average_width).map(|(most, average)| Widths {
            average: average.max(1).next_power_of_two(),
            most: most.max(1).next_power_of_two(),
        }),
        labels: Vec::new(),
        frequencies: common.map(|count| two_digits_of(100.0 * ratio(*count, counts.filled))).collect(),
        zipf: if counts.distinct > rules.most_labels { zipf(&counts.doubling, least) } else { None },
        lies: lies(counts, kind, least),
        seasons: if let Kind::Time(times) = kind { seasons(counts, times, least) } else { None },
    }
}

/// Of a sample, by the estimator of Haas and Stokes that PostgreSQL's ANALYZE takes: n d / (n - f1 + f1 n / N), of n rows
/// among N, d different values, f1 of them in one row.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate"
)]
fn distinct(counts: &Counts, rows_in_all: Option<u64>, rules: &Rules) -> Distinct {
    let (sample, found, lone) = (counts.filled, counts.distinct, counts.lone);
    let Some(all) = rows_in_all else { return Distinct::of(found, sample, counts.rarest, rules) };
    if found == sample {
        return Distinct::All;
    }
    let all = all as f64 * ratio(sample, counts.rows);
    let [sample, found, lone] = [sample as f64, found as f64, lone as f64];
    let estimate = sample * found / (sample - lone + lone * sample / all.max(sample)).max(1.0);
    Distinct::of(estimate as u64, all as u64, counts.rarest, rules)
}

/// The exponent of the line through the logarithms of ranks and counts, where they lie near a line.
#[expect(clippy::cast_precision_loss, reason = "a fit")]
fn zipf(doubling: &[u64], least: u64) -> Option<f64> {
    let counts: Vec<f64> =
        doubling.iter().take_while(|count| **count >= least).map(|count| (*count as f64).ln()).collect();
    if counts.len() < POINTS {
        return None;
    }
    let ranks: Vec<f64> = (0..counts.len()).map(|at| at as f64 * std::f64::consts::LN_2).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (across, up) = (mean(&ranks), mean(&counts));
    let product = |one: &[f64], one_mean: f64, other: &[f64], other_mean: f64| {
        one.iter().zip(other).map(|(one, other)| (one - one_mean) * (other - other_mean)).sum::<f64>()
    };
    let (both, width, height) = (
        product(&ranks, across, &counts, up),
        product(&ranks, across, &ranks, across),
        product(&counts, up, &counts, up),
    );
    let exponent = -both / width;
    let near = height > 0.0 && both * both / (width * height) >= 0.9;
    (near && (0.2..=5.0).contains(&exponent)).then(|| (exponent * 10.0).round() / 10.0)
}

fn lies(counts: &Counts, kind: Kind, least: u64) -> Option<NumberShape> {
    let quartiles = counts.quartiles?;
    let is_number = matches!(kind, Kind::Whole | Kind::Number(_) | Kind::Time(Times::Span));
    let share = |count| if is_number { Share::of(count, counts.placed, least) } else { Share::None };
    (counts.placed >= TAIL * least).then(|| NumberShape {
        quartiles,
        negative: share(counts.negative),
        zero: share(counts.zero),
    })
}

fn seasons(counts: &Counts, times: Times, least: u64) -> Option<Seasons> {
    let percent = |counts: &[u64]| {
        let kept: Vec<u64> = counts.iter().map(|count| if *count >= least { *count } else { 0 }).collect();
        let all: u64 = kept.iter().sum();
        if all == 0 {
            Vec::new()
        } else {
            kept.iter().map(|count| two_digits_of(100.0 * ratio(*count, all))).collect()
        }
    };
    let on_calendar = matches!(times, Times::Day | Times::Instant) && counts.placed >= TAIL * least;
    let [early, late] = counts.halves;
    let seasons = Seasons {
        span: counts.span.filter(|power| on_calendar && *power < 63).map(|power| 1 << power),
        growth: (on_calendar && early >= least && late >= least).then(|| growth(ratio(late, early))),
        days: percent(&counts.days),
        hours: percent(&counts.hours),
    };
    (seasons != Seasons::default()).then_some(seasons)
}

/// How many times as many at the end as at the start, where density rises in a line from 1 to g: the later half then has
/// (1 + 3 g) / (3 + g) times as many as the earlier.
fn growth(later: f64) -> f64 {
    let growth = if later >= 2.7 { 20.0 } else { (3.0 * later - 1.0) / (3.0 - later) };
    two_digits_of(growth.clamp(0.05, 20.0))
}

/// From parents in all, and parents and children by classes of parents with about as many. Classes of too few parents go with
/// the next.
pub(super) fn fan_out(parents: u64, classes: &[(u64, u64)], least: u64) -> Option<FanOutProfile> {
    if parents < least {
        return None;
    }
    let (with, all): (u64, u64) =
        classes.iter().fold((0, 0), |sum, class| (sum.0 + class.0, sum.1 + class.1));
    let without = parents.saturating_sub(with);
    let mut merged: Vec<(u64, u64)> = vec![(without, 0)];
    for (count, children) in classes {
        match merged.last_mut() {
            Some(end) if end.0 < least => *end = (end.0 + count, end.1 + children),
            _ => merged.push((*count, *children)),
        }
    }
    if let Some(end) = merged.pop_if(|end| end.0 < least)
        && let Some(before) = merged.last_mut()
    {
        *before = (before.0 + end.0, before.1 + end.1);
    }
    let mut found: Vec<(u64, f64)> = Vec::new();
    for (count, children) in merged {
        let each = rounded(children, count);
        let percent = two_digits_of(100.0 * ratio(count, parents));
        match found.last_mut() {
            Some(end) if end.0 == each => end.1 = two_digits_of(end.1 + percent),
            _ => found.push((each, percent)),
        }
    }
    Some(FanOutProfile { mean: two_digits_of(ratio(all, parents)), children: found })
}

fn rounded(children: u64, parents: u64) -> u64 {
    two_digits((children + parents / 2) / parents.max(1))
}

/// A share of some rows, rounded up.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a threshold"
)]
pub(super) fn part(rows: u64, share: f64) -> u64 {
    (rows as f64 * share).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_few_parents_go_with_others() {
        let found =
            fan_out(1000, &[(300, 300), (200, 400), (10, 30), (5, 20), (85, 850), (3, 3000)], 50).unwrap();
        assert_eq!(found.children, [(0, 40.0), (1, 30.0), (2, 20.0), (38, 10.0)]);
        assert!((found.mean - 4.6).abs() < 1e-9);
        assert_eq!(fan_out(49, &[(40, 100)], 50), None);
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
    fn exponents_and_growth_are_found_again() {
        let counts = |exponent: f64| -> Vec<u64> {
            (0..8).map(|power| (100_000.0 / 2_f64.powi(power).powf(exponent)) as u64).collect()
        };
        assert_eq!(zipf(&counts(1.2), 50), Some(1.2));
        assert_eq!(zipf(&counts(0.0), 50), None);
        assert_eq!(zipf(&[100, 60, 49, 3, 2, 1], 50), None);
        for (later, expected) in [(1.0, 1.0), (10.0 / 6.0, 3.0), (0.6, 1.0 / 3.0)] {
            assert!((growth(later) - expected).abs() < 0.05, "{later}");
        }
    }

    #[test]
    fn a_sample_stands_for_all() {
        let rules = Rules::default();
        let counts =
            |filled, distinct, lone| Counts { rows: filled, filled, distinct, lone, ..Counts::default() };
        assert_eq!(distinct(&counts(1000, 1000, 1000), Some(50_000), &rules), Distinct::All);
        assert_eq!(distinct(&counts(1000, 200, 0), Some(50_000), &rules), Distinct::About(200));
        assert_eq!(distinct(&counts(1000, 600, 500), Some(50_000), &rules), Distinct::About(1200));
    }
}
