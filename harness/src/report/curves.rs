//! From the epochs of a cell's runs to a curve: the mean over seeds and the band from the lowest to the highest.

use super::{
    matrix::CellRuns,
    plot::{Line, Point, Style},
};
use crate::record::{Epoch, RecordedRun, State};
use std::collections::BTreeMap;

/// What the bands of all curves are; every figure's text says it.
pub const BAND: &str = "Lines are means over seeds, bands reach from the lowest to the highest seed; \
    a line goes as far as all its seeds have finite values, and a × marks where one of them diverged.";

/// The curve of a quantity over a cell's finished runs.
///
/// `value` is the abscissa and the quantity at an epoch, `None` where it was not measured. The mean is taken over
/// the same runs all along: where one of them ends, so does the curve.
pub fn line(cell: &CellRuns<'_>, style: Style, value: impl Fn(&Epoch) -> Option<(f64, f64)>) -> Line {
    let finished: Vec<&RecordedRun> =
        cell.runs.iter().copied().filter(|run| run.state().is_some_and(State::is_result)).collect();
    let mut by_epoch: BTreeMap<u32, Vec<(f64, f64)>> = BTreeMap::new();
    let mut contributing = 0;
    for run in &finished {
        let mut values =
            run.epochs().into_iter().filter_map(|epoch| Some((epoch.epoch, value(epoch)?))).peekable();
        contributing += usize::from(values.peek().is_some());
        for (epoch, (x, y)) in values.take_while(|(_, (_, y))| y.is_finite()) {
            by_epoch.entry(epoch).or_default().push((x, y));
        }
    }
    let points = by_epoch
        .into_values()
        .take_while(|values| values.len() == contributing)
        .map(|values| {
            let n = values.len() as f64;
            Point {
                x: values.iter().map(|(x, _)| x).sum::<f64>() / n,
                y: values.iter().map(|(_, y)| y).sum::<f64>() / n,
                low: values.iter().map(|(_, y)| *y).fold(f64::INFINITY, f64::min),
                high: values.iter().map(|(_, y)| *y).fold(f64::NEG_INFINITY, f64::max),
            }
        })
        .collect();
    let diverged = finished.iter().any(|run| run.state() == Some(State::Diverged));
    Line { style, points, diverged }
}
