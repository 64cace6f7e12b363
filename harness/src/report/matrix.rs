//! The recorded runs seen as a matrix: datasets × architectures × algorithms, a cell holding its seeds.

use crate::{
    plan::Cell,
    record::{RecordedRun, Results, RunResult, State},
    stats::{self, Estimate},
};
use std::collections::{BTreeMap, HashMap};

/// The rule that every other one is held against.
const REFERENCE_RULE: &str = "bp";

/// All cells of a plan, in its order.
#[derive(Debug)]
pub struct Matrix<'r> {
    /// Labels of the datasets, in the order of the plan.
    pub datasets: Vec<&'r str>,
    /// Labels of the algorithms, in the order of the plan.
    pub algorithms: Vec<&'r str>,
    cells: Vec<CellRuns<'r>>,
    index: HashMap<&'r Cell, usize>,
}

/// A cell with its runs, in the order of their seeds in the plan.
#[derive(Debug)]
pub struct CellRuns<'r> {
    /// Its labels.
    pub cell: &'r Cell,
    /// Its runs.
    pub runs: Vec<&'r RecordedRun>,
}

impl<'r> Matrix<'r> {
    /// The matrix of the recorded runs.
    pub fn new(results: &'r Results) -> Self {
        let mut matrix =
            Self { datasets: Vec::new(), algorithms: Vec::new(), cells: Vec::new(), index: HashMap::new() };
        for run in &results.runs {
            let cell = &run.planned.cell;
            let next = matrix.cells.len();
            let position = *matrix.index.entry(cell).or_insert(next);
            if position == next {
                matrix.cells.push(CellRuns { cell, runs: Vec::new() });
                push_new(&mut matrix.datasets, &cell.dataset);
                push_new(&mut matrix.algorithms, &cell.algorithm);
            }
            matrix.cells[position].runs.push(run);
        }
        matrix
    }

    /// Every cell, in the order of the plan.
    pub fn cells(&self) -> &[CellRuns<'r>] {
        &self.cells
    }

    /// The cells of a dataset, in the order of the plan.
    pub fn of_dataset<'m>(&'m self, dataset: &'m str) -> impl Iterator<Item = &'m CellRuns<'r>> {
        self.cells.iter().filter(move |cell| cell.cell.dataset == dataset)
    }

    /// The cells of a dataset and an architecture, in the order of the plan.
    pub fn of_panel<'m>(
        &'m self,
        dataset: &'m str,
        architecture: &'m str,
    ) -> impl Iterator<Item = &'m CellRuns<'r>> {
        self.of_dataset(dataset).filter(move |cell| cell.cell.architecture == architecture)
    }

    /// The architectures that meet a dataset.
    pub fn architectures(&self, dataset: &str) -> Vec<&'r str> {
        let mut labels = Vec::new();
        for cell in self.cells.iter().filter(|cell| cell.cell.dataset == dataset) {
            push_new(&mut labels, &cell.cell.architecture);
        }
        labels
    }

    /// A cell by its labels; not every combination is planned.
    pub fn get(&self, dataset: &str, architecture: &str, algorithm: &str) -> Option<&CellRuns<'r>> {
        let cell = Cell {
            dataset: dataset.to_owned(),
            architecture: architecture.to_owned(),
            algorithm: algorithm.to_owned(),
        };
        self.index.get(&cell).map(|position| &self.cells[*position])
    }

    /// The cell of backpropagation that `cell` is held against; `None` for backpropagation itself, and where
    /// there is none on the same dataset and architecture.
    ///
    /// Of several, it is the one with the same axis values, else the one without any, else the one with the best
    /// validation accuracy: the test set chooses nothing.
    pub fn reference(&self, cell: &CellRuns<'r>) -> Option<&CellRuns<'r>> {
        if cell.is_reference() {
            return None;
        }
        let axes = |label: &'r str| label.split_once('[').map(|(_, axes)| axes);
        let candidates: Vec<&CellRuns<'r>> = self
            .of_panel(&cell.cell.dataset, &cell.cell.architecture)
            .filter(|other| other.is_reference())
            .collect();
        let with_axes = |wanted: Option<&str>| {
            candidates.iter().find(|other| axes(&other.cell.algorithm) == wanted).copied()
        };
        with_axes(axes(&cell.cell.algorithm)).or_else(|| with_axes(None)).or_else(|| {
            let best = |other: &&CellRuns<'r>| other.validation_accuracy().unwrap_or(f64::NEG_INFINITY);
            candidates.iter().copied().max_by(|left, right| best(left).total_cmp(&best(right)))
        })
    }
}

fn push_new<'r>(labels: &mut Vec<&'r str>, label: &'r str) {
    if !labels.contains(&label) {
        labels.push(label);
    }
}

impl<'r> CellRuns<'r> {
    /// Registered name of its rule.
    pub fn rule(&self) -> &'r str {
        self.runs.first().map_or("", |run| run.planned.spec.algorithm.rule.as_str())
    }

    /// Whether its rule is backpropagation.
    pub fn is_reference(&self) -> bool {
        self.rule() == REFERENCE_RULE
    }

    /// The completed runs with their figures.
    pub fn completed(&self) -> impl Iterator<Item = (&'r RecordedRun, &'r RunResult)> {
        self.runs.iter().filter_map(|run| run.result().map(|result| (*run, result)))
    }

    /// Test accuracy in percent over the completed runs.
    pub fn accuracy(&self) -> Option<Estimate> {
        self.percent(|result| Some(result.test.accuracy))
    }

    /// Best test accuracy during training in percent, over the completed runs that recorded it.
    pub fn best_of_training(&self) -> Option<Estimate> {
        self.percent(|result| result.best_test_accuracy_during_training)
    }

    fn percent(&self, figure: impl Fn(&RunResult) -> Option<f64>) -> Option<Estimate> {
        let values: Vec<f64> =
            self.completed().filter_map(|(_, result)| figure(result)).map(|share| share * 100.0).collect();
        stats::estimate(&values)
    }

    fn validation_accuracy(&self) -> Option<f64> {
        let values: Vec<f64> = self
            .completed()
            .filter_map(|(_, result)| result.validation.or(result.train))
            .map(|metrics| metrics.accuracy)
            .collect();
        stats::mean(&values)
    }

    /// Test accuracy here less that of `reference`, in points, over the seeds that completed in both.
    pub fn gap(&self, reference: &CellRuns<'_>) -> Option<Estimate> {
        let theirs: HashMap<u64, f64> = reference
            .completed()
            .map(|(run, result)| (run.planned.spec.seed, result.test.accuracy * 100.0))
            .collect();
        let pairs: Vec<(f64, f64)> = self
            .completed()
            .filter_map(|(run, result)| {
                Some((result.test.accuracy * 100.0, *theirs.get(&run.planned.spec.seed)?))
            })
            .collect();
        stats::paired_difference(&pairs)
    }

    /// How many of its runs stand where: `diverged 1, not run 2`, completed ones left out. Empty when all completed.
    pub fn shortfall(&self) -> String {
        let mut counts: BTreeMap<(usize, &str), usize> = BTreeMap::new();
        for run in &self.runs {
            let (rank, name) = match run.state() {
                Some(State::Completed) if run.result().is_some() => continue,
                // An outcome that claims completion without figures is no result.
                Some(State::Completed) => (0, "completed without figures"),
                Some(state) => {
                    (State::ALL.iter().position(|other| *other == state).unwrap_or(0), state.name())
                }
                None => (State::ALL.len(), "not run"),
            };
            *counts.entry((rank, name)).or_default() += 1;
        }
        let parts: Vec<String> =
            counts.iter().map(|((_, name), number)| format!("{number} {name}")).collect();
        parts.join(", ")
    }

    /// Its test accuracy as a table shows it: mean and interval, what is missing, or why there is none.
    pub fn accuracy_text(&self) -> String {
        let shortfall = self.shortfall();
        match self.accuracy() {
            None => format!("– ({shortfall})"),
            Some(accuracy) if shortfall.is_empty() => super::format::interval(accuracy, 2),
            Some(accuracy) => format!(
                "{} ({} of {}: {shortfall})",
                super::format::interval(accuracy, 2),
                accuracy.n,
                self.runs.len()
            ),
        }
    }
}
