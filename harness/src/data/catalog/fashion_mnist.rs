//! `fashion-mnist`: 28×28 pictures of clothes, a drop-in replacement for MNIST with the same four file names.
//!
//! Debian packages it; the content of its archives is the official one, only their gzip headers are stripped.

use super::{
    super::idx, Content, DatasetEntry, FileEntry, FileSet, PackageRoute, Task, mnist::IDX_DOWNLOADS,
};

/// Fashion-MNIST.
pub static FASHION_MNIST: DatasetEntry = DatasetEntry {
    name: "fashion-mnist",
    title: "Fashion-MNIST",
    citation: "H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking machine learning \
               algorithms. 2017. https://arxiv.org/abs/1708.07747",
    licence: "MIT",
    shape: [1, 28, 28],
    classes: &[
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    task: Task::Classification,
    train_size: 60_000,
    test_size: 10_000,
    channel_mean: &[0.286_040_596_988_795_5],
    channel_std: &[0.353_024_244_514_922_54],
    content: Content::Files(FileSet {
        files: &[
            FileEntry {
                name: "train-images-idx3-ubyte",
                size: 47_040_016,
                sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            },
            FileEntry {
                name: "train-labels-idx1-ubyte",
                size: 60_008,
                sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            },
            FileEntry {
                name: "t10k-images-idx3-ubyte",
                size: 7_840_016,
                sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            },
            FileEntry {
                name: "t10k-labels-idx1-ubyte",
                size: 10_008,
                sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            },
        ],
        folders: &["FashionMNIST/raw"],
        mirrors: &["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
        downloads: IDX_DOWNLOADS,
        package: PackageRoute::Debian {
            package: "dataset-fashion-mnist",
            folder: "/usr/share/datasets/fashion-mnist",
        },
        decode: idx::decode_train_and_test,
    }),
};
