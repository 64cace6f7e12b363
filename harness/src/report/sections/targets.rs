//! Targets and inverses, of rules that have them: how far targets lie from activities, and how well inverses invert.

use super::super::{
    Content, Context, figure_name, layers,
    plot::{self, Axis, Facets, Figure, Panel},
    table::escape,
};

pub(super) const FIGURE: &str = "targets";

pub(super) fn render(context: &Context<'_>) -> Content {
    let mut content = Content::default();
    for dataset in &context.matrix.datasets {
        for architecture in context.matrix.architectures(dataset) {
            let rows = rows(context, dataset, architecture);
            if rows.is_empty() {
                continue;
            }
            let (dataset_name, architecture_name) = (escape(dataset), escape(architecture));
            content.say(&format!("<details><summary>{dataset_name} / {architecture_name}</summary>\n\n"));
            content.show(Figure {
                name: figure_name(FIGURE, &[dataset, architecture]),
                description: format!(
                    "Targets and inverses on {dataset}, {architecture}: target distance and reconstruction error, a row per layer"
                ),
                content: plot::Content::Facets(Facets {
                    columns: 2,
                    panel_height: 210.0,
                    share_rows: false,
                    legend: context.panel_legend(dataset, architecture, |layer| {
                        layer.target_distance.or(layer.reconstruction_error).is_some()
                    }),
                    rows,
                }),
            });
            content.say("</details>\n\n");
        }
    }
    if !content.markdown.is_empty() {
        content.markdown.insert_str(
            0,
            "For each layer that has them, on the probe batch: the distance ‖ĥ − h‖ / ‖h‖ of its target ĥ from its \
             activity h, and the reconstruction error ‖g(f(x)) − x‖ / ‖x‖ of its inverse g at its input x, 0 for an \
             exact inverse.\n\n",
        );
    }
    content
}

/// A row per layer with anything to show.
fn rows(context: &Context<'_>, dataset: &str, architecture: &str) -> Vec<Vec<Panel>> {
    let names = layers::names(context, dataset, architecture);
    let row = |layer: &String| -> Vec<Panel> {
        let panel = |title: String, axis: Axis, quantity: layers::Quantity, empty: &str| Panel {
            empty: empty.to_owned(),
            ..layers::panel(context, (dataset, architecture, layer), title, axis, quantity)
        };
        let distance = Axis::log("target distance (log)");
        let error = Axis::log("reconstruction error (log)");
        vec![
            panel(format!("layer {layer}"), distance, |layer| layer.target_distance, "no target"),
            panel(String::new(), error, |layer| layer.reconstruction_error, "no inverse"),
        ]
    };
    let measured = |row: &Vec<Panel>| row.iter().any(|panel| !panel.lines.is_empty());
    names.iter().map(row).filter(measured).collect()
}
