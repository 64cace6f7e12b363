//! Alignment: the angle between what a rule does and what the gradient would, and between the weights that
//! carry errors and those that carry activity, layer by layer.

use super::super::{
    Content, Context,
    curves::BAND,
    figure_name, format, layers,
    matrix::CellRuns,
    plot::{self, Axis, Facets, Figure, Ticks},
    table::{self, Align, code, escape},
};

pub(super) const FIGURE: &str = "alignment";
pub(super) const FEEDBACK_FIGURE: &str = "feedback-alignment";
pub(super) const FEEDBACK_ALIGNMENT_FIGURE: &str = "angle-to-feedback-alignment";

/// An angle of every layer.
struct Angle {
    /// How its figures' names begin.
    figure: &'static str,
    label: &'static str,
    quantity: layers::Quantity,
    /// Whether layers where nobody has it are shown.
    everywhere: bool,
}

const TO_GRADIENT: Angle = Angle {
    figure: FIGURE,
    label: "angle to gradient (°)",
    quantity: |layer| layer.gradient_angle,
    everywhere: true,
};
/// The first layer carries no error further down, and some rules have no such weights.
const FEEDBACK: Angle = Angle {
    figure: FEEDBACK_FIGURE,
    label: "feedback–forward angle (°)",
    quantity: |layer| layer.feedback_angle,
    everywhere: false,
};
const TO_FEEDBACK_ALIGNMENT: Angle = Angle {
    figure: FEEDBACK_ALIGNMENT_FIGURE,
    label: "angle to feedback alignment (°)",
    quantity: |layer| layer.feedback_alignment_angle,
    everywhere: false,
};

const FEEDBACK_ALIGNMENT: &str = "Of rules that are neither backpropagation nor feedback alignment: the angle of a rule's \
    direction to that of feedback alignment with the rule's own feedback weights, from the same error at the output. Near 0° \
    the rule is feedback alignment by other means; how near it comes to the gradient is then up to its feedback weights.\n\n";

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
            content.show(figure(context, dataset, architecture, &names, &TO_GRADIENT));
            content.say(&angles(context, dataset, architecture, &names));
            let feedback = figure(context, dataset, architecture, &names, &FEEDBACK);
            if has_lines(&feedback) {
                content.say("<details><summary>Angle between feedback and forward weights</summary>\n\n");
                content.show(feedback);
                content.say("</details>\n\n");
            }
            let to_feedback_alignment =
                figure(context, dataset, architecture, &names, &TO_FEEDBACK_ALIGNMENT);
            if has_lines(&to_feedback_alignment) {
                content.say("<details><summary>Angle to feedback alignment</summary>\n\n");
                content.say(FEEDBACK_ALIGNMENT);
                content.show(to_feedback_alignment);
                content.say(&feedback_alignment_angles(context, dataset, architecture, &names));
                content.say("</details>\n\n");
            }
        }
    }
    if !content.markdown.is_empty() {
        let introduction = format!(
            "The angle between a rule's direction for a layer's weight and the true gradient of the loss, on a fixed \
             probe batch at the ends of epochs; of a rule with neurons of its own, the gradient of what its output layer \
             descends. 0° is the gradient itself; at 90° (dashed) a direction has nothing to do with it, and beyond 90° it \
             climbs. {BAND}\n\n",
        );
        content.markdown.insert_str(0, &introduction);
    }
    content
}

fn has_lines(figure: &Figure) -> bool {
    match &figure.content {
        plot::Content::Facets(facets) => facets.rows.iter().flatten().any(|panel| !panel.lines.is_empty()),
        plot::Content::Samples(_) | plot::Content::Traces(_) => false,
    }
}

fn figure(
    context: &Context<'_>,
    dataset: &str,
    architecture: &str,
    names: &[String],
    Angle { figure, label, quantity, everywhere }: &Angle,
) -> Figure {
    let mut panels: Vec<_> = names
        .iter()
        .map(|layer| {
            let mut panel = layers::panel(
                context,
                (dataset, architecture, layer),
                format!("layer {layer}"),
                Axis::linear(*label).ticks(Ticks::Degrees).from(-4.0),
                *quantity,
            );
            panel.reference = Some(ORTHOGONAL);
            panel
        })
        .collect();
    if !everywhere {
        panels.retain(|panel| !panel.lines.is_empty());
    }
    let columns = if panels.len() == 4 { 2 } else { panels.len().clamp(2, COLUMNS) };
    let mut rows = Vec::new();
    while !panels.is_empty() {
        let rest = panels.split_off(panels.len().min(columns));
        rows.push(std::mem::replace(&mut panels, rest));
    }
    Figure {
        name: figure_name(figure, &[dataset, architecture]),
        description: format!("{label} on {dataset}, {architecture}: a panel per layer, over epochs"),
        content: plot::Content::Facets(Facets {
            columns,
            panel_height: 240.0,
            share_rows: true,
            legend: context.panel_legend(dataset, architecture, |layer| quantity(layer).is_some()),
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

/// Angles to feedback alignment at the end of training, of the rules that have them.
fn feedback_alignment_angles(
    context: &Context<'_>,
    dataset: &str,
    architecture: &str,
    names: &[String],
) -> String {
    let at_the_end =
        |cell: &CellRuns<'_>, layer: &str| layers::at_the_end(cell, layer, TO_FEEDBACK_ALIGNMENT.quantity);
    let has = |layer: &&String| {
        context.matrix.of_panel(dataset, architecture).any(|cell| at_the_end(cell, layer).is_some())
    };
    let names: Vec<&String> = names.iter().filter(has).collect();
    let labels: Vec<String> = names.iter().map(|name| code(name)).collect();
    let mut header = vec![("Angle to feedback alignment at the end (°)", Align::Left)];
    header.extend(labels.iter().map(|label| (label.as_str(), Align::Right)));
    let rows = context.matrix.of_panel(dataset, architecture).filter_map(|cell| {
        let angles: Vec<_> = names.iter().map(|layer| at_the_end(cell, layer)).collect();
        angles.iter().any(Option::is_some).then(|| {
            let mut row = vec![code(&cell.cell.algorithm)];
            row.extend(
                angles
                    .into_iter()
                    .map(|angle| angle.map_or_else(|| "–".to_owned(), |angle| format::interval(angle, 1))),
            );
            row
        })
    });
    if names.is_empty() { String::new() } else { table::markdown(&header, rows) }
}
