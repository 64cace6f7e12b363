//! The parts of a suite that are no part of a run: how its file is laid out around the runs' settings.
//!
//! These types exist for their JSON Schemas and for decoding; the settings of datasets, architectures,
//! algorithms and training are checked against the schemas of their own types, with axes allowed.

use crate::plan::{Engine, Execution, Firmness, Protocol};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A suite: what is crossed with what, and how the results are to be judged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Apical suite")]
#[expect(dead_code, reason = "some fields are read from the tree, which knows their places")]
pub(super) struct Suite {
    /// Name of the suite and of its report's folder: lower-case words joined by hyphens.
    #[schemars(regex(pattern = r"^[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub name: String,
    /// What the suite is for.
    pub description: String,
    /// How many seeds (0, 1, 2, …), or a list of them; one by default.
    #[serde(default)]
    pub seeds: Option<OneOrMany<u64>>,
    /// Datasets by label.
    pub datasets: BTreeMap<String, Value>,
    /// Network architectures by label.
    pub architectures: BTreeMap<String, Value>,
    /// Learning rules by label.
    pub algorithms: BTreeMap<String, Value>,
    /// How long and with which optimizer networks are trained.
    pub training: Value,
    /// What is measured, and which epoch's network is the result.
    #[serde(default)]
    pub evaluation: Value,
    /// Which diagnostics are sampled.
    #[serde(default)]
    pub diagnostics: Value,
    /// Settings that hold for some combinations only, applied in order.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// Where given, only runs that match at least one entry are kept.
    #[serde(default)]
    pub include: Vec<Match>,
    /// Runs that match an entry are left out.
    #[serde(default)]
    pub exclude: Vec<Match>,
    /// Published figures to set beside ours.
    #[serde(default)]
    pub published: Vec<PublishedEntry>,
    /// How runs are executed; no part of any run's identity.
    #[serde(default)]
    pub execution: Execution,
    /// What runs ask of a cluster; no part of any run's identity.
    #[serde(default)]
    pub engine: Engine,
}

/// Which runs: those that every key given matches.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Match {
    /// Label of a dataset, or a list of labels.
    pub dataset: Option<OneOrMany<String>>,
    /// Label of an architecture, or a list of labels.
    pub architecture: Option<OneOrMany<String>>,
    /// Label of an algorithm, or a list of labels.
    pub algorithm: Option<OneOrMany<String>>,
}

/// Settings for the runs that match.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the settings are read from the tree, which knows their places")]
pub(super) struct Override {
    /// Which runs; all of them where it is empty.
    #[serde(rename = "match")]
    pub matching: Match,
    /// Dotted paths under `dataset`, `architecture`, `algorithm`, `training`, `evaluation`, `diagnostics` or `engine`,
    /// e.g. `training.batch_size: 20`.
    pub set: BTreeMap<String, Value>,
}

/// A published figure; either as an error or as an accuracy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishedEntry {
    /// Label of the algorithm, or a list of labels.
    pub algorithm: OneOrMany<String>,
    /// Label of the dataset, or a list of labels.
    pub dataset: OneOrMany<String>,
    /// Label of the architecture, or a list of labels; every architecture where it is left out.
    #[serde(default)]
    pub architecture: Option<OneOrMany<String>>,
    /// Test error in percent.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub test_error: Option<f64>,
    /// Test accuracy in percent.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub test_accuracy: Option<f64>,
    /// Published spread (standard deviation, say) in points.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub spread: Option<f64>,
    /// Which of our figures it compares with.
    #[serde(default)]
    pub protocol: Protocol,
    /// Where it is from: paper and table, or repository and file.
    pub source: String,
    /// How well it is known.
    pub firmness: Firmness,
    /// What it was measured on, where that is too different to compare with ours, e.g. `ImageNet, 1000 classes, 224×224`.
    #[serde(default)]
    pub not_comparable: Option<String>,
}

/// One, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value", bound = "T: serde::de::DeserializeOwned")]
pub(super) struct OneOrMany<T>(pub Vec<T>);

impl<T: serde::de::DeserializeOwned> TryFrom<Value> for OneOrMany<T> {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        if value.is_array() {
            serde_json::from_value(value).map(Self)
        } else {
            serde_json::from_value(value).map(|one| Self(vec![one]))
        }
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<T>();
        schemars::json_schema!({
            "anyOf": [one, {"type": "array", "items": one, "minItems": 1}]
        })
    }
}
