//! What one task of a job array does on its node: the runs that it was given, each in a process of its own, as the local
//! engine has them.
//!
//! Slurm warns before the time limit (SIGUSR1) and before it takes the node away (SIGTERM). Runs then write a checkpoint
//! after the epoch they are in, and the task puts itself back into the queue, where it goes on from there.

use super::{
    commands,
    submission::{Assigned, Submission},
    verdict,
};
use crate::{
    data::{self, DataRoot},
    device,
    engine::{Notice, Watcher, local::LocalEngine},
    plan::PlannedRun,
    record::{AttemptFolder, State, Store},
};
use anyhow::{Context, Result};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Where a task is, as Slurm tells it in the environment.
#[derive(Debug)]
pub struct Place {
    /// Id of the array.
    pub job: String,
    /// Index in it.
    pub index: u32,
    /// The node.
    pub node: String,
}

impl Place {
    /// From the variables that Slurm sets.
    ///
    /// # Errors
    /// Outside of a job array.
    pub fn from_env() -> Result<Self> {
        let var = |name: &str| {
            std::env::var(name)
                .with_context(|| format!("{name} is not set: this is for tasks of Slurm's job arrays"))
        };
        Ok(Self {
            job: var("SLURM_ARRAY_JOB_ID")?,
            index: var("SLURM_ARRAY_TASK_ID")?.parse().context("SLURM_ARRAY_TASK_ID is no index")?,
            node: var("SLURMD_NODENAME").unwrap_or_else(|_| "its node".to_owned()),
        })
    }
}

/// What Slurm wants of a task.
#[derive(Debug, Default)]
pub struct Signals {
    /// It is to come to an end.
    pub stop: Arc<AtomicBool>,
    /// Its time is nearly up.
    pub time_is_up: Arc<AtomicBool>,
}

/// Computes the runs of a task that have no result yet. Returns how many ended without one.
///
/// # Errors
/// When the submission's manifest cannot be read, or the results folder not be used.
pub fn work(
    submission: &Submission,
    array: usize,
    place: &Place,
    signals: &Signals,
    program: PathBuf,
    watcher: &dyn Watcher,
) -> Result<usize> {
    let settings = submission.settings();
    let slurm = &submission.arrays().get(array).context("there is no such array in the submission")?.slurm;
    let store = Store::new(&settings.results);
    let root = DataRoot::from_env(settings.data.clone())?;
    let assigned = submission.assigned(array, place.index as usize)?;
    let mut without_result = 0;
    let mut runs: Vec<&Assigned> = Vec::new();
    for assigned in &assigned {
        let id = &assigned.run.id;
        store.repair(id)?;
        // What has ended in an earlier round of this task is not begun again: somebody has to ask for it anew.
        if let Some(state) = ended(&store, assigned)? {
            without_result += usize::from(!state.is_result());
            continue;
        }
        match obstacle(&store, assigned, settings.retries, place, &root)? {
            Some(reason) => {
                let outcome = verdict::outcome(assigned, State::Lost, reason);
                store.begin(&assigned.run.spec)?.write_outcome(&outcome)?;
                watcher.notice(&Notice::Ended(&assigned.run, &outcome));
                without_result += 1;
            }
            None => runs.push(assigned),
        }
    }
    let by_default = if slurm.gpus > 0 { "cuda" } else { "cpu" };
    let device = settings.device.as_deref().unwrap_or(by_default);
    let before = runs.iter().map(|assigned| Progress::of(&store, assigned)).collect::<Result<Vec<_>>>()?;
    let engine = LocalEngine {
        store: store.clone(),
        program,
        data: settings.data.clone(),
        device: device::parse_device(device)?,
        jobs: slurm.runs_at_once as usize,
        threads: settings.threads,
        timeout: settings.timeout_seconds.map(Duration::try_from_secs_f64).transpose()?,
        // What is lost here is tried again elsewhere.
        retries: 0,
        checkpoint_interval: Duration::try_from_secs_f64(settings.checkpoint_seconds)?,
        fail_fast: false,
        // A lock of a network filesystem may outlive the node that held it.
        waits_for_others: false,
        // What is left after it serves to put the task back into the queue.
        grace: Duration::from_secs(u64::from(slurm.warning_seconds.saturating_sub(5))),
    };
    let planned: Vec<&PlannedRun> = runs.iter().map(|assigned| &assigned.run).collect();
    engine.run(&planned, &signals.stop, watcher)?;
    let time_is_up = signals.time_is_up.load(Ordering::Relaxed);
    let mut unfinished = 0;
    for (assigned, before) in runs.iter().zip(before) {
        if let Some(state) = ended(&store, assigned)? {
            without_result += usize::from(!state.is_result());
        } else if time_is_up && before.is_stuck(Progress::of(&store, assigned)?) {
            give_up(&store, assigned, slurm.time.as_deref(), watcher)?;
            without_result += 1;
        } else {
            unfinished += 1;
        }
    }
    if time_is_up && unfinished > 0 {
        requeue(place)?;
    }
    Ok(without_result + unfinished)
}

/// Why a run is not to be begun here, if there is a reason.
fn obstacle(
    store: &Store,
    assigned: &Assigned,
    retries: u32,
    place: &Place,
    root: &DataRoot,
) -> Result<Option<String>> {
    let losses = store.losses(&assigned.run.id, assigned.since)?;
    if losses > retries {
        return Ok(Some(format!(
            "it was lost {losses} times in a row without getting any further, last before it began on {}: set aside, since \
             it may be what kills its node",
            place.node
        )));
    }
    let checked = data::check_here(&assigned.run.spec.dataset, root);
    Ok(checked.err().map(|error| format!("{} has no data for it: {error}", place.node)))
}

/// The state in which a run has ended, by a result or without one, since it was asked for; losses are no end.
fn ended(store: &Store, assigned: &Assigned) -> Result<Option<State>> {
    if let Some(outcome) = store.outcome(&assigned.run.id)? {
        return Ok(Some(outcome.state));
    }
    let attempts = store.attempts(&assigned.run.id)?;
    let last = attempts.last().filter(|attempt| attempt.ordinal() > assigned.since);
    let state = last.and_then(AttemptFolder::outcome).map(|outcome| outcome.state);
    Ok(state.filter(|state| *state != State::Lost))
}

/// Puts the task back into the queue. A controller that does not answer is asked until the time limit ends it all.
fn requeue(place: &Place) -> Result<()> {
    let task = format!("{}_{}", place.job, place.index);
    for _ in 0..60 {
        if commands::requeue(&task).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(2));
    }
    commands::requeue(&task)
        .context("the task cannot be put back into the queue; `apical run` submits what is left of it")
}

/// No epoch has ended in all of a task's time: it would be so the next time too.
fn give_up(store: &Store, assigned: &Assigned, time: Option<&str>, watcher: &dyn Watcher) -> Result<()> {
    let reason = format!(
        "no checkpoint was reached within a task's time limit{}, and checkpoints are written between epochs; give it more \
         `time`",
        time.map(|time| format!(" of {time}")).unwrap_or_default()
    );
    let outcome = verdict::outcome(assigned, State::TimedOut, reason);
    let attempts = store.attempts(&assigned.run.id)?;
    match attempts.last().filter(|attempt| attempt.outcome().is_none()) {
        Some(attempt) => attempt.write_outcome(&outcome)?,
        None => store.begin(&assigned.run.spec)?.write_outcome(&outcome)?,
    }
    watcher.notice(&Notice::Ended(&assigned.run, &outcome));
    Ok(())
}

/// How far a run has come.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// Number of the latest attempt at it.
    attempts: u32,
    /// The last epoch beside a checkpoint, told by the events: the checkpoint itself may be large.
    epoch: Option<u32>,
}

impl Progress {
    fn of(store: &Store, assigned: &Assigned) -> Result<Self> {
        let attempts = store.attempts(&assigned.run.id)?;
        let with_checkpoint = attempts.iter().filter(|attempt| attempt.checkpoint_path().exists());
        Ok(Self {
            attempts: attempts.last().map_or(0, AttemptFolder::ordinal),
            epoch: with_checkpoint.filter_map(AttemptFolder::last_epoch).max(),
        })
    }

    /// Whether it has been computed since, to no avail.
    fn is_stuck(self, now: Self) -> bool {
        now.attempts > self.attempts && now.epoch <= self.epoch
    }
}
