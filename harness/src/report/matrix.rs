//! The recorded runs seen as a matrix: datasets × architectures × algorithms, a cell holding its seeds.

use crate::{
    plan::Cell,
    record::{Metrics, RecordedRun, Results, RunResult, State},
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
    /// Whether its dataset has values to learn: then its figure is a loss, and the lower the better.
    pub regression: bool,
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
                let regression = run.planned.spec.dataset.is_regression();
                matrix.cells.push(CellRuns { cell, runs: Vec::new(), regression });
                push_new(&mut matrix.datasets, &cell.dataset);
                push_new(&mut matrix.algorithms, &cell.algorithm);
            }
            matrix.cells[position].runs.push(run);
        }
        matrix
    }

    /// Whether a dataset has values to learn instead of classes.
    pub fn is_regression(&self, dataset: &str) -> bool {
        self.of_dataset(dataset).any(|cell| cell.regression)
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
    /// figure on the validation split: the test set chooses nothing.
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
            let best = |other: &&CellRuns<'r>| other.validation_score().unwrap_or(f64::NEG_INFINITY);
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

    /// Test accuracy in percent, or of a regression the test loss, over the completed runs.
    pub fn figure(&self) -> Option<Estimate> {
        let values: Vec<f64> = self.completed().map(|(_, result)| self.figure_of(result.test)).collect();
        stats::estimate(&values)
    }

    fn figure_of(&self, metrics: Metrics) -> f64 {
        if self.regression { metrics.loss } else { metrics.accuracy * 100.0 }
    }

    /// The higher the better a mean figure is, or a gap.
    pub fn score(&self, figure: f64) -> f64 {
        if self.regression { -figure } else { figure }
    }

    /// How many decimals its figures deserve: two of a percentage, of a loss as many as show three digits.
    pub fn decimals(&self) -> usize {
        let magnitude =
            self.figure().map(|figure| figure.mean.abs()).filter(|mean| self.regression && *mean > 0.0);
        magnitude.map_or(2, |mean| (2.0 - mean.log10().floor()).clamp(0.0, 8.0) as usize)
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

    fn validation_score(&self) -> Option<f64> {
        let values: Vec<f64> = self
            .completed()
            .filter_map(|(_, result)| result.validation.or(result.train))
            .map(|metrics| self.score(self.figure_of(metrics)))
            .collect();
        stats::mean(&values)
    }

    /// The figure here less that of `reference`, of accuracies in points, over the seeds that completed in both.
    pub fn gap(&self, reference: &CellRuns<'_>) -> Option<Estimate> {
        let theirs: HashMap<u64, f64> = reference
            .completed()
            .map(|(run, result)| (run.planned.spec.seed, self.figure_of(result.test)))
            .collect();
        let pairs: Vec<(f64, f64)> = self
            .completed()
            .filter_map(|(run, result)| {
                Some((self.figure_of(result.test), *theirs.get(&run.planned.spec.seed)?))
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

    /// Its figure as a table shows it: mean and interval, what is missing, or why there is none.
    pub fn figure_text(&self) -> String {
        let shortfall = self.shortfall();
        let decimals = self.decimals();
        match self.figure() {
            None => format!("– ({shortfall})"),
            Some(figure) if shortfall.is_empty() => super::format::interval(figure, decimals),
            Some(figure) => format!(
                "{} ({} of {}: {shortfall})",
                super::format::interval(figure, decimals),
                figure.n,
                self.runs.len()
            ),
        }
    }
}
