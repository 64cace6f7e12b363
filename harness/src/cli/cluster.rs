//! `apical run --engine slurm`: what is asked for on the command line, handed over, and waited for.

use super::{
    UserError, cancel,
    output::{count, duration, line},
    progress::RunProgress,
    run::{missing_runs, stop_on_signals, this_command},
};
use crate::{
    device,
    engine::slurm::{SlurmEngine, live::Live, submission::TaskSettings},
    exit,
    plan::{Plan, PlannedRun, Requests, Slurm},
    record::Store,
};
use anyhow::{Context, Result};
use clap::Args;
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// Options of `apical run` for a cluster.
#[derive(Debug, Args)]
#[command(next_help_heading = "On a cluster")]
pub struct ClusterArguments {
    /// What tasks ask Slurm for, whatever the suite says, e.g. `--slurm partition=gpu --slurm time=2:00:00`: the keys of the
    /// suite's `engine: {slurm: …}`.
    #[arg(long, value_name = "KEY=VALUE")]
    slurm: Vec<String>,
    /// Submit, and do not wait. `apical status` shows how it goes; `apical run` again waits.
    #[arg(long, conflicts_with = "dry_run")]
    detach: bool,
    /// Print the scripts that would be submitted, and submit nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Seconds between two looks at the queue.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    poll_seconds: f64,
    /// Seconds for which a run may be out of the queue without a trace before it counts as lost: a network filesystem may
    /// show what nodes wrote only after a while.
    #[arg(long, value_name = "SECONDS", default_value_t = 15.0, value_parser = seconds)]
    settle_seconds: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    let fits = Duration::try_from_secs_f64(value).is_ok();
    if fits { Ok(value) } else { Err("must be 0 or more seconds".to_owned()) }
}

/// How waiting for a cluster came to its end.
pub enum Ended {
    /// Every run has ended.
    All,
    /// Nobody waited to the end; the program's exit code.
    NotWaitedFor(u8),
}

impl ClusterArguments {
    /// Refuses options for a cluster where none is meant.
    ///
    /// # Errors
    /// Which option, and what is missing.
    pub fn check(&self, is_meant: bool) -> Result<()> {
        let given =
            [(!self.slurm.is_empty(), "--slurm"), (self.detach, "--detach"), (self.dry_run, "--dry-run")];
        match given.iter().find(|(given, _)| *given && !is_meant) {
            Some((_, option)) => {
                Err(UserError::config(format!("{option} is for a cluster: add `--engine slurm`")))
            }
            None => Ok(()),
        }
    }

    /// What the suite asks for, and this command line instead.
    ///
    /// # Errors
    /// Which setting is wrong.
    pub fn requests(&self, suite: &Requests) -> Result<Requests> {
        let mut requests = suite.clone();
        for slurm in requests.classes_mut() {
            for setting in &self.slurm {
                let (key, value) = setting.split_once('=').ok_or_else(|| {
                    UserError::config(format!(
                        "--slurm {setting}: expected KEY=VALUE, e.g. `--slurm time=2:00:00`"
                    ))
                })?;
                slurm
                    .set(key.trim(), value.trim())
                    .map_err(|reason| UserError::config(format!("--slurm {setting}: {reason}")))?;
            }
            if let Some(problem) = slurm.problems().into_iter().next() {
                return Err(UserError::config(format!("--slurm: {}: {}", problem.path, problem.message)));
            }
        }
        Ok(requests)
    }
}

/// Hands over what is missing and waits for it.
///
/// # Errors
/// When Slurm or the results folder cannot be used.
pub fn run(
    arguments: &ClusterArguments,
    requests: Requests,
    (whole, plan): (&Plan, &Plan),
    store: &Store,
    settings: TaskSettings,
    missing: &[&PlannedRun],
) -> Result<Ended> {
    if let Some(name) = &settings.device {
        device::check_name(name).map_err(|error| UserError::config(format!("{error:#}")))?;
    }
    let on_gpus = settings.device.as_deref().is_some_and(|name| name.starts_with("cuda"));
    let asks = |slurm: &Slurm| slurm.gpus > 0 || slurm.extra.iter().any(|extra| extra.starts_with("--g"));
    if on_gpus && !requests.clone().classes_mut().all(|slurm| asks(slurm)) {
        return Err(UserError::config("--device cuda needs tasks with a GPU: `--slurm gpus=1`"));
    }
    let engine = SlurmEngine {
        store: Store::new(&settings.results),
        suite: plan.name.clone(),
        requests,
        settings,
        program: std::env::current_exe().context("cannot find this program's own file")?,
        poll: Duration::from_secs_f64(arguments.poll_seconds),
        settle: Duration::from_secs_f64(arguments.settle_seconds),
    };
    if arguments.dry_run {
        let scripts = engine.preview(missing)?;
        if scripts.is_empty() {
            line("# nothing would be submitted: every run is done or queued")?;
        }
        for script in &scripts {
            line(script)?;
        }
        if !scripts.is_empty() {
            line(
                "# When it is submitted, NAME is the submission's number, and the program a copy in the results folder.",
            )?;
        }
        return Ok(Ended::NotWaitedFor(exit::OK));
    }
    if missing.is_empty() {
        return Ok(Ended::All);
    }
    cancel::tell_of_earlier_versions(&Live::look(&engine.store, &engine.suite)?, whole)?;
    let handed = engine.submit(missing)?;
    for (id, reason) in &handed.earlier {
        line(format!("{id} had ended while nobody waited, and is tried again: {reason}"))?;
    }
    if handed.attached > 0 {
        line(format!("{} queued or running already", count(handed.attached, "run")))?;
    }
    if handed.submitted > 0 {
        let jobs = handed.jobs.join(", ");
        let word = if handed.jobs.len() == 1 { "job" } else { "jobs" };
        line(format!("{} submitted as {word} {jobs}", count(handed.submitted, "run")))?;
    }
    if arguments.detach {
        line("not waiting: `apical status` shows how it goes, `apical run` waits, `apical cancel` ends it")?;
        return Ok(Ended::NotWaitedFor(exit::OK));
    }
    let stop = stop_on_signals()?;
    let started = Instant::now();
    let progress = RunProgress::new(missing.len(), missing.len());
    let result = engine.wait(missing, &stop, &progress);
    progress.finish();
    result?;
    let results = missing.len() - missing_runs(plan, store, true)?.runs.len();
    let elapsed = duration(started.elapsed().as_secs_f64());
    line(format!("{results} of {} got a result, in {elapsed}", count(missing.len(), "run")))?;
    if stop.load(Ordering::Relaxed) {
        line(format!(
            "stopped waiting; the jobs go on. `{}` waits again, `apical cancel` ends them",
            this_command()
        ))?;
        return Ok(Ended::NotWaitedFor(exit::INTERRUPTED));
    }
    Ok(Ended::All)
}
