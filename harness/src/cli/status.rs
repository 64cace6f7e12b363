//! `apical status`: the state of every run.

use super::{
    cancel,
    output::{Output, OutputArguments, count, figure, json, line, table},
    run::state_counts,
    suite::{Selected, SuiteArguments},
};
use crate::{
    engine::slurm::{commands::Queued, live::Live},
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
    /// What Slurm says of its task, where it is in the queue.
    cluster: Option<Task<'a>>,
    epoch: Option<u32>,
    epochs: u32,
    outcome: Option<&'a Outcome>,
    earlier_failures: &'a [Outcome],
}

/// A task of a cluster's as `--output json` gives it.
#[derive(Serialize)]
struct Task<'a> {
    job: &'a str,
    index: u32,
    state: &'a str,
    node: &'a str,
    reason: &'a str,
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    let Selected { whole, plan, store, .. } = arguments.suite.select()?;
    let (live, silence) = match Live::look(&store, &plan.name) {
        Ok(live) => (live, None),
        Err(error) => (Live::default(), Some(error)),
    };
    let results = store.results(plan)?;
    let rows: Vec<Row<'_>> =
        results.runs.par_iter().map(|run| row(run, &store, &live)).collect::<Result<_>>()?;
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
        let state = state_words(row);
        cells.add_row([dataset, architecture, algorithm, &row.seed.to_string(), &state, &epoch, &test]);
    }
    line(cells)?;
    for row in &rows {
        if let Some(reason) = row.outcome.and_then(|outcome| outcome.reason.as_ref()) {
            line(format!("{} {}, seed {} ({}): {reason}", row.state, row.cell, row.seed, row.id))?;
        }
    }
    for (row, reason) in unexplained(&rows, &live, &store) {
        line(format!("{} {}, seed {} ({}): {reason}", row.state, row.cell, row.seed, row.id))?;
    }
    let in_queue: Vec<&Task<'_>> = rows.iter().filter_map(|row| row.cluster.as_ref()).collect();
    if !in_queue.is_empty() {
        let running = rows.iter().filter(|row| row.cluster.is_some() && row.state == "running").count();
        let waiting = in_queue.len() - running;
        line(format!("on the cluster: {running} running, {waiting} waiting"))?;
    }
    cancel::tell_of_earlier_versions(&live, &whole)?;
    if let Some(silence) = silence {
        line(format!("what is queued on the cluster is not known: {silence}"))?;
    }
    line(format!("{}: {}", count(results.runs.len(), "run"), state_counts(&results)))?;
    Ok(exit::OK)
}

/// Runs that left a cluster's queue with no outcome, and what Slurm says of them; of the first few, since each is asked for.
fn unexplained<'r>(rows: &'r [Row<'_>], live: &Live, store: &Store) -> Vec<(&'r Row<'r>, String)> {
    const MOST: usize = 20;
    let left = rows.iter().filter(|row| matches!(row.state, "interrupted" | "pending"));
    let explain = |row: &'r Row<'_>| Some((row, live.explain(store, &row.id.parse().ok()?)?));
    left.filter_map(explain).take(MOST).collect()
}

/// E.g. `running on node7`, `queued: Resources`.
fn state_words(row: &Row<'_>) -> String {
    match &row.cluster {
        Some(task) if !task.node.is_empty() => format!("{} on {}", row.state, task.node),
        Some(task) if !matches!(task.reason, "" | "None") => {
            // Some of Slurm's reasons are sentences; json has them whole.
            let short: String = task.reason.trim_start_matches('(').chars().take(24).collect();
            format!("{}: {}", row.state, short.trim_end())
        }
        _ => row.state.to_owned(),
    }
}

fn row<'a>(run: &'a RecordedRun, store: &Store, live: &'a Live) -> Result<Row<'a>> {
    let queued = live.of(&run.planned.id);
    let state = match store.standing(&run.planned.id)? {
        Standing::Done(outcome) => outcome.state.name(),
        // Others of its task may come first.
        _ if queued.is_some_and(Queued::is_on_a_node) && store.is_begun(&run.planned.id)? => "running",
        _ if queued.is_some() => "queued",
        Standing::Ended(outcome) => outcome.state.name(),
        Standing::Running => "running",
        Standing::Interrupted => "interrupted",
        Standing::Pending => "pending",
    };
    let epoch = run.events.iter().rev().find_map(|event| match event {
        Event::Epoch(epoch) => Some(epoch.epoch),
        _ => None,
    });
    // A task of several runs goes on after this one has ended.
    let queued = queued.filter(|_| matches!(state, "queued" | "running"));
    let cluster = queued.map(|queued| Task {
        job: &queued.job,
        index: queued.task,
        state: &queued.state,
        node: &queued.node,
        reason: &queued.reason,
    });
    Ok(Row {
        id: run.planned.id.as_str(),
        cell: &run.planned.cell,
        seed: run.planned.spec.seed,
        state,
        cluster,
        epoch,
        epochs: run.planned.spec.training.epochs,
        outcome: run.outcome.as_ref(),
        earlier_failures: &run.failures,
    })
}
