//! `apical export`: results as tables for other programs.

use super::{
    output::line,
    suite::{Selected, SuiteArguments},
};
use crate::{exit, export};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    suite: SuiteArguments,
    /// The format of the tables.
    #[arg(long, value_enum)]
    format: export::Format,
    /// The folder to write into; by default `exports/<suite>`.
    #[arg(long, short, value_name = "DIR")]
    to: Option<PathBuf>,
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    let Selected { plan, store, .. } = arguments.suite.select()?;
    let results = store.results(plan)?;
    let folder = arguments.to.clone().unwrap_or_else(|| PathBuf::from("exports").join(&results.plan.name));
    for file in export::export(&results, arguments.format, &folder)? {
        line(file.display())?;
    }
    Ok(exit::OK)
}
