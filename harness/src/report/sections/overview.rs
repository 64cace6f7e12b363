//! What the suite is, how far it has come, and its main finding in figures.

use super::super::{
    Content, Context, Selection, format,
    matrix::CellRuns,
    table::{code, escape},
};
use crate::{record::State, stats::Estimate};

/// Fewer seeds than this judge nothing: of two, the interval hangs on a single difference between them.
const VERDICT_SEEDS: usize = 3;

pub(super) fn render(context: &Context<'_>) -> Content {
    let mut text = String::new();
    let description = context.results.plan.description.trim();
    if !description.is_empty() {
        text += &format!("{}\n\n", escape(description));
    }
    text += &counts(context);
    text += &findings(context);
    Content::text(text)
}

fn counts(context: &Context<'_>) -> String {
    let results = context.results;
    let mut parts: Vec<String> = State::ALL
        .into_iter()
        .map(|state| (results.count(state), state.name()))
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| format!("{} {name}", format::count(number as u64)))
        .collect();
    let pending = results.runs.iter().filter(|run| run.outcome.is_none()).count();
    if pending > 0 {
        parts.push(format!("{} not run yet", format::count(pending as u64)));
    }
    let matrix = &context.matrix;
    let runs = format::plural(results.runs.len(), "run");
    let which = match &context.options.selection {
        None => format!("{runs} planned"),
        Some(Selection { filters, planned }) => {
            let filters: Vec<String> = filters.iter().map(|filter| code(filter)).collect();
            format!(
                "{} of the suite's {}, selected by {}",
                format::count(results.runs.len() as u64),
                format::plural(*planned, "run"),
                filters.join(", ")
            )
        }
    };
    format!(
        "**{which}**: {}. {} × {}, {} in all; the cells of the matrix differ in their seeds alone.\n\n",
        if parts.is_empty() { "none recorded".to_owned() } else { format::list(&parts) },
        format::plural(matrix.datasets.len(), "dataset"),
        format::plural(matrix.algorithms.len(), "algorithm"),
        format::plural(matrix.cells().len(), "cell"),
    )
}

/// For each dataset and architecture, the algorithm with the best mean beside backpropagation.
fn findings(context: &Context<'_>) -> String {
    let matrix = &context.matrix;
    let mut sentences = Vec::new();
    for dataset in &matrix.datasets {
        for architecture in matrix.architectures(dataset) {
            let others = matrix.of_panel(dataset, architecture).filter(|cell| !cell.is_reference());
            let closest = others
                .filter_map(|cell| {
                    let reference = matrix.reference(cell)?;
                    Some((cell, reference, cell.gap(reference)?))
                })
                .max_by(|left, right| left.0.score(left.2.mean).total_cmp(&right.0.score(right.2.mean)));
            if let Some((cell, reference, gap)) = closest {
                sentences.push(sentence(cell, reference, gap));
            }
        }
    }
    if sentences.is_empty() {
        return "No algorithm can be held against backpropagation yet: no seed has completed with both.\n\n"
            .to_owned();
    }
    let bullets: String = sentences.iter().map(|sentence| format!("- {sentence}\n")).collect();
    let figure = match (
        context.matrix.cells().iter().any(|cell| cell.regression),
        context.matrix.cells().iter().all(|cell| cell.regression),
    ) {
        (false, _) => "accuracy",
        (true, false) => "accuracy, or loss where there are values to learn",
        (true, true) => "loss",
    };
    format!("Closest to backpropagation in test {figure}:\n\n{bullets}\n")
}

fn sentence(cell: &CellRuns<'_>, reference: &CellRuns<'_>, gap: Estimate) -> String {
    let verdict = match gap.excludes_zero() {
        None => "one seed says nothing about the spread",
        Some(_) if gap.n < VERDICT_SEEDS => "two seeds are too few for a verdict",
        Some(false) => "the interval includes 0",
        Some(true) if cell.regression && gap.mean > 0.0 => "worse than backpropagation",
        Some(true) if cell.regression => "better than backpropagation",
        Some(true) if gap.mean > 0.0 => "above backpropagation",
        Some(true) => "below backpropagation",
    };
    let decimals = cell.decimals();
    let unit = if cell.regression { "" } else { " %" };
    let points = if cell.regression { "" } else { " points" };
    let mean = |cell: &CellRuns<'_>| {
        let figure = cell.figure();
        figure.map_or_else(
            || "–".to_owned(),
            |figure| format!("{}{unit}", format::decimal(figure.mean, cell.decimals())),
        )
    };
    format!(
        "{} / {}: {} with {}, {} {}; gap {}{points} over {} ({verdict}).",
        escape(&cell.cell.dataset),
        escape(&cell.cell.architecture),
        code(&cell.cell.algorithm),
        mean(cell),
        code(&reference.cell.algorithm),
        mean(reference),
        format::signed_interval(gap, decimals),
        format::plural(gap.n, "common seed"),
    )
}
