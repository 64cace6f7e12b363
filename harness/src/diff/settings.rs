//! Which settings of two descriptions differ: where some do, a change is not the code's alone.

use crate::spec::RunSpec;
use serde::Serialize;
use serde_json::Value;

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SettingChange {
    /// Its place in `spec.json`, e.g. `training.optimizer.sgd.learning_rate`.
    pub path: String,
    /// Its value before; null where there was none.
    pub before: Value,
    /// Its value after; null where there is none.
    pub after: Value,
}

/// What differs between the descriptions of two runs of one seed.
pub(super) fn changes(before: &RunSpec, after: &RunSpec) -> Vec<SettingChange> {
    if before == after {
        return Vec::new();
    }
    let mut changes = Vec::new();
    let [before, after] = [before, after].map(|spec| serde_json::to_value(spec).unwrap_or_default());
    walk(String::new(), &before, &after, &mut changes);
    changes
}

fn walk(path: String, before: &Value, after: &Value, changes: &mut Vec<SettingChange>) {
    let under = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                walk(under(key), value, after.get(key).unwrap_or(&Value::Null), changes);
            }
            for (key, value) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
                walk(under(key), &Value::Null, value, changes);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                walk(under(&index.to_string()), before, after, changes);
            }
        }
        _ if before != after => {
            changes.push(SettingChange { path, before: before.clone(), after: after.clone() });
        }
        _ => {}
    }
}
