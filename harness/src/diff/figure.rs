//! One figure of a cell, paired over seeds: its values before and after, or why there is nothing to compare.

use super::pairing::{CellPair, RunPair};
use crate::record::{Epoch, Metrics, Outcome, RecordedRun};
use serde::Serialize;
use std::collections::BTreeSet;

/// Training shorter than this says more about the clock and the caches than about the program.
pub const LEAST_TRAIN_SECONDS: f64 = 1.0;

/// A run on a processor that got less of a core than this waited for others' work, and its speed says how busy they were.
pub const LEAST_CORE_SHARE: f64 = 0.9;

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
    let splits = |epoch: &Epoch| {
        (epoch.epoch, [bits(epoch.train), bits(epoch.validation), bits(epoch.test_during_training)])
    };
    run.epochs().into_iter().map(splits).collect()
}

/// Training speed, where the hardware is the same, training took long enough to be timed, and nothing else took the core.
///
/// One run that is too short leaves out the whole cell: of runs around the limit only the slow ones would be left.
pub(super) fn speed(pair: &CellPair<'_>) -> Values {
    let mut values = Values::default();
    let mut hardware = BTreeSet::new();
    let (mut elsewhere, mut short, mut busy, mut both) = (0, 0, 0, 0);
    for RunPair { before, after, .. } in &pair.runs {
        let (Some(old), Some(new)) = (completed(before), completed(after)) else { continue };
        both += 1;
        if old.provenance.host_class != new.provenance.host_class {
            elsewhere += 1;
            hardware.insert(format!("{} → {}", old.provenance.host_class, new.provenance.host_class));
        } else if old.resources.train_seconds.min(new.resources.train_seconds) < LEAST_TRAIN_SECONDS {
            short += 1;
        } else if core_share(old).min(core_share(new)) < LEAST_CORE_SHARE {
            busy += 1;
        } else {
            values.pairs.push((old.resources.samples_per_second, new.resources.samples_per_second));
        }
    }
    let mut reasons = Vec::new();
    if both == 0 {
        reasons.push("no seed completed on both sides".to_owned());
    }
    if elsewhere > 0 {
        let which: Vec<String> = hardware.into_iter().collect();
        reasons.push(format!("other hardware ({})", which.join("; ")));
    }
    if short > 0 {
        values.pairs.clear();
        reasons.push(format!("too short to time (less than {LEAST_TRAIN_SECONDS} s of training)"));
    }
    if busy > 0 {
        reasons.push("the machine was busy (the run got less than nine tenths of a core)".to_owned());
    }
    // One that is left of several would be judged without a test.
    if values.pairs.len() == 1 && both > 1 {
        values.pairs.clear();
    }
    let left = values.pairs.len();
    values.note = match left {
        0 => Some(format!("not compared: {}", reasons.join(", "))),
        _ if left < both => Some(format!("compared in {left} of {both} seeds: {}", reasons.join(", "))),
        _ => None,
    };
    values
}

fn completed(run: &RecordedRun) -> Option<&Outcome> {
    run.result()?;
    run.outcome.as_ref()
}

/// How much of a core the process got, of a run on a processor; a GPU's is its own.
fn core_share(outcome: &Outcome) -> f64 {
    let resources = &outcome.resources;
    if outcome.provenance.gpu.is_some() { 1.0 } else { resources.cpu_seconds / resources.wall_seconds }
}
