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
    commands::{Ending, SlurmError},
    live::Live,
    submission::{Assigned, Class, Submission, TaskSettings, arrange},
    verdict::Verdict,
};
use super::{Notice, Watcher};
use crate::{
    plan::{PlannedRun, Requests},
    record::{AttemptFolder, Event, Outcome, Standing, State, Store},
    spec::RunId,
};
use anyhow::{Context, Result};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// How often in a row the results folder may refuse before waiting for it ends.
const MOST_TROUBLES: usize = 3;

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
    /// What became of runs that had been handed over before, while nobody waited.
    pub earlier: Vec<(RunId, String)>,
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
    /// Where it was lost.
    avoid: BTreeSet<String>,
}

impl SlurmEngine {
    /// The scripts that would be submitted for these runs.
    ///
    /// # Errors
    /// When the results folder cannot be read.
    pub fn preview(&self, runs: &[&PlannedRun]) -> Result<Vec<String>> {
        // Without a cluster at hand, as if nothing were queued and it had Slurm's own limit.
        let live = Live::look(&self.store, &self.suite).unwrap_or_default();
        let most = commands::max_array_size().unwrap_or(1001);
        let missing: Vec<&PlannedRun> =
            runs.iter().copied().filter(|run| live.of(&run.id).is_none()).collect();
        let arrays = arrange(self.assign(&missing)?, most);
        Ok(submission::preview(&self.suite, &self.settings, &self.program, &arrays))
    }

    /// Hands over every run that is not queued yet. What became of those that were handed over before, while nobody waited,
    /// is found out first.
    ///
    /// # Errors
    /// When the results folder cannot be used, or Slurm does not answer or objects.
    pub fn submit(&self, runs: &[&PlannedRun]) -> Result<HandedOver> {
        let live = Live::look(&self.store, &self.suite)?;
        let mut handed = HandedOver::default();
        let missing: Vec<&PlannedRun> =
            runs.iter().copied().filter(|run| live.of(&run.id).is_none()).collect();
        let earlier: Vec<&PlannedRun> =
            missing.iter().copied().filter(|run| live.latest(&run.id).is_some()).collect();
        let mut assigned = BTreeMap::new();
        for mut run in Self::open(&earlier, &live)? {
            if self.is_told(&run)? {
                continue;
            }
            match self.judge(&mut run, &live)? {
                // It goes on with its losses counted.
                Verdict::Again { reason, lost } => {
                    assigned.insert(run.planned.id.clone(), run.assigned.clone());
                    if lost {
                        handed.earlier.push((run.planned.id.clone(), reason));
                    }
                }
                Verdict::Final(outcome) => {
                    let reason = outcome.reason.clone().unwrap_or_default();
                    handed.earlier.push((run.planned.id.clone(), format!("{}: {reason}", outcome.state)));
                }
                Verdict::Cancelled => {}
            }
        }
        handed.attached = runs.len() - missing.len();
        if missing.is_empty() {
            return Ok(handed);
        }
        let mut all = self.assign(&missing)?;
        for (_, fresh) in &mut all {
            if let Some(earlier) = assigned.remove(&fresh.run.id) {
                *fresh = earlier;
            }
        }
        let mut submission = self.hand_over(arrange(all, commands::max_array_size()?), &[])?;
        handed.submitted = missing.len();
        // Somebody else may have done the same at the same time: then whoever has the smaller job id keeps the runs.
        let superfluous = Live::look(&self.store, &self.suite)?.superfluous(&submission);
        if !superfluous.is_empty() {
            let own = |(array, task): &(usize, u32)| {
                submission.arrays()[*array].job.as_ref().map(|job| format!("{job}_{task}"))
            };
            commands::cancel(&superfluous.iter().filter_map(own).collect::<Vec<_>>())?;
            let runs = |(array, task): &(usize, u32)| submission.arrays()[*array].tasks[*task as usize].len();
            let withdrawn: usize = superfluous.iter().map(runs).sum();
            submission.withdraw(&superfluous)?;
            handed.submitted -= withdrawn;
            handed.attached += withdrawn;
        }
        let arrays =
            submission.arrays().iter().filter(|array| array.tasks.iter().any(|runs| !runs.is_empty()));
        handed.jobs = arrays.filter_map(|array| array.job.clone()).collect();
        Ok(handed)
    }

    /// Whether the latest attempt since a run was asked for has told how it ended, so that somebody has seen it.
    fn is_told(&self, run: &Open<'_>) -> Result<bool> {
        let attempts = self.store.attempts(&run.planned.id)?;
        let last = attempts.last().filter(|attempt| attempt.ordinal() > run.assigned.since);
        Ok(last.is_some_and(|last| last.outcome().is_some_and(|outcome| outcome.state != State::Lost)))
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
        let mut open = Self::open(runs, &Live::recorded(&self.store, &self.suite))?;
        let mut troubles = 0;
        let mut remarks = BTreeSet::new();
        while !open.is_empty() && !stop.load(Ordering::Relaxed) {
            let looked = Instant::now();
            match self.look(&mut open, &mut remarks, watcher) {
                Ok(()) => troubles = 0,
                Err(error) => {
                    troubles += 1;
                    // A controller that restarts, or a network that is away, says nothing about the runs.
                    let is_slurms = error.chain().any(|cause| {
                        matches!(
                            cause.downcast_ref(),
                            Some(SlurmError::Refused { .. } | SlurmError::Unreadable { .. })
                        )
                    });
                    if !is_slurms && troubles >= MOST_TROUBLES {
                        return Err(error);
                    }
                    if troubles == 1 {
                        watcher.notice(&Notice::Remark(&format!("{error:#}; it is tried again")));
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

    /// The runs as their latest manifests have them: what losses count from stands there.
    fn open<'a>(runs: &[&'a PlannedRun], live: &Live) -> Result<Vec<Open<'a>>> {
        let mut manifests: BTreeMap<PathBuf, BTreeMap<RunId, Assigned>> = BTreeMap::new();
        let mut open = Vec::new();
        for planned in runs {
            let (submission, at) = live
                .latest(&planned.id)
                .with_context(|| format!("run {} was not handed over", planned.id))?;
            let manifest = match manifests.entry(submission.manifest(at.array)) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let tasks = submission.assigned_to_all(at.array)?;
                    let runs =
                        tasks.into_iter().flatten().map(|assigned| (assigned.run.id.clone(), assigned));
                    entry.insert(runs.collect())
                }
            };
            let assigned = manifest.get(&planned.id);
            let assigned = assigned.with_context(|| format!("run {} is not in its manifest", planned.id))?;
            open.push(Open {
                assigned: assigned.clone(),
                planned,
                began: false,
                last_epoch: None,
                gone: None,
                node: None,
                avoid: BTreeSet::new(),
            });
        }
        Ok(open)
    }

    /// One look at every open run: those that have ended are taken out, those that were lost are handed over again.
    fn look(
        &self,
        open: &mut Vec<Open<'_>>,
        remarks: &mut BTreeSet<String>,
        watcher: &dyn Watcher,
    ) -> Result<()> {
        let live = Live::look(&self.store, &self.suite)?;
        // Until all are judged, none is taken out: an error on the way loses nothing.
        let mut verdicts = Vec::new();
        for run in open.iter_mut() {
            if let Some((queued, obstacle)) =
                live.of(&run.planned.id).and_then(|queued| Some((queued, queued.obstacle()?)))
                && remarks.insert(obstacle.to_owned())
            {
                let text = format!(
                    "job {} waits: {obstacle}; if that does not pass, `apical cancel` and other `--slurm` settings help",
                    queued.job
                );
                watcher.notice(&Notice::Remark(&text));
            }
            verdicts.push(self.look_at(run, &live, watcher)?);
        }
        let mut again = Vec::new();
        for (mut run, verdict) in std::mem::take(open).into_iter().zip(verdicts) {
            match verdict {
                None => open.push(run),
                Some(Verdict::Final(outcome)) => watcher.notice(&Notice::Ended(run.planned, &outcome)),
                Some(Verdict::Cancelled) => watcher.notice(&Notice::Cancelled(run.planned)),
                Some(Verdict::Again { reason, lost }) => {
                    if lost {
                        let outcome = verdict::outcome(&run.assigned, State::Lost, reason);
                        watcher.notice(&Notice::Retrying(run.planned, &outcome));
                    } else {
                        let text = format!("{}, handed over again: {reason}", run.planned.cell);
                        watcher.notice(&Notice::Remark(&text));
                    }
                    (run.gone, run.began) = (None, false);
                    run.avoid.extend(run.node.take().filter(|_| lost));
                    again.push(run);
                }
            }
        }
        self.hand_over_again(again, open)
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
        // Whoever cancelled it has taken it out of its submission.
        if live.latest(&run.planned.id).is_none() {
            return Ok(Some(Verdict::Cancelled));
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
        if let Some(event) = attempt.latest_epoch()
            && let Event::Epoch(epoch) = &event
            && run.last_epoch != Some(epoch.epoch)
        {
            run.last_epoch = Some(epoch.epoch);
            watcher.notice(&Notice::Event(run.planned, &event));
        }
        Ok(())
    }

    fn judge(&self, run: &mut Open<'_>, live: &Live) -> Result<Verdict> {
        let place = live.latest(&run.planned.id);
        let ending = match place.and_then(|(submission, at)| Some((submission.job(at.array)?, at.task))) {
            Some((job, task)) => commands::ending(job, task)?,
            None => None,
        };
        if let Some(ending) = ending.as_ref().filter(|ending| !ending.node.is_empty()) {
            run.node = Some(ending.node.clone());
        }
        let log = place.map(|(submission, at)| verdict::tail(&submission.log(at.array, at.task)));
        let retries = self.settings.retries;
        Ok(verdict::judge(&self.store, &run.assigned, retries, ending.as_ref(), &log.unwrap_or_default())?)
    }

    /// Runs that were lost go elsewhere, if there is anywhere else.
    fn hand_over_again<'a>(&self, again: Vec<Open<'a>>, open: &mut Vec<Open<'a>>) -> Result<()> {
        let mut by_nodes: BTreeMap<BTreeSet<String>, Vec<Open<'a>>> = BTreeMap::new();
        for run in again {
            by_nodes.entry(run.avoid.clone()).or_default().push(run);
        }
        let mut trouble = Ok(());
        for (nodes, runs) in by_nodes {
            let handed_over = self.hand_over_elsewhere(&nodes, &runs);
            // Those that could not be handed over are not queued, and so are judged, and tried, again.
            open.extend(runs);
            trouble = trouble.and(handed_over);
        }
        trouble
    }

    fn hand_over_elsewhere(&self, nodes: &BTreeSet<String>, runs: &[Open<'_>]) -> Result<()> {
        let assigned =
            runs.iter().map(|run| (self.requests.of(&run.planned.cell).clone(), run.assigned.clone()));
        for array in arrange(assigned.collect(), commands::max_array_size()?) {
            let elsewhere = commands::has_other_nodes(array.0.partition.as_deref(), nodes);
            let exclude: Vec<String> = if elsewhere { nodes.iter().cloned().collect() } else { Vec::new() };
            self.hand_over(vec![array], &exclude)?;
        }
        Ok(())
    }
}
