//! What can go wrong between a data set's name and its tensors, said so that the reader knows what to do next.

use std::{io, path::PathBuf};

/// An error of the data layer. Each names the data set or file and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The catalog has no data set of this name.
    #[error("there is no data set `{name}`; the catalog has {}{}", .known.join(", "), .suggestion.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
    UnknownDataset {
        /// The name asked for.
        name: String,
        /// Every name in the catalog.
        known: Vec<&'static str>,
        /// The nearest name, where one is near enough to be a slip of the pen.
        suggestion: Option<&'static str>,
    },
    /// A file of the data set is neither in the user's folder nor in the cache.
    #[error("data set `{dataset}`: {file} is not at {}{}; run `apical datasets fetch {dataset}`", .path.display(), .note.as_ref().map(|n| format!(" ({n})")).unwrap_or_default())]
    Missing {
        /// The data set.
        dataset: String,
        /// The canonical name of the file.
        file: String,
        /// Where the cache would hold it.
        path: PathBuf,
        /// Why a file that was there is not used.
        note: Option<String>,
    },
    /// No source gave the data.
    #[error("data set `{dataset}` could not be obtained.\n  {}\n{remedy}", .hops.join("\n  "))]
    Unobtainable {
        /// The data set.
        dataset: String,
        /// One line for each source that failed, in the order tried.
        hops: Vec<String>,
        /// What to put where by hand.
        remedy: String,
    },
    /// A file does not follow its format.
    #[error("{file}: at byte {offset}: {message}")]
    Malformed {
        /// The file.
        file: String,
        /// Offset of the first byte that is wrong.
        offset: usize,
        /// What is wrong with it.
        message: String,
    },
    /// The files parse but do not hold what the catalog says of them.
    #[error("data set `{dataset}`: {message}")]
    Inconsistent {
        /// The data set.
        dataset: String,
        /// What does not fit.
        message: String,
    },
    /// The description asks for more samples than there are, or for something impossible.
    #[error("data set `{dataset}`: {message}")]
    Spec {
        /// The data set.
        dataset: String,
        /// What was asked for and what there is.
        message: String,
    },
    /// The cache folder cannot be created or written.
    #[error(
        "the data cache {} cannot be written: {source}; \
         set APICAL_DATA to a folder that you can write", .path.display()
    )]
    CacheNotWritable {
        /// The folder or file.
        path: PathBuf,
        /// The reason the system gives.
        source: io::Error,
    },
    /// Neither `APICAL_DATA` nor a home folder says where the cache is.
    #[error("there is no place for the data cache: set APICAL_DATA, XDG_CACHE_HOME or HOME")]
    NoCacheFolder,
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason the system gives.
        source: io::Error,
    },
    /// A folder of images is not there, or not as described.
    #[error("data set `{dataset}`: {source}")]
    Listing {
        /// The data set.
        dataset: String,
        /// What is wrong with it.
        source: super::images::ListingError,
    },
    /// Images cannot be packed, or the packed file cannot be used.
    #[error("data set `{dataset}`: {source}")]
    Pack {
        /// The data set.
        dataset: String,
        /// Why.
        source: super::images::PackError,
    },
    /// Images have not been packed on this machine.
    #[error("data set `{dataset}`: its packed images are not at {}; `apical run SUITE` packs them before it begins", .path.display())]
    NotPacked {
        /// The data set.
        dataset: String,
        /// Where they would be.
        path: PathBuf,
    },
    /// `LibTorch` refused, for instance because the device has no memory left.
    #[error("data set `{dataset}`: its tensors cannot be made on the device: {source}")]
    Tensor {
        /// The data set.
        dataset: String,
        /// `LibTorch`'s reason.
        source: tch::TchError,
    },
}

/// Where a file departs from its format, before it is known which file that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatError {
    /// Offset of the first byte that is wrong.
    pub offset: usize,
    /// What is wrong with it.
    pub message: String,
}

impl FormatError {
    /// A departure from the format at `offset`.
    pub fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into() }
    }

    /// The same error with the file's name.
    pub fn in_file(self, file: &str) -> DataError {
        DataError::Malformed { file: file.to_owned(), offset: self.offset, message: self.message }
    }
}
