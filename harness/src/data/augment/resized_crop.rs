//! A random window of the image, brought back to the image's size: Szegedy et al. 2015, "Going deeper with convolutions".
//!
//! Windows follow the law of torchvision's `RandomResizedCrop` and lie on pixel bounds. A window is never larger than what
//! it becomes, so that an antialiasing filter would have nothing to do: resampling is bilinear interpolation in the window,
//! whose border pixels reach as far as they are asked. Values are not rounded to bytes afterwards.

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

use super::{Change, Drawn, Epoch, Refused, Stage, short};
use crate::data::random::{below, stream, uniform};

/// Windows that are drawn before the central one is taken instead.
const TRIES: usize = 10;

/// A random window, brought back to the image's size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResizedCrop {
    /// Smallest and largest share of the image's area, in (0, 1]; uniform between them.
    pub scale: [f64; 2],
    /// Smallest and largest width over height of the window; its logarithm is uniform between theirs.
    pub ratio: [f64; 2],
}

impl Default for ResizedCrop {
    fn default() -> Self {
        Self { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }
    }
}

/// A part of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its first row.
    pub top: i64,
    /// Its first column.
    pub left: i64,
    /// Its rows.
    pub height: i64,
    /// Its columns.
    pub width: i64,
}

impl ResizedCrop {
    /// Draws a window of an image; `None` where none of ten tries fits into it.
    ///
    /// # Panics
    /// Where the image has no pixel.
    pub fn window(&self, rng: &mut ChaCha8Rng, height: i64, width: i64) -> Option<Window> {
        let [narrowest, widest] = self.ratio.map(f64::ln);
        (0..TRIES).find_map(|_| {
            let area = (height * width) as f64 * uniform(rng, self.scale[0], self.scale[1]);
            let ratio = uniform(rng, narrowest, widest).exp();
            let columns = (area * ratio).sqrt().round_ties_even() as i64;
            let rows = (area / ratio).sqrt().round_ties_even() as i64;
            let fits = (1..=height).contains(&rows) && (1..=width).contains(&columns);
            fits.then(|| {
                let mut place = |room: i64| i64::from(below(rng, room as u32 + 1));
                let (top, left) = (place(height - rows), place(width - columns));
                Window { top, left, height: rows, width: columns }
            })
        })
    }

    /// The largest window in the middle whose aspect ratio is allowed.
    pub fn central(&self, height: i64, width: i64) -> Window {
        let ratio = (width as f64 / height as f64).clamp(self.ratio[0], self.ratio[1]);
        let rows = ((width as f64 / ratio).round_ties_even() as i64).clamp(1, height);
        let columns = ((height as f64 * ratio).round_ties_even() as i64).clamp(1, width);
        Window { top: (height - rows) / 2, left: (width - columns) / 2, height: rows, width: columns }
    }
}

/// Where windows lie.
#[derive(Debug)]
struct Windows {
    /// First row and number of rows, float64 `[n, 2]`.
    rows: Tensor,
    /// First column and number of columns, float64 `[n, 2]`.
    columns: Tensor,
}

impl Windows {
    fn of(windows: &[Window], device: tch::Device) -> Result<Self, TchError> {
        let tensor = |ends: fn(&Window) -> [i64; 2]| {
            let ends: Vec<f64> = windows.iter().flat_map(ends).map(|end| end as f64).collect();
            Tensor::f_from_slice(&ends)?.f_view([-1, 2])?.f_to_device(device)
        };
        Ok(Self {
            rows: tensor(|window| [window.top, window.height])?,
            columns: tensor(|window| [window.left, window.width])?,
        })
    }
}

impl Change for ResizedCrop {
    fn stage(&self) -> Stage {
        Stage::Window
    }

    fn problems(&self) -> Vec<Refused> {
        let mut found = Vec::new();
        let [least, most] = self.scale;
        if !(least > 0.0 && most <= 1.0) {
            let message = format!("[{least}, {most}] is no range of shares of an image's area");
            found.push(Refused::at("scale", message, "above 0 and at most 1, the smaller first"));
        } else if least > most {
            let message = format!("[{least}, {most}] runs from the larger share to the smaller");
            found.push(Refused::at("scale", message, format!("write [{most}, {least}]")));
        }
        let [narrowest, widest] = self.ratio;
        if !(narrowest > 0.0 && widest > 0.0 && narrowest.is_finite() && widest.is_finite()) {
            let message = format!("[{narrowest}, {widest}] is no range of width over height");
            found.push(Refused::at("ratio", message, "above 0, the smaller first"));
        } else if narrowest > widest {
            let message = format!("[{narrowest}, {widest}] runs from the larger ratio to the smaller");
            found.push(Refused::at("ratio", message, format!("write [{widest}, {narrowest}]")));
        }
        found
    }

    fn words(&self) -> String {
        let [least, most] = self.scale.map(|share| short(100.0 * share));
        let [narrowest, widest] = self.ratio.map(short);
        format!(
            "random windows of {least} to {most} % of the area, {narrowest} to {widest} times as wide as high, brought back \
             to the image's size"
        )
    }

    fn draw(&self, epoch: &Epoch) -> Result<Box<dyn Drawn>, TchError> {
        let mut rng = stream(epoch.seed, "resized-crop");
        let [_, height, width] = epoch.shape;
        let mut window =
            || self.window(&mut rng, height, width).unwrap_or_else(|| self.central(height, width));
        let windows: Vec<Window> = (0..epoch.samples).map(|_| window()).collect();
        Ok(Box::new(Windows::of(&windows, epoch.device)?))
    }
}

impl Drawn for Windows {
    fn apply(&self, images: Tensor, start: i64, kind: Kind) -> Result<Tensor, TchError> {
        let (batch, _, height, width) = images.size4()?;
        let part = |ends: &Tensor| ends.f_narrow(0, start, batch);
        let rows = places(&part(&self.rows)?, height)?.f_to_kind(kind)?.f_unsqueeze(2)?;
        let columns = places(&part(&self.columns)?, width)?.f_to_kind(kind)?.f_unsqueeze(1)?;
        let spread = |places: &Tensor| places.f_expand([batch, height, width], false);
        let grid = Tensor::f_stack(&[spread(&columns)?, spread(&rows)?], 3)?;
        let (bilinear, border) = (0, 1);
        let mut seen = images.f_to_kind(kind)?.f_grid_sampler(&grid, bilinear, border, false)?;
        // Weights sum to 1 but for rounding, and there are rules that take inputs for probabilities.
        seen.f_clamp_(0.0, 255.0)
    }
}

/// Where the pixels of an axis of `size` look in the image, float64 `[batch, size]`, as `grid_sampler` puts it: −1 is the
/// image's first edge and 1 its last. `ends` are the window's first pixel and its length there.
fn places(ends: &Tensor, size: i64) -> Result<Tensor, TchError> {
    let (first, length) = (ends.f_narrow(1, 0, 1)?, ends.f_narrow(1, 1, 1)?);
    let middles = Tensor::f_arange(size, (Kind::Double, ends.device()))?
        .f_add_scalar(0.5)?
        .f_div_scalar(size as f64)?;
    let places = first.f_add(&length.f_mul(&middles)?)?;
    // Half a pixel from its edge, the window's last pixel is all there is.
    let (least, most) = (first.f_add_scalar(0.5)?, first.f_add(&length)?.f_sub_scalar(0.5)?);
    places.f_maximum(&least)?.f_minimum(&most)?.f_mul_scalar(2.0 / size as f64)?.f_sub_scalar(1.0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use tch::Device;

    fn noise(shape: [i64; 4]) -> Tensor {
        let n: i64 = shape.iter().product();
        let values = Tensor::arange(n, (Kind::Int64, Device::Cpu)) * 7919;
        values.remainder(104_729).remainder(256).to_kind(Kind::Uint8).view(shape)
    }

    fn seen(images: &Tensor, windows: &[Window], kind: Kind) -> Tensor {
        let windows = Windows::of(windows, Device::Cpu).unwrap();
        windows.apply(images.shallow_clone(), 0, kind).unwrap()
    }

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        assert_eq!(a.size(), b.size());
        (a.to_kind(Kind::Double) - b.to_kind(Kind::Double)).abs().max().double_value(&[])
    }

    #[test]
    fn the_whole_image_as_its_window_is_the_image() {
        for (height, width) in [(64, 64), (28, 28), (7, 5), (96, 225)] {
            let images = noise([2, 3, height, width]);
            let whole = [Window { top: 0, left: 0, height, width }; 2];
            assert!(distance(&seen(&images, &whole, Kind::Double), &images) < 1e-10);
            assert!(distance(&seen(&images, &whole, Kind::Float), &images) < 1e-4 * 255.0);
        }
        let images = noise([2, 3, 64, 64]);
        let whole = [Window { top: 0, left: 0, height: 64, width: 64 }; 2];
        assert!(
            seen(&images, &whole, Kind::Float).equal(&images.to_kind(Kind::Float)),
            "exactly, of 64 pixels"
        );
    }

    #[test]
    fn a_window_becomes_what_libtorchs_antialiased_interpolation_makes_of_it_alone() {
        for (height, width) in [(64, 64), (32, 32), (9, 14), (224, 224)] {
            let law = ResizedCrop { scale: [0.001, 1.0], ..ResizedCrop::default() };
            let mut rng = stream(1, "test");
            let mut windows: Vec<Window> =
                (0..30).map(|_| law.window(&mut rng, height, width).unwrap()).collect();
            windows.push(Window { top: height - 1, left: 0, height: 1, width: 1 });
            windows.push(Window { top: 0, left: width - 2, height, width: 2 });
            let images = noise([windows.len() as i64, 3, height, width]);
            for (kind, tolerance) in [(Kind::Float, 1e-4 * 255.0), (Kind::Double, 1e-9)] {
                let together = seen(&images, &windows, kind);
                for (index, window) in windows.iter().enumerate() {
                    let alone = images
                        .to_kind(kind)
                        .narrow(0, index as i64, 1)
                        .narrow(2, window.top, window.height)
                        .narrow(3, window.left, window.width)
                        .internal_upsample_bilinear2d_aa([height, width], false, None, None);
                    let apart = distance(&together.narrow(0, index as i64, 1), &alone);
                    assert!(apart < tolerance, "{window:?} of {height}×{width}: {apart}");
                }
            }
        }
    }

    #[test]
    fn a_white_image_stays_exactly_white() {
        let images = Tensor::full([200, 1, 23, 29], 255, (Kind::Uint8, Device::Cpu));
        let mut rng = stream(3, "test");
        let windows: Vec<Window> =
            (0..200).map(|_| ResizedCrop::default().window(&mut rng, 23, 29).unwrap()).collect();
        let seen = seen(&images, &windows, Kind::Float);
        assert!(seen.max().double_value(&[]) <= 255.0);
        assert!(seen.min().double_value(&[]) > 254.999);
    }

    #[test]
    fn windows_lie_in_the_image_and_their_areas_and_aspect_ratios_within_bounds() {
        for (law, height, width) in [
            (ResizedCrop::default(), 64, 64),
            (ResizedCrop { scale: [0.25, 0.5], ratio: [0.5, 3.0] }, 48, 80),
        ] {
            let mut rng = stream(2, "test");
            for _ in 0..5000 {
                let Some(window) = law.window(&mut rng, height, width) else { continue };
                assert!(window.top >= 0 && window.top + window.height <= height, "{window:?}");
                assert!(window.left >= 0 && window.left + window.width <= width, "{window:?}");
                // Each side is the nearest whole number: half a pixel either way.
                let (rows, columns) = (window.height as f64, window.width as f64);
                let area = (height * width) as f64;
                assert!((rows + 0.5) * (columns + 0.5) >= law.scale[0] * area, "{window:?}");
                assert!((rows - 0.5) * (columns - 0.5) <= law.scale[1] * area, "{window:?}");
                assert!((columns + 0.5) / (rows - 0.5) >= law.ratio[0], "{window:?}");
                assert!((columns - 0.5) / (rows + 0.5) <= law.ratio[1], "{window:?}");
            }
        }
    }

    /// Means over 400,000 windows of torchvision 0.26.0's `RandomResizedCrop.get_params`, and how often it fell back on the
    /// central window.
    #[test]
    fn windows_follow_the_law_of_torchvisions() {
        struct Golden {
            law: ResizedCrop,
            shape: (i64, i64),
            /// Means of top, left, height, width, height², width², height · width.
            means: [f64; 7],
            central: f64,
        }
        let golden = [
            Golden {
                law: ResizedCrop::default(),
                shape: (64, 64),
                means: [10.4178, 10.4505, 43.1234, 43.1124, 2008.096, 2007.471, 1984.1231],
                central: 0.0,
            },
            Golden {
                law: ResizedCrop { scale: [0.25, 1.0], ratio: [0.5, 2.0] },
                shape: (48, 80),
                means: [4.627, 15.0435, 38.7343, 49.917, 1540.6231, 2701.0311, 1948.2555],
                central: 0.0007,
            },
            Golden {
                law: ResizedCrop { scale: [0.7, 1.0], ratio: [1.0, 2.0] },
                shape: (32, 32),
                means: [2.4215, 0.7139, 27.161, 30.5705, 742.9602, 936.3811, 830.6918],
                central: 0.0339,
            },
        ];
        for Golden { law, shape: (height, width), means, central } in golden {
            let mut rng = stream(5, "test");
            let n = 40_000;
            let (mut sums, mut squares, mut fallbacks) = ([0.0; 7], [0.0; 7], 0);
            for _ in 0..n {
                let window = law.window(&mut rng, height, width).unwrap_or_else(|| {
                    fallbacks += 1;
                    law.central(height, width)
                });
                let [top, left, rows, columns] =
                    [window.top, window.left, window.height, window.width].map(|value| value as f64);
                let values = [top, left, rows, columns, rows * rows, columns * columns, rows * columns];
                for (index, value) in values.into_iter().enumerate() {
                    sums[index] += value;
                    squares[index] += value * value;
                }
            }
            let n = f64::from(n);
            for (index, expected) in means.into_iter().enumerate() {
                let mean = sums[index] / n;
                let error = ((squares[index] / n - mean * mean) / n).sqrt();
                // Five standard errors of ours, and theirs are a third of that.
                assert!(
                    (mean - expected).abs() < 5.5 * error + 1e-9,
                    "{index}: {mean}, not {expected} ± {error}"
                );
            }
            let error = (central * (1.0 - central) / n).sqrt();
            let share = f64::from(fallbacks) / n;
            assert!((share - central).abs() < 5.5 * error + 1e-4, "{share}, not {central}");
        }
    }

    #[test]
    fn where_no_window_fits_the_largest_central_one_is_taken() {
        let law = |ratio| ResizedCrop { scale: [1.0, 1.0], ratio };
        let mut rng = stream(4, "test");
        for (ratio, window) in [
            ([2.0, 2.0], Window { top: 16, left: 0, height: 32, width: 64 }),
            ([0.25, 0.5], Window { top: 0, left: 16, height: 64, width: 32 }),
        ] {
            assert_eq!(law(ratio).window(&mut rng, 64, 64), None);
            assert_eq!(law(ratio).central(64, 64), window);
        }
        let whole = Window { top: 0, left: 0, height: 40, width: 60 };
        assert_eq!(law([1.0, 2.0]).central(40, 60), whole);
    }
}
