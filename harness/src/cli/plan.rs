//! `apical plan`: what a suite comes to, before anything is computed.

use super::{
    fit,
    output::{Output, OutputArguments, count, duration, json, line, table},
    suite::{Selected, SuiteArguments},
};
use crate::{
    estimate::Estimator,
    exit,
    footprint::Footprint,
    plan::{Cell, Plan, PlannedRun},
    record::Store,
    report::format::memory as amount,
};
use anyhow::Result;
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    suite: SuiteArguments,
    /// List every run with its id instead of the cells.
    #[arg(long)]
    runs: bool,
    #[command(flatten)]
    output: OutputArguments,
}

/// What `--output json` gives.
#[derive(Serialize)]
struct Summary<'a> {
    name: &'a str,
    description: &'a str,
    runs: usize,
    done: usize,
    estimated_seconds_on_one_core: Option<f64>,
    estimate_covers: usize,
    cells: Vec<CellSummary<'a>>,
    planned: Option<&'a [PlannedRun]>,
}

#[derive(Serialize)]
struct CellSummary<'a> {
    cell: &'a Cell,
    seeds: Vec<u64>,
    runs: usize,
    done: usize,
    /// What a run of it needs at the least.
    memory_bytes: Option<Footprint>,
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    let Selected { plan, store, .. } = arguments.suite.select()?;
    let outcomes: Vec<_> =
        plan.runs.par_iter().map(|run| store.outcome(&run.id)).collect::<Result<_, _>>()?;
    let done: Vec<bool> = outcomes.iter().map(Option::is_some).collect();
    let missing: Vec<&PlannedRun> =
        plan.runs.iter().zip(&done).filter_map(|(run, done)| (!done).then_some(run)).collect();
    let (seconds, covered) = estimate(&store, &missing);
    let cells = cells(&plan, &done);
    if arguments.output.output == Output::Json {
        json(&Summary {
            name: &plan.name,
            description: &plan.description,
            runs: plan.runs.len(),
            done: plan.runs.len() - missing.len(),
            estimated_seconds_on_one_core: (covered > 0).then_some(seconds),
            estimate_covers: covered,
            cells,
            planned: arguments.runs.then_some(&plan.runs[..]),
        })?;
        return Ok(exit::OK);
    }
    line(format!("{}: {}", plan.name, plan.description.trim()))?;
    if arguments.runs {
        let mut rows = table(&["id", "dataset", "architecture", "algorithm", "seed", "done"], 4);
        for (run, done) in plan.runs.iter().zip(&done) {
            let Cell { dataset, architecture, algorithm } = &run.cell;
            let seed = run.spec.seed.to_string();
            rows.add_row([
                run.id.as_str(),
                dataset,
                architecture,
                algorithm,
                &seed,
                if *done { "yes" } else { "" },
            ]);
        }
        line(rows)?;
    } else {
        let mut rows = table(&["dataset", "architecture", "algorithm", "memory", "seeds", "done"], 3);
        for CellSummary { cell, runs, done, memory_bytes, .. } in &cells {
            let Cell { dataset, architecture, algorithm } = cell;
            let memory =
                memory_bytes.map_or_else(String::new, |needs| format!("≥ {}", amount(needs.total() as f64)));
            rows.add_row([dataset, architecture, algorithm, &memory, &runs.to_string(), &done.to_string()]);
        }
        line(rows)?;
    }
    let distinct = |part: fn(&Cell) -> &String| {
        cells.iter().map(|summary| part(summary.cell)).collect::<std::collections::BTreeSet<_>>().len()
    };
    line(format!(
        "{} in {} ({}, {}, {}); {} done, {} to compute",
        count(plan.runs.len(), "run"),
        count(cells.len(), "cell"),
        count(distinct(|cell| &cell.dataset), "dataset"),
        count(distinct(|cell| &cell.architecture), "architecture"),
        count(distinct(|cell| &cell.algorithm), "algorithm"),
        plan.runs.len() - missing.len(),
        missing.len()
    ))?;
    fit::say_what_does_not(&missing)?;
    if covered > 0 {
        let of = if covered < missing.len() { format!(" for {covered} of them") } else { String::new() };
        line(format!("about {} on one core{of}, judging by past runs", duration(seconds)))?;
    } else if !missing.is_empty() {
        line("no past run tells how long they will take")?;
    }
    Ok(exit::OK)
}

fn cells<'a>(plan: &'a Plan, done: &[bool]) -> Vec<CellSummary<'a>> {
    let mut index: BTreeMap<&Cell, usize> = BTreeMap::new();
    let mut cells: Vec<CellSummary<'a>> = Vec::new();
    for (run, done) in plan.runs.iter().zip(done) {
        let at = *index.entry(&run.cell).or_insert_with(|| {
            let memory_bytes = Footprint::of(&run.spec);
            cells.push(CellSummary { cell: &run.cell, seeds: Vec::new(), runs: 0, done: 0, memory_bytes });
            cells.len() - 1
        });
        cells[at].seeds.push(run.spec.seed);
        cells[at].runs += 1;
        cells[at].done += usize::from(*done);
    }
    cells
}

/// Seconds that the missing runs may take, and for how many of them past runs tell.
fn estimate(store: &Store, missing: &[&PlannedRun]) -> (f64, usize) {
    if missing.is_empty() {
        return (0.0, 0);
    }
    let estimator = Estimator::from_past_runs(store);
    let seconds: Vec<f64> = missing.iter().filter_map(|run| estimator.seconds(&run.spec)).collect();
    (seconds.iter().sum(), seconds.len())
}
