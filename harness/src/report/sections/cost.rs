//! Cost: speed, time and memory, compared within one class of hardware only.

use super::super::{
    Content, Context, format,
    matrix::CellRuns,
    table::{self, Align, code, escape},
};
use crate::{
    record::{Outcome, RecordedRun},
    stats,
};
use std::collections::BTreeSet;

pub(super) fn render(context: &Context<'_>) -> Content {
    let outcome = |run: &RecordedRun| run.result().and(run.outcome.clone());
    let classes: BTreeSet<String> = context
        .results
        .runs
        .iter()
        .filter_map(outcome)
        .map(|outcome| outcome.provenance.host_class)
        .collect();
    if classes.is_empty() {
        return Content::default();
    }
    let mut text = String::from(
        "Medians over the completed seeds. Training speed counts training alone, without evaluation and diagnostics; \
         wall time is that of the whole process. Runs that shared a machine with others slowed each other down. \
         Only figures of one class of hardware can be compared, so each has a table of its own. \
         Multiply-accumulates are those of one sample's forward pass.\n\n",
    );
    for class in &classes {
        text += &format!("### {}\n\n", escape(class));
        text += &of_class(context, class);
    }
    Content::text(text)
}

fn of_class(context: &Context<'_>, class: &str) -> String {
    let header = [
        ("Dataset", Align::Left),
        ("Architecture", Align::Left),
        ("Algorithm", Align::Left),
        ("n", Align::Right),
        ("Training samples/s", Align::Right),
        ("Speed / BP", Align::Right),
        ("Wall time", Align::Right),
        ("Peak memory", Align::Right),
        ("Multiply-accumulates", Align::Right),
        ("Parameters", Align::Right),
    ];
    let rows = context.matrix.cells().iter().filter_map(|cell| {
        let outcomes = outcomes(cell, class);
        let speed = speed(cell, class)?;
        let reference = context.matrix.reference(cell).and_then(|reference| self::speed(reference, class));
        let ratio = match reference {
            _ if cell.is_reference() => "1".to_owned(),
            Some(reference) if reference > 0.0 => format::decimal(speed / reference, 2),
            _ => "–".to_owned(),
        };
        let median = |figure: fn(&Outcome) -> f64| {
            stats::median(&outcomes.iter().map(|outcome| figure(outcome)).collect::<Vec<_>>())
                .unwrap_or(f64::NAN)
        };
        let started = cell.completed().find_map(|(run, _)| run.started());
        let compact = |number: Option<u64>| {
            number.map_or_else(|| "–".to_owned(), |number| format::compact(number as f64))
        };
        Some(vec![
            code(&cell.cell.dataset),
            code(&cell.cell.architecture),
            code(&cell.cell.algorithm),
            outcomes.len().to_string(),
            format::count(speed.round() as u64),
            ratio,
            format::duration(median(|outcome| outcome.resources.wall_seconds)),
            format::memory(median(|outcome| outcome.resources.peak_memory_bytes as f64)),
            compact(started.map(|started| started.multiply_accumulates)),
            compact(started.map(|started| started.parameters)),
        ])
    });
    table::markdown(&header, rows)
}

fn outcomes<'r>(cell: &CellRuns<'r>, class: &str) -> Vec<&'r Outcome> {
    let completed = cell.completed().filter_map(|(run, _)| run.outcome.as_ref());
    completed.filter(|outcome| outcome.provenance.host_class == class).collect()
}

fn speed(cell: &CellRuns<'_>, class: &str) -> Option<f64> {
    let outcomes = outcomes(cell, class);
    stats::median(&outcomes.iter().map(|outcome| outcome.resources.samples_per_second).collect::<Vec<_>>())
}
