//! Neurons with dendrites, of rules that have them: what apical dendrites say, how well interneurons predict it, how
//! often cells fire.

use super::super::{
    Content, Context, figure_name, layers,
    plot::{self, Axis, Facets, Figure, Panel},
    table::escape,
};
use apical_algorithms::diagnostics::{LayerDiagnostics, NeuronDiagnostics};

pub(super) const APICAL_FIGURE: &str = "apical-potentials";
pub(super) const FIGURE: &str = "neurons";

/// A panel's axis label and what it shows.
type Quantity = (&'static str, layers::Quantity);

/// Side by side on one scale, since what counts is how they differ.
const APICAL: [Quantity; 2] = [
    ("|v_A| without target", |layer| of(layer, |neurons| neurons.apical_potential)),
    ("|v_A| with target", |layer| of(layer, |neurons| neurons.apical_potential_with_target)),
];

const OTHERS: [Quantity; 3] = [
    ("plateau difference", |layer| of(layer, |neurons| neurons.plateau_difference)),
    ("interneuron mismatch", |layer| of(layer, |neurons| neurons.interneuron_mismatch)),
    ("firing rate", |layer| of(layer, |neurons| neurons.firing_rate)),
];

/// A logarithmic axis shows what spans more than this; less is clearer on a linear one.
const LINEAR_SPAN: f64 = 20.0;

fn of(layer: &LayerDiagnostics, quantity: fn(NeuronDiagnostics) -> Option<f64>) -> Option<f64> {
    layer.neurons.and_then(quantity)
}

pub(super) fn render(context: &Context<'_>) -> Content {
    let mut content = Content::default();
    let (mut measured, mut any) = ([false; 5], false);
    for dataset in &context.matrix.datasets {
        for architecture in context.matrix.architectures(dataset) {
            let panel = (*dataset, architecture);
            let apical = present(context, panel, &APICAL);
            let others = present(context, panel, &OTHERS);
            for (index, quantity) in APICAL.iter().chain(&OTHERS).enumerate() {
                measured[index] |= apical.iter().chain(&others).any(|present| present.0 == quantity.0);
            }
            if apical.is_empty() && others.is_empty() {
                continue;
            }
            let open = if any { "" } else { " open" };
            any = true;
            content.say(&format!(
                "<details{open}><summary>{} / {}</summary>\n\n",
                escape(dataset),
                escape(architecture)
            ));
            if !apical.is_empty() {
                content.show(figure(context, panel, APICAL_FIGURE, &apical));
            }
            if !others.is_empty() {
                content.show(figure(context, panel, FIGURE, &others));
            }
            content.say("</details>\n\n");
        }
    }
    if any {
        content.markdown.insert_str(0, &introduction(measured));
    }
    content
}

/// What each quantity is and what theory lets one expect of it, of those that were measured.
fn introduction([without, with, plateau, mismatch, rate]: [bool; 5]) -> String {
    let mut text = String::from(
        "Of rules whose neurons have dendrites, on the probe batch, as means over the neurons of a layer and over samples:\n\n",
    );
    let mut tell = |said: bool, what: &str| {
        if said {
            text += what;
        }
    };
    tell(
        without || with,
        "- **Apical potential** |v_A|: what the dendrite hears that receives feedback. Where lateral interneurons cancel \
         the feedback, it is silent without a target (the self-predicting state) and speaks only with one; how far the \
         two panels are apart is then how much of the signal is teaching. Without such interneurons it follows the \
         activity of the layers above in both.\n",
    );
    tell(
        plateau,
        "- **Plateau difference** |α_t − α_f|: between the plateau potentials with and without target, which is the \
         error that a layer learns from. It falls as the output comes to its targets.\n",
    );
    tell(
        mismatch,
        "- **Interneuron mismatch** ‖φ(u^I) − φ(u)‖ / ‖φ(u)‖: between the rates of a layer's interneurons and those of \
         the pyramidal cells above, which they are to predict, without a target; 0 in the self-predicting state. \
         It rises where the cells above change faster than interneurons follow.\n",
    );
    tell(
        rate,
        "- **Firing rate** without a target, as a share of the largest (of segregated dendrites `max_rate`, in spikes/ms), \
         or as it is where rates have no bound. Cells at 0 or at the largest rate learn no more.\n",
    );
    text + "\n"
}

/// Those quantities that any run has.
fn present(
    context: &Context<'_>,
    (dataset, architecture): (&str, &str),
    quantities: &[Quantity],
) -> Vec<Quantity> {
    let runs = || context.matrix.of_panel(dataset, architecture).flat_map(|cell| &cell.runs);
    let has = |(_, quantity): &&Quantity| {
        runs()
            .flat_map(|run| run.epochs())
            .flat_map(|epoch| &epoch.layers)
            .any(|layer| quantity(layer).is_some())
    };
    quantities.iter().filter(has).copied().collect()
}

fn figure(
    context: &Context<'_>,
    (dataset, architecture): (&str, &str),
    prefix: &str,
    quantities: &[Quantity],
) -> Figure {
    let apical = prefix == APICAL_FIGURE;
    let row = |layer: &String| -> Vec<Panel> {
        let panel = |(index, (label, quantity)): (usize, &Quantity)| {
            let title = if index == 0 { format!("layer {layer}") } else { String::new() };
            Panel {
                empty: "none in this layer".to_owned(),
                ..layers::panel(
                    context,
                    (dataset, architecture, layer),
                    title,
                    Axis::linear(*label),
                    *quantity,
                )
            }
        };
        let mut panels: Vec<Panel> = quantities.iter().enumerate().map(panel).collect();
        let together = apical && wide(panels.iter());
        for panel in &mut panels {
            let logarithmic = if apical { together } else { wide(std::iter::once(&*panel)) };
            panel.y = axis(&panel.y.label, logarithmic);
        }
        panels
    };
    let measured = |row: &Vec<Panel>| row.iter().any(|panel| !panel.lines.is_empty());
    let names = layers::names(context, dataset, architecture);
    let labels: Vec<&str> = quantities.iter().map(|(label, _)| *label).collect();
    Figure {
        name: figure_name(prefix, &[dataset, architecture]),
        description: format!(
            "Neurons with dendrites on {dataset}, {architecture}: {}, a row per layer, over epochs",
            labels.join(", ")
        ),
        content: plot::Content::Facets(Facets {
            columns: quantities.len().max(2),
            panel_height: 210.0,
            share_rows: apical,
            legend: context.panel_legend(dataset, architecture, |layer| layer.neurons.is_some()),
            rows: names.iter().map(row).filter(measured).collect(),
        }),
    }
}

fn axis(label: &str, logarithmic: bool) -> Axis {
    if logarithmic { Axis::log(format!("{label} (log)")) } else { Axis::linear(label) }
}

/// Whether values are positive and span so much that a linear axis would hide the small ones.
fn wide<'p>(panels: impl Iterator<Item = &'p Panel>) -> bool {
    let values: Vec<f64> =
        panels.flat_map(|panel| &panel.lines).flat_map(|line| &line.points).map(|point| point.low).collect();
    let highest = values.iter().copied().fold(0.0, f64::max);
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    lowest > 0.0 && highest > LINEAR_SPAN * lowest
}
