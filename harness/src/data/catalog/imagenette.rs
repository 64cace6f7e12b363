//! `imagenette`: ten classes of `ImageNet` that are easy to tell apart, with the split of its second version (70 to 30).
//!
//! Three editions hold the same photos: as they are, and with a short side of 320 or 160 pixels. Checksums are those that
//! torchvision publishes (torchvision/datasets/imagenette.py); the counts per class are those of the photos themselves.

use super::{ArchiveFormat, Content, DatasetEntry, Edition, PhotoClass, PhotoSet, Task, photo_set::names};

/// Imagenette.
pub static IMAGENETTE: DatasetEntry = DatasetEntry {
    name: "imagenette",
    title: "Imagenette, ten classes of ImageNet",
    citation: "J. Howard: Imagenette. fast.ai, 2019. https://github.com/fastai/imagenette. The photos: O. Russakovsky et al.: \
               ImageNet Large Scale Visual Recognition Challenge. International Journal of Computer Vision 115, 2015. \
               https://doi.org/10.1007/s11263-015-0816-y",
    licence: "Apache 2.0 (the selection); the photos as ImageNet: non-commercial research",
    shape: [3, 64, 64],
    classes: &names(&CLASSES),
    task: Task::Classification,
    train_size: 9469,
    test_size: 3925,
    // Stand-ins, those of ImageNet: the statistics of the images as packed are the ones that a run uses.
    channel_mean: &[0.485, 0.456, 0.406],
    channel_std: &[0.229, 0.224, 0.225],
    content: Content::Photos(PhotoSet {
        mirrors: &["https://s3.amazonaws.com/fast-ai-imageclas/"],
        editions: &[
            Edition {
                name: "160px",
                archive: "imagenette2-160.tgz",
                bytes: 99_003_388,
                md5: "e793b78cc4c9e9a4ccc0c1155377a412",
                format: ArchiveFormat::TarGzip,
                folder: "imagenette2-160/",
                max_unpacked: 400_000_000,
            },
            Edition {
                name: "320px",
                archive: "imagenette2-320.tgz",
                bytes: 341_663_724,
                md5: "3df6f0d01a2c9592104656642f5e78a3",
                format: ArchiveFormat::TarGzip,
                folder: "imagenette2-320/",
                max_unpacked: 1_000_000_000,
            },
            Edition {
                name: "full",
                archive: "imagenette2.tgz",
                bytes: 1_557_161_267,
                md5: "fe2fc210e6bb7c5664d602c3cd71e612",
                format: ArchiveFormat::TarGzip,
                folder: "imagenette2/",
                max_unpacked: 4_000_000_000,
            },
        ],
        classes: &CLASSES,
    }),
};

const CLASSES: [PhotoClass; 10] = [
    class("n01440764", "tench", 963, 387),
    class("n02102040", "English springer", 955, 395),
    class("n02979186", "cassette player", 993, 357),
    class("n03000684", "chain saw", 858, 386),
    class("n03028079", "church", 941, 409),
    class("n03394916", "French horn", 956, 394),
    class("n03417042", "garbage truck", 961, 389),
    class("n03425413", "gas pump", 931, 419),
    class("n03445777", "golf ball", 951, 399),
    class("n03888257", "parachute", 960, 390),
];

const fn class(folder: &'static str, name: &'static str, train: usize, test: usize) -> PhotoClass {
    PhotoClass { folder, name, train, test }
}
