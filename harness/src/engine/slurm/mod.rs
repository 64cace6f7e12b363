//! Runs on a Slurm cluster: tasks of job arrays, one array for all runs that ask for the same.
//!
//! Slurm decides where and when; it is asked only what is still alive. What is done, the run directories say. So whoever
//! submitted may die: another `apical run`, from another login node too, finds the submissions in the results folder,
//! attaches itself to what is queued, and hands over again what is neither queued nor done.

pub mod commands;
pub mod live;
mod script;
pub mod submission;
pub mod task;
mod verdict;

use self::{
    commands::Ending,
    live::Live,
    submission::{Assigned, Class, Submission, TaskSettings, arrange},
    verdict::Verdict,
};
use super::{Notice, Watcher};
use crate::{
    plan::{PlannedRun, Requests},
    record::{AttemptFolder, Event, Outcome, Standing, State, Store},
};
use anyhow::{Context, Result};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// How runs are handed over to Slurm and waited for.
#[derive(Debug)]
pub struct SlurmEngine {
    /// The results folder, where every node sees it.
    pub store: Store,
    /// Name of the suite.
    pub suite: String,
    /// What runs ask for.
    pub requests: Requests,
    /// What tasks are told.
    pub settings: TaskSettings,
    /// This program.
    pub program: PathBuf,
    /// Least time between two looks at the queue.
    pub poll: Duration,
    /// How long a run may be out of the queue without a trace before it counts as lost: a shared filesystem may show what
    /// other machines wrote only after a while.
    pub settle: Duration,
}

/// What was handed over, and what had been before.
#[derive(Debug, Default)]
pub struct HandedOver {
    /// Runs that are queued or computed already.
    pub attached: usize,
    /// Runs handed over now.
    pub submitted: usize,
    /// Ids of the new jobs.
    pub jobs: Vec<String>,
}

/// A run that has not ended.
struct Open<'a> {
    assigned: Assigned,
    planned: &'a PlannedRun,
    began: bool,
    last_epoch: Option<u32>,
    /// Since when it is neither in the queue nor done.
    gone: Option<Instant>,
    /// Where it was computed last.
    node: Option<String>,
}

impl SlurmEngine {
    /// The scripts that would be submitted for these runs.
    ///
    /// # Errors
    /// When the results folder cannot be read.
    pub fn preview(&self, runs: &[&PlannedRun]) -> Result<Vec<String>> {
        // Without a cluster at hand, as if it had Slurm's own limit.
        let most = commands::max_array_size().unwrap_or(1001);
        let arrays = arrange(self.assign(runs)?, most);
        Ok(submission::preview(&self.suite, &self.settings, &self.program, &arrays))
    }

    /// Hands over every run that is not queued yet.
    ///
    /// # Errors
    /// When the results folder cannot be used, or Slurm does not answer or objects.
    pub fn submit(&self, runs: &[&PlannedRun]) -> Result<HandedOver> {
        let live = Live::look(&self.store, &self.suite)?;
        let missing: Vec<&PlannedRun> =
            runs.iter().copied().filter(|run| live.of(&run.id).is_none()).collect();
        let mut handed = HandedOver { attached: runs.len() - missing.len(), ..HandedOver::default() };
        if !missing.is_empty() {
            let submission =
                self.hand_over(arrange(self.assign(&missing)?, commands::max_array_size()?), &[])?;
            handed.submitted = missing.len();
            handed.jobs = submission.arrays().iter().filter_map(|array| array.job.clone()).collect();
        }
        Ok(handed)
    }

    fn hand_over(&self, arrays: Vec<Class>, exclude: &[String]) -> Result<Submission> {
        Submission::submit(&self.suite, &self.settings, &self.program, arrays, exclude)
    }

    fn assign(&self, runs: &[&PlannedRun]) -> Result<Vec<(crate::plan::Slurm, Assigned)>> {
        let assign = |run: &&PlannedRun| {
            let since = self.store.attempts(&run.id)?.last().map_or(0, AttemptFolder::ordinal);
            let assigned = Assigned { run: (*run).clone(), since };
            Ok((self.requests.of(&run.cell).clone(), assigned))
        };
        runs.iter().map(assign).collect()
    }

    /// Waits until every run has ended, and hands lost ones over again. `stop` ends the waiting and nothing else. Runs whose
    /// tasks somebody cancelled are given up.
    ///
    /// # Errors
    /// When the results folder cannot be used, or Slurm objects to a run that is handed over again.
    pub fn wait(&self, runs: &[&PlannedRun], stop: &AtomicBool, watcher: &dyn Watcher) -> Result<()> {
        let mut open = self.open(runs)?;
        let mut silence = None;
        while !open.is_empty() && !stop.load(Ordering::Relaxed) {
            let looked = Instant::now();
            match Live::look(&self.store, &self.suite) {
                Ok(live) => {
                    silence = None;
                    let again = self.look(&mut open, &live, watcher)?;
                    self.hand_over_again(again, &mut open)?;
                }
                Err(error) => {
                    // A controller that restarts, or a network that is away, says nothing about the runs.
                    let since = *silence.get_or_insert(looked);
                    if since == looked {
                        watcher.notice(&Notice::Remark(&format!("{error}; waiting for Slurm to answer")));
                    }
                }
            }
            // Looking at a long queue must not become the cluster's main occupation.
            let pause = self.poll.max(looked.elapsed() * 2);
            let until = Instant::now() + pause;
            while !open.is_empty() && Instant::now() < until && !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(100).min(pause));
            }
        }
        Ok(())
    }

    fn open<'a>(&self, runs: &[&'a PlannedRun]) -> Result<Vec<Open<'a>>> {
        let live = Live::recorded(&self.store, &self.suite);
        let mut tasks: BTreeMap<PathBuf, Vec<Assigned>> = BTreeMap::new();
        let mut open = Vec::new();
        for planned in runs {
            // What the manifest says counts: losses since the run was first asked for.
            let place = live.latest(&planned.id);
            let place = place.with_context(|| format!("run {} was not handed over", planned.id))?;
            let (submission, at) = place;
            let key = submission.log(at.array, at.task);
            if !tasks.contains_key(&key) {
                tasks.insert(key.clone(), submission.assigned(at.array, at.task as usize)?);
            }
            let assigned = tasks[&key].iter().find(|assigned| assigned.run.id == planned.id);
            let assigned = assigned.with_context(|| format!("run {} is not in its manifest", planned.id))?;
            open.push(Open {
                assigned: assigned.clone(),
                planned,
                began: false,
                last_epoch: None,
                gone: None,
                node: None,
            });
        }
        Ok(open)
    }

    /// One look at every open run: those that have ended are taken out, those to be handed over again are returned.
    fn look<'a>(
        &self,
        open: &mut Vec<Open<'a>>,
        live: &Live,
        watcher: &dyn Watcher,
    ) -> Result<Vec<Open<'a>>> {
        let mut again = Vec::new();
        let mut still = Vec::new();
        for mut run in std::mem::take(open) {
            match self.look_at(&mut run, live, watcher)? {
                None => still.push(run),
                Some(Verdict::Final(outcome)) => watcher.notice(&Notice::Ended(run.planned, &outcome)),
                Some(Verdict::Cancelled) => watcher.notice(&Notice::Cancelled(run.planned)),
                Some(Verdict::Again(reason)) => {
                    let outcome = verdict::outcome(&run.assigned, State::Lost, reason);
                    watcher.notice(&Notice::Retrying(run.planned, &outcome));
                    (run.gone, run.began) = (None, false);
                    again.push(run);
                }
            }
        }
        *open = still;
        Ok(again)
    }

    /// What became of a run; nothing while it waits, is computed, or may only not be seen yet.
    fn look_at(&self, run: &mut Open<'_>, live: &Live, watcher: &dyn Watcher) -> Result<Option<Verdict>> {
        let queued = live.of(&run.planned.id);
        if let Some(queued) = queued.filter(|queued| queued.is_held_after_a_failed_launch()) {
            // Slurm waits for somebody to release it; handing it over again is our way to do so.
            commands::cancel(&[format!("{}_{}", queued.job, queued.task)])?;
            let ending = Ending { state: "LAUNCH_FAILED".to_owned(), ..Ending::default() };
            let verdict =
                verdict::judge(&self.store, &run.assigned, self.settings.retries, Some(&ending), "");
            return Ok(Some(verdict?));
        }
        if queued.is_some_and(|queued| !queued.is_on_a_node()) {
            run.gone = None;
            return Ok(None);
        }
        if let Some(outcome) = self.result(run)? {
            return Ok(Some(Verdict::Final(Box::new(outcome))));
        }
        if let Some(queued) = queued {
            run.gone = None;
            run.node = Some(queued.node.clone());
            self.follow(run, watcher)?;
            return Ok(None);
        }
        if run.gone.get_or_insert_with(Instant::now).elapsed() < self.settle {
            return Ok(None);
        }
        self.judge(run, live).map(Some)
    }

    /// The result of a run, if it has one.
    fn result(&self, run: &Open<'_>) -> Result<Option<Outcome>> {
        let id = &run.planned.id;
        // Reading the folder makes a shared filesystem look again.
        let _ = std::fs::read_dir(self.store.run_folder(id)).map(Iterator::count);
        Ok(match self.store.standing(id)? {
            Standing::Done(outcome) => {
                self.store.repair(id)?;
                Some(*outcome)
            }
            _ => None,
        })
    }

    /// Passes on what a running run has said since the last look.
    fn follow(&self, run: &mut Open<'_>, watcher: &dyn Watcher) -> Result<()> {
        let attempts = self.store.attempts(&run.planned.id)?;
        let Some(attempt) = attempts.last().filter(|attempt| attempt.outcome().is_none()) else {
            return Ok(());
        };
        if !run.began {
            run.began = true;
            watcher.notice(&Notice::Began(run.planned));
        }
        let events = attempt.readable_events();
        let latest = events.iter().rev().find(|event| matches!(event, Event::Epoch(_)));
        if let Some(event @ Event::Epoch(epoch)) = latest
            && run.last_epoch != Some(epoch.epoch)
        {
            run.last_epoch = Some(epoch.epoch);
            watcher.notice(&Notice::Event(run.planned, event));
        }
        Ok(())
    }

    fn judge(&self, run: &mut Open<'_>, live: &Live) -> Result<Verdict> {
        let place = live.latest(&run.planned.id);
        let ending = place.and_then(|(submission, at)| {
            let job = submission.arrays().get(at.array)?.job.as_deref()?;
            commands::ending(job, at.task)
        });
        if let Some(ending) = ending.as_ref().filter(|ending| !ending.node.is_empty()) {
            run.node = Some(ending.node.clone());
        }
        let log = place.map(|(submission, at)| verdict::tail(&submission.log(at.array, at.task)));
        let retries = self.settings.retries;
        Ok(verdict::judge(&self.store, &run.assigned, retries, ending.as_ref(), &log.unwrap_or_default())?)
    }

    /// Runs that were lost go elsewhere, if there is anywhere else.
    fn hand_over_again<'a>(&self, again: Vec<Open<'a>>, open: &mut Vec<Open<'a>>) -> Result<()> {
        let mut by_node: BTreeMap<Option<String>, Vec<Open<'a>>> = BTreeMap::new();
        for run in again {
            by_node.entry(run.node.clone()).or_default().push(run);
        }
        for (node, runs) in by_node {
            let assigned =
                runs.iter().map(|run| (self.requests.of(&run.planned.cell).clone(), run.assigned.clone()));
            for array in arrange(assigned.collect(), commands::max_array_size()?) {
                let partition = array.0.partition.as_deref();
                let elsewhere = node.as_deref().filter(|node| commands::has_other_nodes(partition, node));
                let exclude: Vec<String> = elsewhere.map(str::to_owned).into_iter().collect();
                self.hand_over(vec![array], &exclude)?;
            }
            open.extend(runs);
        }
        Ok(())
    }
}
