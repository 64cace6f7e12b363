//! Published figures: an entry of the suite may name several cells; the plan has one figure for each.

use super::{
    issue::{Issue, Span},
    selection::{Labels, Selector},
    tree::Node,
    wire::PublishedEntry,
};
use crate::plan::{Cell, Protocol, Published, label_matches};
use crate::spec::RunSpec;

/// An entry of `published`.
#[derive(Debug)]
pub(super) struct Entry {
    selector: Selector,
    figure: PublishedEntry,
    protocol_span: Span,
    figure_span: Span,
}

/// Reads `published`.
pub(super) fn read_all(tree: &Node, labels: Labels<'_>, issues: &mut Vec<Issue>) -> Vec<Entry> {
    let items = tree.get("published").map_or(&[][..], Node::items);
    items.iter().filter_map(|item| read(item, labels, issues)).collect()
}

fn read(item: &Node, labels: Labels<'_>, issues: &mut Vec<Issue>) -> Option<Entry> {
    let place = |key: &str| item.entry(key).map_or(item.span, |entry| entry.key_span);
    let selector = Selector::read(item, item.span, labels, true, issues);
    // What does not decode has been reported by the walk.
    let figure: PublishedEntry = serde_json::from_value(item.to_json()).ok()?;
    match (figure.test_error, figure.test_accuracy) {
        (Some(_), Some(_)) => issues.push(
            Issue::new(place("test_accuracy"), "both an error and an accuracy are given")
                .help("keep the one that the source gives"),
        ),
        (None, None) => issues.push(
            Issue::new(item.span, "this entry gives no figure")
                .help("add `test_error:` or `test_accuracy:`, in percent"),
        ),
        _ => {}
    }
    if figure.source.trim().is_empty() {
        issues.push(
            Issue::new(
                item.entry("source").map_or(item.span, |entry| entry.value.span),
                "the source is empty",
            )
            .help("say where the figure is from: paper and table, or repository and file"),
        );
    }
    if figure.not_comparable.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        issues.push(
            Issue::new(place("not_comparable"), "the reason is empty")
                .help("say what the figure was measured on, or leave the key out"),
        );
    }
    let given = if figure.test_error.is_some() { "test_error" } else { "test_accuracy" };
    Some(Entry { selector, figure, protocol_span: place("protocol"), figure_span: place(given) })
}

/// One figure for each combination of labels that has runs.
pub(super) fn resolve(
    entries: Vec<Entry>,
    cells: &[(&Cell, &RunSpec)],
    architectures: &[String],
    issues: &mut Vec<Issue>,
) -> Vec<Published> {
    let mut all = Vec::new();
    for Entry { selector, figure, protocol_span, figure_span } in entries {
        let matching: Vec<_> = cells.iter().filter(|(cell, _)| selector.matches(cell)).collect();
        if matching.is_empty() {
            if selector.sound {
                issues.push(selector.matches_nothing("this published figure"));
            }
            continue;
        }
        if figure.protocol == Protocol::BestOfTraining
            && let Some((cell, _)) = matching.iter().find(|(_, spec)| !spec.evaluation.test_each_epoch)
        {
            issues.push(
                Issue::new(protocol_span, format!("`best-of-training` has no counterpart in {cell}"))
                    .help("set `evaluation.test_each_epoch: true`, or compare with another figure"),
            );
        }
        if let Some((cell, _)) = matching.iter().find(|(_, spec)| spec.dataset.is_regression()) {
            issues.push(
                Issue::new(figure_span, format!("`{}` has no classes, so no share of errors", cell.dataset))
                    .help("leave the entry out, and name the published figure in `description:`"),
            );
        }
        let Some(test_error) = figure.test_error.or(figure.test_accuracy.map(error_of)) else { continue };
        let patterns = figure.architecture.as_ref().map_or(architectures, |given| &given.0);
        for dataset in &figure.dataset.0 {
            for architecture in patterns {
                for algorithm in &figure.algorithm.0 {
                    let has_runs = matching.iter().any(|(cell, _)| {
                        label_matches(dataset, &cell.dataset)
                            && label_matches(architecture, &cell.architecture)
                            && label_matches(algorithm, &cell.algorithm)
                    });
                    if has_runs {
                        all.push(Published {
                            algorithm: algorithm.clone(),
                            dataset: dataset.clone(),
                            architecture: architecture.clone(),
                            test_error,
                            spread: figure.spread,
                            protocol: figure.protocol,
                            source: figure.source.clone(),
                            firmness: figure.firmness,
                            not_comparable: figure.not_comparable.clone(),
                        });
                    }
                }
            }
        }
    }
    all
}

/// 100 − accuracy, without the noise that binary fractions add to two decimals.
fn error_of(accuracy: f64) -> f64 {
    ((100.0 - accuracy) * 1e9).round() / 1e9
}
