//! Exports: what the runs recorded, as long tables and for experiment trackers. They are derived, never read back.
//!
//! Of the tables, `runs` has a row per planned run, `epochs` one per run and epoch, `layers` one per run, epoch and layer;
//! where neurons were recorded, `voltages` has one per time step of each potential and `spikes` one per spike. They are joined
//! by `id`. [`tensorboard`] and [`mlflow`] are given the tables' numbers as [`scalars`].

pub mod mlflow;
mod parameters;
mod parquet;
pub mod scalars;
mod tables;
pub mod target;
pub mod tensorboard;
mod write;

use crate::record::Results;
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// The format of exported tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values; a missing value is empty.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// An array of objects; a missing value, and a number that is not finite, is null.
    Json,
}

impl Format {
    /// Suffix of its files.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Json => "json",
        }
    }
}

/// Writes `runs`, `epochs` and `layers` into a folder, which is made if need be, and where neurons were recorded
/// `voltages` and `spikes`. Returns the files' paths.
///
/// # Errors
/// When a file cannot be written.
pub fn export(results: &Results, format: Format, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut paths = Vec::new();
    let mut tables = vec![tables::runs(results), tables::epochs(results), tables::layers(results)];
    let recorded = [tables::voltages(results), tables::spikes(results)];
    tables.extend(recorded.into_iter().filter(|table| !table.rows.is_empty()));
    for table in tables {
        let path = folder.join(format!("{}.{}", table.name, format.suffix()));
        let bytes = match format {
            Format::Csv => write::csv(&table)?,
            Format::Json => write::json(&table)?,
            Format::Parquet => parquet::bytes(&table)?,
        };
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        paths.push(path);
    }
    Ok(paths)
}

/// Writes the table of runs as comma-separated values.
///
/// # Errors
/// When the file cannot be written.
pub fn write_runs_csv(results: &Results, path: &Path) -> anyhow::Result<()> {
    let bytes = write::csv(&tables::runs(results))?;
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
