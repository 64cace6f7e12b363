//! Where a suite's runs stand with Slurm, now: its submissions, and what the queue says of their tasks.

use super::{
    commands::{self, Queued, SlurmError},
    submission::Submission,
};
use crate::{record::Store, spec::RunId};
use std::collections::{BTreeSet, HashMap};

/// Names that one question about the queue may hold: a command line is not endless.
const MOST_NAMES: usize = 1000;

/// A suite's submissions, and their tasks that Slurm has not ended.
#[derive(Debug, Default)]
pub struct Live {
    submissions: Vec<Submission>,
    queued: HashMap<RunId, Queued>,
    /// The latest task that each run was given to.
    latest: HashMap<RunId, Place>,
}

/// A task of an array of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
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
        let by_name: HashMap<&str, &super::submission::Array> = live
            .submissions
            .iter()
            .flat_map(Submission::arrays)
            .map(|array| (array.name.as_str(), array))
            .collect();
        let mut queued = HashMap::new();
        for task in tasks {
            let runs = by_name.get(task.name.as_str()).and_then(|array| array.tasks.get(task.task as usize));
            for run in runs.into_iter().flatten() {
                let known = queued.get(run).is_some_and(Queued::is_on_a_node);
                if !known {
                    queued.insert(run.clone(), task.clone());
                }
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
                    let place = Place { submission, array, task: task as u32 };
                    latest.extend(runs.iter().map(|run| (run.clone(), place)));
                }
            }
        }
        Self { submissions, queued: HashMap::new(), latest }
    }

    /// Whether any run was ever handed over.
    pub fn is_empty(&self) -> bool {
        self.submissions.is_empty()
    }

    fn arrays(&self) -> impl Iterator<Item = &super::submission::Array> {
        self.submissions.iter().flat_map(Submission::arrays)
    }

    /// The task that computes a run or waits to.
    pub fn of(&self, run: &RunId) -> Option<&Queued> {
        self.queued.get(run)
    }

    /// The latest task that a run was given to.
    pub fn latest(&self, run: &RunId) -> Option<(&Submission, Place)> {
        let place = *self.latest.get(run)?;
        Some((&self.submissions[place.submission], place))
    }

    /// What `scancel` takes for the tasks that have these runs, whole arrays where all of their tasks are meant.
    pub fn targets(&self, runs: &BTreeSet<&RunId>) -> Vec<String> {
        let tasks: BTreeSet<(&str, u32)> = self
            .queued
            .iter()
            .filter(|(run, _)| runs.contains(run))
            .map(|(_, task)| (task.job.as_str(), task.task))
            .collect();
        let all: BTreeSet<(&str, u32)> =
            self.queued.values().map(|task| (task.job.as_str(), task.task)).collect();
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
