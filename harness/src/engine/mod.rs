//! Engines decide where and when runs are computed, and nothing else: what is done is said by the run
//! directories alone.

pub mod local;
pub mod slurm;

use crate::{
    plan::PlannedRun,
    record::{Event, Outcome},
};

/// What an engine tells whoever watches.
#[derive(Debug)]
pub enum Notice<'a> {
    /// An attempt at a run began.
    Began(&'a PlannedRun),
    /// A run said something.
    Event(&'a PlannedRun, &'a Event),
    /// An attempt was lost and the run is tried again.
    Retrying(&'a PlannedRun, &'a Outcome),
    /// A run ended in this state.
    Ended(&'a PlannedRun, &'a Outcome),
    /// A run was stopped before it ended; it goes on another time.
    Stopped(&'a PlannedRun),
    /// Somebody took a run off the cluster before it ended; it goes on when it is asked for again.
    Cancelled(&'a PlannedRun),
    /// Something about the engine that whoever waits should know.
    Remark(&'a str),
}

/// Somebody who watches an engine, from several threads.
pub trait Watcher: Sync {
    /// Something happened.
    fn notice(&self, notice: &Notice<'_>);
}
