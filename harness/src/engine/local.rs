//! Runs on this machine: a process each, so many at once.
//!
//! A process of its own gives each run a deterministic generator (`LibTorch` has one per process), honest
//! memory figures, and isolation: a crash, a kill or exhausted memory costs one attempt at one run.

use super::{Notice, Watcher};
use crate::{
    memory,
    plan::PlannedRun,
    provenance,
    record::{AttemptFolder, Event, Outcome, Resources, Standing, State, Store, event::RECORD_FORMAT},
};
use anyhow::{Context, Result};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};
use tch::Device;

/// How often a run under way is looked at for a time limit or a wish to stop.
const TICK: Duration = Duration::from_millis(100);

/// How runs are computed here.
#[derive(Debug)]
pub struct LocalEngine {
    /// The results folder.
    pub store: Store,
    /// This program, which computes a run when called as `apical exec`.
    pub program: PathBuf,
    /// A folder of data sets that the user named.
    pub data: Option<PathBuf>,
    /// What runs compute on.
    pub device: Device,
    /// Runs at once.
    pub jobs: usize,
    /// `LibTorch` threads of each run.
    pub threads: u32,
    /// After how long a run is stopped.
    pub timeout: Option<Duration>,
    /// How often a lost run is tried again.
    pub retries: u32,
    /// Least time between a run's checkpoints.
    pub checkpoint_interval: Duration,
    /// Whether no further run is begun once one has no result.
    pub fail_fast: bool,
    /// Whether a run that another process seems to be computing is waited for; else it is computed twice, and the first to finish
    /// counts.
    pub waits_for_others: bool,
    /// How long a run that is to stop may take to come to a checkpoint; it is killed at once where that is no time.
    pub grace: Duration,
}

/// How an attempt's process ended.
enum End {
    Exited(ExitStatus),
    TimedOut,
    Stopped,
}

impl LocalEngine {
    /// Computes every run that has no result yet. `stop` ends the runs under way and begins no other.
    ///
    /// # Errors
    /// When the results folder or a process cannot be used; runs under way end first.
    pub fn run(&self, runs: &[&PlannedRun], stop: &AtomicBool, watcher: &dyn Watcher) -> Result<()> {
        let error: Mutex<Option<anyhow::Error>> = Mutex::new(None);
        let halt = AtomicBool::new(false);
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(self.jobs).build().context("cannot start threads")?;
        pool.scope_fifo(|scope| {
            for run in runs {
                let (error, halt) = (&error, &halt);
                scope.spawn_fifo(move |_| {
                    if halt.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed) {
                        return;
                    }
                    match self.complete(run, stop, watcher) {
                        Ok(Some(state)) if self.fail_fast && !state.is_result() => {
                            halt.store(true, Ordering::Relaxed);
                        }
                        Ok(_) => {}
                        Err(reason) => {
                            halt.store(true, Ordering::Relaxed);
                            if let Ok(mut error) = error.lock() {
                                error.get_or_insert(reason);
                            }
                        }
                    }
                });
            }
        });
        error.into_inner().ok().flatten().map_or(Ok(()), Err)
    }

    /// Tries a run until it ends in a state other than lost, or too often. Nothing means that it was stopped.
    fn complete(&self, run: &PlannedRun, stop: &AtomicBool, watcher: &dyn Watcher) -> Result<Option<State>> {
        let mut tries = 0;
        loop {
            if let Some(outcome) = self.wait_for_another(run, stop)? {
                watcher.notice(&Notice::Ended(run, &outcome));
                return Ok(Some(outcome.state));
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let Some(outcome) = self.attempt(run, stop, watcher)? else {
                watcher.notice(&Notice::Stopped(run));
                return Ok(None);
            };
            tries += 1;
            if outcome.state == State::Lost && tries <= self.retries {
                watcher.notice(&Notice::Retrying(run, &outcome));
                continue;
            }
            watcher.notice(&Notice::Ended(run, &outcome));
            return Ok(Some(outcome.state));
        }
    }

    /// Where another process of this machine is computing the run, waits for it; its result, if it has one.
    fn wait_for_another(&self, run: &PlannedRun, stop: &AtomicBool) -> Result<Option<Outcome>> {
        loop {
            self.store.repair(&run.id)?;
            match self.store.standing(&run.id)? {
                Standing::Done(outcome) => return Ok(Some(*outcome)),
                Standing::Running if self.waits_for_others && !stop.load(Ordering::Relaxed) => {
                    std::thread::sleep(TICK);
                }
                _ => return Ok(None),
            }
        }
    }

    /// One attempt at a run. Nothing means that it was stopped.
    fn attempt(&self, run: &PlannedRun, stop: &AtomicBool, watcher: &dyn Watcher) -> Result<Option<Outcome>> {
        let attempt = self.store.begin(&run.spec)?;
        let out_of_memory_kills = memory::kills();
        let mut child = self.start(&attempt)?;
        watcher.notice(&Notice::Began(run));
        let end = self.follow(&mut child, run, stop, watcher)?;
        if matches!(end, End::Stopped) || attempt.is_stopped() {
            return Ok(None);
        }
        // What it published or wrote counts, also where its time was up while it did.
        if let Some(outcome) = self.store.outcome(&run.id)?.or_else(|| attempt.outcome()) {
            return Ok(Some(outcome));
        }
        let (state, reason) = match end {
            End::Stopped => return Ok(None),
            End::TimedOut => {
                let limit = self.timeout.unwrap_or_default().as_secs_f64();
                (State::TimedOut, format!("it was stopped at its time limit of {limit} s"))
            }
            End::Exited(status) => describe_death(status, &attempt, memory::kills() > out_of_memory_kills),
        };
        let outcome = Outcome {
            format: RECORD_FORMAT,
            id: run.id.clone(),
            state,
            reason: Some(reason),
            result: None,
            resources: Resources::default(),
            provenance: provenance::here(self.device, self.threads),
        };
        attempt.write_outcome(&outcome)?;
        Ok(Some(outcome))
    }

    fn start(&self, attempt: &AttemptFolder) -> Result<Child> {
        let log_path = attempt.path().join("log.txt");
        let log = File::create(&log_path).with_context(|| format!("cannot create {}", log_path.display()))?;
        let mut command = Command::new(&self.program);
        command
            .arg("exec")
            .arg("--results")
            .arg(self.store.root())
            .arg("--attempt")
            .arg(attempt.path())
            .args(["--device", &provenance::device_name(self.device)])
            .args(["--threads", &self.threads.to_string()])
            .args(["--checkpoint-seconds", &self.checkpoint_interval.as_secs_f64().to_string()])
            .arg("--end-with-parent")
            .env("OMP_NUM_THREADS", self.threads.to_string())
            .env("MKL_NUM_THREADS", self.threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C is for the parent, which stops its children itself.
            .process_group(0);
        if let Some(data) = &self.data {
            command.arg("--data").arg(data);
        }
        command.spawn().with_context(|| format!("cannot start {}", self.program.display()))
    }

    /// Passes on what the process says until it ends, its time is up, or it is to stop.
    fn follow(
        &self,
        child: &mut Child,
        run: &PlannedRun,
        stop: &AtomicBool,
        watcher: &dyn Watcher,
    ) -> Result<End> {
        let started = Instant::now();
        let (sender, events) = mpsc::channel();
        let output = child.stdout.take().context("the process has no standard output")?;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if let Ok(event) = serde_json::from_str::<Event>(&line) {
                        let _ = sender.send(event);
                    }
                }
            });
            let mut end = None;
            let mut last_call: Option<Instant> = None;
            loop {
                match events.recv_timeout(TICK) {
                    Ok(event) => watcher.notice(&Notice::Event(run, &event)),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                let reason = if stop.load(Ordering::Relaxed) {
                    Some(End::Stopped)
                } else if self.timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
                    Some(End::TimedOut)
                } else {
                    None
                };
                if end.is_none() && reason.is_some() {
                    end = reason;
                    last_call = Some(Instant::now());
                    if matches!(end, Some(End::Stopped)) && !self.grace.is_zero() {
                        let _ = signal::kill(Pid::from_raw(child.id() as i32), Signal::SIGUSR1);
                    }
                }
                let grace = if matches!(end, Some(End::Stopped)) { self.grace } else { Duration::ZERO };
                if last_call.is_some_and(|at| at.elapsed() >= grace) {
                    // Whatever it had recorded is on the disk already.
                    let _ = child.kill();
                }
            }
            let status = child.wait().context("cannot wait for a process")?;
            // Whoever stops this process may have told the child too, and it may have been quicker.
            let by_itself = if stop.load(Ordering::Relaxed) { End::Stopped } else { End::Exited(status) };
            Ok(end.unwrap_or(by_itself))
        })
    }
}

/// What became of a process that left no outcome.
fn describe_death(status: ExitStatus, attempt: &AttemptFolder, memory_ran_out: bool) -> (State, String) {
    let log = fs::read_to_string(attempt.path().join("log.txt")).unwrap_or_default();
    let last_words = log.lines().rev().find(|line| !line.trim().is_empty()).map(str::trim);
    let last_words = last_words.map(|words| format!("; its last words: {words}")).unwrap_or_default();
    match status.signal() {
        Some(9) if memory_ran_out => {
            (State::OutOfMemory, format!("the system killed its process because memory ran out{last_words}"))
        }
        Some(9) => (State::Lost, format!("its process was killed (signal 9){last_words}")),
        Some(signal) => (State::Lost, format!("its process ended by signal {signal}{last_words}")),
        None => (State::Failed, format!("its process ended without an outcome ({status}){last_words}")),
    }
}
