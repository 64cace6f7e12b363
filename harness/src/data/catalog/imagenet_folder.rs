//! `imagenet-folder`: any folder of photos with a folder for each class, `ImageNet` or a part of it first of all.
//!
//! What it holds is known only when a suite names a folder, so the numbers here are stand-ins: the size of an image
//! by default, no samples, and the channels' statistics over `ImageNet`. Those of the folder itself are computed when
//! its images are packed, and are the ones that a run uses.

use super::{Content, DatasetEntry, Task};

/// A folder of photos.
pub static IMAGENET_FOLDER: DatasetEntry = DatasetEntry {
    name: "imagenet-folder",
    title: "a folder of photos of yours",
    citation: "O. Russakovsky et al.: ImageNet Large Scale Visual Recognition Challenge. International Journal of Computer \
               Vision 115, 2015. https://doi.org/10.1007/s11263-015-0816-y",
    licence: "that of the photos; ImageNet: non-commercial research",
    shape: [3, 64, 64],
    classes: &[],
    task: Task::Classification,
    train_size: 0,
    test_size: 0,
    channel_mean: &[0.485, 0.456, 0.406],
    channel_std: &[0.229, 0.224, 0.225],
    content: Content::Folder,
};
