//! The headline: test accuracy, or of a regression the test loss, algorithm × architecture, a table per dataset. In the terminal and in the report.

use super::{format, matrix::Matrix, table};
use crate::record::Results;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

/// A dataset's table: the header, then a row per algorithm with whether each figure is the best of its column.
pub(super) struct Headline {
    pub header: Vec<String>,
    pub rows: Vec<(String, Vec<(String, bool)>)>,
}

/// The headline of a dataset.
pub(super) fn of_dataset(matrix: &Matrix<'_>, dataset: &str) -> Headline {
    let architectures = matrix.architectures(dataset);
    let mean = |cell: &super::matrix::CellRuns<'_>| cell.figure().map(|figure| figure.mean);
    let best: Vec<Option<f64>> = architectures
        .iter()
        .map(|architecture| {
            let cells = matrix.of_panel(dataset, architecture);
            let scored = cells.filter_map(|cell| mean(cell).map(|mean| (cell.score(mean), mean)));
            scored.max_by(|left, right| left.0.total_cmp(&right.0)).map(|(_, mean)| mean)
        })
        .collect();
    let rows = matrix.algorithms.iter().filter_map(|algorithm| {
        let cells: Vec<_> =
            architectures.iter().map(|architecture| matrix.get(dataset, architecture, algorithm)).collect();
        cells.iter().any(Option::is_some).then(|| {
            let texts = cells
                .iter()
                .zip(&best)
                .map(|(cell, best)| match cell {
                    Some(cell) => (cell.figure_text(), best.is_some() && mean(cell) == *best),
                    None => ("not planned".to_owned(), false),
                })
                .collect();
            ((*algorithm).to_owned(), texts)
        })
    });
    Headline { rows: rows.collect(), header: architectures.into_iter().map(str::to_owned).collect() }
}

impl Headline {
    /// As markdown, the best of each architecture in bold.
    pub fn markdown(&self) -> String {
        let mut header = vec![("Algorithm", table::Align::Left)];
        let labels: Vec<String> = self.header.iter().map(|label| table::code(label)).collect();
        header.extend(labels.iter().map(|label| (label.as_str(), table::Align::Right)));
        let rows = self.rows.iter().map(|(algorithm, figures)| {
            let mut row = vec![table::code(algorithm)];
            row.extend(
                figures.iter().map(|(text, best)| if *best { format!("**{text}**") } else { text.clone() }),
            );
            row
        });
        table::markdown(&header, rows)
    }
}

/// The headline tables for a terminal, `width` columns wide, or as wide as they are.
pub fn headline(results: &Results, width: Option<u16>) -> String {
    let matrix = Matrix::new(results);
    let mut text = String::new();
    for dataset in &matrix.datasets {
        let headline = of_dataset(&matrix, dataset);
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = width {
            table.set_width(width);
        }
        let right = |text: &str| Cell::new(text).set_alignment(CellAlignment::Right);
        let mut header = vec![Cell::new(if matrix.is_regression(dataset) {
            format!("{dataset}: test loss")
        } else {
            format!("{dataset}: test accuracy (%)")
        })];
        header.extend(headline.header.iter().map(|label| right(label)));
        table.set_header(header);
        for (algorithm, figures) in &headline.rows {
            let mut row = vec![Cell::new(algorithm)];
            row.extend(
                figures.iter().map(|(text, best)| {
                    right(&if *best { format!("{text} *") } else { format!("{text}  ") })
                }),
            );
            table.add_row(row);
        }
        text.push_str(&format!("{table}\n"));
    }
    let planned = format::plural(results.runs.len(), "run");
    text.push_str(&format!(
        "Mean ± half-width of the 95 % interval over seeds; * best of its column. {} of {planned} done.\n",
        format::count(results.done() as u64),
    ));
    text
}
