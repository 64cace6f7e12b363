//! The results folder: where run directories lie, and how a result is published.
//!
//! ```text
//! <results>/plans/<suite>.json                 the plan of each suite that was run
//! <results>/runs/<id>/result/                  the one published result
//! <results>/runs/<id>/attempts/<name>/         attempts: running, abandoned, or ended without a result
//! ```
//! Each attempt writes into a directory of its own, and publishes by one atomic rename of it to `result`,
//! which fails where a result is already there: the first finisher wins, and nobody ever writes into
//! another's files. Nothing but these directories says what is done. No lock and no file time is relied on;
//! a lock only tells whether an attempt's process still lives, so that its remains may be cleared away.

use super::{
    attempt::{AttemptFolder, read_events, read_outcome},
    event::Event,
    files::{At, StoreError, read_json, sync_folder, unique_name, write_atomically},
    outcome::{Outcome, State},
    results::{RecordedRun, Results},
};
use crate::{
    plan::{PLAN_FORMAT, Plan, PlannedRun},
    spec::{RunId, RunSpec},
};
use rayon::prelude::*;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What the names of attempts begin with; their number follows.
pub(super) const ORDINAL: &str = "try-";

/// The results folder.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It has a published result.
    Done(Box<Outcome>),
    /// Its latest ended attempt gave no result, and none is under way.
    Ended(Box<Outcome>),
    /// An attempt is under way on this machine.
    Running,
    /// It was begun and stopped without an outcome; a new attempt goes on from its last checkpoint.
    Interrupted,
    /// Nothing has been done.
    Pending,
}

/// What lies where a run's result should.
enum Published {
    None,
    /// Something that says nothing about the run: torn, of another format, or of another run.
    Damaged(String),
    Intact(Box<(Outcome, Vec<Event>)>),
}

impl Published {
    fn intact(self) -> Option<(Outcome, Vec<Event>)> {
        match self {
            Self::Intact(result) => Some(*result),
            Self::None | Self::Damaged(_) => None,
        }
    }
}

impl Store {
    /// The results folder at `root`; it need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where everything about a run lies.
    pub fn run_folder(&self, id: &RunId) -> PathBuf {
        self.root.join("runs").join(id.as_str())
    }

    /// Where a run's published result lies, if it has one.
    pub fn result_folder(&self, id: &RunId) -> PathBuf {
        self.run_folder(id).join("result")
    }

    /// A run's published outcome. A damaged result counts as none, and is left as it is.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn outcome(&self, id: &RunId) -> Result<Option<Outcome>, StoreError> {
        Ok(self.published(id)?.intact().map(|(outcome, _)| outcome))
    }

    fn published(&self, id: &RunId) -> Result<Published, StoreError> {
        let folder = self.result_folder(id);
        match read_result(&folder, id) {
            Ok(result) => Ok(Published::Intact(Box::new(result))),
            Err(error @ StoreError::Corrupt { .. }) => Ok(Published::Damaged(error.to_string())),
            Err(StoreError::Io { path, source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let missing = format!("{} is missing", path.display());
                Ok(if folder.exists() { Published::Damaged(missing) } else { Published::None })
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a run's folder ready to be computed in: a damaged result is set aside, so that the run is computed
    /// again and nothing is lost for the curious, and an attempt that was killed between its outcome and its
    /// publication is published. Commands that only read do without. Says what was set aside, and why.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn repair(&self, id: &RunId) -> Result<Option<String>, StoreError> {
        let damage = match self.published(id)? {
            Published::Intact(_) => return Ok(None),
            Published::Damaged(reason) => {
                self.set_aside(id)?;
                Some(reason)
            }
            Published::None => None,
        };
        let attempts = self.attempts(id)?;
        let finished = attempts.iter().find(|attempt| attempt.outcome().is_some_and(|o| o.state.is_result()));
        if let Some(attempt) = finished.filter(|_| !attempts.iter().any(AttemptFolder::is_alive)) {
            self.publish(id, attempt)?;
        }
        Ok(damage)
    }

    fn set_aside(&self, id: &RunId) -> Result<(), StoreError> {
        let folder = self.result_folder(id);
        let aside = self.run_folder(id).join(format!("damaged-{}", unique_name()));
        match fs::rename(&folder, &aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("set aside", &folder),
            _ => Ok(()),
        }
    }

    /// Where a run stands.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub fn standing(&self, id: &RunId) -> Result<Standing, StoreError> {
        if let Some(outcome) = self.outcome(id)? {
            return Ok(Standing::Done(Box::new(outcome)));
        }
        let attempts = self.attempts(id)?;
        if attempts.iter().any(AttemptFolder::is_alive) {
            return Ok(Standing::Running);
        }
        // An attempt that was killed between its outcome and its publication is done all the same.
        let mut outcomes = attempts.iter().filter_map(AttemptFolder::outcome);
        if let Some(outcome) = outcomes.find(|outcome| outcome.state.is_result()) {
            return Ok(Standing::Done(Box::new(outcome)));
        }
        // Names begin with the attempt's number, so the last is the latest.
        Ok(match attempts.last() {
            None => Standing::Pending,
            Some(last) => match last.outcome() {
                Some(outcome) => Standing::Ended(Box::new(outcome)),
                None => Standing::Interrupted,
            },
        })
    }

    /// Whether the latest attempt at a run has not told how it ended.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub fn is_begun(&self, id: &RunId) -> Result<bool, StoreError> {
        Ok(self.attempts(id)?.last().is_some_and(|last| last.outcome().is_none() && !last.is_stopped()))
    }

    /// Every attempt at a run that has not become its result, in the order in which they began.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn attempts(&self, id: &RunId) -> Result<Vec<AttemptFolder>, StoreError> {
        let folder = self.run_folder(id).join("attempts");
        let mut attempts = Vec::new();
        for entry in walkdir::WalkDir::new(&folder).min_depth(1).max_depth(1).sort_by_file_name() {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {
                    attempts.push(AttemptFolder::at(entry.into_path()));
                }
                Ok(_) => {}
                Err(error) => {
                    let source = io::Error::from(error);
                    if source.kind() != io::ErrorKind::NotFound {
                        return Err(source).at("read", &folder);
                    }
                }
            }
        }
        Ok(attempts)
    }

    /// Begins an attempt: a fresh folder with the run's description in it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn begin(&self, spec: &RunSpec) -> Result<AttemptFolder, StoreError> {
        let id = spec.id();
        let number = self.attempts(&id)?.last().map_or(0, AttemptFolder::ordinal) + 1;
        let name = format!("{ORDINAL}{number:04}-{}", unique_name());
        let path = self.run_folder(&id).join("attempts").join(name);
        fs::create_dir_all(&path).at("create", &path)?;
        let attempt = AttemptFolder::at(path);
        let text = serde_json::to_string_pretty(spec).expect("a run spec is plain data");
        write_atomically(&attempt.path().join("spec.json"), text.as_bytes())?;
        Ok(attempt)
    }

    /// How often in a row a run was lost, to the death of its process or its node, without getting any further. Attempts up
    /// to the one numbered `since` don't count. To be asked where Slurm says that none of them is alive: a lock is no witness.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn losses(&self, id: &RunId, since: u32) -> Result<u32, StoreError> {
        let attempts = self.attempts(id)?;
        let mut losses = 0;
        let mut furthest = None;
        for attempt in attempts.iter().filter(|attempt| attempt.ordinal() > since) {
            let reached = attempt.last_epoch();
            let advanced = reached > furthest;
            furthest = furthest.max(reached);
            let lost = match attempt.outcome() {
                Some(outcome) => outcome.state == State::Lost,
                None => !attempt.is_stopped(),
            };
            losses = match (lost, advanced) {
                (true, true) => 1,
                (true, false) => losses + 1,
                (false, true) => 0,
                (false, false) => losses,
            };
        }
        Ok(losses)
    }

    /// Makes an attempt whose outcome is written the run's result. Returns false, and removes the attempt,
    /// where another was first.
    ///
    /// # Errors
    /// When the rename fails for another reason.
    pub fn publish(&self, id: &RunId, attempt: &AttemptFolder) -> Result<bool, StoreError> {
        let result = self.result_folder(id);
        let _ = fs::remove_file(attempt.checkpoint_path());
        let _ = fs::remove_file(attempt.alive_path());
        let published = match fs::rename(attempt.path(), &result) {
            Ok(()) => true,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                ) =>
            {
                // What lies there may say nothing of the run.
                if let Published::Damaged(_) = self.published(id)? {
                    self.set_aside(id)?;
                    return self.publish(id, attempt);
                }
                let _ = fs::remove_dir_all(attempt.path());
                false
            }
            // A network filesystem may do what it is asked, lose the answer, and refuse when asked again.
            Err(_) if self.outcome(id)?.is_some() => true,
            Err(error) => return Err(error).at("publish a result as", &result),
        };
        sync_folder(&self.run_folder(id));
        self.clear_dead_attempts(id);
        Ok(published)
    }

    /// Removes what dead attempts at a finished run left behind; their checkpoints can be large.
    fn clear_dead_attempts(&self, id: &RunId) {
        for attempt in self.attempts(id).unwrap_or_default() {
            if !attempt.is_alive() {
                let _ = fs::remove_dir_all(attempt.path());
            }
        }
        let _ = fs::remove_dir(self.run_folder(id).join("attempts"));
    }

    /// What is recorded of every run of a plan.
    ///
    /// # Errors
    /// When a folder cannot be read. A run whose result is damaged counts as not done.
    pub fn results(&self, plan: Plan) -> Result<Results, StoreError> {
        let runs = plan.runs.par_iter().map(|run| self.recorded(run)).collect::<Result<_, _>>()?;
        Ok(Results { plan, runs })
    }

    fn recorded(&self, planned: &PlannedRun) -> Result<RecordedRun, StoreError> {
        let id = &planned.id;
        let (mut outcome, mut events) = self.published(id)?.intact().unzip();
        let attempts = self.attempts(id)?;
        let mut failures: Vec<Outcome> = attempts.iter().filter_map(AttemptFolder::outcome).collect();
        if outcome.is_none() {
            let latest = attempts.last();
            events = latest.map(AttemptFolder::readable_events);
            // How the latest attempt ended is how the run ended, unless it is still under way.
            if latest.is_some_and(|attempt| attempt.outcome().is_some()) {
                outcome = failures.pop();
            }
        }
        Ok(RecordedRun { planned: planned.clone(), outcome, failures, events: events.unwrap_or_default() })
    }

    /// Where the plan of a suite is stored.
    pub fn plan_path(&self, suite: &str) -> PathBuf {
        self.root.join("plans").join(format!("{suite}.json"))
    }

    /// Stores a plan, so that reports need no suite file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_plan(&self, plan: &Plan) -> Result<(), StoreError> {
        let path = self.plan_path(&plan.name);
        let text = serde_json::to_vec(plan).expect("a plan is plain data");
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).at("create", folder)?;
        }
        write_atomically(&path, &text)
    }

    /// The stored plan of a suite.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read_plan(&self, suite: &str) -> Result<Plan, StoreError> {
        let path = self.plan_path(suite);
        let plan: Plan = read_json(&path, "plan")?;
        if plan.format == PLAN_FORMAT {
            return Ok(plan);
        }
        let reason = format!("it has format {}, this program reads format {PLAN_FORMAT}", plan.format);
        Err(StoreError::Corrupt { path, what: "plan", reason })
    }
}

/// A result whose every file can be read, and is about the run `id`.
fn read_result(folder: &Path, id: &RunId) -> Result<(Outcome, Vec<Event>), StoreError> {
    let outcome = read_outcome(folder)?;
    let path = folder.join("spec.json");
    let spec: RunSpec = read_json(&path, "run description")?;
    // The id is a digest of the whole description, its format included.
    if outcome.id != *id || spec.id() != *id {
        return Err(StoreError::Corrupt {
            path,
            what: "run description",
            reason: format!("it is not {id}'s"),
        });
    }
    let path = folder.join("events.jsonl");
    let events = read_events(&path)?;
    // A run that completed has told of every epoch.
    let told =
        |wanted| events.iter().any(|event| matches!(event, Event::Epoch(epoch) if epoch.epoch == wanted));
    let untold = (0..=spec.training.epochs).find(|epoch| !told(*epoch));
    if let Some(epoch) = untold.filter(|_| outcome.state == State::Completed) {
        let reason = format!("epoch {epoch} is not in it");
        return Err(StoreError::Corrupt { path, what: "file of events", reason });
    }
    Ok((outcome, events))
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::{record::Resources, suite};

    /// The results folder of a suite of one run, and the run.
    pub fn one_run(folder: &Path) -> (Store, PlannedRun) {
        let path = folder.join("one.yaml");
        let text = "{name: one, description: One run., datasets: {digits: {}}, architectures: {mlp: {mlp: {hidden: [4]}}}, \
                    algorithms: {bp: {}}, training: {epochs: 9, batch_size: 32, optimizer: {sgd: {learning_rate: 0.1}}}}";
        fs::write(&path, text).unwrap();
        let plan = suite::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
        (Store::new(folder.join("results")), plan.runs[0].clone())
    }

    /// An attempt that came as far as `epoch` and then died.
    fn dies(store: &Store, spec: &RunSpec, epoch: u32) -> AttemptFolder {
        let attempt = store.begin(spec).unwrap();
        let line = |epoch| {
            format!(
                "{{\"event\":\"epoch\",\"epoch\":{epoch},\"samples_seen\":0,\"train\":null,\"validation\":null,\
                 \"test_during_training\":null,\"learning_rate\":0.1,\"timing\":{{\"train_seconds\":0.0,\
                 \"evaluation_seconds\":0.0,\"diagnostics_seconds\":0.0}}}}\n"
            )
        };
        let events: String = (0..=epoch).map(line).collect();
        fs::write(attempt.path().join("events.jsonl"), events).unwrap();
        attempt
    }

    #[test]
    fn losses_are_counted_while_a_run_gets_no_further() {
        let folder = tempfile::tempdir().unwrap();
        let (store, PlannedRun { id, spec, .. }) = one_run(folder.path());
        let losses = |since| store.losses(&id, since).unwrap();
        assert_eq!(losses(0), 0);
        dies(&store, &spec, 2);
        assert_eq!(losses(0), 1);
        dies(&store, &spec, 2);
        dies(&store, &spec, 1);
        assert_eq!(losses(0), 3);
        dies(&store, &spec, 5);
        assert_eq!(losses(0), 1, "it got further, so its deaths are not its own doing");
        dies(&store, &spec, 5).mark_stopped().unwrap();
        assert_eq!(losses(0), 1, "it was told to stop");
        assert_eq!(losses(5), 0, "somebody has asked for it anew");
        let outcome = Outcome {
            format: super::super::event::RECORD_FORMAT,
            id: id.clone(),
            state: State::Failed,
            reason: None,
            result: None,
            resources: Resources::default(),
            provenance: crate::provenance::of_the_program(),
        };
        dies(&store, &spec, 5).write_outcome(&outcome).unwrap();
        assert_eq!(losses(0), 1, "a failure is no loss");
    }

    #[test]
    fn attempts_follow_each_other_by_number_whatever_the_clocks_say() {
        let folder = tempfile::tempdir().unwrap();
        let (store, PlannedRun { spec, .. }) = one_run(folder.path());
        let first = dies(&store, &spec, 4);
        // As if its machine's clock were a hundred years ahead.
        let name = first.path().file_name().unwrap().to_string_lossy().replacen("-20", "-21", 1);
        fs::rename(first.path(), first.path().with_file_name(name)).unwrap();
        dies(&store, &spec, 1);
        let attempts = store.attempts(&spec.id()).unwrap();
        assert_eq!(attempts.iter().map(AttemptFolder::ordinal).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(attempts[1].last_epoch(), Some(1));
    }
}
