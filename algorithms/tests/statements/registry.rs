//! The registry: names, what each rule declares, and its configuration.

use crate::support::{SMALL_IMAGE, generator, network};
use apical_algorithms::{Problem, randomness::Streams, rule};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn names_and_aliases_are_kebab_case_and_unique() {
    let mut names = BTreeSet::new();
    for entry in rule::registry() {
        for name in [entry.name].iter().chain(entry.aliases) {
            assert!(names.insert(*name), "`{name}` twice");
            let kebab = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            assert!(kebab && !name.starts_with('-') && !name.ends_with('-'), "`{name}`");
            assert_eq!(rule::find(name).map(|found| found.name), Some(entry.name));
        }
    }
    assert!(rule::find("no-such-rule").is_none());
}

#[test]
fn the_feedback_alignment_family_is_there() {
    let names: Vec<&str> = rule::registry().iter().map(|entry| entry.name).collect();
    assert!(names.starts_with(&["bp", "fa", "dfa", "usf", "brsf", "frsf", "kp"]), "{names:?}");
    assert_eq!(rule::find("broadcast-fa").map(|entry| entry.name), Some("dfa"));
}

#[test]
fn every_rule_names_its_source() {
    for entry in rule::registry() {
        assert!(!entry.title.is_empty());
        let year = |text: &str| {
            text.split(|c: char| !c.is_ascii_digit()).any(|word| word.len() == 4 && word > "1900")
        };
        assert!(year(entry.citation.short) && year(entry.citation.full), "{}", entry.name);
        assert!(entry.citation.full.len() > entry.citation.short.len(), "{}", entry.name);
    }
}

/// Every property below a schema must say what it is; a variant of an enum says it beside its one property.
fn assert_described(schema: &Value, path: &str) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            let variant = schema.get("description").filter(|_| properties.len() == 1);
            let described = property.get("description").or(variant).and_then(Value::as_str);
            assert!(described.is_some_and(|text| !text.is_empty()), "{path}.{name} has no description");
        }
    }
    match schema {
        Value::Object(map) => {
            map.iter().for_each(|(key, inner)| assert_described(inner, &format!("{path}.{key}")));
        }
        Value::Array(items) => items.iter().for_each(|inner| assert_described(inner, path)),
        _ => {}
    }
}

#[test]
fn every_configuration_has_a_schema_that_describes_every_property() {
    for entry in rule::registry() {
        let schema = entry.schema().to_value();
        assert_described(&schema, entry.name);
        assert_eq!(schema["type"], "object", "{}", entry.name);
        assert_eq!(schema["additionalProperties"], false, "{}", entry.name);
        assert!(schema.get("required").is_none(), "{}: every key has a default", entry.name);
    }
}

#[test]
fn resolving_fills_in_defaults_and_once_is_enough() {
    for entry in rule::registry() {
        let resolved = entry.resolve(json!({})).unwrap();
        assert_eq!(entry.resolve(resolved.clone()), Ok(resolved), "{}", entry.name);
    }
    let fa = rule::find("fa").unwrap();
    assert_eq!(
        fa.resolve(json!({"feedback": {"init": "he"}})).unwrap(),
        json!({"convention": null, "feedback": {"init": "he", "scale": 1.0}})
    );
}

fn problems(config: Value) -> Vec<Problem> {
    rule::find("fa").unwrap().resolve(config).unwrap_err()
}

#[test]
fn a_wrong_value_is_found_where_it_stands() {
    for (config, path, message) in [
        (
            json!({"feedback": {"init": "zeros"}}),
            "feedback.init",
            "can't be zero here, or no error reaches any hidden layer; if that is meant, `scale: 0` says so",
        ),
        (
            json!({"feedback": {"scale": "big"}}),
            "feedback.scale",
            "invalid type: string \"big\", expected f64",
        ),
        (json!({"feedbak": {}}), "feedbak", "unknown field `feedbak`, expected `convention` or `feedback`"),
        (
            json!({"convention": "nokland", "feedback": {"scal": 1}}),
            "feedback.scal",
            "unknown field `scal`, expected `init` or `scale`",
        ),
        (
            json!({"feedback": {"init": {"normal": {"std": -1.0}}}}),
            "feedback.init.normal.std",
            "must be 0 or more",
        ),
        (
            json!({"feedback": {"init": {"normal": {"std": "x"}}}}),
            "feedback.init.normal.std",
            "invalid type: string \"x\", expected f64",
        ),
        (
            json!({"feedback": {"init": {"uniform": {"low": 0.1}}}}),
            "feedback.init.uniform",
            "missing field `high`",
        ),
        (
            json!({"feedback": {"init": {"uniform": {"low": 0.1, "high": []}}}}),
            "feedback.init.uniform.high",
            "invalid type: sequence, expected f64",
        ),
        (json!(3), "", "invalid type: integer `3`, expected struct FeedbackWeights"),
    ] {
        assert_eq!(problems(config), [Problem::at(path, message)]);
    }
    let unknown = &problems(json!({"convention": "nøkland"}))[0];
    assert_eq!(unknown.path, "convention");
    assert_eq!(unknown.message, "unknown variant `nøkland`, expected `nokland` or `biotorch`");
}

#[test]
fn all_wrong_values_are_found_at_once() {
    let found = problems(json!({"convention": 3, "feedback": {"scale": "big", "init": "xavjer"}, "rate": 1}));
    let paths: BTreeSet<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, BTreeSet::from(["convention", "feedback.scale", "feedback.init", "rate"]));
}

#[test]
fn a_rule_is_not_built_from_a_wrong_configuration() {
    let _generator = generator(111);
    let mut network = network(&json!({"mlp": {"hidden": [3]}}), SMALL_IMAGE, 2);
    let refused =
        rule::find("kp").unwrap().build(json!({"feedback": {"scale": "big"}}), &mut network, Streams::new(0));
    assert_eq!(refused.err().map(|problems| problems[0].path.clone()).as_deref(), Some("feedback.scale"));
}
