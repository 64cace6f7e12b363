//! From a file to pixels.

use image::{
    ExtendedColorType, GrayAlphaImage, GrayImage, ImageEncoder, Rgb, RgbImage, Rgba, RgbaImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
};

use super::{
    super::{
        decode,
        resize::{Fit, resize},
    },
    plain,
};

/// A 16×16 JPEG in CMYK, all red, as Pillow writes it (Adobe's inverted values).
const RED_CMYK: &[u8] = include_bytes!("../red-cmyk.jpg");

fn png(pixels: &[u8], width: u32, height: u32, colour: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(pixels, width, height, colour).unwrap();
    bytes
}

fn jpeg(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 100).encode_image(image).unwrap();
    bytes
}

fn near(image: &RgbImage, colour: [u8; 3], tolerance: u8) -> bool {
    image.pixels().all(|pixel| pixel.0.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= tolerance))
}

#[test]
fn every_kind_of_png_becomes_rgb() {
    let grey = png(GrayImage::from_pixel(4, 3, [200].into()).as_raw(), 4, 3, ExtendedColorType::L8);
    assert_eq!(decode::decode(&grey).unwrap(), plain(4, 3, [200; 3]));
    let both = png(GrayAlphaImage::from_pixel(4, 3, [200, 9].into()).as_raw(), 4, 3, ExtendedColorType::La8);
    assert_eq!(decode::decode(&both).unwrap(), plain(4, 3, [200; 3]));
    let alpha = RgbaImage::from_pixel(4, 3, Rgba([1, 2, 3, 0]));
    let alpha = png(alpha.as_raw(), 4, 3, ExtendedColorType::Rgba8);
    assert_eq!(decode::decode(&alpha).unwrap(), plain(4, 3, [1, 2, 3]));
    let deep: Vec<u8> = (0..12).flat_map(|_| [0xFFFF_u16, 0x8080, 0]).flat_map(u16::to_ne_bytes).collect();
    let deep = png(&deep, 4, 3, ExtendedColorType::Rgb16);
    assert_eq!(decode::decode(&deep).unwrap(), plain(4, 3, [255, 128, 0]));
    assert_eq!(decode::decode(&palette()).unwrap(), plain(2, 2, [10, 20, 30]));
}

/// A 2×2 PNG whose pixels are all entry 1 of a palette, put together by hand.
fn palette() -> Vec<u8> {
    // Stored, not compressed: a zlib stream of two rows, each a filter byte and two pixels.
    let rows = [0, 1, 1, 0, 1, 1_u8];
    let (a, b) = rows.iter().fold((1_u32, 0_u32), |(a, b), &x| (a + u32::from(x), b + a + u32::from(x)));
    let mut data = vec![0x78, 1, 1, 6, 0, 0xF9, 0xFF];
    data.extend(rows);
    data.extend((b << 16 | a).to_be_bytes());
    let mut bytes = header(2, 2, 3);
    bytes.extend(chunk(*b"PLTE", &[0, 0, 0, 10, 20, 30]));
    bytes.extend(chunk(*b"IDAT", &data));
    bytes.extend(chunk(*b"IEND", &[]));
    bytes
}

/// The beginning of a PNG of 8 bits with a colour type.
fn header(width: u32, height: u32, colour: u8) -> Vec<u8> {
    let mut ihdr = [width.to_be_bytes(), height.to_be_bytes()].concat();
    ihdr.extend([8, colour, 0, 0, 0]);
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(*b"IHDR", &ihdr)].concat()
}

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind.as_slice(), data].concat();
    let mut crc = !0_u32;
    for byte in &body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    [(data.len() as u32).to_be_bytes().as_slice(), &body, &(!crc).to_be_bytes()].concat()
}

#[test]
fn every_kind_of_jpeg_becomes_rgb() {
    assert!(near(&decode::decode(&jpeg(&plain(20, 10, [200, 50, 30]))).unwrap(), [200, 50, 30], 4));
    let mut grey = Vec::new();
    JpegEncoder::new(&mut grey).encode_image(&GrayImage::from_pixel(20, 10, [90].into())).unwrap();
    assert!(near(&decode::decode(&grey).unwrap(), [90; 3], 2));
    assert!(near(&decode::decode(RED_CMYK).unwrap(), [255, 0, 0], 4));
}

#[test]
fn an_image_is_turned_the_way_its_camera_was_held() {
    // Red on the left, blue on the right; orientation 6 says to turn it to the right: red comes on top.
    let image = RgbImage::from_fn(32, 16, |x, _| if x < 16 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
    let plain = jpeg(&image);
    let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let exif = [b"Exif\0\0".as_slice(), tiff].concat();
    let segment = [b"\xFF\xE1".as_slice(), &(exif.len() as u16 + 2).to_be_bytes(), &exif].concat();
    let turned = decode::decode(&[&plain[..2], &segment, &plain[2..]].concat()).unwrap();
    assert_eq!(turned.dimensions(), (16, 32));
    assert!(turned.get_pixel(8, 2).0[0] > 200 && turned.get_pixel(8, 29).0[2] > 200);
    assert_eq!(decode::decode(&plain).unwrap().dimensions(), (32, 16));
}

#[test]
fn files_that_are_not_what_they_seem_have_a_reason() {
    let photo = jpeg(&RgbImage::from_fn(64, 64, |x, y| Rgb([(x * 3) as u8, (y * 3) as u8, (x * y) as u8])));
    let reason = |bytes: &[u8]| decode::decode(bytes).unwrap_err();
    assert_eq!(reason(b"Dear reader"), "neither JPEG nor PNG, whatever its name");
    assert_eq!(reason(b""), "the file is empty");
    for part in [4, 40, photo.len() / 2, photo.len() - 1] {
        assert_eq!(reason(&photo[..part]), "the JPEG ends too early", "{part} bytes");
    }
    let whole = png(plain(40, 40, [7; 3]).as_raw(), 40, 40, ExtendedColorType::Rgb8);
    assert!(reason(&whole[..whole.len() - 30]).starts_with("the PNG cannot be decoded"));
}

/// A PNG of 80 bytes that says that it has 30,000×30,000 pixels.
pub(super) fn claim() -> Vec<u8> {
    [header(30_000, 30_000, 2), chunk(*b"IDAT", &[0; 8]), chunk(*b"IEND", &[])].concat()
}

#[test]
fn a_header_that_claims_a_billion_pixels_is_refused_before_they_are_allocated() {
    let reason = decode::decode(&claim()).unwrap_err();
    assert!(reason.starts_with("30000×30000 pixels"), "{reason}");
    // The same in a JPEG, whose frame header holds height and width.
    let mut photo = jpeg(&plain(16, 16, [9; 3]));
    let frame = photo.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    photo[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xF0, 0xFF, 0xF0]);
    let reason = decode::decode(&photo).unwrap_err();
    assert!(reason.starts_with("65520×65520 pixels"), "{reason}");
}

#[test]
fn the_middle_is_cut_out_or_everything_is_squashed() {
    // Three squares side by side: green, red, blue.
    let image =
        RgbImage::from_fn(48, 16, |x, _| Rgb([[0, 255, 0], [255, 0, 0], [0, 0, 255]][(x / 16) as usize]));
    let mut resizer = fast_image_resize::Resizer::new();
    let cropped = resize(&mut resizer, &image, 4, Fit::Crop).unwrap();
    // Its borders see a little of their neighbours, as where the whole is resized before it is cut.
    let row = |channel: usize| &cropped[16 * channel..][..4];
    assert!(row(0)[1..3] == [255; 2] && row(1)[1..3] == [0; 2] && row(2)[1..3] == [0; 2], "{cropped:?}");
    assert!(row(0)[0] > 200 && row(1)[3] == 0 && row(2)[0] == 0, "{cropped:?}");
    let squashed = resize(&mut resizer, &image, 6, Fit::Squash).unwrap();
    let (green, blue) = (&squashed[36..72], &squashed[72..]);
    assert!(green[0] == 255 && green[5] == 0 && blue[0] == 0 && blue[5] == 255);
    // At its own size an image is left alone.
    let same = resize(&mut resizer, &plain(4, 4, [1, 2, 3]), 4, Fit::Crop).unwrap();
    assert_eq!(same, [[1; 16], [2; 16], [3; 16]].concat());
}
