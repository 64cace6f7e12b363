//! Which cells an entry of `overrides`, `include`, `exclude` or `published` is about.

use super::{
    issue::{Issue, Span, suggestion},
    members::Members,
    tree::{Node, Value},
};
use crate::plan::{Cell, label_matches};

const KEYS: [&str; 3] = ["dataset", "architecture", "algorithm"];

/// The labels that can be named.
pub(super) type Labels<'a> = &'a Members;

/// A condition on cells; what it does not mention may be anything.
#[derive(Debug)]
pub(super) struct Selector {
    pub span: Span,
    patterns: [Option<Vec<String>>; 3],
    /// Whether all its labels exist: if not, that it matches nothing is no news.
    pub sound: bool,
}

impl Selector {
    /// Reads the keys `dataset`, `architecture` and `algorithm` of a mapping; labels may carry axis values
    /// in brackets where `axes` says so.
    pub fn read(node: &Node, span: Span, labels: Labels<'_>, axes: bool, issues: &mut Vec<Issue>) -> Self {
        let known = issues.len();
        let patterns = KEYS.map(|key| {
            let value = node.get(key)?;
            let texts: Vec<&Node> = match &value.value {
                Value::List(items) => items.iter().collect(),
                _ => vec![value],
            };
            let texts = texts.into_iter().filter_map(|node| node.text().map(|text| (node, text)));
            let pattern = |(node, text): (&Node, &str)| {
                let base = text.split_once('[').map_or(text, |(base, _)| base);
                if !axes && base != text {
                    issues.push(
                        Issue::new(node.span, format!("`{text}` names a value of an axis"))
                            .help(format!("overrides come before axes are split: name `{base}`")),
                    );
                } else if labels.of(key).iter().all(|member| member.label != base) {
                    let present = labels.of(key).iter().map(|member| member.label.as_str());
                    issues.push(
                        Issue::new(node.span, format!("there is no {key} `{base}`"))
                            .help(suggestion(base, present)),
                    );
                }
                text.to_owned()
            };
            Some(texts.map(pattern).collect())
        });
        Self { span, patterns, sound: issues.len() == known }
    }

    /// Whether it is about this cell.
    pub fn matches(&self, cell: &Cell) -> bool {
        let labels = [&cell.dataset, &cell.architecture, &cell.algorithm];
        self.patterns.iter().zip(labels).all(|(patterns, label)| {
            patterns
                .as_ref()
                .is_none_or(|patterns| patterns.iter().any(|pattern| label_matches(pattern, label)))
        })
    }

    /// That it is about no cell.
    pub fn matches_nothing(&self, what: &str) -> Issue {
        let said: Vec<String> = KEYS
            .iter()
            .zip(&self.patterns)
            .filter_map(|(key, patterns)| patterns.as_ref().map(|p| format!("{key} {}", p.join(" or "))))
            .collect();
        Issue::new(self.span, format!("{what} matches no run ({})", said.join(", ")))
            .help("correct it or leave it out; see `include` and `exclude` for runs that were left out")
    }
}
