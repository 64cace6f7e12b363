//! Learning curves (figure 2 of Lange 2019): accuracy and loss against the training samples seen; of a regression the loss.

use super::super::{
    Content, Context,
    curves::{self, BAND},
    figure_name,
    plot::{self, Axis, Facets, Figure, Panel, Ticks},
    table::escape,
};
use crate::record::{Epoch, Metrics, RecordedRun, State};
use std::collections::BTreeSet;

pub(super) const FIGURE: &str = "learning-curves";

/// Architectures side by side; more of them go below.
const COLUMNS: usize = 3;

pub(super) fn render(context: &Context<'_>) -> Content {
    let mut content = Content::default();
    content.say(&format!("{BAND}\n\n"));
    for dataset in &context.matrix.datasets {
        let finished = |run: &&RecordedRun| run.state().is_some_and(State::is_result);
        if context
            .matrix
            .of_dataset(dataset)
            .flat_map(|cell| cell.runs.iter().copied())
            .all(|run| !finished(&run))
        {
            content.say(&format!("### {}\n\nNo run has finished.\n\n", escape(dataset)));
            continue;
        }
        let split = split(context, dataset);
        content.say(&format!("### {}: {} split\n\n", escape(dataset), split.name()));
        content.say(match split {
            Split::Validation => "",
            Split::Test => {
                "Not every run has a validation split, and the suite asks for the test split after every epoch, as the \
                 published figures have it; nothing was selected by these.\n\n"
            }
            Split::Training => {
                "Not every run has a validation split, so these are over the training batches of each epoch, \
                 each before its update.\n\n"
            }
        });
        if loss_range(context, dataset, |epoch| split.metrics(epoch)).leaves_its_panel() {
            content.say("A loss far above where training started leaves its panel at the top.\n\n");
        }
        if losses(context, dataset) > 1 {
            content.say("Not all of these minimise the same loss (see the protocol): their losses do not compare.\n\n");
        }
        content.show(figure(context, dataset, split));
    }
    content
}

/// How many losses the cells of a dataset minimise.
fn losses(context: &Context<'_>, dataset: &str) -> usize {
    let runs = context.matrix.of_dataset(dataset).flat_map(|cell| &cell.runs);
    let names: BTreeSet<String> = runs.map(|run| format!("{:?}", run.planned.spec.training.loss)).collect();
    names.len()
}

/// What the curves are of.
#[derive(Debug, Clone, Copy)]
enum Split {
    Validation,
    Test,
    Training,
}

impl Split {
    fn name(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::Test => "test",
            Self::Training => "training",
        }
    }

    fn metrics(self, epoch: &Epoch) -> Option<Metrics> {
        match self {
            Self::Validation => epoch.validation,
            Self::Test => epoch.test_during_training,
            Self::Training => epoch.train,
        }
    }
}

/// What every epoch of every run has figures of.
fn split(context: &Context<'_>, dataset: &str) -> Split {
    let everywhere = |split: &Split| {
        let runs = context.matrix.of_dataset(dataset).flat_map(|cell| &cell.runs);
        runs.flat_map(|run| run.epochs()).all(|epoch| split.metrics(epoch).is_some())
    };
    [Split::Validation, Split::Test].into_iter().find(everywhere).unwrap_or(Split::Training)
}

fn figure(context: &Context<'_>, dataset: &str, split: Split) -> Figure {
    let metrics = move |epoch: &Epoch| split.metrics(epoch);
    let split = split.name();
    let panel = |architecture: &str, axis: &Axis, quantity: fn(Metrics) -> f64| Panel {
        title: architecture.to_owned(),
        x: Axis::linear("training samples seen").ticks(Ticks::Count).from(0.0),
        y: axis.clone(),
        lines: context
            .matrix
            .of_panel(dataset, architecture)
            .map(|cell| {
                curves::line(cell, context.styles.of(&cell.cell.algorithm), |epoch| {
                    let metrics = metrics(epoch)?;
                    // Whatever is said of an epoch whose loss is not finite, the curve has ended.
                    let value = if metrics.loss.is_finite() { quantity(metrics) } else { f64::NAN };
                    Some((epoch.samples_seen as f64, value))
                })
            })
            .collect(),
        reference: None,
        empty: "no run has finished".to_owned(),
    };
    let architectures = context.matrix.architectures(dataset);
    let accuracy_axis = accuracy_axis(context, dataset, split, metrics);
    let loss_axis = loss_axis(context, dataset, split, metrics);
    let columns = match architectures.len() {
        4 => 2,
        number => number.clamp(1, COLUMNS),
    };
    let regression = context.matrix.is_regression(dataset);
    let mut rows: Vec<Vec<Panel>> = Vec::new();
    for row in architectures.chunks(columns) {
        if !regression {
            rows.push(
                row.iter()
                    .map(|label| panel(label, &accuracy_axis, |metrics| metrics.accuracy * 100.0))
                    .collect(),
            );
        }
        rows.push(row.iter().map(|label| panel(label, &loss_axis, |metrics| metrics.loss)).collect());
    }
    // One architecture has its accuracy and its loss side by side.
    let alone = architectures.len() == 1;
    if alone {
        rows = vec![rows.into_iter().flatten().collect()];
    }
    let panels = rows.first().map_or(1, Vec::len);
    Figure {
        name: figure_name(FIGURE, &[dataset]),
        description: format!(
            "Learning curves on {dataset}: {split} {} against training samples seen",
            if regression { "loss" } else { "accuracy and loss" }
        ),
        content: plot::Content::Facets(Facets {
            columns: if alone { panels } else { columns },
            panel_height: 270.0,
            share_rows: !alone,
            legend: context.legend(dataset),
            rows,
        }),
    }
}

/// What a split's figures were, epoch by epoch and run by run, without those that are not finite.
fn measured(
    context: &Context<'_>,
    dataset: &str,
    metrics: impl Fn(&Epoch) -> Option<Metrics>,
) -> Vec<(u32, Metrics)> {
    let runs = context.matrix.of_dataset(dataset).flat_map(|cell| &cell.runs);
    let epochs = runs.flat_map(|run| run.epochs());
    let values = epochs.filter_map(|epoch| Some((epoch.epoch, metrics(epoch)?)));
    values.filter(|(_, metrics)| metrics.loss.is_finite()).collect()
}

/// Accuracy from the lowest after an epoch of training on: with the untrained network in range, which
/// guesses, the differences between rules could not be seen.
fn accuracy_axis(
    context: &Context<'_>,
    dataset: &str,
    split: &str,
    metrics: impl Fn(&Epoch) -> Option<Metrics>,
) -> Axis {
    let axis = Axis::linear(format!("{split} accuracy (%)"));
    let values = measured(context, dataset, metrics);
    let trained =
        || values.iter().filter(|(epoch, _)| *epoch > 0).map(|(_, metrics)| metrics.accuracy * 100.0);
    let (low, high) = (trained().fold(f64::INFINITY, f64::min), trained().fold(0.0, f64::max));
    if low < high {
        axis.from((low - (high - low) * 0.08).max(0.0)).to(high + (high - low) * 0.08)
    } else {
        axis
    }
}

/// Loss, logarithmic where it spans more than a factor of five. It reaches to a little above where training starts,
/// so that a rule that diverges does not flatten the others.
fn loss_axis(
    context: &Context<'_>,
    dataset: &str,
    split: &str,
    metrics: impl Fn(&Epoch) -> Option<Metrics>,
) -> Axis {
    let range = loss_range(context, dataset, metrics);
    let label = format!("{split} loss");
    let axis = if range.lowest > 0.0 && range.highest > 5.0 * range.lowest {
        Axis::log(format!("{label} (log)"))
    } else {
        Axis::linear(label)
    };
    if range.leaves_its_panel() { axis.to(1.5 * range.start) } else { axis }
}

/// What losses of a dataset's runs lie between.
struct LossRange {
    /// The highest at the first point.
    start: f64,
    lowest: f64,
    highest: f64,
}

impl LossRange {
    fn leaves_its_panel(&self) -> bool {
        self.start > 0.0 && self.highest > 2.0 * self.start
    }
}

fn loss_range(
    context: &Context<'_>,
    dataset: &str,
    metrics: impl Fn(&Epoch) -> Option<Metrics>,
) -> LossRange {
    let values = measured(context, dataset, metrics);
    let first = values.iter().map(|(epoch, _)| *epoch).min();
    let losses = || values.iter().map(|(_, metrics)| metrics.loss);
    // The highest: without an epoch before training, rules have already come apart by the first point.
    let starts = values.iter().filter(|(epoch, _)| Some(*epoch) == first).map(|(_, metrics)| metrics.loss);
    LossRange {
        start: starts.fold(0.0, f64::max),
        lowest: losses().fold(f64::INFINITY, f64::min),
        highest: losses().fold(0.0, f64::max),
    }
}
