//! The labelled members of a suite (datasets, architectures, algorithms) and its sections, each with the
//! shape that it is checked against.

use super::{
    issue::{Issue, Span, nearest, suggestion},
    shape::Shape,
    tree::{Entry, Node, Value},
    walk::walk,
};
use crate::{
    data::DatasetSpec,
    plan::Engine,
    spec::{Diagnostics, Evaluation, Training},
};
use apical_algorithms::{
    architecture::Architecture,
    rule::{self, RuleEntry},
};
use schemars::schema_for;

/// A labelled member of the matrix.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub label: String,
    pub key_span: Span,
    /// Its settings; absent where they are wrong, so that nothing is said of them twice.
    pub node: Option<Node>,
    pub shape: Shape,
    /// The rule, of an algorithm.
    pub rule: Option<&'static RuleEntry>,
}

/// A section that holds for all runs unless overridden.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub name: &'static str,
    pub key_span: Span,
    pub node: Option<Node>,
    pub shape: Shape,
    /// Whether a list of values is an axis.
    pub axes: bool,
}

/// All that is crossed.
#[derive(Debug)]
pub(super) struct Members {
    pub datasets: Vec<Member>,
    pub architectures: Vec<Member>,
    pub algorithms: Vec<Member>,
    /// `training`, `evaluation`, `diagnostics`, `engine`.
    pub sections: [Section; 4],
}

impl Members {
    /// Reads them from a suite's tree.
    pub fn read(tree: &Node, issues: &mut Vec<Issue>) -> Self {
        let dataset = Shape::of(&schema_for!(DatasetSpec)).with_optional("name", Shape::Text);
        let architecture = Shape::of(&schema_for!(Architecture));
        Self {
            datasets: members(tree, "datasets", issues, |_, _| Some((dataset.clone(), None))),
            architectures: members(tree, "architectures", issues, |entry, issues| {
                check_kind(entry, &architecture, issues).then(|| (architecture.clone(), None))
            }),
            algorithms: members(tree, "algorithms", issues, algorithm),
            sections: [
                section(tree, "training", Shape::of(&schema_for!(Training)), true, issues),
                section(tree, "evaluation", Shape::of(&schema_for!(Evaluation)), true, issues),
                section(tree, "diagnostics", Shape::of(&schema_for!(Diagnostics)), true, issues),
                // Its shape is part of the suite's own, which has been held against it.
                section(tree, "engine", Shape::of(&schema_for!(Engine)), false, &mut Vec::new()),
            ],
        }
    }

    /// The members under one of the keys `dataset`, `architecture` and `algorithm`.
    pub fn of(&self, key: &str) -> &[Member] {
        match key {
            "dataset" => &self.datasets,
            "architecture" => &self.architectures,
            _ => &self.algorithms,
        }
    }
}

fn members(
    tree: &Node,
    key: &str,
    issues: &mut Vec<Issue>,
    mut shape: impl FnMut(&Entry, &mut Vec<Issue>) -> Option<(Shape, Option<&'static RuleEntry>)>,
) -> Vec<Member> {
    let Some(section) = tree.entry(key) else { return Vec::new() };
    if matches!(&section.value.value, Value::Map(entries) if entries.is_empty()) {
        issues.push(
            Issue::new(section.key_span, format!("`{key}` is empty, so there is nothing to run"))
                .help("add at least one"),
        );
    }
    let member = |entry: &Entry| {
        check_label(entry, issues);
        let mut node = entry.value.clone();
        if node.value == Value::Null {
            node.value = Value::Map(Vec::new());
        }
        let (shape, rule) = shape(entry, issues).unzip();
        let node = shape.as_ref().and_then(|shape| {
            let known = issues.len();
            walk(&node, entry.key_span, shape, true, issues);
            (issues.len() == known).then_some(node)
        });
        Member {
            label: entry.key.clone(),
            key_span: entry.key_span,
            node,
            shape: shape.unwrap_or(Shape::Any),
            rule: rule.flatten(),
        }
    };
    section.value.entries().iter().map(member).collect()
}

fn section(tree: &Node, name: &'static str, shape: Shape, axes: bool, issues: &mut Vec<Issue>) -> Section {
    let (key_span, node) = match tree.entry(name) {
        Some(entry) => {
            let known = issues.len();
            walk(&entry.value, entry.place(), &shape, axes, issues);
            (entry.key_span, (issues.len() == known).then(|| entry.value.clone()))
        }
        // A missing `training` has been reported as such.
        None if name == "training" => (Span::START, None),
        None => (Span::START, Some(Node { span: Span::START, value: Value::Map(Vec::new()) })),
    };
    Section { name, key_span, node, shape, axes }
}

fn check_label(entry: &Entry, issues: &mut Vec<Issue>) {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    if entry.key.is_empty() || !entry.key.chars().all(allowed) {
        issues.push(
            Issue::new(entry.key_span, format!("`{}` can't be a label", entry.key))
                .help("labels consist of letters, digits and . _ - +"),
        );
    }
}

/// Whether an architecture names its kind; the slip to take the label for the kind has its own remedy.
fn check_kind(entry: &Entry, shape: &Shape, issues: &mut Vec<Issue>) -> bool {
    let Shape::Choice(kinds) = shape else { return true };
    let is_kind = |name: &str| kinds.names().any(|kind| kind == name);
    let entries = entry.value.entries();
    let unnamed = !entries.is_empty() && entries.iter().all(|inner| !is_kind(&inner.key));
    let label = &entry.key;
    if unnamed
        && is_kind(label)
        && kinds.names().all(|kind| strsim::jaro_winkler(kind, &entries[0].key) < 0.9)
    {
        issues.push(
            Issue::new(
                entry.key_span,
                format!("the architecture `{label}` does not say of which kind it is"),
            )
            .help(format!("a label and then a kind: `{label}: {{{label}: {{{}: …}}}}`", entries[0].key)),
        );
        return false;
    }
    true
}

fn algorithm(entry: &Entry, issues: &mut Vec<Issue>) -> Option<(Shape, Option<&'static RuleEntry>)> {
    let given = entry.value.entry("rule");
    let (name, span) = if let Some(given) = given {
        let Some(name) = given.value.text() else {
            issues.push(Issue::new(given.place(), "expected the name of a rule").help(rule_names("")));
            return None;
        };
        (name, given.value.span)
    } else {
        (entry.key.as_str(), entry.key_span)
    };
    let Some(rule) = rule::find(name) else {
        let issue = Issue::new(span, format!("there is no rule `{name}`"));
        issues.push(if given.is_some() {
            issue.help(rule_names(name))
        } else {
            let names = rule_names(name);
            let joint = if names.ends_with('?') { " A" } else { "; a" };
            issue.help(format!("{names}{joint} label of your own needs a `rule:`"))
        });
        return None;
    };
    if let Some(named) = rule::find(&entry.key)
        && named.name != rule.name
    {
        issues.push(
            Issue::new(span, format!("`{}` is the name of another rule than `{name}`", entry.key))
                .help("choose another label, so that nobody takes its figures for that rule's"),
        );
        return None;
    }
    Some((Shape::of(&rule.schema()).with_optional("rule", Shape::Text), Some(rule)))
}

fn rule_names(given: &str) -> String {
    let names = || rule::registry().iter().map(|rule| rule.name);
    let aliases = rule::registry().iter().flat_map(|rule| rule.aliases.iter().copied());
    match nearest(given, aliases) {
        Some(alias) if nearest(given, names()).is_none() => format!("did you mean `{alias}`?"),
        _ => suggestion(given, names()),
    }
}
