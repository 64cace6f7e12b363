//! Exports, read by those they are for: TensorBoard's own reader, and a real MLflow server asked by MLflow's own client.
//!
//! Both come from Python's package index (`scripts/export-checkers.sh`). Where they can't be installed, these tests check nothing and say so
//! on standard error and at the end of `make test`; with `APICAL_REQUIRE_CHECKERS=1` they fail instead.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "other tests need more of it")]
mod support;

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{
    fs,
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use support::{Bench, stderr, stdout};

/// Runs that complete, and two that diverge; layers with names of their own; labels with axes.
const SUITE: &str = "
name: exported
description: Small, with everything that an export can hold.
seeds: 2
datasets: {digits: {validation: 200}}
architectures: {mlp: {mlp: {hidden: [16]}}}
algorithms:
  bp: {}
  fa: {feedback: {scale: [0.5, 1.0]}}
  wild: {rule: bp}
  segregated-dendrites: {}
training: {epochs: 3, batch_size: 64, optimizer: {sgd: {learning_rate: 0.1}}}
evaluation: {test_each_epoch: true}
overrides: [{match: {algorithm: wild}, set: {training.loss: squared-error, training.optimizer.sgd.learning_rate: 1.0e+30}}]
";

/// The Python that has the checkers; nothing where there is none, which is said loudly.
fn checkers(test: &str) -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/export-checkers.sh");
    let output = Command::new(script).output().expect("the script starts");
    if output.status.success() {
        return Some(PathBuf::from(stdout(&output).trim()));
    }
    let notice =
        format!("SKIPPED {test}: no TensorBoard and MLflow to check exports with: {}", stderr(&output));
    assert!(std::env::var_os("APICAL_REQUIRE_CHECKERS").is_none(), "{notice}");
    support::skipped(&notice);
    None
}

/// Runs a script of `export_checks`, which fails where an export does not hold what the csv tables do.
fn check(python: &Path, script: &str, arguments: &[&str], bench: &Bench) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export_checks").join(script);
    let mut command = Command::new(python);
    command.arg("-B").arg(script).args(arguments).current_dir(bench.path());
    // Proxies are not for this machine.
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    succeeded(&command.output().expect("Python starts"))
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", stdout(output), stderr(output));
    stdout(output)
}

fn export(bench: &Bench, arguments: &[&str]) -> Output {
    let mut command = bench.command("export", arguments);
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1").env_remove("MLFLOW_TRACKING_URI");
    command.output().expect("the program starts")
}

/// A suite that was run, but for its last run, which looks like one that is under way.
fn partly_run() -> Bench {
    let bench = Bench::new(SUITE);
    succeeded(&bench.apical("run", &["--checkpoint-seconds", "0"]));
    let folder = bench.run_folders().pop().unwrap();
    let attempt = folder.join("attempts/20260101T000000000-here-1-0");
    fs::create_dir_all(&attempt).unwrap();
    for file in ["spec.json", "events.jsonl"] {
        let text = fs::read_to_string(folder.join("result").join(file)).unwrap();
        let kept = if file == "spec.json" { usize::MAX } else { 3 };
        let lines: Vec<&str> = text.lines().take(kept).collect();
        fs::write(attempt.join(file), lines.join("\n") + "\n").unwrap();
    }
    fs::remove_dir_all(folder.join("result")).unwrap();
    bench
}

#[test]
fn tensorboard_reads_of_every_run_what_the_tables_hold() {
    let Some(python) = checkers("tensorboard_reads_of_every_run_what_the_tables_hold") else { return };
    let bench = partly_run();
    for _ in 0..2 {
        for (format, to) in [("csv", "tables"), ("tensorboard", "events")] {
            succeeded(&export(&bench, &["--format", format, "--to", to]));
        }
        let told = check(&python, "tensorboard_reads.py", &["tables", "events"], &bench);
        assert!(told.starts_with("10 runs"), "{told}");
        // The second time with the run that was under way.
        succeeded(&bench.apical("run", &[]));
    }
    let again = succeeded(&export(&bench, &["--format", "tensorboard", "--to", "events"]));
    assert!(again.contains("10 runs: 10 unchanged"), "{again}");
}

#[test]
fn mlflow_holds_of_every_run_what_the_tables_hold_and_holds_it_once() {
    let Some(python) = checkers("mlflow_holds_of_every_run_what_the_tables_hold_and_holds_it_once") else {
        return;
    };
    let bench = partly_run();
    let server = MlflowServer::start(&python, bench.path());
    let to_server = || export(&bench, &["--format", "mlflow", "--to", &server.url]);
    let holds = || {
        succeeded(&export(&bench, &["--format", "csv", "--to", "tables"]));
        let told = check(&python, "mlflow_holds.py", &["tables", &server.url, "exported"], &bench);
        assert!(told.contains("\"runs\": 10"), "{told}");
    };
    let first = succeeded(&to_server());
    assert!(first.contains("apical/exported: 10 runs: 10 sent"), "{first}");
    holds();
    let second = succeeded(&to_server());
    assert!(second.contains("10 runs: 10 unchanged"), "{second}");
    holds();

    succeeded(&bench.apical("run", &[]));
    let completed = succeeded(&to_server());
    assert!(completed.contains("10 runs: 1 replaced, 9 unchanged"), "{completed}");
    holds();

    server.ask(&python, "c.delete_experiment(c.get_experiment_by_name('apical/exported').experiment_id)");
    let deleted = to_server();
    assert!(!deleted.status.success());
    assert!(stderr(&deleted).contains("mlflow experiments restore --experiment-id"), "{}", stderr(&deleted));
}

#[test]
fn a_format_and_a_place_that_do_not_fit_are_an_error_of_usage() {
    let bench = Bench::new(SUITE);
    for (arguments, says) in [
        (&["--format", "mlflow"][..], "--to http://localhost:5000"),
        (&["--format", "mlflow", "--to", "exports"], "`exports` is no address of an MLflow server"),
        (&["--format", "csv", "--to", "http://localhost:5000"], "`--format csv` writes into a folder"),
    ] {
        let output = export(&bench, arguments);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
}

/// A server that ends with its value.
struct MlflowServer {
    process: Child,
    url: String,
}

impl MlflowServer {
    /// One with an empty database in a folder; its log is beside it.
    fn start(python: &Path, folder: &Path) -> Self {
        /// Its first start compiles a thousand files of Python.
        const PATIENCE: Duration = Duration::from_mins(5);
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let log = fs::File::create(folder.join("mlflow.log")).unwrap();
        let mut command = Command::new(python);
        command
            .args(["-m", "mlflow", "server", "--backend-store-uri", "sqlite:///mlflow.db"])
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--workers", "1"])
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            // It starts processes of its own, which are to end with it.
            .process_group(0);
        let process = command.spawn().expect("the server starts");
        let mut server = Self { process, url: format!("http://127.0.0.1:{port}") };
        let client = apical::http::client(PATIENCE, PATIENCE).no_proxy().build();
        let begun = Instant::now();
        let healthy = || {
            let answer = client.as_ref().unwrap().get(format!("{}/health", server.url)).send();
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        while !healthy() {
            let log = || fs::read_to_string(folder.join("mlflow.log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "the MLflow server does not answer:\n{}", log());
            assert!(server.process.try_wait().unwrap().is_none(), "the MLflow server ended:\n{}", log());
            std::thread::sleep(Duration::from_millis(200));
        }
        server
    }

    /// Has MLflow's own client `c` do something.
    fn ask(&self, python: &Path, code: &str) {
        let code =
            format!("from mlflow.tracking import MlflowClient; c = MlflowClient('{}'); {code}", self.url);
        let mut command = Command::new(python);
        command.args(["-c", &code]).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        succeeded(&command.output().unwrap());
    }
}

impl Drop for MlflowServer {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.process.id() as i32), Signal::SIGKILL);
        let _ = self.process.wait();
    }
}
