//! Trees of images that are made here, the hostile ones among them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod decoding;
mod packing;
mod trees;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use image::{ImageFormat, Rgb, RgbImage};

use super::{
    pack::Builder,
    resize::Fit,
    tree::{Choice, Listing, list},
};

const ALL: Choice = Choice { classes: None, class_limit: None, images_per_class: None, test_share: 0.25 };

fn plain(width: u32, height: u32, colour: [u8; 3]) -> RgbImage {
    RgbImage::from_pixel(width, height, Rgb(colour))
}

fn save(image: &RgbImage, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let format = ImageFormat::from_path(path).unwrap();
    image.save_with_format(path, format).unwrap();
}

/// `cat` and `dog`, `train` and `val`, `n` and 2 images each, every one of another colour and size.
fn tree(n: u8) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (split, n) in [("train", n), ("val", 2)] {
        for (c, class) in ["cat", "dog"].into_iter().enumerate() {
            for i in 0..n {
                let (extension, shade) = (["png", "jpg"][usize::from(i % 2)], 255 * c as u8);
                let path = folder.path().join(format!("{split}/{class}/{i}.{extension}"));
                save(&plain(20 + u32::from(i), 30, [shade, i * 10, 100]), &path);
            }
        }
    }
    folder
}

fn builder(folder: &Path) -> Builder {
    let patience = Duration::from_mins(1);
    Builder { folder: folder.to_owned(), size: 8, fit: Fit::Crop, skip_limit: 0.01, patience }
}

fn listed(folder: &Path) -> Listing {
    list(folder, &ALL).unwrap()
}

fn reasons(listing: &Listing) -> Vec<(&str, &str)> {
    listing.skipped.iter().map(|skipped| (skipped.path.as_str(), skipped.reason.as_str())).collect()
}

fn packed_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
