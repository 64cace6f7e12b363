//! `apical cancel`: takes a suite's runs off a cluster.

use super::{
    output::{count, line},
    suite::{Selected, SuiteArguments},
};
use crate::{
    engine::slurm::{commands, live::Live},
    exit,
    plan::Plan,
    record::Standing,
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
    let Selected { whole, plan, store, .. } = arguments.suite.select()?;
    let live = Live::look(&store, &plan.name)?;
    // Without a filter all of the suite's, whatever its file says by now.
    let all = plan.runs.len() == whole.runs.len();
    let planned: BTreeSet<&RunId> = plan.runs.iter().map(|run| &run.id).collect();
    let chosen: BTreeSet<&RunId> = live.runs().into_iter().filter(|id| all || planned.contains(id)).collect();
    if chosen.is_empty() {
        line(format!("{}: no run is queued or running on a cluster", plan.name))?;
        return Ok(exit::OK);
    }
    let affected = live.affected(&chosen);
    let mut unfinished = Vec::new();
    for id in affected {
        if !matches!(store.standing(id)?, Standing::Done(_)) {
            unfinished.push(id);
        }
    }
    // First, so that whoever waits for them does not take them for lost.
    live.withdraw(&chosen)?;
    commands::cancel(&live.targets(&chosen))?;
    let asked = unfinished.iter().filter(|id| chosen.contains(**id)).count();
    line(format!(
        "{}: {} cancelled; what they have computed stays, and `apical run` goes on from it",
        plan.name,
        count(asked, "run")
    ))?;
    if unfinished.len() > asked {
        line(format!(
            "with them went {} of the same tasks that were not asked for; `apical run` hands them over again",
            count(unfinished.len() - asked, "run")
        ))?;
    }
    Ok(exit::OK)
}

/// Runs on a cluster that the suite's file does not know of: it has been edited since.
pub fn of_earlier_versions(live: &Live, whole: &Plan) -> usize {
    let planned: BTreeSet<&RunId> = whole.runs.iter().map(|run| &run.id).collect();
    live.runs().into_iter().filter(|id| !planned.contains(id)).count()
}

/// Says that there are such runs, and how they are ended.
///
/// # Errors
/// When standard output cannot be written.
pub fn tell_of_earlier_versions(live: &Live, whole: &Plan) -> Result<()> {
    match of_earlier_versions(live, whole) {
        0 => Ok(()),
        others => line(format!(
            "{} of an earlier version of this suite on the cluster too; `apical cancel` ends them with all others",
            count(others, "run")
        )),
    }
}
