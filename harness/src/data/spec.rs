//! The description of a data set in a suite: which one, how it is split, normalised and augmented.
//!
//! It is part of a run's identity, so every field has a value after parsing and nothing depends on the machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A data set as a run uses it: which one, how it is split, normalised and augmented.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// Name in the catalog (`apical datasets list`): `digits`, `mnist`, `fashion-mnist`, `cifar10` or
    /// `sacramento-teacher`.
    pub name: String,
    /// How many training samples to hold out for validation, stratified by class.
    #[serde(default)]
    pub validation: usize,
    /// Use only some samples of a split, stratified by class.
    #[serde(default)]
    pub subset: Subset,
    /// Seed of the hold-out and the subsets. It is not the run's seed: runs that differ in their seed share the split.
    #[serde(default)]
    pub split_seed: u64,
    /// How pixel values 0..255 become the network's input.
    #[serde(default)]
    pub normalization: Normalization,
    /// Random changes to training images, drawn afresh each epoch. Validation and test images are never changed.
    #[serde(default)]
    pub augment: Vec<Augmentation>,
}

impl DatasetSpec {
    /// Whether there are values to learn instead of classes; a data set that is not in the catalog has classes.
    pub fn is_regression(&self) -> bool {
        super::catalog::find(&self.name).is_ok_and(super::DatasetEntry::is_regression)
    }

    /// The data set `name` with every option at its default.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            validation: 0,
            subset: Subset::default(),
            split_seed: 0,
            normalization: Normalization::default(),
            augment: Vec::new(),
        }
    }
}

/// How many samples of a split to use, stratified by class; all of them where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subset {
    /// Training samples to use, out of those left when validation has been held out.
    #[serde(default)]
    pub train: Option<usize>,
    /// Test samples to use.
    #[serde(default)]
    pub test: Option<usize>,
}

/// How pixel values x in 0..255 become the network's input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// x / 255, in [0, 1].
    #[default]
    Unit,
    /// (x / 255 − mean) / std with each channel's mean and standard deviation over the whole official training set.
    Standard,
    /// x / 127.5 − 1, in [−1, 1].
    Centered,
}

/// A random change to training images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Augmentation {
    /// Pad with 4 zero pixels on each side and cut a window of the original size at a uniformly random place.
    Crop,
    /// Mirror left to right with probability one half.
    Flip,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_name_is_all_a_description_needs() {
        let spec: DatasetSpec = serde_yaml::from_str("name: mnist").unwrap();
        assert_eq!(spec, DatasetSpec::named("mnist"));
    }

    #[test]
    fn every_option_can_be_written_and_read_back() {
        let text = "name: cifar10\nvalidation: 2000\nsubset: {train: 10000, test: 500}\nsplit_seed: 3\n\
                    normalization: standard\naugment: [crop, flip]\n";
        let spec: DatasetSpec = serde_yaml::from_str(text).unwrap();
        assert_eq!(spec.subset, Subset { train: Some(10_000), test: Some(500) });
        assert_eq!(spec.augment, [Augmentation::Crop, Augmentation::Flip]);
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<DatasetSpec>(&json).unwrap(), spec);
    }

    #[test]
    fn an_unknown_option_is_refused() {
        assert!(serde_yaml::from_str::<DatasetSpec>("name: mnist\nsubest: {train: 3}").is_err());
        assert!(serde_yaml::from_str::<DatasetSpec>("name: mnist\nsubset: {validation: 3}").is_err());
        assert!(serde_yaml::from_str::<DatasetSpec>("name: mnist\nnormalization: whitened").is_err());
    }
}
