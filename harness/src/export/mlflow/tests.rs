//! What must hold of exports to MLflow whatever the server does.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::{
    client::{Credentials, Patience},
    fake::{Fault, Seen, Server},
    *,
};
use crate::report::synthetic::Synthetic;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

fn results() -> Results {
    let algorithms = vec![("bp", "bp"), ("fa", "fa")];
    let architectures = vec![("mlp", 1)];
    Synthetic { datasets: vec!["mnist"], architectures, algorithms, seeds: 2, ..Synthetic::default() }.build()
}

fn client(server: &Server, credentials: Credentials) -> Client {
    let patience = Patience {
        connect_timeout: Duration::from_secs(2),
        answer_timeout: Duration::from_secs(2),
        attempts: 3,
        backoff: Duration::from_millis(5),
        proxy: false,
    };
    Client::new(server.url.parse().unwrap(), credentials, patience).unwrap()
}

fn sent(results: &Results, server: &Server) -> Result<Summary, MlflowError> {
    export(results, &client(server, Credentials::None), &mut |_| ())
}

fn honest() -> Server {
    Server::start(|_| None)
}

/// Asserts that the server holds every run once, and of each every metric once.
fn assert_whole(server: &Server, results: &Results) {
    let state = server.state.lock().unwrap();
    let active = state.active();
    assert_eq!(active.len(), results.runs.len());
    for run in &results.runs {
        let payload = payload(run, results).unwrap();
        let tag = |there: &Value, key: &str, value: &str| {
            there["tags"].as_array().unwrap().iter().any(|tag| tag["key"] == key && tag["value"] == value)
        };
        let there: Vec<_> = active.iter().filter(|there| tag(there, RUN_ID, &payload.run_id)).collect();
        assert_eq!(there.len(), 1);
        assert!(tag(there[0], DIGEST, &payload.digest));
        assert_eq!(there[0]["status"], payload.status);
        let metrics = serde_json::to_value(&payload.metrics).unwrap();
        // The times of a run without an end are those of its export.
        let timeless = |metrics: &Value| -> Vec<Value> {
            let metrics = metrics.as_array().unwrap().iter();
            metrics.map(|metric| json!([metric["key"], metric["value"], metric["step"]])).collect()
        };
        assert_eq!(timeless(&there[0]["metrics"]), timeless(&metrics));
        assert_eq!(there[0]["params"], serde_json::to_value(&payload.parameters).unwrap());
    }
}

#[test]
fn exporting_again_changes_nothing_on_the_server() {
    let (server, results) = (honest(), results());
    let first = sent(&results, &server).unwrap();
    assert_eq!((first.sent, first.replaced, first.unchanged), (4, 0, 0));
    assert_eq!(first.experiment, "apical/synthetic");
    assert_whole(&server, &results);
    let changes = |server: &Server| {
        let state = server.state.lock().unwrap();
        ["runs/create", "runs/log-batch", "runs/delete", "runs/set-tag"].map(|call| state.calls(call))
    };
    let before = changes(&server);

    let second = sent(&results, &server).unwrap();
    assert_eq!((second.sent, second.replaced, second.unchanged), (0, 0, 4));
    assert_eq!(changes(&server), before);
    assert_whole(&server, &results);
}

#[test]
fn a_run_that_went_on_takes_the_place_of_its_beginning() {
    let (server, whole) = (honest(), results());
    let mut partial = whole.clone();
    partial.runs[0].outcome = None;
    partial.runs[0].events.truncate(3);
    partial.runs[1].outcome = None;
    partial.runs[1].events.clear();
    let first = sent(&partial, &server).unwrap();
    assert_eq!((first.sent, first.not_begun), (3, 1));

    let second = sent(&whole, &server).unwrap();
    assert_eq!((second.sent, second.replaced, second.unchanged), (1, 1, 2));
    assert_whole(&server, &whole);
}

#[test]
fn an_export_that_broke_off_is_completed_and_what_it_sent_in_part_is_deleted() {
    let results = results();
    // The third run breaks off in the middle for good; until then everything is in order.
    let broken = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&broken);
    let server = Server::start(move |seen: &Seen| {
        let breaks = seen.call == "runs/update" && seen.before >= 2 && switch.load(Ordering::Relaxed);
        breaks.then(|| {
            Fault::Answer(400, "", r#"{"error_code": "BAD_REQUEST", "message": "no room"}"#.to_owned())
        })
    });
    let error = sent(&results, &server).unwrap_err().to_string();
    assert!(error.contains("refuses `runs/update`: no room (HTTP 400"), "{error}");
    assert_eq!(server.state.lock().unwrap().active().len(), 3);

    broken.store(false, Ordering::Relaxed);
    let summary = sent(&results, &server).unwrap();
    assert_eq!((summary.sent, summary.replaced, summary.unchanged), (1, 1, 2));
    assert_whole(&server, &results);
}

#[test]
fn a_call_that_was_done_without_an_answer_doubles_nothing() {
    let results = results();
    for call in [
        "experiments/get-by-name",
        "experiments/create",
        "runs/search",
        "runs/create",
        "runs/log-batch",
        "runs/update",
        "runs/set-tag",
    ] {
        let server = Server::start(move |seen: &Seen| {
            (seen.call == call && seen.before == 0).then_some(Fault::DoneInSilence)
        });
        sent(&results, &server).unwrap_or_else(|error| panic!("{call}: {error}"));
        assert_whole(&server, &results);
    }
}

#[test]
fn a_busy_server_is_asked_again() {
    let results = results();
    for (status, more) in [(429, "Retry-After: 0\r\n"), (500, ""), (503, "")] {
        // Every fourth request of each kind.
        let server = Server::start(move |seen: &Seen| {
            seen.before.is_multiple_of(4).then(|| Fault::Answer(status, more, "busy".to_owned()))
        });
        sent(&results, &server).unwrap_or_else(|error| panic!("{status}: {error}"));
        assert_whole(&server, &results);
    }
}

#[test]
fn a_server_that_stays_busy_is_given_up_with_its_reason() {
    let reason = r#"{"error_code": "INTERNAL_ERROR", "message": "the database is locked"}"#;
    for call in ["runs/search", "runs/log-batch"] {
        let server = Server::start(move |seen: &Seen| {
            (seen.call == call).then(|| Fault::Answer(500, "", reason.to_owned()))
        });
        let error = sent(&results(), &server).unwrap_err().to_string();
        for part in [&server.url, call, "the database is locked", "asked 3 times"] {
            assert!(error.contains(part), "{error} lacks {part}");
        }
        assert_eq!(server.state.lock().unwrap().calls(call), 3);
    }
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let mut server = honest();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.url = format!("http://{}/prefix", free.local_addr().unwrap());
    drop(free);
    let error = sent(&results(), &server).unwrap_err().to_string();
    assert!(
        error.contains(&server.url) && error.contains("refused") && error.contains("is it running"),
        "{error}"
    );
}

#[test]
fn what_is_no_mlflow_is_not_taken_for_one() {
    for (status, more, says) in [
        (200, "", "no JSON object"),
        (404, "", "HTTP 404"),
        (302, "Location: https://elsewhere.example/\r\n", "a redirection to https://elsewhere.example/"),
    ] {
        let server = Server::start(move |_| Some(Fault::Answer(status, more, "<html>".to_owned())));
        let error = sent(&results(), &server).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("is it the address of an MLflow server?"), "{error}");
    }
}

#[test]
fn a_deleted_experiment_is_named_with_the_way_back() {
    let (server, results) = (honest(), results());
    sent(&results, &server).unwrap();
    server.state.lock().unwrap().experiments[0]["lifecycle_stage"] = "deleted".into();
    let error = sent(&results, &server).unwrap_err().to_string();
    for part in ["apical/synthetic", "mlflow experiments restore --experiment-id 7", "mlflow gc"] {
        assert!(error.contains(part), "{error} lacks {part}");
    }
}

#[test]
fn two_exports_at_once_leave_one_of_each_run_in_the_end() {
    let (server, results) = (honest(), results());
    let other = client(&server, Credentials::None);
    let mut once = true;
    // The other export is over before this one sends what it found missing.
    export(&results, &client(&server, Credentials::None), &mut |_| {
        if std::mem::take(&mut once) {
            export(&results, &other, &mut |_| ()).unwrap();
        }
    })
    .unwrap();
    assert_whole(&server, &results);
}

#[test]
fn runs_of_others_in_the_experiment_are_left_alone() {
    let (server, results) = (honest(), results());
    let foreign = json!({"id": "theirs", "deleted": false, "status": "RUNNING", "tags": [], "params": [], "metrics": []});
    server.state.lock().unwrap().runs.push(foreign.clone());
    sent(&results, &server).unwrap();
    sent(&results, &server).unwrap();
    assert_eq!(server.state.lock().unwrap().runs[0], foreign);
}

#[test]
fn credentials_are_sent_and_never_shown() {
    let refuse = || Server::start(|_| Some(Fault::Answer(401, "", "who are you?".to_owned())));
    let basic = Credentials::Basic { user: "ada".to_owned(), password: "secret".to_owned() };
    for (credentials, header) in [
        (basic, "authorization: basic ywrhonnly3jlda=="),
        (Credentials::Token("secret".to_owned()), "authorization: bearer secret"),
    ] {
        let mut server = refuse();
        server.url = server.url.replace("http://", "http://x:secret@");
        let shown = format!("{credentials:?}");
        let error = export(&results(), &client(&server, credentials), &mut |_| ()).unwrap_err().to_string();
        assert!(error.contains("MLFLOW_TRACKING_TOKEN") && error.contains("401"), "{error}");
        assert!(!error.contains("secret") && !shown.contains("secret"), "{error} {shown}");
        let headers = server.state.lock().unwrap().seen[0].headers.clone();
        assert!(headers.contains(header), "{headers}");
    }
}

#[test]
fn a_call_carries_no_more_than_mlflow_takes() {
    let long = Synthetic { epochs: 200, seeds: 1, ..Synthetic::default() }.build();
    let server = honest();
    sent(&long, &server).unwrap();
    assert_whole(&server, &long);
    assert!(server.state.lock().unwrap().seen.iter().all(|seen| seen.size < 1_000_000));
    let items: Vec<String> = (0..2500).map(|item| "x".repeat(item)).collect();
    let batches = batches(&items, 1000);
    assert_eq!(batches.concat(), items);
    for batch in batches {
        assert!(batch.len() <= 1000 && serde_json::to_string(batch).unwrap().len() < 1_000_000);
    }
    assert!(super::batches::<String>(&[], 10).is_empty());
}
