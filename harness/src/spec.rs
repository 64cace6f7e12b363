//! A run is a value: one fully resolved description of a training run, and its identity.
//!
//! Everything that can change a run's metrics is in its [`RunSpec`]; nothing else is. The machine, the
//! device, the engine and the number of jobs are provenance: they are recorded, and are no part of the id.

use crate::{
    data::{DatasetSpec, spec::NOT_IDENTITY},
    digest::sha256,
};
use apical_algorithms::{
    Problem, architecture::Architecture, loss::Loss, optimizer::OptimizerConfig, schedule::Schedule,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{fmt, str::FromStr};

/// Version of the meaning of a [`RunSpec`]: it changes whenever the same description would compute
/// something else, so that old results are never taken for new ones.
pub const SPEC_FORMAT: u32 = 1;

/// Hexadecimal digits of a run's id.
const ID_DIGITS: usize = 16;

/// One run, with every option resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// [`SPEC_FORMAT`].
    pub format: u32,
    /// Seed of all of the run's randomness but the data split.
    pub seed: u64,
    /// The data, its split, normalisation and augmentation.
    pub dataset: DatasetSpec,
    /// The network.
    pub architecture: Architecture,
    /// The learning rule.
    pub algorithm: AlgorithmSpec,
    /// How long and with which optimizer.
    pub training: Training,
    /// What is measured, and which epoch's network is the result.
    pub evaluation: Evaluation,
    /// Which diagnostics are sampled.
    pub diagnostics: Diagnostics,
}

/// A learning rule with its configuration, every default filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlgorithmSpec {
    /// Registered name of the rule.
    pub rule: String,
    /// Its configuration.
    pub config: Value,
}

/// How a network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Passes over the training split.
    #[schemars(range(min = 1))]
    pub epochs: u32,
    /// Samples per update; the last batch of an epoch may be smaller.
    #[schemars(range(min = 1))]
    pub batch_size: u32,
    /// What is minimised.
    #[serde(default = "cross_entropy")]
    pub loss: Loss,
    /// What applies the rule's directions.
    pub optimizer: OptimizerConfig,
    /// How the learning rate changes over training.
    #[serde(default)]
    pub schedule: Schedule,
    /// Directions are scaled down together to this Euclidean norm.
    #[serde(default)]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub clip_norm: Option<f64>,
    /// Number format of parameters and activities.
    #[serde(default)]
    pub precision: Precision,
}

fn cross_entropy() -> Loss {
    Loss::CrossEntropy
}

impl Training {
    /// What is wrong with the values, if anything.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.epochs == 0 {
            problems.push(Problem::at("epochs", "must be at least 1"));
        }
        if self.batch_size == 0 {
            problems.push(Problem::at("batch_size", "must be at least 1"));
        }
        if self.clip_norm.is_some_and(|norm| !(norm > 0.0 && norm.is_finite())) {
            problems.push(Problem::at("clip_norm", "must be greater than 0"));
        }
        problems.extend(self.optimizer.problems().into_iter().map(|problem| problem.under("optimizer")));
        problems.extend(self.schedule.problems().into_iter().map(|problem| problem.under("schedule")));
        problems
    }
}

/// Number format of parameters and activities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32 bits.
    #[default]
    Float32,
    /// 64 bits.
    Float64,
}

/// What is measured during and after training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Evaluation {
    /// Which epoch's network is the run's result. The test set is touched once, by that network.
    pub select: Selection,
    /// Evaluates the test set after every epoch as well, for papers that report the best of training.
    /// Such figures are recorded under that name and never select anything.
    pub test_each_epoch: bool,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self { select: Selection::BestValidation, test_each_epoch: false }
    }
}

/// Which epoch's network is the run's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// The one with the best accuracy on the validation split, of a regression the one with the lowest loss there (the
    /// earliest of equals); the last one where
    /// the dataset has no validation split.
    BestValidation,
    /// The last one.
    Last,
}

/// Which diagnostics are sampled; they are measured at the ends of epochs, on a fixed probe batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Diagnostics {
    /// Every so many epochs; 0 switches them off.
    pub every: u32,
    /// Training samples in the probe batch.
    #[schemars(range(min = 1))]
    pub probe: u32,
}

impl Default for Diagnostics {
    fn default() -> Self {
        Self { every: 1, probe: 256 }
    }
}

impl RunSpec {
    /// The description as JSON with sorted keys and no white space: what the id is the hash of.
    pub fn canonical_json(&self) -> String {
        // A serde_json map is sorted by key, so going through a value makes the text canonical.
        let mut value = serde_json::to_value(self).expect("a run spec has string keys and finite numbers");
        if let Some(dataset) = value["dataset"].as_object_mut() {
            // Where images lie is not what they are.
            dataset.retain(|key, _| !NOT_IDENTITY.contains(&key.as_str()));
        }
        value.to_string()
    }

    /// The run's identity: the same description has the same id, and another has another.
    pub fn id(&self) -> RunId {
        let mut digest = sha256(self.canonical_json().as_bytes());
        digest.truncate(ID_DIGITS);
        RunId(digest)
    }
}

/// The identity of a run: 16 hexadecimal digits of the SHA-256 of its canonical description.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let valid =
            text.len() == ID_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{text}` is no run id: expected 16 hexadecimal digits"))
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}
