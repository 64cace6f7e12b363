//! Results on an MLflow server: an experiment per suite, `apical/<suite>`, and in it an MLflow run per run.
//!
//! Exporting again must double nothing, whatever became of the export before. MLflow can't take metrics back, and a call
//! without an answer may have been done. So a run is sent as a whole, the tag with a digest of what was sent comes last, and
//! that tag decides:
//!
//! - the digest is that of what would be sent: the run is there, nothing is done;
//! - another digest (the run went on since, or this program sends more): it is sent anew, and the old one deleted after;
//! - no digest (an export broke off): likewise;
//! - two with the right digest (two exports at once): one stays.
//!
//! A deleted run goes to MLflow's trash. In the end the experiment is listed once more, and holds every run once, or an
//! error says which one it lacks.

pub mod client;
mod payload;

use crate::record::{RecordedRun, Results};
use client::{Again, Client, MlflowError};
use payload::{DIGEST, Pair, Payload, RUN_ID};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What an export did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The experiment's name.
    pub experiment: String,
    /// Its id on the server.
    pub experiment_id: String,
    /// Runs that were not there.
    pub sent: usize,
    /// Runs that were there in part or in an earlier state, and were sent anew.
    pub replaced: usize,
    /// Runs that were there already.
    pub unchanged: usize,
    /// Runs of which there is nothing to tell yet.
    pub not_begun: usize,
}

/// How far an export is, for a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Runs looked at.
    pub done: usize,
    /// Runs in all.
    pub total: usize,
}

/// Sends what the server lacks of these results.
///
/// # Errors
/// When the server can't be reached, refuses, or has deleted the experiment.
pub fn export(
    results: &Results,
    client: &Client,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, MlflowError> {
    let name = format!("apical/{}", results.plan.name);
    let experiment = Experiment::open(client, &name, &results.plan.description)?;
    let mut there = experiment.runs()?;
    let mut summary = Summary {
        experiment: name,
        experiment_id: experiment.id.clone(),
        sent: 0,
        replaced: 0,
        unchanged: 0,
        not_begun: 0,
    };
    let mut digests = BTreeMap::new();
    let total = results.runs.len();
    for (done, run) in results.runs.iter().enumerate() {
        progress(Progress { done, total });
        let Some(payload) = payload(run, results) else {
            summary.not_begun += 1;
            continue;
        };
        let known = there.remove(&payload.run_id).unwrap_or_default();
        if known.iter().any(|known| known.digest.as_ref() == Some(&payload.digest)) {
            summary.unchanged += 1;
        } else {
            experiment.send(&payload)?;
            *if known.is_empty() { &mut summary.sent } else { &mut summary.replaced } += 1;
        }
        digests.insert(payload.run_id, payload.digest);
    }
    experiment.keep_one_of_each(&digests)?;
    progress(Progress { done: total, total });
    Ok(summary)
}

fn payload(run: &RecordedRun, results: &Results) -> Option<Payload> {
    Payload::of(run, &results.plan.name, jiff::Timestamp::now().as_millisecond())
}

/// A run that the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    /// MLflow's id of it.
    id: String,
    /// [`DIGEST`]; none where it was sent in part.
    digest: Option<String>,
}

/// An experiment of a server.
struct Experiment<'c> {
    client: &'c Client,
    id: String,
}

const GET_EXPERIMENT: &str = "experiments/get-by-name";
const CREATE_EXPERIMENT: &str = "experiments/create";
const SEARCH_RUNS: &str = "runs/search";
const CREATE_RUN: &str = "runs/create";

impl<'c> Experiment<'c> {
    /// The experiment of this name, made if need be.
    fn open(client: &'c Client, name: &str, description: &str) -> Result<Self, MlflowError> {
        if let Some(experiment) = Self::find(client, name)? {
            return Ok(experiment);
        }
        let note = json!({"key": "mlflow.note.content", "value": description});
        let tags = if description.is_empty() { json!([]) } else { json!([note]) };
        // Made twice is as good as once: the second time the server says that it is there.
        match client.post(CREATE_EXPERIMENT, &json!({"name": name, "tags": tags}), Again::Safe) {
            Ok(answer) => Ok(Self { client, id: client.text(&answer, CREATE_EXPERIMENT, "/experiment_id")? }),
            Err(MlflowError::Refused { code, .. }) if code == "RESOURCE_ALREADY_EXISTS" => {
                Self::find(client, name)?.ok_or_else(|| {
                    let found = format!("`{name}` exists and can't be found");
                    MlflowError::Alien { server: client.server(), call: GET_EXPERIMENT, found }
                })
            }
            Err(error) => Err(error),
        }
    }

    fn find(client: &'c Client, name: &str) -> Result<Option<Self>, MlflowError> {
        let answer = match client.get(GET_EXPERIMENT, &[("experiment_name", name)]) {
            Err(MlflowError::Refused { code, .. }) if code == "RESOURCE_DOES_NOT_EXIST" => return Ok(None),
            answer => answer?,
        };
        let id = client.text(&answer, GET_EXPERIMENT, "/experiment/experiment_id")?;
        if answer["experiment"]["lifecycle_stage"] == "deleted" {
            return Err(MlflowError::Deleted { server: client.server(), name: name.to_owned(), id });
        }
        Ok(Some(Self { client, id }))
    }

    /// The runs of ours that it holds, by our ids.
    fn runs(&self) -> Result<BTreeMap<String, Vec<Known>>, MlflowError> {
        /// An answer holds all parameters and metrics of each: some megabytes.
        const PAGE: usize = 500;
        let mut runs: BTreeMap<String, Vec<Known>> = BTreeMap::new();
        let mut page: Option<String> = None;
        loop {
            let mut query = json!({
                "experiment_ids": [self.id], "run_view_type": "ACTIVE_ONLY", "max_results": PAGE,
                "order_by": ["attributes.start_time ASC"],
            });
            if let Some(page) = &page {
                query["page_token"] = page.as_str().into();
            }
            let answer = self.client.post(SEARCH_RUNS, &query, Again::Safe)?;
            for run in answer["runs"].as_array().into_iter().flatten() {
                let tags = run["data"]["tags"].as_array();
                let tag = |name: &str| {
                    let tag = tags?.iter().find(|tag| tag["key"] == name)?;
                    tag["value"].as_str().map(str::to_owned)
                };
                if let Some(run_id) = tag(RUN_ID) {
                    let id = self.client.text(run, SEARCH_RUNS, "/info/run_id")?;
                    runs.entry(run_id).or_default().push(Known { id, digest: tag(DIGEST) });
                }
            }
            match answer["next_page_token"].as_str() {
                Some(next) if !next.is_empty() => page = Some(next.to_owned()),
                _ => return Ok(runs),
            }
        }
    }

    /// Sends a run whole. Where the server may or may not have done a call, the run is begun anew: metrics that were logged
    /// twice could not be taken back.
    fn send(&self, payload: &Payload) -> Result<(), MlflowError> {
        let mut failures = 0;
        loop {
            // One that was made although no answer came is deleted in the end, as all without a digest.
            let id = match self.create(payload) {
                Ok(id) => Ok(id),
                Err(error) => Err((None, error)),
            };
            let sent = id.and_then(|id| self.fill(&id, payload).map_err(|error| (Some(id), error)));
            let Err((id, mut error)) = sent else { return Ok(()) };
            failures += 1;
            let MlflowError::Unanswered { perhaps_done: true, attempts, .. } = &mut error else {
                return Err(error);
            };
            *attempts = failures;
            if failures >= self.client.patience.attempts {
                return Err(error);
            }
            std::thread::sleep(self.client.patience.pause(failures));
            if let Some(id) = id {
                self.delete(&id)?;
            }
        }
    }

    fn create(&self, payload: &Payload) -> Result<String, MlflowError> {
        let run = json!({
            "experiment_id": self.id, "run_name": payload.name, "start_time": payload.start, "tags": payload.tags,
        });
        let answer = self.client.post(CREATE_RUN, &run, Again::Unsafe)?;
        self.client.text(&answer, CREATE_RUN, "/run/info/run_id")
    }

    fn fill(&self, id: &str, payload: &Payload) -> Result<(), MlflowError> {
        for batch in batches(&payload.parameters, MOST_PARAMETERS) {
            self.log(&json!({"run_id": id, "params": batch}))?;
        }
        for batch in batches(&payload.metrics, MOST_METRICS) {
            self.log(&json!({"run_id": id, "metrics": batch}))?;
        }
        let mut update = json!({"run_id": id, "status": payload.status});
        if let Some(end) = payload.end {
            update["end_time"] = end.into();
        }
        self.client.post("runs/update", &update, Again::Safe)?;
        let digest = Pair { key: DIGEST.to_owned(), value: payload.digest.clone() };
        let tag = json!({"run_id": id, "key": digest.key, "value": digest.value});
        self.client.post("runs/set-tag", &tag, Again::Safe)?;
        Ok(())
    }

    fn log(&self, batch: &Value) -> Result<(), MlflowError> {
        self.client.post("runs/log-batch", batch, Again::Unsafe).map(drop)
    }

    fn delete(&self, id: &str) -> Result<(), MlflowError> {
        match self.client.post("runs/delete", &json!({"run_id": id}), Again::Safe) {
            // Already deleted, by an attempt without an answer or by somebody else.
            Err(MlflowError::Refused { code, .. })
                if code == "RESOURCE_DOES_NOT_EXIST" || code == "INVALID_PARAMETER_VALUE" =>
            {
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    /// Deletes what these runs have besides the one with the right digest, and makes sure that they have that.
    fn keep_one_of_each(&self, digests: &BTreeMap<String, String>) -> Result<(), MlflowError> {
        let there = self.runs()?;
        for (run, digest) in digests {
            let known = there.get(run).map(Vec::as_slice).unwrap_or_default();
            let kept = known.iter().position(|known| known.digest.as_ref() == Some(digest));
            let Some(kept) = kept else {
                return Err(MlflowError::Missing { server: self.client.server(), run: run.clone() });
            };
            for (place, superfluous) in known.iter().enumerate() {
                if place != kept {
                    self.delete(&superfluous.id)?;
                }
            }
        }
        Ok(())
    }
}

/// What one call may carry: counts, and bytes of its body.
const MOST_PARAMETERS: usize = 100;
const MOST_METRICS: usize = 1000;
const MOST_BYTES: usize = 900_000;

/// Items in groups that one call may carry.
fn batches<T: Serialize>(items: &[T], most: usize) -> Vec<&[T]> {
    let mut batches = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (place, item) in items.iter().enumerate() {
        let size = serde_json::to_string(item).map_or(0, |text| text.len() + 1);
        if place > begin && (place - begin == most || bytes + size > MOST_BYTES) {
            batches.push(&items[begin..place]);
            (begin, bytes) = (place, 0);
        }
        bytes += size;
    }
    if begin < items.len() {
        batches.push(&items[begin..]);
    }
    batches
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
