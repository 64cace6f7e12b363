//! `apical run`: computes what is missing of a suite.

use super::{
    UserError, cluster, fit,
    output::{count, duration, line, thousands},
    progress::{FetchProgress, RunProgress},
    suite::{Selected, SuiteArguments, quoted},
};
use crate::{
    data::{self, DataRoot, Fetcher, Places},
    device,
    engine::{
        local::LocalEngine,
        slurm::{live::Live, submission::TaskSettings},
    },
    exit, memory,
    plan::{Cell, Plan, PlannedRun},
    record::{Results, Standing, State, Store},
    report::{self, format},
};
use anyhow::{Context, Result};
use clap::Args;
use rayon::prelude::*;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How long runs that are stopped may take to come to a checkpoint.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    suite: SuiteArguments,
    /// Runs at once; by default as many as there are cores for their threads, or one on a GPU.
    #[arg(long, short, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// What to compute on: `cpu`, `cuda`, `cuda:N` or `auto`; by default the processor, or on a cluster the GPU that a task
    /// asks for.
    #[arg(long)]
    device: Option<String>,
    /// Begin no further run once one has ended without a result.
    #[arg(long)]
    fail_fast: bool,
    /// Seconds between the checkpoints of a run.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    checkpoint_seconds: f64,
    /// Seconds after which a run is stopped, whatever the suite says.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
    /// Where runs are computed: by processes on this machine, or by Slurm's job arrays.
    #[arg(long, value_enum, default_value = "local", env = "APICAL_ENGINE")]
    engine: EngineChoice,
    #[command(flatten)]
    cluster: cluster::ClusterArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum EngineChoice {
    Local,
    Slurm,
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    let Selected { path, whole, plan, store } = arguments.suite.select()?;
    let beside = path.parent().map(Path::to_owned);
    let seconds = |value: f64, option: &str| {
        Duration::try_from_secs_f64(value)
            .map_err(|_| UserError::config(format!("{option} must be 0 or more seconds, not {value}")))
    };
    let execution = &plan.execution;
    let timeout = arguments.timeout.or(execution.timeout_minutes.map(|minutes| minutes * 60.0));
    let timeout = timeout.map(|timeout| seconds(timeout, "the time limit")).transpose()?;
    let checkpoint_interval = seconds(arguments.checkpoint_seconds, "--checkpoint-seconds")?;
    arguments.cluster.check(arguments.engine == EngineChoice::Slurm)?;

    if arguments.engine == EngineChoice::Slurm && (arguments.jobs.is_some() || arguments.fail_fast) {
        let message = "--jobs and --fail-fast are for runs on this machine; on a cluster `--slurm max_parallel=N` limits \
                       how many tasks run at once";
        return Err(UserError::config(message));
    }
    let missing = missing_runs(&plan, &store, !arguments.cluster.dry_run)?;
    for damage in missing.damaged {
        line(format!("a damaged result is set aside, and its run computed again: {damage}"))?;
    }
    let mut missing = missing.runs;
    let done = plan.runs.len() - missing.len();
    if !arguments.cluster.dry_run {
        line(format!(
            "{}: {}, {} done, {} to compute",
            plan.name,
            count(plan.runs.len(), "run"),
            thousands(done),
            thousands(missing.len())
        ))?;
        store.write_plan(&whole).with_context(|| {
            format!(
                "the results folder {} cannot be used; `--results DIR` or APICAL_RESULTS names another",
                store.root().display()
            )
        })?;
    }
    if arguments.engine == EngineChoice::Slurm {
        let requests = arguments.cluster.requests(&plan.requests)?;
        let mark = if arguments.cluster.dry_run { "# " } else { "" };
        let per_run = |cell: &Cell| requests.of(cell).memory_per_run();
        fit::leave_out_what_does_not(
            &mut missing,
            per_run,
            mark,
            "a task asks for less, see `slurm.memory`",
        )?;
        if !arguments.cluster.dry_run && !missing.is_empty() {
            fetch(&missing, arguments.suite.data.clone(), beside.clone())?;
        }
        let settings = TaskSettings {
            results: std::path::absolute(store.root())?,
            data: arguments.suite.data.as_ref().map(std::path::absolute).transpose()?,
            device: arguments.device.clone(),
            threads: execution.threads,
            timeout_seconds: timeout.map(|timeout| timeout.as_secs_f64()),
            retries: execution.retries,
            checkpoint_seconds: checkpoint_interval.as_secs_f64(),
        };
        return match cluster::run(&arguments.cluster, requests, (&whole, &plan), &store, settings, &missing)?
        {
            cluster::Ended::All => conclude(plan, &store),
            cluster::Ended::NotWaitedFor(code) => Ok(code),
        };
    }
    if !missing.is_empty() {
        let limits = Limits { timeout, checkpoint_interval };
        if let Some(code) = run_here(arguments, &plan, &store, missing, (beside, limits))? {
            return Ok(code);
        }
    }
    conclude(plan, &store)
}

/// Limits of a run in time.
struct Limits {
    timeout: Option<Duration>,
    checkpoint_interval: Duration,
}

/// Computes what is missing on this machine; an exit code where that was interrupted.
fn run_here(
    arguments: &Arguments,
    plan: &Plan,
    store: &Store,
    mut missing: Vec<&PlannedRun>,
    (beside, limits): (Option<PathBuf>, Limits),
) -> Result<Option<u8>> {
    let execution = &plan.execution;
    let device = device::parse_device(arguments.device.as_deref().unwrap_or("cpu"))
        .map_err(|error| UserError::config(format!("{error:#}")))?;
    let there = match device {
        tch::Device::Cuda(index) => device::gpu_memory(index).map(|(_, all)| all),
        _ => memory::total(),
    };
    let whose = if device.is_cuda() { "the GPU" } else { "this machine" };
    let have = format!("{whose} has {}", format::memory(there.unwrap_or(0) as f64));
    fit::leave_out_what_does_not(&mut missing, |_| there, "", &have)?;
    if missing.is_empty() {
        return Ok(None);
    }
    fetch(&missing, arguments.suite.data.clone(), beside)?;
    let stop = stop_on_signals()?;
    warn_of_queued(&missing, &plan.name, store)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = match arguments.jobs {
        Some(jobs) => usize::from(jobs),
        None if device.is_cuda() => 1,
        None => fit::at_once((cores / execution.threads as usize).max(1), &missing)?,
    };
    let jobs = jobs.min(missing.len());
    let engine = LocalEngine {
        store: store.clone(),
        program: this_program()?,
        data: arguments.suite.data.clone(),
        device,
        jobs,
        threads: execution.threads,
        timeout: limits.timeout,
        retries: execution.retries,
        checkpoint_interval: limits.checkpoint_interval,
        fail_fast: arguments.fail_fast,
        waits_for_others: true,
        grace: GRACE,
    };
    // Runs under way in another process come last: most likely they will be done by then.
    missing.sort_by_key(|run| matches!(store.standing(&run.id), Ok(Standing::Running)));
    let started = Instant::now();
    let progress = RunProgress::new(missing.len(), jobs);
    let result = engine.run(&missing, &stop, &progress);
    progress.finish();
    result?;
    let elapsed = duration(started.elapsed().as_secs_f64());
    let results = missing.len() - missing_runs(plan, store, true)?.runs.len();
    line(format!("{results} of {} got a result, in {elapsed}", count(missing.len(), "run")))?;
    if stop.load(Ordering::Relaxed) {
        line(format!("stopped; `{}` goes on from the last checkpoints", this_command()))?;
        return Ok(Some(exit::INTERRUPTED));
    }
    Ok(None)
}

/// The command line, as one would type it.
pub fn this_command() -> String {
    let words: Vec<String> = std::env::args().skip(1).map(|word| quoted(&word)).collect();
    format!("apical {}", words.join(" "))
}

/// Says what came of it, and whether every run has a result.
fn conclude(plan: Plan, store: &Store) -> Result<u8> {
    let results = store.results(plan)?;
    line(report::headline(&results, None))?;
    line(format!("{}: {}", count(results.runs.len(), "run"), state_counts(&results)))?;
    for run in &results.runs {
        if let Some(failure) = run.outcome.as_ref().filter(|outcome| !outcome.state.is_result()) {
            let reason = failure.reason.as_deref().unwrap_or("no reason was given");
            let PlannedRun { id, cell, spec } = &run.planned;
            line(format!("  {} {cell}, seed {} ({id}): {reason}", failure.state, spec.seed))?;
        }
    }
    Ok(if results.done() == results.runs.len() { exit::OK } else { exit::RUNS_FAILED })
}

/// E.g. `10 completed, 2 diverged, 3 not done`.
pub fn state_counts(results: &Results) -> String {
    let ended = State::ALL.map(|state| (results.count(state), state.name()));
    let not_done = results.runs.len() - ended.iter().map(|(number, _)| number).sum::<usize>();
    let counts = ended.into_iter().chain([(not_done, "not done")]).filter(|(number, _)| *number > 0);
    counts.map(|(number, name)| format!("{number} {name}")).collect::<Vec<_>>().join(", ")
}

/// What is to be computed.
pub struct Missing<'a> {
    /// The runs without a result, each id once.
    pub runs: Vec<&'a PlannedRun>,
    /// What was wrong with results that were set aside.
    pub damaged: Vec<String>,
}

/// The runs without a result; damaged ones are set aside first, unless nothing is to be changed.
pub fn missing_runs<'a>(plan: &'a Plan, store: &Store, repair: bool) -> Result<Missing<'a>> {
    let standings: Vec<_> = plan
        .runs
        .par_iter()
        .map(|run| {
            let damage = if repair { store.repair(&run.id)? } else { None };
            Ok((run, damage, matches!(store.standing(&run.id)?, Standing::Done(_))))
        })
        .collect::<Result<_>>()?;
    let mut missing = Missing { runs: Vec::new(), damaged: Vec::new() };
    let mut seen = BTreeSet::new();
    for (run, damage, done) in standings {
        missing.damaged.extend(damage);
        if !done && seen.insert(&run.id) {
            missing.runs.push(run);
        }
    }
    Ok(missing)
}

/// Runs that a cluster is to compute too are computed twice, and the first to finish counts.
fn warn_of_queued(missing: &[&PlannedRun], suite: &str, store: &Store) -> Result<()> {
    let Ok(live) = Live::look(store, suite) else { return Ok(()) };
    let queued = missing.iter().filter(|run| live.of(&run.id).is_some()).count();
    if queued > 0 {
        line(format!(
            "{} queued or running on the cluster too: `apical cancel` takes them off it, and `--engine slurm` waits for them",
            count(queued, "run")
        ))?;
    }
    Ok(())
}

/// Makes sure, once and before any run, that the data is there.
fn fetch(runs: &[&PlannedRun], folder: Option<PathBuf>, beside: Option<PathBuf>) -> Result<()> {
    let root = DataRoot::from_env(folder)?;
    let datasets = || runs.iter().map(|run| &run.spec.dataset);
    let places = Places { beside, root: Some(root.clone()) };
    let fetcher = Fetcher::new(root);
    let mut packed = BTreeSet::new();
    for spec in datasets().filter(|spec| spec.is_images()) {
        if packed.insert((&spec.content, spec.size, format!("{:?}", spec.fit))) {
            let mut progress = FetchProgress::new(spec.folder.as_ref().unwrap_or(&spec.name));
            fetcher.pack(spec, &places, &mut |step| progress.step(step))?;
        }
    }
    let names: BTreeSet<&str> = datasets().map(|spec| spec.name.as_str()).collect();
    for name in names {
        let mut progress = FetchProgress::new(name);
        fetcher.ensure(data::find(name)?, &mut |step| progress.step(step))?;
    }
    Ok(())
}

/// This program's file. On Linux by way of the running process, so that a suite goes on with the program
/// that began it when its file is replaced on the way.
pub fn this_program() -> Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() {
        return Ok(running);
    }
    std::env::current_exe().context("cannot find this program's own file")
}

/// Has a signal raise a flag.
pub fn stop_on(signal: i32, flag: &Arc<AtomicBool>) -> Result<()> {
    signal_hook::flag::register(signal, Arc::clone(flag)).context("cannot listen for signals")?;
    Ok(())
}

/// A flag that Ctrl-C and SIGTERM raise. A second Ctrl-C ends the program at once.
pub fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // In this order: the first signal finds the flag down and only raises it.
        signal_hook::flag::register_conditional_shutdown(
            signal,
            i32::from(exit::INTERRUPTED),
            Arc::clone(&stop),
        )
        .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
        .context("cannot listen for signals")?;
    }
    Ok(stop)
}
