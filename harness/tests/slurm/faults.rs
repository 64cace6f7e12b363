//! Machines, daemons and submitters that die, files that are damaged, data that is missing on a node.

use super::{
    EAGER, SUITE, assert_complete, attempt_file,
    lab::{Lab, finish, wait_until},
    submissions,
    support::{Bench, skipped, stderr, stdout},
    wait_for_checkpoints, was_resumed,
};
use std::{fs, path::Path, process::Command, thread::sleep, time::Duration};

/// A run that is in its first epoch for minutes.
const SLOW: &str = "
name: lab
description: An epoch without end.
datasets: {digits: {validation: 200}}
architectures: {mlp: {mlp: {hidden: [64]}}}
algorithms: {segregated-dendrites: {mode: spiking, phases: {forward: 4000, target: 4000, test: 40}}}
training: {epochs: 3, batch_size: 1, optimizer: {sgd: {learning_rate: 0.1}}}
";

#[test]
fn runs_of_a_node_that_goes_down_go_on_elsewhere_and_those_of_one_that_is_drained_where_they_are() {
    let Some(lab) = Lab::start(3) else { return };
    let bench = Bench::new(SUITE);
    let waiting = lab.start_run(&bench, &[&EAGER[..], &["--slurm", "cpus=2"]].concat());
    wait_until("every run is on a node", || lab.tasks("RUNNING") == 6);
    wait_for_checkpoints(&bench);
    lab.slurm("scontrol", &["update", "nodename=node1", "state=drain", "reason=test"]);
    lab.slurm("scontrol", &["update", "nodename=node2", "state=down", "reason=test"]);
    let ended = finish(waiting);
    assert!(ended.status.success(), "{}{}", stdout(&ended), stderr(&ended));
    assert_complete(&bench);
    assert!(bench.run_folders().iter().any(|run| was_resumed(run)), "no run went on from a checkpoint");
}

#[test]
fn a_copy_that_runs_on_beside_the_requeued_one_does_no_harm() {
    let Some(lab) = Lab::start(2) else { return };
    let bench = Bench::new(&SUITE.replace("epochs: 25", "epochs: 160"));
    let waiting = lab.start_run(&bench, &EAGER);
    wait_for_checkpoints(&bench);
    wait_until("a task runs", || lab.busy_node().is_some());
    let node = lab.busy_node().unwrap();
    lab.lab(&["sever", node.trim_start_matches("node")]);
    wait_until("the controller misses the node", || {
        lab.slurm("sinfo", &["--noheader", "--nodes", &node, "--format=%T"]).contains("down")
    });
    let ended = finish(waiting);
    assert!(ended.status.success(), "{}{}", stdout(&ended), stderr(&ended));
    assert_eq!(bench.measurements().len(), 6);
    // The severed copies end too, and find that the results are there.
    wait_until("no attempt is left", || attempt_file(&bench, "spec.json").is_none());
    let local = Bench::new(&SUITE.replace("epochs: 25", "epochs: 160"));
    assert!(local.apical("run", &[]).status.success());
    assert_eq!(bench.measurements(), local.measurements());
}

#[test]
fn a_controller_that_restarts_is_waited_for() {
    let Some(lab) = Lab::start(2) else { return };
    let bench = Bench::new(SUITE);
    let waiting = lab.start_run(&bench, &EAGER);
    wait_for_checkpoints(&bench);
    assert!(lab.lab(&["bounce"]).status.success());
    let ended = finish(waiting);
    assert!(ended.status.success(), "{}{}", stdout(&ended), stderr(&ended));
    assert_eq!(submissions(&bench).len(), 1, "runs were taken for lost");
    assert_complete(&bench);
}

#[test]
fn jobs_outlive_their_submitter_and_another_waits_for_them() {
    let Some(lab) = Lab::start(2) else { return };
    let bench = Bench::new(SUITE);
    let mut submitter = lab.start_run(&bench, &EAGER);
    wait_for_checkpoints(&bench);
    submitter.kill().unwrap();
    submitter.wait().unwrap();
    // As if it had died before it learnt the job's id.
    let record = submissions(&bench)[0].join("submission.json");
    let text = fs::read_to_string(&record).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["arrays"][0]["job"] = serde_json::Value::Null;
    fs::write(&record, value.to_string()).unwrap();
    let other = lab.run(&bench, &[]);
    assert!(other.status.success(), "{}{}", stdout(&other), stderr(&other));
    assert!(stdout(&other).contains("queued or running already"), "{}", stdout(&other));
    assert_eq!(submissions(&bench).len(), 1, "the second submitted something");
    assert_complete(&bench);
}

#[test]
fn two_submitters_at_once_compute_every_run_once_and_one_cancel_ends_all() {
    let Some(lab) = Lab::start(2) else { return };
    let bench = Bench::new(SUITE);
    let both = [(); 2].map(|()| lab.start_run(&bench, &[&EAGER[..], &["--detach"]].concat()));
    for one in both {
        let ended = finish(one);
        assert!(ended.status.success(), "{}{}", stdout(&ended), stderr(&ended));
    }
    wait_until("the second has taken its tasks back", || lab.tasks("RUNNING,PENDING,COMPLETING") <= 6);
    let cancelled = stdout(&lab.apical(&bench, "cancel", &[]));
    assert!(cancelled.contains("6 runs cancelled"), "{cancelled}");
    wait_until("no task is left", || lab.tasks("RUNNING,PENDING,COMPLETING") == 0);
    let both = [lab.start_run(&bench, &EAGER), lab.start_run(&bench, &EAGER)];
    for one in both {
        let ended = finish(one);
        assert!(ended.status.success(), "{}{}", stdout(&ended), stderr(&ended));
    }
    assert_complete(&bench);
}

/// A node on which nothing starts, be it for want of LibTorch, ends tasks faster than any other.
#[test]
fn a_node_on_which_nothing_starts_costs_no_run() {
    let Some(lab) = Lab::start(2) else { return };
    let bench = Bench::new(SUITE);
    let waiting = lab.start_run(&bench, &["--detach", "--slurm", "max_parallel=1"]);
    assert!(finish(waiting).status.success());
    assert!(lab.apical(&bench, "cancel", &[]).status.success());
    wait_until("no task is left", || lab.tasks("RUNNING,PENDING,COMPLETING") == 0);
    // Jobs of the next submission start with the program's copy, which on node 1 is replaced by one that ends at once.
    let programs = bench.path().join("results/slurm/programs");
    let program = fs::read_dir(&programs).unwrap().flatten().next().unwrap().path();
    let real = bench.path().join("real");
    fs::rename(&program, &real).unwrap();
    let script = format!(
        "#!/bin/sh\n[ \"$SLURMD_NODENAME\" = node1 ] && {{ echo 'libc10.so: cannot open' >&2; exit 127; }}\nexec '{}' \"$@\"\n",
        real.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::metadata(&real).unwrap().permissions()).unwrap();
    let run = lab.run(&bench, &["--slurm", "cpus=2"]);
    assert!(run.status.success(), "{}{}", stdout(&run), stderr(&run));
    assert!(stderr(&run).contains("exit code 127"), "node 1 was never tried: {}", stderr(&run));
    assert_complete(&bench);
}

#[test]
fn what_becomes_of_runs_while_nobody_waits_is_named_and_they_are_handed_over_again() {
    let Some(lab) = Lab::start(1) else { return };
    let bench = Bench::new(SLOW);
    assert!(finish(lab.start_run(&bench, &["--detach"])).status.success());
    wait_until("it runs", || attempt_file(&bench, "events.jsonl").is_some());
    kill_job_processes(&lab, "node1");
    wait_until("Slurm has ended the task", || lab.tasks("RUNNING,COMPLETING,PENDING") == 0);
    let status = stdout(&lab.apical(&bench, "status", &[]));
    assert!(
        status.contains("interrupted") && status.contains("Slurm: FAILED on node1, ended by signal 9"),
        "{status}"
    );
    let again = finish(lab.start_run(&bench, &["--detach"]));
    let said = stdout(&again);
    assert!(said.contains("had ended while nobody waited") && said.contains("signal 9"), "{said}");
    assert!(said.contains("1 run submitted"), "{said}");
    assert!(lab.apical(&bench, "cancel", &[]).status.success());
}

#[test]
fn a_run_that_kills_its_process_again_and_again_is_set_aside_and_named() {
    let Some(lab) = Lab::start(2) else { return };
    let bench = Bench::new(&format!("{SLOW}execution: {{retries: 1}}\n"));
    let waiting = lab.start_run(&bench, &[]);
    for round in 1..=2 {
        wait_until("it runs", || attempts(&bench) == round && attempt_file(&bench, "alive").is_some());
        sleep(Duration::from_millis(500));
        let node = lab.busy_node().expect("it runs somewhere");
        kill_job_processes(&lab, &node);
    }
    let ended = finish(waiting);
    assert_eq!(ended.status.code(), Some(100), "{}{}", stdout(&ended), stderr(&ended));
    let said = stdout(&ended);
    assert!(said.contains("lost digits / mlp / segregated-dendrites") && said.contains("signal 9"), "{said}");
    assert_eq!(submissions(&bench).len(), 2, "it was to be tried twice");
}

/// Where Slurm itself queues a task again, as after the loss of a node, nobody but the task can put an end to it.
#[test]
fn a_run_whose_node_dies_each_time_is_set_aside_by_its_task() {
    let Some(lab) = Lab::start(1) else { return };
    let bench = Bench::new(&SUITE.replace("seeds: 3", "seeds: 1").replace("kp: {}", "bp: {}"));
    lab.slurm("scontrol", &["update", "nodename=node1", "state=drain", "reason=test"]);
    assert!(finish(lab.start_run(&bench, &["--detach"])).status.success());
    let manifest = fs::read_to_string(submissions(&bench)[0].join("manifest-0.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(manifest.lines().next().unwrap()).unwrap();
    let run = &first[0]["run"];
    // Three attempts without an end: what nodes leave that died.
    for number in 1..=3 {
        let folder =
            format!("results/runs/{}/attempts/try-000{number}-somewhere", run["id"].as_str().unwrap());
        let folder = bench.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("spec.json"), run["spec"].to_string()).unwrap();
    }
    lab.slurm("scontrol", &["update", "nodename=node1", "state=resume"]);
    let ended = finish(lab.start_run(&bench, &[]));
    assert_eq!(ended.status.code(), Some(100), "{}{}", stdout(&ended), stderr(&ended));
    let said = stdout(&ended);
    assert!(said.contains("lost 3 times in a row") && said.contains("set aside"), "{said}");
    assert!(said.contains("1 completed, 1 lost"), "{said}");
}

fn attempts(bench: &Bench) -> usize {
    let runs = bench.run_folders().into_iter().filter_map(|run| fs::read_dir(run.join("attempts")).ok());
    runs.map(Iterator::count).sum()
}

/// What a task on a node that is broken does: everything of it dies at once, and Slurm is there to see it.
fn kill_job_processes(lab: &Lab, node: &str) {
    let wanted = [format!("SLURMD_NODENAME={node}"), format!("SLURM_CONF={}", lab.configuration().display())];
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        let variables: Vec<_> = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let ours = wanted.iter().all(|wanted| variables.iter().any(|variable| variable == wanted));
        if ours && let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }
}

#[test]
fn damaged_files_are_passed_over() {
    let Some(lab) = Lab::start(2) else { return };
    let bench = Bench::new(SUITE);
    let mut submitter = lab.start_run(&bench, &[&EAGER[..], &["--slurm", "max_parallel=3"]].concat());
    wait_until("some are done and some are not", || {
        let done = bench.run_folders().iter().filter(|run| run.join("result").exists()).count();
        done > 0 && attempt_file(&bench, "checkpoint.safetensors").is_some()
    });
    assert!(lab.apical(&bench, "cancel", &[]).status.success());
    submitter.wait().unwrap();
    wait_until("Slurm has ended the tasks", || lab.tasks("RUNNING,COMPLETING,PENDING") == 0);
    let result = bench.run_folders().into_iter().map(|run| run.join("result")).find(|result| result.exists());
    fs::write(result.unwrap().join("outcome.json"), "{\"format\": 1, \"id").unwrap();
    for (name, damage) in
        [("events.jsonl", &b"{\"event\":\"ep"[..]), ("checkpoint.safetensors", b"\0\0\0garbage")]
    {
        if let Some(file) = attempt_file(&bench, name) {
            let mut content = fs::read(&file).unwrap();
            content.truncate(content.len() / 2);
            content.extend(damage);
            fs::write(file, content).unwrap();
        }
    }
    let run = lab.run(&bench, &[]);
    assert!(run.status.success(), "{}{}", stdout(&run), stderr(&run));
    let damaged = |run: &std::path::PathBuf| {
        fs::read_dir(run)
            .unwrap()
            .flatten()
            .find(|entry| entry.file_name().to_string_lossy().starts_with("damaged-"))
    };
    let aside: Vec<_> = bench.run_folders().iter().filter_map(damaged).collect();
    assert_eq!(aside.len(), 1, "the damaged result was to be set aside");
    fs::remove_dir_all(aside[0].path()).unwrap();
    assert_complete(&bench);
}

/// Clocks of nodes are never quite right; here one is a day behind.
#[test]
fn nothing_depends_on_the_clocks_of_nodes() {
    let Some(lab) = Lab::start(1) else { return };
    let bench = Bench::new(SUITE);
    let mut submitter = lab.start_run(&bench, &EAGER);
    wait_for_checkpoints(&bench);
    assert!(lab.apical(&bench, "cancel", &[]).status.success());
    submitter.wait().unwrap();
    wait_until("Slurm has ended the tasks", || lab.tasks("RUNNING,COMPLETING,PENDING") == 0);
    for run in bench.run_folders() {
        for attempt in fs::read_dir(run.join("attempts")).into_iter().flatten().flatten() {
            // The node's clock was a year ahead when it named and wrote this.
            let name = attempt.file_name().to_string_lossy().into_owned();
            let ahead = attempt.path().with_file_name(name.replacen("-20", "-21", 1));
            fs::rename(attempt.path(), &ahead).unwrap();
            let future = std::time::SystemTime::now() + Duration::from_hours(24 * 365);
            for file in fs::read_dir(&ahead).unwrap().flatten() {
                let file = fs::File::options().append(true).open(file.path()).unwrap();
                file.set_modified(future).unwrap();
            }
        }
    }
    let run = lab.run(&bench, &EAGER);
    assert!(run.status.success(), "{}{}", stdout(&run), stderr(&run));
    assert!(bench.run_folders().iter().any(|run| was_resumed(run)), "no run went on from a checkpoint");
    assert_complete(&bench);
}

fn is_root() -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    if !root {
        skipped("SKIPPED a fault that only root can plant: a filesystem of a node's or a folder's own");
    }
    root
}

/// Data that only one node lacks needs a node that sees another filesystem, and that needs root.
#[test]
fn a_node_without_the_data_says_so_and_its_runs_go_elsewhere() {
    if !is_root() {
        return;
    }
    let Some(lab) = Lab::start(2) else { return };
    let bench = Bench::new(
        &SUITE.replace("digits: {validation: 200}", "fashion-mnist: {subset: {train: 400, test: 200}}"),
    );
    let data = bench.path().join("data");
    let fetch = bench.command("datasets", &[]);
    let mut fetch = Command::new(fetch.get_program());
    fetch.args(["datasets", "fetch", "fashion-mnist"]).env("APICAL_DATA", &data);
    let fetched = fetch.output().unwrap();
    if !fetched.status.success() {
        skipped(&format!("SKIPPED a node without data: {}", stderr(&fetched)));
        return;
    }
    // Node 1 sees an empty folder in the place of the data.
    lab.lab(&["lose", "1"]);
    let slurmd = format!(
        "mount -t tmpfs none '{}' && exec slurmd -f '{}' -N node1",
        data.display(),
        lab.configuration().display()
    );
    let path = std::env::var("PATH").unwrap() + ":/usr/sbin:/sbin";
    assert!(
        Command::new("unshare")
            .args(["-m", "sh", "-c", &slurmd])
            .env("PATH", path)
            .status()
            .unwrap()
            .success()
    );
    lab.slurm("scontrol", &["update", "nodename=node2", "state=drain", "reason=test"]);
    wait_until("node 1 is back", || {
        lab.slurm("sinfo", &["--noheader", "--nodes=node1", "--format=%T"]).trim() == "idle"
    });
    let mut run = lab.command(&bench, "run", &[&super::lab::QUICK[..], &EAGER].concat());
    run.env("APICAL_DATA", &data).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let waiting = run.spawn().unwrap();
    wait_until("node 1 has said what is wrong", || {
        attempt_file(&bench, "outcome.json").is_some_and(|file| {
            fs::read_to_string(file).unwrap_or_default().contains("node1 has no data for it")
        })
    });
    lab.slurm("scontrol", &["update", "nodename=node2", "state=resume"]);
    let ended = finish(waiting);
    assert!(ended.status.success(), "{}{}", stdout(&ended), stderr(&ended));
    assert!(stderr(&ended).contains("node1 has no data for it"), "{}", stderr(&ended));
    assert_eq!(bench.measurements().len(), 6);
}

/// A filesystem of its own, which can be filled and made read-only, needs root.
#[test]
fn a_results_folder_that_is_full_or_read_only_loses_nothing() {
    if !is_root() {
        return;
    }
    let Some(lab) = Lab::start(2) else { return };
    let bench = Bench::new(SUITE);
    let results = bench.path().join("results");
    fs::create_dir(&results).unwrap();
    let _mounted = Mounted::at(&results);
    let waiting = lab.start_run(&bench, &EAGER);
    wait_for_checkpoints(&bench);
    fill(&results.join("filler"));
    let ended = finish(waiting);
    let said = format!("{}{}", stdout(&ended), stderr(&ended));
    assert!(matches!(ended.status.code(), Some(1 | 100)), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    wait_until("Slurm has ended the tasks", || lab.tasks("RUNNING,COMPLETING,PENDING") == 0);
    fs::remove_file(results.join("filler")).unwrap();

    remount(&results, "ro");
    let refused = lab.run(&bench, &[]);
    assert_eq!(refused.status.code(), Some(1), "{}", stdout(&refused));
    assert!(stderr(&refused).contains("Read-only file system"), "{}", stderr(&refused));
    remount(&results, "rw");
    let run = lab.run(&bench, &EAGER);
    assert!(run.status.success(), "{}{}", stdout(&run), stderr(&run));
    assert_complete(&bench);
}

struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn at(folder: &'a Path) -> Self {
        // The program's copy lies there too.
        let size = fs::metadata(env!("CARGO_BIN_EXE_apical")).unwrap().len() / 1024 / 1024 + 24;
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}M"), "none"])
            .arg(folder)
            .status();
        assert!(mount.unwrap().success());
        Self(folder)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn remount(folder: &Path, how: &str) {
    let mount = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(folder).status();
    assert!(mount.unwrap().success());
}

fn fill(file: &Path) {
    use std::io::Write;
    let mut file = fs::File::create(file).unwrap();
    let block = vec![0; 4096];
    while file.write_all(&block).is_ok() {}
}
