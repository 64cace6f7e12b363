//! What a suite needs to know of a dataset before it is loaded: the shape of its images, and how many.

use crate::data::{
    CATALOG, DatasetSpec, Normalization,
    images::{self, Counts, ListingError, Places},
};
use std::collections::BTreeMap;

/// Facts about a dataset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Facts {
    /// `[channels, height, width]` of an image.
    pub shape: [i64; 3],
    /// Number of classes.
    pub classes: i64,
    /// Images in the official training set.
    pub train: usize,
    /// Images in the official test set.
    pub test: usize,
    /// Whether targets are values instead of classes.
    pub regression: bool,
    channel_mean: &'static [f64],
    channel_std: &'static [f64],
}

impl Facts {
    /// The least and the largest value that an input can take under a normalisation.
    pub fn inputs(&self, normalization: Normalization) -> (f64, f64) {
        match normalization {
            Normalization::Unit => (0.0, 1.0),
            Normalization::Centered => (-1.0, 1.0),
            Normalization::Standard => {
                let channels = self.channel_mean.iter().zip(self.channel_std);
                channels.fold((0.0, 0.0), |(least, largest): (f64, f64), (mean, std)| {
                    (least.min(-mean / std), largest.max((1.0 - mean) / std))
                })
            }
        }
    }
}

/// The facts about the dataset of this name.
pub(super) fn facts(name: &str) -> Option<Facts> {
    CATALOG.iter().find(|entry| entry.name == name).map(|entry| Facts {
        shape: entry.shape,
        classes: entry.classes.len() as i64,
        train: entry.train_size,
        test: entry.test_size,
        regression: entry.is_regression(),
        channel_mean: entry.channel_mean,
        channel_std: entry.channel_std,
    })
}

/// What the photos that a suite asks for are, looked up once each: a suite comes back to the same folder for every combination.
#[derive(Debug, Default)]
pub(super) struct Folders {
    places: Places,
    known: BTreeMap<String, Result<(DatasetSpec, Facts), ListingError>>,
}

impl Folders {
    /// Folders are looked for in `places`.
    pub fn in_places(places: Places) -> Self {
        Self { places, known: BTreeMap::new() }
    }

    /// The complete description of photos, and the facts about them. `general` are those of the catalog's entry.
    pub fn facts(
        &mut self,
        spec: &DatasetSpec,
        general: Facts,
    ) -> Result<(DatasetSpec, Facts), ListingError> {
        let key = serde_json::to_string(spec).unwrap_or_default();
        let places = &self.places;
        let known = self.known.entry(key).or_insert_with(|| {
            let (spec, Counts { classes, train, test }) = images::describe(spec, places)?;
            let side = i64::from(images::source::size(&spec));
            let shape = [general.shape[0], side, side];
            let facts = Facts { shape, classes: classes as i64, train, test, ..general };
            Ok((spec, facts))
        });
        known.clone()
    }
}

/// The names of all datasets.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CATALOG.iter().map(|entry| entry.name)
}
