//! Alignment: the angle between what a rule does and what the gradient would, and between the weights that
//! carry errors and those that carry activity, layer by layer.

use super::super::{
    Content, Context,
    curves::BAND,
    figure_name, format, layers,
    plot::{self, Axis, Facets, Figure, Ticks},
    table::{self, Align, code, escape},
};

pub(super) const FIGURE: &str = "alignment";
pub(super) const FEEDBACK_FIGURE: &str = "feedback-alignment";

/// Layers side by side.
const COLUMNS: usize = 3;
/// Angle between random directions in many dimensions, in degrees.
const ORTHOGONAL: f64 = 90.0;

pub(super) fn render(context: &Context<'_>) -> Content {
    let mut content = Content::default();
    for dataset in &context.matrix.datasets {
        for architecture in context.matrix.architectures(dataset) {
            let names = layers::names(context, dataset, architecture);
            if names.is_empty() {
                continue;
            }
            content.say(&format!("### {} / {}\n\n", escape(dataset), escape(architecture)));
            content.show(figure(context, dataset, architecture, &names, false));
            content.say(&angles(context, dataset, architecture, &names));
            let feedback = figure(context, dataset, architecture, &names, true);
            if has_lines(&feedback) {
                content.say("<details><summary>Angle between feedback and forward weights</summary>\n\n");
                content.show(feedback);
                content.say("</details>\n\n");
            }
        }
    }
    if !content.markdown.is_empty() {
        let introduction = format!(
            "The angle between a rule's direction for a layer's weight and the true gradient of the loss, on a fixed \
             probe batch at the ends of epochs. 0° is the gradient itself; at 90° (dashed) a direction has nothing \
             to do with it, and beyond 90° it climbs. {BAND}\n\n",
        );
        content.markdown.insert_str(0, &introduction);
    }
    content
}

fn has_lines(figure: &Figure) -> bool {
    match &figure.content {
        plot::Content::Facets(facets) => facets.rows.iter().flatten().any(|panel| !panel.lines.is_empty()),
        plot::Content::Samples(_) => false,
    }
}

fn figure(
    context: &Context<'_>,
    dataset: &str,
    architecture: &str,
    names: &[String],
    feedback: bool,
) -> Figure {
    let (prefix, label, quantity): (_, _, layers::Quantity) = if feedback {
        (FEEDBACK_FIGURE, "feedback–forward angle (°)", |layer| layer.feedback_angle)
    } else {
        (FIGURE, "angle to gradient (°)", |layer| layer.gradient_angle)
    };
    let mut panels: Vec<_> = names
        .iter()
        .map(|layer| {
            let mut panel = layers::panel(
                context,
                (dataset, architecture, layer),
                format!("layer {layer}"),
                Axis::linear(label).ticks(Ticks::Degrees).from(-4.0),
                quantity,
            );
            panel.reference = Some(ORTHOGONAL);
            panel
        })
        .collect();
    if feedback {
        // The first layer carries no error further down, and some rules have no such weights.
        panels.retain(|panel| !panel.lines.is_empty());
    }
    let columns = if panels.len() == 4 { 2 } else { panels.len().clamp(2, COLUMNS) };
    let mut rows = Vec::new();
    while !panels.is_empty() {
        let rest = panels.split_off(panels.len().min(columns));
        rows.push(std::mem::replace(&mut panels, rest));
    }
    Figure {
        name: figure_name(prefix, &[dataset, architecture]),
        description: format!("{label} on {dataset}, {architecture}: a panel per layer, over epochs"),
        content: plot::Content::Facets(Facets {
            columns,
            panel_height: 240.0,
            share_rows: true,
            legend: context.panel_legend(dataset, architecture),
            rows,
        }),
    }
}

/// Angles to the gradient at the end of training.
fn angles(context: &Context<'_>, dataset: &str, architecture: &str, names: &[String]) -> String {
    let labels: Vec<String> = names.iter().map(|name| code(name)).collect();
    let mut header = vec![("Angle to gradient at the end (°)", Align::Left)];
    header.extend(labels.iter().map(|label| (label.as_str(), Align::Right)));
    let rows = context.matrix.of_panel(dataset, architecture).map(|cell| {
        let mut row = vec![code(&cell.cell.algorithm)];
        row.extend(names.iter().map(|layer| {
            let angle = layers::at_the_end(cell, layer, |layer| layer.gradient_angle);
            match angle {
                Some(angle) => format::interval(angle, 1),
                None if cell.completed().next().is_none() => format!("– ({})", cell.shortfall()),
                None if layers::sampled_at_the_end(cell, layer).next().is_some() => "undefined".to_owned(),
                None => "not measured".to_owned(),
            }
        }));
        row
    });
    table::markdown(&header, rows)
}
