//! What only the inside shows: where the full dynamics settle, and how fast.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::{
    Microcircuit,
    config::Config,
    full::Presentation,
    two_step::{Activity, prediction, present},
};
use crate::{
    architecture::{Architecture, Options},
    network::Network,
    randomness::Streams,
    rule::Registered,
};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

fn networks() -> Vec<Network> {
    let descriptions: [Value; 3] = [
        json!({"mlp": {"hidden": [7, 6, 5], "initialization": {"biases": {"normal": {"std": 0.3}}}}}),
        json!({"cnn": {"initialization": {"biases": {"normal": {"std": 0.3}}}, "layers": [
            {"conv": {"channels": 4, "kernel": 3, "stride": 2, "padding": 1}},
            {"conv": {"channels": 5, "kernel": 2, "stride": 2}}, {"dense": 6}]}}),
        json!({"locally_connected": {"initialization": {"biases": {"normal": {"std": 0.3}}}, "layers": [
            {"local": {"channels": 3, "kernel": 3, "stride": 2, "padding": 1}},
            {"local": {"channels": 2, "kernel": 3}}, {"dense": 6}]}}),
    ];
    let build = |description: Value| {
        let architecture: Architecture = serde_json::from_value(description).unwrap();
        let options = Options { kind: Kind::Double, device: Device::Cpu };
        architecture.build([2, 9, 9], 4, options, Streams::new(3)).unwrap()
    };
    descriptions.into_iter().map(build).collect()
}

fn circuit(config: Value, network: &mut Network) -> Microcircuit {
    tch::set_num_threads(1);
    tch::manual_seed(8);
    Microcircuit::new(serde_json::from_value::<Config>(config).unwrap(), network, Streams::new(3))
}

/// Random somatic potentials for the output, and images.
fn sample() -> (Tensor, Tensor) {
    tch::manual_seed(9);
    (Tensor::randn([3, 2, 9, 9], DOUBLE), Tensor::randn([3, 4], DOUBLE))
}

fn distance(left: &Tensor, right: &Tensor) -> f64 {
    (left - right).abs().max().double_value(&[])
}

/// The largest difference between two states, over somata, interneurons and apical dendrites.
fn state_distance(left: &Activity, right: &Activity) -> f64 {
    let somata = left.potentials.iter().zip(&right.potentials).map(|(left, right)| distance(left, right));
    let circuits = left.circuits.iter().zip(&right.circuits).flat_map(|(left, right)| {
        [distance(&left.potential, &right.potential), distance(&left.apical, &right.apical)]
    });
    somata.chain(circuits).fold(0.0, f64::max)
}

fn shown<'a>(rule: &'a Microcircuit, network: &'a Network, inputs: &'a Tensor) -> Presentation<'a> {
    let Config { transfer, time_course, .. } = rule.config;
    Presentation::new(rule.membrane, transfer, time_course, network, &rule.circuits, inputs)
}

fn two_steps(rule: &Microcircuit, network: &Network, inputs: &Tensor, target: Option<&Tensor>) -> Activity {
    let target = target.map(|target| move |_: &Tensor| target.shallow_clone());
    let target = target.as_ref().map(|target| target as &dyn Fn(&Tensor) -> Tensor);
    present(&rule.membrane, rule.config.transfer, network, &rule.circuits, inputs, target)
}

/// The two-step relations, iterated: every sweep takes predictions from the rates that the last one left.
fn two_step_fixed_point(
    rule: &Microcircuit,
    network: &Network,
    inputs: &Tensor,
    target: &Tensor,
) -> Activity {
    let transfer = rule.config.transfer;
    let mut state = two_steps(rule, network, inputs, Some(target));
    for _ in 0..60 {
        let output = network.layers.len() - 1;
        for index in 0..=output {
            let below = if index == 0 { inputs } else { &state.rates[index - 1] };
            state.predictions[index] = prediction(&rule.membrane, network, index, below);
        }
        let mixing = rule.config.mixing;
        state.potentials[output] =
            &state.predictions[output] * (1.0 - mixing.output) + target * mixing.output;
        state.rates[output] = transfer.rate(&state.potentials[output]);
        for index in (0..output).rev() {
            let above = &network.layers[index + 1];
            let circuit = &rule.circuits[index];
            let predicted =
                circuit.prediction(&rule.membrane, above, &state.rates[index], &state.predictions[index + 1]);
            let own = &mut state.circuits[index];
            own.potential =
                predicted * (1.0 - mixing.interneuron) + &state.potentials[index + 1] * mixing.interneuron;
            own.rates = transfer.rate(&own.potential);
            own.apical = circuit.apical(&network.layers[index], above, &state.rates[index + 1], &own.rates).0;
            state.potentials[index] = &state.predictions[index] + &own.apical * mixing.hidden;
            state.rates[index] = transfer.rate(&state.potentials[index]);
        }
    }
    state
}

/// The states to which every kind of circuit has to settle: self-predicting, tied or not, and unrest.
fn configurations() -> [Value; 3] {
    let apart = json!({"pyramidal_to_interneuron": "plastic", "interneuron_to_pyramidal": "plastic"});
    let mut unrest = apart.clone();
    unrest["initial_state"] = json!("random");
    unrest["top_down_weights"] = json!({"uniform": {"low": -0.5, "high": 0.5}});
    unrest["transfer"] = json!({"soft-rectifying": {"threshold": 0.5}});
    [json!({}), apart, unrest]
}

#[test]
fn full_dynamics_settle_to_the_fixed_point_of_the_two_step_relations() {
    let (inputs, target) = sample();
    for mut network in networks() {
        for mut config in configurations() {
            for prospective in [false, true] {
                config["time_course"] =
                    json!({"prospective": prospective, "time_step": 0.2, "input_time_constant": 1.0});
                let rule = circuit(config.clone(), &mut network);
                let mut presentation = shown(&rule, &network, &inputs);
                let last = (0..400).map(|_| presentation.step(Some(&target))).last().unwrap();
                let fixed = two_step_fixed_point(&rule, &network, &inputs, &target);
                let difference = state_distance(&last, &fixed);
                assert!(difference < 1e-10, "{config}: {difference:e}");
                let nudge = distance(&fixed.potentials[0], &fixed.predictions[0]);
                // Ten thousand times what the two may differ by, so that agreement says something of the nudge.
                assert!(nudge > 1e-6, "the target reaches the first layer: {nudge:e}");
            }
        }
    }
}

#[test]
fn without_a_target_full_dynamics_settle_where_the_first_step_is() {
    let (inputs, _) = sample();
    for mut network in networks() {
        for mut config in configurations().into_iter().take(2) {
            config["time_course"] = json!({"time_step": 0.2, "input_time_constant": 1.0});
            let rule = circuit(config, &mut network);
            let mut presentation = shown(&rule, &network, &inputs);
            let last = (0..400).map(|_| presentation.step(None)).last().unwrap();
            assert!(state_distance(&last, &two_steps(&rule, &network, &inputs, None)) < 1e-10);
            let silent = last.circuits.iter().map(|circuit| circuit.apical.abs().max().double_value(&[]));
            assert!(silent.fold(0.0, f64::max) < 1e-10);
        }
    }
}

/// With a target the difference is of the second order: it falls by 100 where the nudge falls by 10.
#[test]
fn two_steps_are_where_full_dynamics_settle_to_the_first_order_in_the_nudge() {
    let (inputs, target) = sample();
    for mut network in networks() {
        let difference = |nudge: f64, network: &mut Network| {
            let config = json!({"mixing": {"output": nudge, "hidden": nudge}});
            let rule = circuit(config, network);
            let ours = two_steps(&rule, network, &inputs, Some(&target));
            state_distance(&ours, &two_step_fixed_point(&rule, network, &inputs, &target))
        };
        let (coarse, fine) = (difference(0.01, &mut network), difference(0.001, &mut network));
        assert!((80.0..125.0).contains(&(coarse / fine)), "{coarse:e} and {fine:e}");
    }
}

/// Euler steps until all is within 1e-6 of where it stays.
#[test]
fn prospective_rates_settle_faster() {
    let (inputs, target) = sample();
    for mut network in networks() {
        let steps = |prospective: bool, network: &mut Network| {
            let time = json!({"prospective": prospective, "input_time_constant": 0.0});
            let rule = circuit(json!({"time_course": time}), network);
            let fixed = two_step_fixed_point(&rule, network, &inputs, &target);
            let mut presentation = shown(&rule, network, &inputs);
            (0..2000).position(|_| state_distance(&presentation.step(Some(&target)), &fixed) < 1e-6).unwrap()
        };
        let (ahead, behind) = (steps(true, &mut network), steps(false, &mut network));
        assert!(ahead * 4 < behind, "{ahead} and {behind} steps");
    }
}

#[test]
fn a_circuit_at_rest_moves_with_noise_alone() {
    let (inputs, _) = sample();
    let mut network = networks().swap_remove(0);
    let spread = |noise: f64, network: &mut Network| {
        let config = json!({"dynamics": "full", "time_course": {"noise": noise}});
        let rule = circuit(config, network);
        let mut presentation = shown(&rule, network, &inputs);
        let states: Vec<Tensor> =
            (0..1000).map(|_| presentation.step(None).potentials.swap_remove(0)).collect();
        Tensor::stack(&states[500..], 0)
            .std_dim([0i64].as_slice(), true, false)
            .mean(Kind::Double)
            .double_value(&[])
    };
    assert!(spread(0.0, &mut network) < 1e-5, "without noise the circuit settles");
    // An Ornstein-Uhlenbeck process has the deviation σ √(τ/2), τ = 1 / 1.57 ms.
    let expected = 0.05 * (1.0 / (1.1 / 0.7) / 2.0_f64).sqrt();
    let found = spread(0.05, &mut network);
    assert!((found / expected - 1.0).abs() < 0.2, "{found} and {expected}");
}
