//! A rule's settings as a piece of a suite, made of its JSON Schema: every key with its default, under a comment that says
//! what it means and what else it can be. It can be copied into a suite as it is.

use serde_json::{Map, Value};

const WIDTH: usize = 100;

/// `NAME:` and every setting below it.
pub fn annotated(name: &str, schema: &Value, defaults: &Value) -> String {
    let mut lines = vec![format!("{name}:")];
    match properties(schema, schema).filter(|properties| !properties.is_empty()) {
        Some(properties) => describe(schema, properties, defaults, 1, &mut lines),
        None => lines[0].push_str(" {}"),
    }
    lines.join("\n")
}

fn describe(
    root: &Value,
    properties: &Map<String, Value>,
    defaults: &Value,
    depth: usize,
    lines: &mut Vec<String>,
) {
    let indent = "  ".repeat(depth);
    for (key, property) in properties {
        let default = defaults.get(key).unwrap_or(&Value::Null);
        let choices = choices(root, property);
        let mut comment = text(property).or_else(|| text(resolve(root, property))).unwrap_or_default();
        if choices.len() > 1 {
            comment = format!("{} One of: {}.", comment, choices.join(", "));
        }
        lines.extend(wrap(&comment, WIDTH - indent.len() - 2).map(|line| format!("{indent}# {line}")));
        let inner = self::properties(root, property);
        match inner.filter(|_| default.is_object() && choices.is_empty()) {
            Some(inner) => {
                lines.push(format!("{indent}{key}:"));
                describe(root, inner, default, depth + 1, lines);
            }
            None => lines.push(format!("{indent}{key}: {}", flow(default))),
        }
    }
}

/// What a `$ref` stands for, also where `null` is its only alternative.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let alternatives = schema.get("anyOf").and_then(Value::as_array);
    let something = alternatives.and_then(|all| all.iter().find(|one| one["type"] != "null"));
    let schema = something.unwrap_or(schema);
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    target.and_then(|path| root.pointer(path)).unwrap_or(schema)
}

fn properties<'a>(root: &'a Value, schema: &'a Value) -> Option<&'a Map<String, Value>> {
    resolve(root, schema).get("properties").and_then(Value::as_object)
}

/// The names of what a value can be, if these are a few.
fn choices(root: &Value, schema: &Value) -> Vec<String> {
    let alternatives = resolve(root, schema).get("oneOf").and_then(Value::as_array);
    let name = |one: &Value| {
        let single = |value: &Value| value.as_str().map(str::to_owned);
        let key = || {
            let keys = one.get("properties")?.as_object()?.keys();
            keys.into_iter().next().map(|key| format!("{{{key}: …}}"))
        };
        one.get("const").and_then(single).or_else(key)
    };
    alternatives.into_iter().flatten().filter_map(name).collect()
}

fn text(schema: &Value) -> Option<String> {
    schema.get("description").and_then(Value::as_str).map(|text| text.replace('\n', " "))
}

/// YAML on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| format!("{key}: {}", flow(value));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn wrap(text: &str, width: usize) -> impl Iterator<Item = String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.into_iter()
}

#[cfg(test)]
mod tests {
    use super::annotated;
    use apical_algorithms::rule;
    use serde_json::json;

    #[test]
    fn every_rules_settings_are_shown_as_yaml_that_comes_to_the_defaults() {
        for entry in rule::registry() {
            let defaults = entry.resolve(json!({})).expect("defaults are valid");
            let shown = annotated(entry.name, &entry.schema().to_value(), &defaults);
            let read: serde_json::Value = serde_yaml::from_str(&shown).expect("it is YAML");
            assert_eq!(read[entry.name], defaults, "{shown}");
            let longest = shown.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(140), "{shown}");
        }
    }

    #[test]
    fn a_setting_stands_under_its_meaning_and_its_choices() {
        let entry = rule::find("dtp").expect("registered");
        let defaults = entry.resolve(json!({})).expect("defaults are valid");
        let shown = annotated("dtp", &entry.schema().to_value(), &defaults);
        let expected = "  # When inverses learn. One of: parallel, alternating.\n  schedule: alternating\n";
        assert!(shown.contains(expected), "{shown}");
    }
}
