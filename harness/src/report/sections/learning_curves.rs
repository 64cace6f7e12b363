//! Learning curves (figure 2 of Lange 2019): accuracy and loss against the training samples seen.

use super::super::{
    Content, Context,
    curves::{self, BAND},
    file_part,
    plot::{self, Axis, Facets, Figure, Panel, Ticks},
    table::escape,
};
use crate::record::{Epoch, Metrics};

pub(super) const FIGURE: &str = "learning-curves";

/// Architectures side by side; more of them go below.
const COLUMNS: usize = 3;

pub(super) fn render(context: &Context<'_>) -> Content {
    let mut content = Content::default();
    content.say(&format!("{BAND}\n\n"));
    for dataset in &context.matrix.datasets {
        let validated = context
            .matrix
            .of_dataset(dataset)
            .flat_map(|cell| &cell.runs)
            .all(|run| run.epochs().iter().all(|epoch| epoch.validation.is_some()));
        let split = if validated { "validation" } else { "training" };
        content.say(&format!("### {}: {split} split\n\n", escape(dataset)));
        if !validated {
            content.say(
                "Not every run has a validation split, so these are over the training batches of each epoch, \
                 each before its update.\n\n",
            );
        }
        content.show(figure(context, dataset, validated));
    }
    content
}

fn figure(context: &Context<'_>, dataset: &str, validated: bool) -> Figure {
    let split = if validated { "validation" } else { "training" };
    let metrics = move |epoch: &Epoch| if validated { epoch.validation } else { epoch.train };
    let accuracy = |metrics: Metrics| metrics.accuracy * 100.0;
    let loss = |metrics: Metrics| metrics.loss;
    let panel = |architecture: &str, axis: Axis, quantity: fn(Metrics) -> f64| Panel {
        title: architecture.to_owned(),
        x: Axis::linear("training samples seen").ticks(Ticks::Count).from(0.0),
        y: axis,
        lines: context
            .matrix
            .of_panel(dataset, architecture)
            .map(|cell| {
                curves::line(cell, context.styles.of(&cell.cell.algorithm), |epoch| {
                    Some((epoch.samples_seen as f64, quantity(metrics(epoch)?)))
                })
            })
            .collect(),
        reference: None,
        empty: "no run has finished".to_owned(),
    };
    let architectures = context.matrix.architectures(dataset);
    let mut panels = Vec::new();
    for row in architectures.chunks(COLUMNS) {
        let axis = Axis::linear(format!("{split} accuracy (%)"));
        panels.extend(row.iter().map(|architecture| panel(architecture, axis.clone(), accuracy)));
        let axis = loss_axis(context, dataset, split, metrics);
        panels.extend(row.iter().map(|architecture| panel(architecture, axis.clone(), loss)));
    }
    // One architecture has its accuracy and its loss side by side.
    let columns = if architectures.len() == 1 { 2 } else { architectures.len().min(COLUMNS) };
    Figure {
        name: format!("{FIGURE}-{}", file_part(dataset)),
        description: format!(
            "Learning curves on {dataset}: {split} accuracy and loss against training samples seen"
        ),
        content: plot::Content::Facets(Facets {
            columns,
            panel_height: 270.0,
            share_rows: architectures.len() > 1,
            legend: context.legend(dataset),
            rows: panels.chunks(columns).map(<[_]>::to_vec).collect(),
        }),
    }
}

/// The loss from zero to a little above where training starts, so that a rule that diverges does not flatten the others.
fn loss_axis(
    context: &Context<'_>,
    dataset: &str,
    split: &str,
    metrics: impl Fn(&Epoch) -> Option<Metrics>,
) -> Axis {
    let axis = Axis::linear(format!("{split} loss"));
    let losses = |first_only: bool| {
        let runs = context.matrix.of_dataset(dataset).flat_map(|cell| &cell.runs);
        let mut values: Vec<f64> = Vec::new();
        for run in runs {
            let measured = run.epochs().into_iter().filter_map(&metrics).map(|metrics| metrics.loss);
            values.extend(
                measured.take(if first_only { 1 } else { usize::MAX }).filter(|loss| loss.is_finite()),
            );
        }
        values
    };
    let start = crate::stats::median(&losses(true)).unwrap_or(1.0);
    let highest = losses(false).into_iter().fold(0.0, f64::max);
    if start > 0.0 && highest > 2.0 * start { axis.from(0.0).to(1.5 * start) } else { axis }
}
