//! The report: from recorded runs to a README with tables and figures that reads well on a git host.
//!
//! Everything in it is computed from what the runs recorded, never from the clock or the machine, so that it can
//! be rebuilt anywhere and is the same, byte for byte, until a run changes.

#![expect(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "a report is put together from pieces of text; the few bytes copied cost nothing beside its figures"
)]

mod curves;
pub(crate) mod format;
mod headline;
mod layers;
mod matrix;
mod plot;
pub mod samples;
mod sections;
pub(crate) mod table;
mod words;

pub use headline::headline;
pub use samples::SampleSheet;

use crate::record::Results;
use anyhow::Context as _;
use apical_algorithms::diagnostics::LayerDiagnostics;
use matrix::Matrix;
use plot::{Figure, Styles};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The report itself, in its folder.
const README: &str = "README.md";
/// One row per run, beside the report.
const RUNS: &str = "runs.csv";

/// What a report needs beside the results.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// The report's folder, e.g. `reports/quick`; it is made if need be.
    pub output: PathBuf,
    /// Whether each figure is written as PNG (twice as fine) beside its SVG.
    pub png: bool,
    /// Commands that compute the runs and rebuild the report, a line each.
    pub reproduce: Vec<String>,
    /// Sample images of the datasets; empty where the data is not at hand.
    pub samples: Vec<SampleSheet>,
    /// The part of the suite that the results are; `None` for all of it.
    pub selection: Option<Selection>,
}

/// A part of a suite that a report is on.
#[derive(Debug, Clone)]
pub struct Selection {
    /// What selected it, as on the command line, e.g. `algorithm=bp,fa`.
    pub filters: Vec<String>,
    /// Runs of the whole suite.
    pub planned: usize,
}

/// What every section is made from.
#[derive(Debug)]
struct Context<'r> {
    results: &'r Results,
    options: &'r ReportOptions,
    matrix: Matrix<'r>,
    styles: Styles,
}

impl Context<'_> {
    /// The algorithms that meet an architecture on a dataset and have layers with something to show, each with its style.
    fn panel_legend(
        &self,
        dataset: &str,
        architecture: &str,
        has: impl Fn(&LayerDiagnostics) -> bool,
    ) -> Vec<(String, plot::Style)> {
        let cells = self.matrix.of_panel(dataset, architecture).filter(|cell| {
            let epochs = cell.runs.iter().flat_map(|run| run.epochs());
            epochs.flat_map(|epoch| &epoch.layers).any(&has)
        });
        cells.map(|cell| (cell.cell.algorithm.clone(), self.styles.of(&cell.cell.algorithm))).collect()
    }

    /// The algorithms that meet a dataset, each with its style.
    fn legend(&self, dataset: &str) -> Vec<(String, plot::Style)> {
        let on_it = |algorithm: &&&str| {
            self.matrix.of_dataset(dataset).any(|cell| cell.cell.algorithm == **algorithm)
        };
        let labels = self.matrix.algorithms.iter().filter(on_it);
        labels.map(|label| ((*label).to_owned(), self.styles.of(label))).collect()
    }
}

/// What a section comes to. One without markdown is left out.
#[derive(Debug, Default)]
struct Content {
    markdown: String,
    figures: Vec<Figure>,
}

impl Content {
    /// Text alone.
    fn text(markdown: impl Into<String>) -> Self {
        Self { markdown: markdown.into(), figures: Vec::new() }
    }

    /// Adds text.
    fn say(&mut self, markdown: &str) {
        self.markdown.push_str(markdown);
    }

    /// Adds a figure where the text has come to.
    fn show(&mut self, figure: Figure) {
        self.markdown.push_str(&figure.markdown());
        self.figures.push(figure);
    }
}

/// Writes the report: `README.md`, `runs.csv`, a figure each as SVG and if asked for as PNG. Returns the path of the README.
///
/// # Errors
/// When a file cannot be written.
pub fn write(results: &Results, options: &ReportOptions) -> anyhow::Result<PathBuf> {
    let folder = &options.output;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let matrix = Matrix::new(results);
    let styles = Styles::new(&matrix);
    let context = Context { results, options, matrix, styles };
    let sections: Vec<(&str, Content)> =
        sections::ALL.par_iter().map(|section| (section.title, (section.render)(&context))).collect();

    let mut readme = format!("# {}\n\n", table::escape(&results.plan.name));
    let mut figures = Vec::new();
    for (title, content) in sections.into_iter().filter(|(_, content)| !content.markdown.is_empty()) {
        if !title.is_empty() {
            readme.push_str(&format!("## {title}\n\n"));
        }
        readme.push_str(content.markdown.trim_end());
        readme.push_str("\n\n");
        figures.extend(content.figures);
    }
    let written: Vec<Vec<String>> =
        figures.par_iter().map(|figure| figure.write(folder, options.png)).collect::<Result<_, _>>()?;
    remove_stale_figures(folder, &written.concat())?;
    let runs = folder.join(RUNS);
    crate::export::write_runs_csv(results, &runs)?;
    let path = folder.join(README);
    std::fs::write(&path, readme.trim_end().to_owned() + "\n")
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Takes away the figures of an earlier report that this one does not have. Only names that a report gives are touched.
fn remove_stale_figures(folder: &Path, written: &[String]) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let figure = name.strip_suffix(".svg").or_else(|| name.strip_suffix(".png"));
        let ours = figure.is_some_and(|stem| sections::FIGURES.iter().any(|prefix| stem.starts_with(prefix)));
        if ours && !written.contains(&name) {
            std::fs::remove_file(entry.path()).with_context(|| format!("cannot remove {name}"))?;
        }
    }
    Ok(())
}

/// The name of a figure about the things with these labels; other labels give another name.
fn figure_name(prefix: &str, labels: &[&str]) -> String {
    labels.iter().fold(prefix.to_owned(), |name, label| {
        // A dot separates, since no part has one.
        let separator = if name.len() == prefix.len() { '-' } else { '.' };
        format!("{name}{separator}{}", file_part(label))
    })
}

/// Letters of a label that a file name keeps.
const FILE_PART: usize = 32;

/// A label as part of a file name: as it is where it consists of lower-case letters, digits, hyphens and underscores;
/// else with hyphens for the rest, and four digits of its hash to tell it from similar ones.
fn file_part(label: &str) -> String {
    let plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '-' | '_');
    if label.len() <= FILE_PART && !label.is_empty() && label.chars().all(plain) {
        return label.to_owned();
    }
    let mut part = String::new();
    for letter in label.chars().map(|letter| letter.to_ascii_lowercase()) {
        let letter = if plain(letter) { letter } else { '-' };
        if part.len() < FILE_PART && !(letter == '-' && part.ends_with('-')) {
            part.push(letter);
        }
    }
    let hash: String = Sha256::digest(label).iter().take(2).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{hash}", part.trim_matches('-'))
}

#[cfg(test)]
pub(crate) mod synthetic;
#[cfg(test)]
mod tests;
