//! The description of a data set in a suite: which one, how it is split, normalised and augmented.
//!
//! It is part of a run's identity, so every field has a value after parsing and nothing depends on the machine.

pub use super::augment::Augmentation;
use super::images::Fit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A data set as a run uses it: which one, how it is split, normalised and augmented.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// Name in the catalog (`apical datasets list`): `digits`, `mnist`, `fashion-mnist`, `cifar10`,
    /// `sacramento-teacher`, `imagenette`, `tiny-imagenet`, or `imagenet-folder`.
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
    /// Of `imagenet-folder`: a folder with `train` and `val` in it and a folder for each class in those, or with the classes
    /// alone. Looked for in `--data`, beside the suite and in the cache. No part of a run's identity: `content` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Of `imagenette`: which of its archives, `160px` (default), `320px` or `full`, by the photos' short side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
    /// Side to which images are brought; 64 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 4, max = 1024))]
    pub size: Option<u32>,
    /// How images become square; `crop` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// The classes to use, by the names of their folders, or of a set with a name in words too; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Use the first so many classes in the order of their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub class_limit: Option<usize>,
    /// Use at most so many training images of each class, drawn once and for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub images_per_class: Option<usize>,
    /// The share of each class that becomes the test set where the folder has no `val`; 0.2 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub test_share: Option<f64>,
    /// The share of images that may be unreadable; 0.01 by default. No part of a run's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub skip_limit: Option<f64>,
    /// Of `imagenet-folder`: digest of the chosen images' names and sizes; filled in where it is not given, and checked where
    /// it is. Of sets with a name it is made of the archive's checksum and what is chosen, and always filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// Settings that say where the data lies and how it is read, and nothing of what a run computes from it.
pub const NOT_IDENTITY: [&str; 2] = ["folder", "skip_limit"];

impl DatasetSpec {
    /// Whether there are values to learn instead of classes; a data set that is not in the catalog has classes.
    pub fn is_regression(&self) -> bool {
        super::catalog::find(&self.name).is_ok_and(super::DatasetEntry::is_regression)
    }

    /// Whether it is photos, of a folder or of a set with a name.
    pub fn is_images(&self) -> bool {
        super::catalog::find(&self.name).is_ok_and(super::DatasetEntry::is_images)
    }

    /// The settings given that only photos have.
    pub fn image_settings(&self) -> Vec<&'static str> {
        let given = [
            ("folder", self.folder.is_some()),
            ("edition", self.edition.is_some()),
            ("size", self.size.is_some()),
            ("fit", self.fit.is_some()),
            ("classes", self.classes.is_some()),
            ("class_limit", self.class_limit.is_some()),
            ("images_per_class", self.images_per_class.is_some()),
            ("test_share", self.test_share.is_some()),
            ("skip_limit", self.skip_limit.is_some()),
            ("content", self.content.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
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
            folder: None,
            edition: None,
            size: None,
            fit: None,
            classes: None,
            class_limit: None,
            images_per_class: None,
            test_share: None,
            skip_limit: None,
            content: None,
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::data::augment::Crop;

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
        assert_eq!(spec.augment, [Augmentation::Crop(Crop::default()), Augmentation::Flip]);
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
