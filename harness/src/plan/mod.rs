//! A plan is what a suite comes to: the list of its runs, each with its place in the matrix.
//!
//! It is a plain value, stored beside the results, so that a report needs no suite file.

mod cluster;
mod filters;

pub use cluster::{Engine, Exception, Requests, Slurm};
pub use filters::{FilterError, Filters};

use crate::spec::{RunId, RunSpec};
use serde::{Deserialize, Serialize};

/// Version of the stored plan.
pub const PLAN_FORMAT: u32 = 1;

/// A suite's runs, and what its report says about them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_FORMAT`].
    pub format: u32,
    /// The suite's name; also that of its report's folder.
    pub name: String,
    /// What the suite is for, in the words of its author.
    pub description: String,
    /// Published figures to set beside ours.
    pub published: Vec<Published>,
    /// How its runs are executed; no part of any run's identity.
    pub execution: Execution,
    /// What they ask of a cluster, where one computes them.
    #[serde(default)]
    pub requests: Requests,
    /// Every run, in the order of the suite: datasets, architectures, algorithms, seeds.
    pub runs: Vec<PlannedRun>,
}

impl Plan {
    /// The same plan with those runs alone that the filters select.
    #[must_use]
    pub fn filtered(&self, filters: &Filters) -> Self {
        let runs = self.runs.iter().filter(|run| filters.select(run)).cloned().collect();
        Self { runs, ..self.clone() }
    }
}

/// One run and its place in the matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedRun {
    /// Its identity.
    pub id: RunId,
    /// Its cell of the matrix; the runs of a cell differ in their seeds alone.
    pub cell: Cell,
    /// What it computes.
    pub spec: RunSpec,
}

/// A place in the matrix, by the suite's labels; an axis adds its value, e.g. `fa[feedback.scale=0.5]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Label of the dataset.
    pub dataset: String,
    /// Label of the architecture.
    pub architecture: String,
    /// Label of the algorithm.
    pub algorithm: String,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} / {} / {}", self.dataset, self.architecture, self.algorithm)
    }
}

/// Whether `pattern` names `label`: exactly, or as the part before the axis values in brackets.
pub fn label_matches(pattern: &str, label: &str) -> bool {
    pattern == label || label.split_once('[').is_some_and(|(base, _)| base == pattern)
}

/// How runs are executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Execution {
    /// Minutes after which a run is stopped and counted as timed out; no limit by default.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub timeout_minutes: Option<f64>,
    /// `LibTorch` threads of each run. More than one may change the last bits of its figures.
    #[schemars(range(min = 1))]
    pub threads: u32,
    /// How often a run that was lost to an infrastructure fault is tried again.
    pub retries: u32,
}

impl Default for Execution {
    fn default() -> Self {
        Self { timeout_minutes: None, threads: 1, retries: 2 }
    }
}

/// A published figure for some of the cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Label of the algorithm that it is about.
    pub algorithm: String,
    /// Label of the dataset.
    pub dataset: String,
    /// Label of the architecture.
    pub architecture: String,
    /// Test error in percent.
    pub test_error: f64,
    /// Its published spread in points, where there is one.
    pub spread: Option<f64>,
    /// Which of our figures it compares with.
    pub protocol: Protocol,
    /// Where it is from.
    pub source: String,
    /// How well we know it.
    pub firmness: Firmness,
    /// What it was measured on, where that is so different that the two cannot be compared: it is context, no goal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_comparable: Option<String>,
}

/// Which of a run's figures a published one compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// The test error of the network that was selected without the test set.
    #[default]
    Selected,
    /// The best test error over all epochs of training: optimistic, since the test set selects.
    BestOfTraining,
}

/// How well a published figure is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Firmness {
    /// Read in the paper or its official code.
    Seen,
    /// Read in another source.
    SecondHand,
    /// Quoted from memory: it informs, and nothing is judged by it.
    Memory,
}
