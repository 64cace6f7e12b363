//! A data set in memory: bytes on the run's device, split as the suite says.

use rayon::prelude::*;
use tch::{Device, Kind, TchError, Tensor};

use super::{
    augment::Augmenter,
    cache,
    catalog::{self, Content, DatasetEntry, Labelled, Samples},
    error::DataError,
    images,
    normalize::Normalizer,
    pixels::Pixels,
    root::DataRoot,
    spec::DatasetSpec,
    split,
};
use crate::memory;

/// Images and labels on a device.
#[derive(Debug)]
pub struct Split {
    /// uint8 `[n, channels, height, width]`.
    pub images: Pixels,
    /// int64 `[n]`; of a regression, where the largest target value is.
    pub labels: Tensor,
    /// Of a regression the target values, float64 `[n, outputs]`.
    pub targets: Option<Tensor>,
}

impl Split {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.size()[0] as usize
    }

    /// What a batch is to teach: labels, or of a regression the target values in `kind`; of the samples that `choose`
    /// picks along the first dimension.
    pub fn lesson(
        &self,
        kind: Kind,
        choose: impl Fn(&Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Tensor, TchError> {
        match &self.targets {
            Some(targets) => choose(targets)?.f_to_kind(kind),
            None => choose(&self.labels),
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Bytes of a split up to which packed images are copied to the device as a whole; larger ones stay in their file.
const RESIDENT: u64 = 4 << 30;

/// Of the machine's memory a split takes an eighth at most: runs beside it have splits too.
const SHARE: u64 = 8;

/// Bytes of a split of packed images that are held in memory here, at most.
pub fn resident() -> u64 {
    memory::total().map_or(RESIDENT, |total| RESIDENT.min(total / SHARE))
}

/// A data set as a run uses it.
#[derive(Debug)]
pub struct Dataset {
    /// Name in the catalog.
    pub name: String,
    /// Shape of an image, `[channels, height, width]`.
    pub shape: [i64; 3],
    /// Name of each class, by label; or of a regression, of each target value.
    pub classes: Vec<String>,
    /// Samples to train on.
    pub train: Split,
    /// Samples held out of the training set, where the description asks for any.
    pub validation: Option<Split>,
    /// Samples to test on.
    pub test: Split,
    /// From bytes to the network's input.
    pub normalizer: Normalizer,
    /// Random changes to training images.
    pub augmenter: Augmenter,
    /// Of photos, the SHA-256 of the packed file's pixels and labels, and how many images were left out of it.
    pub packed: Option<(String, usize)>,
}

/// Loads the data set that `spec` describes onto `device`. Reads the user's folder and the cache; never the network.
pub fn load(spec: &DatasetSpec, root: &DataRoot, device: Device) -> Result<Dataset, DataError> {
    let entry = catalog::find(&spec.name)?;
    if entry.is_images() {
        return images::load(spec, root, device, usize::try_from(resident()).unwrap_or(usize::MAX));
    }
    load_entry(entry, spec, root, device)
}

/// Whether what a run needs can be opened here: what a node asks before it computes.
///
/// # Errors
/// The first file that is missing, unreadable or of another length.
pub fn check_here(spec: &DatasetSpec, root: &DataRoot) -> Result<(), DataError> {
    let entry = catalog::find(&spec.name)?;
    if entry.is_images() { images::open(spec, root).map(drop) } else { cache::check_readable(entry, root) }
}

/// As [`load`], for an entry that need not be in the catalog.
pub fn load_entry(
    entry: &DatasetEntry,
    spec: &DatasetSpec,
    root: &DataRoot,
    device: Device,
) -> Result<Dataset, DataError> {
    let samples = decode(entry, root)?;
    let refused = |message| DataError::Spec { dataset: entry.name.to_owned(), message };
    let train = split::partition(&samples.train.labels, spec.validation, spec.subset.train, spec.split_seed)
        .map_err(refused)?;
    let test = split::choose(&samples.test.labels, spec.subset.test, spec.split_seed).map_err(refused)?;
    let augmenter = Augmenter::new(&spec.augment, entry.shape).map_err(|error| refused(error.to_string()))?;
    let on_device = || -> Result<Dataset, TchError> {
        let part = |from: &Labelled, indices: &[usize]| upload(entry, from, indices, device);
        Ok(Dataset {
            name: entry.name.to_owned(),
            shape: entry.shape,
            classes: entry.classes.iter().map(|&class| class.to_owned()).collect(),
            train: part(&samples.train, &train.train)?,
            validation: match train.validation.as_slice() {
                [] => None,
                held_out => Some(part(&samples.train, held_out)?),
            },
            test: part(&samples.test, &test)?,
            normalizer: Normalizer::new(entry, spec.normalization, device)?,
            augmenter,
            packed: None,
        })
    };
    on_device().map_err(|source| DataError::Tensor { dataset: entry.name.to_owned(), source })
}

/// Reads, verifies and decodes the whole data set, and checks it against its catalog entry.
pub fn decode(entry: &DatasetEntry, root: &DataRoot) -> Result<Samples, DataError> {
    let samples = match &entry.content {
        Content::Embedded { file, decode } => decode().map_err(|error| error.in_file(file))?,
        Content::Computed(compute) => compute(),
        Content::Photos(_) | Content::Folder => {
            let message = "it is photos, which `load` opens once they are packed".to_owned();
            return Err(DataError::Inconsistent { dataset: entry.name.to_owned(), message });
        }
        Content::Files(set) => {
            let files =
                set.files.par_iter().map(|file| cache::load(root, entry, file)).collect::<Result<_, _>>()?;
            (set.decode)(files).map_err(|(index, error)| error.in_file(set.files[index].name))?
        }
    };
    for (split, size, found) in
        [("training", entry.train_size, &samples.train), ("test", entry.test_size, &samples.test)]
    {
        if found.labels.len() != size || found.pixels.len() != size * entry.image_len() {
            let message = format!(
                "its files hold {} {split} images and {} pixels, not {size} images of shape {:?}",
                found.labels.len(),
                found.pixels.len(),
                entry.shape
            );
            return Err(DataError::Inconsistent { dataset: entry.name.to_owned(), message });
        }
        let targets = if entry.is_regression() { size * entry.classes.len() } else { 0 };
        if found.targets.len() != targets {
            let message = format!("there are {} {split} target values, not {targets}", found.targets.len());
            return Err(DataError::Inconsistent { dataset: entry.name.to_owned(), message });
        }
        if let Some(label) = found.labels.iter().find(|&&label| usize::from(label) >= entry.classes.len()) {
            let message = format!("a {split} label is {label}, there are {} classes", entry.classes.len());
            return Err(DataError::Inconsistent { dataset: entry.name.to_owned(), message });
        }
    }
    Ok(samples)
}

/// The samples at `indices`, in that order, as tensors on `device`.
fn upload(
    entry: &DatasetEntry,
    from: &Labelled,
    indices: &[usize],
    device: Device,
) -> Result<Split, TchError> {
    let [channels, height, width] = entry.shape;
    let size = [indices.len() as i64, channels, height, width];
    let labels: Vec<i64> = indices.iter().map(|&index| i64::from(from.labels[index])).collect();
    let images = if indices.len() == from.labels.len() {
        // Indices ascend, so all of them is the data as it stands.
        Tensor::f_from_data_size(&from.pixels, &size, Kind::Uint8)?
    } else {
        let length = entry.image_len();
        let mut pixels = Vec::with_capacity(indices.len() * length);
        for &index in indices {
            pixels.extend_from_slice(&from.pixels[index * length..(index + 1) * length]);
        }
        Tensor::f_from_data_size(&pixels, &size, Kind::Uint8)?
    };
    let targets = if from.targets.is_empty() {
        None
    } else {
        let outputs = entry.classes.len();
        let rows = indices.iter().flat_map(|&index| &from.targets[index * outputs..(index + 1) * outputs]);
        let values: Vec<f64> = rows.copied().collect();
        Some(Tensor::f_from_slice(&values)?.f_view([-1, outputs as i64])?.f_to_device(device)?)
    };
    Ok(Split {
        targets,
        images: images.f_to_device(device)?.into(),
        labels: Tensor::f_from_slice(&labels)?.f_to_device(device)?,
    })
}
