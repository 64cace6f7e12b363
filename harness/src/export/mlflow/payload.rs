//! What a recorded run becomes in MLflow: status, parameters, metrics, tags, and a digest of them all.
//!
//! Lengths and counts are kept within MLflow's limits (`mlflow/utils/validation.py`, 2.10 to 3.17).

use super::super::{parameters, scalars};
use crate::{
    digest::sha256,
    record::{RecordedRun, State},
};
use serde::Serialize;

/// Longest name of a parameter, metric or tag.
const MAX_KEY: usize = 250;
/// Longest value of a parameter.
const MAX_PARAMETER: usize = 6000;
/// Longest value of a tag; newer servers take 8000.
const MAX_TAG: usize = 5000;

/// Tag that says which run of ours it is.
pub const RUN_ID: &str = "apical.run_id";
/// Tag with the digest of what was sent, written last: without it a run was sent in part.
pub const DIGEST: &str = "apical.digest";

/// Everything that is sent of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// [`RUN_ID`].
    pub run_id: String,
    /// What the run is called in MLflow's tables.
    pub name: String,
    /// `FINISHED`, `FAILED`, `KILLED` or `RUNNING`.
    pub status: &'static str,
    /// Start in milliseconds since 1970.
    pub start: i64,
    /// End, if it ended.
    pub end: Option<i64>,
    /// The settings.
    pub parameters: Vec<Pair>,
    /// The measurements.
    pub metrics: Vec<Metric>,
    /// Everything else.
    pub tags: Vec<Pair>,
    /// Of all the above but the times of a run that has no end.
    pub digest: String,
}

/// A parameter or a tag as MLflow's interface has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// Name.
    pub key: String,
    /// Value.
    pub value: String,
}

/// A metric as MLflow's interface has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    /// Name.
    pub key: String,
    /// A number; in words where JSON has none for it.
    pub value: serde_json::Value,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Epochs trained.
    pub step: u32,
}

impl Payload {
    /// What is sent of a run; nothing where there is nothing to tell of it. A run without an end has no clock: it is as if
    /// its latest epoch had ended `now` (milliseconds since 1970).
    pub fn of(run: &RecordedRun, suite: &str, now: i64) -> Option<Self> {
        let scalars = scalars::of_run(run);
        if run.outcome.is_none() && scalars.is_empty() {
            return None;
        }
        let ended = run.outcome.as_ref().map(|outcome| {
            let time = outcome.provenance.finished_at.parse::<jiff::Timestamp>();
            time.map_or(0, jiff::Timestamp::as_millisecond)
        });
        let milliseconds = |seconds: f64| (seconds * 1000.0).round() as i64;
        let last = ended.unwrap_or(now);
        let took = match &run.outcome {
            Some(outcome) => outcome.resources.wall_seconds,
            None => scalars.first().map_or(0.0, |first| first.before_end),
        };
        let metric = |scalar: &scalars::Scalar| Metric {
            key: key(&scalar.name),
            value: number(scalar.value),
            timestamp: last - milliseconds(scalar.before_end),
            step: scalar.epoch,
        };
        let parameter =
            |(name, value): &(String, serde_json::Value)| pair(name, &parameters::text(value), MAX_PARAMETER);
        let mut payload = Self {
            run_id: run.planned.id.to_string(),
            name: shortened(&format!("{}, seed {}", run.planned.cell, run.planned.spec.seed), MAX_KEY),
            status: status(run.state()),
            start: last - milliseconds(took),
            end: ended,
            parameters: parameters::of_run(run).iter().map(parameter).collect(),
            metrics: scalars.iter().map(metric).collect(),
            tags: tags(run, suite),
            digest: String::new(),
        };
        payload.digest = payload.digest();
        Some(payload)
    }

    fn digest(&self) -> String {
        /// Raised when the same record is to be sent otherwise, so that what was sent before counts as outdated.
        const SENT_FORMAT: u32 = 1;
        let ended = self.end.is_some();
        let metrics: Vec<_> = self
            .metrics
            .iter()
            .map(|metric| (&metric.key, &metric.value, metric.step, ended.then_some(metric.timestamp)))
            .collect();
        let times = ended.then_some((self.start, self.end));
        let all = (SENT_FORMAT, &self.name, self.status, times, &self.parameters, metrics, &self.tags);
        sha256(serde_json::to_string(&all).expect("text and numbers are plain data").as_bytes())
    }
}

/// Divergence is a result, so a run that diverged is finished; the tag `apical.state` tells it from one that completed.
fn status(state: Option<State>) -> &'static str {
    match state {
        Some(State::Completed | State::Diverged) => "FINISHED",
        Some(State::Failed | State::TimedOut | State::OutOfMemory) => "FAILED",
        Some(State::Lost) => "KILLED",
        None => "RUNNING",
    }
}

fn tags(run: &RecordedRun, suite: &str) -> Vec<Pair> {
    let planned = &run.planned;
    let mut tags = vec![
        (RUN_ID, planned.id.to_string()),
        ("apical.suite", suite.to_owned()),
        ("apical.dataset", planned.cell.dataset.clone()),
        ("apical.architecture", planned.cell.architecture.clone()),
        ("apical.algorithm", planned.cell.algorithm.clone()),
        ("apical.seed", planned.spec.seed.to_string()),
        ("apical.state", run.state().map_or("unfinished", State::name).to_owned()),
        ("apical.failed_attempts", run.failures.len().to_string()),
        ("mlflow.source.name", "apical".to_owned()),
        ("mlflow.source.type", "LOCAL".to_owned()),
    ];
    if let Some(outcome) = &run.outcome {
        let provenance = &outcome.provenance;
        tags.extend([
            ("apical.version", provenance.apical_version.clone()),
            ("apical.libtorch_version", provenance.libtorch_version.clone()),
            ("apical.host_class", provenance.host_class.clone()),
            ("apical.device", provenance.device.clone()),
            ("apical.threads", provenance.threads.to_string()),
            ("apical.platform", provenance.platform.clone()),
            ("mlflow.source.git.commit", provenance.git_hash.clone()),
        ]);
        tags.extend(outcome.reason.clone().map(|reason| ("apical.reason", reason)));
    }
    tags.into_iter().map(|(key, value)| pair(key, &value, MAX_TAG)).collect()
}

fn pair(name: &str, value: &str, most: usize) -> Pair {
    Pair { key: key(name), value: shortened(value, most) }
}

/// A name as MLflow takes it: letters, digits and `_ - . / :` and space.
fn key(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "_-./: ".contains(c) { c } else { '_' };
    shortened(&name.chars().map(plain).collect::<String>(), MAX_KEY)
}

/// Text that is too long ends in a digest of the whole, so that what differs still differs.
fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let digest = sha256(text.as_bytes());
    let begin: String = text.chars().take(most - 18).collect();
    format!("{begin}--{}", &digest[..16])
}

/// Protocol Buffers' JSON writes what is not finite as text.
fn number(value: f64) -> serde_json::Value {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.into()
    } else {
        value.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::synthetic::{Synthetic, diverge, end};

    fn run() -> RecordedRun {
        Synthetic::default().build().runs.remove(0)
    }

    fn payload(run: &RecordedRun, now: i64) -> Payload {
        Payload::of(run, "synthetic", now).expect("there is something to tell")
    }

    #[test]
    fn the_digest_changes_with_the_record_and_not_with_the_time_of_the_export() {
        let mut run = run();
        assert_eq!(payload(&run, 1), payload(&run, 2));
        let whole = payload(&run, 1).digest;
        run.outcome = None;
        assert_eq!(payload(&run, 1).digest, payload(&run, 2).digest);
        let unfinished = payload(&run, 1).digest;
        run.events.pop();
        assert!(whole != unfinished && unfinished != payload(&run, 1).digest);
        run.events.clear();
        assert_eq!(Payload::of(&run, "synthetic", 1), None);
    }

    #[test]
    fn states_are_told_in_the_words_of_mlflow() {
        let mut run = run();
        assert_eq!((payload(&run, 1).status, payload(&run, 1).end.is_some()), ("FINISHED", true));
        diverge(&mut run, 1);
        assert_eq!(payload(&run, 1).status, "FINISHED");
        for (state, status) in
            [(State::Failed, "FAILED"), (State::OutOfMemory, "FAILED"), (State::Lost, "KILLED")]
        {
            end(&mut run, state, "a reason");
            let payload = payload(&run, 1);
            assert_eq!(payload.status, status);
            assert!(payload.tags.iter().any(|tag| tag.key == "apical.reason" && tag.value == "a reason"));
        }
        run.outcome = None;
        assert_eq!((payload(&run, 1).status, payload(&run, 1).end), ("RUNNING", None));
    }

    #[test]
    fn what_is_too_long_is_cut_and_still_told_apart() {
        let long = |end: &str| shortened(&format!("{}{end}", "ä".repeat(300)), MAX_KEY);
        assert_eq!(long("a").chars().count(), MAX_KEY);
        assert_ne!(long("a"), long("b"));
        assert_eq!(key("gradient_angle/1.dense"), "gradient_angle/1.dense");
        assert_eq!(key("a[b=1]"), "a_b_1_");
    }

    #[test]
    fn numbers_that_json_lacks_are_told_in_words() {
        let words = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(number);
        assert_eq!(words, ["NaN", "Infinity", "-Infinity"]);
        assert_eq!(number(0.1), 0.1);
    }
}
