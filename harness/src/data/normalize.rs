//! From bytes to a network's input: x ↦ scale · x + shift, with one scale and shift for each channel.

use tch::{Device, Kind, TchError, Tensor};

use super::{catalog::DatasetEntry, spec::Normalization};

/// The affine map from pixel bytes to a network's input.
#[derive(Debug)]
pub struct Normalizer {
    /// Which normalisation it is.
    pub normalization: Normalization,
    /// Factor of each channel, for pixels in 0..=255.
    pub scale: Vec<f64>,
    /// Summand of each channel.
    pub shift: Vec<f64>,
    /// What pixels are divided by before `shift` is added, where one number serves all channels.
    divisor: Option<f64>,
    /// `scale` and `shift` as `[channels, 1, 1]` in float64 on the device, where channels differ.
    per_channel: Option<(Tensor, Tensor)>,
}

impl Normalizer {
    /// The map for `entry` under `normalization`, for batches on `device`.
    pub fn new(entry: &DatasetEntry, normalization: Normalization, device: Device) -> Result<Self, TchError> {
        Self::with_statistics(entry.channel_mean, entry.channel_std, normalization, device)
    }

    /// The map for images whose channels have these means and standard deviations, pixels scaled to [0, 1].
    pub fn with_statistics(
        channel_mean: &[f64],
        channel_std: &[f64],
        normalization: Normalization,
        device: Device,
    ) -> Result<Self, TchError> {
        let channels = channel_mean.len();
        let (scale, shift): (Vec<f64>, Vec<f64>) = match normalization {
            Normalization::Unit => (vec![1.0 / 255.0; channels], vec![0.0; channels]),
            Normalization::Centered => (vec![1.0 / 127.5; channels], vec![-1.0; channels]),
            Normalization::Standard => channel_mean
                .iter()
                .zip(channel_std)
                .map(|(mean, std)| (1.0 / (255.0 * std), -mean / std))
                .unzip(),
        };
        let divisor = match normalization {
            Normalization::Unit => Some(255.0),
            Normalization::Centered => Some(127.5),
            Normalization::Standard if channels == 1 => Some(255.0 * channel_std[0]),
            Normalization::Standard => None,
        };
        let tensor = |values: &[f64]| Tensor::f_from_slice(values)?.f_view([-1, 1, 1])?.f_to_device(device);
        let per_channel = match divisor {
            Some(_) => None,
            None => Some((tensor(&scale)?, tensor(&shift)?)),
        };
        Ok(Self { normalization, scale, shift, divisor, per_channel })
    }

    /// Normalises `pixels`, `[batch, channels, height, width]`, to `kind`, same shape: bytes, or values of `kind` between 0 and
    /// 255 that nobody else holds, which are changed in place.
    pub fn apply(&self, pixels: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
        let mut images = pixels.f_to_kind(kind)?;
        if let Some(divisor) = self.divisor {
            let _ = images.f_divide_scalar_(divisor)?;
            if self.shift[0] != 0.0 {
                let _ = images.f_add_scalar_(self.shift[0])?;
            }
        } else if let Some((scale, shift)) = &self.per_channel {
            let _ = images.f_mul_(&scale.f_to_kind(kind)?)?;
            let _ = images.f_add_(&shift.f_to_kind(kind)?)?;
        }
        Ok(images)
    }
}
