//! How long a run may take, judging by runs that were computed before.

use crate::{
    record::{Outcome, State, Store},
    spec::RunSpec,
};
use rayon::prelude::*;
use std::{collections::BTreeMap, fs};

/// What past runs took, by what decides it.
#[derive(Debug)]
pub struct Estimator {
    /// (seconds beside training, seconds per epoch) of runs alike but for seed and number of epochs.
    past: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Estimator {
    /// From every completed run in the results folder, whichever suite it was computed for.
    pub fn from_past_runs(store: &Store) -> Self {
        let runs = fs::read_dir(store.root().join("runs"));
        let folders: Vec<_> =
            runs.into_iter().flatten().flatten().map(|entry| entry.path().join("result")).collect();
        let read = |folder: &std::path::PathBuf| -> Option<(String, (f64, f64))> {
            let outcome: Outcome =
                serde_json::from_slice(&fs::read(folder.join("outcome.json")).ok()?).ok()?;
            let spec: RunSpec = serde_json::from_slice(&fs::read(folder.join("spec.json")).ok()?).ok()?;
            if outcome.state != State::Completed {
                return None;
            }
            let epochs = f64::from(spec.training.epochs);
            let resources = outcome.resources;
            let beside = (resources.wall_seconds - resources.train_seconds).max(0.0);
            Some((kind(&spec), (beside, resources.train_seconds / epochs)))
        };
        let mut past: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (kind, times) in folders.par_iter().filter_map(read).collect::<Vec<_>>() {
            past.entry(kind).or_default().push(times);
        }
        Self { past }
    }

    /// Seconds that a run may take; nothing where no run like it was computed.
    pub fn seconds(&self, spec: &RunSpec) -> Option<f64> {
        let times = self.past.get(&kind(spec))?;
        let epochs = f64::from(spec.training.epochs);
        let total: f64 = times.iter().map(|(beside, epoch)| beside + epoch * epochs).sum();
        Some(total / times.len() as f64)
    }
}

/// What decides how long an epoch takes: everything but the seed, the epochs and the size of the steps.
fn kind(spec: &RunSpec) -> String {
    let mut spec = spec.clone();
    spec.seed = 0;
    spec.training.epochs = 1;
    spec.canonical_json()
}
