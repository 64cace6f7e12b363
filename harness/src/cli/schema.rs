//! `apical schema`: the JSON Schema of a suite.

use super::output;
use crate::{exit, suite};
use anyhow::Result;

pub fn execute() -> Result<u8> {
    output::json(&suite::schema())?;
    Ok(exit::OK)
}
