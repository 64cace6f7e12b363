//! What was run and how, in words, from the descriptions of the runs themselves; where cells differ, who differs.

use super::super::{
    Content, Context, format,
    table::{code, escape},
    words,
};
use crate::{
    plan::Cell,
    spec::{AlgorithmSpec, RunSpec},
};
use apical_algorithms::rule;
use std::collections::BTreeSet;

/// Cells named one by one; of more, only their number is told.
const NAMED: usize = 6;

/// What cells have in common: a text and the cells of which it is true.
type Variant<'r> = (String, Vec<&'r Cell>);

pub(super) fn render(context: &Context<'_>) -> Content {
    let mut text = String::new();
    text += &labelled(context, "Data", |cell| &cell.dataset, |spec| words::dataset(&spec.dataset));
    text += &labelled(
        context,
        "Networks",
        |cell| &cell.architecture,
        |spec| words::architecture(&spec.architecture),
    );
    text += &labelled(
        context,
        "Rules",
        |cell| &cell.algorithm,
        |spec| {
            let title = rule::find(&spec.algorithm.rule).map_or("", |entry| entry.title);
            format!("{title} (`{}`)", spec.algorithm.rule)
        },
    );
    text += &rule_settings(context);
    text += "**Training**\n\n";
    let topics: Vec<Vec<(&str, String)>> = context
        .matrix
        .cells()
        .iter()
        .filter_map(|cell| cell.runs.first().map(|run| words::training(&run.planned.spec)))
        .collect();
    for index in 0..topics.first().map_or(0, Vec::len) {
        let title = topics[0][index].0;
        let told = context
            .matrix
            .cells()
            .iter()
            .zip(&topics)
            .map(|(cell, topics)| (cell.cell, topics[index].1.clone()));
        text += &topic(context, title, &variants(told));
    }
    let seeds = context.matrix.cells().iter().map(|cell| {
        let seeds: Vec<String> = cell.runs.iter().map(|run| run.planned.spec.seed.to_string()).collect();
        (cell.cell, seeds.join(", "))
    });
    text += &topic(context, "Seeds", &variants(seeds));
    Content::text(text)
}

/// What the rules were set to; what several algorithms share is said once.
fn rule_settings(context: &Context<'_>) -> String {
    let told = context
        .matrix
        .cells()
        .iter()
        .filter_map(|cell| Some((cell.cell, settings(&cell.runs.first()?.planned.spec.algorithm))));
    let lines: String =
        variants(told).iter().map(|(text, cells)| format!("- {}: {text}.\n", who(context, cells))).collect();
    format!("**Settings of the rules**\n\n{lines}\n")
}

/// A rule's settings in words. Where this version does not know the rule or the settings, as they were recorded.
fn settings(algorithm: &AlgorithmSpec) -> String {
    let told = rule::find(&algorithm.rule).and_then(|entry| entry.describe(algorithm.config.clone()).ok());
    told.map_or_else(|| code(&algorithm.config.to_string()), |text| escape(&text))
}

/// A list of labels with what each stands for.
fn labelled(
    context: &Context<'_>,
    title: &str,
    label: impl Fn(&Cell) -> &String,
    words: impl Fn(&RunSpec) -> String,
) -> String {
    let mut labels: Vec<&String> = Vec::new();
    for cell in context.matrix.cells() {
        if !labels.contains(&label(cell.cell)) {
            labels.push(label(cell.cell));
        }
    }
    let mut text = format!("**{title}**\n\n");
    for wanted in labels {
        let cells = context.matrix.cells().iter().filter(|cell| label(cell.cell) == wanted);
        let told = cells.filter_map(|cell| Some((cell.cell, words(&cell.runs.first()?.planned.spec))));
        let variants = variants(told);
        match variants.as_slice() {
            [(only, _)] => text += &format!("- {}: {only}.\n", code(wanted)),
            several => {
                text += &format!("- {}:\n", code(wanted));
                for (words, cells) in several {
                    text += &format!("  - {}: {words}.\n", who(context, cells));
                }
            }
        }
    }
    text + "\n"
}

fn variants<'r>(told: impl Iterator<Item = (&'r Cell, String)>) -> Vec<Variant<'r>> {
    let mut variants: Vec<Variant<'r>> = Vec::new();
    for (cell, text) in told {
        match variants.iter_mut().find(|(known, _)| *known == text) {
            Some((_, cells)) => cells.push(cell),
            None => variants.push((text, vec![cell])),
        }
    }
    variants
}

fn topic(context: &Context<'_>, title: &str, variants: &[Variant<'_>]) -> String {
    match variants {
        [] => String::new(),
        [(only, _)] => format!("- {title}: {only}.\n"),
        several => {
            let lines: String = several
                .iter()
                .map(|(text, cells)| format!("  - {}: {text}.\n", who(context, cells)))
                .collect();
            format!("- {title}, **which differs between cells**:\n{lines}")
        }
    }
}

/// The cells in the fewest words: by algorithm, dataset or architecture where one of these decides, else by name.
fn who(context: &Context<'_>, cells: &[&Cell]) -> String {
    let labels: [fn(&Cell) -> &str; 3] =
        [|cell| &cell.algorithm, |cell| &cell.dataset, |cell| &cell.architecture];
    for label in labels {
        let mut named: Vec<&str> = Vec::new();
        for cell in cells {
            if !named.contains(&label(cell)) {
                named.push(label(cell));
            }
        }
        let all: BTreeSet<&Cell> = context
            .matrix
            .cells()
            .iter()
            .map(|cell| cell.cell)
            .filter(|cell| named.contains(&label(cell)))
            .collect();
        if all.len() == cells.len() {
            return format::list(&named.iter().map(|label| code(label)).collect::<Vec<_>>());
        }
    }
    let mut named: Vec<String> = cells.iter().take(NAMED).map(|cell| escape(&cell.to_string())).collect();
    if cells.len() > NAMED {
        named.push(format!("{} more cells", cells.len() - NAMED));
    }
    format::list(&named)
}
