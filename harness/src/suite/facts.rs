//! What a suite needs to know of a dataset before it is loaded: the shape of its images, and how many.

use crate::data::CATALOG;

/// Facts about a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    /// `[channels, height, width]` of an image.
    pub shape: [i64; 3],
    /// Number of classes.
    pub classes: i64,
    /// Images in the official training set.
    pub train: usize,
    /// Images in the official test set.
    pub test: usize,
}

/// The facts about the dataset of this name.
pub(super) fn facts(name: &str) -> Option<Facts> {
    CATALOG.iter().find(|entry| entry.name == name).map(|entry| Facts {
        shape: entry.shape,
        classes: entry.classes.len() as i64,
        train: entry.train_size,
        test: entry.test_size,
    })
}

/// The names of all datasets.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CATALOG.iter().map(|entry| entry.name)
}
