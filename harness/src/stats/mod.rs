//! The statistics of reports and comparisons, and nothing else: means, Student's t intervals, paired differences and
//! their tests.
//!
//! An interval is the mean and a half-width; there is none for fewer than two values, where no spread is known.

mod significance;

pub use significance::{ALPHA, holm, paired_t_test};

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Coverage of every interval in a report.
pub const CONFIDENCE: f64 = 0.95;

/// A mean with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Arithmetic mean.
    pub mean: f64,
    /// Half the width of the two-sided interval of coverage [`CONFIDENCE`]; `None` for a single value.
    pub half_width: Option<f64>,
    /// How many values.
    pub n: usize,
}

impl Estimate {
    /// Whether the interval lies on one side of zero; `None` where there is no interval.
    pub fn excludes_zero(&self) -> Option<bool> {
        self.half_width.map(|half_width| self.mean.abs() > half_width)
    }

    /// The same in another unit.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            mean: self.mean * factor,
            half_width: self.half_width.map(|half| half * factor.abs()),
            n: self.n,
        }
    }
}

/// The arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample standard deviation, with n − 1 in the denominator; `None` for fewer than two values.
pub fn sample_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// The median; the mean of the middle two of an even number of values. `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The mean of independent values with Student's t interval, `t(n − 1) · s / √n`; `None` of nothing.
pub fn estimate(values: &[f64]) -> Option<Estimate> {
    let n = values.len();
    let half_width =
        sample_deviation(values).map(|deviation| t_quantile((n - 1) as f64) * deviation / (n as f64).sqrt());
    Some(Estimate { mean: mean(values)?, half_width, n })
}

/// The mean of `left − right` over pairs, with the interval of the paired t test; `None` without pairs.
pub fn paired_difference(pairs: &[(f64, f64)]) -> Option<Estimate> {
    let differences: Vec<f64> = pairs.iter().map(|(left, right)| left - right).collect();
    estimate(&differences)
}

/// The two-sided critical value of Student's t at [`CONFIDENCE`].
fn t_quantile(freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom)
        .map_or(f64::NAN, |distribution| distribution.inverse_cdf(f64::midpoint(1.0, CONFIDENCE)))
}

#[cfg(test)]
mod tests;
