//! Voltage traces, of rules whose neurons have a time course: a few neurons while they see one sample, before and after
//! training.

use super::super::{
    Content, Context, figure_name, format,
    matrix::CellRuns,
    plot::{self, Curve, Figure, Look, Recording, Row, Traces, Train},
    table::{code, escape},
};
use crate::record::{Epoch, RecordedRun};
use apical_algorithms::voltage::{Compartment, VoltageTrace, VoltageTraces};

pub(super) const FIGURE: &str = "voltages";

/// Spike trains in a row; more would be a grey block.
const TRAINS: usize = 8;

/// The share of the other potentials' span below which apical ones would not be seen among them.
const SMALL: f64 = 0.2;

/// The compartments from the first drawn to the last, which is on top, in the colours of Okabe and Ito (2008).
const COMPARTMENTS: [(Compartment, &str, Look); 5] = [
    (Compartment::Basal, "basal dendrite", solid((0x00, 0x72, 0xB2))),
    (Compartment::Apical, "apical dendrite", solid((0xD5, 0x5E, 0x00))),
    (Compartment::Soma, "soma", solid((0x00, 0x00, 0x00))),
    // Dashed, since where they do their work they lie upon another curve.
    (Compartment::Interneuron, "interneuron", Look { dash: &[6, 4], width: 1.75, color: (0x00, 0x9E, 0x73) }),
    (Compartment::Target, "target", Look { dash: &[2, 3], width: 2.0, color: (0xCC, 0x79, 0xA7) }),
];

const fn solid(color: (u8, u8, u8)) -> Look {
    Look { color, dash: &[], width: 1.6 }
}

pub(super) fn render(context: &Context<'_>) -> Content {
    let mut content = Content::default();
    for cell in context.matrix.cells() {
        let Some((run, recorded)) = recorded(cell) else { continue };
        let cell = cell.cell;
        let open = if content.figures.is_empty() { " open" } else { "" };
        content.say(&format!(
            "<details{open}><summary>{} / {} / {}, seed {}</summary>\n\n",
            escape(&cell.dataset),
            escape(&cell.architecture),
            escape(&cell.algorithm),
            run.planned.spec.seed
        ));
        content.show(Figure {
            name: figure_name(FIGURE, &[&cell.dataset, &cell.architecture, &cell.algorithm]),
            description: format!(
                "Potentials over time of {} on {}, {}: a row per neuron, {}",
                cell.algorithm,
                cell.dataset,
                cell.architecture,
                recorded.iter().map(|epoch| title(epoch)).collect::<Vec<_>>().join(" and ")
            ),
            content: plot::Content::Traces(traces(&recorded)),
        });
        content.say("</details>\n\n");
    }
    if !content.figures.is_empty() {
        let first: Vec<String> = first_seeds(context).iter().map(|algorithm| code(algorithm)).collect();
        content.markdown.insert_str(
            0,
            &format!(
                "Potentials of single neurons of {} while the network is shown the first sample of the probe batch, first \
                 without and then with its target; of the first seed that completed. A row is a neuron, on one scale before \
                 and after training; an apical dendrite whose potentials are small beside the others' has a row of its own. \
                 Of the output, the neuron that the target drives up and one that it drives down. Ticks are spikes, black \
                 those of the neuron shown, grey those of others of its layer. Potentials have no unit.\n\n",
                format::list(&first)
            ),
        );
    }
    content
}

/// The algorithms with recordings.
fn first_seeds<'r>(context: &Context<'r>) -> Vec<&'r str> {
    let mut labels = Vec::new();
    for cell in context.matrix.cells().iter().filter(|cell| recorded(cell).is_some()) {
        if !labels.contains(&cell.cell.algorithm.as_str()) {
            labels.push(cell.cell.algorithm.as_str());
        }
    }
    labels
}

/// The first completed run with recordings, and the epochs that have one.
fn recorded<'r>(cell: &CellRuns<'r>) -> Option<(&'r RecordedRun, Vec<&'r Epoch>)> {
    cell.completed().find_map(|(run, _)| {
        let epochs: Vec<&Epoch> =
            run.epochs().into_iter().filter(|epoch| traces_of(epoch).is_some()).collect();
        (!epochs.is_empty()).then_some((run, epochs))
    })
}

fn traces_of(epoch: &Epoch) -> Option<&VoltageTraces> {
    epoch.voltages.as_ref().filter(|voltages| !voltages.phases.is_empty() && !voltages.traces.is_empty())
}

fn title(epoch: &Epoch) -> String {
    match epoch.epoch {
        0 => "before training".to_owned(),
        number => format!("after {}", format::plural(number as usize, "epoch")),
    }
}

fn traces(epochs: &[&Epoch]) -> Traces {
    let voltages: Vec<&VoltageTraces> = epochs.iter().copied().filter_map(traces_of).collect();
    let shown = shown(voltages[0]);
    let rows = |(layer, neuron, first): &(String, usize, bool)| -> Vec<Row> {
        let title = format!("layer {layer}, neuron {neuron}");
        let curves = |kept: &dyn Fn(Compartment) -> bool| -> Vec<Vec<Curve>> {
            voltages.iter().map(|recording| curves(recording, layer, *neuron, kept)).collect()
        };
        let trains = voltages.iter().map(|recording| trains(recording, layer, *neuron, *first)).collect();
        let [apical, others] = [true, false]
            .map(|of_apical| curves(&|compartment| (compartment == Compartment::Apical) == of_apical));
        let alone = span(&apical) < SMALL * span(&others);
        if !alone {
            return vec![Row { title, curves: curves(&|_| true), trains }];
        }
        let apical = Row { title: format!("{title}: apical dendrite"), curves: apical, trains: Vec::new() };
        vec![Row { title, curves: others, trains }, apical]
    };
    let has = |compartment: Compartment| {
        let traces = voltages.iter().flat_map(|recording| &recording.traces);
        traces.into_iter().any(|trace| trace.compartment == compartment)
    };
    Traces {
        legend: COMPARTMENTS
            .into_iter()
            .filter(|(compartment, ..)| has(*compartment))
            .map(|(_, name, look)| (name.to_owned(), look))
            .collect(),
        recordings: epochs
            .iter()
            .zip(&voltages)
            .map(|(epoch, recording)| Recording {
                title: title(epoch),
                phases: recording.phases.iter().map(|phase| (phase.name.clone(), phase.end)).collect(),
            })
            .collect(),
        rows: shown.iter().flat_map(rows).collect(),
    }
}

/// How far the finite values of a row's curves are apart; nothing where there is no curve.
fn span(row: &[Vec<Curve>]) -> f64 {
    let points = row.iter().flatten().flat_map(|curve| &curve.points);
    let values = points.map(|(_, value)| *value).filter(|value| value.is_finite());
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low <= high { high - low } else { f64::INFINITY }
}

/// The neurons to show, by layer, and whether each is the first of its layer: of a layer with targets those with the
/// highest and the lowest, of an output without them the first two that were recorded, of others the first.
fn shown(recording: &VoltageTraces) -> Vec<(String, usize, bool)> {
    let mut layers: Vec<&str> = Vec::new();
    for trace in &recording.traces {
        if !layers.contains(&trace.layer.as_str()) {
            layers.push(&trace.layer);
        }
    }
    let mean = |trace: &VoltageTrace| {
        let finite = trace.potential.iter().copied().filter(|value| value.is_finite());
        finite.clone().sum::<f64>() / (finite.count().max(1) as f64)
    };
    let mut shown = Vec::new();
    let output = layers.last().copied();
    for layer in layers {
        let of_layer = || recording.traces.iter().filter(|trace| trace.layer == layer);
        let mut targets: Vec<(f64, usize)> = of_layer()
            .filter(|trace| trace.compartment == Compartment::Target)
            .map(|trace| (mean(trace), trace.neuron))
            .collect();
        targets.sort_by(|left, right| right.0.total_cmp(&left.0));
        let mut neurons: Vec<usize> = match targets.as_slice() {
            [] => {
                let mut recorded: Vec<usize> = of_layer().map(|trace| trace.neuron).collect();
                recorded.dedup();
                recorded.truncate(if Some(layer) == output { 2 } else { 1 });
                recorded
            }
            [first, .., last] => vec![first.1, last.1],
            [only] => vec![only.1],
        };
        neurons.dedup();
        shown.extend(
            neurons.into_iter().enumerate().map(|(index, neuron)| (layer.to_owned(), neuron, index == 0)),
        );
    }
    shown
}

fn curves(
    recording: &VoltageTraces,
    layer: &str,
    neuron: usize,
    kept: &dyn Fn(Compartment) -> bool,
) -> Vec<Curve> {
    let before_the_last = recording.phases.iter().rev().nth(1);
    let last_phase = before_the_last.map_or(0.0, |phase| phase.end);
    let of = |compartment: Compartment| {
        recording
            .traces
            .iter()
            .find(|trace| trace.layer == layer && trace.neuron == neuron && trace.compartment == compartment)
    };
    let curve = |(compartment, _, look): (Compartment, &str, Look)| {
        let potential = of(compartment)?.potential.iter();
        let at = |(step, value): (usize, &f64)| ((step + 1) as f64 * recording.time_step, *value);
        // Before the last phase nobody is told a target.
        let told = if compartment == Compartment::Target { last_phase } else { 0.0 };
        let points = potential.enumerate().map(at).filter(|(time, _)| *time > told).collect();
        Some(Curve { look, points })
    };
    COMPARTMENTS.into_iter().filter(|(compartment, ..)| kept(*compartment)).filter_map(curve).collect()
}

/// The neuron's own spikes, and in the first row of a layer those of its neighbours below.
fn trains(recording: &VoltageTraces, layer: &str, neuron: usize, first: bool) -> Vec<Train> {
    let mut trains: Vec<Train> = recording
        .spikes
        .iter()
        .filter(|train| train.layer == layer && (first || train.neuron == neuron))
        .map(|train| Train { own: train.neuron == neuron, times: train.times.clone() })
        .collect();
    trains.sort_by_key(|train| !train.own);
    trains.truncate(TRAINS);
    trains
}
