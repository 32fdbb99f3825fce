//! Distributions as quantiles: a number between 0 and 1 becomes a value, rising with it. `libm` computes, not the machine's
//! C library, so that every machine gives the same bits.

/// How values lie in a range of whole numbers.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::data) enum Shape {
    /// Each as likely as the other.
    Uniform,
    /// A bell.
    Normal {
        /// Its middle.
        mean: f64,
        /// Its standard deviation.
        deviation: f64,
    },
    /// Many near the lower end, few far from it.
    Exponential {
        /// How far from the lower end on average.
        mean: f64,
    },
    /// The n-th value about 1/n^exponent as likely as the first.
    Zipf {
        /// How steep; 0 is uniform.
        exponent: f64,
    },
}

impl Shape {
    /// The value at `part` of the distribution, kept within `low..=high`.
    pub(in crate::data) fn at(&self, part: f64, low: i64, high: i64) -> i64 {
        let found = match *self {
            Self::Uniform => return uniform(part, low, high),
            // The part of the distribution that lies in the range is all of it: nothing gathers at the ends.
            Self::Normal { mean, deviation } => {
                // A deviation of 0 is the mean itself.
                let deviation = deviation.max(f64::MIN_POSITIVE);
                let below = |value: i64| below((float(value) - mean) / deviation);
                let (start, end) = (below(low), below(high));
                nearest(mean + deviation * normal(start + (end - start) * part))
            }
            Self::Exponential { mean } => {
                let all = -libm::expm1(-float(high.saturating_sub(low)) / mean);
                low.saturating_add(nearest(-mean * libm::log1p(-part * all)))
            }
            Self::Zipf { exponent } => low.saturating_add(zipf(part, exponent, span(low, high))),
        };
        found.clamp(low, high)
    }
}

/// How many values lie in `low..=high`; at most 2^63.
pub(in crate::data) fn span(low: i64, high: i64) -> u64 {
    high.abs_diff(low).saturating_add(1).min(1 << 63)
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn uniform(part: f64, low: i64, high: i64) -> i64 {
    // 53 bits of `part` name every value of any range that people write, and cover larger ones evenly.
    let size = span(low, high);
    let offset = ((part * size as f64) as u64).min(size - 1);
    low.wrapping_add_unsigned(offset)
}

#[expect(clippy::cast_possible_truncation, reason = "it saturates, which is meant")]
fn nearest(value: f64) -> i64 {
    libm::round(value) as i64
}

/// A bounded Pareto distribution's quantile, cut to whole numbers: within a few percent of Zipf's, and closed.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn zipf(part: f64, exponent: f64, size: u64) -> i64 {
    let end = size as f64 + 1.0;
    let rank = if (exponent - 1.0).abs() < 1e-9 {
        libm::pow(end, part)
    } else {
        let power = 1.0 - exponent;
        libm::pow(1.0 + part * (libm::pow(end, power) - 1.0), 1.0 / power)
    };
    (rank as i64).saturating_sub(1)
}

/// Acklam's coefficients, the highest power first.
const A: [f64; 6] = [
    -3.969_683_028_665_376e1,
    2.209_460_984_245_205e2,
    -2.759_285_104_469_687e2,
    1.383_577_518_672_69e2,
    -3.066_479_806_614_716e1,
    2.506_628_277_459_239,
];
const B: [f64; 6] = [
    -5.447_609_879_822_406e1,
    1.615_858_368_580_409e2,
    -1.556_989_798_598_866e2,
    6.680_131_188_771_972e1,
    -1.328_068_155_288_572e1,
    1.0,
];
const C: [f64; 6] = [
    -7.784_894_002_430_293e-3,
    -3.223_964_580_411_365e-1,
    -2.400_758_277_161_838,
    -2.549_732_539_343_734,
    4.374_664_141_464_968,
    2.938_163_982_698_783,
];
const D: [f64; 5] =
    [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416, 1.0];

/// The standard normal quantile. Peter Acklam's rational approximation: relative error below 1.15e-9.
pub(in crate::data) fn normal(part: f64) -> f64 {
    let part = part.clamp(1e-16, 1.0 - 1e-16);
    let tail = |part: f64| {
        let q = libm::sqrt(-2.0 * libm::log(part));
        polynomial(&C, q) / polynomial(&D, q)
    };
    if part < 0.02425 {
        tail(part)
    } else if part > 1.0 - 0.02425 {
        -tail(1.0 - part)
    } else {
        let q = part - 0.5;
        polynomial(&A, q * q) * q / polynomial(&B, q * q)
    }
}

/// Horner's rule, the highest power first.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// The part of the standard normal distribution below `value`.
fn below(value: f64) -> f64 {
    0.5 * libm::erfc(-value / core::f64::consts::SQRT_2)
}

#[expect(clippy::cast_precision_loss, reason = "a distribution's value is not exact")]
fn float(units: i64) -> f64 {
    units as f64
}

/// A part that goes with another by a Gaussian copula: `strength` from -1 (opposite) by 0 (on its own) to 1 (the same).
pub(in crate::data) fn coupled(own: f64, other: f64, strength: f64) -> f64 {
    let mixed = strength * normal(other) + libm::sqrt(1.0 - strength * strength) * normal(own);
    below(mixed).clamp(0.0, 1.0 - f64::EPSILON)
}

/// Entries by their weights.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::data) struct Weights {
    sums: Vec<f64>,
}

impl Weights {
    /// None where there is no entry of a weight above 0, or one of a weight below it.
    pub(in crate::data) fn new(weights: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sum = 0.0;
        let mut sums = Vec::new();
        for weight in weights {
            if !(weight >= 0.0 && weight.is_finite()) {
                return None;
            }
            sum += weight;
            sums.push(sum);
        }
        (sum > 0.0 && sum.is_finite()).then_some(Self { sums })
    }

    /// The entry at `part` of all weight. One without weight is never it.
    pub(in crate::data) fn at(&self, part: f64) -> usize {
        let sought = part * self.sums.last().copied().unwrap_or_default();
        self.sums.partition_point(|sum| *sum <= sought).min(self.sums.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_rise_and_stay_in_range() {
        let shapes = [
            Shape::Uniform,
            Shape::Normal { mean: 50.0, deviation: 10.0 },
            Shape::Exponential { mean: 20.0 },
            Shape::Zipf { exponent: 1.0 },
            Shape::Zipf { exponent: 1.3 },
        ];
        for shape in shapes {
            let values: Vec<i64> = (0..1000).map(|n| shape.at(f64::from(n) / 1000.0, 0, 100)).collect();
            assert!(values.is_sorted() && values[0] >= 0 && values[999] <= 100, "{shape:?}");
        }
    }

    #[test]
    fn they_are_the_same_bits_on_every_machine() {
        let part = 0.123_456_789;
        let bits = [normal(part), coupled(part, 0.9, 0.7)].map(f64::to_bits);
        assert_eq!(bits, GOLDEN);
        let shapes = [
            (Shape::Normal { mean: 0.0, deviation: 1e6 }, -1_157_878),
            (Shape::Exponential { mean: 1e6 }, 130_821),
            (Shape::Zipf { exponent: 1.1 }, 1),
        ];
        for (shape, value) in shapes {
            let low = if matches!(shape, Shape::Normal { .. }) { -5_000_000 } else { 0 };
            assert_eq!(shape.at(part, low, 5_000_000), value, "{shape:?}");
        }
    }

    const GOLDEN: [u64; 2] = [13_831_265_477_700_136_573, 4_602_930_848_908_684_306];

    #[test]
    fn ends_of_the_number_line_are_no_trap() {
        assert_eq!(Shape::Uniform.at(0.0, i64::MIN, i64::MAX), i64::MIN);
        assert!(Shape::Uniform.at(0.999_999, i64::MIN, i64::MAX) < i64::MAX);
        assert_eq!(Shape::Uniform.at(0.7, 5, 5), 5);
        assert_eq!(Shape::Normal { mean: 4.0, deviation: 0.0 }.at(0.3, 0, 9), 4);
        assert_eq!(Shape::Exponential { mean: 0.0 }.at(0.3, 2, 9), 2);
        assert_eq!(Shape::Normal { mean: f64::INFINITY, deviation: 1.0 }.at(0.5, 0, 9), 9);
    }

    #[test]
    fn weights_are_kept() {
        let weights = Weights::new([1.0, 0.0, 3.0]).unwrap();
        let counts = (0..1000).fold([0; 3], |mut counts, n| {
            counts[weights.at(f64::from(n) / 1000.0)] += 1;
            counts
        });
        assert_eq!(counts, [250, 0, 750]);
        for none in [vec![], vec![0.0], vec![-1.0, 2.0], vec![f64::NAN]] {
            assert_eq!(Weights::new(none), None);
        }
    }
}
