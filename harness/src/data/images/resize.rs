//! An image to a square of one size, antialiased.
//!
//! A triangle filter as wide as the reduction, in fixed point: the same bytes on every processor. It is what Pillow
//! and torchvision call bilinear.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Red, green and blue.
pub const CHANNELS: usize = 3;

/// How an image that is not square becomes one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// The short side is brought to the size, and the middle of the long one is cut out.
    #[default]
    Crop,
    /// Both sides are brought to the size, whatever becomes of the proportions.
    Squash,
}

/// Resizes `image` to `size`×`size`, channel by channel: `[3, size, size]`.
pub fn resize(resizer: &mut Resizer, image: &RgbImage, size: u32, fit: Fit) -> Result<Vec<u8>, String> {
    let (width, height) = image.dimensions();
    let refused = |error: &dyn std::fmt::Display| format!("it cannot be resized: {error}");
    let source =
        ImageRef::new(width, height, image.as_raw(), PixelType::U8x3).map_err(|error| refused(&error))?;
    let mut target = Image::new(size, size, PixelType::U8x3);
    let mut options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    if fit == Fit::Crop {
        let side = width.min(height);
        let middle = |length: u32| f64::from((length - side) / 2);
        options = options.crop(middle(width), middle(height), f64::from(side), f64::from(side));
    }
    resizer.resize(&source, &mut target, &options).map_err(|error| refused(&error))?;
    Ok(planes(target.buffer()))
}

/// From a colour after the other to a plane after the other.
fn planes(pixels: &[u8]) -> Vec<u8> {
    let area = pixels.len() / CHANNELS;
    let mut planes = vec![0; pixels.len()];
    let (red, rest) = planes.split_at_mut(area);
    let (green, blue) = rest.split_at_mut(area);
    for (((pixel, red), green), blue) in pixels.chunks_exact(CHANNELS).zip(red).zip(green).zip(blue) {
        (*red, *green, *blue) = (pixel[0], pixel[1], pixel[2]);
    }
    planes
}
