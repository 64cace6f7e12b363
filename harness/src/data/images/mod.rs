//! Folders of photos: from a tree of JPEG and PNG files, a class a folder, to rows of bytes of one size.
//!
//! [`tree`] finds the images and chooses among them; [`decode`] and [`resize`] bring one to the size wanted; [`pack`]
//! does so for all of them, once, into a file that [`map`] opens in no time however large it is. The file's name is a
//! digest of what was chosen and how it was resized, so that it is never the wrong one. [`source`] goes from what a
//! suite says to that file, and from the file to tensors; [`named`] does so for sets that are known before they are here.

pub mod decode;
pub mod map;
pub mod named;
pub mod pack;
pub mod resize;
pub mod source;
pub mod tree;

pub use map::Pack;
pub use pack::{Builder, Header, PackError};
pub use resize::Fit;
pub use source::{Counts, Places, build, describe, ensure, is_packed, load, open, resolve};
pub use tree::{Choice, Listing, ListingError, Skipped};

#[cfg(test)]
mod tests;
