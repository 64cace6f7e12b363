//! What a report, a status and an export are made from: a plan, and what its runs have left behind.

use super::{
    event::{Epoch, Event, Started},
    outcome::{Outcome, RunResult, State},
};
use crate::plan::{Plan, PlannedRun};

/// A planned run and what is recorded of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedRun {
    /// The run as planned.
    pub planned: PlannedRun,
    /// How it ended; `None` while no attempt has ended it.
    pub outcome: Option<Outcome>,
    /// Attempts that ended in an infrastructure fault or an error, oldest first.
    pub failures: Vec<Outcome>,
    /// What the attempt behind `outcome` said, or the latest one.
    pub events: Vec<Event>,
}

impl RecordedRun {
    /// The state in which it ended; `None` while it has not.
    pub fn state(&self) -> Option<State> {
        self.outcome.as_ref().map(|outcome| outcome.state)
    }

    /// Its figures, where it completed.
    pub fn result(&self) -> Option<&RunResult> {
        let outcome = self.outcome.as_ref().filter(|outcome| outcome.state == State::Completed)?;
        outcome.result.as_ref()
    }

    /// Its epochs in order. Of an epoch told twice, by an attempt and by the one that resumed it, the later counts.
    pub fn epochs(&self) -> Vec<&Epoch> {
        let mut epochs = std::collections::BTreeMap::new();
        for event in &self.events {
            if let Event::Epoch(epoch) = event {
                epochs.insert(epoch.epoch, epoch);
            }
        }
        epochs.into_values().collect()
    }

    /// What it said when its training began.
    pub fn started(&self) -> Option<&Started> {
        self.events.iter().find_map(|event| match event {
            Event::Started(started) => Some(started),
            _ => None,
        })
    }
}

/// A plan and what is recorded of each of its runs, in the order of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// The plan.
    pub plan: Plan,
    /// Its runs.
    pub runs: Vec<RecordedRun>,
}

impl Results {
    /// How many runs ended in `state`.
    pub fn count(&self, state: State) -> usize {
        self.runs.iter().filter(|run| run.state() == Some(state)).count()
    }

    /// How many runs have told what their description comes to: completed or diverged.
    pub fn done(&self) -> usize {
        self.runs.iter().filter(|run| run.state().is_some_and(State::is_result)).count()
    }
}
