//! Test loss, of datasets with values to learn: a table per dataset, then each cell beside backpropagation.

use super::{
    super::{
        Content, Context, format, headline,
        matrix::CellRuns,
        table::{self, Align, code},
    },
    accuracy::gap_text,
};

pub(super) fn render(context: &Context<'_>) -> Content {
    let mut text = String::new();
    for dataset in context.matrix.datasets.iter().filter(|dataset| context.matrix.is_regression(dataset)) {
        text += &format!("### {}\n\n", table::escape(dataset));
        text += &headline::of_dataset(&context.matrix, dataset).markdown();
        text += &details(context, dataset);
    }
    if !text.is_empty() {
        text.insert_str(
            0,
            "Half the squared distance ½ ‖output − target‖² of the selected network, summed over outputs, as a mean over the \
             test samples; the lower the better. Mean over seeds ± half-width of the 95 % interval (Student's t; one seed \
             gives no interval). The lowest mean of each architecture is bold. A positive gap is a larger loss than \
             backpropagation's.\n\n",
        );
    }
    Content::text(text)
}

fn details(context: &Context<'_>, dataset: &str) -> String {
    let header = [
        ("Architecture", Align::Left),
        ("Algorithm", Align::Left),
        ("n", Align::Right),
        ("Test loss", Align::Right),
        ("Gap to BP", Align::Right),
        ("Loss / BP", Align::Right),
    ];
    let rows = context.matrix.of_dataset(dataset).map(|cell| {
        let done = cell.completed().count();
        vec![
            code(&cell.cell.architecture),
            code(&cell.cell.algorithm),
            if done == cell.runs.len() { done.to_string() } else { format!("{done} of {}", cell.runs.len()) },
            cell.figure().map_or_else(
                || format!("– ({})", cell.shortfall()),
                |loss| format::interval(loss, cell.decimals()),
            ),
            gap_text(context, cell),
            ratio(context, cell),
        ]
    });
    table::markdown(&header, rows)
}

/// A cell's mean loss over that of backpropagation.
fn ratio(context: &Context<'_>, cell: &CellRuns<'_>) -> String {
    let reference = if cell.is_reference() { Some(cell) } else { context.matrix.reference(cell) };
    let mean = |cell: &CellRuns<'_>| cell.figure().map(|loss| loss.mean).filter(|mean| *mean > 0.0);
    let ratio = mean(cell).zip(reference.and_then(mean));
    ratio.map_or_else(|| "–".to_owned(), |(own, reference)| format::decimal(own / reference, 2))
}
