//! The Slurm engine on a real Slurm, whatever breaks: every run ends once, with the figures of the local engine, or is named
//! with its reason.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod faults;
mod lab;
mod limits;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use lab::{Lab, finish, wait_until};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};
use support::{Bench, stderr, stdout};

/// Runs of a few seconds, a checkpoint after each epoch.
const SUITE: &str = "
name: lab
description: Long enough to be interrupted on the way.
seeds: 3
datasets: {digits: {validation: 200}}
architectures: {mlp: {mlp: {hidden: [64, 64]}}}
algorithms: {fa: {}, kp: {}}
training: {epochs: 25, batch_size: 8, optimizer: {adam: {learning_rate: 0.002}}}
";

const EAGER: [&str; 2] = ["--checkpoint-seconds", "0"];

type Measurements = BTreeMap<String, Vec<String>>;

/// What the local engine measures of [`SUITE`].
fn expected() -> &'static Measurements {
    static EXPECTED: OnceLock<Measurements> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let bench = Bench::new(SUITE);
        let run = bench.apical("run", &[]);
        assert!(run.status.success(), "{}", stderr(&run));
        bench.measurements()
    })
}

/// Every run is complete once, as the local engine has it, and no remains of attempts lie about.
#[track_caller]
fn assert_complete(bench: &Bench) {
    assert_eq!(bench.measurements(), *expected());
    for folder in bench.run_folders() {
        let others: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(others, ["result"], "remains in {}", folder.display());
    }
}

fn submissions(bench: &Bench) -> Vec<PathBuf> {
    let folders = fs::read_dir(bench.path().join("results/slurm/lab"));
    let mut folders: Vec<_> = folders.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

/// A file of this name in an attempt at any run.
fn attempt_file(bench: &Bench, name: &str) -> Option<PathBuf> {
    let attempts = bench.run_folders().into_iter().filter_map(|run| fs::read_dir(run.join("attempts")).ok());
    let mut files = attempts.flatten().flatten().map(|attempt| attempt.path().join(name));
    files.find(|file| file.exists())
}

fn wait_for_checkpoints(bench: &Bench) {
    wait_until("a checkpoint is written", || attempt_file(bench, "checkpoint.safetensors").is_some());
}

/// Whether a result tells that an attempt went on from another's checkpoint.
fn was_resumed(result: &Path) -> bool {
    fs::read_to_string(result.join("result/events.jsonl")).unwrap().contains("\"resumed\"")
}

#[test]
fn a_suite_runs_as_it_does_locally_several_runs_to_a_task_or_one() {
    let Some(lab) = Lab::start(3) else { return };
    let alone = Bench::new(SUITE);
    let run = lab.run(&alone, &[]);
    assert!(run.status.success(), "{}{}", stdout(&run), stderr(&run));
    assert_complete(&alone);
    assert_eq!(submissions(&alone).len(), 1);
    let packed = Bench::new(SUITE);
    let run = lab.run(
        &packed,
        &["--slurm", "runs_per_task=4", "--slurm", "runs_at_once=2", "--slurm", "gpus=1", "--device", "cpu"],
    );
    assert!(run.status.success(), "{}{}", stdout(&run), stderr(&run));
    assert_complete(&packed);
    let again = lab.run(&packed, &[]);
    assert!(again.status.success());
    assert_eq!(submissions(&packed).len(), 1, "nothing was missing, and yet something was submitted");
}

#[test]
fn runs_that_ask_for_different_things_go_into_different_arrays() {
    let Some(lab) = Lab::start(1) else { return };
    let suite = format!(
        "{SUITE}engine: {{slurm: {{memory: 500M}}}}\noverrides: [{{match: {{algorithm: kp}}, set: {{engine.slurm.memory: 700M, \
         engine.slurm.runs_per_task: 2}}}}]\n"
    );
    let bench = Bench::new(&suite);
    let dry = stdout(&lab.run(&bench, &["--dry-run"]));
    assert!(dry.contains("--mem=500M") && dry.contains("--array=0-2\n"), "{dry}");
    assert!(dry.contains("--mem=700M") && dry.contains("--array=0-1\n"), "{dry}");
    assert!(!bench.path().join("results").exists(), "a dry run wrote something");
    let run = lab.run(&bench, &["--slurm", "max_parallel=1"]);
    assert!(run.status.success(), "{}{}", stdout(&run), stderr(&run));
    assert_complete(&bench);
    let arrays = fs::read_dir(&submissions(&bench)[0]).unwrap().flatten();
    let scripts = arrays.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "sh"));
    assert_eq!(scripts.count(), 2);
}

#[test]
fn whoever_comes_later_attaches_to_what_is_queued_and_can_cancel_it() {
    let Some(lab) = Lab::start(2) else { return };
    let bench = Bench::new(SUITE);
    let detached = lab.run(&bench, &[&EAGER[..], &["--detach", "--slurm", "max_parallel=2"]].concat());
    assert!(detached.status.success(), "{}", stderr(&detached));
    wait_for_checkpoints(&bench);
    let status = stdout(&lab.apical(&bench, "status", &[]));
    assert!(status.contains("running on node") && status.contains("queued: JobArrayTaskLimit"), "{status}");
    assert!(status.contains("on the cluster: 2 running, 4 waiting"), "{status}");

    let cancelled = stdout(&lab.apical(&bench, "cancel", &["--filter", "algorithm=kp"]));
    assert!(cancelled.contains("3 runs cancelled"), "{cancelled}");
    let attached = finish(lab.start_run(&bench, &["--filter", "algorithm=fa"]));
    assert!(attached.status.success(), "{}{}", stdout(&attached), stderr(&attached));
    assert_eq!(submissions(&bench).len(), 1, "attaching submitted something");
    let cancelled = stdout(&lab.apical(&bench, "cancel", &[]));
    assert!(cancelled.contains("no run is queued"), "{cancelled}");
    let rest = lab.run(&bench, &[]);
    assert!(rest.status.success(), "{}{}", stdout(&rest), stderr(&rest));
    assert_complete(&bench);
}

#[test]
fn a_waiting_command_whose_tasks_are_cancelled_ends_and_says_so() {
    let Some(lab) = Lab::start(1) else { return };
    let bench = Bench::new(&SUITE.replace("epochs: 25", "epochs: 4000"));
    let waiting = lab.start_run(&bench, &EAGER);
    wait_for_checkpoints(&bench);
    assert!(lab.apical(&bench, "cancel", &[]).status.success());
    let ended = finish(waiting);
    assert_eq!(ended.status.code(), Some(100), "{}{}", stdout(&ended), stderr(&ended));
    assert!(stdout(&ended).contains("6 not done"), "{}", stdout(&ended));
    assert!(stderr(&ended).contains("cancelled"), "{}", stderr(&ended));
}

#[test]
fn without_slurm_and_with_wrong_options_the_error_says_what_to_do() {
    let bench = Bench::new(SUITE);
    let nowhere = |more: &[&str]| {
        let mut command = bench.command("run", &[&["--engine", "slurm"], more].concat());
        command.env("PATH", "/nonexistent").output().expect("the program starts")
    };
    let run = nowhere(&[]);
    assert_eq!(run.status.code(), Some(1));
    assert!(stderr(&run).contains("with Slurm's commands in PATH"), "{}", stderr(&run));
    for (option, words) in [
        ("time=2h", "is no time limit of Slurm's"),
        ("partitoin=gpu", "there is no setting `partitoin`"),
        ("gpus", "expected KEY=VALUE"),
        ("extra=--array=1-3", "set by the engine"),
        ("memory=4", "is no amount of memory"),
    ] {
        let run = nowhere(&["--slurm", option]);
        assert_eq!(run.status.code(), Some(3), "{option}: {}", stderr(&run));
        assert!(stderr(&run).contains(words), "{option}: {}", stderr(&run));
    }
    let local = bench.apical("run", &["--detach"]);
    assert_eq!(local.status.code(), Some(3));
    assert!(stderr(&local).contains("add `--engine slurm`"), "{}", stderr(&local));
}
