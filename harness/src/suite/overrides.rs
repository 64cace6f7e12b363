//! Overrides: settings for some combinations, applied in order to the values as they were written, before
//! axes are split and defaults filled in.

use super::{
    issue::{Issue, Span, suggestion},
    selection::{Labels, Selector},
    tree::{Entry, Node, Value},
};

/// What an override's path may begin with.
pub(super) const ROOTS: [&str; 7] =
    ["dataset", "architecture", "algorithm", "training", "evaluation", "diagnostics", "engine"];

/// One entry of `overrides`.
#[derive(Debug)]
pub(super) struct Override {
    pub selector: Selector,
    /// `{path: value}`.
    settings: Vec<Entry>,
    pub used: bool,
}

impl Override {
    /// Reads `overrides`.
    pub fn read_all(tree: &Node, labels: Labels<'_>, issues: &mut Vec<Issue>) -> Vec<Self> {
        let items = tree.get("overrides").map_or(&[][..], Node::items);
        items.iter().map(|item| Self::read(item, labels, issues)).collect()
    }

    fn read(item: &Node, labels: Labels<'_>, issues: &mut Vec<Issue>) -> Self {
        let empty = Node { span: item.span, value: Value::Map(Vec::new()) };
        let selector = Selector::read(item.get("match").unwrap_or(&empty), item.span, labels, false, issues);
        let settings = item.get("set").map_or(&[][..], Node::entries);
        if settings.is_empty()
            && let Some(set) = item.entry("set")
        {
            issues.push(Issue::new(set.key_span, "this override sets nothing"));
        }
        for setting in settings {
            let (root, rest) = setting.key.split_once('.').unwrap_or((&setting.key, ""));
            if !ROOTS.contains(&root) {
                issues.push(
                    Issue::new(setting.key_span, format!("`{root}` is nothing that an override can set"))
                        .help(suggestion(root, ROOTS)),
                );
            } else if setting.key.split('.').any(str::is_empty) || rest.is_empty() {
                issues.push(
                    Issue::new(setting.key_span, format!("`{}` is no path to a setting", setting.key))
                        .help("keys joined by dots, e.g. `training.batch_size`"),
                );
            } else if setting.key == "algorithm.rule" {
                issues.push(
                    Issue::new(setting.key_span, "an override can't change which rule an algorithm is")
                        .help("give the other rule a label of its own under `algorithms`"),
                );
            }
        }
        Self { selector, settings: settings.to_vec(), used: false }
    }

    /// Applies the settings that concern `part` (one of [`ROOTS`]) to its value.
    pub fn apply(&self, part: &str, node: &mut Node, issues: &mut Vec<Issue>) {
        for setting in &self.settings {
            if let Some((root, path)) = setting.key.split_once('.')
                && root == part
                && setting.key != "algorithm.rule"
                && !path.split('.').any(str::is_empty)
                && let Err(issue) = set(node, path, setting)
            {
                issues.push(issue);
            }
        }
    }
}

fn set(node: &mut Node, path: &str, setting: &Entry) -> Result<(), Issue> {
    let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
    let span: Span = setting.key_span;
    if !matches!(node.value, Value::Map(_) | Value::List(_)) {
        // A word or a number gives way to the mapping that the path asks for; if that is wrong, the walk says so.
        node.value = Value::Map(Vec::new());
    }
    let slot = match &mut node.value {
        Value::Map(entries) => map_slot(entries, key, setting),
        Value::List(items) => {
            let last = items.len().saturating_sub(1);
            key.parse::<usize>().ok().and_then(|index| items.get_mut(index)).ok_or_else(|| {
                Issue::new(span, format!("`{}`: there is a list where it says `{key}`", setting.key))
                    .help(format!("a number from 0 to {last} picks an item"))
            })?
        }
        _ => return Ok(()),
    };
    if let Some(rest) = rest {
        return set(slot, rest, setting);
    }
    *slot = setting.value.clone();
    Ok(())
}

fn map_slot<'a>(entries: &'a mut Vec<Entry>, key: &str, setting: &Entry) -> &'a mut Node {
    let index = entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
        entries.push(Entry {
            key: key.to_owned(),
            key_span: setting.key_span,
            value: Node { span: setting.value.span, value: Value::Map(Vec::new()) },
        });
        entries.len() - 1
    });
    &mut entries[index].value
}
