//! The JSON Schema of a suite, for editors: that of the configuration types, with axes allowed.

use super::wire;
use crate::{
    data::DatasetSpec,
    spec::{Diagnostics, Evaluation, Training},
};
use apical_algorithms::{architecture::Architecture, rule};
use schemars::{Schema, schema_for};
use serde_json::{Map, Value, json};

/// The JSON Schema of a suite.
pub fn schema() -> Value {
    let mut root = schema_for!(wire::Suite).to_value();
    let mut definitions = root.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();

    let mut dataset = with_axes("dataset", schema_for!(DatasetSpec), &mut definitions);
    if let Some(required) = dataset.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|key| key != "name");
    }
    dataset["type"] = json!(["object", "null"]);
    let architecture = with_axes("architecture", schema_for!(Architecture), &mut definitions);
    let algorithms = algorithms(&mut definitions);
    let sections = [
        ("training", with_axes("training", schema_for!(Training), &mut definitions)),
        ("evaluation", with_axes("evaluation", schema_for!(Evaluation), &mut definitions)),
        ("diagnostics", with_axes("diagnostics", schema_for!(Diagnostics), &mut definitions)),
    ];

    let properties = &mut root["properties"];
    let labels = r"^[\p{L}\p{N}._+-]+$";
    let members = [("datasets", dataset, "dataset"), ("architectures", architecture, "architecture")];
    for (key, schema, name) in members {
        definitions.insert(name.to_owned(), schema);
        let reference = json!({"$ref": format!("#/$defs/{name}")});
        properties[key]["additionalProperties"] = one_or_list(reference);
        properties[key]["minProperties"] = 1.into();
        properties[key]["propertyNames"] = json!({"pattern": labels});
    }
    for (name, schema) in sections {
        let mut schema = one_or_list(schema);
        schema["description"] = properties[name]["description"].clone();
        properties[name] = schema;
    }
    let description = properties["algorithms"]["description"].clone();
    properties["algorithms"] = algorithms;
    properties["algorithms"]["description"] = description;
    properties["algorithms"]["propertyNames"] = json!({"pattern": labels});
    root["$defs"] = Value::Object(definitions);
    root
}

/// Algorithms by label: under a rule's name its settings, under another label one that names its rule.
fn algorithms(definitions: &mut Map<String, Value>) -> Value {
    let mut by_name = Map::new();
    let mut by_rule = Vec::new();
    for entry in rule::registry() {
        let names: Vec<&str> = std::iter::once(entry.name).chain(entry.aliases.iter().copied()).collect();
        let mut schema = with_axes(entry.name, entry.schema(), definitions);
        schema["description"] = format!("{} ({})", entry.title, entry.citation.short).into();
        schema["type"] = json!(["object", "null"]);
        if schema.get("properties").is_none() {
            schema["properties"] = json!({});
        }
        schema["properties"]["rule"] = json!({"enum": names, "description": "Name of the rule."});
        let reference = json!({"$ref": format!("#/$defs/{}", entry.name)});
        definitions.insert(entry.name.to_owned(), schema);
        by_rule.push(json!({"allOf": [reference, {"type": "object", "required": ["rule"]}]}));
        for name in names {
            by_name.insert(name.to_owned(), one_or_list(reference.clone()));
        }
    }
    json!({
        "type": "object",
        "minProperties": 1,
        "properties": by_name,
        "additionalProperties": {"anyOf": by_rule},
    })
}

/// A type's schema in which every setting may also be a list of values, its definitions moved to
/// `definitions` under names of their own.
fn with_axes(name: &str, schema: Schema, definitions: &mut Map<String, Value>) -> Value {
    let mut schema = schema.to_value();
    let own = schema.as_object_mut().and_then(|schema| schema.remove("$defs"));
    for (key, mut definition) in own.as_ref().and_then(Value::as_object).cloned().unwrap_or_default() {
        allow_axes(&mut definition, name);
        definitions.insert(format!("{name}.{key}"), definition);
    }
    allow_axes(&mut schema, name);
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
    }
    schema
}

fn allow_axes(schema: &mut Value, name: &str) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(|schema| allow_axes(schema, name)),
        Value::Object(keys) => {
            if let Some(Value::String(reference)) = keys.get_mut("$ref") {
                *reference = reference.replace("#/$defs/", &format!("#/$defs/{name}."));
            }
            for (key, value) in keys.iter_mut() {
                match (key.as_str(), value) {
                    ("properties", Value::Object(properties)) => {
                        for property in properties.values_mut() {
                            allow_axes(property, name);
                            *property = one_or_list(property.take());
                        }
                    }
                    ("anyOf" | "oneOf" | "items" | "additionalProperties", value) => allow_axes(value, name),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// The schema, or a list of values that each fit it; its description stays where editors look for it.
fn one_or_list(mut schema: Value) -> Value {
    let mut wrapped = json!({});
    if let Some(keys) = schema.as_object_mut() {
        for key in ["description", "default"] {
            if let Some(value) = keys.remove(key) {
                wrapped[key] = value;
            }
        }
    }
    wrapped["anyOf"] = json!([schema, {"type": "array", "items": schema, "minItems": 1}]);
    wrapped
}
