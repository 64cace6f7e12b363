//! `digits`: the UCI optical digits, small enough to live in the program, so that everything can be tried offline.
//!
//! These are the 1797 images that scikit-learn's `load_digits` gives, in its order: the *test* part (optdigits.tes) of
//! E. Alpaydin and C. Kaynak's Optical Recognition of Handwritten Digits, written by 13 people, licensed CC BY 4.0.
//! The split is fixed: the first 1437 images train, the last 360 test, as in `train_test_split(test_size=0.2,
//! shuffle=False)`. Pixels 0..16 are scaled to 0..255 (⌊255 x / 16 + ½⌋) so that all that follows sees bytes.

use std::io::Read;

use super::{Content, DatasetEntry, FormatError, Labelled, Samples, Task};

/// UCI optical digits, 8×8.
pub static DIGITS: DatasetEntry = DatasetEntry {
    name: "digits",
    title: "UCI optical digits",
    citation: "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, 1998. \
               https://doi.org/10.24432/C50P49",
    licence: "CC BY 4.0",
    shape: [1, 8, 8],
    classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    task: Task::Classification,
    train_size: 1437,
    test_size: 360,
    channel_mean: &[0.305_434_669_518_468_5],
    channel_std: &[0.375_342_171_464_192_3],
    content: Content::Embedded { file: "harness/assets/digits.csv.gz", decode },
};

const ASSET: &[u8] = include_bytes!("../../../assets/digits.csv.gz");
const PIXELS: usize = 64;

fn decode() -> Result<Samples, FormatError> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(ASSET)
        .read_to_string(&mut text)
        .map_err(|error| FormatError::new(0, error.to_string()))?;
    let mut samples = Samples { train: Labelled::default(), test: Labelled::default() };
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if !line.starts_with('#') {
            let (pixels, label) =
                parse_line(line.trim_end()).map_err(|message| FormatError::new(offset, message))?;
            let full = samples.train.labels.len() == DIGITS.train_size;
            let split = if full { &mut samples.test } else { &mut samples.train };
            split.pixels.extend(pixels);
            split.labels.push(label);
        }
        offset += line.len();
    }
    Ok(samples)
}

/// `p0,…,p63,label` with pixels 0..=16; returns the pixels scaled to bytes, and the label.
fn parse_line(line: &str) -> Result<([u8; PIXELS], u8), String> {
    let mut fields = line.split(',');
    let mut field = |limit: u16| {
        let text = fields.next().ok_or_else(|| format!("expected {} fields", PIXELS + 1))?;
        let value: u16 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
        if value <= limit { Ok(value) } else { Err(format!("{value} is more than {limit}")) }
    };
    let mut pixels = [0; PIXELS];
    for pixel in &mut pixels {
        *pixel = ((field(16)? * 255 + 8) / 16) as u8;
    }
    Ok((pixels, field(9)? as u8))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn the_digits_are_1437_and_360_images_of_ten_classes() {
        let samples = decode().unwrap();
        assert_eq!((samples.train.labels.len(), samples.test.labels.len()), (1437, 360));
        assert_eq!((samples.train.pixels.len(), samples.test.pixels.len()), (1437 * 64, 360 * 64));
        let count = |labels: &[u8]| {
            let mut counts = [0; 10];
            for &label in labels {
                counts[usize::from(label)] += 1;
            }
            counts
        };
        assert_eq!(count(&samples.train.labels), [143, 146, 142, 146, 144, 145, 144, 143, 141, 143]);
        assert_eq!(count(&samples.test.labels), [35, 36, 35, 37, 37, 37, 37, 36, 33, 37]);
    }

    #[test]
    fn pixels_span_the_byte_range() {
        let samples = decode().unwrap();
        assert_eq!(samples.train.pixels[..8], [0, 0, 80, 207, 143, 16, 0, 0]);
        assert_eq!(samples.train.pixels.iter().max(), Some(&255));
    }

    #[test]
    fn the_constants_are_those_of_the_training_images() {
        let pixels = decode().unwrap().train.pixels;
        let n = pixels.len() as f64;
        let mean = pixels.iter().map(|&p| f64::from(p) / 255.0).sum::<f64>() / n;
        let variance = pixels.iter().map(|&p| (f64::from(p) / 255.0 - mean).powi(2)).sum::<f64>() / n;
        assert!((mean - DIGITS.channel_mean[0]).abs() < 1e-12);
        assert!((variance.sqrt() - DIGITS.channel_std[0]).abs() < 1e-12);
    }
}
