//! The literature table (figure 5 of Lange 2019), for the rules of the suite: what each assumes and does.

use super::super::{
    Content, Context,
    matrix::CellRuns,
    table::{self, Align, code, escape},
};
use apical_algorithms::rule::{self, Properties, Property, RuleEntry};

/// A row: its title, and where a rule's entry is.
type Row = (&'static str, fn(&Properties) -> Property);

const PROPERTIES: [Row; 7] = [
    ("Exact gradients", |properties| properties.exact_gradients),
    ("No weight transport", |properties| properties.no_weight_transport),
    ("No separate pathways", |properties| properties.no_separate_pathways),
    ("Dendritic integration", |properties| properties.dendritic_integration),
    ("Separate weights learned", |properties| properties.separate_weights_learned),
    ("Linear stabilisation", |properties| properties.linear_stabilization),
    ("Explicit error representation", |properties| properties.explicit_error_representation),
];

pub(super) fn render(context: &Context<'_>) -> Content {
    let mut used: Vec<&str> = context.matrix.cells().iter().map(CellRuns::rule).collect();
    used.sort_unstable();
    used.dedup();
    let rules: Vec<&RuleEntry> =
        rule::registry().iter().copied().filter(|entry| used.contains(&entry.name)).collect();
    if rules.is_empty() {
        return Content::default();
    }
    let titles: Vec<String> =
        rules.iter().map(|rule| format!("{} ({})", code(rule.name), escape(rule.citation.short))).collect();
    let mut header = vec![("", Align::Left)];
    header.extend(titles.iter().map(|title| (title.as_str(), Align::Left)));
    let rows = PROPERTIES.iter().map(|(name, property)| {
        let mut row = vec![(*name).to_owned()];
        row.extend(rules.iter().map(|rule| match property(&rule.properties) {
            Property::Yes => "✓".to_owned(),
            Property::No => "✗".to_owned(),
            Property::NotApplicable => "–".to_owned(),
            Property::Partly(how) => format!("✓/✗ ({how})"),
        }));
        row
    });
    let mut text = table::markdown(&header, rows);
    text += "✓ yes, ✗ no, – does not apply, ✓/✗ in part.\n\n";
    for rule in &rules {
        text += &format!("- {} {}: {}\n", code(rule.name), escape(rule.title), escape(rule.citation.full));
    }
    let unknown: Vec<String> = used
        .into_iter()
        .filter(|name| rule::find(name).is_none())
        .map(|name| format!("- {}: this version of Apical does not know the rule\n", code(name)))
        .collect();
    text += &unknown.concat();
    Content::text(text)
}
