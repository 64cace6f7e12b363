//! Two nights, from suite to verdict: `apical diff`, its webhook, and the script that a timer starts.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "other tests need more of it")]
mod support;

use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output, Stdio},
    thread::JoinHandle,
};
use support::{stderr, stdout};

/// A suite small enough to run in a breath, whose networks learn, or all but don't.
fn suite(learning_rate: &str) -> String {
    format!(
        "
name: tiny
description: Digits in two epochs.
seeds: 3
datasets: {{digits: {{}}}}
architectures: {{mlp: {{mlp: {{hidden: [24]}}}}}}
algorithms: {{bp: {{}}, fa: {{}}}}
training: {{epochs: 2, batch_size: 16, optimizer: {{sgd: {{learning_rate: {learning_rate}, momentum: 0.9}}}}}}
"
    )
}

const LEARNS: &str = "0.05";
const BARELY_LEARNS: &str = "1.0e-9";

/// `apical …` in a folder.
fn apical(folder: &Path, arguments: &[&str]) -> Output {
    let mut apical = Command::new(env!("CARGO_BIN_EXE_apical"));
    apical.args(arguments).current_dir(folder).stdin(Stdio::null()).env_remove("APICAL_NOTIFY");
    apical.output().unwrap()
}

/// A folder with the results of a suite in each of `(name, learning rate)`.
fn bench(results: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, learning_rate) in results {
        fs::write(folder.path().join("suite.yaml"), suite(learning_rate)).unwrap();
        let run = apical(folder.path(), &["run", "suite.yaml", "--results", name]);
        assert!(run.status.success(), "{}{}", stdout(&run), stderr(&run));
    }
    folder
}

#[track_caller]
fn ends_with(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}{}", stdout(output), stderr(output));
    stdout(output)
}

#[test]
fn results_computed_twice_are_identical() {
    let bench = bench(&[("a", LEARNS), ("b", LEARNS)]);
    let text = ends_with(&apical(bench.path(), &["diff", "a", "b"]), 0);
    assert!(text.contains("2 cells: 0 worse, 0 better, 2 unchanged (2 identical)"), "{text}");
    assert!(text.trim_end().ends_with("no regression"), "{text}");
}

#[test]
fn a_regression_is_found_with_the_setting_that_made_it() {
    let bench = bench(&[("a", LEARNS), ("b", BARELY_LEARNS)]);
    let human = ends_with(&apical(bench.path(), &["diff", "a", "b", "--to", "to"]), 101);
    assert!(human.contains("training.optimizer.sgd.learning_rate 0.05 → 1e-9"), "{human}");
    let json = ends_with(&apical(bench.path(), &["diff", "a", "b", "--output", "json"]), 101);
    let diff: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&diff["regression"], &diff["counts"]["worse_in_accuracy"]), (&true.into(), &2.into()));
    assert!(diff["cells"][0]["quality"]["change"].as_f64().unwrap() < -30.0, "{json}");
    let written: Value =
        serde_json::from_str(&fs::read_to_string(bench.path().join("to/diff.json")).unwrap()).unwrap();
    assert_eq!(written, diff);
    let page = fs::read_to_string(bench.path().join("to/diff.md")).unwrap();
    assert!(page.contains("REGRESSION in accuracy"), "{page}");

    // The other way round it is an improvement.
    ends_with(&apical(bench.path(), &["diff", "b", "a"]), 0);
    // Where nobody asked for accuracy it is said all the same.
    let lenient = ends_with(&apical(bench.path(), &["diff", "a", "b", "--fail-on", "state"]), 0);
    assert!(lenient.contains("worse in accuracy, which --fail-on leaves out"), "{lenient}");
}

#[test]
fn what_cannot_be_compared_is_an_error_with_a_remedy() {
    let bench = bench(&[("a", LEARNS)]);
    let other = suite(LEARNS).replace("name: tiny", "name: other");
    fs::write(bench.path().join("suite.yaml"), other).unwrap();
    assert!(apical(bench.path(), &["run", "suite.yaml", "--results", "a"]).status.success());

    for (arguments, part) in [
        (&["diff", "a", "nowhere"][..], "nowhere is no results folder"),
        (
            &["diff", "a", "a"],
            "both results folders hold several suites: other, tiny; say which with --suite NAME",
        ),
        (&["diff", "a", "a", "--suite", "tyni"], "holds no results of a suite `tyni`; it has: other, tiny"),
    ] {
        let output = apical(bench.path(), arguments);
        ends_with(&output, 3);
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    }
    // One folder and two suites, whose runs are the same runs.
    let text =
        ends_with(&apical(bench.path(), &["diff", "a", "a", "--suite", "tiny", "--suite", "other"]), 0);
    assert!(text.contains("(2 identical)"), "{text}");
}

/// Something that listens: it answers each request with the next status and keeps what was posted.
struct Webhook {
    address: String,
    thread: JoinHandle<Vec<Value>>,
}

impl Webhook {
    fn new(statuses: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/services/secret", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            statuses.iter().map(|status| answer(listener.accept().unwrap().0, status)).collect()
        });
        Self { address, thread }
    }

    fn posted(self) -> Vec<Value> {
        self.thread.join().unwrap()
    }
}

fn answer(stream: TcpStream, status: &str) -> Value {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).unwrap() > 2 {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    write!(reader.get_mut(), "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn a_webhook_that_stumbles_is_told_again_and_one_that_is_gone_changes_no_exit_code() {
    let bench = bench(&[("a", LEARNS), ("b", BARELY_LEARNS)]);
    let webhook = Webhook::new(&["500 Internal Server Error", "200 OK"]);
    let told = apical(bench.path(), &["diff", "a", "b", "--notify", &webhook.address]);
    ends_with(&told, 101);
    assert_eq!(stderr(&told), "");
    let posted = webhook.posted();
    assert_eq!(posted[0], posted[1]);
    let text = posted[1]["text"].as_str().unwrap();
    assert!(text.starts_with("tiny: REGRESSION in accuracy. 2 cells: 2 worse"), "{text}");
    assert!(text.contains("• digits / mlp / bp: accuracy"), "{text}");
    assert_eq!((&posted[1]["kind"], &posted[1]["regression"]), (&"diff".into(), &true.into()));

    // Refused for good: said once, and not with the secret.
    let webhook = Webhook::new(&["404 Not Found"]);
    let refused = apical(bench.path(), &["diff", "a", "a", "--notify", &webhook.address]);
    ends_with(&refused, 0);
    assert!(stderr(&refused).contains("warning: 127.0.0.1 was not notified: HTTP 404 Not Found, once"));
    webhook.posted();

    // Nobody listens where a listener was closed.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = format!("http://{closed}/services/secret");
    let unreachable = apical(bench.path(), &["diff", "a", "a", "--notify", &gone]);
    ends_with(&unreachable, 0);
    let warning = stderr(&unreachable);
    assert!(warning.contains("was not notified") && warning.contains("4 times"), "{warning}");
    assert!(!warning.contains("secret"), "{warning}");
    let nonsense =
        apical(bench.path(), &["report", "tiny", "--results", "a", "--to", "r", "--notify", "nonsense"]);
    ends_with(&nonsense, 0);
    assert!(stderr(&nonsense).contains("no http or https URL"), "{}", stderr(&nonsense));
}

/// The script in a folder of its own, with a suite of ours.
struct Nights {
    folder: tempfile::TempDir,
}

impl Nights {
    fn run(&self, night: &str, learning_rate: &str, settings: &[(&str, &str)]) -> Output {
        let folder = self.folder.path();
        let file = folder.join("tiny.yaml");
        fs::write(&file, suite(learning_rate)).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/nightly.sh");
        let mut command = Command::new("bash");
        command.arg(script).stdin(Stdio::null());
        for name in
            ["APICAL_NOTIFY", "APICAL_ENGINE", "APICAL_BASELINE", "APICAL_DIFF_ARGS", "APICAL_KEEP_NIGHTS"]
        {
            command.env_remove(name);
        }
        command
            .env("SUITE", file)
            .env("APICAL", env!("CARGO_BIN_EXE_apical"))
            .env("APICAL_NIGHT", night)
            .env("APICAL_NIGHTLY_RESULTS", folder.join("results"))
            .env("APICAL_NIGHTLY_REPORTS", folder.join("reports"))
            .envs(settings.iter().copied());
        command.output().unwrap()
    }

    fn has(&self, path: &str) -> bool {
        self.folder.path().join(path).exists()
    }
}

fn last_line(output: &Output) -> String {
    let text = if output.status.success() { stdout(output) } else { stderr(output) };
    text.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_night_is_compared_with_the_one_before_and_a_regression_ends_it_with_101() {
    let nights = Nights { folder: tempfile::tempdir().unwrap() };
    let webhook = Webhook::new(&["200 OK"]);
    let first = nights.run("2026-01-01", LEARNS, &[("APICAL_NOTIFY", &webhook.address)]);
    ends_with(&first, 0);
    assert!(last_line(&first).contains("the first night, nothing to compare with"), "{}", last_line(&first));
    assert!(nights.has("reports/2026-01-01/README.md") && !nights.has("reports/2026-01-01/diff.md"));
    let posted = webhook.posted();
    assert_eq!((&posted[0]["kind"], &posted[0]["done"]), (&"report".into(), &6.into()));

    // A night without a result is no night to compare with.
    fs::create_dir_all(nights.folder.path().join("results/2026-01-02/runs")).unwrap();
    let webhook = Webhook::new(&["200 OK"]);
    let second = nights.run("2026-01-03", LEARNS, &[("APICAL_NOTIFY", &webhook.address)]);
    ends_with(&second, 0);
    assert!(last_line(&second).contains("all well, compared with 2026-01-01"), "{}", last_line(&second));
    assert!(nights.has("reports/2026-01-03/diff.md") && nights.has("reports/2026-01-03/diff.json"));
    assert_eq!(webhook.posted()[0]["regression"], false);

    // Started again on the same date it computes only what is missing.
    let run =
        fs::read_dir(nights.folder.path().join("results/2026-01-03/runs")).unwrap().next().unwrap().unwrap();
    fs::remove_dir_all(run.path()).unwrap();
    let again = nights.run("2026-01-03", LEARNS, &[]);
    assert!(ends_with(&again, 0).contains("5 done, 1 to compute"), "{}", stdout(&again));

    let planted = nights.run("2026-01-04", BARELY_LEARNS, &[]);
    ends_with(&planted, 101);
    assert!(last_line(&planted).contains("REGRESSION, compared with 2026-01-03"), "{}", last_line(&planted));

    // What was worse last night is the measure of tonight, unless another night is.
    ends_with(&nights.run("2026-01-05", BARELY_LEARNS, &[]), 0);
    let settings = [("APICAL_BASELINE", "2026-01-03"), ("APICAL_KEEP_NIGHTS", "1")];
    ends_with(&nights.run("2026-01-06", BARELY_LEARNS, &settings), 101);
    let kept = ["01-01", "01-02", "01-03", "01-04", "01-05", "01-06"]
        .map(|night| nights.has(&format!("results/2026-{night}")));
    assert_eq!(kept, [false, false, true, false, false, true], "the baseline and tonight are kept");
    assert!(nights.has("reports/2026-01-01/README.md"), "reports are not pruned");
}

#[test]
fn a_night_whose_runs_fail_says_so() {
    let nights = Nights { folder: tempfile::tempdir().unwrap() };
    // Runs that are stopped at once have no result, and a night without any is followed by another first one.
    let mut failing = suite(LEARNS);
    failing.push_str("execution: {timeout_minutes: 0.000001}\n");
    let file = nights.folder.path().join("failing.yaml");
    fs::write(&file, failing).unwrap();
    let failed = nights.run("2026-01-01", LEARNS, &[("SUITE", file.to_str().unwrap())]);
    ends_with(&failed, 100);
    assert!(last_line(&failed).contains("some runs have no result"), "{}", last_line(&failed));
    for (name, value) in [("APICAL_NIGHT", "yesterday"), ("APICAL_KEEP_NIGHTS", "all")] {
        let wrong = nights.run("2026-01-01", LEARNS, &[(name, value)]);
        ends_with(&wrong, 2);
        assert!(last_line(&wrong).contains(name), "{}", last_line(&wrong));
    }
}
