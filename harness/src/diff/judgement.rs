//! From pairs of values to a verdict: the mean change with its interval, a test, and a threshold.
//!
//! A change counts when it is beyond the threshold *and* beyond chance. Chance is judged by the paired t test over seeds,
//! corrected by Holm for the cells tested beside it. With three seeds and dozens of cells that correction would let a
//! collapse pass, so a change also counts where the test alone finds it and every single seed changed by more than
//! [`LARGE`] thresholds. Pairs that are the same to the last bit are no test and correct nothing. One pair has no spread: the
//! threshold alone decides, and the comparison says so.

use super::{
    figure::{Figure, Values},
    verdict::{Thresholds, Verdict},
};
use crate::stats::{self, ALPHA};
use serde::Serialize;

/// So many thresholds in every seed need no correction for many cells.
pub const LARGE: f64 = 3.0;

/// One figure of a cell, before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Which figure.
    pub figure: Figure,
    /// What became of it.
    pub verdict: Verdict,
    /// How many seeds it is over.
    pub pairs: usize,
    /// Whether every pair measured the same to the last bit, in all epochs. Never of speed.
    pub identical: bool,
    /// Its mean before: of accuracy in percent, of loss and samples per second geometric.
    pub before: Option<f64>,
    /// Its mean after.
    pub after: Option<f64>,
    /// Mean of what it changed by, in points of accuracy, else in percent of what it was.
    pub change: Option<f64>,
    /// The 95 % interval of `change`; none with one pair.
    pub interval: Option<[f64; 2]>,
    /// Two-sided p of the paired t test.
    pub p: Option<f64>,
    /// The same, corrected by Holm for all cells tested in this figure.
    pub p_holm: Option<f64>,
    /// What else there is to know, such as why it is not compared.
    pub note: Option<String>,
}

/// How a figure's changes are measured.
struct Scale {
    /// Whether changes are ratios, measured by their logarithm.
    ratio: bool,
    /// Whether more of it is better.
    more_is_better: bool,
    /// On this scale.
    threshold: f64,
}

impl Scale {
    fn of(figure: Figure, thresholds: Thresholds) -> Self {
        match figure {
            Figure::Accuracy => {
                Self { ratio: false, more_is_better: true, threshold: thresholds.accuracy_points }
            }
            Figure::Loss => Self {
                ratio: true,
                more_is_better: false,
                threshold: (thresholds.loss_percent / 100.0).ln_1p(),
            },
            Figure::Speed => Self {
                ratio: true,
                more_is_better: true,
                threshold: -(-thresholds.speed_percent / 100.0).ln_1p(),
            },
        }
    }

    /// What lies between the two values of a pair.
    fn effect(&self, (before, after): (f64, f64)) -> f64 {
        if self.ratio { (after / before).ln() } else { after - before }
    }

    /// An effect as people read it: points, or percent.
    fn readable(&self, effect: f64) -> f64 {
        if self.ratio { 100.0 * effect.exp_m1() } else { effect }
    }

    fn mean(&self, values: impl Iterator<Item = f64>) -> Option<f64> {
        if self.ratio {
            return stats::mean(&values.map(f64::ln).collect::<Vec<_>>()).map(f64::exp);
        }
        stats::mean(&values.collect::<Vec<_>>())
    }

    /// Whether every value can be measured on this scale.
    fn fits(&self, pairs: &[(f64, f64)]) -> bool {
        let fits = |value: f64| value.is_finite() && (!self.ratio || value > 0.0);
        pairs.iter().all(|(before, after)| fits(*before) && fits(*after))
    }
}

/// Judges one figure in all cells that have it.
pub(super) fn judge(figure: Figure, cells: Vec<Values>, thresholds: Thresholds) -> Vec<Comparison> {
    let scale = Scale::of(figure, thresholds);
    let mut judged: Vec<(Comparison, Vec<f64>)> =
        cells.into_iter().map(|values| measure(figure, &scale, values)).collect();
    let tested: Vec<usize> = (0..judged.len()).filter(|index| judged[*index].0.p.is_some()).collect();
    let p_values: Vec<f64> = tested.iter().filter_map(|index| judged[*index].0.p).collect();
    for (index, corrected) in tested.into_iter().zip(stats::holm(&p_values)) {
        judged[index].0.p_holm = Some(corrected);
    }
    judged
        .into_iter()
        .map(|(comparison, effects)| Comparison {
            verdict: verdict(&scale, &comparison, &effects),
            ..comparison
        })
        .collect()
}

/// Everything but what depends on other cells; beside it the effects themselves.
fn measure(figure: Figure, scale: &Scale, values: Values) -> (Comparison, Vec<f64>) {
    let Values { mut pairs, identical, mut note } = values;
    if !scale.fits(&pairs) {
        pairs.clear();
        note = Some(format!("not compared: a {} that is not a positive number", figure.name()));
    }
    let effects: Vec<f64> = pairs.iter().map(|pair| scale.effect(*pair)).collect();
    let estimate = stats::estimate(&effects);
    if effects.len() == 1 && !identical {
        let alone = "one seed: no interval and no test, the threshold alone decides";
        note = Some(note.map_or_else(|| alone.to_owned(), |note| format!("{note}; {alone}")));
    }
    let interval = estimate.and_then(|estimate| {
        let half_width = estimate.half_width?;
        Some([estimate.mean - half_width, estimate.mean + half_width].map(|end| scale.readable(end)))
    });
    let comparison = Comparison {
        figure,
        verdict: Verdict::NotComparable,
        pairs: pairs.len(),
        identical,
        before: scale.mean(pairs.iter().map(|pair| pair.0)),
        after: scale.mean(pairs.iter().map(|pair| pair.1)),
        change: estimate.map(|estimate| scale.readable(estimate.mean)),
        interval,
        p: if identical { None } else { stats::paired_t_test(&effects) },
        p_holm: None,
        note,
    };
    (comparison, effects)
}

fn verdict(scale: &Scale, comparison: &Comparison, effects: &[f64]) -> Verdict {
    let Some(mean) = stats::mean(effects) else { return Verdict::NotComparable };
    let clear = match (comparison.p, comparison.p_holm) {
        (Some(p), Some(p_holm)) => {
            let large = |effect: &f64| effect * mean.signum() > LARGE * scale.threshold;
            p_holm < ALPHA || p < ALPHA && effects.iter().all(large)
        }
        _ => true,
    };
    if comparison.identical || !clear || mean.abs() <= scale.threshold {
        Verdict::Unchanged
    } else if (mean > 0.0) == scale.more_is_better {
        Verdict::Better
    } else {
        Verdict::Worse
    }
}
