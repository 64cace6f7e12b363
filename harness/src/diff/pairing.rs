//! What is compared with what: cells by their labels, and within a cell runs by their seeds.
//!
//! Ids would pair only runs whose descriptions are the same to the last setting, which is not the question after a
//! setting has changed; so a label stands for the same thing before and after, and what differs is said beside it.

use super::settings::{SettingChange, changes};
use crate::{
    plan::Cell,
    record::{RecordedRun, Results},
};
use std::collections::{BTreeMap, BTreeSet};

/// A cell before and after.
#[derive(Debug)]
pub(super) struct CellPair<'r> {
    pub cell: &'r Cell,
    /// Whether the plan before, and that after, has the cell.
    pub planned: [bool; 2],
    /// The runs whose seed is planned on both sides.
    pub runs: Vec<RunPair<'r>>,
    /// Seeds planned on one side only.
    pub lone_seeds: usize,
}

/// A seed of a cell, before and after.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunPair<'r> {
    pub seed: u64,
    pub before: &'r RecordedRun,
    pub after: &'r RecordedRun,
}

impl CellPair<'_> {
    /// Every setting in which a pair differs, told once.
    pub fn settings(&self) -> Vec<SettingChange> {
        let mut seen = BTreeSet::new();
        let all = self.runs.iter().flat_map(|run| changes(&run.before.planned.spec, &run.after.planned.spec));
        all.filter(|change| seen.insert(change.path.clone())).collect()
    }

    /// Whether its dataset has values to learn, before and after.
    pub fn is_regression(&self) -> [bool; 2] {
        let any = |side: fn(&RunPair<'_>) -> bool| self.runs.iter().any(side);
        [
            any(|run| run.before.planned.spec.dataset.is_regression()),
            any(|run| run.after.planned.spec.dataset.is_regression()),
        ]
    }
}

type Seeds<'r> = BTreeMap<u64, &'r RecordedRun>;

/// Every cell of either side: those of the later plan in its order, then those that are gone.
pub(super) fn pair<'r>(before: &'r Results, after: &'r Results) -> Vec<CellPair<'r>> {
    let (old_order, old) = cells(before);
    let (new_order, new) = cells(after);
    let gone = old_order.into_iter().filter(|cell| !new.contains_key(cell));
    let all: Vec<&Cell> = new_order.into_iter().chain(gone).collect();
    all.into_iter()
        .map(|cell| {
            let nothing = Seeds::new();
            let [before, after] = [&old, &new].map(|side| side.get(cell).unwrap_or(&nothing));
            let runs: Vec<RunPair<'r>> = before
                .iter()
                .filter_map(|(seed, before)| Some(RunPair { seed: *seed, before, after: after.get(seed)? }))
                .collect();
            CellPair {
                cell,
                planned: [!before.is_empty(), !after.is_empty()],
                lone_seeds: before.len() + after.len() - 2 * runs.len(),
                runs,
            }
        })
        .collect()
}

/// The cells of a side in the order of its plan, and the runs of each by seed.
fn cells(results: &Results) -> (Vec<&Cell>, BTreeMap<&Cell, Seeds<'_>>) {
    let mut order = Vec::new();
    let mut cells: BTreeMap<&Cell, Seeds<'_>> = BTreeMap::new();
    for run in &results.runs {
        let cell = &run.planned.cell;
        cells
            .entry(cell)
            .or_insert_with(|| {
                order.push(cell);
                Seeds::new()
            })
            .insert(run.planned.spec.seed, run);
    }
    (order, cells)
}
