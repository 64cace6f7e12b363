//! Cropping: zero pixels around the image, and a window of its size anywhere in that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

use super::{Change, Drawn, Epoch, Refused, Stage};
use crate::data::random::{below, stream};

/// A window of the image's size, at a uniformly random place of the padded image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Crop {
    /// Zero pixels added on each side; less than the image's size.
    #[schemars(range(min = 1))]
    pub padding: u32,
}

impl Default for Crop {
    fn default() -> Self {
        Self { padding: 4 }
    }
}

/// The upper left corners of windows.
#[derive(Debug)]
struct Corners {
    padding: i64,
    /// Row and column in the padded image, 0 to twice the padding, int64 `[n]` each.
    rows: Tensor,
    columns: Tensor,
}

impl Change for Crop {
    fn stage(&self) -> Stage {
        Stage::Window
    }

    fn problems(&self) -> Vec<Refused> {
        if self.padding > 0 {
            return Vec::new();
        }
        vec![Refused::at("padding", "a `crop` with a padding of 0 changes nothing", "leave it out, or pad")]
    }

    fn misfits(&self, [_, height, width]: [i64; 3]) -> Vec<Refused> {
        let side = height.min(width);
        if i64::from(self.padding) < side {
            return Vec::new();
        }
        let message = format!("a padding of {} can leave nothing of {height}×{width} pixels", self.padding);
        let remedy = if side > 1 {
            format!("`{{crop: {{padding: …}}}}` with 1 to {}", side - 1)
        } else {
            "leave it out".to_owned()
        };
        vec![Refused::at("padding", message, remedy)]
    }

    fn words(&self) -> String {
        format!("random crops with padding {}", self.padding)
    }

    fn draw(&self, epoch: &Epoch) -> Result<Box<dyn Drawn>, TchError> {
        let mut rng = stream(epoch.seed, "crop");
        let mut places = || i64::from(below(&mut rng, 2 * self.padding + 1));
        let (rows, columns): (Vec<i64>, Vec<i64>) = (0..epoch.samples).map(|_| (places(), places())).unzip();
        let tensor = |places: &[i64]| Tensor::f_from_slice(places)?.f_to_device(epoch.device);
        Ok(Box::new(Corners {
            padding: self.padding.into(),
            rows: tensor(&rows)?,
            columns: tensor(&columns)?,
        }))
    }
}

impl Drawn for Corners {
    /// A row of a window is `width` pixels in a row of the padded batch. Seen flat, the padded batch has such a run of
    /// pixels at every offset (`unfold`, a view), and one indexing step copies the runs wanted: an index for each row of
    /// pixels rather than for each pixel.
    fn apply(&self, images: Tensor, start: i64, _kind: Kind) -> Result<Tensor, TchError> {
        let (batch, channels, height, width) = images.size4()?;
        let (tall, wide) = (height + 2 * self.padding, width + 2 * self.padding);
        let padded = images.f_constant_pad_nd([self.padding; 4])?;
        let along = |n: i64, step: i64| {
            Tensor::f_arange_start_step(0, n * step, step, (Kind::Int64, images.device()))
        };
        let (rows, columns) = (self.rows.f_narrow(0, start, batch)?, self.columns.f_narrow(0, start, batch)?);
        let corner =
            rows.f_multiply_scalar(wide)?.f_add(&columns)?.f_add(&along(batch, channels * tall * wide)?)?;
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
}
