//! `apical status`: the state of every run.

use super::{
    output::{Output, OutputArguments, count, figure, json, line, table},
    run::state_counts,
    suite::{Selected, SuiteArguments},
};
use crate::{
    exit,
    plan::Cell,
    record::{Event, Outcome, RecordedRun, Standing, Store},
};
use anyhow::Result;
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    suite: SuiteArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// One run as `--output json` gives it.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    cell: &'a Cell,
    seed: u64,
    state: &'static str,
    epoch: Option<u32>,
    epochs: u32,
    outcome: Option<&'a Outcome>,
    earlier_failures: &'a [Outcome],
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    let Selected { plan, store, .. } = arguments.suite.select()?;
    let results = store.results(plan)?;
    let rows: Vec<Row<'_>> = results.runs.par_iter().map(|run| row(run, &store)).collect::<Result<_>>()?;
    if arguments.output.output == Output::Json {
        json(&rows)?;
        return Ok(exit::OK);
    }
    let mut cells = table(&["dataset", "architecture", "algorithm", "seed", "state", "epoch", "test"], 5);
    for (row, run) in rows.iter().zip(&results.runs) {
        let Cell { dataset, architecture, algorithm } = row.cell;
        let epoch = row.epoch.map_or_else(String::new, |epoch| format!("{epoch}/{}", row.epochs));
        let result = row.outcome.and_then(|outcome| outcome.result.as_ref());
        let test = result.map_or_else(String::new, |result| figure(&run.planned.spec.dataset, result.test));
        cells.add_row([dataset, architecture, algorithm, &row.seed.to_string(), row.state, &epoch, &test]);
    }
    line(cells)?;
    for row in &rows {
        if let Some(reason) = row.outcome.and_then(|outcome| outcome.reason.as_ref()) {
            line(format!("{} {}, seed {} ({}): {reason}", row.state, row.cell, row.seed, row.id))?;
        }
    }
    line(format!("{}: {}", count(results.runs.len(), "run"), state_counts(&results)))?;
    Ok(exit::OK)
}

fn row<'a>(run: &'a RecordedRun, store: &Store) -> Result<Row<'a>> {
    let state = match store.standing(&run.planned.id)? {
        Standing::Done(outcome) | Standing::Ended(outcome) => outcome.state.name(),
        Standing::Running => "running",
        Standing::Interrupted => "interrupted",
        Standing::Pending => "pending",
    };
    let epoch = run.events.iter().rev().find_map(|event| match event {
        Event::Epoch(epoch) => Some(epoch.epoch),
        _ => None,
    });
    Ok(Row {
        id: run.planned.id.as_str(),
        cell: &run.planned.cell,
        seed: run.planned.spec.seed,
        state,
        epoch,
        epochs: run.planned.spec.training.epochs,
        outcome: run.outcome.as_ref(),
        earlier_failures: &run.failures,
    })
}
