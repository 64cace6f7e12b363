//! One attempt at one run, in a process of its own: load, train, record, publish.
//!
//! The process writes its events into the attempt's folder and, line by line, to its standard output for
//! whoever started it. While its standard input is a pipe held by its parent, it ends when the parent does. Told to stop
//! (SIGUSR1, SIGTERM), it writes a checkpoint after the epoch that it is in, and ends without an outcome.

use crate::{
    data::DataRoot,
    provenance::{self, Usage},
    record::{
        AttemptFolder, Checkpoint, Epoch, Event, Outcome, Resources, RunResult, State, Store,
        attempt::EventLog, event::RECORD_FORMAT,
    },
    spec::{RunId, RunSpec},
    told::told,
    train::{self, Ended, Finished, Observer},
};
use anyhow::{Context, Result};
use std::{
    io::Write,
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tch::Device;

/// What an attempt needs to know beside the run's description.
#[derive(Debug)]
pub struct Assignment {
    /// The results folder.
    pub store: Store,
    /// The attempt's folder, with `spec.json` in it.
    pub attempt: AttemptFolder,
    /// Where data sets lie.
    pub data_root: DataRoot,
    /// What to compute on.
    pub device: Device,
    /// `LibTorch` threads.
    pub threads: u32,
    /// Least time between checkpoints.
    pub checkpoint_interval: Duration,
    /// Raised when it is to stop at its next checkpoint.
    pub stop: Arc<AtomicBool>,
}

/// It was told to stop, and has: no fault of the run.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
struct Stopped {
    /// Whether it left a checkpoint.
    checkpoint: bool,
}

/// Reads an attempt's description.
///
/// # Errors
/// When it cannot be read, or was written by another version.
pub fn read_spec(attempt: &AttemptFolder) -> Result<RunSpec> {
    let path: PathBuf = attempt.path().join("spec.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let spec: RunSpec =
        serde_json::from_str(&text).with_context(|| format!("{} is no run description", path.display()))?;
    anyhow::ensure!(
        spec.format == crate::spec::SPEC_FORMAT,
        "{} has format {}, this program computes format {}",
        path.display(),
        spec.format,
        crate::spec::SPEC_FORMAT
    );
    Ok(spec)
}

/// Computes the run, whatever happens writes an outcome, and publishes it if it is a result. Nothing means that it was told to
/// stop and did.
///
/// # Errors
/// When the outcome cannot be recorded. An error of the run itself is an outcome.
pub fn work(assignment: &Assignment, spec: &RunSpec, events: &mut dyn Write) -> Result<Option<State>> {
    let started = Instant::now();
    let id = spec.id();
    let _alive = assignment.attempt.mark_alive()?;
    tch::set_num_threads(assignment.threads.try_into().unwrap_or(1));
    tch::set_num_interop_threads(1);

    let trained = panic::catch_unwind(AssertUnwindSafe(|| attempt(assignment, spec, &id, events)));
    let trained = trained.unwrap_or_else(|cause| Err(anyhow::anyhow!(panic_message(cause.as_ref()))));
    if let Some(stopped) = trained.as_ref().err().and_then(|error| error.downcast_ref::<Stopped>()) {
        // Without a checkpoint it would go on from nothing, again and again: that counts as a loss.
        if stopped.checkpoint {
            assignment.attempt.mark_stopped()?;
        }
        return Ok(None);
    }
    let outcome = conclude(assignment, &id, started, trained);
    let state = outcome.state;
    assignment.attempt.write_outcome(&outcome)?;
    if state.is_result() {
        assignment.store.publish(&id, &assignment.attempt)?;
    }
    Ok(Some(state))
}

/// What an attempt measured, and how long earlier attempts had taken to where it went on.
struct Trained {
    finished: Finished,
    history: Vec<Epoch>,
}

fn attempt(assignment: &Assignment, spec: &RunSpec, id: &RunId, events: &mut dyn Write) -> Result<Trained> {
    let resumption = find_checkpoint(assignment, spec, id);
    let (checkpoint, history) = match resumption {
        Some((checkpoint, history)) => (Some(checkpoint), history),
        None => (None, Vec::new()),
    };
    let log = assignment.attempt.event_log(&history)?;
    let mut recorder = Recorder {
        assignment,
        log,
        events,
        epochs: history.iter().filter_map(epoch_of).collect(),
        last_checkpoint: Instant::now(),
    };
    let epochs: Vec<Epoch> = recorder.epochs.clone();
    let finished =
        train::train(spec, &assignment.data_root, assignment.device, checkpoint, &epochs, &mut recorder)?;
    recorder.log.sync()?;
    Ok(Trained { finished, history: recorder.epochs })
}

fn epoch_of(event: &Event) -> Option<Epoch> {
    match event {
        Event::Epoch(epoch) => Some(epoch.clone()),
        _ => None,
    }
}

/// The checkpoint of the most advanced earlier attempt, with the events up to its epoch. Damaged ones are
/// passed over: at worst the run starts anew.
fn find_checkpoint(assignment: &Assignment, spec: &RunSpec, id: &RunId) -> Option<(Checkpoint, Vec<Event>)> {
    let canonical = spec.canonical_json();
    let attempts = assignment.store.attempts(id).unwrap_or_default();
    let candidates = attempts.iter().filter(|attempt| attempt.path() != assignment.attempt.path());
    let usable = candidates.filter_map(|attempt| {
        let path = attempt.checkpoint_path();
        if !path.exists() {
            return None;
        }
        let checkpoint = Checkpoint::read(&path, &canonical)
            .inspect_err(|reason| log_line(&format!("{reason}; it is passed over")))
            .ok()?;
        let after = checkpoint.progress.epoch;
        // Events after the checkpoint's epoch will be measured again; a damaged end of the file is among them.
        let mut events = attempt.readable_events();
        events.retain(|event| !matches!(event, Event::Epoch(epoch) if epoch.epoch > after));
        let epochs = events.iter().filter(|event| matches!(event, Event::Epoch(_))).count();
        let complete = epochs == after as usize + 1;
        if !complete {
            log_line(&format!("the events beside {} are incomplete; it is passed over", path.display()));
        }
        complete.then_some((checkpoint, events))
    });
    usable.max_by_key(|(checkpoint, _)| checkpoint.progress.epoch)
}

/// Standard error is the attempt's log.
#[expect(clippy::print_stderr, reason = "standard error is the attempt's log")]
fn log_line(text: &str) {
    eprintln!("{text}");
}

/// Records what a run says.
struct Recorder<'a> {
    assignment: &'a Assignment,
    log: EventLog,
    events: &'a mut dyn Write,
    epochs: Vec<Epoch>,
    last_checkpoint: Instant,
}

impl Recorder<'_> {
    fn is_stopping(&self) -> bool {
        self.assignment.stop.load(Ordering::Relaxed)
    }
}

impl Observer for Recorder<'_> {
    fn event(&mut self, event: Event) -> Result<()> {
        self.log.append(&event)?;
        // A reader that went away is no reason to stop.
        if let Ok(line) = serde_json::to_string(&event) {
            let _ = writeln!(self.events, "{line}").and_then(|()| self.events.flush());
        }
        self.epochs.extend(epoch_of(&event));
        Ok(())
    }

    fn wants_checkpoint(&mut self, _epoch: u32) -> bool {
        self.is_stopping() || self.last_checkpoint.elapsed() >= self.assignment.checkpoint_interval
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        // Training goes on without a checkpoint: it is only worth the time that it would save.
        let written = checkpoint.write(&self.assignment.attempt.checkpoint_path());
        if let Err(reason) = &written {
            log_line(reason);
        }
        self.last_checkpoint = Instant::now();
        if self.is_stopping() { Err(Stopped { checkpoint: written.is_ok() }.into()) } else { Ok(()) }
    }

    fn cpu_seconds(&self) -> f64 {
        Usage::now().cpu_seconds
    }
}

fn conclude(assignment: &Assignment, id: &RunId, started: Instant, trained: Result<Trained>) -> Outcome {
    let usage = Usage::now();
    let mut resources = Resources {
        wall_seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: usage.cpu_seconds,
        peak_memory_bytes: usage.peak_memory_bytes,
        ..Resources::default()
    };
    let (state, reason, result): (State, Option<String>, Option<RunResult>) = match trained {
        Ok(Trained { finished, history }) => {
            resources.wall_seconds += finished.earlier.0;
            resources.cpu_seconds += finished.earlier.1;
            resources.train_seconds = history.iter().map(|epoch| epoch.timing.train_seconds).sum();
            let samples = history.last().map_or(0, |epoch| epoch.samples_seen) as f64;
            if resources.train_seconds > 0.0 {
                resources.samples_per_second = samples / resources.train_seconds;
            }
            match finished.ended {
                Ended::Completed(result) => (State::Completed, None, Some(result)),
                Ended::Diverged(reason) => (State::Diverged, Some(reason), None),
            }
        }
        Err(error) => {
            let whole = told(&error);
            let reason = without_stack(&whole);
            if reason != whole {
                log_line(&whole);
            }
            let state = if is_out_of_memory(&reason) { State::OutOfMemory } else { State::Failed };
            (state, Some(reason), None)
        }
    };
    let provenance = provenance::here(assignment.device, assignment.threads);
    Outcome { format: RECORD_FORMAT, id: id.clone(), state, reason, result, resources, provenance }
}

/// Whether an error is `LibTorch`'s way of saying that memory ran out, on the processor's side or a GPU's.
fn is_out_of_memory(reason: &str) -> bool {
    ["can't allocate memory", "not enough memory", "out of memory", "Cannot allocate memory"]
        .iter()
        .any(|phrase| reason.contains(phrase))
}

fn panic_message(cause: &(dyn std::any::Any + Send)) -> String {
    let text =
        cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("the run panicked without a message");
    without_stack(text)
}

/// `LibTorch` appends advice to its developers and its C++ stack to what it says, which belong in the log and not in a report.
fn without_stack(text: &str) -> String {
    // Its messages come as they are, or quoted within another.
    let follows =
        ["Exception raised from", "frame #0", "Search for `cudaError", "CUDA kernel errors might be"];
    let end_by = |words: &str| {
        [format!("\n{words}"), format!("\\n{words}")].iter().filter_map(|mark| text.find(mark.as_str())).min()
    };
    let end = follows.iter().filter_map(|words| end_by(words)).min().unwrap_or(text.len());
    text[..end].trim().to_owned()
}

/// Ends this process as soon as whoever holds the other end of its standard input is gone.
pub fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        // Nobody waits for this run any more. An orderly exit would take LibTorch down under the thread that computes, and
        // that thread would record the fault as the run's own.
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
    });
}

#[cfg(test)]
mod tests {
    use super::{is_out_of_memory, without_stack};

    #[test]
    fn a_reason_is_what_libtorch_says_and_not_where_in_its_code() {
        let said = "CUDA out of memory. Tried to allocate 96.00 MiB. GPU 0 has a total capacity of 139.80 GiB of which \
                    38.88 MiB is free.";
        let stack =
            "Exception raised from malloc at CUDACachingAllocator.cpp:1508\nframe #0: c10::Error::Error()";
        assert_eq!(without_stack(&format!("{said}\n{stack}")), said);
        let quoted = format!("{:?}", format!("{said}\n{stack}"));
        assert_eq!(without_stack(&quoted), format!("\"{said}"));
        let advice = "CUDA kernel errors might be asynchronously reported at some other API call";
        assert_eq!(
            without_stack(&format!("CUDA error: out of memory\n{advice}")),
            "CUDA error: out of memory"
        );
        assert_eq!(without_stack("the disk is full"), "the disk is full");
        assert!(is_out_of_memory(said) && !is_out_of_memory("the disk is full"));
    }
}
