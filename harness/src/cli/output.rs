//! How commands write: tables for people, JSON for programs.

pub use crate::report::format::duration;
use crate::{data::DatasetSpec, record::Metrics};
use anyhow::Result;
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::{Write, stdout};

/// How a command that reads answers.
#[derive(Debug, Args)]
pub struct OutputArguments {
    /// For people, or for programs.
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub output: Output,
}

/// For whom output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Tables.
    Human,
    /// One JSON document.
    Json,
}

/// Writes a line to standard output.
///
/// # Errors
/// When nobody reads any more.
pub fn line(text: impl std::fmt::Display) -> Result<()> {
    writeln!(stdout(), "{text}")?;
    Ok(())
}

/// Writes a value as indented JSON to standard output.
///
/// # Errors
/// When nobody reads any more.
pub fn json(value: &impl Serialize) -> Result<()> {
    line(serde_json::to_string_pretty(value)?)
}

/// A table in the style of all commands; columns from `numbers` on are numbers.
pub fn table(header: &[&str], numbers: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What a network scored: `accuracy 97.12 %`, or of a regression `loss 0.0312`.
pub fn figure(dataset: &DatasetSpec, metrics: Metrics) -> String {
    if dataset.is_regression() {
        format!("loss {:.4}", metrics.loss)
    } else {
        format!("accuracy {:.2} %", 100.0 * metrics.accuracy)
    }
}

/// `2 runs`, `1 run`.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

/// `12,345`.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}
