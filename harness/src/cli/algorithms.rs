//! `apical algorithms`: the learning rules, and what can be configured about each.

use super::{
    UserError,
    output::{Output, OutputArguments, json, line, table},
    settings::annotated,
};
use crate::exit;
use anyhow::Result;
use apical_algorithms::rule::{self, RuleEntry};
use clap::Args;
use serde_json::{Value, json as value};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Describe this rule in full.
    name: Option<String>,
    #[command(flatten)]
    output: OutputArguments,
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    let entries: Vec<&RuleEntry> = match &arguments.name {
        None => rule::registry().to_vec(),
        Some(name) => vec![rule::find(name).ok_or_else(|| unknown(name))?],
    };
    if arguments.output.output == Output::Json {
        json(&entries.iter().map(|entry| description(entry)).collect::<Vec<_>>())?;
        return Ok(exit::OK);
    }
    if arguments.name.is_none() {
        let mut rules = table(&["name", "", "source", "also called"], 4);
        for entry in entries {
            rules.add_row([entry.name, entry.title, entry.citation.short, &entry.aliases.join(", ")]);
        }
        line(rules)?;
        line("`apical algorithms NAME` lists what can be configured")?;
        return Ok(exit::OK);
    }
    for entry in entries {
        line(format!("{} ({})\n{}", entry.title, entry.name, entry.citation.full))?;
        if !entry.aliases.is_empty() {
            line(format!("also called {}", entry.aliases.join(", ")))?;
        }
        let settings = annotated(entry.name, &entry.schema().to_value(), &entry.defaults()?)?;
        line(format!("\nits settings in a suite, with their defaults:\n\n{settings}"))?;
        line("\n`--output json` gives the JSON Schema")?;
    }
    Ok(exit::OK)
}

fn description(entry: &RuleEntry) -> Value {
    value!({
        "name": entry.name,
        "aliases": entry.aliases,
        "title": entry.title,
        "source": entry.citation.full,
        "schema": entry.schema().to_value(),
        "defaults": entry.resolve(Value::Object(serde_json::Map::new())).ok(),
    })
}

fn unknown(name: &str) -> anyhow::Error {
    let names: Vec<&str> = rule::registry().iter().map(|entry| entry.name).collect();
    let near = names
        .iter()
        .max_by(|left, right| strsim::jaro_winkler(left, name).total_cmp(&strsim::jaro_winkler(right, name)));
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    UserError::config(format!("there is no learning rule `{name}`{hint} (there are: {})", names.join(", ")))
}
