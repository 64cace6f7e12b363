//! What a terminal shows while data is fetched and runs are computed; plain lines where there is none.

use super::output::{count, duration, figure, thousands};
use crate::{
    data::Progress,
    engine::{Notice, Watcher},
    plan::PlannedRun,
    record::{Epoch, Event, Outcome},
    spec::RunId,
};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{IsTerminal, Write, stderr},
    sync::Mutex,
    time::{Duration, Instant},
};

/// Time between two lines about images, where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

/// The course of a suite's runs: counts, the runs under way with their epochs, and the time left.
pub struct RunProgress {
    bars: MultiProgress,
    total: ProgressBar,
    is_terminal: bool,
    jobs: usize,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ended: usize,
    without_result: usize,
    /// Wall time of the runs that ended, for the time left.
    seconds: f64,
    running: BTreeMap<RunId, (ProgressBar, u32)>,
}

impl RunProgress {
    /// For so many runs, so many at once.
    pub fn new(runs: usize, jobs: usize) -> Self {
        let bars = MultiProgress::new();
        let total = bars.add(ProgressBar::new(runs as u64));
        total.set_style(style("{bar:30} {pos}/{len} runs  {msg}"));
        total.enable_steady_tick(Duration::from_millis(500));
        Self {
            bars,
            total,
            is_terminal: stderr().is_terminal(),
            jobs,
            started: Instant::now(),
            state: Mutex::default(),
        }
    }

    /// Clears the bars away.
    pub fn finish(&self) {
        let _ = self.bars.clear();
    }

    fn say(&self, text: &str) {
        if self.is_terminal {
            let _ = self.bars.println(text);
        } else {
            let _ = writeln!(stderr(), "{text}");
        }
    }

    fn ended(&self, state: &mut State, run: &PlannedRun, outcome: &Outcome) {
        if let Some((bar, _)) = state.running.remove(&run.id) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        state.ended += 1;
        state.seconds += outcome.resources.wall_seconds;
        let total = self.total.length().unwrap_or(0) as usize;
        self.total.set_position(state.ended as u64);
        let left = total.saturating_sub(state.ended);
        let mean = self.started.elapsed().as_secs_f64() / state.ended as f64;
        let failures = if state.without_result > 0 {
            format!("{} without a result, ", state.without_result)
        } else {
            String::new()
        };
        self.total.set_message(format!("{failures}about {} left", duration(mean * left as f64)));
        let what = match (&outcome.result, &outcome.reason) {
            (Some(result), _) => format!("test {}", figure(&run.spec.dataset, result.test)),
            (None, Some(reason)) => format!("{}: {reason}", outcome.state),
            (None, None) => outcome.state.to_string(),
        };
        // Of a process that could not tell, how long it took is not known.
        let took = Some(outcome.resources.wall_seconds).filter(|seconds| *seconds > 0.0);
        let took = took.map(|seconds| format!(" ({})", duration(seconds))).unwrap_or_default();
        let digits = total.to_string().len();
        self.say(&format!("[{:>digits$}/{total}] {}: {what}{took}", state.ended, name(run)));
    }
}

impl Watcher for RunProgress {
    fn notice(&self, notice: &Notice<'_>) {
        let Ok(mut state) = self.state.lock() else { return };
        match notice {
            Notice::Began(run) => {
                let bar = self.bars.add(ProgressBar::new(u64::from(run.spec.training.epochs)));
                bar.set_style(style("  {prefix}  epoch {pos}/{len}  {msg}"));
                bar.set_prefix(name(run));
                bar.tick();
                state.running.insert(run.id.clone(), (bar, 0));
            }
            Notice::Event(run, Event::Epoch(epoch)) => {
                if let Some((bar, at)) = state.running.get_mut(&run.id) {
                    *at = epoch.epoch;
                    bar.set_position(u64::from(epoch.epoch));
                    bar.set_message(latest(run, epoch));
                }
            }
            Notice::Event(..) => {}
            Notice::Cancelled(run) => {
                if let Some((bar, _)) = state.running.remove(&run.id) {
                    bar.finish_and_clear();
                }
                self.say(&format!("{}: cancelled", name(run)));
            }
            Notice::Remark(text) => self.say(text),
            Notice::Retrying(run, outcome) => {
                let reason = outcome.reason.as_deref().unwrap_or("no reason is known");
                if let Some((bar, _)) = state.running.remove(&run.id) {
                    bar.finish_and_clear();
                }
                self.say(&format!("{}: lost, tried again: {reason}", name(run)));
            }
            Notice::Ended(run, outcome) => {
                if !outcome.state.is_result() {
                    state.without_result += 1;
                }
                self.ended(&mut state, run, outcome);
            }
            Notice::Stopped(run) => {
                if let Some((bar, epoch)) = state.running.remove(&run.id) {
                    bar.finish_and_clear();
                    self.say(&format!("{}: stopped in epoch {}", name(run), epoch + 1));
                }
            }
        }
    }
}

impl std::fmt::Debug for RunProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunProgress").field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

fn name(run: &PlannedRun) -> String {
    format!("{}, seed {}", run.cell, run.spec.seed)
}

fn latest(run: &PlannedRun, epoch: &Epoch) -> String {
    match (epoch.validation, epoch.train) {
        (Some(metrics), _) => format!("validation {}", figure(&run.spec.dataset, metrics)),
        (None, Some(metrics)) => format!("training {}", figure(&run.spec.dataset, metrics)),
        (None, None) => String::new(),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}

/// Files left out that are named, each on a line.
const SKIPPED_SHOWN: usize = 20;

/// The course of a fetch.
#[derive(Debug)]
pub struct FetchProgress {
    dataset: String,
    bar: ProgressBar,
    is_terminal: bool,
    /// Where there is no terminal, when a line was last written.
    told: Instant,
}

impl FetchProgress {
    /// For this dataset.
    pub fn new(dataset: &str) -> Self {
        let bar = ProgressBar::hidden();
        Self { dataset: dataset.to_owned(), bar, is_terminal: stderr().is_terminal(), told: Instant::now() }
    }

    /// Shows a step.
    pub fn step(&mut self, step: Progress) {
        let dataset = &self.dataset;
        match step {
            Progress::Bytes { file, done, total } => {
                if !self.is_terminal {
                    return;
                }
                if self.bar.is_hidden() {
                    self.bar = ProgressBar::new(total.unwrap_or(0));
                    self.bar.set_style(style("  {msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}"));
                }
                self.bar.set_length(total.unwrap_or(done));
                self.bar.set_message(file);
                self.bar.set_position(done);
            }
            Progress::Trying { source } => self.say(&format!("{dataset}: trying {source}")),
            Progress::Retrying { file, reason, wait } => {
                let wait = duration(wait.as_secs_f64());
                self.say(&format!("{dataset}: {file}: {reason}; again in {wait}"));
            }
            Progress::Rejected { aside, reason } => {
                self.say(&format!("{dataset}: {reason}; the file is kept as {}", aside.display()));
            }
            Progress::Failed { source, reason } => self.say(&format!("{dataset}: {source}: {reason}")),
            Progress::Waiting => self.say(&format!("{dataset}: another process is preparing it; waiting")),
            Progress::Stored { file, source } => {
                self.say(&format!("{dataset}: {file} verified, from {source}"));
            }
            Progress::Unpacking { archive, done, total } => {
                self.images(&format!("unpacking {archive}"), done, total);
            }
            Progress::Images { done, total, skipped } => {
                let unreadable = if skipped > 0 { format!(", {skipped} unreadable") } else { String::new() };
                let message = format!("packing {dataset}{unreadable}");
                self.images(&message, done, total);
            }
            Progress::Packed { images, skipped, path } => {
                let mut text = format!("{dataset}: {} packed in {}", count(images, "image"), path.display());
                for skipped in skipped.iter().take(SKIPPED_SHOWN) {
                    let _ = write!(text, "\n  left out: {}: {}", skipped.path, skipped.reason);
                }
                if let more @ 1.. = skipped.len().saturating_sub(SKIPPED_SHOWN) {
                    let list = crate::data::images::pack::list_of_skipped(&path);
                    let _ = write!(text, "\n  … and {more} more, all listed in {}", list.display());
                }
                self.say(&text);
            }
        }
    }

    /// So many images of so many; where there is no terminal, a line now and then.
    fn images(&mut self, message: &str, done: usize, total: usize) {
        const IMAGES: &str = "  {msg} {bar:30} {pos}/{len} images {per_sec} {eta}";
        if !self.is_terminal {
            if self.told.elapsed() >= BETWEEN_LINES {
                self.told = Instant::now();
                self.say(&format!("{message}: {} of {} images", thousands(done), thousands(total)));
            }
            return;
        }
        // The bar of a download before it counts bytes.
        if self.bar.is_hidden() || self.bar.length() != Some(total as u64) {
            self.bar.finish_and_clear();
            self.bar = ProgressBar::new(total as u64);
            self.bar.set_style(style(IMAGES));
        }
        self.bar.set_message(message.to_owned());
        self.bar.set_position(done as u64);
    }

    fn say(&mut self, text: &str) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::hidden();
        let _ = writeln!(stderr(), "{text}");
    }
}

/// How many runs of an export a server has been given; on a terminal only.
#[derive(Debug)]
pub struct ExportProgress {
    bar: ProgressBar,
}

impl ExportProgress {
    /// Nothing yet.
    pub fn new() -> Self {
        let bar = if stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        bar.set_style(style("{bar:30} {pos}/{len} runs  {eta}"));
        Self { bar }
    }

    /// So many of so many.
    pub fn step(&self, done: usize, total: usize) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
    }

    /// Clears the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
