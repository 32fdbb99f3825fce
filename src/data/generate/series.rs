//! Times of events: more of them in some hours, on some days, and as a business grows.

use super::calendar::{DAY, HOUR, weekday};
use super::distribution::Weights;
use super::random::Draws;

/// A time series in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    /// The first time that can be.
    pub(super) from: i64,
    /// The last.
    pub(super) to: i64,
    /// How many times as many at the end as at the start.
    pub(super) growth: f64,
    /// Monday to Sunday.
    pub(super) days: Option<Weights>,
    /// From midnight on.
    pub(super) hours: Option<Weights>,
}

impl Series {
    /// The time at `part` of the series; what the part leaves open is drawn.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "whole seconds are meant"
    )]
    pub(super) fn at(&self, part: f64, draws: &mut Draws) -> i64 {
        let length = self.to.saturating_sub(self.from).max(0);
        let mut time = self.from + (grown(part, self.growth) * length as f64) as i64;
        if let Some(days) = &self.days {
            let day = time.div_euclid(DAY);
            let monday = day - weekday(day);
            let wanted = i64::try_from(days.at(draws.unit())).unwrap_or(0);
            let moved = (monday + wanted) * DAY + time.rem_euclid(DAY);
            // A week that is cut off by the series' ends keeps what was drawn first.
            time = if (self.from..=self.to).contains(&moved) { moved } else { time };
        }
        if let Some(hours) = &self.hours {
            let hour = i64::try_from(hours.at(draws.unit())).unwrap_or(0);
            time = time.div_euclid(DAY) * DAY + hour * HOUR + time.rem_euclid(HOUR);
        }
        let whole = time - time.rem_euclid(super::calendar::SECOND);
        whole.clamp(self.from, self.to)
    }
}

/// The quantile of a density that rises in a line from 1 to `growth`.
fn grown(part: f64, growth: f64) -> f64 {
    if (growth - 1.0).abs() < 1e-9 {
        return part;
    }
    (libm::sqrt(1.0 + (growth * growth - 1.0) * part) - 1.0) / (growth - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::generate::calendar::day;
    use crate::data::generate::random::Stream;

    #[test]
    fn seasons_are_kept_and_growth_shows() {
        let mut hours = [0.0; 24];
        hours[9] = 1.0;
        hours[17] = 3.0;
        let series = Series {
            from: day(2024, 1, 1) * DAY,
            to: day(2024, 12, 31) * DAY,
            growth: 3.0,
            days: Weights::new([1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]),
            hours: Weights::new(hours),
        };
        let stream = Stream::new(1, &["s"]);
        let times: Vec<i64> = (0..4000)
            .map(|row| {
                let mut draws = stream.draws(row);
                let part = draws.unit();
                series.at(part, &mut draws)
            })
            .collect();
        let share = |wanted: &dyn Fn(i64) -> bool| times.iter().filter(|time| wanted(**time)).count();
        assert!(times.iter().all(|time| (series.from..=series.to).contains(time)));
        assert!(share(&|time| weekday(time.div_euclid(DAY)) > 4) < 40);
        assert!((2800..3200).contains(&share(&|time| time.rem_euclid(DAY) / HOUR == 17)));
        let second_half = share(&|time| time > i64::midpoint(series.from, series.to));
        assert!((2350..2650).contains(&second_half), "{second_half}");
    }
}
