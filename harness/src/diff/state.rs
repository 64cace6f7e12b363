//! Whether the runs of a cell end as they used to: one that completed and now diverges or fails is a regression, whatever
//! the figures of the others.

use super::{pairing::CellPair, verdict::Verdict};
use crate::record::{RecordedRun, State};
use serde::Serialize;
use std::collections::BTreeMap;

/// How the runs of a cell ended, before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StateChange {
    /// Worse where a run no longer gives what it gave, better where it gives more.
    pub verdict: Verdict,
    /// How many ended how before, of the seeds in both; `not-run` where there is no outcome.
    pub before: BTreeMap<&'static str, usize>,
    /// The same after.
    pub after: BTreeMap<&'static str, usize>,
    /// The runs that ended otherwise than before.
    pub changed: Vec<SeedChange>,
}

/// A run that ended otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeedChange {
    /// Its seed.
    pub seed: u64,
    /// How it ended before.
    pub before: &'static str,
    /// How it ended after.
    pub after: &'static str,
    /// Why, in the words of the outcome after.
    pub reason: Option<String>,
}

/// As files and exports say it.
fn name(run: &RecordedRun) -> &'static str {
    run.state().map_or("not-run", State::name)
}

/// How much a run gives: figures, the news that it diverges, nothing.
fn worth(state: State) -> u8 {
    match state {
        State::Completed => 2,
        State::Diverged => 1,
        State::Failed | State::TimedOut | State::OutOfMemory | State::Lost => 0,
    }
}

pub(super) fn compare(pair: &CellPair<'_>) -> StateChange {
    let mut change = StateChange {
        verdict: Verdict::NotComparable,
        before: BTreeMap::new(),
        after: BTreeMap::new(),
        changed: Vec::new(),
    };
    let mut parts = Vec::new();
    for run in &pair.runs {
        let (before, after) = (name(run.before), name(run.after));
        *change.before.entry(before).or_default() += 1;
        *change.after.entry(after).or_default() += 1;
        if before != after {
            let reason = run.after.outcome.as_ref().and_then(|outcome| outcome.reason.clone());
            change.changed.push(SeedChange { seed: run.seed, before, after, reason });
        }
        // A run that has not ended says nothing yet.
        if let (Some(before), Some(after)) = (run.before.state(), run.after.state()) {
            parts.push(match worth(after).cmp(&worth(before)) {
                std::cmp::Ordering::Less => Verdict::Worse,
                std::cmp::Ordering::Equal => Verdict::Unchanged,
                std::cmp::Ordering::Greater => Verdict::Better,
            });
        }
    }
    change.verdict = Verdict::of_parts(&parts);
    change
}
