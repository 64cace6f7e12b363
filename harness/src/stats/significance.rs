//! Whether differences over pairs are more than chance: Student's paired t test, and Holm's correction where many
//! are tested at once.
//!
//! S. Holm. *A simple sequentially rejective multiple test procedure.* Scandinavian Journal of Statistics 6 (1979).

use super::{mean, sample_deviation};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Level of every test: what happens by chance less often than this counts as a difference.
pub const ALPHA: f64 = 1.0 - super::CONFIDENCE;

/// The two-sided p of Student's t test that differences over pairs have mean 0; `None` for fewer than two. Where all
/// differences are the same nothing is left to chance: p is 1 where they are 0, else 0.
pub fn paired_t_test(differences: &[f64]) -> Option<f64> {
    let deviation = sample_deviation(differences)?;
    let mean = mean(differences)?;
    if deviation == 0.0 {
        return Some(if mean == 0.0 { 1.0 } else { 0.0 });
    }
    let n = differences.len() as f64;
    let t = mean / (deviation / n.sqrt());
    let distribution = StudentsT::new(0.0, 1.0, n - 1.0).ok()?;
    // The lower tail keeps its digits where the upper one would be a difference of two numbers near 1.
    Some((2.0 * distribution.cdf(-t.abs())).min(1.0))
}

/// Each p as corrected for all of them: below a level, it is so with a chance of any false alarm below that level.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|left, right| p_values[*left].total_cmp(&p_values[*right]));
    let mut corrected = vec![1.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        // One that is larger than a later one would turn the order around, hence the maximum so far.
        largest = largest.max((p_values.len() - rank) as f64 * p_values[index]).min(1.0);
        corrected[index] = largest;
    }
    corrected
}
