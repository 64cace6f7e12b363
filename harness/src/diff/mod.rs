//! Two result sets compared, cell by cell: did a change of the program, of a setting or of a machine make something worse?
//!
//! It reads only what `record` wrote. Cells are paired by label and seed ([`pairing`]), figures over seeds ([`figure`],
//! [`judgement`]), states run by run ([`state`]); what differs in the descriptions is said beside them ([`settings`]).

#![expect(
    clippy::format_push_string,
    reason = "a page is put together from pieces of text; the few bytes copied cost nothing"
)]

mod figure;
mod judgement;
mod markdown;
mod pairing;
mod settings;
mod state;
mod verdict;
pub mod words;

pub use figure::{Figure, LEAST_CORE_SHARE, LEAST_TRAIN_SECONDS};
pub use judgement::{Comparison, LARGE};
pub use settings::SettingChange;
pub use state::{SeedChange, StateChange};
pub use verdict::{Aspect, Thresholds, Verdict};

use crate::{plan::Cell, record::Results};
use pairing::CellPair;
use serde::Serialize;
use std::collections::BTreeSet;

/// Version of a comparison as JSON.
pub const DIFF_FORMAT: u32 = 1;

/// How to judge.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How large a change has to be.
    pub thresholds: Thresholds,
    /// What makes it a regression when it is worse.
    pub fail_on: Vec<Aspect>,
}

impl Default for Options {
    fn default() -> Self {
        Self { thresholds: Thresholds::default(), fail_on: Aspect::ALL.to_vec() }
    }
}

/// Two result sets, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// [`DIFF_FORMAT`].
    pub format: u32,
    /// The outcome in a sentence.
    pub headline: String,
    /// Whether something is worse in an aspect of `fail_on`.
    pub regression: bool,
    /// What makes it a regression when it is worse.
    pub fail_on: Vec<Aspect>,
    /// How large a change has to be.
    pub thresholds: Thresholds,
    /// The earlier results.
    pub before: Side,
    /// The later results.
    pub after: Side,
    /// How many cells came out how.
    pub counts: Counts,
    /// The cells, in the order of the later plan; then those that are gone.
    pub cells: Vec<CellDiff>,
}

/// One of the two result sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Its folder, as given.
    pub results: String,
    /// Its suite.
    pub suite: String,
    /// Planned runs.
    pub runs: usize,
    /// Those that completed or diverged.
    pub done: usize,
    /// The builds that computed them, e.g. `0.1.0 (0123456789ab)`.
    pub builds: BTreeSet<String>,
    /// The hardware classes that they ran on.
    pub hardware: BTreeSet<String>,
    /// When the last of them ended, in UTC.
    pub finished_at: Option<String>,
}

impl Side {
    fn of(folder: &str, results: &Results) -> Self {
        let provenance = || results.runs.iter().filter_map(|run| Some(&run.outcome.as_ref()?.provenance));
        Self {
            results: folder.to_owned(),
            suite: results.plan.name.clone(),
            runs: results.runs.len(),
            done: results.done(),
            builds: provenance().map(|p| format!("{} ({})", p.apical_version, p.git_hash)).collect(),
            hardware: provenance().map(|p| p.host_class.clone()).collect(),
            finished_at: provenance().map(|p| p.finished_at.clone()).max(),
        }
    }
}

/// How many cells came out how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// All cells.
    pub cells: usize,
    /// Worse in something.
    pub worse: usize,
    /// Better in something and worse in nothing.
    pub better: usize,
    /// Neither.
    pub unchanged: usize,
    /// Of the unchanged, those whose every pair is the same to the last bit.
    pub identical: usize,
    /// In the later plan alone.
    pub new: usize,
    /// In the earlier plan alone.
    pub gone: usize,
    /// With nothing to compare.
    pub not_comparable: usize,
    /// Worse in accuracy, or in the loss of a regression.
    pub worse_in_accuracy: usize,
    /// Worse in speed.
    pub worse_in_speed: usize,
    /// Worse in how their runs end.
    pub worse_in_state: usize,
    /// Compared in speed.
    pub compared_in_speed: usize,
    /// With settings that differ.
    pub with_other_settings: usize,
}

/// A cell, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellDiff {
    /// Which.
    pub cell: Cell,
    /// What became of it.
    pub verdict: Verdict,
    /// Seeds in both plans.
    pub seeds: usize,
    /// Seeds in one plan only, which are left out.
    pub lone_seeds: usize,
    /// Settings that differ, so that a change is not the code's alone.
    pub settings: Vec<SettingChange>,
    /// Test accuracy, or of a regression the test loss; absent of cells that are new or gone.
    pub quality: Option<Comparison>,
    /// Training speed; absent likewise.
    pub speed: Option<Comparison>,
    /// How its runs ended; absent likewise.
    pub state: Option<StateChange>,
}

impl CellDiff {
    /// What became of an aspect.
    pub fn of(&self, aspect: Aspect) -> Option<Verdict> {
        match aspect {
            Aspect::Accuracy => self.quality.as_ref().map(|quality| quality.verdict),
            Aspect::Speed => self.speed.as_ref().map(|speed| speed.verdict),
            Aspect::State => self.state.as_ref().map(|state| state.verdict),
        }
    }

    /// Whether every pair measured the same to the last bit.
    pub fn is_identical(&self) -> bool {
        self.quality.as_ref().is_some_and(|quality| quality.identical)
    }
}

/// A result set and what to call its folder.
#[derive(Debug, Clone, Copy)]
pub struct Named<'r> {
    /// Its folder, as given.
    pub folder: &'r str,
    /// What is recorded in it.
    pub results: &'r Results,
}

/// Compares two result sets.
pub fn compare(before: Named<'_>, after: Named<'_>, options: &Options) -> Diff {
    let cells = compare_cells(before.results, after.results, options.thresholds);
    let counts = count(&cells);
    let regressed =
        |cell: &CellDiff| options.fail_on.iter().any(|aspect| cell.of(*aspect) == Some(Verdict::Worse));
    Diff {
        format: DIFF_FORMAT,
        headline: words::headline(&counts),
        regression: cells.iter().any(regressed),
        fail_on: options.fail_on.clone(),
        thresholds: options.thresholds,
        before: Side::of(before.folder, before.results),
        after: Side::of(after.folder, after.results),
        counts,
        cells,
    }
}

fn compare_cells(before: &Results, after: &Results, thresholds: Thresholds) -> Vec<CellDiff> {
    let (shared, lone): (Vec<_>, Vec<_>) =
        pairing::pair(before, after).into_iter().enumerate().partition(|(_, pair)| pair.planned == [true; 2]);
    // A figure is judged in all of its cells at once, since a test among many is corrected for the others.
    let (losses, accuracies): (Vec<_>, Vec<_>) = shared
        .iter()
        .map(|(place, pair)| (*place, figure::quality(pair)))
        .partition(|(_, (figure, _))| *figure == Figure::Loss);
    let mut qualities = Vec::new();
    for (figure, group) in [(Figure::Accuracy, accuracies), (Figure::Loss, losses)] {
        let (places, values): (Vec<_>, Vec<_>) =
            group.into_iter().map(|(place, (_, values))| (place, values)).unzip();
        qualities.extend(places.into_iter().zip(judgement::judge(figure, values, thresholds)));
    }
    qualities.sort_by_key(|(place, _)| *place);
    let speeds = judgement::judge(
        Figure::Speed,
        shared.iter().map(|(_, pair)| figure::speed(pair)).collect(),
        thresholds,
    );

    let mut cells: Vec<(usize, CellDiff)> =
        lone.iter().map(|(place, pair)| (*place, lone_cell(pair))).collect();
    for (((place, pair), (_, quality)), speed) in shared.iter().zip(qualities).zip(speeds) {
        let state = state::compare(pair);
        cells.push((
            *place,
            CellDiff {
                cell: pair.cell.clone(),
                verdict: Verdict::of_parts(&[quality.verdict, speed.verdict, state.verdict]),
                seeds: pair.runs.len(),
                lone_seeds: pair.lone_seeds,
                settings: pair.settings(),
                quality: Some(quality),
                speed: Some(speed),
                state: Some(state),
            },
        ));
    }
    cells.sort_by_key(|(place, _)| *place);
    cells.into_iter().map(|(_, cell)| cell).collect()
}

fn lone_cell(pair: &CellPair<'_>) -> CellDiff {
    CellDiff {
        cell: pair.cell.clone(),
        verdict: if pair.planned[1] { Verdict::New } else { Verdict::Gone },
        seeds: 0,
        lone_seeds: pair.lone_seeds,
        settings: Vec::new(),
        quality: None,
        speed: None,
        state: None,
    }
}

fn count(cells: &[CellDiff]) -> Counts {
    let with = |test: &dyn Fn(&CellDiff) -> bool| cells.iter().filter(|cell| test(cell)).count();
    let verdict = |verdict| with(&|cell| cell.verdict == verdict);
    let worse_in = |aspect| with(&|cell| cell.of(aspect) == Some(Verdict::Worse));
    Counts {
        cells: cells.len(),
        worse: verdict(Verdict::Worse),
        better: verdict(Verdict::Better),
        unchanged: verdict(Verdict::Unchanged),
        identical: with(&|cell| cell.verdict == Verdict::Unchanged && cell.is_identical()),
        new: verdict(Verdict::New),
        gone: verdict(Verdict::Gone),
        not_comparable: verdict(Verdict::NotComparable),
        worse_in_accuracy: worse_in(Aspect::Accuracy),
        worse_in_speed: worse_in(Aspect::Speed),
        worse_in_state: worse_in(Aspect::State),
        compared_in_speed: with(&|cell| cell.speed.as_ref().is_some_and(|speed| speed.pairs > 0)),
        with_other_settings: with(&|cell| !cell.settings.is_empty()),
    }
}

#[cfg(test)]
mod tests;
