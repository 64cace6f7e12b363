//! Random changes to training images, for a whole batch at once and on the run's device.
//!
//! A kind of change is a file that implements [`Change`], a variant of [`Augmentation`] and its line in
//! [`Augmentation::change`]. Whatever the order in which a suite lists them, the window of an image is chosen first, then it
//! is mirrored, then its colours change ([`Stage`]).
//!
//! Every draw comes from the epoch's seed through our own generator, one sample after the other in the order visited,
//! so that neither the batch size nor `LibTorch`'s global generator has a say. Each kind has a stream of its own: adding
//! one to a list leaves the draws of the others as they were.

mod color_jitter;
mod crop;
mod description;
mod flip;
mod resized_crop;

pub use color_jitter::ColorJitter;
pub use crop::Crop;
pub use description::Augmentation;
pub use resized_crop::{ResizedCrop, Window};

use apical_algorithms::Problem;
use tch::{Device, Kind, TchError, Tensor};

/// When a change is made; each stage has at most one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Which part of an image is seen.
    Window,
    /// Whether it is seen in a mirror.
    Mirror,
    /// What its colours become.
    Colours,
}

/// What draws are made for.
#[derive(Debug, Clone, Copy)]
struct Epoch {
    samples: usize,
    seed: u64,
    /// `[channels, height, width]` of an image.
    shape: [i64; 3],
    device: Device,
}

/// A kind of random change, with its settings.
trait Change {
    fn stage(&self) -> Stage;

    /// What is wrong with the settings in themselves.
    fn problems(&self) -> Vec<Refused> {
        Vec::new()
    }

    /// What does not fit images of this shape; asked where the settings in themselves are right.
    fn misfits(&self, _shape: [i64; 3]) -> Vec<Refused> {
        Vec::new()
    }

    /// The change, as a report names it.
    fn words(&self) -> String;

    /// Draws what happens to the samples of an epoch.
    fn draw(&self, epoch: &Epoch) -> Result<Box<dyn Drawn>, TchError>;
}

/// What happens to each sample of an epoch, in the order visited.
trait Drawn: std::fmt::Debug + Send {
    /// Changes `images`, `[batch, channels, height, width]` of pixel values 0 to 255, by the draws of samples `start..`.
    ///
    /// They come as bytes or, from an earlier change, in `kind`, and may leave as either; what is returned is nobody else's.
    fn apply(&self, images: Tensor, start: i64, kind: Kind) -> Result<Tensor, TchError>;
}

/// A setting that can't be, and what to do about it.
#[derive(Debug)]
struct Refused {
    problem: Problem,
    remedy: String,
}

impl Refused {
    fn at(path: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: Problem::at(path, message), remedy: remedy.into() }
    }
}

/// A number for a report, to four decimals.
fn short(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// Why a list of changes is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("augment: {message}: {remedy}")]
pub struct Refusal {
    /// Where, as keys and positions in the list of changes: `1.crop.padding`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub remedy: String,
}

/// Everything that is wrong with a list of changes to images of `shape`, `[channels, height, width]`.
pub fn refusals(augmentations: &[Augmentation], shape: [i64; 3]) -> Vec<Refusal> {
    let mut all = Vec::new();
    for (index, augmentation) in augmentations.iter().enumerate() {
        let (name, change) = augmentation.change();
        let mut refuse = |path: &str, message: String, remedy: String| {
            let path = format!("{index}.{path}").trim_end_matches('.').to_owned();
            all.push(Refusal { path, message, remedy });
        };
        let earlier = augmentations[..index].iter().map(Augmentation::change);
        match earlier.into_iter().find(|(_, earlier)| earlier.stage() == change.stage()) {
            Some((twice, _)) if twice == name => {
                refuse("", format!("`{name}` is listed twice"), "list each change once".to_owned());
                continue;
            }
            Some((other, _)) => {
                let message = format!("`{other}` and `{name}` both choose the window of an image");
                refuse("", message, "drop one of them".to_owned());
                continue;
            }
            None => {}
        }
        let mut found = change.problems();
        if found.is_empty() {
            found = change.misfits(shape);
        }
        for Refused { problem, remedy } in found {
            let Problem { path, message } = problem.under(name);
            refuse(&path, message, remedy);
        }
    }
    all
}

/// The random changes that a data set's training images undergo.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Augmenter {
    /// In the order in which they are made.
    changes: Vec<Augmentation>,
    shape: [i64; 3],
}

impl Augmenter {
    /// The changes listed, to images of `shape`, `[channels, height, width]`.
    ///
    /// # Errors
    /// The first of [`refusals`].
    pub fn new(augmentations: &[Augmentation], shape: [i64; 3]) -> Result<Self, Refusal> {
        if let Some(refusal) = refusals(augmentations, shape).into_iter().next() {
            return Err(refusal);
        }
        let mut changes = augmentations.to_vec();
        changes.sort_by_key(|augmentation| augmentation.change().1.stage());
        Ok(Self { changes, shape })
    }

    /// Whether images stay as they are.
    pub fn is_identity(&self) -> bool {
        self.changes.is_empty()
    }

    /// Draws what happens to the `samples` of an epoch.
    pub fn draw(&self, samples: usize, seed: u64, device: Device) -> Result<Draws, TchError> {
        let epoch = Epoch { samples, seed, shape: self.shape, device };
        let changes = self.changes.iter().map(|change| change.change().1.draw(&epoch));
        Ok(Draws { changes: changes.collect::<Result<_, _>>()? })
    }
}

/// What happens to each sample of an epoch, in the order visited.
#[derive(Debug)]
pub struct Draws {
    changes: Vec<Box<dyn Drawn>>,
}

impl Draws {
    /// Applies the draws of samples `start..` of the epoch to `pixels`, uint8 `[batch, channels, height, width]`.
    ///
    /// Changes that only move pixels leave bytes; those that compute with them give `kind`, not rounded.
    pub fn apply(&self, pixels: Tensor, start: i64, kind: Kind) -> Result<Tensor, TchError> {
        self.changes.iter().try_fold(pixels, |pixels, change| change.apply(pixels, start, kind))
    }
}
