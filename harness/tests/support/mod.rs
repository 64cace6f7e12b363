//! What the tests of the program share: a folder of its own for each, a small suite, and what came of it.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// A folder with a suite and its results.
pub struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// A folder with `suite` as `suite.yaml`.
    pub fn new(suite: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("suite.yaml"), suite).expect("the suite is written");
        Self { folder }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `apical COMMAND suite.yaml …` with this folder's results.
    pub fn command(&self, command: &str, more: &[&str]) -> Command {
        let mut apical = Command::new(env!("CARGO_BIN_EXE_apical"));
        apical.arg(command).arg("suite.yaml").args(["--results", "results"]).args(more);
        apical.current_dir(self.path()).stdin(Stdio::null());
        apical
    }

    /// Runs a command to its end.
    pub fn apical(&self, command: &str, more: &[&str]) -> Output {
        self.command(command, more).output().expect("the program starts")
    }

    /// Starts a command and lets it run.
    pub fn start(&self, command: &str, more: &[&str]) -> Child {
        let mut apical = self.command(command, more);
        apical.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
    }

    /// The folders of all runs that were begun.
    pub fn run_folders(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path().join("results/runs"));
        let mut folders: Vec<_> = entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        folders.sort();
        folders
    }

    /// Of every run with a result, what it measured: everything but times and provenance.
    pub fn measurements(&self) -> BTreeMap<String, Vec<String>> {
        let of_run = |folder: PathBuf| {
            let events = fs::read_to_string(folder.join("result/events.jsonl")).ok()?;
            let outcome = fs::read_to_string(folder.join("result/outcome.json")).ok()?;
            let outcome: Value = serde_json::from_str(&outcome).expect("an outcome is JSON");
            let mut lines: Vec<String> = Vec::new();
            for line in events.lines() {
                let mut event: Value = serde_json::from_str(line).expect("an event is JSON");
                // A resumption is no measurement, and times are the machine's.
                if event["event"] == "resumed" {
                    continue;
                }
                event.as_object_mut().expect("an event is an object").remove("timing");
                lines.push(event.to_string());
            }
            lines.push(outcome["result"].to_string());
            Some((folder.file_name()?.to_string_lossy().into_owned(), lines))
        };
        self.run_folders().into_iter().filter_map(of_run).collect()
    }

    /// The outcome of the only run of the suite, or of its latest attempt.
    pub fn only_outcome(&self) -> Value {
        let status = self.apical("status", &["--output", "json"]);
        let rows: Value = serde_json::from_slice(&status.stdout).expect("status is JSON");
        assert_eq!(rows.as_array().map(Vec::len), Some(1), "one run was planned");
        rows[0]["outcome"].clone()
    }
}

/// A suite with a network that fits in no memory, and one that does.
pub const TOO_WIDE: &str = "name: too-wide
description: one network is too wide
datasets: {digits: {validation: 100}}
architectures:
  wide: {mlp: {hidden: [5000000, 5000000]}}
  small: {mlp: {hidden: [16]}}
algorithms: {bp: {}}
training: {epochs: 1, batch_size: 32, optimizer: {sgd: {learning_rate: 0.1}}}
";

/// A command's standard output.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A command's standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Says that something was not tested, where nobody overlooks it: `make test` repeats it at its end.
pub fn skipped(notice: &str) {
    // Not `eprintln!`, which is shown of tests that fail alone.
    let _ = writeln!(std::io::stderr(), "{notice}");
    let list = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped-tests.txt");
    let mut list = fs::File::options().create(true).append(true).open(list).expect("the list can be written");
    writeln!(list, "{}", notice.trim().replace('\n', " ")).expect("the list can be written");
}
