//! A pretended Slurm cluster for a test, a few at a time: most of a test is waiting for Slurm, but the machine has few cores.

use super::support::{Bench, skipped};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Condvar, Mutex, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

/// Looks at the queue often, and waits for no network filesystem.
pub const QUICK: [&str; 6] = ["--engine", "slurm", "--poll-seconds", "0.3", "--settle-seconds", "1"];

/// How many clusters may stand at once, and how many do.
const MOST: usize = 3;
static STANDING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// A cluster, stopped when it is dropped or when this process ends.
pub struct Lab {
    folder: tempfile::TempDir,
    _place: Place,
}

/// A place among the clusters that stand.
struct Place;

impl Place {
    fn take() -> Self {
        let (standing, freed) = &STANDING;
        let standing = standing.lock().unwrap_or_else(PoisonError::into_inner);
        let free = freed.wait_while(standing, |standing| *standing >= MOST);
        *free.unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (standing, freed) = &STANDING;
        *standing.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        freed.notify_one();
    }
}

impl Lab {
    /// A cluster of so many nodes; none, which is said aloud, where Slurm cannot be installed.
    pub fn start(nodes: usize) -> Option<Self> {
        let place = Place::take();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let lab = Self { folder, _place: place };
        let until = std::process::id().to_string();
        let started = lab.lab(&["start", &nodes.to_string(), "--until", &until]);
        if started.status.code() == Some(77) {
            let reason = String::from_utf8_lossy(&started.stderr);
            let notice = format!("SKIPPED a test of the Slurm engine: {reason}");
            assert!(std::env::var_os("APICAL_REQUIRE_SLURM").is_none(), "{notice}");
            skipped(&notice);
            return None;
        }
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        Some(lab)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("lab")
    }

    /// `scripts/slurm-lab.sh` with these arguments.
    pub fn lab(&self, arguments: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/slurm-lab.sh");
        let mut command = Command::new(script);
        command.args(arguments).env("APICAL_SLURM_LAB", self.path()).stdin(Stdio::null());
        command.output().expect("the script starts")
    }

    /// The variable by which Slurm's commands find the cluster.
    pub fn configuration(&self) -> PathBuf {
        self.path().join("slurm.conf")
    }

    /// What one of Slurm's commands prints.
    pub fn slurm(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(arguments).env("SLURM_CONF", self.configuration());
        let output = command.output().expect("Slurm's commands are in PATH");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `apical COMMAND suite.yaml …` on this cluster.
    pub fn command(&self, bench: &Bench, command: &str, more: &[&str]) -> Command {
        let mut apical = bench.command(command, more);
        apical.env("SLURM_CONF", self.configuration());
        apical
    }

    /// Runs a command to its end.
    pub fn apical(&self, bench: &Bench, command: &str, more: &[&str]) -> Output {
        let mut apical = self.command(bench, command, more);
        apical.stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(apical.spawn().expect("the program starts"))
    }

    /// `apical run suite.yaml --engine slurm …` to its end.
    pub fn run(&self, bench: &Bench, more: &[&str]) -> Output {
        self.apical(bench, "run", &[&QUICK, more].concat())
    }

    /// Starts `apical run suite.yaml --engine slurm …`.
    pub fn start_run(&self, bench: &Bench, more: &[&str]) -> Child {
        let mut apical = self.command(bench, "run", &[&QUICK, more].concat());
        apical.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    /// How many tasks are in the queue in this state, e.g. `RUNNING`.
    pub fn tasks(&self, state: &str) -> usize {
        self.slurm("squeue", &["--noheader", "--array", "--states", state, "--format=%i"]).lines().count()
    }

    /// Slurm lets what was put back into the queue wait for two minutes; this doesn't.
    pub fn hurry(&self) {
        let waiting = self.slurm("squeue", &["--noheader", "--array", "--states=PENDING", "--format=%i|%r"]);
        for line in waiting.lines() {
            if let Some((task, "BeginTime")) = line.split_once('|') {
                self.slurm("scontrol", &["update", &format!("jobid={task}"), "starttime=now"]);
            }
        }
    }

    /// The node of the first task that runs.
    pub fn busy_node(&self) -> Option<String> {
        let nodes = self.slurm("squeue", &["--noheader", "--array", "--states=RUNNING", "--format=%N"]);
        nodes.lines().next().map(str::to_owned)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.lab(&["stop"]);
    }
}

/// Waits for a command that must end within eight minutes; what it said.
#[track_caller]
pub fn finish(mut child: Child) -> Output {
    let deadline = Instant::now() + Duration::from_mins(8);
    while child.try_wait().expect("a child can be waited for").is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            let output = child.wait_with_output().expect("a child can be waited for");
            panic!("it did not end: {output:?}");
        }
        sleep(Duration::from_millis(50));
    }
    child.wait_with_output().expect("a child can be waited for")
}

/// Waits for something that must happen within eight minutes.
#[track_caller]
pub fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(8);
    while !happened() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(Duration::from_millis(50));
    }
}
