//! Learning dynamics (figure 3 of Lange 2019): how large the weights are and how much they and the rule's
//! directions change from one measurement to the next.

use super::super::{
    Content, Context, figure_name, layers,
    plot::{self, Axis, Facets, Figure, Panel},
    table::escape,
};

pub(super) const FIGURE: &str = "dynamics";

/// What spans more than this factor is drawn logarithmically: one rule that grows without bound flattens no other.
const WIDE: f64 = 20.0;

pub(super) fn render(context: &Context<'_>) -> Content {
    let mut content = Content::default();
    for dataset in &context.matrix.datasets {
        for architecture in context.matrix.architectures(dataset) {
            let names = layers::names(context, dataset, architecture);
            if !names.is_empty() {
                content.say(&format!(
                    "<details><summary>{} / {}</summary>\n\n",
                    escape(dataset),
                    escape(architecture)
                ));
                content.show(figure(context, dataset, architecture, &names));
                content.say("</details>\n\n");
            }
        }
    }
    if !content.markdown.is_empty() {
        content.markdown.insert_str(
            0,
            "For each layer: the Frobenius norm of its weight W; the relative change ‖W − W′‖ / ‖W′‖ since the last \
             measurement; and the relative change ‖d − d′‖ / ‖d′‖ of the rule's direction d on the same probe batch, \
             about √2 where two directions have nothing in common.\n\n",
        );
    }
    content
}

fn figure(context: &Context<'_>, dataset: &str, architecture: &str, names: &[String]) -> Figure {
    let rows = names
        .iter()
        .map(|layer| -> Vec<Panel> {
            let panel = |title: String, label: &str, quantity: layers::Quantity| {
                let mut panel = layers::panel(
                    context,
                    (dataset, architecture, layer),
                    title,
                    Axis::linear(label),
                    quantity,
                );
                let values = || panel.lines.iter().flat_map(|line| &line.points).map(|point| point.y);
                let positive = || values().filter(|value| *value > 0.0);
                let (least, most) =
                    (positive().fold(f64::INFINITY, f64::min), positive().fold(0.0, f64::max));
                if most > WIDE * least {
                    panel.y = Axis::log(format!("{label} (log)"));
                }
                panel
            };
            vec![
                panel(format!("layer {layer}"), "weight norm", |layer| Some(layer.weight_norm)),
                panel(String::new(), "weight change", |layer| layer.weight_change),
                panel(String::new(), "direction change", |layer| layer.direction_change),
            ]
        })
        .collect();
    Figure {
        name: figure_name(FIGURE, &[dataset, architecture]),
        description: format!(
            "Learning dynamics on {dataset}, {architecture}: weight norm, relative change of weight and direction, a row per layer"
        ),
        content: plot::Content::Facets(Facets {
            columns: 3,
            panel_height: 210.0,
            share_rows: false,
            legend: context.panel_legend(dataset, architecture, |_| true),
            rows,
        }),
    }
}
