//! What became of a run that no task has any more and that has no result: Slurm's word for it, as far as it has one, and
//! whether to try again.
//!
//! | Slurm says | the run is |
//! |---|---|
//! | `TIMEOUT`, `DEADLINE` | tried again if it left a checkpoint, else `timed-out` |
//! | `OUT_OF_MEMORY`, or it logged that the memory limit was exceeded | `out-of-memory` |
//! | `CANCELLED` | as it was: somebody wanted so |
//! | an exit code after the run began | `failed`: it could not record why it ended |
//! | an exit code before it began | `lost`: the node is at fault, or the program's installation there |
//! | `NODE_FAIL`, `BOOT_FAIL`, `PREEMPTED`, killed, or nothing | `lost` |
//!
//! What is lost is tried again, elsewhere if there is anywhere else, up to `execution.retries` times in a row.

use super::{commands::Ending, submission::Assigned};
use crate::{
    provenance,
    record::{AttemptFolder, Outcome, Resources, State, Store, StoreError, event::RECORD_FORMAT},
};
use std::path::Path;

/// What to do about a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Hand it over again.
    Again {
        /// Why.
        reason: String,
        /// Whether it was lost, so that another node is to be preferred.
        lost: bool,
    },
    /// It has ended in this state.
    Final(Box<Outcome>),
    /// Somebody cancelled its task.
    Cancelled,
}

/// Decides, and records what is to be recorded, so that whoever looks later comes to the same.
///
/// # Errors
/// When the results folder cannot be read or written.
pub fn judge(
    store: &Store,
    assigned: &Assigned,
    retries: u32,
    ending: Option<&Ending>,
    log: &str,
) -> Result<Verdict, StoreError> {
    let id = &assigned.run.id;
    let attempts = store.attempts(id)?;
    let last = attempts.last().filter(|attempt| attempt.ordinal() > assigned.since);
    if let Some((attempt, mut outcome)) = last.and_then(|last| Some((last, last.outcome()?))) {
        let reason = outcome.reason.clone().unwrap_or_default();
        // Where a control group ends the run alone, its task has seen a signal and no more.
        let out_of_memory =
            ending.is_some_and(|ending| ending.state == "OUT_OF_MEMORY") || exceeded_memory(log);
        if outcome.state == State::Lost && reason.contains("signal 9") && out_of_memory {
            outcome.state = State::OutOfMemory;
            outcome.reason =
                Some(format!("Slurm: memory limit exceeded; {reason}; `engine.slurm.memory` asks for more"));
            attempt.write_outcome(&outcome)?;
        }
        if outcome.state == State::Lost && store.losses(id, assigned.since)? <= retries {
            return Ok(Verdict::Again { reason, lost: true });
        }
        return Ok(Verdict::Final(Box::new(outcome)));
    }
    if ending.is_some_and(|ending| ending.state.starts_with("CANCELLED")) {
        return Ok(Verdict::Cancelled);
    }
    if last.is_some_and(AttemptFolder::is_stopped) {
        return Ok(Verdict::Again { reason: "it was stopped after a checkpoint".to_owned(), lost: false });
    }
    let (state, reason) = diagnose(ending, log, Reached::of(last));
    let outcome = outcome(assigned, state, reason.clone());
    let attempt = match last {
        Some(attempt) => attempt.clone(),
        None => store.begin(&assigned.run.spec)?,
    };
    attempt.write_outcome(&outcome)?;
    if state == State::Lost && store.losses(id, assigned.since)? <= retries {
        return Ok(Verdict::Again { reason, lost: true });
    }
    Ok(Verdict::Final(Box::new(outcome)))
}

/// An outcome that nobody was there to write.
pub fn outcome(assigned: &Assigned, state: State, reason: String) -> Outcome {
    Outcome {
        format: RECORD_FORMAT,
        id: assigned.run.id.clone(),
        state,
        reason: Some(reason),
        result: None,
        resources: Resources::default(),
        provenance: provenance::of_the_program(),
    }
}

/// How far a run had come that nobody was there to tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// Its task ended before it.
    Nothing,
    /// It had begun.
    Beginning,
    /// It left a checkpoint.
    Checkpoint,
}

impl Reached {
    /// By the latest attempt at it.
    pub fn of(last: Option<&AttemptFolder>) -> Self {
        match last {
            None => Self::Nothing,
            Some(last) if last.checkpoint_path().exists() => Self::Checkpoint,
            Some(_) => Self::Beginning,
        }
    }
}

/// State and reason, by Slurm's word and the end of the task's log.
pub fn diagnose(ending: Option<&Ending>, log: &str, reached: Reached) -> (State, String) {
    let words = last_words(log);
    let words = words.map(|words| format!("; its last words: {words}")).unwrap_or_default();
    let Some(Ending { state, exit_code, node, time_limit, reason }) = ending else {
        return (State::Lost, format!("its task has left Slurm's queue without a trace{words}"));
    };
    let on = if node.is_empty() { String::new() } else { format!(" on {node}") };
    if state == "OUT_OF_MEMORY" || exceeded_memory(log) {
        return (
            State::OutOfMemory,
            format!("Slurm: {state}{on}, memory limit exceeded{words}; `engine.slurm.memory` asks for more"),
        );
    }
    match state.as_str() {
        "TIMEOUT" | "DEADLINE" if reached == Reached::Checkpoint => {
            (State::Lost, format!("Slurm: {state}{on}, after {time_limit}; it left a checkpoint"))
        }
        "TIMEOUT" | "DEADLINE" => (State::TimedOut, format!("Slurm: {state}{on}, after {time_limit}")),
        "FAILED" | "COMPLETED" if !exit_code.ends_with(":0") => {
            let signal = exit_code.rsplit(':').next().unwrap_or_default();
            (State::Lost, format!("Slurm: {state}{on}, ended by signal {signal}{words}"))
        }
        "FAILED" => {
            let code = exit_code.split(':').next().unwrap_or_default();
            let state_of_run = if reached == Reached::Nothing { State::Lost } else { State::Failed };
            (state_of_run, format!("Slurm: {state}{on}, exit code {code}{words}"))
        }
        _ => {
            let because =
                if reason.is_empty() || reason == "None" { String::new() } else { format!(" ({reason})") };
            (State::Lost, format!("Slurm: {state}{because}{on}{words}"))
        }
    }
}

/// Whether Slurm's own lines in a log say that a limit of memory ended the task.
fn exceeded_memory(log: &str) -> bool {
    let of_slurm = log.lines().filter(|line| line.starts_with("slurmstepd"));
    of_slurm.map(str::to_lowercase).any(|line| {
        line.contains("oom-kill")
            || line.contains("oom_kill")
            || line.contains("exceeded memory limit")
            || line.contains("exceeded job memory limit")
    })
}

fn last_words(log: &str) -> Option<&str> {
    let told =
        log.lines().rev().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("slurmstepd"));
    told.or_else(|| log.lines().rev().map(str::trim).find(|line| !line.is_empty()))
}

/// The end of a log; nothing where there is none. Logs of tasks that were queued again and again grow long.
pub fn tail(path: &Path) -> String {
    use std::io::{Read, Seek, SeekFrom};
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(8192)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Assigned, Ending, Reached, State, Verdict, diagnose, judge};
    use crate::record::{Store, store::tests::one_run};

    fn ending(state: &str, exit_code: &str) -> Ending {
        Ending {
            state: state.into(),
            exit_code: exit_code.into(),
            node: "node3".into(),
            reason: "None".into(),
            time_limit: "00:10:00".into(),
        }
    }

    fn assigned(folder: &tempfile::TempDir) -> (Store, Assigned) {
        let (store, run) = one_run(folder.path());
        (store, Assigned { run, since: 0 })
    }

    #[test]
    fn what_is_lost_before_it_begins_is_tried_again_so_often_and_then_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (store, assigned) = assigned(&folder);
        let lost =
            || judge(&store, &assigned, 2, Some(&ending("NODE_FAIL", "0:0")), "").expect("it can be judged");
        let reason = "Slurm: NODE_FAIL on node3".to_owned();
        assert_eq!(lost(), Verdict::Again { reason, lost: true });
        // Another task has left no attempt of its own: what is recorded of the one before is judged again.
        let begin = || drop(store.begin(&assigned.run.spec).expect("an attempt begins"));
        begin();
        assert!(matches!(lost(), Verdict::Again { .. }));
        begin();
        let Verdict::Final(outcome) = lost() else { panic!("it was tried too often") };
        assert_eq!(outcome.state, State::Lost);
        assert_eq!(lost(), Verdict::Final(outcome), "who looks later comes to the same");
    }

    #[test]
    fn what_was_cancelled_or_told_to_stop_is_no_loss() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (store, assigned) = assigned(&folder);
        let attempt = store.begin(&assigned.run.spec).expect("an attempt begins");
        attempt.mark_stopped().expect("it can be marked");
        let judged = |state: &str| judge(&store, &assigned, 0, Some(&ending(state, "0:15")), "");
        assert_eq!(judged("CANCELLED").expect("it can be judged"), Verdict::Cancelled);
        assert!(matches!(judged("FAILED").expect("it can be judged"), Verdict::Again { lost: false, .. }));
        assert_eq!(attempt.outcome(), None);
    }

    #[test]
    fn slurms_word_tells_the_state_and_is_passed_on() {
        let killed_by_the_kernel = "slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch. Some of the step tasks have \
                                    been OOM Killed.\n";
        for (state, exit_code, log, reached, expected, words) in [
            (
                "TIMEOUT",
                "0:15",
                "",
                Reached::Beginning,
                State::TimedOut,
                "Slurm: TIMEOUT on node3, after 00:10:00",
            ),
            (
                "TIMEOUT",
                "0:15",
                "",
                Reached::Checkpoint,
                State::Lost,
                "Slurm: TIMEOUT on node3, after 00:10:00; it left a checkpoint",
            ),
            (
                "OUT_OF_MEMORY",
                "0:125",
                "",
                Reached::Checkpoint,
                State::OutOfMemory,
                "Slurm: OUT_OF_MEMORY on node3, memory limit exceeded; `engine.slurm.memory` asks for more",
            ),
            ("NODE_FAIL", "0:0", "", Reached::Checkpoint, State::Lost, "Slurm: NODE_FAIL on node3"),
            (
                "FAILED",
                "0:9",
                "",
                Reached::Beginning,
                State::Lost,
                "Slurm: FAILED on node3, ended by signal 9",
            ),
            (
                "FAILED",
                "127:0",
                "apical: error while loading shared libraries: libc10.so\n\n",
                Reached::Beginning,
                State::Failed,
                "Slurm: FAILED on node3, exit code 127; its last words: apical: error while loading shared libraries: libc10.so",
            ),
        ] {
            assert_eq!(diagnose(Some(&ending(state, exit_code)), log, reached), (expected, words.to_owned()));
        }
        let (state, _) = diagnose(Some(&ending("FAILED", "0:9")), killed_by_the_kernel, Reached::Beginning);
        assert_eq!(state, State::OutOfMemory);
        let (state, _) = diagnose(Some(&ending("FAILED", "127:0")), "", Reached::Nothing);
        assert_eq!(state, State::Lost, "a node on which nothing begins is at fault itself");
        assert_eq!(diagnose(None, "", Reached::Nothing).0, State::Lost);
    }
}
