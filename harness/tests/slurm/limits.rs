//! Limits of time and memory, as Slurm holds runs to them.

use super::{
    EAGER,
    lab::{Lab, finish, wait_until},
    support::{Bench, stderr, stdout},
    was_resumed,
};

#[test]
fn a_run_that_needs_longer_than_a_task_goes_on_and_one_without_a_checkpoint_is_timed_out() {
    let Some(lab) = Lab::start(2) else { return };
    // The warning comes well before the minute that is Slurm's shortest limit.
    let bench = Bench::new(
        "
name: lab
description: More than a minute, in short epochs and in one.
datasets: {digits: {validation: 200}}
architectures: {mlp: {mlp: {hidden: [64]}}}
algorithms:
  segregated-dendrites: {mode: spiking, phases: {forward: 100, target: 100, test: 40}}
  endless: {rule: segregated-dendrites, mode: spiking, phases: {forward: 6000, target: 6000, test: 40}}
training: {epochs: 30, batch_size: 50, optimizer: {sgd: {learning_rate: 0.1}}}
overrides:
  - {match: {algorithm: endless}, set: {training.batch_size: 1}}
",
    );
    let run =
        lab.run(&bench, &[&EAGER[..], &["--slurm", "time=1", "--slurm", "warning_seconds=50"]].concat());
    let said = format!("{}{}", stdout(&run), stderr(&run));
    assert_eq!(run.status.code(), Some(100), "{said}");
    assert!(
        said.contains("timed-out digits / mlp / endless") && said.contains("give it more `time`"),
        "{said}"
    );
    assert!(said.contains("1 completed, 1 timed-out"), "{said}");
    let done = bench.run_folders().into_iter().find(|run| run.join("result").exists());
    assert!(was_resumed(&done.unwrap()), "it was done within the first task");
}

#[test]
fn a_run_that_is_timed_out_does_not_keep_the_others_of_its_task_from_ending() {
    let Some(lab) = Lab::start(1) else { return };
    let bench = Bench::new(
        "
name: lab
description: One that never ends, and one behind it.
datasets: {digits: {validation: 200}}
architectures: {mlp: {mlp: {hidden: [64]}}}
algorithms:
  segregated-dendrites: {mode: spiking, phases: {forward: 6000, target: 6000, test: 40}}
  bp: {}
training: {epochs: 2, batch_size: 1, optimizer: {sgd: {learning_rate: 0.01}}}
",
    );
    let limits = ["--slurm", "time=1", "--slurm", "warning_seconds=50", "--slurm", "runs_per_task=2"];
    let mut waiting = lab.start_run(&bench, &limits);
    wait_until("it has ended", || {
        lab.hurry();
        waiting.try_wait().unwrap().is_some()
    });
    let said = stdout(&finish(waiting));
    assert!(said.contains("1 completed, 1 timed-out"), "{said}");
}

#[test]
fn a_run_that_takes_more_memory_than_its_task_has_is_named_out_of_memory() {
    let Some(lab) = Lab::start(1) else { return };
    let bench = Bench::new(
        "
name: lab
description: A network of gigabytes.
datasets: {digits: {}}
architectures: {mlp: {mlp: {hidden: [12000, 12000]}}}
algorithms: {bp: {}}
training: {epochs: 3, batch_size: 32, optimizer: {adam: {learning_rate: 0.001}}}
",
    );
    let limits = ["--slurm", "time=1", "--slurm", "warning_seconds=50"];
    let mut waiting = lab.start_run(&bench, &[&EAGER[..], &limits].concat());
    wait_until("it has ended", || {
        lab.hurry();
        waiting.try_wait().unwrap().is_some()
    });
    let run = finish(waiting);
    let said = format!("{}{}", stdout(&run), stderr(&run));
    assert_eq!(run.status.code(), Some(100), "{said}");
    assert!(
        said.contains("out-of-memory digits / mlp / bp") && said.contains("memory limit exceeded"),
        "{said}"
    );
}
