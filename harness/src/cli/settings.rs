//! A rule's settings as a piece of a suite, made of its JSON Schema: every key with its default, under a comment that says
//! what it means and what else it can be. It can be copied into a suite as it is.

use serde_json::{Map, Value};
use serde_yaml::Value as Yaml;

const WIDTH: usize = 100;

/// `NAME:` and every setting below it, in the order of `defaults`, which is JSON text.
///
/// # Errors
/// If `defaults` is not JSON.
pub fn annotated(name: &str, schema: &Value, defaults: &str) -> Result<String, serde_yaml::Error> {
    // JSON is YAML, and this reader keeps the order of keys.
    let defaults: Yaml = serde_yaml::from_str(defaults)?;
    let mut lines = vec![format!("{name}:")];
    match properties(schema, schema).filter(|properties| !properties.is_empty()) {
        Some(properties) => describe(schema, properties, &defaults, 1, &mut lines),
        None => lines[0].push_str(" {}"),
    }
    Ok(lines.join("\n"))
}

fn describe(
    root: &Value,
    properties: &Map<String, Value>,
    defaults: &Yaml,
    depth: usize,
    lines: &mut Vec<String>,
) {
    let indent = "  ".repeat(depth);
    for (key, default) in defaults.as_mapping().into_iter().flatten() {
        let Some((key, property)) = key.as_str().and_then(|key| Some((key, properties.get(key)?))) else {
            continue;
        };
        let choices = choices(root, property);
        let mut comment = text(property).or_else(|| text(resolve(root, property))).unwrap_or_default();
        if choices.len() > 1 {
            comment = format!("{comment} One of: {}.", choices.join(", "));
        }
        lines.extend(wrap(&comment, WIDTH - indent.len() - 2).map(|line| format!("{indent}# {line}")));
        let inner = self::properties(root, property);
        match inner.filter(|_| default.is_mapping() && choices.is_empty()) {
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
fn flow(value: &Yaml) -> String {
    match value {
        Yaml::Mapping(fields) => {
            let field = |(key, value): (&Yaml, &Yaml)| format!("{}: {}", flow(key), flow(value));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        Yaml::Sequence(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        other => serde_yaml::to_string(other).unwrap_or_default().trim_end().to_owned(),
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

    fn shown(rule: &str) -> String {
        let entry = rule::find(rule).expect("registered");
        let defaults = entry.defaults().expect("they are JSON");
        annotated(entry.name, &entry.schema().to_value(), &defaults).expect("JSON is YAML")
    }

    #[test]
    fn every_rules_settings_are_shown_as_yaml_that_comes_to_the_defaults() {
        for entry in rule::registry() {
            let shown = shown(entry.name);
            let read: serde_json::Value = serde_yaml::from_str(&shown).expect("it is YAML");
            let defaults = entry.resolve(json!({})).expect("defaults are valid");
            assert_eq!(read[entry.name], defaults, "{shown}");
            let longest = shown.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(140), "{shown}");
        }
    }

    #[test]
    fn a_setting_stands_under_its_meaning_and_its_choices() {
        let expected = "  # When inverses learn. One of: parallel, alternating.\n  schedule: alternating\n";
        assert!(shown("dtp").contains(expected), "{}", shown("dtp"));
    }

    #[test]
    fn settings_stand_in_the_order_in_which_they_are_declared() {
        let shown = shown("segregated-dendrites");
        let place = |key: &str| shown.find(&format!("\n  {key}:"));
        assert!(place("mode") < place("spiking_feedforward") && place("soma") < place("feedback"), "{shown}");
    }
}
