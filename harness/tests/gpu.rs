//! On a GPU every rule does what it does on the CPU: the same steps, whole runs, and a run that goes on from a checkpoint.
//!
//! Where there is no GPU nothing is tested, which `make test` says at its end.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "other tests need more of it")]
mod support;

use apical::device::parse_device;
use apical_algorithms::{
    architecture::{Architecture, Options},
    direction::{Direction, ParameterKey},
    loss::Loss,
    network::Network,
    optimizer::{OptimizerConfig, Optimizers},
    randomness::Streams,
    rule::{Batch, LearningRule, Lesson, RuleEntry, registry},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path, sync::OnceLock};
use support::{Bench, stderr, stdout};
use tch::{Device, Kind, Tensor};

const IMAGE: [i64; 3] = [2, 9, 9];
const CLASSES: i64 = 4;

/// The first GPU; where there is none that is said once.
fn gpu() -> Option<Device> {
    static FOUND: OnceLock<Option<Device>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let say = |error: &anyhow::Error| support::skipped(&format!("SKIPPED what needs a GPU: {error:#}"));
        parse_device("cuda").inspect_err(say).ok()
    })
}

/// Small networks of every kind of layer and pool.
fn architectures() -> Vec<Architecture> {
    let described = [
        json!({"mlp": {"hidden": [7, 6]}}),
        json!({"cnn": {"layers": [
            {"conv": {"channels": 4, "kernel": 3, "padding": 1}}, {"max_pool": {"kernel": 3, "stride": 2}},
            {"conv": {"channels": 5, "kernel": 3}}, {"average_pool": {"kernel": 2}}, {"dense": 6}]}}),
        json!({"cnn": {"layers": [
            {"conv": {"channels": 4, "kernel": 3, "stride": 2, "padding": 1}},
            {"conv": {"channels": 5, "kernel": 2, "stride": 2}}, {"dense": 6}]}}),
        json!({"cnn": {"layers": [{"conv": {"channels": 4, "kernel": 3}}, "global_average_pool"]}}),
        json!({"locally_connected": {"layers": [
            {"local": {"channels": 3, "kernel": 3, "stride": 2, "padding": 1}},
            {"local": {"channels": 2, "kernel": 3}}, {"dense": 6}]}}),
    ];
    described.into_iter().map(|description| serde_json::from_value(description).unwrap()).collect()
}

/// A network in float64 and its rule, the same on every device: initial values are drawn on the CPU.
fn set_up(
    entry: &RuleEntry,
    architecture: &Architecture,
    device: Device,
) -> (Network, Box<dyn LearningRule>) {
    let options = Options { kind: Kind::Double, device };
    let mut network = architecture.build(IMAGE, CLASSES, options, Streams::new(11)).unwrap();
    let rule = entry.build(json!({}), &mut network, Streams::new(5)).unwrap();
    (network, rule)
}

fn batch(device: Device) -> Batch {
    tch::manual_seed(3);
    let inputs = Tensor::randn([6, IMAGE[0], IMAGE[1], IMAGE[2]], (Kind::Double, Device::Cpu));
    let labels = Tensor::randint(CLASSES, [6], (Kind::Int64, Device::Cpu));
    Batch { inputs: inputs.to_device(device), labels: labels.to_device(device) }
}

type Directions = BTreeMap<ParameterKey, Tensor>;

/// The loss and every direction of a step on `device`, those of a rule's own passes included.
fn step(entry: &RuleEntry, architecture: &Architecture, device: Device, seed: i64) -> (f64, Directions) {
    let (network, mut rule) = set_up(entry, architecture, device);
    let batch = batch(device);
    tch::manual_seed(seed);
    let own = rule.own_directions(&network, Loss::CrossEntropy, &batch);
    let step = rule.directions(&network, Loss::CrossEntropy, &batch);
    let on_cpu = |direction: &Direction| (direction.key, direction.materialize().to_device(Device::Cpu));
    (step.loss.double_value(&[]), own.iter().chain(&step.directions).map(on_cpu).collect())
}

fn relative_error(left: &Tensor, right: &Tensor) -> f64 {
    let difference = (left - right).norm().double_value(&[]);
    if difference == 0.0 { 0.0 } else { difference / right.norm().double_value(&[]) }
}

#[test]
fn every_rule_takes_the_same_step_on_a_gpu() {
    let Some(gpu) = gpu() else { return };
    let _no_gradients = tch::no_grad_guard();
    for entry in registry() {
        for architecture in architectures() {
            let plan = architecture.plan(IMAGE, CLASSES).unwrap();
            if entry.refusal(json!({}), &Lesson::classification(&plan)).is_some() {
                continue;
            }
            let (loss, here) = step(entry, &architecture, Device::Cpu, 1);
            let (_, redrawn) = step(entry, &architecture, Device::Cpu, 2);
            let (loss_there, there) = step(entry, &architecture, gpu, 1);
            assert!((loss - loss_there).abs() < 1e-10, "{}: a loss of {loss} and {loss_there}", entry.name);
            let mut compared = 0;
            for (key, direction) in &here {
                let error = relative_error(&there[key], direction);
                // A GPU may draw other noise: what depends on it only has to be a direction.
                let is_noisy = relative_error(&redrawn[key], direction) > 0.0;
                let is_finite = there[key].isfinite().all().int64_value(&[]) == 1;
                assert!(
                    error < 1e-9 || is_noisy && is_finite,
                    "{} on {plan:?}: {key} is off by {error:e}",
                    entry.name
                );
                compared += usize::from(error < 1e-9);
            }
            // Those of the output layer at the least: what reaches it passes no feedback weights.
            assert!(compared >= 2, "{}: only {compared} directions do not depend on noise", entry.name);
        }
    }
}

#[test]
fn ten_steps_of_every_optimizer_end_at_the_same_weights_on_a_gpu() {
    let Some(gpu) = gpu() else { return };
    let _no_gradients = tch::no_grad_guard();
    let optimizers = [
        json!({"sgd": {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.01}}),
        json!({"adam": {"learning_rate": 0.01}}),
    ];
    for config in optimizers {
        for architecture in architectures() {
            let end = |device: Device| -> Vec<(String, Tensor)> {
                let entry = apical_algorithms::rule::find("bp").unwrap();
                let (network, mut rule) = set_up(entry, &architecture, device);
                let config: OptimizerConfig = serde_json::from_value(config.clone()).unwrap();
                let mut optimizers = Optimizers::new(config, None, Some(1.0));
                let batch = batch(device);
                for _ in 0..10 {
                    let step = rule.directions(&network, Loss::CrossEntropy, &batch);
                    optimizers.step(step.directions, 1.0);
                }
                network.parameters()
            };
            for ((name, here), (_, there)) in end(Device::Cpu).iter().zip(end(gpu)) {
                let error = relative_error(&there.to_device(Device::Cpu), here);
                assert!(error < 1e-9, "{name} is off by {error:e} with {config}");
            }
        }
    }
}

fn smoke_suite() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../suites/smoke.yaml")).unwrap()
}

#[test]
fn every_rule_of_the_smoke_suite_learns_on_a_gpu_as_on_the_cpu() {
    if gpu().is_none() {
        return;
    }
    let accuracies = |device: &str| -> BTreeMap<String, f64> {
        let bench = Bench::new(&smoke_suite());
        let run = bench.apical("run", &["--device", device, "--jobs", "4"]);
        assert!(run.status.success(), "{}{}", stdout(&run), stderr(&run));
        let status = bench.apical("status", &["--output", "json"]);
        let rows: Vec<Value> = serde_json::from_slice(&status.stdout).unwrap();
        assert!(rows.iter().all(|row| row["outcome"]["provenance"]["device"] != Value::Null));
        let accuracy = |row: &Value| row["outcome"]["result"]["test"]["accuracy"].as_f64().unwrap();
        rows.iter().map(|row| (format!("{} {}", row["cell"], row["seed"]), accuracy(row))).collect()
    };
    let (here, there) = (accuracies("cpu"), accuracies("cuda"));
    assert_eq!(here.len(), there.len());
    let difference = |run: &String| (here[run] - there[run]).abs();
    let mean = here.keys().map(difference).sum::<f64>() / here.len() as f64;
    // Rounding differs, and what draws noise draws other noise; on the whole the rules learn as much.
    assert!(mean < 0.03, "accuracies differ by {mean} on average");
}

#[test]
fn what_does_not_fit_on_the_gpu_is_not_begun_and_the_others_are() {
    if gpu().is_none() {
        return;
    }
    let bench = Bench::new(support::TOO_WIDE);
    let run = bench.apical("run", &["--device", "cuda"]);
    let said = stdout(&run);
    assert!(said.contains("not begun: digits / wide / bp needs at least"), "{said}{}", stderr(&run));
    assert!(said.contains("; the GPU has "), "{said}");
    assert_eq!(bench.measurements().len(), 1, "{said}");
}
