//! The official code's numbers on small networks, image after image: potentials, rates, plateaus and learning. The files
//! say how they came about.

use super::{
    super::{
        Outcome, initialization,
        simulation::{Circuit, Spikes, State},
    },
    DOUBLE, SegregatedDendrites, assert_near, network, rule,
};
use crate::{
    direction::{Direction, Role},
    network::Network,
    rule::{Batch, LearningRule},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tch::{Kind, Tensor};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    inputs: Vec<Vec<f64>>,
    labels: Vec<i64>,
    learning_rates: Vec<f64>,
    feedback_learning_rates: Option<Vec<f64>>,
    initial: Initial,
    images: Vec<Image>,
}

#[derive(Deserialize)]
struct Initial {
    weights: Vec<Vec<Vec<f64>>>,
    biases: Vec<Vec<f64>>,
    feedback: Option<Vec<Vec<Vec<f64>>>>,
    feedback_biases: Option<Vec<Vec<f64>>>,
}

#[derive(Deserialize)]
struct Image {
    forward: Averages,
    target: Averages,
    weights: Vec<Vec<Vec<f64>>>,
    biases: Vec<Vec<f64>>,
    feedback: Option<Vec<Vec<Vec<f64>>>>,
    feedback_biases: Option<Vec<Vec<f64>>>,
    phases: Option<[usize; 2]>,
    spikes: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Averages {
    somata: Vec<Vec<f64>>,
    rates: Vec<Option<Vec<f64>>>,
    presynaptic: Option<Vec<Vec<f64>>>,
    apical: Vec<Vec<f64>>,
    plateaus: Vec<Vec<f64>>,
}

/// Spikes as they were recorded, one word per time step and one digit per neuron.
struct Given<'a> {
    populations: Vec<Box<dyn Iterator<Item = &'a str> + 'a>>,
}

impl Spikes for Given<'_> {
    fn draw(&mut self, population: usize, rates: &Tensor) -> Tensor {
        let counts = self.populations[population].next().unwrap();
        let counts: Vec<f64> = counts.chars().map(|digit| f64::from(digit.to_digit(10).unwrap())).collect();
        Tensor::from_slice(&counts).reshape(rates.size())
    }
}

/// Sets the network and the feedback to where a recording began.
fn set_to(case: &Case, network: &Network, rule: &SegregatedDendrites) {
    for (index, layer) in network.layers.iter().enumerate() {
        layer.weight.shallow_clone().copy_(&matrix(&case.initial.weights[index]));
        layer.bias.as_ref().unwrap().shallow_clone().copy_(&Tensor::from_slice(&case.initial.biases[index]));
    }
    for (name, mut parameter) in rule.parameters() {
        let (index, name) = name.split_once('.').unwrap();
        let index: usize = index.parse().unwrap();
        parameter.copy_(&match name {
            "feedback" => feedback_of(&case.initial.feedback.as_ref().unwrap()[index]),
            // Missing weights were recorded as zeros.
            "feedback-mask" => {
                feedback_of(&case.initial.feedback.as_ref().unwrap()[index]).ne(0.0).to_kind(Kind::Double)
                    * 5.0
            }
            "feedback-bias" => Tensor::from_slice(&case.initial.feedback_biases.as_ref().unwrap()[index]),
            other => panic!("{other} was not recorded"),
        });
    }
}

fn matrix(rows: &[Vec<f64>]) -> Tensor {
    let flat: Vec<f64> = rows.iter().flatten().copied().collect();
    Tensor::from_slice(&flat).reshape([rows.len() as i64, -1])
}

/// Theirs is `[units, where it comes from]`, ours its transpose.
fn feedback_of(rows: &[Vec<f64>]) -> Tensor {
    matrix(rows).tr().contiguous()
}

fn apply(directions: Vec<Direction>, feedback_rates: Option<&Vec<f64>>) {
    for direction in directions {
        let rate = match direction.key.role {
            Role::Weight | Role::Bias => 1.0,
            _ => feedback_rates.unwrap()[direction.key.layer],
        };
        let mut parameter = direction.parameter.shallow_clone();
        direction.accumulate_into(&mut parameter, 1.0, -rate);
    }
}

fn assert_as_recorded(outcome: &Outcome, image: &Image) {
    const TOLERANCE: f64 = 1e-9;
    for (index, trace) in outcome.layers.iter().enumerate() {
        let close = |ours: &Tensor, theirs: &[f64]| assert_near(ours, &Tensor::from_slice(theirs), TOLERANCE);
        close(&trace.presynaptic, &image.forward.presynaptic.as_ref().unwrap()[index]);
        close(
            &trace.gate,
            Vec::<f64>::try_from(Tensor::from_slice(&image.forward.somata[index]).sigmoid())
                .unwrap()
                .as_slice(),
        );
        if let Some(rate) = &image.forward.rates[index] {
            close(&trace.rate, rate);
        }
        if let Some(apical) = &trace.apical {
            close(&apical.forward, &image.forward.apical[index]);
            close(&apical.target, &image.target.apical[index]);
            close(&apical.forward.sigmoid(), &image.forward.plateaus[index]);
            close(&apical.target.sigmoid(), &image.target.plateaus[index]);
        }
    }
    let last = outcome.layers.len() - 1;
    assert_near(&outcome.potential, &Tensor::from_slice(&image.forward.somata[last]), TOLERANCE);
    assert_near(
        &outcome.target_rate,
        &Tensor::from_slice(image.target.rates[last].as_ref().unwrap()),
        TOLERANCE,
    );
}

/// Runs a recorded case and compares potentials, rates, plateaus and all weights after every image.
fn replay(case: &Case, mut config: Value) {
    config["layer_rates"] = json!(case.learning_rates);
    config["weight_optimization"] = json!(false);
    let mut network = network(json!({"mlp": {"hidden": [5, 4]}}), [1, 2, 3], 10);
    let rule = rule(config, &mut network);
    set_to(case, &network, &rule);
    let mut state = State::rest(network.layers.len());
    for (number, image) in case.images.iter().enumerate() {
        println!("{}, image {number}", case.name);
        let inputs = Tensor::from_slice(&case.inputs[number]).reshape([1, 1, 2, 3]);
        let batch = Batch { inputs, labels: Tensor::from_slice(&case.labels[number..=number]) };
        let outcome = match image.phases {
            Some([forward, target_steps]) => {
                let pathways = rule.feedback.pathways(&network);
                let circuit = Circuit {
                    network: &network,
                    neurons: &rule.neurons,
                    pathways: &pathways,
                    wiring: rule.wiring(),
                };
                let populations = image.spikes.iter().flatten();
                let populations =
                    populations.map(|words| Box::new(words.split(' ')) as Box<dyn Iterator<Item = &str>>);
                let mut source = Given { populations: populations.collect() };
                let rates = rule.input_rates(&network, &batch.inputs);
                let target = crate::loss::targets(&batch.labels, &Tensor::zeros([1, 10], DOUBLE));
                let lengths = [(forward, rule.steps.forward), (target_steps, rule.steps.target)];
                rule.phases(&circuit, &mut state, &mut source, &rates, &target, lengths)
            }
            None => rule.outcome(&network, &batch, &rule.feedback.pathways(&network)),
        };
        assert_as_recorded(&outcome, image);
        apply(rule.learn(&network, &outcome), case.feedback_learning_rates.as_ref());
        for (index, layer) in network.layers.iter().enumerate() {
            assert_near(&layer.weight, &matrix(&image.weights[index]), 1e-9);
            assert_near(layer.bias.as_ref().unwrap(), &Tensor::from_slice(&image.biases[index]), 1e-9);
        }
        for (name, parameter) in rule.parameters() {
            let (index, name) = name.split_once('.').unwrap();
            let index: usize = index.parse().unwrap();
            match (name, &image.feedback, &image.feedback_biases) {
                ("feedback", Some(theirs), _) => assert_near(&parameter, &feedback_of(&theirs[index]), 1e-9),
                ("feedback-bias", _, Some(theirs)) => {
                    assert_near(&parameter, &Tensor::from_slice(&theirs[index]), 1e-9);
                }
                _ => {}
            }
        }
    }
}

fn golden(text: &str, settings: &[(&str, Value)]) {
    let golden: Golden = serde_json::from_str(text).unwrap();
    assert_eq!(golden.cases.len(), settings.len());
    for case in &golden.cases {
        let (_, config) = settings.iter().find(|(name, _)| *name == case.name).unwrap();
        replay(case, config.clone());
    }
}

#[test]
fn rates_and_learning_are_those_of_the_official_code() {
    golden(
        include_str!("../../../../tests/statements/golden/segregated_dendrites_rate.json"),
        &[
            ("broadcast", json!({})),
            ("feedback-bias", json!({"feedback_bias": true})),
            ("symmetric", json!({"symmetric_weights": "exact"})),
            ("learned", json!({"feedback_bias": true, "learned_feedback": true})),
            ("sparse", json!({"sparse_feedback": true})),
            ("sparse-symmetric", json!({"sparse_feedback": true, "symmetric_weights": "exact"})),
            ("sparse-learned", json!({"sparse_feedback": true, "learned_feedback": true})),
            ("conductances", coupled(1.0)),
            ("time-step", coupled(0.5)),
        ],
    );
}

/// Rates, somata that take their time, and feedback from layer to layer that reaches them.
fn coupled(time_step: f64) -> Value {
    json!({"soma": "conductances", "apical_conductance": 0.05, "feedback": "layer-wise", "feedback_bias": true,
           "learned_feedback": true, "time_step": time_step,
           "phases": {"forward": 8, "target": 8, "transient": 5}})
}

#[test]
fn spiking_neurons_and_their_learning_are_those_of_the_official_code_given_its_spikes() {
    let phases = json!({"forward": 34, "target": 34, "transient": 30});
    golden(
        include_str!("../../../../tests/statements/golden/segregated_dendrites_spiking.json"),
        &[
            ("spiking", json!({"mode": "spiking", "phases": phases})),
            ("apical-conductance", json!({"mode": "spiking", "phases": phases, "apical_conductance": 0.05})),
            (
                "layer-wise",
                json!({"mode": "spiking", "phases": phases, "apical_conductance": 0.05, "feedback": "layer-wise",
                       "learned_feedback": true}),
            ),
            (
                "spiking-feedback-only",
                json!({"mode": "spiking", "phases": phases, "spiking_feedforward": false}),
            ),
            (
                "spiking-feedforward-only",
                json!({"mode": "spiking", "phases": phases, "spiking_feedback": false, "soma": "steady-state",
                       "symmetric_weights": "exact"}),
            ),
            (
                "time-step",
                json!({"mode": "spiking", "phases": {"forward": 24, "target": 24, "transient": 20},
                       "time_step": 0.5, "apical_conductance": 0.05}),
            ),
        ],
    );
}

/// What the expressions of the official code (`deep_learning.py`, at the commit that the other numbers are of; numpy
/// 2.4.6, float64) come to: the middle where 0 stands for their uniform numbers, and half the distance from −1 to 1.
#[test]
#[expect(clippy::unreadable_literal, reason = "golden numbers stand as they were printed")]
fn weights_start_between_the_bounds_of_the_official_code() {
    let assert_is = |found: initialization::Uniform, mean: f64, half_width: f64| {
        let near = |ours: f64, theirs: f64| (ours - theirs).abs() <= 1e-12;
        assert!(near(found.mean, mean) && near(found.half_width, half_width), "{found:?}");
    };
    for (max_rate, fan_in, mean, half_width) in [
        (0.2, 784, 0.01870748299319728, 1.7494889514366698),
        (0.2, 25, 0.5866666666666667, 9.694517114328077),
        (0.35, 784, 0.010689990281827018, 0.9997079722495257),
        (0.35, 25, 0.3352380952380953, 5.53972406533033),
    ] {
        assert_is(initialization::weights(fan_in, max_rate), mean, half_width);
    }
    assert_is(initialization::biases(), 0.8, 0.0034650000000000514);
    // Feedback is drawn as the weights of the layer above are, also where it comes from the output.
    let mut network = network(json!({"mlp": {"hidden": [25, 50]}}), [1, 28, 28], 10);
    let feedback = rule(json!({}), &mut network).parameters();
    let weights = network.layers.iter().map(|layer| &layer.weight);
    let feedback = feedback.iter().map(|(_, weight)| weight);
    for (weight, fan_in) in weights.chain(feedback).zip([784, 25, 50, 25, 50]) {
        let bounds = initialization::weights(fan_in, 0.2);
        let furthest = ((weight - bounds.mean) / bounds.half_width).abs().max().double_value(&[]);
        assert!((0.9..1.0 + 1e-12).contains(&furthest), "{fan_in}: {furthest}");
    }
}
