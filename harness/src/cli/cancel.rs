//! `apical cancel`: takes a suite's runs off a cluster.

use super::{
    output::{count, line},
    suite::{Selected, SuiteArguments},
};
use crate::{
    engine::slurm::{commands, live::Live},
    exit,
    spec::RunId,
};
use anyhow::Result;
use clap::Args;
use std::collections::BTreeSet;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    suite: SuiteArguments,
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    let Selected { plan, store, .. } = arguments.suite.select()?;
    let live = Live::look(&store, &plan.name)?;
    let queued: BTreeSet<&RunId> =
        plan.runs.iter().map(|run| &run.id).filter(|id| live.of(id).is_some()).collect();
    if queued.is_empty() {
        line(format!("{}: no run is queued or running on a cluster", plan.name))?;
        return Ok(exit::OK);
    }
    commands::cancel(&live.targets(&queued))?;
    line(format!(
        "{}: {} cancelled; what they have computed stays, and `apical run` goes on from it",
        plan.name,
        count(queued.len(), "run")
    ))?;
    Ok(exit::OK)
}
