//! Sample images of the datasets, one per class (figure 1 of Lange 2019): what the networks see.
//!
//! They come from the data and not from the runs, so they are handed in; kept beside the results as a file,
//! they let a report be rebuilt where the data is not.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Name of the file beside the results.
pub const FILE: &str = "samples.json";

/// One image of each class of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleSheet {
    /// Name of the dataset.
    pub dataset: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// An image of each class, in their order.
    pub images: Vec<Image>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[channels, height, width]`, 0 to 255.
    pub pixels: Vec<u8>,
}

impl Image {
    /// Red, green and blue of a pixel; mid grey where the image has too few values.
    pub fn color(&self, row: usize, column: usize) -> (u8, u8, u8) {
        let channel = |channel: usize| {
            let channel = if self.channels >= 3 { channel } else { 0 };
            self.pixels.get((channel * self.height + row) * self.width + column).copied().unwrap_or(128)
        };
        (channel(0), channel(1), channel(2))
    }
}

/// Keeps sheets in a folder of results.
///
/// # Errors
/// When the file cannot be written.
pub fn store(folder: &Path, sheets: &[SampleSheet]) -> anyhow::Result<()> {
    let path = folder.join(FILE);
    let text = serde_json::to_string(sheets)?;
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The sheets kept in a folder of results; none where none were kept.
///
/// # Errors
/// When there is a file that cannot be read.
pub fn load(folder: &Path) -> anyhow::Result<Vec<SampleSheet>> {
    let path = folder.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .with_context(|| format!("{} holds no sample images; delete it", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
