//! wip
pub mod package;
/// wip
pub struct Fetcher;
/// wip
pub struct Progress;
