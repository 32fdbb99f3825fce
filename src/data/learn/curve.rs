//! How wide a range has to be, so that so many rows have so many different values.

/// Parts that a curve is cut into.
const CELLS: u32 = 256;
/// Where the quartiles of each curve lie between its 5th and 95th percentiles.
const QUARTILES: [(Curve, [f64; 3]); 3] = [
    (Curve::Uniform, [0.22, 0.5, 0.78]),
    (Curve::Normal, [0.295, 0.5, 0.705]),
    (Curve::Exponential, [0.08, 0.22, 0.45]),
];

/// A distribution over a range, whatever its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    /// Even.
    Uniform,
    /// A bell in the middle, six standard deviations wide.
    Normal,
    /// Falling, six means wide.
    Exponential,
}

impl Curve {
    /// The one whose quartiles lie most like these.
    pub(super) fn nearest(quartiles: [f64; 3]) -> Self {
        let distance = |known: &[f64; 3]| {
            known.iter().zip(quartiles).map(|(one, other)| (one - other).abs()).sum::<f64>()
        };
        let nearest = QUARTILES.iter().min_by(|one, other| distance(&one.1).total_cmp(&distance(&other.1)));
        nearest.map_or(Self::Uniform, |(curve, _)| *curve)
    }

    /// Its density at `place`, 0 to 1, but for a factor.
    fn density(self, place: f64) -> f64 {
        match self {
            Self::Uniform => 1.0,
            Self::Normal => (-0.5 * (6.0 * (place - 0.5)).powi(2)).exp(),
            Self::Exponential => (-6.0 * place).exp(),
        }
    }

    /// The values that a range of `width` values has to have, for `rows` draws to give `distinct` different ones.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "an estimate")]
    pub(super) fn width(self, rows: u64, distinct: u64) -> i64 {
        let parts: Vec<f64> =
            (0..CELLS).map(|cell| self.density((f64::from(cell) + 0.5) / f64::from(CELLS))).collect();
        let whole: f64 = parts.iter().sum();
        // Each of a cell's values is met with a chance of 1 - e^-n for n rows that it gets on average.
        let expected = |width: f64| {
            let values = width / f64::from(CELLS);
            parts.iter().map(|part| values * -(-(rows as f64 * part / whole / values)).exp_m1()).sum::<f64>()
        };
        let wanted = (distinct as f64).min(rows as f64 * 0.99);
        let (mut low, mut high) = (1.0, 1e15);
        for _ in 0..64 {
            // Widths span many powers of ten: their logarithms are halved.
            let middle = f64::sqrt(low * high);
            if expected(middle) < wanted { low = middle } else { high = middle }
        }
        high.round() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_give_the_wanted_number_of_values() {
        // A range that all values of are met is as wide as it has values; two draws in three are new in one as wide as rows.
        assert_eq!(Curve::Uniform.width(1_000_000, 400), 400);
        assert!((990..1010).contains(&Curve::Uniform.width(1000, 632)));
        assert!(Curve::Exponential.width(1000, 632) > 1500);
        assert!(Curve::Normal.width(10, 10) > 100);
    }

    #[test]
    fn quartiles_tell_curves_apart() {
        let found = [[0.2, 0.5, 0.8], [0.3, 0.5, 0.7], [0.1, 0.2, 0.45]].map(Curve::nearest);
        assert_eq!(found, [Curve::Uniform, Curve::Normal, Curve::Exponential]);
    }
}
