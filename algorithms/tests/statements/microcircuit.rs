//! Dendritic microcircuits: what the circuit is silent about, what it computes in the limit, what each switch does.

use crate::support::{
    SMALL_IMAGE, architectures_of, assert_close, assert_equal, by_key, generator, network, random_batch,
    relative_error, rule,
};
use apical_algorithms::{
    direction::{Direction, ParameterKey, Role},
    loss::Loss,
    network::Network,
    optimizer::{OptimizerConfig, Optimizers},
    rule::{self, Batch, LearningRule},
    voltage::Compartment,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

const LOSS: Loss = Loss::SquaredError;

/// Small networks of every kind that the rule teaches.
fn architectures() -> Vec<(&'static str, Value)> {
    architectures_of(rule::find("microcircuit").unwrap())
}

fn circuit(config: Value, network: &mut Network) -> Box<dyn LearningRule> {
    rule("microcircuit", config, network)
}

fn parameter(rule: &dyn LearningRule, name: &str) -> Tensor {
    let parameters = rule.parameters();
    let found = parameters.into_iter().find(|(other, _)| other == name);
    found.unwrap_or_else(|| panic!("no `{name}`")).1
}

/// Puts the forward weights in the place of the top-down weights; synapses of interneurons follow if they are tied.
fn transport_weights(rule: &dyn LearningRule, network: &Network) {
    for (index, layer) in network.layers.iter().enumerate().skip(1) {
        parameter(rule, &format!("{index}.feedback")).copy_(&layer.weight);
    }
}

fn learn(rule: &mut dyn LearningRule, network: &Network, batch: &Batch) -> BTreeMap<ParameterKey, Tensor> {
    by_key(&rule.directions(network, LOSS, batch).directions)
}

fn cosine(left: &Tensor, right: &Tensor) -> f64 {
    ((left * right).sum(Kind::Double) / (left.norm() * right.norm())).double_value(&[])
}

fn sgd(learning_rate: f64) -> OptimizerConfig {
    serde_json::from_value(json!({"sgd": {"learning_rate": learning_rate}})).unwrap()
}

/// Without a target, of all hidden layers: the largest mean apical potential and the largest mismatch of interneurons.
fn unrest(rule: &mut dyn LearningRule, network: &Network, batch: &Batch) -> (f64, f64) {
    let layers = rule.layer_diagnostics(network, LOSS, batch);
    let hidden = &layers[..layers.len() - 1];
    let neurons = hidden.iter().filter_map(|layer| layer.neurons);
    neurons.fold((0.0, 0.0), |(apical, mismatch): (f64, f64), neurons| {
        (apical.max(neurons.apical_potential.unwrap()), mismatch.max(neurons.interneuron_mismatch.unwrap()))
    })
}

#[test]
fn in_the_self_predicting_state_apical_dendrites_are_silent_without_a_target() {
    let _generator = generator(151);
    for (architecture, description) in architectures() {
        for plasticity in ["tied", "plastic", "fixed"] {
            let mut network = network(&description, SMALL_IMAGE, 4);
            let config =
                json!({"pyramidal_to_interneuron": plasticity, "interneuron_to_pyramidal": plasticity});
            let mut rule = circuit(config, &mut network);
            let batch = random_batch(5, SMALL_IMAGE, 4);
            let (apical, mismatch) = unrest(&mut *rule, &network, &batch);
            println!("{architecture}, {plasticity}: {apical:e}, {mismatch:e}");
            assert!(apical < 1e-10 && mismatch < 1e-10);
            for layer in rule.layer_diagnostics(&network, LOSS, &batch).iter().rev().skip(1) {
                assert!(layer.neurons.unwrap().apical_potential_with_target.unwrap() > 1e-6);
                assert!((0.0..1.0).contains(&layer.neurons.unwrap().firing_rate.unwrap()));
            }
        }
    }
}

#[test]
fn with_transported_weights_and_a_small_nudge_directions_are_those_of_backprop() {
    let _generator = generator(152);
    for (architecture, description) in architectures() {
        let mut network = network(&description, SMALL_IMAGE, 4);
        let mixing = json!({"hidden": 0.01, "output": 0.01, "interneuron": 0.1});
        let mut rule = circuit(json!({"mixing": mixing}), &mut network);
        transport_weights(&*rule, &network);
        let batch = random_batch(5, SMALL_IMAGE, 4);
        let ours = learn(&mut *rule, &network, &batch);
        for (key, gradient) in by_key(&rule.references(&network, LOSS, &batch).gradient) {
            let cosine = cosine(&ours[&key], &gradient);
            println!("{architecture} {key}: {cosine}");
            assert!(cosine >= 0.999);
        }
    }
}

#[test]
fn with_random_feedback_and_a_small_nudge_directions_are_those_of_feedback_alignment() {
    let _generator = generator(153);
    for (architecture, description) in architectures() {
        let mut network = network(&description, SMALL_IMAGE, 4);
        let mut rule = circuit(json!({"mixing": {"hidden": 0.001, "output": 0.001}}), &mut network);
        let batch = random_batch(5, SMALL_IMAGE, 4);
        let ours = learn(&mut *rule, &network, &batch);
        let references = rule.references(&network, LOSS, &batch);
        for (key, reference) in by_key(&references.feedback_alignment) {
            println!("{architecture} {key}");
            assert!(cosine(&ours[&key], &reference) >= 0.999);
        }
        let gradient = by_key(&references.gradient);
        let first = ParameterKey { layer: 0, role: Role::Weight };
        assert!(cosine(&ours[&first], &gradient[&first]) < 0.9, "which are not those of backprop");
    }
}

/// The reference is the gradient of a loss: `L = −Σ ∫ φ′(v) (u_trgt − v) dv` at the predicted potentials.
#[test]
fn the_reference_is_the_gradient_that_autograd_finds() {
    let _generator = generator(154);
    let mut network = network(&json!({"mlp": {"hidden": [7, 6]}}), SMALL_IMAGE, 4);
    let mut rule = circuit(json!({}), &mut network);
    let batch = random_batch(5, SMALL_IMAGE, 4);
    let ours = by_key(&rule.references(&network, LOSS, &batch).gradient);
    let parameters: Vec<Tensor> =
        network.parameters().iter().map(|(_, tensor)| tensor.copy().set_requires_grad(true)).collect();
    let (hidden, output) = (0.7 / 1.1, 1.0 / 1.1);
    let mut h = batch.inputs.flatten(1, -1);
    for (index, pair) in parameters.chunks(2).enumerate() {
        let v = (h.matmul(&pair[0].tr()) + &pair[1]) * if index == 2 { output } else { hidden };
        h = if index == 2 { v } else { v.sigmoid() };
    }
    let [low, high] = [0.1_f64, 0.8].map(|rate| (rate / (1.0 - rate)).ln());
    let target = h.detach().full_like(low).scatter_value(1, &batch.labels.unsqueeze(1), high);
    // ∫ φ′(v) (v − t) dv = φ(v) (v − t) − log(1 + e^v)
    let loss = (h.sigmoid() * (&h - target) - h.softplus()).sum(Kind::Double) / 5.0;
    let gradients = Tensor::run_backward(&[loss], &parameters, false, false);
    for (index, gradient) in gradients.iter().enumerate() {
        let role = if index % 2 == 0 { Role::Weight } else { Role::Bias };
        assert_close(&ours[&ParameterKey { layer: index / 2, role }], gradient, 1e-9);
    }
}

#[test]
fn where_the_output_is_on_target_nothing_learns() {
    let _generator = generator(155);
    for (architecture, description) in architectures() {
        for dynamics in ["two-step", "full"] {
            let mut network = network(&description, SMALL_IMAGE, 4);
            let config = json!({"dynamics": dynamics, "time_course": {"plasticity_lag": 60.0, "prospective": true},
                "pyramidal_to_interneuron": "plastic", "interneuron_to_pyramidal": "plastic"});
            let mut rule = circuit(config, &mut network);
            let mut batch = random_batch(3, SMALL_IMAGE, 4);
            let away = learn(&mut *rule, &network, &batch);
            batch.labels = rule.output(&network, &batch.inputs);
            for (key, direction) in learn(&mut *rule, &network, &batch) {
                let (left, moved) = (direction.norm().double_value(&[]), away[&key].norm().double_value(&[]));
                println!("{architecture}, {dynamics}, {key}: {left:e} of {moved:e}");
                assert!(left < 1e-7 * moved);
            }
        }
    }
}

#[test]
fn a_batch_gives_the_mean_of_its_samples() {
    let _generator = generator(156);
    let learned = json!({"top_down": "learned", "pyramidal_to_interneuron": "plastic",
        "interneuron_to_pyramidal": "plastic", "initial_state": "random"});
    let mut full = learned.clone();
    full["dynamics"] = json!("full");
    full["time_course"] = json!({"pattern_duration": 10.0, "plasticity_lag": 2.0});
    for (architecture, description) in architectures() {
        for config in [json!({}), learned.clone(), full.clone()] {
            let mut network = network(&description, SMALL_IMAGE, 4);
            let mut rule = circuit(config, &mut network);
            let batch = random_batch(3, SMALL_IMAGE, 4);
            let samples: Vec<_> = (0..3)
                .map(|sample| {
                    let [inputs, labels] = [&batch.inputs, &batch.labels].map(|all| all.narrow(0, sample, 1));
                    learn(&mut *rule, &network, &Batch { inputs, labels })
                })
                .collect();
            for (key, direction) in learn(&mut *rule, &network, &batch) {
                println!("{architecture}, {key}");
                let mean =
                    samples.iter().fold(direction.zeros_like(), |sum, sample| sum + &sample[&key]) / 3.0;
                assert_close(&direction, &mean, 1e-12);
            }
        }
    }
}

#[test]
fn interneuron_synapses_that_are_tied_are_those_of_the_self_predicting_state() {
    let _generator = generator(157);
    let batch = random_batch(5, SMALL_IMAGE, 4);
    for (architecture, description) in architectures() {
        for dynamics in ["two-step", "full"] {
            let mut network = network(&description, SMALL_IMAGE, 4);
            let time = json!({"pattern_duration": 10.0, "plasticity_lag": 2.0});
            let mut learn_with = |plasticity: &str| {
                let config = json!({"dynamics": dynamics, "time_course": time,
                    "pyramidal_to_interneuron": plasticity, "interneuron_to_pyramidal": plasticity});
                let mut rule = circuit(config, &mut network);
                learn(&mut *rule, &network, &batch)
            };
            let tied = learn_with("tied");
            let plastic = learn_with("plastic");
            for (key, direction) in &tied {
                println!("{architecture}, {dynamics}, {key}");
                assert_close(&plastic[key], direction, 1e-10);
            }
            let hidden = network.layers.len() - 1;
            assert_eq!(plastic.len(), tied.len() + 3 * hidden, "and plastic ones learn");
        }
    }
}

/// From a random state, without targets, interneurons learn to predict and apical dendrites to be silent.
#[test]
fn interneurons_learn_to_silence_apical_dendrites() {
    let _generator = generator(158);
    for (architecture, description) in architectures() {
        let mut network = network(&description, SMALL_IMAGE, 4);
        let config = json!({"initial_state": "random", "pretraining_epochs": 1,
            "pyramidal_to_interneuron": "plastic", "interneuron_to_pyramidal": "fixed",
            "interneuron_rates": [1, 1, 1], "apical_rates": [0.1, 0.1, 0.1]});
        let mut rule = circuit(config, &mut network);
        assert_eq!((rule.own_passes(0), rule.own_passes(1)), (1, 0));
        let probe = random_batch(20, SMALL_IMAGE, 4);
        let start = unrest(&mut *rule, &network, &probe);
        let before: Vec<Tensor> = network.parameters().iter().map(|(_, tensor)| tensor.copy()).collect();
        let top_down = parameter(&*rule, "1.feedback").copy();
        let mut optimizers = Optimizers::new(sgd(1.0), None, None);
        for _ in 0..1500 {
            let batch = random_batch(10, SMALL_IMAGE, 4);
            optimizers.step(rule.own_directions(&network, LOSS, &batch), 1.0);
        }
        let end = unrest(&mut *rule, &network, &probe);
        println!("{architecture}: |v_A| {} to {}, mismatch {} to {}", start.0, end.0, start.1, end.1);
        assert!(end.0 < 0.2 * start.0 && end.1 < 0.2 * start.1);
        for ((_, now), before) in network.parameters().iter().zip(&before) {
            assert_equal(now, before);
        }
        assert_equal(&parameter(&*rule, "1.feedback"), &top_down);
    }
}

/// Of `Σ ∫ (φ(x) − φ(u_k)) dx` at `x = D_k r_{k+1}`, with the rates of the taught network held.
#[test]
fn learned_top_down_weights_descend_what_they_leave_unpredicted() {
    let _generator = generator(159);
    let mut network = network(&json!({"mlp": {"hidden": [7]}}), SMALL_IMAGE, 4);
    let mut rule = circuit(json!({"top_down": "learned", "top_down_rates": [1.0]}), &mut network);
    let batch = random_batch(5, SMALL_IMAGE, 4);
    let ours = learn(&mut *rule, &network, &batch);
    let output = rule.output(&network, &batch.inputs);
    let [low, high] = [0.1_f64, 0.8].map(|rate| (rate / (1.0 - rate)).ln());
    let target = output.full_like(low).scatter_value(1, &batch.labels.unsqueeze(1), high);
    let nudged = &output * 0.9 + target * 0.1;
    let interneurons = &output * 0.9 + &nudged * 0.1;
    let top_down = parameter(&*rule, "1.feedback");
    let layer = &network.layers[0];
    let basal = batch.inputs.flatten(1, -1).matmul(&layer.weight.tr()) + layer.bias.as_ref().unwrap();
    let apical = (nudged.sigmoid() - interneurons.sigmoid()).matmul(&top_down);
    let soma = basal * (0.7 / 1.1) + apical * 0.3;
    let own = top_down.copy().set_requires_grad(true);
    let predicted = nudged.sigmoid().matmul(&own);
    let loss = (predicted.softplus() - soma.sigmoid() * predicted).sum(Kind::Double) / 5.0;
    let gradient = &Tensor::run_backward(&[loss], &[own], false, false)[0];
    let key = ParameterKey { layer: 1, role: Role::Feedback };
    assert_close(&ours[&key], gradient, 1e-9);
}

/// To predict the rates below from those above is to invert what the weights do, and with fewer cells above than below the
/// best inverse points where the transposed weights point.
#[test]
fn learned_top_down_weights_turn_towards_the_transposed_forward_weights() {
    let _generator = generator(160);
    let mut network = network(&json!({"mlp": {"hidden": [8]}}), SMALL_IMAGE, 4);
    let config = json!({"top_down": "learned", "top_down_rates": [1.0], "layer_rates": [0.0, 0.0]});
    let mut rule = circuit(config, &mut network);
    let mut weight = network.layers[1].weight.shallow_clone();
    weight.copy_(&(crate::support::randn(&[4, 8]) * 0.7));
    let angle = |rule: &dyn LearningRule| {
        let down = parameter(rule, "1.feedback");
        // What is common to all samples says nothing of weights.
        cosine(
            &(&down - down.mean_dim([0i64].as_slice(), true, Kind::Double)),
            &(&weight - weight.mean_dim([0i64].as_slice(), true, Kind::Double)),
        )
    };
    let start = angle(&*rule);
    let mut optimizers = Optimizers::new(sgd(0.5), None, None);
    for _ in 0..2000 {
        let batch = random_batch(20, SMALL_IMAGE, 4);
        optimizers.step(rule.directions(&network, LOSS, &batch).directions, 1.0);
    }
    let end = angle(&*rule);
    println!("cosine {start} to {end}");
    assert!(end > 0.5 && end > start + 0.2);
}

#[test]
fn every_combination_of_switches_steps_on_every_kind_of_network() {
    let _generator = generator(161);
    let plasticities = ["tied", "plastic", "fixed"];
    let mut combinations = Vec::new();
    for dynamics in ["two-step", "full"] {
        for transfer in [json!("logistic"), json!({"soft-rectifying": {}})] {
            for top_down in ["fixed", "learned"] {
                for ip in plasticities {
                    for pi in plasticities {
                        for start in ["self-predicting", "random"] {
                            combinations.push(json!({"dynamics": dynamics, "transfer": transfer, "top_down": top_down,
                                "pyramidal_to_interneuron": ip, "interneuron_to_pyramidal": pi, "initial_state": start,
                                "time_course": {"pattern_duration": 2.0, "plasticity_lag": 1.0,
                                    "noise": if dynamics == "full" { 0.1 } else { 0.0 }}}));
                        }
                    }
                }
            }
        }
    }
    for (architecture, description) in architectures() {
        for config in &combinations {
            if (&config["pyramidal_to_interneuron"], &config["interneuron_to_pyramidal"])
                == (&json!("tied"), &json!("tied"))
                && config["initial_state"] == "random"
            {
                continue;
            }
            let mut network = network(&description, SMALL_IMAGE, 4);
            let mut rule = circuit(config.clone(), &mut network);
            let mut batch = random_batch(3, SMALL_IMAGE, 4);
            println!("{architecture}: {config}");
            let mut optimizers = Optimizers::new(sgd(0.01), None, None);
            for regression in [false, true] {
                if regression {
                    batch.labels = crate::support::randn(&[3, 4]);
                }
                let step = rule.directions(&network, LOSS, &batch);
                let own: Vec<Direction> = rule.own_directions(&network, LOSS, &batch);
                let learns = |role: Role| step.directions.iter().any(|direction| direction.key.role == role);
                assert_eq!(learns(Role::Feedback), config["top_down"] == "learned");
                let is_plastic = |key: &str| config[key] == "plastic";
                assert_eq!(learns(Role::PyramidalToInterneuron), is_plastic("pyramidal_to_interneuron"));
                assert_eq!(learns(Role::InterneuronToPyramidal), is_plastic("interneuron_to_pyramidal"));
                for direction in step.directions.iter().chain(&own) {
                    assert!(
                        direction.materialize().isfinite().all().int64_value(&[]) == 1,
                        "{}",
                        direction.key
                    );
                }
                optimizers.step(step.directions, 1.0);
                optimizers.step(own, 1.0);
                assert!(rule.output(&network, &batch.inputs).isfinite().all().int64_value(&[]) == 1);
            }
        }
    }
}

#[test]
fn noise_makes_a_difference_and_none_makes_none() {
    let _generator = generator(162);
    let mut network = network(&json!({"mlp": {"hidden": [7, 6]}}), SMALL_IMAGE, 4);
    let batch = random_batch(3, SMALL_IMAGE, 4);
    let mut twice = |noise: f64| {
        let time = json!({"pattern_duration": 20.0, "plasticity_lag": 10.0, "noise": noise});
        let mut rule = circuit(json!({"dynamics": "full", "time_course": time}), &mut network);
        let key = ParameterKey { layer: 0, role: Role::Weight };
        let [first, second] = [(); 2].map(|()| learn(&mut *rule, &network, &batch).remove(&key).unwrap());
        relative_error(&first, &second)
    };
    assert_eq!(twice(0.0), 0.0);
    assert!(twice(0.1) > 1e-3);
}

#[test]
fn settled_dynamics_learn_what_two_steps_learn_to_the_first_order() {
    let _generator = generator(163);
    for (architecture, description) in architectures() {
        let mut network = network(&description, SMALL_IMAGE, 4);
        let batch = random_batch(3, SMALL_IMAGE, 4);
        let mut learned = |dynamics: &str| {
            let config = json!({"dynamics": dynamics, "mixing": {"hidden": 0.003, "output": 0.003},
                "time_course": {"plasticity_lag": 60.0, "input_time_constant": 1.0}});
            let mut rule = circuit(config, &mut network);
            learn(&mut *rule, &network, &batch)
        };
        let (settled, two_step) = (learned("full"), learned("two-step"));
        for (key, direction) in &two_step {
            let error = relative_error(&settled[key], direction);
            println!("{architecture}, {key}: {error}");
            assert!(error < 0.01);
        }
    }
}

#[test]
fn a_layer_with_a_rate_of_zero_is_frozen_and_rates_are_factors() {
    let _generator = generator(164);
    let mut network = network(&json!({"mlp": {"hidden": [7, 6]}}), SMALL_IMAGE, 4);
    let batch = random_batch(3, SMALL_IMAGE, 4);
    let mut learn_with = |rates: Value| {
        let mut rule = circuit(json!({"layer_rates": rates}), &mut network);
        learn(&mut *rule, &network, &batch)
    };
    let (default, chosen) = (learn_with(Value::Null), learn_with(json!([2.75, 0.0, 1.0])));
    assert!(chosen.keys().all(|key| key.layer != 1));
    for (key, direction) in &chosen {
        // 1 / λ_N, and 1 / λ_k for each layer below.
        let (rate, usual) = if key.layer == 0 { (2.75, 1.0 / 0.1 / 0.3 / 0.3) } else { (1.0, 1.0 / 0.1) };
        assert_close(&(direction / rate), &(&default[key] / usual), 1e-12);
    }
}

#[test]
fn feedback_weights_stand_in_for_the_weights_of_the_layer_above() {
    let _generator = generator(165);
    for (_, description) in architectures() {
        let mut network = network(&description, SMALL_IMAGE, 4);
        let rule = circuit(json!({}), &mut network);
        transport_weights(&*rule, &network);
        for (index, (feedback, layer)) in
            rule.feedback_weights(&network).iter().zip(&network.layers).enumerate()
        {
            assert_eq!(feedback.is_some(), index > 0);
            if let Some(feedback) = feedback {
                assert_equal(feedback, &layer.weight);
            }
        }
    }
}

#[test]
fn recorded_potentials_show_a_silent_and_then_a_taught_circuit() {
    let _generator = generator(166);
    for (architecture, description) in architectures() {
        let mut network = network(&description, SMALL_IMAGE, 4);
        let mut rule = circuit(json!({}), &mut network);
        let batch = random_batch(3, SMALL_IMAGE, 4);
        let recorded = rule.voltage_traces(&network, &batch).unwrap();
        let [free, taught] = &recorded.phases[..] else { panic!("two phases") };
        assert_eq!((free.end, taught.end, recorded.time_step), (50.0, 100.0, 0.5));
        let label = batch.labels.int64_value(&[0]) as usize;
        let output = network.layers.len() - 1;
        for (index, layer) in network.layers.iter().enumerate() {
            let of_layer: Vec<_> = recorded.traces.iter().filter(|trace| trace.layer == layer.name).collect();
            let cells = of_layer.iter().filter(|trace| trace.compartment == Compartment::Soma).count();
            assert_eq!(cells, 2, "{architecture}, {}", layer.name);
            for trace in of_layer {
                assert_eq!(trace.potential.len(), 200);
                let (before, after) = (trace.potential[99], trace.potential[199]);
                match trace.compartment {
                    // It was not quite silent while the input rose.
                    Compartment::Apical => assert!(before.abs() < 1e-5 && after.abs() > before.abs()),
                    Compartment::Target => {
                        assert_eq!(index, output);
                        assert_eq!(trace.neuron == label, before > 0.0);
                    }
                    Compartment::Interneuron => assert!(index > 0),
                    Compartment::Soma if index == output => {
                        assert_eq!(trace.neuron == label, after > before, "nudged towards its target");
                    }
                    Compartment::Soma | Compartment::Basal => {}
                }
            }
        }
    }
}
