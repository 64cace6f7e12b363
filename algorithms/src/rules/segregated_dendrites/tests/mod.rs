//! What only the inside shows: the simulation with given spikes and a given state, and the two ways to a result.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "says which case a failed test was at; the harness captures it")]

mod golden;

use super::{
    Outcome, SegregatedDendrites,
    config::Config,
    initialization,
    simulation::{Circuit, Phase, Poisson, State},
    wald,
};
use crate::{
    architecture::{Architecture, Options},
    direction::Direction,
    linear_map::Dense,
    loss::Loss,
    network::Network,
    randomness::Streams,
    rule::{Batch, LearningRule, Registered},
};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

fn network(description: Value, image: [i64; 3], classes: i64) -> Network {
    let architecture: Architecture = serde_json::from_value(description).unwrap();
    let options = Options { kind: Kind::Double, device: Device::Cpu };
    architecture.build(image, classes, options, Streams::new(3)).unwrap()
}

/// Sets up a rule. Tests that run at once share the generator: what two draw after the same seed may differ.
fn rule(config: Value, network: &mut Network) -> SegregatedDendrites {
    tch::manual_seed(5);
    let config: Config = serde_json::from_value(config).unwrap();
    SegregatedDendrites::new(config, network, Streams::new(5))
}

#[track_caller]
fn assert_near(ours: &Tensor, theirs: &Tensor, tolerance: f64) {
    let error = (ours.reshape([-1]) - theirs.reshape([-1])).abs().max().double_value(&[]);
    assert!(error <= tolerance, "differs by {error:e}:\n{ours}\n{theirs}");
}

fn random_batch(samples: i64) -> Batch {
    Batch {
        inputs: Tensor::rand([samples, 2, 9, 9], DOUBLE),
        labels: Tensor::randint(4, [samples], (Kind::Int64, Device::Cpu)),
    }
}

fn from_rest(rule: &SegregatedDendrites, network: &Network, batch: &Batch) -> Outcome {
    let mut state = State::rest(network.layers.len());
    rule.simulate(network, batch, &rule.feedback.pathways(network), &mut state)
}

fn networks() -> [Value; 3] {
    [
        json!({"mlp": {"hidden": [7, 6]}}),
        json!({"cnn": {"layers": [
            {"conv": {"channels": 4, "kernel": 3, "stride": 2, "padding": 1}},
            {"conv": {"channels": 5, "kernel": 2, "stride": 2}}, {"dense": 6}]}}),
        json!({"locally_connected": {"layers": [
            {"local": {"channels": 3, "kernel": 3, "stride": 2, "padding": 1}},
            {"local": {"channels": 2, "kernel": 3}}, {"dense": 6}]}}),
    ]
}

#[test]
fn what_is_not_simulated_would_not_have_changed_anything() {
    tch::manual_seed(31);
    for description in networks() {
        for config in [
            json!({}),
            json!({"phases": {"forward": 5, "target": 4, "transient": 2}, "time_step": 0.5}),
            json!({"sparse_feedback": true, "feedback_bias": true, "learned_feedback": true}),
            json!({"symmetric_weights": "exact", "sparse_feedback": true}),
            json!({"feedback": "layer-wise"}),
        ] {
            println!("{config} on {description}");
            let mut network = network(description.clone(), [2, 9, 9], 4);
            let rule = rule(config, &mut network);
            assert!(rule.is_at_once());
            let batch = random_batch(3);
            let (short, full) = (
                rule.at_once(&network, &batch, &rule.feedback.pathways(&network)),
                from_rest(&rule, &network, &batch),
            );
            assert_near(&short.potential, &full.potential, 1e-12);
            for (short, full) in rule.learn(&network, &short).iter().zip(rule.learn(&network, &full)) {
                assert_eq!(short.key, full.key);
                let full = full.materialize();
                assert_near(&short.materialize(), &full, 1e-12 * (1.0 + full.abs().max().double_value(&[])));
            }
        }
    }
}

#[test]
fn somata_by_conductances_come_to_rest_at_the_steady_state() {
    tch::manual_seed(32);
    for coupling in [0.0, 0.05] {
        let mut network = network(json!({"mlp": {"hidden": [7, 6]}}), [2, 9, 9], 4);
        let settings = |soma: &str| {
            json!({"soma": soma, "apical_conductance": coupling, "phases": {
                "forward": 300, "target": 300, "transient": 299}})
        };
        let steady = rule(settings("steady-state"), &mut network);
        let moving = rule(settings("conductances"), &mut network);
        for ((_, from), (_, mut to)) in steady.parameters().into_iter().zip(moving.parameters()) {
            to.copy_(&from);
        }
        let batch = random_batch(3);
        let (steady, moving) = (from_rest(&steady, &network, &batch), from_rest(&moving, &network, &batch));
        assert_near(&steady.potential, &moving.potential, 1e-9);
        assert_near(&steady.target_rate, &moving.target_rate, 1e-9);
        for (steady, moving) in steady.layers.iter().zip(&moving.layers) {
            assert_near(&steady.gate, &moving.gate, 1e-9);
        }
    }
}

#[test]
fn spiking_neurons_do_on_average_what_rate_neurons_do() {
    tch::manual_seed(33);
    let mut network = network(json!({"mlp": {"hidden": [60]}}), [2, 9, 9], 4);
    // Synapses that forget nothing.
    let rule = rule(json!({"mode": "spiking", "spike_memory": 100}), &mut network);
    let batch = random_batch(4);
    let pathways = rule.feedback.pathways(&network);
    let circuit =
        Circuit { network: &network, neurons: &rule.neurons, pathways: &pathways, wiring: rule.wiring() };
    let rates = rule.input_rates(&network, &batch.inputs);
    let phase = Phase { steps: 2200, window: 2000, target: None };
    let averages = circuit.run(&mut State::rest(2), &mut Poisson, &rates, &phase, None);
    let (steady, _) = rule.ascend(&network, &batch.inputs);
    let error = |ours: &Tensor, theirs: &Tensor| ((ours - theirs).norm() / theirs.norm()).double_value(&[]);
    let sent = error(averages[0].presynaptic.as_ref().unwrap(), &steady[0].presynaptic);
    let potential =
        (steady[0].gate.logit(None) - averages[0].soma.as_ref().unwrap()).abs().mean(Kind::Double);
    let rate = error(averages[0].rate.as_ref().unwrap(), &steady[0].rate);
    println!("responses {sent}, potentials {potential}, rates {rate}");
    // 2000 ms at 0.1 spikes/ms: 200 spikes per input, a deviation of 7 %.
    assert!(sent < 0.1);
    assert!(potential.double_value(&[]) < 0.5);
    assert!(rate < 0.15);
}

#[test]
fn noisy_symmetric_weights_stray_from_the_forward_weights_by_the_noise() {
    tch::manual_seed(36);
    let mut network = network(json!({"mlp": {"hidden": [60, 50]}}), [2, 9, 9], 10);
    let rule = rule(
        json!({"symmetric_weights": "noisy", "symmetric_noise": 0.2, "feedback": "layer-wise", "apical_conductance": 0.05}),
        &mut network,
    );
    let [first, second] = [(); 2].map(|()| rule.feedback.pathways(&network));
    for (index, above) in network.layers.iter().enumerate().skip(1) {
        // What comes down from one neuron of the layer above is its row of weights.
        let one_by_one = Tensor::eye(above.output_units(), DOUBLE);
        let [first, second] = [&first, &second].map(|paths| paths[index - 1].carry(&one_by_one));
        let noise = first - &above.weight;
        let deviation = noise.std(true).double_value(&[]);
        assert!((deviation / 0.2 - 1.0).abs() < 0.1, "{deviation}");
        assert!(noise.mean(Kind::Double).double_value(&[]).abs() < 0.04);
        let again = (second - &above.weight - noise).std(true).double_value(&[]);
        assert!((again / (0.2 * 2.0_f64.sqrt()) - 1.0).abs() < 0.1, "drawn anew: {again}");
    }
}

/// Somata with a time course, and rates, so that nothing is drawn.
fn slow() -> Value {
    json!({"soma": "conductances", "phases": {"forward": 12, "target": 9, "transient": 4}})
}

fn apart(image: &Batch, rule: &mut SegregatedDendrites, network: &Network) -> Vec<Tensor> {
    let directions = rule.directions(network, Loss::CrossEntropy, image).directions;
    directions.iter().map(Direction::materialize).collect()
}

#[test]
fn in_batches_of_one_an_image_finds_the_neurons_where_the_last_one_left_them() {
    tch::manual_seed(23);
    for description in networks() {
        let mut network = network(description, [2, 9, 9], 4);
        let mut rule = rule(slow(), &mut network);
        let (first, second) = (random_batch(1), random_batch(1));
        let _ = apart(&first, &mut rule, &network);
        let online = apart(&second, &mut rule, &network);
        let mut state = State::rest(network.layers.len());
        let pathways = rule.feedback.pathways(&network);
        let _ = rule.simulate(&network, &first, &pathways, &mut state);
        let outcome = rule.simulate(&network, &second, &pathways, &mut state);
        let expected = rule.learn(&network, &outcome);
        for (online, expected) in online.iter().zip(&expected) {
            assert_near(online, &expected.materialize(), 0.0);
        }
        rule.rest();
        let rested = apart(&second, &mut rule, &network);
        let change = (&online[0] - &rested[0]).abs().max().double_value(&[]);
        assert!(change > 0.0, "the second image was shown to rested neurons");
    }
}

#[test]
fn a_larger_batch_and_an_image_after_a_rest_start_from_rest() {
    tch::manual_seed(24);
    let mut network = network(networks()[0].clone(), [2, 9, 9], 4);
    let mut rule = rule(slow(), &mut network);
    let (one, three) = (random_batch(1), random_batch(3));
    let [alone, among] = [&one, &three].map(|batch| apart(batch, &mut rule, &network));
    let _ = apart(&random_batch(1), &mut rule, &network);
    for (before, after) in among.iter().zip(apart(&three, &mut rule, &network)) {
        assert_near(before, &after, 0.0);
    }
    rule.rest();
    for (before, after) in alone.iter().zip(apart(&one, &mut rule, &network)) {
        assert_near(before, &after, 0.0);
    }
}

#[test]
fn phases_are_longer_by_draws_from_the_wald_distribution() {
    tch::manual_seed(34);
    let draws: Vec<f64> = (0..20_000).map(|_| wald()).collect();
    let mean = |f: &dyn Fn(f64) -> f64| draws.iter().map(|x| f(*x)).sum::<f64>() / draws.len() as f64;
    // E X = μ, E 1/X = 1/μ + 1/λ, with deviations of √(μ³/λ) = 2.8 and 1.6.
    assert!((mean(&|x| x) - 2.0).abs() < 0.1);
    assert!((mean(&|x| 1.0 / x) - 1.5).abs() < 0.06);
}

#[test]
fn weights_start_where_dendritic_potentials_have_mean_3_and_twice_the_deviation_of_3() {
    tch::manual_seed(35);
    let (fan_in, max_rate) = (400, 0.2);
    let map = Dense::new(fan_in, 500);
    // Rates in potentials of mean 3 and deviation 3 with the slope λ_max / 4.
    let rates = (Tensor::randn([400, fan_in], DOUBLE) * 3.0 + 3.0) * (0.25 * max_rate);
    let weights = initialization::weights(fan_in, max_rate);
    let weight = weights.draw(&[500, fan_in], Kind::Double, Device::Cpu);
    let bias = initialization::biases().draw(&[500], Kind::Double, Device::Cpu);
    let potentials = crate::linear_map::LinearMap::apply(&map, &weight, Some(&bias), &rates);
    let moments = |potentials: &Tensor| {
        (potentials.mean(Kind::Double).double_value(&[]), potentials.std(true).double_value(&[]))
    };
    let (mean, deviation) = moments(&potentials);
    assert!((mean - 3.0).abs() < 0.5 && (deviation - 6.0).abs() < 0.3, "{mean} ± {deviation}");
    // With √3 in the place of 3.465 the deviation is the 3 that the formula is for.
    let meant =
        initialization::Uniform { half_width: weights.half_width * 3.0_f64.sqrt() / 3.465, ..weights };
    let weight = meant.draw(&[500, fan_in], Kind::Double, Device::Cpu);
    let potentials = crate::linear_map::LinearMap::apply(&map, &weight, Some(&bias), &rates);
    let (mean, deviation) = moments(&potentials);
    assert!((mean - 3.0).abs() < 0.3 && (deviation - 3.0).abs() < 0.15, "{mean} ± {deviation}");
}
