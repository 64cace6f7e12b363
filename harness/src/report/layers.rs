//! Figures and tables of what was sampled layer by layer, for one dataset and architecture.

use super::{
    Context, curves,
    matrix::CellRuns,
    plot::{Axis, Line, Panel, Ticks},
};
use crate::stats;
use apical_algorithms::diagnostics::LayerDiagnostics;

/// A quantity of a layer; `None` where it is undefined or was not measured.
pub type Quantity = fn(&LayerDiagnostics) -> Option<f64>;

/// Names of the layers that were sampled in a panel of the matrix, from the input.
pub fn names(context: &Context<'_>, dataset: &str, architecture: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for run in context.matrix.of_panel(dataset, architecture).flat_map(|cell| &cell.runs) {
        // Every sampled epoch has all layers, so the first will do.
        let sampled = run.epochs().into_iter().find(|epoch| !epoch.layers.is_empty());
        for layer in sampled.into_iter().flat_map(|epoch| &epoch.layers) {
            if !names.contains(&layer.layer) {
                names.push(layer.layer.clone());
            }
        }
    }
    names
}

/// A panel of a quantity over epochs, a line per algorithm that has it.
pub fn panel(
    context: &Context<'_>,
    (dataset, architecture, layer): (&str, &str, &str),
    title: String,
    y: Axis,
    quantity: Quantity,
) -> Panel {
    let lines = context.matrix.of_panel(dataset, architecture).map(|cell| {
        curves::line(cell, context.styles.of(&cell.cell.algorithm), |epoch| {
            let sampled = epoch.layers.iter().find(|sampled| sampled.layer == layer)?;
            Some((f64::from(epoch.epoch), quantity(sampled)?))
        })
    });
    Panel {
        title,
        x: Axis::linear("epochs trained").ticks(Ticks::Whole).from(0.0),
        y,
        lines: lines.filter(|line: &Line| !line.points.is_empty()).collect(),
        reference: None,
        empty: "not measured".to_owned(),
    }
}

/// What was sampled of a layer at the last sampled epoch of each completed run of a cell.
pub fn sampled_at_the_end<'r>(
    cell: &CellRuns<'r>,
    layer: &str,
) -> impl Iterator<Item = &'r LayerDiagnostics> {
    cell.completed().filter_map(move |(run, _)| {
        let epochs = run.epochs();
        let last = epochs.iter().rev().find(|epoch| !epoch.layers.is_empty())?;
        last.layers.iter().find(|sampled| sampled.layer == layer)
    })
}

/// A quantity of a layer at the last sampled epoch of each completed run of a cell that has it there.
pub fn at_the_end(cell: &CellRuns<'_>, layer: &str, quantity: Quantity) -> Option<stats::Estimate> {
    let values: Vec<f64> =
        sampled_at_the_end(cell, layer).filter_map(quantity).filter(|value| value.is_finite()).collect();
    stats::estimate(&values)
}
