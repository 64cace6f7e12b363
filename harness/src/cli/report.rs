//! `apical report`: writes a suite's report.

use super::{
    output::line,
    suite::{Selected, SuiteArguments},
};
use crate::{
    exit,
    report::{self, ReportOptions},
};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    suite: SuiteArguments,
    /// Where reports lie; this one goes into a folder of the suite's name.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    let Selected { path, plan, store, .. } = arguments.suite.select()?;
    let results = store.results(plan)?;
    let options = ReportOptions::new(arguments.reports.join(&results.plan.name), &path);
    let readme = report::write(&results, &options)?;
    line(report::headline(&results, None))?;
    line(format!("report: {}", readme.display()))?;
    Ok(exit::OK)
}
