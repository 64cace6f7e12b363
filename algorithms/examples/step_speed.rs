//! Samples per second of one rule on one architecture, on one thread: the loop that training runs, on
//! random images that are resident in memory.
//!
//! ```text
//! step_speed --rule bp --architecture '{"mlp": {"hidden": [500]}}' --batch 64 --seconds 5 \
//!     --optimizer '{"sgd": {"learning_rate": 0.05}}'
//! ```
//! Prints one JSON object. `scripts/perf/pytorch_step.py` does the same work in PyTorch.
#![expect(clippy::print_stdout, reason = "its output is the measurement")]

use apical_algorithms::{
    architecture::{Architecture, Options},
    loss::Loss,
    optimizer::{OptimizerConfig, Optimizers},
    randomness::Streams,
    rule::{self, Batch},
};
use std::{collections::BTreeMap, error::Error, time::Instant};
use tch::{Device, Kind, Tensor};

const SAMPLES: i64 = 10_000;
const CLASSES: i64 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let mut options: BTreeMap<&str, String> = BTreeMap::from([
        ("rule", "bp".to_owned()),
        ("config", "{}".to_owned()),
        ("architecture", r#"{"mlp": {"hidden": [500]}}"#.to_owned()),
        ("optimizer", r#"{"sgd": {"learning_rate": 0.05}}"#.to_owned()),
        ("image", "1x28x28".to_owned()),
        ("batch", "64".to_owned()),
        ("seconds", "5".to_owned()),
    ]);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for pair in arguments.chunks(2) {
        let (flag, value) = (&pair[0], pair.get(1).ok_or_else(|| format!("{} needs a value", pair[0]))?);
        let known = flag.strip_prefix("--").and_then(|name| options.get_mut(name));
        known
            .ok_or_else(|| format!("no option {flag}; known are {:?}", options_of_usage()))?
            .clone_from(value);
    }
    apical_algorithms::reuse_freed_memory();
    tch::set_num_threads(1);
    let _no_grad = tch::no_grad_guard();

    let entry = rule::find(&options["rule"]).ok_or_else(|| format!("no rule `{}`", options["rule"]))?;
    let architecture: Architecture = serde_json::from_str(&options["architecture"])?;
    let optimizer: OptimizerConfig = serde_json::from_str(&options["optimizer"])?;
    let batch: i64 = options["batch"].parse()?;
    let seconds: f64 = options["seconds"].parse()?;
    let sizes: Vec<i64> = options["image"].split('x').map(str::parse).collect::<Result<_, _>>()?;
    let [channels, height, width] = sizes[..] else { return Err("--image wants CxHxW".into()) };

    let streams = Streams::new(0);
    let options_cpu = Options { kind: Kind::Float, device: Device::Cpu };
    let mut network = architecture.build([channels, height, width], CLASSES, options_cpu, streams)?;
    let mut rule = entry
        .build(serde_json::from_str(&options["config"])?, &mut network, streams)
        .map_err(|problems| format!("{problems:?}"))?;
    // Inverses, where a rule has some, take the same kind of step.
    let mut optimizers = Optimizers::new(optimizer, None, None);
    let images = Tensor::randint(256, [SAMPLES, channels, height, width], (Kind::Uint8, Device::Cpu));
    let labels = Tensor::randint(CLASSES, [SAMPLES], (Kind::Int64, Device::Cpu));

    let mut total_loss = Tensor::zeros([], (Kind::Float, Device::Cpu));
    let (mut samples, mut started) = (0, Instant::now());
    let begun = Instant::now();
    let mut warm = false;
    loop {
        let order = Tensor::randperm(SAMPLES, (Kind::Int64, Device::Cpu));
        for start in (0..=SAMPLES - batch).step_by(batch as usize) {
            let indices = order.narrow(0, start, batch);
            let mut inputs = images.index_select(0, &indices).to_kind(Kind::Float);
            let _ = inputs.g_sub_scalar_(127.5);
            let _ = inputs.g_mul_scalar_(1.0 / 127.5);
            let step = rule.directions(
                &network,
                Loss::CrossEntropy,
                &Batch { inputs, labels: labels.index_select(0, &indices) },
            );
            total_loss += step.loss;
            optimizers.step(step.directions, 1.0);
            samples += batch;
            if warm && started.elapsed().as_secs_f64() > seconds {
                let rate = samples as f64 / started.elapsed().as_secs_f64();
                let report = serde_json::json!({
                    "who": "apical", "rule": entry.name, "batch": batch,
                    "samples_per_second": rate.round(), "loss": total_loss.double_value(&[]),
                });
                println!("{report}");
                return Ok(());
            }
        }
        if !warm && begun.elapsed().as_secs_f64() > 0.2 {
            (warm, samples, started) = (true, 0, Instant::now());
        }
    }
}

fn options_of_usage() -> [&'static str; 7] {
    ["--rule", "--config", "--architecture", "--optimizer", "--image", "--batch", "--seconds"]
}
