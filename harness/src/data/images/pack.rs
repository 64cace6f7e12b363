//! The packed cache: every image of a data set at its final size, in one file that is built once.
//!
//! Images are decoded by all cores, a bounded number at a time, and written in their order: the file is the same
//! whatever the number of cores, and memory does not grow with the data. It is written under a temporary name, flushed
//! and renamed. So a build that is interrupted leaves nothing that could be taken for a whole file and the next one
//! starts afresh; of two at once the second waits, and without locks would only write the same bytes again.
//!
//! ```text
//! 0       the magic number, zeros up to 4096
//! 4096    pixels, uint8 [train + test, 3, size, size]
//!         labels, uint16 little-endian [train + test]
//!         the header as JSON, its length as uint64 little-endian, the magic number
//! ```
//!
//! The header stands at the end because statistics and unreadable images are known only then.

use std::{
    fs::{self, File, TryLockError},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use fast_image_resize::Resizer;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    decode,
    map::Pack,
    resize::{CHANNELS, Fit, resize},
    tree::{Found, Listing, Skipped, printable},
};
use crate::digest::{hexadecimal, sha256};

/// Version of the file, and of what becomes of an image: part of its name.
pub const PACK_FORMAT: u32 = 1;
pub(super) const MAGIC: &[u8; 8] = b"APICALPK";
/// Where pixels begin.
pub(super) const PIXELS_AT: usize = 4096;
/// Bytes of decoded rows that wait to be written.
const WAITING: usize = 16 << 20;
/// How names of unfinished files begin; that of the file to be follows.
const UNFINISHED: &str = ".pack-";
/// Skipped images that an error names.
const NAMED: usize = 100;

/// What a packed file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`PACK_FORMAT`].
    pub format: u32,
    /// Digest that stands for the images: of their listing, or of the archive they come from and what was chosen.
    pub content: String,
    /// Side of an image.
    pub size: u32,
    /// How images became square.
    pub fit: Fit,
    /// Names of the classes, by label.
    pub classes: Vec<String>,
    /// Number of training images; they come first.
    pub train: usize,
    /// Number of test images.
    pub test: usize,
    /// Mean of each channel over the training images, pixels scaled to [0, 1].
    pub mean: [f64; CHANNELS],
    /// Standard deviation (population) of each channel over the training images, pixels scaled to [0, 1].
    pub std: [f64; CHANNELS],
    /// Images that could not be read, and why.
    pub skipped: Vec<Skipped>,
    /// SHA-256 of pixels and labels.
    pub sha256: String,
}

/// Why there is no packed file.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Too many images cannot be read.
    #[error(
        "at least {} of {total} images in {} cannot be decoded, more than {} %:\n  {}\nRepair or remove them, or allow more with `skip_limit`",
        .skipped.len(), .folder.display(), (.limit * 1e5).round() / 1e3, named(.skipped)
    )]
    TooManyUnreadable {
        /// The folder of images.
        folder: PathBuf,
        /// Images in all.
        total: usize,
        /// The share that may be unreadable.
        limit: f64,
        /// Those found so far.
        skipped: Vec<Skipped>,
    },
    /// A class or a split has lost all its images.
    #[error("none of the {what} in {} can be read, e.g. {}: {}", .folder.display(), .example.path, .example.reason)]
    NothingLeft {
        /// The folder of images.
        folder: PathBuf,
        /// Which images.
        what: String,
        /// One of them.
        example: Skipped,
    },
    /// An image's file cannot be read, which says nothing about the image.
    #[error("{} cannot be read: {source}; without it this would be another data set: make it readable, and run this again", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The cache cannot be written.
    #[error("the cache of images {} cannot be written: {source}; set APICAL_DATA to a folder with room that you can write", .path.display())]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file of that name is no packed file, or not the one that its name says.
    #[error("{} is damaged: {message}; remove it, and it is built again", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// There is no such file, or it cannot be opened.
    #[error("{} cannot be opened: {source}; make it readable, or remove it, and it is built again", .path.display())]
    Closed {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

fn named(skipped: &[Skipped]) -> String {
    let lines = skipped.iter().take(NAMED).map(|skipped| format!("{}: {}", skipped.path, skipped.reason));
    let more = skipped.len().saturating_sub(NAMED);
    lines.chain((more > 0).then(|| format!("… and {more} more"))).collect::<Vec<_>>().join("\n  ")
}

/// The name of the packed file of images with the listing's digest `content`.
pub fn file_name(content: &str, size: u32, fit: Fit) -> String {
    let key = sha256(format!("apical pack {PACK_FORMAT}\0{content}\0{size}\0{fit:?}").as_bytes());
    format!("{size}-{}.pack", &key[..32])
}

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Another process builds the same file.
    Waiting,
    /// So many images are done.
    Images {
        /// Images decoded or skipped.
        done: usize,
        /// Images in all.
        total: usize,
        /// Images skipped.
        skipped: usize,
    },
}

/// Builds packed files.
#[derive(Debug, Clone)]
pub struct Builder {
    /// The folder that holds them.
    pub folder: PathBuf,
    /// Side of an image.
    pub size: u32,
    /// How images become square.
    pub fit: Fit,
    /// The share of images that may be unreadable.
    pub skip_limit: f64,
    /// How long to wait for another process that builds the same file before building beside it.
    pub patience: Duration,
}

impl Builder {
    /// Opens the packed file of `listing`, after building it where it is not there or damaged.
    pub fn ensure(&self, listing: &Listing, report: &mut dyn FnMut(Step)) -> Result<Pack, PackError> {
        self.ensure_as(listing, listing.content(), report)
    }

    /// As [`Builder::ensure`], of images for which the digest `content` stands.
    pub fn ensure_as(
        &self,
        listing: &Listing,
        content: String,
        report: &mut dyn FnMut(Step),
    ) -> Result<Pack, PackError> {
        let path = self.folder.join(file_name(&content, self.size, self.fit));
        let check = |pack: Pack| {
            self.check_skipped(listing, &pack.header.skipped)?;
            Ok(pack)
        };
        match Pack::open(&path) {
            Ok(pack) => return check(pack),
            // It is built again, and replaced.
            Err(PackError::Damaged { .. }) => {}
            Err(PackError::Closed { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let unwritable = |source| PackError::NotWritable { path: self.folder.clone(), source };
        fs::create_dir_all(&self.folder).map_err(unwritable)?;
        sweep(&self.folder);
        let lock = path.with_extension("lock");
        let held = self.lock(&lock, report);
        if let Ok(pack) = Pack::open(&path) {
            return check(pack);
        }
        if held.is_some() {
            // Nobody else builds this file: what is left of it, a build that was ended has left.
            remove_unfinished(&self.folder, &unfinished(&path), Duration::ZERO);
        }
        self.build(listing, content, &path, report)?;
        // Only spares the next builder from seeing it: whoever waits on it holds it open.
        let _ = fs::remove_file(&lock);
        Pack::open(&path)
    }

    fn lock(&self, path: &Path, report: &mut dyn FnMut(Step)) -> Option<File> {
        let file = File::options().create(true).append(true).open(path).ok()?;
        let begun = std::time::Instant::now();
        let mut told = false;
        while let Err(TryLockError::WouldBlock) = file.try_lock() {
            if begun.elapsed() >= self.patience {
                return None;
            }
            if !std::mem::replace(&mut told, true) {
                report(Step::Waiting);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(file)
    }

    fn build(
        &self,
        listing: &Listing,
        content: String,
        path: &Path,
        report: &mut dyn FnMut(Step),
    ) -> Result<(), PackError> {
        use std::os::unix::fs::PermissionsExt;
        let unwritable = |source| PackError::NotWritable { path: path.to_owned(), source };
        let mut temporary = tempfile::Builder::new()
            .prefix(&unfinished(path))
            .suffix(".tmp")
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(&self.folder)
            .map_err(unwritable)?;
        let mut rows = Rows::new(BufWriter::with_capacity(1 << 20, temporary.as_file_mut()));
        rows.begin().map_err(unwritable)?;
        let total = listing.train.len() + listing.test.len();
        let mut skipped = Vec::new();
        let mut counts = [0; 2];
        for (split, images) in [&listing.train, &listing.test].into_iter().enumerate() {
            for chunk in images.chunks(self.chunk()) {
                let decoded: Vec<_> = chunk
                    .par_iter()
                    .map_init(Resizer::new, |resizer, image| self.row(listing, resizer, image))
                    .collect();
                for (image, row) in chunk.iter().zip(decoded) {
                    let row = row.map_err(|source| PackError::Unreadable {
                        path: listing.root.join(&image.path),
                        source,
                    })?;
                    match row {
                        Ok(row) => {
                            rows.write(&row, image.class, split == 0).map_err(unwritable)?;
                            counts[split] += 1;
                        }
                        Err(reason) => {
                            let path = printable(&image.path.to_string_lossy());
                            skipped.push(Skipped { path, reason });
                        }
                    }
                }
                self.check_skipped(listing, &skipped)?;
                let done = counts[0] + counts[1] + skipped.len();
                report(Step::Images { done, total, skipped: skipped.len() });
            }
        }
        check_left(listing, &rows.labels[..counts[0]], counts, &skipped)?;
        let (mean, std) = rows.statistics(counts[0] * (self.size * self.size) as usize);
        let header = Header {
            format: PACK_FORMAT,
            content,
            size: self.size,
            fit: self.fit,
            classes: listing.classes.clone(),
            train: counts[0],
            test: counts[1],
            mean,
            std,
            skipped,
            sha256: String::new(),
        };
        let left_out: Vec<String> = listing.skipped.iter().chain(&header.skipped).map(line_of).collect();
        rows.finish(header).map_err(unwritable)?;
        temporary.as_file().sync_all().map_err(unwritable)?;
        if !left_out.is_empty() {
            fs::write(list_of_skipped(path), left_out.concat()).map_err(unwritable)?;
        }
        temporary.persist(path).map_err(|error| unwritable(error.error))?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(unwritable)
    }

    /// Images decoded at a time: enough to keep all cores busy, and few enough for any memory.
    fn chunk(&self) -> usize {
        (WAITING / (CHANNELS * (self.size * self.size) as usize)).clamp(16, 1024)
    }

    /// The pixels of an image at its final size, or why there are none. The outer error is the system's.
    fn row(
        &self,
        listing: &Listing,
        resizer: &mut Resizer,
        image: &Found,
    ) -> io::Result<Result<Vec<u8>, String>> {
        let decoded = decode::read(&listing.root.join(&image.path))?;
        Ok(decoded.and_then(|pixels| resize(resizer, &pixels, self.size, self.fit)))
    }

    /// Whether no more images were unreadable than may be.
    pub fn tolerates(&self, header: &Header) -> bool {
        let skipped = header.skipped.len();
        skipped as f64 <= self.skip_limit * (header.train + header.test + skipped) as f64
    }

    fn check_skipped(&self, listing: &Listing, skipped: &[Skipped]) -> Result<(), PackError> {
        let total = listing.train.len() + listing.test.len();
        if skipped.len() as f64 <= self.skip_limit * total as f64 {
            return Ok(());
        }
        let (folder, limit) = (listing.root.clone(), self.skip_limit);
        Err(PackError::TooManyUnreadable { folder, total, limit, skipped: skipped.to_vec() })
    }
}

/// Refuses a class without training images, and an empty test set.
fn check_left(
    listing: &Listing,
    train: &[u16],
    counts: [usize; 2],
    skipped: &[Skipped],
) -> Result<(), PackError> {
    let mut there = vec![false; listing.classes.len()];
    for label in train {
        there[usize::from(*label)] = true;
    }
    let empty = there
        .iter()
        .position(|there| !there)
        .map(|class| format!("training images of the class `{}`", listing.classes[class]));
    let what = empty.or_else(|| (counts[1] == 0).then(|| "test images".to_owned()));
    match (what, skipped.last()) {
        (Some(what), Some(example)) => {
            Err(PackError::NothingLeft { folder: listing.root.clone(), what, example: example.clone() })
        }
        _ => Ok(()),
    }
}

/// The rows written so far: their labels, sums and hash.
struct Rows<W: Write> {
    file: W,
    hash: Sha256,
    labels: Vec<u16>,
    /// Σ x and Σ x² of each channel, over training rows; exact.
    sums: [(u64, u128); CHANNELS],
}

impl<W: Write> Rows<W> {
    fn new(file: W) -> Self {
        Self { file, hash: Sha256::new(), labels: Vec::new(), sums: [(0, 0); CHANNELS] }
    }

    fn begin(&mut self) -> io::Result<()> {
        self.file.write_all(MAGIC)?;
        self.file.write_all(&[0; PIXELS_AT - MAGIC.len()])
    }

    fn write(&mut self, row: &[u8], label: u16, counts: bool) -> io::Result<()> {
        if counts {
            for (plane, sums) in row.chunks_exact(row.len() / CHANNELS).zip(&mut self.sums) {
                let squares: u64 = plane.iter().map(|&x| u64::from(x) * u64::from(x)).sum();
                sums.0 += plane.iter().map(|&x| u64::from(x)).sum::<u64>();
                sums.1 += u128::from(squares);
            }
        }
        self.labels.push(label);
        self.hash.update(row);
        self.file.write_all(row)
    }

    /// Mean and standard deviation of each channel over `n` pixels.
    fn statistics(&self, n: usize) -> ([f64; CHANNELS], [f64; CHANNELS]) {
        let n = n as f64;
        let mean = self.sums.map(|(sum, _)| sum as f64 / n);
        let mut std = [0.0; CHANNELS];
        for ((std, (_, squares)), mean) in std.iter_mut().zip(self.sums).zip(mean) {
            // A channel that is the same everywhere has no scale: it is only centred.
            let variance = squares as f64 / n - mean * mean;
            *std = if variance > 0.0 { variance.sqrt() / 255.0 } else { 1.0 };
        }
        (mean.map(|mean| mean / 255.0), std)
    }

    fn finish(mut self, mut header: Header) -> io::Result<()> {
        let labels: Vec<u8> = self.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
        self.hash.update(&labels);
        header.sha256 = hexadecimal(&self.hash.finalize());
        self.file.write_all(&labels)?;
        let text = serde_json::to_vec(&header)?;
        self.file.write_all(&text)?;
        self.file.write_all(&(text.len() as u64).to_le_bytes())?;
        self.file.write_all(MAGIC)?;
        self.file.flush()
    }
}

/// Where everything that was left out of a packed file is listed.
pub fn list_of_skipped(pack: &Path) -> PathBuf {
    pack.with_extension("skipped.txt")
}

fn line_of(skipped: &Skipped) -> String {
    format!("{}: {}\n", skipped.path, skipped.reason)
}

/// How the names of unfinished files begin that are to become `path`.
fn unfinished(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("{UNFINISHED}{stem}-")
}

/// Removes what builds that were killed left behind, if nothing has touched it for an hour.
fn sweep(folder: &Path) {
    remove_unfinished(folder, UNFINISHED, Duration::from_hours(1));
}

fn remove_unfinished(folder: &Path, prefix: &str, untouched_for: Duration) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
        let ours = entry.file_name().to_string_lossy().starts_with(prefix);
        if ours && age.is_some_and(|age| age >= untouched_for) {
            // It is only in the way of disk space.
            let _ = fs::remove_file(entry.path());
        }
    }
}
