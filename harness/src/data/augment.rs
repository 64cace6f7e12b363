//! Random crop and mirror of training images, for a whole batch at once.
//!
//! Every draw comes from the epoch's seed through our own generator, one sample after the other in the order visited,
//! so that neither the batch size nor `LibTorch`'s global generator has a say.

use tch::{Device, Kind, TchError, Tensor};

use super::{
    random::{below, stream},
    spec::Augmentation,
};

/// Zero pixels added on each side before cutting.
pub const PADDING: i64 = 4;

/// The random changes that a data set's training images undergo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Augmenter {
    crop: bool,
    flip: bool,
}

/// What happens to each sample of an epoch, in the order visited.
#[derive(Debug)]
pub struct Draws {
    /// Row and column of the window in the padded image, 0..=8, int64 `[n]` each.
    windows: Option<(Tensor, Tensor)>,
    /// 1 where the image is mirrored, else 0, int64 `[n]`.
    flips: Option<Tensor>,
}

impl Augmenter {
    /// The changes listed; each at most once. Cropping comes before mirroring, whatever their order.
    pub fn new(augmentations: &[Augmentation]) -> Result<Self, String> {
        let mut augmenter = Self::default();
        for augmentation in augmentations {
            let (field, name) = match augmentation {
                Augmentation::Crop => (&mut augmenter.crop, "crop"),
                Augmentation::Flip => (&mut augmenter.flip, "flip"),
            };
            if std::mem::replace(field, true) {
                return Err(format!("augment: `{name}` is listed twice"));
            }
        }
        Ok(augmenter)
    }

    /// Whether images stay as they are.
    pub fn is_identity(self) -> bool {
        self == Self::default()
    }

    /// Draws what happens to the `n` samples of an epoch.
    pub fn draw(self, n: usize, seed: u64, device: Device) -> Result<Draws, TchError> {
        let windows = if self.crop {
            let mut rng = stream(seed, "crop");
            let mut places = || i64::from(below(&mut rng, 2 * PADDING as u32 + 1));
            let (rows, columns): (Vec<i64>, Vec<i64>) = (0..n).map(|_| (places(), places())).unzip();
            let tensor = |places: &[i64]| Tensor::f_from_slice(places)?.f_to_device(device);
            Some((tensor(&rows)?, tensor(&columns)?))
        } else {
            None
        };
        let flips = if self.flip {
            let mut rng = stream(seed, "flip");
            let flips: Vec<i64> = (0..n).map(|_| i64::from(below(&mut rng, 2))).collect();
            Some(Tensor::f_from_slice(&flips)?.f_to_device(device)?)
        } else {
            None
        };
        Ok(Draws { windows, flips })
    }
}

impl Draws {
    /// Applies the draws of samples `start..` of the epoch to `pixels`, `[batch, channels, height, width]`.
    pub fn apply(&self, pixels: Tensor, start: i64) -> Result<Tensor, TchError> {
        let batch = pixels.size()[0];
        let mut pixels = pixels;
        if let Some((rows, columns)) = &self.windows {
            let (rows, columns) = (rows.f_narrow(0, start, batch)?, columns.f_narrow(0, start, batch)?);
            pixels = cut(&pixels, &rows, &columns)?;
        }
        if let Some(flips) = &self.flips {
            // Choosing whole images among originals and mirror images is a tenth of the cost of `where` by pixel.
            let both = Tensor::f_cat(&[&pixels, &pixels.f_flip([3])?], 0)?;
            let own = Tensor::f_arange(batch, (Kind::Int64, pixels.device()))?;
            let chosen = flips.f_narrow(0, start, batch)?.f_multiply_scalar(batch)?.f_add(&own)?;
            pixels = both.f_index_select(0, &chosen)?;
        }
        Ok(pixels)
    }
}

/// Cuts from each padded image the window whose upper left corner is at (`rows`, `columns`).
///
/// A row of a window is `width` bytes in a row of the padded batch. Seen flat, the padded batch has such a run of bytes
/// at every offset (`unfold`, a view), and one indexing step copies the runs wanted: an index for each row of pixels
/// rather than for each pixel.
fn cut(pixels: &Tensor, rows: &Tensor, columns: &Tensor) -> Result<Tensor, TchError> {
    let (batch, channels, height, width) = pixels.size4()?;
    let (tall, wide) = (height + 2 * PADDING, width + 2 * PADDING);
    let padded = pixels.f_constant_pad_nd([PADDING; 4])?;
    let along =
        |n: i64, step: i64| Tensor::f_arange_start_step(0, n * step, step, (Kind::Int64, pixels.device()));
    let corner =
        rows.f_multiply_scalar(wide)?.f_add(columns)?.f_add(&along(batch, channels * tall * wide)?)?;
    let runs = corner
        .f_view([batch, 1, 1])?
        .f_add(&along(channels, tall * wide)?.f_view([channels, 1])?)?
        .f_add(&along(height, wide)?)?;
    padded
        .f_view([-1])?
        .f_unfold(0, width, 1)?
        .f_index(&[Some(runs.f_view([-1])?)])?
        .f_view([batch, channels, height, width])
}
