//! A run's description as names and values, which is how experiment trackers compare settings.

use crate::record::RecordedRun;
use serde_json::Value;

/// Every setting of a run that has a value: `training.optimizer.sgd.momentum` and `0.9`, sorted by name. A list stays one
/// value, since its members mean nothing alone. The suite's labels come as `cell.dataset`, `cell.architecture` and
/// `cell.algorithm`.
pub fn of_run(run: &RecordedRun) -> Vec<(String, Value)> {
    let mut parameters = Vec::new();
    let spec = serde_json::to_value(&run.planned.spec).unwrap_or_default();
    flatten("", &spec, &mut parameters);
    let cell = serde_json::to_value(&run.planned.cell).unwrap_or_default();
    flatten("cell", &cell, &mut parameters);
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    parameters
}

fn flatten(path: &str, value: &Value, into: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, member) in members {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, member, into);
            }
        }
        Value::Null => {}
        _ => into.push((path.to_owned(), value.clone())),
    }
}

/// A value as a person would write it.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::synthetic::Synthetic;

    #[test]
    fn settings_have_the_names_of_their_places_and_lists_stay_whole() {
        let run = Synthetic::default().build().runs.remove(0);
        let parameters = of_run(&run);
        let value = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, v)| text(v));
        assert_eq!(value("training.optimizer.sgd.momentum").as_deref(), Some("0.9"));
        assert_eq!(value("architecture.mlp.hidden").as_deref(), Some("[500]"));
        assert_eq!(value("cell.algorithm").as_deref(), Some("bp"));
        assert_eq!(value("training.clip_norm"), None);
        assert!(parameters.is_sorted_by(|a, b| a.0 < b.0), "a name stands twice");
    }
}
