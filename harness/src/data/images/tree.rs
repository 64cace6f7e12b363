//! What is in a folder of images: classes, images, and which of them a data set consists of.
//!
//! Three layouts are understood: `train/` and `val/` (or `validation/`, `test/`) with a folder for each class; the
//! same as Tiny ImageNet has it, whose `val/` is one folder and a list of labels; and a folder for each class alone, of
//! which a share of the images is held out as the test set. Only names and sizes are read here, so that a suite can
//! be checked before anything is decoded.
//!
//! What is no image is passed over and named. A folder that cannot be read is refused: without it the data would
//! be another, and nobody would know.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use super::super::random::{shuffle, stream};
use crate::digest::hexadecimal;

/// Hexadecimal digits of a listing's digest.
pub(super) const DIGITS: usize = 32;
/// Labels are stored in 16 bits.
const MAX_CLASSES: usize = 1 << 16;
/// Folders of images to test on, where there is a folder `train`; the first that is there counts.
const TEST_FOLDERS: [&str; 3] = ["val", "validation", "test"];
/// Labels of the flat folder `val/images` of Tiny ImageNet: file, class and a box, separated by tabs.
pub(in crate::data) const ANNOTATIONS: &str = "val_annotations.txt";

/// Which of the images in a folder a data set consists of.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The classes, by the names of their folders; all of them where nothing is said.
    pub classes: Option<Vec<String>>,
    /// At most so many classes, the first in the order of their names.
    pub class_limit: Option<usize>,
    /// At most so many training images of each class, drawn once and for all.
    pub images_per_class: Option<usize>,
    /// The share of each class that is held out as the test set where no folder says what that is.
    pub test_share: f64,
}

/// An image that a data set consists of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its path below the folder.
    pub path: PathBuf,
    /// Bytes of the file.
    pub size: u64,
    /// Position of its class.
    pub class: u16,
}

/// Something that is not used, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its path below the folder.
    pub path: String,
    /// The reason, in a few words.
    pub reason: String,
}

/// The images of a data set, in the order of their rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The folder.
    pub root: PathBuf,
    /// Names of the classes, by label.
    pub classes: Vec<String>,
    /// Images to train on.
    pub train: Vec<Found>,
    /// Images to test on.
    pub test: Vec<Found>,
    /// Files that are no images, links that lead nowhere or in circles.
    pub skipped: Vec<Skipped>,
    /// Whether a share of the images was held out for want of a folder to test on.
    pub divided: bool,
}

/// Why a folder is no data set, or not the one asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {remedy}")]
pub struct ListingError {
    /// The setting that it is about.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl ListingError {
    pub(super) fn new(key: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { key, message: message.into(), remedy: remedy.into() }
    }
}

/// Images by class.
type ByClass = BTreeMap<String, Vec<(PathBuf, u64)>>;

/// Lists the images in `root` that `choice` asks for.
pub fn list(root: &Path, choice: &Choice) -> Result<Listing, ListingError> {
    let mut walker = Walker::new(root);
    let train_folder = root.join("train");
    let split = is_folder(&train_folder)?;
    let top = if split { train_folder } else { root.to_owned() };
    let there = walker.class_folders(&top)?;
    if !split && choice.classes.is_none() {
        refuse_splits(&there, root)?;
    }
    let names = choose_classes(&there, choice, &top)?;
    let mut train = walker.images_of(&top, &names)?;
    if let Some(class) = names.iter().find(|class| train.get(*class).is_none_or(Vec::is_empty)) {
        let message = format!("there is no JPEG or PNG in {}", top.join(class).display());
        return Err(ListingError::new("folder", message, "name the classes that have some in `classes`"));
    }
    let mut test_folder = None;
    for place in TEST_FOLDERS.map(|name| root.join(name)) {
        if split && test_folder.is_none() && is_folder(&place)? {
            test_folder = Some(place);
        }
    }
    let mut test = match &test_folder {
        Some(folder) if folder.join(ANNOTATIONS).is_file() => walker.annotated(folder, &names)?,
        Some(folder) => {
            let there = walker.class_folders(folder)?;
            let (tested, untested): (Vec<_>, Vec<_>) =
                names.iter().cloned().partition(|name| there.contains(name));
            if let Some(name) = untested.first() {
                let message = format!(
                    "the class `{name}` has no folder in {}: it could not be tested",
                    folder.display()
                );
                let remedy = "add it, or name the other classes in `classes`";
                return Err(ListingError::new("folder", message, remedy));
            }
            let foreign: Vec<_> = there.iter().filter(|name| !walker.known.contains(*name)).collect();
            for name in foreign.into_iter().filter(|_| choice.classes.is_none()) {
                walker.skip(&folder.join(name), "a class that is not among those to train on");
            }
            walker.images_of(folder, &tested)?
        }
        None => hold_out(&mut train, choice.test_share)?,
    };
    if let Some(limit) = choice.images_per_class {
        for images in train.values_mut() {
            draw(images, limit, "images per class");
        }
    }
    if test.values().all(Vec::is_empty) {
        let place = test_folder.as_deref().unwrap_or(root);
        let message = format!("there is no image to test on in {}", place.display());
        return Err(ListingError::new(
            "folder",
            message,
            "it takes a folder for each class, named as in `train`",
        ));
    }
    let rows = |images: &mut ByClass| -> Vec<Found> {
        let of_class = names.iter().enumerate().flat_map(|(class, name)| {
            let mut images = images.remove(name).unwrap_or_default();
            images.sort();
            images.into_iter().map(move |(path, size)| Found { path, size, class: class as u16 })
        });
        of_class.collect()
    };
    let (train, test) = (rows(&mut train), rows(&mut test));
    walker.refuse_images_found_twice()?;
    walker.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Listing {
        root: root.to_owned(),
        classes: names,
        train,
        test,
        skipped: walker.skipped,
        divided: test_folder.is_none(),
    })
}

impl Listing {
    /// A digest of the chosen images' places, sizes and order: the same wherever the folder lies, and another as soon
    /// as an image is added, removed, renamed or of another length.
    pub fn content(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"apical images 1\0");
        for (split, images) in [(b"train\0", &self.train), (b"test\0\0", &self.test)] {
            for image in images {
                hash.update(split);
                hash.update(image.path.as_os_str().as_encoded_bytes());
                hash.update(b"\0");
                hash.update(image.size.to_le_bytes());
                hash.update(image.class.to_le_bytes());
            }
        }
        let mut digest = hexadecimal(&hash.finalize());
        digest.truncate(DIGITS);
        digest
    }
}

/// The classes to use among those `there`, in the order of their names.
fn choose_classes(there: &[String], choice: &Choice, top: &Path) -> Result<Vec<String>, ListingError> {
    let mut names = there.to_vec();
    if let Some(wanted) = &choice.classes {
        if let Some(absent) = wanted.iter().find(|name| !there.contains(name)) {
            let near = there.iter().min_by_key(|name| strsim_distance(name, absent));
            let message = format!("there is no folder `{absent}` in {}", top.display());
            let remedy = near.map_or_else(
                || "it has no folders at all: a class is a folder of images".to_owned(),
                |near| format!("the nearest of its {} is `{near}`", there.len()),
            );
            return Err(ListingError::new("classes", message, remedy));
        }
        names.retain(|name| wanted.contains(name));
    }
    if let Some(limit) = choice.class_limit {
        if limit > names.len() {
            let message = format!("there are {} classes in {}, not {limit}", names.len(), top.display());
            return Err(ListingError::new("class_limit", message, "leave it out to use all"));
        }
        names.truncate(limit);
    }
    if names.len() < 2 {
        let key = match (&choice.class_limit, &choice.classes) {
            (Some(_), _) => "class_limit",
            (None, Some(_)) => "classes",
            (None, None) => "folder",
        };
        let message = format!(
            "with {} of the classes in {} there is nothing to tell apart",
            names.len(),
            top.display()
        );
        return Err(ListingError::new(
            key,
            message,
            "it takes two folders of images at least, one for each class",
        ));
    }
    if names.len() > MAX_CLASSES {
        let message = format!("{} has {} classes", top.display(), names.len());
        return Err(ListingError::new(
            "folder",
            message,
            format!("choose {MAX_CLASSES} of them at most with `classes`"),
        ));
    }
    Ok(names)
}

fn strsim_distance(a: &str, b: &str) -> usize {
    strsim::damerau_levenshtein(a, b)
}

/// Keeps `limit` images, drawn by name and not by place, so that all machines draw the same.
fn draw(images: &mut Vec<(PathBuf, u64)>, limit: usize, purpose: &str) {
    images.sort();
    shuffle(images, &mut stream(0, purpose));
    images.truncate(limit);
}

/// Takes `share` of each class, an image at least, out of `train`.
fn hold_out(train: &mut ByClass, share: f64) -> Result<ByClass, ListingError> {
    let mut test = ByClass::new();
    for (class, images) in train.iter_mut() {
        let held = ((images.len() as f64 * share).round() as usize).max(1);
        if held >= images.len() {
            let message =
                format!("holding out {held} of the {} images of `{class}` leaves none", images.len());
            return Err(ListingError::new("test_share", message, "hold out less, or leave the class out"));
        }
        images.sort();
        shuffle(images, &mut stream(0, "test share"));
        test.insert(class.clone(), images.drain(..held).collect());
    }
    Ok(test)
}

/// Whether there is a folder at `path`. What is there and cannot be looked into is an error and no absence: without it this
/// would be another data set.
fn is_folder(path: &Path) -> Result<bool, ListingError> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(true),
        Ok(_) => Err(unreadable(path, &std::io::ErrorKind::NotADirectory.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            Ok(false)
        }
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Names of folders that are a part of a split and no class.
const SPLITS: [&str; 7] = ["train", "training", "val", "valid", "validation", "test", "testing"];

/// Refuses to take a split for classes, where its folders have other names than ours.
fn refuse_splits(there: &[String], root: &Path) -> Result<(), ListingError> {
    let is_split = |name: &&String| SPLITS.contains(&name.to_lowercase().as_str());
    let Some(found) = there.iter().find(is_split) else { return Ok(()) };
    let message = format!("`{found}` in {} is by its name a part of a split and no class", root.display());
    let remedy = "rename the folders to `train` and `val`, or name the classes in `classes`";
    Err(ListingError::new("folder", message, remedy))
}

struct Walker<'a> {
    root: &'a Path,
    skipped: Vec<Skipped>,
    /// Names of the classes found first, those to train on.
    known: BTreeSet<String>,
    /// Folders walked through, by where they really are, with the way by which they were reached.
    walked: BTreeMap<PathBuf, PathBuf>,
    /// Images that are links, with where they lead.
    links: Vec<(PathBuf, PathBuf)>,
}

impl<'a> Walker<'a> {
    fn new(root: &'a Path) -> Self {
        let (skipped, known) = (Vec::new(), BTreeSet::new());
        Self { root, skipped, known, walked: BTreeMap::new(), links: Vec::new() }
    }

    /// Remembers a folder that is walked through. A second way to it would give its images two places: in two classes, or
    /// in training and test images alike.
    fn enter(&mut self, folder: &Path) -> Result<(), ListingError> {
        let place = fs::canonicalize(folder).map_err(|error| unreadable(folder, &error))?;
        match self.walked.insert(place, folder.to_owned()) {
            Some(earlier) => Err(found_twice(&self.below(&earlier), &self.below(folder))),
            None => Ok(()),
        }
    }

    /// Refuses links to images that are listed under another name as well.
    fn refuse_images_found_twice(&self) -> Result<(), ListingError> {
        let mut targets: BTreeMap<&Path, &Path> = BTreeMap::new();
        for (path, target) in &self.links {
            let listed = target
                .parent()
                .and_then(|folder| self.walked.get(folder))
                .and_then(|way| target.file_name().map(|name| way.join(name)));
            if let Some(listed) = listed {
                return Err(found_twice(&self.below(&listed), &self.below(path)));
            }
            if let Some(earlier) = targets.insert(target, path) {
                return Err(found_twice(&self.below(earlier), &self.below(path)));
            }
        }
        Ok(())
    }

    fn below(&self, path: &Path) -> PathBuf {
        path.strip_prefix(self.root).unwrap_or(path).to_owned()
    }

    fn skip(&mut self, path: &Path, reason: impl Into<String>) {
        let path = self.below(path).to_string_lossy().into_owned();
        self.skipped.push(Skipped { path: printable(&path), reason: reason.into() });
    }

    /// The names of the folders in `top`, sorted. Hidden ones are none of ours.
    fn class_folders(&mut self, top: &Path) -> Result<Vec<String>, ListingError> {
        let entries = fs::read_dir(top).map_err(|error| unreadable(top, &error))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(top, &error))?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let meta = fs::metadata(entry.path()).map_err(|error| unreadable(&entry.path(), &error))?;
            if !meta.is_dir() {
                continue;
            }
            match name.into_string() {
                Ok(name) => names.push(name),
                Err(_) => self.skip(&entry.path(), "the name of a class must be UTF-8"),
            }
        }
        names.sort();
        if self.known.is_empty() {
            self.known.extend(names.iter().cloned());
        }
        Ok(names)
    }

    fn images_of(&mut self, top: &Path, classes: &[String]) -> Result<ByClass, ListingError> {
        classes.iter().map(|class| Ok((class.clone(), self.images_in(&top.join(class))?))).collect()
    }

    /// Every image below `folder`, however deep.
    fn images_in(&mut self, folder: &Path) -> Result<Vec<(PathBuf, u64)>, ListingError> {
        let mut images = Vec::new();
        let is_hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
        // Links are followed, since data sets are often assembled of them; circles are told by the walk itself.
        let walk = WalkDir::new(folder).follow_links(true).into_iter();
        for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name())) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(folder).to_owned();
                    match error.io_error() {
                        None => self.skip(&path, "a link that leads back to a folder above it"),
                        Some(io) if io.kind() == std::io::ErrorKind::NotFound => {
                            self.skip(&path, "a link that leads nowhere");
                        }
                        Some(io) => return Err(unreadable(&path, io)),
                    }
                    continue;
                }
            };
            if entry.file_type().is_dir() {
                self.enter(entry.path())?;
                continue;
            }
            if !entry.file_type().is_file() {
                self.skip(entry.path(), "not an ordinary file");
            } else if !has_image_name(entry.path()) {
                self.skip(entry.path(), "not named .jpg, .jpeg or .png");
            } else {
                let meta = fs::metadata(entry.path()).map_err(|error| unreadable(entry.path(), &error))?;
                if entry.path_is_symlink() {
                    let target =
                        fs::canonicalize(entry.path()).map_err(|error| unreadable(entry.path(), &error))?;
                    self.links.push((entry.path().to_owned(), target));
                }
                images.push((self.below(entry.path()), meta.len()));
            }
        }
        Ok(images)
    }

    /// The validation images of Tiny ImageNet: one folder, and a line for each with its class.
    fn annotated(&mut self, folder: &Path, classes: &[String]) -> Result<ByClass, ListingError> {
        let path = folder.join(ANNOTATIONS);
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        let class_of: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(file, rest)| (file, rest.split('\t').next().unwrap_or(rest)))
            .collect();
        let mut by_class = ByClass::new();
        for (image, size) in self.images_in(&folder.join("images"))? {
            let class = image.file_name().and_then(|name| name.to_str()).and_then(|name| class_of.get(name));
            match class {
                Some(class) if classes.iter().any(|known| known == class) => {
                    by_class.entry((*class).to_owned()).or_default().push((image, size));
                }
                Some(_) => {}
                None => {
                    let path = self.root.join(image);
                    self.skip(&path, format!("{ANNOTATIONS} does not name it"));
                }
            }
        }
        Ok(by_class)
    }
}

fn found_twice(first: &Path, second: &Path) -> ListingError {
    let (first, second) = (first.to_string_lossy(), second.to_string_lossy());
    let message = format!("`{}` and `{}` are the same, by a link", printable(&first), printable(&second));
    ListingError::new(
        "folder",
        message,
        "remove the link: an image has one class, and is trained or tested on",
    )
}

/// A path for a message: without characters that a terminal would follow.
pub(super) fn printable(path: &str) -> String {
    path.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn unreadable(path: &Path, error: &std::io::Error) -> ListingError {
    let message = format!("{} cannot be read: {error}", printable(&path.to_string_lossy()));
    ListingError::new(
        "folder",
        message,
        "without it this would be another data set: make it readable, or choose `classes` without it",
    )
}

/// Whether a file is named as an image.
pub(in crate::data) fn has_image_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}
