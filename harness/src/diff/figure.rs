//! One figure of a cell, paired over seeds: its values before and after, or why there is nothing to compare.

use super::pairing::{CellPair, RunPair};
use crate::record::{Metrics, RecordedRun};
use serde::Serialize;
use std::collections::BTreeSet;

/// Training shorter than this says more about the clock and the caches than about the program.
pub const LEAST_TRAIN_SECONDS: f64 = 1.0;

/// A figure that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// Test accuracy, in percent; its change is in points.
    Accuracy,
    /// Test loss of a regression; its change is in percent, by the ratio.
    Loss,
    /// Training samples per second; its change is in percent, by the ratio.
    Speed,
}

impl Figure {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Loss => "loss",
            Self::Speed => "speed",
        }
    }
}

/// The values of a figure over the pairs that have it.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// Before and after, a pair each.
    pub pairs: Vec<(f64, f64)>,
    /// Whether every pair measured the same to the last bit.
    pub identical: bool,
    /// Why some or all pairs are left out.
    pub note: Option<String>,
}

/// Accuracy, or the loss of a regression.
pub(super) fn quality(pair: &CellPair<'_>) -> (Figure, Values) {
    let regression = pair.is_regression();
    let figure = if regression[1] { Figure::Loss } else { Figure::Accuracy };
    if regression[0] != regression[1] {
        let note = Some("a regression on one side only".to_owned());
        return (figure, Values { note, ..Values::default() });
    }
    let mut values = Values { identical: true, ..Values::default() };
    for run in &pair.runs {
        if let (Some(before), Some(after)) = (run.before.result(), run.after.result()) {
            let of = |test: Metrics| if regression[1] { test.loss } else { 100.0 * test.accuracy };
            values.pairs.push((of(before.test), of(after.test)));
            values.identical &= before == after && measured(run.before) == measured(run.after);
        }
    }
    values.identical &= !values.pairs.is_empty();
    values.note = match (values.pairs.len(), pair.runs.len()) {
        (_, 0) => Some("no seed in common".to_owned()),
        (0, _) => Some("no seed completed on both sides".to_owned()),
        (some, all) if some < all => Some(format!("{some} of {all} seeds completed on both sides")),
        _ => None,
    };
    (figure, values)
}

/// Every loss and accuracy of a run, bit by bit.
fn measured(run: &RecordedRun) -> Vec<(u32, [Option<[u64; 2]>; 3])> {
    let bits = |metrics: Option<Metrics>| metrics.map(|m| [m.loss.to_bits(), m.accuracy.to_bits()]);
    let splits = |epoch: &crate::record::Epoch| {
        (epoch.epoch, [bits(epoch.train), bits(epoch.validation), bits(epoch.test_during_training)])
    };
    run.epochs().into_iter().map(splits).collect()
}

/// Training speed, where the hardware is the same and training took long enough to be timed.
pub(super) fn speed(pair: &CellPair<'_>) -> Values {
    let mut values = Values::default();
    let (mut elsewhere, mut short) = (BTreeSet::new(), 0);
    let mut hardware_differs = 0;
    for RunPair { before, after, .. } in &pair.runs {
        let (Some(old), Some(new)) = (completed(before), completed(after)) else { continue };
        if old.provenance.host_class != new.provenance.host_class {
            hardware_differs += 1;
            elsewhere.insert(format!("{} → {}", old.provenance.host_class, new.provenance.host_class));
        } else if old.resources.train_seconds.min(new.resources.train_seconds) < LEAST_TRAIN_SECONDS {
            short += 1;
        } else {
            values.pairs.push((old.resources.samples_per_second, new.resources.samples_per_second));
        }
    }
    let mut reasons = Vec::new();
    if hardware_differs > 0 {
        let which: Vec<String> = elsewhere.into_iter().collect();
        reasons.push(format!("other hardware in {hardware_differs}: {}", which.join("; ")));
    }
    if short > 0 {
        reasons.push(format!("too short to time in {short}: less than {LEAST_TRAIN_SECONDS} s of training"));
    }
    if values.pairs.is_empty() && reasons.is_empty() {
        reasons.push("no seed completed on both sides".to_owned());
    }
    values.note = (!reasons.is_empty()).then(|| format!("not compared: {}", reasons.join(", ")));
    values
}

fn completed(run: &RecordedRun) -> Option<&crate::record::Outcome> {
    run.result()?;
    run.outcome.as_ref()
}
