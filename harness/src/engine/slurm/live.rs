//! Where a suite's runs stand with Slurm, now: its submissions, and what the queue says of their tasks.

use super::{
    commands::{self, Queued, SlurmError},
    submission::{Array, Submission},
    verdict::{self, Reached},
};
use crate::{
    record::{AttemptFolder, Store, StoreError},
    spec::RunId,
};
use std::collections::{BTreeSet, HashMap};

/// Names that one question about the queue may hold: a command line is not endless.
const MOST_NAMES: usize = 1000;

/// A suite's submissions, and their tasks that Slurm has not ended.
#[derive(Debug, Default)]
pub struct Live {
    submissions: Vec<Submission>,
    /// Of each run every task that has it; two submitters at once may both have handed it over.
    queued: HashMap<RunId, Vec<Queued>>,
    /// The latest task that each run was given to.
    latest: HashMap<RunId, Slot>,
}

/// A task of an array of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    submission: usize,
    /// Which array.
    pub array: usize,
    /// Which task of it.
    pub task: u32,
}

impl Live {
    /// Looks at the submissions of a suite. Where there is none, Slurm is not asked.
    ///
    /// # Errors
    /// When Slurm does not answer.
    pub fn look(store: &Store, suite: &str) -> Result<Self, SlurmError> {
        let mut live = Self::recorded(store, suite);
        let names: Vec<String> = live.arrays().map(|array| array.name.clone()).collect();
        let tasks = commands::queue(&names[names.len().saturating_sub(MOST_NAMES)..])?;
        let by_name: HashMap<&str, &Array> =
            live.arrays().map(|array| (array.name.as_str(), array)).collect();
        let mut queued: HashMap<RunId, Vec<Queued>> = HashMap::new();
        for task in tasks {
            let runs = by_name.get(task.name.as_str()).and_then(|array| array.tasks.get(task.task as usize));
            for run in runs.into_iter().flatten() {
                queued.entry(run.clone()).or_default().push(task.clone());
            }
        }
        live.queued = queued;
        Ok(live)
    }

    /// The submissions alone, without asking Slurm.
    pub fn recorded(store: &Store, suite: &str) -> Self {
        let submissions = Submission::all(store, suite);
        let mut latest = HashMap::new();
        for (submission, of) in submissions.iter().enumerate() {
            for (array, tasks) in of.arrays().iter().enumerate() {
                for (task, runs) in tasks.tasks.iter().enumerate() {
                    let slot = Slot { submission, array, task: task as u32 };
                    latest.extend(runs.iter().map(|run| (run.clone(), slot)));
                }
            }
        }
        Self { submissions, queued: HashMap::new(), latest }
    }

    fn arrays(&self) -> impl Iterator<Item = &Array> {
        self.submissions.iter().flat_map(Submission::arrays)
    }

    /// The task that computes a run or waits to; of several, one that computes it.
    pub fn of(&self, run: &RunId) -> Option<&Queued> {
        let tasks = self.queued.get(run)?;
        tasks.iter().find(|task| task.is_on_a_node()).or(tasks.first())
    }

    /// The tasks of `submission` whose every run another job with a smaller id has too: array and index of each.
    pub fn superfluous(&self, submission: &Submission) -> Vec<(usize, u32)> {
        let id = |job: &str| job.parse::<u64>().unwrap_or(u64::MAX);
        let is_taken = |run: &RunId, own: u64| {
            self.queued.get(run).is_some_and(|tasks| tasks.iter().any(|task| id(&task.job) < own))
        };
        let mut superfluous = Vec::new();
        for (index, array) in submission.arrays().iter().enumerate() {
            let Some(own) = array.job.as_deref().map(id) else { continue };
            let taken = |runs: &Vec<RunId>| !runs.is_empty() && runs.iter().all(|run| is_taken(run, own));
            let tasks = array.tasks.iter().enumerate().filter(|(_, runs)| taken(runs));
            superfluous.extend(tasks.map(|(task, _)| (index, task as u32)));
        }
        superfluous
    }

    /// The latest task that a run was given to.
    pub fn latest(&self, run: &RunId) -> Option<(&Submission, Slot)> {
        let place = *self.latest.get(run)?;
        Some((&self.submissions[place.submission], place))
    }

    /// Records that the tasks of these runs were cancelled: Slurm forgets those that had not begun, and they would look lost.
    ///
    /// # Errors
    /// When a record cannot be written.
    pub fn withdraw(&self, runs: &BTreeSet<&RunId>) -> Result<(), StoreError> {
        for submission in &self.submissions {
            let mut tasks = Vec::new();
            for (index, array) in submission.arrays().iter().enumerate() {
                let chosen = array.tasks.iter().enumerate();
                let chosen = chosen.filter(|(_, of)| of.iter().any(|run| runs.contains(run)));
                tasks.extend(chosen.map(|(task, _)| (index, task as u32)));
            }
            if !tasks.is_empty() {
                submission.clone().withdraw(&tasks)?;
            }
        }
        Ok(())
    }

    /// Every run that is queued or computed, of this version of the suite or an earlier one.
    pub fn runs(&self) -> BTreeSet<&RunId> {
        self.queued.keys().collect()
    }

    /// The runs that go with these, since they share their tasks.
    pub fn affected(&self, runs: &BTreeSet<&RunId>) -> BTreeSet<&RunId> {
        let task = |task: &Queued| (task.job.clone(), task.task);
        let tasks: BTreeSet<(String, u32)> = self
            .queued
            .iter()
            .filter(|(run, _)| runs.contains(run))
            .flat_map(|(_, tasks)| tasks)
            .map(task)
            .collect();
        let shares = |of: &&RunId| self.queued[*of].iter().any(|queued| tasks.contains(&task(queued)));
        self.queued.keys().filter(shares).collect()
    }

    /// What became of the latest task of a run that is neither queued nor done, in words; nothing where it was never handed
    /// over, was told to stop, or Slurm does not answer.
    pub fn explain(&self, store: &Store, run: &RunId) -> Option<String> {
        let (submission, at) = self.latest(run)?;
        let ending = commands::ending(submission.job(at.array)?, at.task).ok()?;
        let attempts = store.attempts(run).ok()?;
        let last = attempts.last();
        if ending.as_ref().is_some_and(|ending| ending.state.starts_with("CANCELLED")) {
            return Some("its task was cancelled".to_owned());
        }
        if last.is_some_and(AttemptFolder::is_stopped) {
            return None;
        }
        let log = verdict::tail(&submission.log(at.array, at.task));
        Some(verdict::diagnose(ending.as_ref(), &log, Reached::of(last)).1)
    }

    /// What `scancel` takes for the tasks that have these runs, whole arrays where all of their tasks are meant.
    pub fn targets(&self, runs: &BTreeSet<&RunId>) -> Vec<String> {
        let tasks: BTreeSet<(&str, u32)> = self
            .queued
            .iter()
            .filter(|(run, _)| runs.contains(run))
            .flat_map(|(_, tasks)| tasks)
            .map(|task| (task.job.as_str(), task.task))
            .collect();
        let all: BTreeSet<(&str, u32)> =
            self.queued.values().flatten().map(|task| (task.job.as_str(), task.task)).collect();
        let mut targets = Vec::new();
        for job in tasks.iter().map(|(job, _)| *job).collect::<BTreeSet<_>>() {
            let of_job = |tasks: &BTreeSet<(&str, u32)>| tasks.iter().filter(|(of, _)| *of == job).count();
            if of_job(&tasks) == of_job(&all) {
                targets.push(job.to_owned());
            } else {
                let some = tasks.iter().filter(|(of, _)| *of == job);
                targets.extend(some.map(|(_, task)| format!("{job}_{task}")));
            }
        }
        targets
    }
}
