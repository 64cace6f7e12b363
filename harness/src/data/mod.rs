//! Data sets.

pub mod spec;
pub use spec::DatasetSpec;
