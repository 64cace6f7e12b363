//! Tables as comma-separated values and as JSON.

use super::tables::{Table, Value};
use anyhow::Context as _;

/// As comma-separated values, with a header. Numbers are written so that reading them gives the same bits.
pub fn csv(table: &Table) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(table.columns.iter().map(|(name, _)| name))?;
    for row in &table.rows {
        writer.write_record(row.iter().map(|value| match value {
            Value::Text(text) => text.clone().unwrap_or_default(),
            Value::Integer(number) => number.map(|number| number.to_string()).unwrap_or_default(),
            Value::Real(number) => number.map(|number| number.to_string()).unwrap_or_default(),
        }))?;
    }
    writer.into_inner().context("cannot write a table")
}

/// As an array of objects, one a line.
pub fn json(table: &Table) -> anyhow::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for row in &table.rows {
        let mut fields = Vec::new();
        for ((name, _), value) in table.columns.iter().zip(row) {
            let value = match value {
                Value::Text(text) => serde_json::to_string(text)?,
                Value::Integer(number) => serde_json::to_string(number)?,
                // serde_json has null for what is not finite, since JSON has no word for it.
                Value::Real(number) => serde_json::to_string(number)?,
            };
            fields.push(format!("{}:{value}", serde_json::to_string(name)?));
        }
        lines.push(format!("{{{}}}", fields.join(",")));
    }
    Ok(format!("[\n{}\n]\n", lines.join(",\n")).into_bytes())
}
