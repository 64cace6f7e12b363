//! One image file to red, green and blue bytes, the way up that its camera meant.
//!
//! What a file is, its first bytes say, and not its name. Its header is read before anything is allocated, since a few
//! bytes can claim a billion pixels. Greyscale, palettes, CMYK and 16 bits become 8-bit RGB; an alpha channel is left
//! out, as torchvision's `ImageFolder` does.

use std::{
    fs::File,
    io::{self, Cursor, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use image::{DynamicImage, ImageDecoder, Limits, RgbImage, codecs::png::PngDecoder, metadata::Orientation};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

/// More pixels than this are refused: four times the largest photo of `ImageNet`, 200 MB decoded.
pub const MAX_PIXELS: u64 = 1 << 26;
/// Larger files are refused.
pub const MAX_FILE: u64 = 1 << 28;
/// Most bytes that a decoder may allocate for one image.
const MAX_ALLOCATION: u64 = 1 << 29;

/// Reads and decodes the image at `path`. The inner error is the reason why it cannot be used, in a few words.
///
/// # Errors
/// When the file itself cannot be read, which may pass: it says nothing about the image.
pub fn read(path: &Path) -> io::Result<Result<RgbImage, String>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Ok(Err(format!("the file is larger than {} MiB", MAX_FILE >> 20)));
    }
    // A decoder that trips over a damaged file must not take the other images with it.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode(&bytes)));
    Ok(decoded.unwrap_or_else(|_| Err("the decoder gave up on it".to_owned())))
}

/// Decodes the content of an image file.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, String> {
    match bytes {
        [] => Err("the file is empty".to_owned()),
        [0xFF, 0xD8, 0xFF, ..] => jpeg(bytes),
        [0x89, b'P', b'N', b'G', ..] => png(bytes),
        _ => Err("neither JPEG nor PNG, whatever its name".to_owned()),
    }
}

fn jpeg(bytes: &[u8]) -> Result<RgbImage, String> {
    if !ends(bytes) {
        return Err("the JPEG ends too early".to_owned());
    }
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| one_line("JPEG", &format!("{error:?}")))?;
    let (width, height) = decoder.dimensions().ok_or("the JPEG has no size")?;
    let (width, height) = (width as u32, height as u32);
    check_size(width, height)?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let pixels = decoder.decode().map_err(|error| one_line("JPEG", &format!("{error:?}")))?;
    let image = RgbImage::from_raw(width, height, pixels).ok_or("the JPEG is not what its header says")?;
    Ok(upright(image, orientation.unwrap_or(Orientation::NoTransforms)))
}

fn png(bytes: &[u8]) -> Result<RgbImage, String> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOCATION);
    let refused = |error: image::ImageError| one_line("PNG", &error.to_string());
    let mut decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(refused)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    Ok(upright(image.into_rgb8(), orientation))
}

fn check_size(width: u32, height: u32) -> Result<(), String> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(format!("{width}×{height} pixels are more than the {MAX_PIXELS} that an image may have"));
    }
    Ok(())
}

fn upright(image: RgbImage, orientation: Orientation) -> RgbImage {
    if orientation == Orientation::NoTransforms {
        return image;
    }
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation);
    image.into_rgb8()
}

/// Whether the picture's data is followed by the end-of-image marker. Decoders fill in grey what is missing without a
/// word. From the first scan on the bytes FF D9 are that marker and nothing else; before it, a thumbnail may hold them.
fn ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let [0xFF, marker, high, low, ..] = bytes.get(at..).unwrap_or_default() {
        if *marker == 0xFF {
            at += 1;
            continue;
        }
        let length = usize::from(*high) << 8 | usize::from(*low);
        at += 2 + length;
        if *marker == 0xDA {
            let scan = bytes.get(at..).unwrap_or_default();
            return scan.windows(2).rev().any(|pair| pair == [0xFF, 0xD9]);
        }
    }
    false
}

fn one_line(kind: &str, reason: &str) -> String {
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("the {kind} cannot be decoded: {}", reason.trim_matches('"'))
}
