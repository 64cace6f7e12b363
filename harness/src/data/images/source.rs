//! From what a suite says of photos to the packed file, and from that to tensors.
//!
//! A suite is read where the folder is; there its description is completed ([`resolve`]) with the digest of what
//! was chosen. From then on the digest stands for the data: the packed file is found by it, and a run needs nothing else.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tch::{Device, TchError, Tensor};

use super::{
    map::Pack,
    named,
    pack::{Builder, PackError, Step, file_name},
    tree::{self, Choice, Listing, ListingError},
};
use crate::data::{
    augment::Augmenter,
    catalog,
    dataset::{Dataset, Split},
    error::DataError,
    fetch::Progress,
    normalize::Normalizer,
    pixels::Pixels,
    root::DataRoot,
    spec::DatasetSpec,
    split,
};

pub(super) const SIZE: u32 = 64;
const TEST_SHARE: f64 = 0.2;
const SKIP_LIMIT: f64 = 0.01;

/// Where folders of images are looked for.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The folder of the suite.
    pub beside: Option<PathBuf>,
    /// The user's folder and the cache.
    pub root: Option<DataRoot>,
}

impl Places {
    fn candidates(&self, folder: &str) -> Vec<PathBuf> {
        let given = self.root.as_ref().and_then(|root| root.folder.clone());
        let cache = self.root.as_ref().map(|root| root.cache.clone());
        // Joining an absolute path gives that path.
        let mut places: Vec<_> = [given, self.beside.clone(), cache]
            .into_iter()
            .flatten()
            .map(|place| place.join(folder))
            .collect();
        if places.is_empty() {
            places.push(PathBuf::from(folder));
        }
        places.dedup();
        places
    }

    /// The folder called `folder`: in the user's folder, beside the suite, or in the cache.
    pub fn locate(&self, folder: &str) -> Result<PathBuf, ListingError> {
        let places = self.candidates(folder);
        places.iter().find(|path| path.is_dir()).cloned().ok_or_else(|| {
            let looked: Vec<_> = places.iter().map(|path| path.display().to_string()).collect();
            ListingError {
                key: "folder",
                message: format!("there is no folder of images `{folder}`"),
                remedy: format!(
                    "looked for {}; `--data DIR` or APICAL_DATA says where folders of data lie",
                    looked.join(", ")
                ),
            }
        })
    }
}

/// How many classes and images a description chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Classes.
    pub classes: usize,
    /// Images to train on, those to hold out included.
    pub train: usize,
    /// Images to test on.
    pub test: usize,
}

/// Completes the description of photos, and counts them. A folder is looked at; of a set with a name, nothing needs to be here.
pub fn describe(spec: &DatasetSpec, places: &Places) -> Result<(DatasetSpec, Counts), ListingError> {
    let entry = catalog::find(&spec.name).ok();
    if let Some((entry, set)) = entry.and_then(|entry| Some((entry, entry.photos()?))) {
        return named::complete(entry, set, spec);
    }
    let (spec, listing) = resolve(spec, places)?;
    let Listing { classes, train, test, .. } = listing;
    Ok((spec, Counts { classes: classes.len(), train: train.len(), test: test.len() }))
}

/// Completes the description of a folder of images: defaults, classes and the digest of what is there.
pub fn resolve(spec: &DatasetSpec, places: &Places) -> Result<(DatasetSpec, Listing), ListingError> {
    if spec.edition.is_some() {
        return Err(ListingError {
            key: "edition",
            message: format!("`{}` has no editions: `folder` says which photos", spec.name),
            remedy: "leave it out, or use a set with a name, as `imagenette`".to_owned(),
        });
    }
    let Some(folder) = &spec.folder else {
        return Err(ListingError {
            key: "name",
            message: format!("`{}` does not say which folder", spec.name),
            remedy: "add `folder:` with the name or path of a folder of images".to_owned(),
        });
    };
    let listing = tree::list(&places.locate(folder)?, &choice(spec))?;
    if !listing.divided && spec.test_share.is_some() {
        return Err(ListingError {
            key: "test_share",
            message: format!("`{folder}` says itself what is to be tested on"),
            remedy: "leave it out".to_owned(),
        });
    }
    let content = listing.content();
    if let Some(wanted) = spec.content.as_ref().filter(|wanted| **wanted != content) {
        return Err(ListingError {
            key: "content",
            message: format!("the images in {} are not those of `{wanted}`", listing.root.display()),
            remedy: format!("they come to `{content}`: find the others, or leave `content` out to use these"),
        });
    }
    let complete = DatasetSpec {
        size: Some(spec.size.unwrap_or(SIZE)),
        fit: Some(spec.fit.unwrap_or_default()),
        classes: Some(listing.classes.clone()),
        class_limit: None,
        test_share: listing.divided.then(|| spec.test_share.unwrap_or(TEST_SHARE)),
        content: Some(content),
        ..spec.clone()
    };
    Ok((complete, listing))
}

fn choice(spec: &DatasetSpec) -> Choice {
    Choice {
        classes: spec.classes.clone(),
        class_limit: spec.class_limit,
        images_per_class: spec.images_per_class,
        test_share: spec.test_share.unwrap_or(TEST_SHARE),
    }
}

/// Side of the images that a description asks for.
pub fn size(spec: &DatasetSpec) -> u32 {
    spec.size.unwrap_or(SIZE)
}

/// Makes sure that the images of a complete description of a folder are packed.
pub fn ensure(
    spec: &DatasetSpec,
    places: &Places,
    root: &DataRoot,
    report: &mut dyn FnMut(Progress),
) -> Result<(), DataError> {
    // Whoever has the packed file needs the folder no more.
    if is_packed(spec, root) {
        return Ok(());
    }
    let refused = |source| DataError::Listing { dataset: spec.name.clone(), source };
    let (_, listing) = resolve(spec, places).map_err(refused)?;
    build(spec, &listing, root, report)
}

/// Whether the images of a complete description are packed, and no more of them unreadable than it allows.
pub fn is_packed(spec: &DatasetSpec, root: &DataRoot) -> bool {
    open(spec, root).is_ok_and(|pack| builder(spec, root).tolerates(&pack.header))
}

/// Packs the images of a complete description, which are those of `listing`, where no one has yet.
pub fn build(
    spec: &DatasetSpec,
    listing: &Listing,
    root: &DataRoot,
    report: &mut dyn FnMut(Progress),
) -> Result<(), DataError> {
    let content = spec.content.clone().unwrap_or_else(|| listing.content());
    let mut built = false;
    let pack = builder(spec, root).ensure_as(listing, content, &mut |step| {
        built = true;
        report(match step {
            Step::Waiting => Progress::Waiting,
            Step::Images { done, total, skipped } => Progress::Images { done, total, skipped },
        });
    });
    let pack = pack.map_err(|source| DataError::Pack { dataset: spec.name.clone(), source })?;
    if built {
        let skipped = listing.skipped.iter().chain(&pack.header.skipped).cloned().collect();
        report(Progress::Packed { images: pack.labels.len(), skipped, path: pack.path().to_owned() });
    }
    Ok(())
}

fn builder(spec: &DatasetSpec, root: &DataRoot) -> Builder {
    Builder {
        folder: root.packs(),
        size: size(spec),
        fit: spec.fit.unwrap_or_default(),
        skip_limit: spec.skip_limit.unwrap_or(SKIP_LIMIT),
        patience: Duration::from_hours(12),
    }
}

/// Opens the packed images of a complete description.
pub fn open(spec: &DatasetSpec, root: &DataRoot) -> Result<Pack, DataError> {
    let dataset = spec.name.clone();
    let Some(content) = &spec.content else {
        let message = "the description lacks `content`, which reading a suite fills in".to_owned();
        return Err(DataError::Spec { dataset, message });
    };
    let path = root.packs().join(file_name(content, size(spec), spec.fit.unwrap_or_default()));
    match Pack::open(&path) {
        Ok(pack) if pack.header.content == *content => Ok(pack),
        Ok(_) => {
            let message = "it holds other images than its name says".to_owned();
            Err(DataError::Pack { dataset, source: PackError::Damaged { path, message } })
        }
        Err(PackError::Closed { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(DataError::NotPacked { dataset, path })
        }
        Err(source) => Err(DataError::Pack { dataset, source }),
    }
}

/// Loads the packed images that `spec` describes; splits of more than `resident` bytes stay in their file.
pub fn load(
    spec: &DatasetSpec,
    root: &DataRoot,
    device: Device,
    resident: usize,
) -> Result<Dataset, DataError> {
    let pack = Arc::new(open(spec, root)?);
    let refused = |message| DataError::Spec { dataset: spec.name.clone(), message };
    let (train, test) = pack.labels.split_at(pack.header.train);
    let chosen =
        split::partition(train, spec.validation, spec.subset.train, spec.split_seed).map_err(refused)?;
    let tested = split::choose(test, spec.subset.test, spec.split_seed).map_err(refused)?;
    let side = i64::from(pack.header.size);
    let shape = [pack.header.mean.len() as i64, side, side];
    let augmenter = Augmenter::new(&spec.augment, shape).map_err(|error| refused(error.to_string()))?;
    let tested = tested.into_iter().map(|index| index + pack.header.train).collect();
    let part = |rows: Vec<usize>| -> Result<Split, TchError> {
        let labels: Vec<i64> = rows.iter().map(|&row| i64::from(pack.labels[row])).collect();
        Ok(Split {
            images: Pixels::of_pack(&pack, rows, device, resident)?,
            labels: Tensor::f_from_slice(&labels)?.f_to_device(device)?,
            targets: None,
        })
    };
    let on_device = || -> Result<Dataset, TchError> {
        let header = &pack.header;
        Ok(Dataset {
            name: spec.name.clone(),
            shape,
            classes: header.classes.clone(),
            train: part(chosen.train)?,
            validation: if chosen.validation.is_empty() { None } else { Some(part(chosen.validation)?) },
            test: part(tested)?,
            normalizer: Normalizer::with_statistics(&header.mean, &header.std, spec.normalization, device)?,
            augmenter,
            packed: Some((header.sha256.clone(), header.skipped.len())),
        })
    };
    on_device().map_err(|source| DataError::Tensor { dataset: spec.name.clone(), source })
}
