//! Random brightness, contrast, saturation and hue, always in this order, as one affine map of an image's colours.
//!
//! With `y = 0.299 R + 0.587 G + 0.114 B` the luma of a colour x and `ȳ` its mean over the image,
//!
//! ```text
//! brightness  x ← b x          contrast  x ← c x + (1 − c) ȳ         saturation  x ← s x + (1 − s) y
//! hue         x turned by an angle 2πh about the axis of greys, in the plane of I and Q of the YIQ colour space
//! ```
//!
//! come to `x ← M x + (1 − c) b ȳ`, where `M = c b (Y + s (cos 2πh (1 − Y) + sin 2πh K))`; `Y x` is the grey of x's luma, and
//! `K` a quarter turn of its chroma. Values are held to 0..255 once, at the end.
//!
//! torchvision's `ColorJitter` differs: it applies the four in a random order, each held to 0..255, and moves hue in HSV.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

use super::{Change, Drawn, Epoch, Refused, Stage, short};
use crate::data::random::{stream, uniform};

/// Weights of red, green and blue in luma (ITU-R BT.601).
const LUMA: [f64; 3] = [0.299, 0.587, 0.114];
/// Rows Y, I and Q of the colour space of NTSC; I and Q of a grey are 0.
const YIQ: [f64; 9] =
    [0.299, 0.587, 0.114, 0.595_716, -0.274_453, -0.321_263, 0.211_456, -0.522_591, 0.311_135];

/// How far colours may go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColorJitter {
    /// The factor of brightness is uniform in [max(0, 1 − this), 1 + this].
    #[schemars(range(min = 0))]
    pub brightness: f64,
    /// The factor of contrast, likewise.
    #[schemars(range(min = 0))]
    pub contrast: f64,
    /// The factor of saturation, likewise.
    #[schemars(range(min = 0))]
    pub saturation: f64,
    /// Hue turns by at most so many turns, either way; 0.5 reaches all of them.
    #[schemars(range(min = 0, max = 0.5))]
    pub hue: f64,
}

/// What happens to the colours of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Factors {
    brightness: f64,
    contrast: f64,
    saturation: f64,
    /// In turns.
    hue: f64,
}

impl Factors {
    /// The coefficients of `Y`, `1 − Y` and `K` in `M`, and of `ȳ`.
    fn coefficients(self) -> [f64; 4] {
        let Self { brightness, contrast, saturation, hue } = self;
        let grey = contrast * brightness;
        let (sine, cosine) = (hue * TAU).sin_cos();
        [grey, grey * saturation * cosine, grey * saturation * sine, (1.0 - contrast) * brightness]
    }
}

impl ColorJitter {
    /// All four are drawn for every sample, so that one that is not asked for leaves the others as they are.
    fn factors(&self, rng: &mut ChaCha8Rng) -> Factors {
        let mut factor = |reach: f64| uniform(rng, (1.0 - reach).max(0.0), 1.0 + reach);
        Factors {
            brightness: factor(self.brightness),
            contrast: factor(self.contrast),
            saturation: factor(self.saturation),
            hue: factor(self.hue) - 1.0,
        }
    }
}

/// The maps of an epoch.
#[derive(Debug)]
struct Colours {
    /// Coefficients of each sample, float64 `[n, 4]`.
    coefficients: Tensor,
    /// `Y`, `1 − Y` and `K`, float64 `[3, channels²]`.
    parts: Tensor,
    /// Weights of channels in luma, float64 `[channels, 1]`.
    luma: Tensor,
}

impl Colours {
    fn of(all: &[Factors], channels: i64, device: tch::Device) -> Result<Self, TchError> {
        let tensor = |values: &[f64], width: i64| Tensor::f_from_slice(values)?.f_view([-1, width]);
        let coefficients: Vec<f64> = all.iter().flat_map(|factors| factors.coefficients()).collect();
        let (parts, luma) = if channels == 3 {
            let to_yiq = tensor(&YIQ, 3)?;
            let quarter_turn = tensor(&[0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0], 3)?;
            let turn = to_yiq.f_inverse()?.f_matmul(&quarter_turn)?.f_matmul(&to_yiq)?;
            let grey = tensor(&LUMA, 3)?.f_expand([3, 3], false)?;
            let chroma = Tensor::f_eye(3, (Kind::Double, tch::Device::Cpu))?.f_sub(&grey)?;
            (Tensor::f_stack(&[grey, chroma, turn], 0)?.f_view([3, 9])?, tensor(&LUMA, 1)?)
        } else {
            // Of a grey, luma is all there is.
            (tensor(&[1.0, 0.0, 0.0], 1)?, tensor(&[1.0], 1)?)
        };
        Ok(Self {
            coefficients: tensor(&coefficients, 4)?.f_to_device(device)?,
            parts: parts.f_to_device(device)?,
            luma: luma.f_to_device(device)?,
        })
    }
}

impl Change for ColorJitter {
    fn stage(&self) -> Stage {
        Stage::Colours
    }

    fn problems(&self) -> Vec<Refused> {
        let mut found = Vec::new();
        for (path, value) in
            [("brightness", self.brightness), ("contrast", self.contrast), ("saturation", self.saturation)]
        {
            if !(value >= 0.0 && value.is_finite()) {
                let message = format!("{value} is not how far a factor can be from 1");
                found.push(Refused::at(path, message, "at least 0; 0.4 is common"));
            }
        }
        if !(0.0..=0.5).contains(&self.hue) {
            let message = format!("{} is not how far hue can turn", self.hue);
            found.push(Refused::at("hue", message, "0 to 0.5 turns; 0.1 is common"));
        }
        if *self == Self::default() {
            let remedy = "give `brightness`, `contrast`, `saturation` or `hue`, or leave it out";
            found.push(Refused::at("", "a `color-jitter` of nothing changes nothing", remedy));
        }
        found
    }

    fn misfits(&self, [channels, ..]: [i64; 3]) -> Vec<Refused> {
        match channels {
            1 => {}
            3 => return Vec::new(),
            _ => {
                let message =
                    format!("images of {channels} channels are neither grey nor red, green and blue");
                return vec![Refused::at("", message, "leave it out")];
            }
        }
        let given = [("saturation", self.saturation), ("hue", self.hue)];
        let given = given.into_iter().filter(|(_, value)| *value > 0.0);
        let refuse = |(path, _): (&str, f64)| {
            let message = format!("images without colours have no {path}");
            Refused::at(path, message, "leave it out; `brightness` and `contrast` change greys as well")
        };
        given.map(refuse).collect()
    }

    fn words(&self) -> String {
        let factors =
            [("brightness", self.brightness), ("contrast", self.contrast), ("saturation", self.saturation)];
        let mut parts: Vec<String> = factors
            .iter()
            .filter(|(_, value)| *value > 0.0)
            .map(|(name, value)| {
                format!("{name} ×{} to ×{}", short((1.0 - value).max(0.0)), short(1.0 + value))
            })
            .collect();
        if self.hue > 0.0 {
            parts.push(format!("hue ±{} turns", short(self.hue)));
        }
        format!("random colours ({})", parts.join(", "))
    }

    fn draw(&self, epoch: &Epoch) -> Result<Box<dyn Drawn>, TchError> {
        let mut rng = stream(epoch.seed, "color-jitter");
        let all: Vec<Factors> = (0..epoch.samples).map(|_| self.factors(&mut rng)).collect();
        Ok(Box::new(Colours::of(&all, epoch.shape[0], epoch.device)?))
    }
}

impl Drawn for Colours {
    fn apply(&self, images: Tensor, start: i64, kind: Kind) -> Result<Tensor, TchError> {
        let (batch, channels, height, width) = images.size4()?;
        let pixels = images.f_to_kind(kind)?.f_reshape([batch, channels, height * width])?;
        let coefficients = self.coefficients.f_narrow(0, start, batch)?;
        let maps = coefficients.f_narrow(1, 0, 3)?.f_matmul(&self.parts)?;
        let maps = maps.f_view([batch, channels, channels])?.f_to_kind(kind)?;
        let mean = pixels.f_mean_dim(2, false, kind)?.f_matmul(&self.luma.f_to_kind(kind)?)?;
        let offset = mean.f_mul(&coefficients.f_narrow(1, 3, 1)?.f_to_kind(kind)?)?.f_unsqueeze(2)?;
        let mut changed = offset.f_baddbmm(&maps, &pixels, 1, 1)?;
        changed.f_clamp_(0.0, 255.0)?.f_view([batch, channels, height, width])
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use tch::Device;

    const SAME: Factors = Factors { brightness: 1.0, contrast: 1.0, saturation: 1.0, hue: 0.0 };

    /// Colours between `low` and `high`, `[2, channels, 5, 7]`.
    fn colours(channels: i64, low: i64, high: i64) -> Tensor {
        let values = Tensor::arange(70 * channels, (Kind::Int64, Device::Cpu)) * 7919;
        (values.remainder(104_729).remainder(high - low) + low).to_kind(Kind::Uint8).view([2, channels, 5, 7])
    }

    fn changed(images: &Tensor, factors: Factors, kind: Kind) -> Tensor {
        let maps = Colours::of(&[factors; 2], images.size()[1], Device::Cpu).unwrap();
        maps.apply(images.shallow_clone(), 0, kind).unwrap()
    }

    fn luma(images: &Tensor) -> Tensor {
        let weights = Tensor::from_slice(&LUMA).view([3, 1, 1]);
        (images.to_kind(Kind::Double) * weights).sum_dim_intlist(1, true, Kind::Double)
    }

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        (a.to_kind(Kind::Double) - b.to_kind(Kind::Double)).abs().max().double_value(&[])
    }

    #[test]
    fn factors_of_one_and_no_turn_leave_every_colour_as_it_is() {
        for channels in [1, 3] {
            let images = colours(channels, 0, 256);
            assert!(distance(&changed(&images, SAME, Kind::Float), &images) < 1e-4);
            assert!(distance(&changed(&images, SAME, Kind::Double), &images) < 1e-12);
        }
    }

    #[test]
    fn brightness_scales_and_what_is_brighter_than_white_is_white() {
        let images = colours(3, 0, 256);
        let bright = |brightness| changed(&images, Factors { brightness, ..SAME }, Kind::Double);
        let doubles = images.to_kind(Kind::Double);
        assert!(distance(&bright(0.25), &(&doubles * 0.25)) < 1e-10);
        assert!(distance(&bright(2.0), &(&doubles * 2.0).clamp_max(255.0)) < 1e-10);
        assert!((bright(2.0).max().double_value(&[]) - 255.0).abs() < 1e-10);
        assert!(bright(0.0).max().double_value(&[]).abs() < 1e-10);
    }

    #[test]
    fn contrast_scales_the_distance_to_the_images_mean_luma() {
        let images = colours(3, 100, 150);
        let mean = luma(&images).mean_dim([2, 3].as_slice(), true, Kind::Double);
        for contrast in [0.0, 0.5, 1.5] {
            let found = changed(&images, Factors { contrast, ..SAME }, Kind::Double);
            let expected = (images.to_kind(Kind::Double) - &mean) * contrast + &mean;
            assert!(distance(&found, &expected) < 1e-10, "{contrast}");
        }
    }

    #[test]
    fn without_saturation_an_image_is_grey_and_as_light_as_it_was() {
        let images = colours(3, 0, 256);
        let grey = changed(&images, Factors { saturation: 0.0, ..SAME }, Kind::Double);
        assert!(distance(&grey, &luma(&images).expand([2, 3, 5, 7], false)) < 1e-10);
        let strong = changed(&colours(3, 100, 150), Factors { saturation: 1.5, ..SAME }, Kind::Double);
        assert!(distance(&luma(&strong), &luma(&colours(3, 100, 150))) < 1e-10);
    }

    #[test]
    fn hue_keeps_luma_and_greys_whatever_the_angle() {
        let images = colours(3, 100, 150);
        let greys = colours(1, 0, 256).expand([2, 3, 5, 7], false).contiguous();
        for step in -5..=5 {
            let turned = |images: &Tensor| {
                changed(images, Factors { hue: f64::from(step) / 10.0, ..SAME }, Kind::Double)
            };
            assert!(distance(&luma(&turned(&images)), &luma(&images)) < 1e-10, "{step}");
            assert!(distance(&turned(&greys), &greys) < 1e-10, "{step}");
            assert!(step == 0 || distance(&turned(&images), &images) > 1.0, "{step}");
        }
    }

    #[test]
    fn half_a_turn_of_hue_gives_the_opposite_colour_of_the_same_luma() {
        let images = colours(3, 100, 150);
        let opposite = luma(&images) * 2.0 - images.to_kind(Kind::Double);
        for hue in [0.5, -0.5] {
            assert!(distance(&changed(&images, Factors { hue, ..SAME }, Kind::Double), &opposite) < 1e-10);
        }
        let turned = changed(&images, Factors { hue: 1.0, ..SAME }, Kind::Double);
        assert!(distance(&turned, &images) < 1e-10, "a whole turn is none");
    }

    #[test]
    fn hue_turns_colours_by_its_angle_in_the_plane_of_i_and_q() {
        let red = Tensor::from_slice(&[120_u8, 60, 60]).view([1, 3, 1, 1]).expand([2, 3, 1, 1], false);
        let turned = changed(&red, Factors { hue: 0.1, ..SAME }, Kind::Double);
        let yiq = |image: &Tensor| {
            let column = image.to_kind(Kind::Double).select(0, 0).view([3, 1]);
            Vec::<f64>::try_from(Tensor::from_slice(&YIQ).view([3, 3]).matmul(&column).view([-1])).unwrap()
        };
        let (before, after) = (yiq(&red), yiq(&turned));
        let angle = (after[2].atan2(after[1]) - before[2].atan2(before[1])) / TAU;
        assert!((angle - 0.1).abs() < 1e-9, "{angle}");
        assert!((after[2].hypot(after[1]) - before[2].hypot(before[1])).abs() < 1e-9);
    }

    /// The four in order, pixel by pixel.
    fn in_plain_loops(image: &[f64], factors: Factors) -> Vec<f64> {
        let pixels = image.len() / 3;
        let mut image: Vec<f64> = image.iter().map(|value| value * factors.brightness).collect();
        let y = |colour: [f64; 3]| LUMA.iter().zip(colour).map(|(weight, value)| weight * value).sum::<f64>();
        let at =
            |image: &[f64], pixel: usize| [image[pixel], image[pixels + pixel], image[2 * pixels + pixel]];
        let mean = (0..pixels).map(|pixel| y(at(&image, pixel))).sum::<f64>() / pixels as f64;
        for value in &mut image {
            *value = factors.contrast * *value + (1.0 - factors.contrast) * mean;
        }
        let (sine, cosine) = (factors.hue * TAU).sin_cos();
        for pixel in 0..pixels {
            let colour = at(&image, pixel);
            let grey = y(colour);
            let [r, g, b] =
                colour.map(|value| factors.saturation * value + (1.0 - factors.saturation) * grey);
            let row = |row: usize| YIQ[3 * row] * r + YIQ[3 * row + 1] * g + YIQ[3 * row + 2] * b;
            let (i, q) = (cosine * row(1) - sine * row(2), sine * row(1) + cosine * row(2));
            // The way back from YIQ, in the five digits in which it is usually given.
            for (channel, [of_i, of_q]) in
                [[0.9563, 0.6210], [-0.2721, -0.6474], [-1.1070, 1.7046]].into_iter().enumerate()
            {
                image[channel * pixels + pixel] = row(0) + of_i * i + of_q * q;
            }
        }
        image.into_iter().map(|value| value.clamp(0.0, 255.0)).collect()
    }

    #[test]
    fn all_together_are_brightness_contrast_saturation_and_hue_in_this_order() {
        let images = colours(3, 0, 256);
        let mut rng = stream(8, "test");
        for kind in [Kind::Float, Kind::Double] {
            for _ in 0..20 {
                let mut factor = |reach: f64| uniform(&mut rng, 1.0 - reach, 1.0 + reach);
                let factors = Factors {
                    brightness: factor(0.5),
                    contrast: factor(0.8),
                    saturation: factor(0.9),
                    hue: factor(0.5) - 1.0,
                };
                let found = changed(&images, factors, kind);
                for image in 0..2 {
                    let values = |tensor: &Tensor| {
                        Vec::<f64>::try_from(tensor.get(image).to_kind(Kind::Double).reshape([-1])).unwrap()
                    };
                    let expected = in_plain_loops(&values(&images), factors);
                    for (found, expected) in values(&found).into_iter().zip(expected) {
                        assert!((found - expected).abs() < 0.1, "{found}, not {expected}: {factors:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn factors_are_uniform_within_reach_and_never_negative() {
        let jitter = ColorJitter { brightness: 0.4, contrast: 1.5, saturation: 0.0, hue: 0.5 };
        let mut rng = stream(6, "test");
        let n = 20_000;
        let all: Vec<Factors> = (0..n).map(|_| jitter.factors(&mut rng)).collect();
        let check = |name: &str, value: fn(&Factors) -> f64, low: f64, high: f64| {
            let values: Vec<f64> = all.iter().map(value).collect();
            assert!(values.iter().all(|value| (low..=high).contains(value)), "{name}");
            let mean = values.iter().sum::<f64>() / f64::from(n);
            let error = (high - low) / (12.0 * f64::from(n)).sqrt();
            assert!((mean - f64::midpoint(low, high)).abs() <= 5.0 * error, "{name}: {mean}");
        };
        check("brightness", |factors| factors.brightness, 0.6, 1.4);
        check("contrast", |factors| factors.contrast, 0.0, 2.5);
        check("saturation", |factors| factors.saturation, 1.0, 1.0);
        check("hue", |factors| factors.hue, -0.5, 0.5);
    }
}
