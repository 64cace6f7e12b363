//! Test accuracy: a table per dataset, then each cell beside backpropagation and the published figures.

use super::super::{
    Content, Context, format, headline,
    matrix::CellRuns,
    table::{self, Align, code},
};
use crate::plan::{Firmness, Protocol, Published, label_matches};

pub(super) fn render(context: &Context<'_>) -> Content {
    let mut text = String::from(
        "Test accuracy in percent of the selected network: mean over seeds ± half-width of the 95 % interval \
         (Student's t; one seed gives no interval). The best mean of each architecture is bold. Where fewer seeds \
         completed than were planned, the cell says how many and what became of the others; its mean is over the \
         completed ones alone.\n\n",
    );
    let classified =
        || context.matrix.datasets.iter().filter(|dataset| !context.matrix.is_regression(dataset));
    if classified().next().is_none() && !context.matrix.datasets.is_empty() {
        return Content::default();
    }
    for dataset in classified() {
        text += &format!("### {}\n\n", table::escape(dataset));
        text += &headline::of_dataset(&context.matrix, dataset).markdown();
        text += &details(context, dataset);
    }
    Content::text(text)
}

fn details(context: &Context<'_>, dataset: &str) -> String {
    let cells: Vec<&CellRuns<'_>> = context.matrix.of_dataset(dataset).collect();
    let published: Vec<Vec<&Published>> = cells.iter().map(|cell| published(context, cell)).collect();
    let any = published.iter().any(|entries| !entries.is_empty());
    let best = published.iter().flatten().any(|entry| entry.protocol == Protocol::BestOfTraining);
    let mut header = vec![
        ("Architecture", Align::Left),
        ("Algorithm", Align::Left),
        ("n", Align::Right),
        ("Gap to BP (points)", Align::Right),
        ("Test error (%)", Align::Right),
    ];
    if best {
        header.push(("Best test error during training (%)", Align::Right));
    }
    if any {
        header.push(("Published test error (%)", Align::Left));
    }
    let mut sources: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for (cell, entries) in cells.iter().zip(&published) {
        let error = |accuracy: Option<crate::stats::Estimate>| {
            accuracy.map(|accuracy| crate::stats::Estimate { mean: 100.0 - accuracy.mean, ..accuracy })
        };
        let done = cell.completed().count();
        let mut row = vec![
            code(&cell.cell.architecture),
            code(&cell.cell.algorithm),
            if done == cell.runs.len() { done.to_string() } else { format!("{done} of {}", cell.runs.len()) },
            gap_text(context, cell),
            error(cell.figure())
                .map_or_else(|| format!("– ({})", cell.shortfall()), |error| format::interval(error, 2)),
        ];
        if best {
            row.push(
                error(cell.best_of_training())
                    .map_or_else(|| "–".to_owned(), |error| format::interval(error, 2)),
            );
        }
        if any {
            let texts: Vec<String> =
                entries.iter().map(|entry| published_text(entry, &mut sources)).collect();
            row.push(if texts.is_empty() { "–".to_owned() } else { texts.join("; ") });
        }
        rows.push(row);
    }
    let mut text = table::markdown(&header, rows);
    if !sources.is_empty() {
        let listed: Vec<String> =
            sources.iter().enumerate().map(|(index, source)| format!("[{}] {source}", index + 1)).collect();
        text += &format!("Sources: {}.", listed.join("; "));
        text += &marks(published.iter().flatten().copied());
        text += "\n\n";
    }
    text
}

/// What the marks at published figures mean, as far as they occur.
fn marks<'p>(entries: impl Iterator<Item = &'p Published>) -> String {
    let (mut second_hand, mut memory, mut best) = (false, false, false);
    let mut elsewhere: Vec<String> = Vec::new();
    for entry in entries {
        elsewhere.extend(entry.not_comparable.as_deref().map(table::escape));
        second_hand |= entry.firmness == Firmness::SecondHand;
        memory |= entry.firmness == Firmness::Memory;
        best |= entry.protocol == Protocol::BestOfTraining;
    }
    let mut text = String::new();
    if second_hand {
        text += " † as quoted by another source.";
    }
    if memory {
        text += " ‡ from memory: it informs, and nothing is judged by it.";
    }
    if best {
        text += " “Best of training” is the lowest test error over all epochs: the test set selected it, so it is \
                 optimistic and compares only with our column of that name.";
    }
    elsewhere.dedup();
    if !elsewhere.is_empty() {
        text += &format!(
            " ≠ of something else, and not comparable with our figures: {}.",
            elsewhere.join("; ").trim_end_matches('.')
        );
    }
    text
}

fn published<'c>(context: &'c Context<'_>, cell: &CellRuns<'_>) -> Vec<&'c Published> {
    let matches = |entry: &&Published| {
        label_matches(&entry.algorithm, &cell.cell.algorithm)
            && label_matches(&entry.dataset, &cell.cell.dataset)
            && label_matches(&entry.architecture, &cell.cell.architecture)
    };
    context.results.plan.published.iter().filter(matches).collect()
}

fn published_text(entry: &Published, sources: &mut Vec<String>) -> String {
    let source = table::escape(&entry.source);
    let number = sources.iter().position(|known| *known == source).unwrap_or_else(|| {
        sources.push(source);
        sources.len() - 1
    }) + 1;
    let spread = entry.spread.map_or_else(String::new, |spread| format!(" ± {}", format::decimal(spread, 2)));
    let mark = match entry.firmness {
        Firmness::Seen => "",
        Firmness::SecondHand => "†",
        Firmness::Memory => "‡",
    };
    let protocol = match entry.protocol {
        Protocol::Selected => "",
        Protocol::BestOfTraining => ", best of training",
    };
    let elsewhere = if entry.not_comparable.is_some() { "≠ " } else { "" };
    format!("{elsewhere}{}{spread}{mark} [{number}]{protocol}", format::decimal(entry.test_error, 2))
}

/// A cell's gap to backpropagation, or why there is none.
pub(super) fn gap_text(context: &Context<'_>, cell: &CellRuns<'_>) -> String {
    if cell.is_reference() {
        return "reference".to_owned();
    }
    let Some(reference) = context.matrix.reference(cell) else { return "no BP among these runs".to_owned() };
    let Some(gap) = cell.gap(reference) else { return "– (no common seed)".to_owned() };
    let text = format::signed_interval(gap, cell.decimals());
    if gap.n < cell.runs.len() { format!("{text} ({} of {} pairs)", gap.n, cell.runs.len()) } else { text }
}
