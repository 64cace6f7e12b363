//! Runs end in one state, survive kills, and give the same figures however often they are interrupted.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "other tests need more of it")]
mod support;

use std::{
    fs,
    thread::sleep,
    time::{Duration, Instant},
};
use support::{Bench, stderr, stdout};

const SUITE: &str = "
name: survival
description: Long enough to be killed on the way.
seeds: 2
datasets: {digits: {validation: 200}}
architectures: {mlp: {mlp: {hidden: [64]}}, cnn: {cnn: {layers: [{conv: {channels: 4, kernel: 3}}, {max_pool: {kernel: 2}}]}}}
algorithms: {fa: {}, brsf: {}, kp: {}, dtp: {schedule: alternating, pretraining_epochs: 2}, ao-sdtp: {schedule: parallel, auxiliary_units: 8}}
exclude: [{algorithm: [dtp, ao-sdtp], architecture: cnn}]
training: {epochs: 12, batch_size: 16, optimizer: {adam: {learning_rate: 0.002}}}
";

const ONE: &str = "
name: one
description: One run.
seeds: 1
datasets: {digits: {}}
architectures: {mlp: {mlp: {hidden: [32]}}}
algorithms: {bp: {}}
training: {epochs: 3, batch_size: 32, optimizer: {sgd: {learning_rate: 0.1}}}
";

const REGRESSION: &str = "
name: regression
description: Every rule that learns values.
datasets: {sacramento-teacher: {validation: 500, normalization: centered, subset: {train: 1000, test: 200}}}
architectures: {mlp: {mlp: {hidden: [20, 20], activation: tanh}}}
algorithms:
  {bp: {}, fa: {}, dfa: {}, usf: {}, kp: {}, tp: {}, dtp: {}, dtp-label: {rule: dtp, first_target: label}, sdtp: {}, ao-sdtp: {}}
training: {epochs: 3, batch_size: 10, loss: squared-error, optimizer: {sgd: {learning_rate: 0.002}}}
";

/// A checkpoint after every epoch, so that every kill finds one.
const EAGER: [&str; 2] = ["--checkpoint-seconds", "0"];

#[test]
fn figures_do_not_depend_on_the_number_of_jobs() {
    let (alone, together) = (Bench::new(SUITE), Bench::new(SUITE));
    assert!(alone.apical("run", &["--jobs", "1"]).status.success());
    assert!(together.apical("run", &["--jobs", "4"]).status.success());
    assert_eq!(alone.measurements().len(), 16);
    assert_eq!(alone.measurements(), together.measurements());
}

#[test]
fn whatever_is_killed_every_run_is_complete_once_with_the_same_figures() {
    let undisturbed = Bench::new(SUITE);
    assert!(undisturbed.apical("run", &[]).status.success());

    let killed = Bench::new(SUITE);
    for round in 0..6u64 {
        let mut parent = killed.start("run", &EAGER);
        sleep(Duration::from_millis(500 + 170 * round));
        wait_until("a checkpoint is written, or all is done", || {
            attempt_file(&killed, "checkpoint.safetensors").is_some() || parent.try_wait().unwrap().is_some()
        });
        // In turn: the parent, its children, both.
        if round % 3 != 0 {
            kill_children(parent.id());
        }
        if round % 3 != 1 {
            let _ = parent.kill();
        }
        parent.wait().unwrap();
    }
    let last = killed.apical("run", &EAGER);
    assert!(last.status.success(), "{}{}", stdout(&last), stderr(&last));
    assert_eq!(killed.measurements(), undisturbed.measurements());
    let resumed = |folder: &std::path::PathBuf| {
        fs::read_to_string(folder.join("result/events.jsonl")).unwrap().contains("\"resumed\"")
    };
    assert!(killed.run_folders().iter().any(resumed), "no run went on from a checkpoint");
    for folder in killed.run_folders() {
        assert!(!folder.join("attempts").exists(), "remains of attempts in {}", folder.display());
    }
}

/// `kill -9` for every child of a process.
fn kill_children(parent: u32) {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let mut pids: Vec<String> = children.split_whitespace().map(str::to_owned).collect();
    // Threads of the parent start processes too, and each thread has its own list.
    for task in fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
        let list = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        pids.extend(list.split_whitespace().map(str::to_owned));
    }
    for pid in pids {
        let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
}

/// An orderly exit would take LibTorch down under the thread that computes, and that thread would record a failure.
#[test]
fn children_whose_parent_is_killed_record_no_failure() {
    let bench = Bench::new(&ONE.replace("epochs: 3", "epochs: 2000"));
    for round in 0..5 {
        let mut parent = bench.start("run", &EAGER);
        wait_until("a checkpoint is written", || attempt_file(&bench, "checkpoint.safetensors").is_some());
        sleep(Duration::from_millis(300 + 90 * round));
        parent.kill().unwrap();
        parent.wait().unwrap();
        sleep(Duration::from_millis(600));
        let status = stdout(&bench.apical("status", &[]));
        assert!(status.contains("interrupted") && !status.contains("failed"), "{status}");
    }
}

#[test]
fn a_run_that_goes_on_from_a_checkpoint_says_so() {
    let bench = Bench::new(&ONE.replace("epochs: 3", "epochs: 2000"));
    let mut parent = bench.start("run", &EAGER);
    wait_until("a checkpoint is written", || attempt_file(&bench, "checkpoint.safetensors").is_some());
    parent.kill().unwrap();
    parent.wait().unwrap();
    let mut parent = bench.start("run", &EAGER);
    wait_until("the second attempt goes on", || {
        bench.run_folders().iter().any(|folder| {
            let logs = walkdir::WalkDir::new(folder).into_iter().flatten();
            logs.filter(|entry| entry.file_name() == "events.jsonl")
                .any(|entry| fs::read_to_string(entry.path()).unwrap_or_default().contains("\"resumed\""))
        })
    });
    parent.kill().unwrap();
    parent.wait().unwrap();
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let suite = ONE.replace("epochs: 3", "epochs: 40");
    let undisturbed = Bench::new(&suite);
    assert!(undisturbed.apical("run", &[]).status.success());
    let bench = Bench::new(&suite);
    let mut parent = bench.start("run", &EAGER);
    wait_until("a checkpoint is written", || attempt_file(&bench, "checkpoint.safetensors").is_some());
    parent.kill().unwrap();
    parent.wait().unwrap();
    if let Some(path) = attempt_file(&bench, "checkpoint.safetensors") {
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        fs::write(&path, bytes).unwrap();
    }
    assert!(bench.apical("run", &[]).status.success());
    assert_eq!(bench.measurements(), undisturbed.measurements());
}

#[test]
fn a_damaged_result_is_set_aside_and_computed_again() {
    for (file, content) in [("outcome.json", "{\"format\": 1, \"id\":"), ("events.jsonl", "")] {
        let bench = Bench::new(ONE);
        assert!(bench.apical("run", &[]).status.success());
        let before = bench.measurements();
        let folder = bench.run_folders().remove(0);
        fs::write(folder.join("result").join(file), content).unwrap();
        let again = bench.apical("run", &[]);
        assert!(again.status.success());
        let said = stdout(&again);
        assert!(said.contains("a damaged result is set aside") && said.contains(file), "{said}");
        assert_eq!(bench.measurements(), before);
        let aside = fs::read_dir(&folder).unwrap().flatten();
        let damaged = aside.filter(|entry| entry.file_name().to_string_lossy().starts_with("damaged-"));
        assert_eq!(damaged.count(), 1);
    }
}

#[test]
fn a_result_of_another_format_is_not_taken_for_this_programs() {
    for file in ["outcome.json", "spec.json"] {
        let bench = Bench::new(ONE);
        assert!(bench.apical("run", &[]).status.success());
        let path = bench.run_folders().remove(0).join("result").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"format\": 1"), "{text}");
        fs::write(&path, text.replace("\"format\": 1", "\"format\": 99")).unwrap();
        let again = bench.apical("run", &[]);
        assert!(stdout(&again).contains("0 done, 1 to compute"), "{file}: {}", stdout(&again));
        assert_eq!(bench.only_outcome()["format"], 1);
    }
}

#[test]
fn commands_that_read_take_a_damaged_result_for_not_done_and_change_nothing() {
    let bench = Bench::new(ONE);
    assert!(bench.apical("run", &[]).status.success());
    let folder = bench.run_folders().remove(0);
    fs::write(folder.join("result/outcome.json"), "{").unwrap();
    let names = || -> Vec<_> {
        let entries = walkdir::WalkDir::new(bench.path().join("results")).sort_by_file_name().into_iter();
        entries.map(|entry| entry.unwrap().into_path()).collect()
    };
    let before = names();
    for (command, says) in [("status", "pending"), ("plan", "0 done, 1 to compute"), ("report", "")] {
        let output = bench.apical(command, &[]);
        assert!(output.status.success(), "{command}: {}", stderr(&output));
        assert!(stdout(&output).contains(says), "{command}: {}", stdout(&output));
        assert_eq!(names(), before, "{command}");
    }
}

#[test]
fn a_loss_that_is_not_finite_ends_a_run_as_diverged_and_that_is_a_result() {
    let suite = ONE.replace("hidden: [32]", "hidden: [32], activation: relu").replace("0.1", "1.0e+30");
    let bench = Bench::new(&suite);
    let run = bench.apical("run", &[]);
    assert!(run.status.success(), "{}", stderr(&run));
    let outcome = bench.only_outcome();
    assert_eq!(outcome["state"], "diverged");
    assert!(outcome["reason"].as_str().unwrap().contains("loss"), "{outcome}");
    let again = bench.apical("run", &[]);
    assert!(stdout(&again).contains("1 done, 0 to compute"), "{}", stdout(&again));
}

#[test]
fn a_run_past_its_time_limit_is_named_and_tried_again_by_the_next_command() {
    let bench = Bench::new(&ONE.replace("epochs: 3", "epochs: 1000000"));
    let run = bench.apical("run", &["--timeout", "1"]);
    assert_eq!(run.status.code(), Some(100), "{}", stderr(&run));
    assert_eq!(bench.only_outcome()["state"], "timed-out");
    let status = bench.apical("plan", &["--output", "json"]);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&status.stdout).unwrap()["done"], 0);
}

#[test]
fn a_run_killed_again_and_again_ends_as_lost_after_its_retries() {
    let bench =
        Bench::new(&format!("{}\nexecution: {{retries: 1}}\n", ONE.replace("epochs: 3", "epochs: 1000000")));
    let mut parent = bench.start("run", &[]);
    let deadline = Instant::now() + Duration::from_mins(1);
    let status = loop {
        if let Some(status) = parent.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "the parent does not give up");
        if attempt_file(&bench, "events.jsonl").is_some() {
            kill_children(parent.id());
        }
        sleep(Duration::from_millis(50));
    };
    assert_eq!(status.code(), Some(100));
    let outcome = bench.only_outcome();
    assert_eq!(outcome["state"], "lost");
    assert!(outcome["reason"].as_str().unwrap().contains("signal 9"), "{outcome}");
    let attempts = fs::read_dir(bench.run_folders()[0].join("attempts")).unwrap().count();
    assert_eq!(attempts, 2, "one try and one retry");
}

#[test]
fn ctrl_c_stops_children_and_says_how_to_go_on() {
    let bench = Bench::new(&ONE.replace("epochs: 3", "epochs: 1000000"));
    let mut command = bench.command("run", &EAGER);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut parent = command.spawn().unwrap();
    wait_until("a checkpoint is written", || attempt_file(&bench, "checkpoint.safetensors").is_some());
    let pid = nix::unistd::Pid::from_raw(parent.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let status = parent.wait().unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut parent.stdout.take().unwrap(), &mut said).unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(said.contains("apical run suite.yaml"), "{said}");
    let status = bench.apical("status", &[]);
    assert!(stdout(&status).contains("interrupted"), "{}", stdout(&status));
}

#[test]
fn two_commands_on_one_suite_at_once_compute_every_run_once() {
    let bench = Bench::new(SUITE);
    let mut first = bench.start("run", &[]);
    let mut second = bench.start("run", &[]);
    assert!(first.wait().unwrap().success());
    assert!(second.wait().unwrap().success());
    assert_eq!(bench.measurements().len(), 16);
    for folder in bench.run_folders() {
        assert!(!folder.join("attempts").exists(), "remains of attempts in {}", folder.display());
    }
}

#[test]
fn results_that_were_carried_elsewhere_need_no_suite_file() {
    let bench = Bench::new(ONE);
    assert!(bench.apical("run", &[]).status.success());
    fs::remove_file(bench.path().join("suite.yaml")).unwrap();
    for command in ["status", "report"] {
        let mut apical = std::process::Command::new(env!("CARGO_BIN_EXE_apical"));
        let output =
            apical.args([command, "one", "--results", "results"]).current_dir(bench.path()).output().unwrap();
        assert!(output.status.success(), "{command}: {}", stderr(&output));
    }
    assert!(bench.path().join("reports/one/README.md").exists());
    fs::write(bench.path().join("results/plans/one.json"), "{").unwrap();
    let mut apical = std::process::Command::new(env!("CARGO_BIN_EXE_apical"));
    let output =
        apical.args(["status", "one", "--results", "results"]).current_dir(bench.path()).output().unwrap();
    assert!(stderr(&output).contains("is not a valid plan"), "{}", stderr(&output));
}

#[test]
fn a_suite_that_does_not_exist_is_named_with_the_nearest_that_does() {
    let bench = Bench::new(ONE);
    assert!(bench.apical("run", &[]).status.success());
    let mut apical = std::process::Command::new(env!("CARGO_BIN_EXE_apical"));
    let output =
        apical.args(["plan", "oen", "--results", "results"]).current_dir(bench.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("did you mean `one`"), "{}", stderr(&output));
}

#[test]
fn a_results_folder_that_cannot_be_written_is_named() {
    let bench = Bench::new(ONE);
    fs::write(bench.path().join("results"), "a file, not a folder").unwrap();
    let run = bench.apical("run", &[]);
    assert_eq!(run.status.code(), Some(1));
    assert!(stderr(&run).contains("results/"), "{}", stderr(&run));
}

/// A file of any attempt under way or abandoned.
#[test]
fn every_rule_learns_values_and_the_lowest_validation_loss_selects() {
    let bench = Bench::new(REGRESSION);
    let ran = bench.apical("run", &["--jobs", "2"]);
    assert!(ran.status.success(), "{}", stderr(&ran));
    let measurements = bench.measurements();
    assert_eq!(measurements.len(), 10);
    for (id, lines) in measurements {
        let events: Vec<serde_json::Value> =
            lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (result, events) = events.split_last().unwrap();
        let losses: Vec<f64> =
            events.iter().filter_map(|event| event["validation"]["loss"].as_f64()).collect();
        assert_eq!(losses.len(), 4, "{id}");
        let trained = &losses[1..];
        let lowest = (0..3).min_by(|left, right| trained[*left].total_cmp(&trained[*right])).unwrap();
        assert_eq!(result["selected_epoch"], lowest + 1, "{id}: {losses:?}");
        assert!(trained[lowest] < losses[0], "{id} learned nothing: {losses:?}");
    }
}

fn attempt_file(bench: &Bench, name: &str) -> Option<std::path::PathBuf> {
    bench.run_folders().iter().find_map(|folder| {
        let attempts = fs::read_dir(folder.join("attempts")).ok()?;
        attempts.flatten().map(|entry| entry.path().join(name)).find(|path| path.exists())
    })
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_time_limit_that_falls_on_the_end_of_a_run_costs_nothing_but_that_run() {
    let suite = ONE.replace("seeds: 1", "seeds: 16");
    for tenths in [2.0, 2.5, 3.0, 3.5] {
        let bench = Bench::new(&suite);
        let limit = (tenths / 10.0).to_string();
        let output = bench.apical("run", &["--timeout", &limit, "--jobs", "2"]);
        assert!(matches!(output.status.code(), Some(0 | 100)), "{}{}", stdout(&output), stderr(&output));
        let counts = stdout(&output);
        let counts = counts.lines().find(|line| line.starts_with("16 runs: ")).unwrap();
        assert!(!counts.contains("not done"), "{counts}");
    }
}

#[test]
fn a_result_under_another_runs_name_is_set_aside_and_computed_again() {
    let bench = Bench::new(&ONE.replace("seeds: 1", "seeds: 2"));
    assert!(bench.apical("run", &[]).status.success());
    let before = bench.measurements();
    let [from, to] = <[_; 2]>::try_from(bench.run_folders()).unwrap();
    for file in ["outcome.json", "events.jsonl", "spec.json"] {
        fs::copy(from.join("result").join(file), to.join("result").join(file)).unwrap();
    }
    let again = bench.apical("run", &[]);
    assert!(again.status.success() && stdout(&again).contains("1 done, 1 to compute"), "{}", stdout(&again));
    assert_eq!(bench.measurements(), before);
}

#[test]
fn a_report_on_some_runs_names_the_command_for_these_alone() {
    let bench = Bench::new(&ONE.replace("seeds: 1", "seeds: 2"));
    let some = ["--filter", "seed=1", "--filter", "algorithm=bp"];
    assert!(bench.apical("run", &some).status.success());
    assert!(bench.apical("report", &some).status.success());
    assert!(!bench.path().join("reports/one").exists());
    let report = fs::read_to_string(bench.path().join("reports/one-filtered/README.md")).unwrap();
    assert!(report.contains("1 of the suite's 2 runs, selected by `seed=1`, `algorithm=bp`"), "{report}");
    assert!(report.contains("apical run suite.yaml --filter seed=1 --filter algorithm=bp\n"), "{report}");
}

#[test]
fn what_cannot_fit_in_memory_is_said_before_anything_is_computed_and_the_rest_is_computed() {
    let bench = Bench::new(support::TOO_WIDE);
    let plan = bench.apical("plan", &[]);
    let said = stdout(&plan);
    assert!(said.contains("does not fit: digits / wide / bp needs at least"), "{said}");
    assert!(said.contains("the network's parameters; this machine has"), "{said}");
    let run = bench.apical("run", &[]);
    let said = stdout(&run);
    assert!(said.contains("not begun: digits / wide / bp needs at least"), "{said}{}", stderr(&run));
    assert!(said.contains("1 completed, 1 not done"), "{said}");
    assert_eq!(run.status.code(), Some(100), "{said}");
    assert_eq!(bench.measurements().len(), 1, "{said}");
}
