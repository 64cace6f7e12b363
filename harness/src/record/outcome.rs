//! How a run ended, in `outcome.json`: the last file that an attempt writes.

use super::event::Metrics;
use crate::spec::RunId;
use serde::{Deserialize, Serialize};

/// The one state in which a planned run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It trained to the end.
    Completed,
    /// Its loss stopped being a finite number. That is a result: the rule diverges under these settings.
    Diverged,
    /// It ended with an error.
    Failed,
    /// It ran past its time limit.
    TimedOut,
    /// It ran out of memory.
    OutOfMemory,
    /// It vanished without a word: its machine or its process was killed.
    Lost,
}

impl State {
    /// Every state, in the order in which reports list them.
    pub const ALL: [Self; 6] =
        [Self::Completed, Self::Diverged, Self::Failed, Self::TimedOut, Self::OutOfMemory, Self::Lost];

    /// Whether the run has told what its description comes to, so that it is never computed again.
    pub fn is_result(self) -> bool {
        matches!(self, Self::Completed | Self::Diverged)
    }

    /// As in files and tables, e.g. `timed-out`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::OutOfMemory => "out-of-memory",
            Self::Lost => "lost",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// [`super::event::RECORD_FORMAT`].
    pub format: u32,
    /// Which run.
    pub id: RunId,
    /// How it ended.
    pub state: State,
    /// Why, where it did not complete.
    pub reason: Option<String>,
    /// Its figures, where it completed.
    pub result: Option<RunResult>,
    /// What it took.
    pub resources: Resources,
    /// Where and with what it was computed.
    pub provenance: Provenance,
}

/// The figures of a completed run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The epoch whose network was selected.
    pub selected_epoch: u32,
    /// Of the selected network on the test split, which no choice has seen.
    pub test: Metrics,
    /// Of the selected network on the validation split, where there is one.
    pub validation: Option<Metrics>,
    /// Over the training batches of the selected epoch.
    pub train: Option<Metrics>,
    /// The best test accuracy over all epochs, where the suite asked for it: optimistic.
    pub best_test_accuracy_during_training: Option<f64>,
}

/// What a run took. Wall and processor time add up over the attempts whose epochs the run kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Wall time from the start of the process, in seconds.
    pub wall_seconds: f64,
    /// Processor time of the process, in seconds.
    pub cpu_seconds: f64,
    /// Wall time of training alone, in seconds.
    pub train_seconds: f64,
    /// Training samples per second of training.
    pub samples_per_second: f64,
    /// Largest resident memory of the process, in bytes.
    pub peak_memory_bytes: u64,
}

/// Where and with what a run was computed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of this program.
    pub apical_version: String,
    /// Git revision that it was built from.
    pub git_hash: String,
    /// Version of tch.
    pub tch_version: String,
    /// Version of `LibTorch`.
    pub libtorch_version: String,
    /// Processor model.
    pub cpu: String,
    /// GPU model, where one was used.
    pub gpu: Option<String>,
    /// Device of the run, e.g. `cpu`.
    pub device: String,
    /// `LibTorch` threads.
    pub threads: u32,
    /// Operating system and architecture, e.g. `linux x86_64`.
    pub platform: String,
    /// Hardware class: runs of one class may be compared in speed. Processor or GPU model, and threads.
    pub host_class: String,
    /// When the run ended, in UTC, to the second.
    pub finished_at: String,
}
