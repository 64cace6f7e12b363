//! Made-up results for tests of the report: smooth curves from a formula, no measurement among them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use crate::{
    data::DatasetSpec,
    plan::{Cell, Execution, Firmness, PLAN_FORMAT, Plan, PlannedRun, Protocol, Published, Requests},
    record::{
        Epoch, Event, Metrics, Outcome, Provenance, RecordedRun, Resources, Results, RunResult, State,
        event::{EpochTiming, RECORD_FORMAT, Started},
    },
    spec::{AlgorithmSpec, Diagnostics, Evaluation, RunSpec, SPEC_FORMAT},
};
use apical_algorithms::{
    architecture::Architecture,
    diagnostics::{LayerDiagnostics, NeuronDiagnostics},
    voltage::{Compartment, Phase, SpikeTrain, VoltageTrace, VoltageTraces},
};
use serde_json::json;

/// What to make up.
pub struct Synthetic {
    pub datasets: Vec<&'static str>,
    /// Labels, each with its number of hidden layers.
    pub architectures: Vec<(&'static str, usize)>,
    /// Labels, each with its rule.
    pub algorithms: Vec<(&'static str, &'static str)>,
    pub seeds: u64,
    pub epochs: u32,
    pub validation: bool,
}

impl Default for Synthetic {
    fn default() -> Self {
        Self {
            datasets: vec!["mnist", "cifar10"],
            architectures: vec![("mlp", 1), ("cnn", 3)],
            algorithms: vec![("bp", "bp"), ("fa", "fa"), ("dfa", "dfa"), ("usf", "usf"), ("kp", "kp")],
            seeds: 3,
            epochs: 5,
            validation: true,
        }
    }
}

/// A number in [-1, 1] that depends on the arguments alone.
fn wobble(parts: &[usize]) -> f64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for part in parts {
        state = (state ^ *part as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state ^= state >> 29;
    }
    (state % 20_001) as f64 / 10_000.0 - 1.0
}

impl Synthetic {
    pub fn build(&self) -> Results {
        let mut runs = Vec::new();
        for (d, dataset) in self.datasets.iter().enumerate() {
            for (a, (architecture, depth)) in self.architectures.iter().enumerate() {
                for (r, (algorithm, rule)) in self.algorithms.iter().enumerate() {
                    for seed in 0..self.seeds {
                        let cell = Cell {
                            dataset: (*dataset).to_owned(),
                            architecture: (*architecture).to_owned(),
                            algorithm: (*algorithm).to_owned(),
                        };
                        let spec = self.spec(dataset, *depth, rule, seed, algorithm);
                        let planned = PlannedRun { id: spec.id(), cell, spec };
                        runs.push(self.run(planned, [d, a, r, seed as usize], *depth));
                    }
                }
            }
        }
        let plan = Plan {
            format: PLAN_FORMAT,
            name: "synthetic".to_owned(),
            description: "Made-up curves that no network has ever shown.".to_owned(),
            published: Vec::new(),
            execution: Execution::default(),
            requests: Requests::default(),
            runs: runs.iter().map(|run| run.planned.clone()).collect(),
        };
        Results { plan, runs }
    }

    fn spec(&self, dataset: &str, depth: usize, rule: &str, seed: u64, label: &str) -> RunSpec {
        let architecture: Architecture =
            serde_json::from_value(json!({"mlp": {"hidden": vec![500; depth]}})).unwrap();
        let scale =
            label.split_once("feedback.scale=").map(|(_, rest)| rest.split([',', ']']).next().unwrap());
        let config = scale
            .map_or_else(|| json!({}), |scale| json!({"feedback": {"scale": scale.parse::<f64>().unwrap()}}));
        // Some rules of the gallery are not registered, as when a report is on runs of another version.
        let config = match apical_algorithms::rule::find(rule) {
            Some(entry) => entry.resolve(config).unwrap(),
            None => json!({"label": label}),
        };
        RunSpec {
            format: SPEC_FORMAT,
            seed,
            dataset: DatasetSpec {
                validation: if self.validation { 2000 } else { 0 },
                ..DatasetSpec::named(dataset)
            },
            architecture,
            algorithm: AlgorithmSpec { rule: rule.to_owned(), config },
            training: serde_json::from_value(json!({
                "epochs": self.epochs, "batch_size": 64,
                "optimizer": {"sgd": {"learning_rate": 0.1, "momentum": 0.9}},
            }))
            .unwrap(),
            evaluation: Evaluation::default(),
            diagnostics: Diagnostics::default(),
        }
    }

    fn run(&self, planned: PlannedRun, place: [usize; 4], depth: usize) -> RecordedRun {
        let [dataset, architecture, rule, seed] = place;
        let top = 0.98 - 0.35 * dataset as f64 + 0.008 * architecture as f64 - 0.006 * rule as f64;
        let rule_name = planned.spec.algorithm.rule.clone();
        let has_targets = rule_name.ends_with("tp");
        let layers: Vec<String> = (1..=depth + 1).map(|layer| format!("{layer}.dense")).collect();
        let metrics = |epoch: u32, optimism: f64| {
            let noise = 0.004 * wobble(&[dataset, architecture, rule, seed, epoch as usize]);
            let rate = 0.5 + 0.3 / (1.0 + rule as f64);
            let accuracy = top + optimism - (top - 0.1) * (-rate * f64::from(epoch) * 2.0).exp();
            let accuracy = (accuracy + noise).clamp(0.05, 0.999);
            Metrics { loss: 2.4 * (1.0 - accuracy) + 0.02, accuracy }
        };
        let mut events = vec![Event::Started(Started {
            format: RECORD_FORMAT,
            epochs: self.epochs,
            train_samples: 10_000,
            validation_samples: if self.validation { 2000 } else { 0 },
            test_samples: 10_000,
            parameters: 397_510 + 100_000 * architecture as u64,
            multiply_accumulates: 397_000 * (1 + 8 * architecture as u64),
            layers: layers.clone(),
            photos: None,
        })];
        for epoch in 0..=self.epochs {
            events.push(Event::Epoch(Epoch {
                epoch,
                samples_seen: u64::from(epoch) * 10_000,
                train: (epoch > 0).then(|| metrics(epoch, 0.004)),
                validation: self.validation.then(|| metrics(epoch, 0.0)),
                test_during_training: None,
                learning_rate: 0.1,
                layers: layers
                    .iter()
                    .enumerate()
                    .map(|(index, layer)| {
                        let last = index == depth;
                        let aligned = rule == 0 || last;
                        let tilt = 88.0 - 45.0 * (1.0 - (-f64::from(epoch) / 2.0).exp()) + 4.0 * rule as f64
                            - 5.0 * index as f64
                            + 2.0 * wobble(&[rule, seed, index]);
                        LayerDiagnostics {
                            layer: layer.clone(),
                            gradient_angle: Some(if aligned { 0.0 } else { tilt }),
                            gradient_norm_ratio: Some(1.0),
                            feedback_angle: (index > 0 && rule != 2).then_some(if rule == 0 {
                                0.0
                            } else {
                                tilt + 5.0
                            }),
                            weight_norm: 15.0 + f64::from(epoch) * (1.0 + rule as f64 / 3.0),
                            weight_change: (epoch > 0)
                                .then(|| 0.4 / f64::from(epoch * epoch) * (1.0 + rule as f64 / 5.0)),
                            direction_change: (epoch > 0)
                                .then(|| 1.2 + 0.1 * wobble(&[rule, seed, index, epoch as usize])),
                            reconstruction_error: (has_targets && index > 0)
                                .then(|| 0.9 / f64::from(epoch + 1) + 0.02 * wobble(&[seed, index])),
                            target_distance: (has_targets && !last)
                                .then(|| 0.05 / f64::from(epoch + 1) * (1.0 + index as f64)),
                            feedback_alignment_angle: (dendritic(&rule_name) && !last)
                                .then(|| 12.0 + f64::from(epoch) + 2.0 * wobble(&[seed, index])),
                            neurons: neurons(&rule_name, epoch, [seed, index, depth]),
                        }
                    })
                    .collect(),
                voltages: (epoch == 0 || epoch == self.epochs)
                    .then(|| voltages(&rule_name, &layers, epoch, seed))
                    .flatten(),
                timing: EpochTiming { train_seconds: 1.5, evaluation_seconds: 0.2, diagnostics_seconds: 0.1 },
            }));
        }
        let last = metrics(self.epochs, 0.0);
        let outcome = Outcome {
            format: RECORD_FORMAT,
            id: planned.id.clone(),
            state: State::Completed,
            reason: None,
            result: Some(RunResult {
                selected_epoch: self.epochs,
                test: Metrics { accuracy: last.accuracy - 0.002, ..last },
                validation: self.validation.then_some(last),
                train: Some(metrics(self.epochs, 0.004)),
                best_test_accuracy_during_training: (rule == 1).then_some(last.accuracy),
            }),
            resources: Resources {
                wall_seconds: 10.0 + seed as f64,
                cpu_seconds: 9.0,
                train_seconds: 7.5,
                samples_per_second: 36_000.0 - 2000.0 * rule as f64 + 100.0 * seed as f64,
                peak_memory_bytes: (400 + 20 * rule as u64) << 20,
            },
            provenance: provenance(rule, seed),
        };
        RecordedRun { planned, outcome: Some(outcome), failures: Vec::new(), events }
    }
}

fn provenance(rule: usize, seed: usize) -> Provenance {
    Provenance {
        apical_version: "0.1.0".to_owned(),
        git_hash: "0123456789ab".to_owned(),
        tch_version: "0.24.0".to_owned(),
        libtorch_version: "2.11.0".to_owned(),
        cpu: "Imaginary CPU".to_owned(),
        gpu: None,
        device: "cpu".to_owned(),
        threads: 1,
        platform: "linux x86_64".to_owned(),
        host_class: "Imaginary CPU, 1 thread".to_owned(),
        finished_at: format!("2026-01-0{}T10:00:0{rule}Z", 1 + seed % 9),
    }
}

fn dendritic(rule: &str) -> bool {
    matches!(rule, "segregated-dendrites" | "microcircuit")
}

/// What neurons with plateau potentials, or with interneurons beside them, might do.
fn neurons(rule: &str, epoch: u32, [seed, layer, depth]: [usize; 3]) -> Option<NeuronDiagnostics> {
    let (epoch, hidden) = (f64::from(epoch), layer < depth);
    let noise = 1.0 + 0.1 * wobble(&[seed, layer, epoch as usize]);
    let fading = noise / (1.0 + epoch);
    match rule {
        "segregated-dendrites" => Some(NeuronDiagnostics {
            apical_potential: hidden.then_some(1.5 * noise),
            apical_potential_with_target: hidden.then_some(1.5 * noise + 0.3 * fading),
            plateau_difference: hidden.then_some(0.1 * fading),
            interneuron_mismatch: None,
            firing_rate: Some(0.06 * noise),
        }),
        "microcircuit" => Some(NeuronDiagnostics {
            apical_potential: hidden.then_some(1e-4 * noise * (1.0 + epoch)),
            apical_potential_with_target: hidden.then_some(0.2 * fading),
            plateau_difference: None,
            interneuron_mismatch: hidden.then_some(0.02 * noise * (1.0 + epoch)),
            firing_rate: Some(0.3 * noise),
        }),
        _ => None,
    }
}

/// A recording of two phases: spiking neurons with plateaus, or rates that settle, with targets at the output.
fn voltages(rule: &str, layers: &[String], epoch: u32, seed: usize) -> Option<VoltageTraces> {
    let (steps, time_step) = match rule {
        "segregated-dendrites" => (100, 1.0),
        "microcircuit" => (2000, 0.1),
        _ => return None,
    };
    let spiking = rule == "segregated-dendrites";
    let half = f64::from(steps) * time_step / 2.0;
    let mut traces = Vec::new();
    let mut spikes = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        let output = index + 1 == layers.len();
        for neuron in 0..3 {
            let level = 0.5 * wobble(&[seed, index, neuron]) + 0.2 * f64::from(epoch.min(3));
            let mut record = |compartment, potential: &dyn Fn(usize, f64) -> f64| {
                let at = |step| potential(step, (step + 1) as f64 * time_step);
                let potential = (0..steps as usize).map(at).collect();
                traces.push(VoltageTrace { layer: layer.clone(), neuron, compartment, potential });
            };
            let grain = if spiking { 0.3 } else { 0.0 };
            let settled = |step: usize, time: f64, to: f64| {
                to * (1.0 - (-time / 5.0).exp()) + grain * wobble(&[seed, index, neuron, step])
            };
            let taught = |time: f64, by: f64| {
                if time > half { by * (1.0 - (-(time - half) / 5.0).exp()) } else { 0.0 }
            };
            record(Compartment::Basal, &|step, time| settled(step, time, level));
            let teaching = 0.4 / f64::from(epoch + 1);
            if !output {
                record(Compartment::Apical, &|step, time| {
                    grain * wobble(&[step, neuron]) + taught(time, teaching)
                });
            }
            record(Compartment::Soma, &|step, time| {
                settled(step, time, level * 0.9) + taught(time, teaching / 2.0)
            });
            if !spiking && !output {
                record(Compartment::Interneuron, &|step, time| settled(step, time, level * 0.9));
            }
            if output && !spiking {
                record(Compartment::Target, &|_, time| if time > half { level + teaching } else { f64::NAN });
            }
            if spiking {
                let fires = |step: &usize| wobble(&[step * 7 + neuron, seed, index]) > 0.86;
                let times = (0..steps as usize).filter(fires).map(|step| step as f64 + 0.5).collect();
                spikes.push(SpikeTrain { layer: layer.clone(), neuron, times });
            }
        }
    }
    let names = if spiking { ["forward phase", "target phase"] } else { ["without target", "with target"] };
    let phases =
        names.iter().zip([half, 2.0 * half]).map(|(name, end)| Phase { name: (*name).to_owned(), end });
    Some(VoltageTraces { time_step, phases: phases.collect(), traces, spikes })
}

/// The runs of a cell, to spoil.
pub fn cell_mut<'r>(
    results: &'r mut Results,
    dataset: &'r str,
    architecture: &'r str,
    algorithm: &'r str,
) -> impl Iterator<Item = &'r mut RecordedRun> {
    results.runs.iter_mut().filter(move |run| {
        let cell = &run.planned.cell;
        cell.dataset == dataset && cell.architecture == architecture && cell.algorithm == algorithm
    })
}

/// Lets a run end otherwise than it did, without figures.
pub fn end(run: &mut RecordedRun, state: State, reason: &str) {
    if let Some(outcome) = &mut run.outcome {
        outcome.state = state;
        outcome.reason = Some(reason.to_owned());
        outcome.result = None;
    }
}

/// Lets a run diverge after an epoch: its losses are not finite from then on.
pub fn diverge(run: &mut RecordedRun, after: u32) {
    end(run, State::Diverged, &format!("the loss is not finite in epoch {}", after + 1));
    run.events.retain(|event| !matches!(event, Event::Epoch(epoch) if epoch.epoch > after + 1));
    for event in &mut run.events {
        if let Event::Epoch(epoch) = event
            && epoch.epoch > after
        {
            let lost = Metrics { loss: f64::NAN, accuracy: 0.1 };
            epoch.train = Some(lost);
            epoch.validation = epoch.validation.map(|_| lost);
            for layer in &mut epoch.layers {
                layer.gradient_angle = None;
                layer.weight_norm = f64::NAN;
            }
        }
    }
}

/// One image per class: a grey and a coloured dataset.
pub fn sheets() -> Vec<super::SampleSheet> {
    let sheet = |dataset: &str, channels: usize, side: usize| super::SampleSheet {
        dataset: dataset.to_owned(),
        classes: (0..10)
            .map(|class| if channels == 3 { format!("automobile {class}") } else { class.to_string() })
            .collect(),
        images: (0..10)
            .map(|class| super::samples::Image {
                channels,
                height: side,
                width: side,
                pixels: (0..channels * side * side)
                    .map(|place| ((place * (class + 3)) % 256) as u8)
                    .collect(),
            })
            .collect(),
    };
    vec![sheet("mnist", 1, 28), sheet("cifar10", 3, 32)]
}

/// Results with everything that can go wrong in a figure.
pub fn gallery() -> Vec<(&'static str, Results)> {
    let mut plain = Synthetic::default().build();
    plain.plan.published = published();
    let mut nasty = Synthetic {
        datasets: vec!["a dataset with | in it"],
        architectures: vec![
            ("mlp", 1),
            ("deep", 5),
            ("a very long label of an architecture[activation=tanh]", 2),
            ("fourth", 1),
        ],
        algorithms: vec![
            ("bp", "bp"),
            ("fa[feedback.scale=0.5]", "fa"),
            ("fa[feedback.scale=1.0]", "fa"),
            (
                "fa[feedback.init=orthogonal,feedback.scale=2.0,training.optimizer.sgd.learning_rate=0.01]",
                "fa",
            ),
            ("dfa|x", "dfa"),
            ("usf", "usf"),
            ("brsf", "brsf"),
            ("frsf", "frsf"),
            ("kp", "kp"),
            ("dtp", "dtp"),
            ("sdtp", "sdtp"),
            ("segregated-dendrites", "segregated-dendrites"),
        ],
        epochs: 30,
        ..Synthetic::default()
    }
    .build();
    let dataset = "a dataset with | in it";
    for run in cell_mut(&mut nasty, dataset, "mlp", "kp") {
        diverge(run, 4);
    }
    for run in cell_mut(&mut nasty, dataset, "deep", "usf").take(1) {
        diverge(run, 0);
    }
    for run in cell_mut(&mut nasty, dataset, "fourth", "dtp") {
        end(run, State::Failed, "a reason with | and\na second line and <tags> that goes on for a while");
    }
    for run in cell_mut(&mut nasty, dataset, "mlp", "brsf").take(2) {
        run.outcome = None;
        run.events.clear();
    }
    let dendrites = Synthetic {
        datasets: vec!["mnist"],
        architectures: vec![("mlp", 1), ("deep", 2)],
        algorithms: vec![
            ("bp", "bp"),
            ("segregated-dendrites", "segregated-dendrites"),
            ("microcircuit", "microcircuit"),
        ],
        epochs: 8,
        ..Synthetic::default()
    }
    .build();
    let mut lone = Synthetic {
        datasets: vec!["mnist"],
        architectures: vec![("mlp", 1)],
        algorithms: vec![("bp", "bp"), ("fa", "fa")],
        seeds: 1,
        epochs: 1,
        validation: false,
    }
    .build();
    lone.plan.description = String::new();
    let mut failed = Synthetic { datasets: vec!["mnist"], ..Synthetic::default() }.build();
    for run in &mut failed.runs {
        end(run, State::Failed, "the dataset is not there");
        run.events.clear();
    }
    vec![("plain", plain), ("nasty", nasty), ("dendrites", dendrites), ("lone", lone), ("failed", failed)]
}

/// Made-up published figures: one of each firmness and protocol.
pub fn published() -> Vec<Published> {
    let entry = |algorithm: &str, test_error: f64, spread, protocol, firmness, source: &str| Published {
        algorithm: algorithm.to_owned(),
        dataset: "mnist".to_owned(),
        architecture: "mlp".to_owned(),
        test_error,
        spread,
        protocol,
        source: source.to_owned(),
        firmness,
        not_comparable: None,
    };
    let elsewhere = Some("a larger set | of more classes".to_owned());
    vec![
        entry("bp", 1.48, None, Protocol::Selected, Firmness::Seen, "Someone et al. 2018, table 1a"),
        entry("fa", 1.85, Some(0.1), Protocol::BestOfTraining, Firmness::SecondHand, "Someone else | 2016"),
        entry("fa", 2.0, None, Protocol::Selected, Firmness::Memory, "Someone et al. 2018, table 1a"),
        Published {
            not_comparable: elsewhere,
            ..entry("bp", 71.4, None, Protocol::Selected, Firmness::Seen, "Someone et al. 2018, table 2")
        },
    ]
}
