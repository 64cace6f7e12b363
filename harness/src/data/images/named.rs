//! Sets of photos that have a name: what a suite says of one, completed and identified without a single photo at hand.
//!
//! `content`, the digest that stands for the data in a run's identity, is made of the published checksum of the archive and
//! of what was chosen among its photos. The catalog says which classes there are and how many images each has, so that
//! counts are known too. The photos themselves, once unpacked, are held to both: to the counts, and to the digests that
//! were written down when they were unpacked.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use rayon::prelude::*;

use super::{
    source::{Counts, SIZE},
    tree::{self, Choice, Listing, ListingError},
};
use crate::{
    data::{
        cache::State,
        catalog::{DatasetEntry, Edition, PhotoClass, PhotoSet},
        spec::DatasetSpec,
    },
    digest::{sha256, sha256_of},
};

/// The list of digests beside unpacked photos: a line for each, digest and path, as `sha256sum` writes it.
pub const SUMS: &str = "SHA256SUMS";

/// Completes the description of a set of photos with a name: defaults, classes, and the digest that stands for them.
pub fn complete(
    entry: &DatasetEntry,
    set: &PhotoSet,
    spec: &DatasetSpec,
) -> Result<(DatasetSpec, Counts), ListingError> {
    refuse_foreign_settings(entry, spec)?;
    let edition = edition(entry, set, spec.edition.as_deref())?;
    let chosen = choose(entry, set, spec)?;
    let most = spec.images_per_class.unwrap_or(usize::MAX);
    let counts = Counts {
        classes: chosen.len(),
        train: chosen.iter().map(|class| class.train.min(most)).sum(),
        test: chosen.iter().map(|class| class.test).sum(),
    };
    let complete = DatasetSpec {
        edition: (set.editions.len() > 1).then(|| edition.name.to_owned()),
        size: Some(spec.size.unwrap_or(SIZE)),
        fit: Some(spec.fit.unwrap_or_default()),
        classes: Some(chosen.iter().map(|class| class.folder.to_owned()).collect()),
        class_limit: None,
        content: Some(content(edition, &chosen, spec.images_per_class)),
        ..spec.clone()
    };
    Ok((complete, counts))
}

/// The settings that only a folder of the user's has.
fn refuse_foreign_settings(entry: &DatasetEntry, spec: &DatasetSpec) -> Result<(), ListingError> {
    let name = entry.name;
    let refuse = |key, message: String, remedy: &str| Err(ListingError::new(key, message, remedy));
    if spec.folder.is_some() {
        let message = format!("`{name}` has its photos from the official archive, and no folder");
        return refuse("folder", message, "leave it out, or use `imagenet-folder` for photos of yours");
    }
    if spec.content.is_some() {
        let message =
            format!("the content of `{name}` follows from its archive's checksum and what is chosen");
        return refuse("content", message, "leave it out");
    }
    if spec.test_share.is_some() {
        let message = format!("`{name}` says itself what is to be tested on");
        return refuse("test_share", message, "leave it out");
    }
    Ok(())
}

/// The edition that a suite means.
pub fn edition(
    entry: &DatasetEntry,
    set: &PhotoSet,
    wanted: Option<&str>,
) -> Result<&'static Edition, ListingError> {
    let names = set.edition_names();
    let refuse = |message: String, remedy: String| Err(ListingError::new("edition", message, remedy));
    match wanted {
        Some(_) if names.is_empty() => {
            refuse(format!("there is only one edition of `{}`", entry.name), "leave it out".to_owned())
        }
        wanted => set.edition(wanted).map_or_else(
            || {
                let message = format!("`{}` has no edition `{}`", entry.name, wanted.unwrap_or_default());
                refuse(message, format!("one of {}", names.join(", ")))
            },
            Ok,
        ),
    }
}

/// The classes that a suite chooses, by folder or by name in words, in the order of their folders.
fn choose(
    entry: &DatasetEntry,
    set: &PhotoSet,
    spec: &DatasetSpec,
) -> Result<Vec<&'static PhotoClass>, ListingError> {
    let is = |class: &PhotoClass, word: &str| class.folder == word || class.name.eq_ignore_ascii_case(word);
    let mut chosen: Vec<_> = set.classes.iter().collect();
    if let Some(wanted) = &spec.classes {
        if let Some(absent) = wanted.iter().find(|word| !chosen.iter().any(|class| is(class, word))) {
            let near = |class: &&&PhotoClass| {
                [class.folder, class.name]
                    .map(|known| strsim::damerau_levenshtein(known, absent))
                    .into_iter()
                    .min()
            };
            let nearest = chosen.iter().min_by_key(near);
            let remedy = nearest.map_or_else(String::new, |class| {
                format!("the nearest of its {} is `{}`, {}", chosen.len(), class.name, class.folder)
            });
            return Err(ListingError::new(
                "classes",
                format!("`{}` has no class `{absent}`", entry.name),
                remedy,
            ));
        }
        chosen.retain(|class| wanted.iter().any(|word| is(class, word)));
    }
    if let Some(limit) = spec.class_limit {
        if limit > chosen.len() {
            let message = format!("there are {} classes of `{}`, not {limit}", chosen.len(), entry.name);
            return Err(ListingError::new("class_limit", message, "leave it out to use all"));
        }
        chosen.truncate(limit);
    }
    if chosen.len() < 2 {
        let key = if spec.class_limit.is_some() { "class_limit" } else { "classes" };
        let message = format!(
            "with {} of the classes of `{}` there is nothing to tell apart",
            chosen.len(),
            entry.name
        );
        return Err(ListingError::new(key, message, "it takes two at least"));
    }
    Ok(chosen)
}

/// The digest that stands for the photos chosen out of an archive.
fn content(edition: &Edition, classes: &[&PhotoClass], images_per_class: Option<usize>) -> String {
    let mut text = format!("apical photos 1\0{}\0", edition.md5);
    for class in classes {
        text += class.folder;
        text.push('\0');
    }
    if let Some(limit) = images_per_class {
        text += &limit.to_string();
    }
    let mut digest = sha256(text.as_bytes());
    digest.truncate(tree::DIGITS);
    digest
}

/// Refuses a complete description that means other photos than this program's catalog.
pub fn check_content(
    entry: &DatasetEntry,
    set: &PhotoSet,
    edition: &Edition,
    spec: &DatasetSpec,
) -> Result<(), ListingError> {
    let here = content(edition, &choose(entry, set, spec)?, spec.images_per_class);
    match &spec.content {
        Some(wanted) if *wanted == here => Ok(()),
        _ => {
            let wanted = spec.content.as_deref().unwrap_or_default();
            let message = format!("the plan means photos of `{}` with the content `{wanted}`", entry.name);
            let remedy = format!("those of this version come to `{here}`: plan the suite again");
            Err(ListingError::new("content", message, remedy))
        }
    }
}

/// The photos that a complete description chooses, out of those unpacked in `tree`; classes by their names in words.
pub fn list(set: &PhotoSet, spec: &DatasetSpec, tree: &Path) -> Result<Listing, ListingError> {
    let choice = Choice {
        classes: spec.classes.clone(),
        class_limit: spec.class_limit,
        images_per_class: spec.images_per_class,
        test_share: 0.0,
    };
    let mut listing = tree::list(tree, &choice)?;
    for name in &mut listing.classes {
        if let Some(class) = set.classes.iter().find(|class| class.folder == name) {
            class.name.clone_into(name);
        }
    }
    Ok(listing)
}

/// Whether `tree` holds as many photos of each class as the catalog says; if not, where it does not.
pub fn check_counts(set: &PhotoSet, tree: &Path) -> Result<(), String> {
    let all = Choice { classes: None, class_limit: None, images_per_class: None, test_share: 0.0 };
    let listing = tree::list(tree, &all).map_err(|error| error.message)?;
    if listing.divided {
        return Err("it has no photos to test on".to_owned());
    }
    let folders = set.classes.iter().map(|class| class.folder);
    if !listing.classes.iter().map(String::as_str).eq(folders) {
        return Err(format!(
            "it has {} classes, not the {} expected",
            listing.classes.len(),
            set.classes.len()
        ));
    }
    let mut found = vec![[0; 2]; set.classes.len()];
    for (split, images) in [&listing.train, &listing.test].into_iter().enumerate() {
        for image in images {
            found[usize::from(image.class)][split] += 1;
        }
    }
    for (class, [train, test]) in set.classes.iter().zip(found) {
        for (what, there, expected) in [("train", train, class.train), ("test", test, class.test)] {
            if there != expected {
                return Err(format!(
                    "it has {there} photos of `{}` ({}) to {what} on, not {expected}",
                    class.folder, class.name
                ));
            }
        }
    }
    Ok(())
}

/// Reads every photo in `tree`, and says whether it is what was unpacked.
pub fn verify(set: &PhotoSet, tree: &Path) -> State {
    let list = match fs::read_to_string(tree.join(SUMS)) {
        Ok(list) => list,
        Err(_) if !tree.exists() => return State::Absent,
        Err(error) => return State::Wrong(format!("{SUMS} cannot be read: {error}")),
    };
    if let Err(reason) = check_counts(set, tree) {
        return State::Wrong(reason);
    }
    let lines: Vec<_> = list.lines().collect();
    let photos = set.sizes().iter().sum();
    if lines.len() < photos {
        return State::Wrong(format!("{SUMS} lists {} of {photos} photos", lines.len()));
    }
    let wrong = |line: &&str| -> Option<String> {
        let (sum, place) = line.split_once("  ")?;
        match File::open(tree.join(place)).and_then(sha256_of) {
            Ok(found) if found == sum => None,
            Ok(found) => Some(format!("{place} has SHA-256 {found} instead of {sum}")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(format!("{place} is missing")),
            Err(error) => Some(format!("{place} cannot be read: {error}")),
        }
    };
    let wrong: Vec<String> = lines.par_iter().filter_map(wrong).collect();
    match wrong.as_slice() {
        [] => State::Good,
        [only] => State::Wrong(only.clone()),
        [first, ..] => State::Wrong(format!(
            "{} of {} files are not what was unpacked, e.g. {first}",
            wrong.len(),
            lines.len()
        )),
    }
}
