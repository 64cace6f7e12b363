//! Segregated dendrites as a suite sees them. What only the inside shows, and the comparison with the official code, is in
//! the rule's own tests.

use crate::support::{
    DOUBLE, SMALL_IMAGE, architecture, architectures_of, assert_close, assert_equal, by_key, generator,
    network, random_batch, relative_error, rule,
};
use apical_algorithms::{
    diagnostics::Probe,
    direction::{ParameterKey, Role},
    loss::{Loss, targets},
    network::Network,
    optimizer::{OptimizerConfig, Optimizers},
    rule::{self as rules, Batch, LearningRule, RuleEntry},
    voltage::Compartment,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

const NAME: &str = "segregated-dendrites";
const LOSS: Loss = Loss::BinaryCrossEntropy;

fn entry() -> &'static RuleEntry {
    rules::find(NAME).unwrap()
}

fn mlp() -> Value {
    json!({"mlp": {"hidden": [7, 6]}})
}

/// Images with values in [0, 1], as neurons that spike need them.
fn unit_batch(samples: i64) -> Batch {
    let batch = random_batch(samples, SMALL_IMAGE, 4);
    Batch { inputs: batch.inputs.sigmoid(), ..batch }
}

fn set_up(config: Value, description: &Value) -> (Network, Box<dyn LearningRule>) {
    let mut network = network(description, SMALL_IMAGE, 4);
    let rule = rule(NAME, config, &mut network);
    (network, rule)
}

fn directions(
    rule: &mut dyn LearningRule,
    network: &Network,
    batch: &Batch,
) -> BTreeMap<ParameterKey, Tensor> {
    by_key(&rule.directions(network, LOSS, batch).directions)
}

fn repeat(batch: &Batch, times: i64) -> Batch {
    Batch { inputs: batch.inputs.repeat([times, 1, 1, 1]), labels: batch.labels.repeat([times]) }
}

#[test]
fn a_batch_of_one_sample_again_and_again_teaches_what_the_sample_does() {
    let _generator = generator(502);
    for config in [
        json!({}),
        json!({"soma": "conductances", "apical_conductance": 0.05, "feedback": "layer-wise",
               "feedback_bias": true, "learned_feedback": true}),
    ] {
        for (_, description) in architectures_of(entry()) {
            let (network, mut rule) = set_up(config.clone(), &description);
            let single = random_batch(1, SMALL_IMAGE, 4);
            let one = directions(&mut *rule, &network, &single);
            let many = directions(&mut *rule, &network, &repeat(&single, 5));
            assert_eq!(one.len(), many.len());
            for (key, one) in &one {
                assert_close(&many[key], one, 1e-10);
            }
        }
    }
}

#[test]
fn the_direction_of_a_batch_is_the_mean_of_its_samples() {
    let _generator = generator(503);
    let (network, mut rule) = set_up(json!({"apical_conductance": 0.05}), &mlp());
    let batch = random_batch(4, SMALL_IMAGE, 4);
    let whole = directions(&mut *rule, &network, &batch);
    let of_sample = |rule: &mut dyn LearningRule, sample: i64| {
        let narrow = |tensor: &Tensor| tensor.narrow(0, sample, 1);
        let single = Batch { inputs: narrow(&batch.inputs), labels: narrow(&batch.labels) };
        directions(rule, &network, &single)
    };
    let samples: Vec<_> = (0..4).map(|sample| of_sample(&mut *rule, sample)).collect();
    for (key, whole) in whole {
        let mean =
            samples.iter().map(|sample| &sample[&key]).fold(whole.zeros_like(), |sum, one| sum + one) / 4.0;
        assert_close(&whole, &mean, 1e-12);
    }
}

/// The target's drive adds nothing to a soma that is at its reversal potential already.
#[test]
fn where_the_output_is_as_the_target_drives_it_nothing_is_learned() {
    let _generator = generator(504);
    let (network, mut rule) = set_up(json!({}), &mlp());
    let batch = random_batch(3, SMALL_IMAGE, 4);
    let batch = Batch { labels: batch.labels.zeros_like(), ..batch };
    // Output potentials at the reversal potentials whatever the input: U = k_D b = ± 8.
    let output = &network.layers[2];
    let _ = output.weight.shallow_clone().zero_();
    let gain = 0.6 / 0.7;
    let bias = Tensor::from_slice(&[8.0, -8.0, -8.0, -8.0]) / gain;
    output.bias.as_ref().unwrap().shallow_clone().copy_(&bias);
    for (key, direction) in directions(&mut *rule, &network, &batch) {
        assert!(direction.abs().max().double_value(&[]) < 1e-12, "{key}");
    }
}

/// `½ P_N ‖λ^t − λ_max σ(U)‖²`, averaged over the batch, with the rule's own rates in between.
fn own_loss(network: &Network, batch: &Batch, target_rate: &Tensor) -> (Tensor, Tensor) {
    let (hidden_gain, output_gain) = (0.6 / 0.7, 0.6 / 0.7);
    let mut activity = &batch.inputs * 0.2;
    let mut potential = activity.shallow_clone();
    for (index, layer) in network.layers.iter().enumerate() {
        let mut shape = vec![-1];
        shape.extend_from_slice(layer.map.input_shape());
        let gain = if index + 1 == network.layers.len() { output_gain } else { hidden_gain };
        potential = layer.map.apply(&layer.weight, layer.bias.as_ref(), &activity.reshape(&shape)) * gain;
        activity = potential.sigmoid() * 0.2;
    }
    let loss = (target_rate - activity).square().sum(Kind::Double)
        * (0.5 * 20.0 / 0.04 / batch.labels.size()[0] as f64);
    (loss, potential)
}

#[test]
fn the_reference_is_the_gradient_of_the_output_layers_loss_through_the_rules_own_neurons() {
    let _generator = generator(505);
    for (name, description) in architectures_of(entry()) {
        let (network, mut rule) = set_up(json!({}), &description);
        let batch = random_batch(3, SMALL_IMAGE, 4);
        let potential = rule.output(&network, &batch.inputs);
        let driven = targets(&batch.labels, &potential) * 16.0 - 8.0;
        let target_rate = ((&potential * 0.7 + driven) / 1.7).sigmoid() * 0.2;
        for (_, tensor) in network.parameters() {
            let _ = tensor.set_requires_grad(true);
        }
        let (loss, own_potential) = own_loss(&network, &batch, &target_rate.detach());
        assert_close(&own_potential.detach(), &potential.detach(), 1e-12);
        loss.backward();
        let _no_grad = tch::no_grad_guard();
        let reference = by_key(&rule.references(&network, LOSS, &batch).gradient);
        let learned = directions(&mut *rule, &network, &batch);
        for (index, layer) in network.layers.iter().enumerate() {
            let key = ParameterKey { layer: index, role: Role::Weight };
            println!("{name}, {key}");
            assert_close(&reference[&key], &layer.weight.grad(), 1e-10);
            let key_of_bias = ParameterKey { layer: index, role: Role::Bias };
            assert_close(&reference[&key_of_bias], &layer.bias.as_ref().unwrap().grad(), 1e-10);
        }
        // The output layer descends that very loss.
        let key = ParameterKey { layer: network.layers.len() - 1, role: Role::Weight };
        assert_close(&learned[&key], &reference[&key], 1e-12);
    }
}

/// `σ(A^t) − σ(A^f)` is `¼ (A^t − A^f)` where apical potentials are small.
#[test]
fn weak_feedback_teaches_hidden_layers_the_broadcast_difference_of_the_outputs_rates() {
    let _generator = generator(506);
    for (name, description) in architectures_of(entry()) {
        let (network, mut rule) = set_up(json!({}), &description);
        for (_, mut feedback) in rule.parameters() {
            let _ = feedback.g_mul_scalar_(1e-4);
        }
        let batch = random_batch(3, SMALL_IMAGE, 4);
        let potential = rule.output(&network, &batch.inputs);
        let driven = targets(&batch.labels, &potential) * 16.0 - 8.0;
        let difference = (((&potential * 0.7 + driven) / 1.7).sigmoid() - potential.sigmoid()) * 0.2;
        let learned = directions(&mut *rule, &network, &batch);
        let mut activity = &batch.inputs * 0.2;
        for (index, layer) in network.layers.iter().enumerate().take(network.layers.len() - 1) {
            println!("{name}, layer {index}");
            let mut shape = vec![-1];
            shape.extend_from_slice(layer.map.input_shape());
            let input = activity.reshape(&shape);
            let gate = (layer.map.apply(&layer.weight, layer.bias.as_ref(), &input) * (0.6 / 0.7)).sigmoid();
            let feedback = &rule.parameters()[index].1;
            let error = (difference.matmul(feedback) * 0.25).reshape(gate.size());
            let error = error * &gate * (1.0 - &gate) * (-(20.0 / 0.2) * 0.2 * (0.6 / 0.7) / 3.0);
            let expected = layer.map.weight_adjoint(&input, &error);
            assert_close(&learned[&ParameterKey { layer: index, role: Role::Weight }], &expected, 1e-6);
            activity = gate * 0.2;
        }
    }
}

#[test]
fn with_one_hidden_layer_layer_wise_feedback_is_broadcast() {
    let _generator = generator(507);
    let description = json!({"mlp": {"hidden": [9]}});
    for mode in [json!({}), json!({"soma": "conductances", "apical_conductance": 0.05})] {
        let with = |feedback: &str| {
            let mut config = mode.clone();
            config["feedback"] = json!(feedback);
            set_up(config, &description)
        };
        let ((network, mut broadcast), (_, mut layer_wise)) = (with("broadcast"), with("layer-wise"));
        let batch = random_batch(3, SMALL_IMAGE, 4);
        let broadcast = directions(&mut *broadcast, &network, &batch);
        for (key, direction) in directions(&mut *layer_wise, &network, &batch) {
            assert_equal(&direction, &broadcast[&key]);
        }
    }
}

#[test]
fn sparse_feedback_lacks_four_fifths_of_its_weights_and_the_rest_are_five_times_as_large() {
    let _generator = generator(508);
    for (_, description) in architectures_of(entry()) {
        let (_, dense) = set_up(json!({}), &description);
        let (_, sparse) = set_up(json!({"sparse_feedback": true}), &description);
        let (dense, sparse) = (&dense.parameters()[0].1, &sparse.parameters()[0].1);
        let count = sparse.numel() as i64;
        let present = sparse.ne(0.0);
        let missing = count - present.sum(Kind::Int64).int64_value(&[]);
        assert_eq!(missing, (0.8 * count as f64) as i64);
        // The first layer's weights are drawn before its mask.
        assert_close(&sparse.masked_select(&present), &(dense * 5.0).masked_select(&present), 1e-14);
    }
}

#[test]
fn learned_sparse_feedback_stays_sparse() {
    let _generator = generator(509);
    let (network, mut rule) =
        set_up(json!({"sparse_feedback": true, "learned_feedback": true, "feedback_bias": true}), &mlp());
    let sgd: OptimizerConfig = serde_json::from_value(json!({"sgd": {"learning_rate": 0.1}})).unwrap();
    assert!(rule.own_optimizer().is_some());
    let before: Vec<Tensor> = rule.parameters().iter().map(|(_, tensor)| tensor.copy()).collect();
    let mut optimizers = Optimizers::new(sgd, rule.own_optimizer(), None);
    for _ in 0..3 {
        let step = rule.directions(&network, LOSS, &random_batch(4, SMALL_IMAGE, 4));
        optimizers.step(step.directions, 1.0);
    }
    for ((name, now), before) in rule.parameters().iter().zip(before) {
        assert_eq!(now.equal(&before), name.ends_with("mask"), "{name}");
        if name.ends_with("feedback") {
            assert_equal(&now.ne(0.0), &before.ne(0.0));
        }
    }
}

/// Half the square of `λ_max σ(C) − σ(A)`, of which only `A` can learn.
#[test]
fn feedback_learns_to_give_the_rate_back_as_the_plateau_potential() {
    let _generator = generator(510);
    for feedback in ["broadcast", "layer-wise"] {
        let (network, mut rule) = set_up(
            json!({"learned_feedback": true, "feedback_bias": true, "feedback": feedback, "feedback_learning_rate": 0.5}),
            &json!({"mlp": {"hidden": [8]}}),
        );
        let batch = random_batch(16, SMALL_IMAGE, 4);
        let own: BTreeMap<String, Tensor> = rule.parameters().into_iter().collect();
        let hidden = &network.layers[0];
        let inputs = batch.inputs.flatten(1, -1) * 0.2;
        let soma = (inputs.matmul(&hidden.weight.tr()) + hidden.bias.as_ref().unwrap()) * (0.6 / 0.7);
        let fed_back = rule.output(&network, &batch.inputs).sigmoid() * 0.2;
        let mismatch = || {
            let apical = fed_back.matmul(&own["0.feedback"]) + &own["0.feedback-bias"];
            (apical.sigmoid() - soma.sigmoid() * 0.2).abs().mean(Kind::Double).double_value(&[])
        };
        let first = mismatch();
        let mut optimizers = Optimizers::new(
            serde_json::from_value(json!({"sgd": {"learning_rate": 0.1}})).unwrap(),
            rule.own_optimizer(),
            None,
        );
        for _ in 0..3000 {
            let mut own = rule.directions(&network, LOSS, &batch).directions;
            own.retain(|direction| direction.key.role.is_of_the_rule());
            optimizers.step(own, 1.0);
        }
        let last = mismatch();
        println!("{feedback}: {first} → {last}");
        // What differs between samples of random inputs, four outputs can't tell eight neurons.
        assert!(last < 0.12 && first > 5.0 * last, "{feedback}: {first} → {last}");
    }
}

#[test]
fn symmetric_feedback_follows_the_weights_at_every_step() {
    let _generator = generator(511);
    for (name, description) in architectures_of(entry()) {
        let layer_wise =
            json!({"symmetric_weights": "exact", "feedback": "layer-wise", "apical_conductance": 0.05});
        let (network, rule) = set_up(layer_wise, &description);
        println!("{name}");
        let same = |network: &Network| {
            for (layer, feedback) in network.layers.iter().zip(rule.feedback_weights(network)).skip(1) {
                assert_equal(&feedback.unwrap(), &layer.weight);
            }
        };
        same(&network);
        let _ = network.layers[1].weight.shallow_clone().g_mul_scalar_(-0.5);
        same(&network);
        assert!(rule.parameters().is_empty(), "nothing is stored that could fall behind");
        // Broadcast: the reference that uses Y is that which uses the weights, which are linear between.
        let (network, mut rule) =
            set_up(json!({"symmetric_weights": "exact"}), &json!({"mlp": {"hidden": [8]}}));
        let batch = random_batch(3, SMALL_IMAGE, 4);
        for _ in 0..2 {
            let references = rule.references(&network, LOSS, &batch);
            let alignment = by_key(&references.feedback_alignment);
            for (key, gradient) in by_key(&references.gradient) {
                assert_close(&alignment[&key], &gradient, 1e-12);
            }
            let _ = network.layers[1].weight.shallow_clone().g_add_scalar_(0.7);
        }
    }
}

#[test]
fn noise_on_symmetric_weights_is_drawn_for_every_batch() {
    let _generator = generator(512);
    let batch = random_batch(3, SMALL_IMAGE, 4);
    let key = ParameterKey { layer: 0, role: Role::Weight };
    let (network, mut noisy) = set_up(json!({"symmetric_weights": "noisy", "symmetric_noise": 0.5}), &mlp());
    let (_, mut exact) = set_up(json!({"symmetric_weights": "exact"}), &mlp());
    let first = directions(&mut *noisy, &network, &batch).remove(&key).unwrap();
    let second = directions(&mut *noisy, &network, &batch).remove(&key).unwrap();
    let exact = directions(&mut *exact, &network, &batch).remove(&key).unwrap();
    assert!(relative_error(&first, &second) > 1e-3);
    assert!(relative_error(&first, &exact) > 1e-3);
}

#[test]
fn layer_rates_scale_the_directions_of_their_layers() {
    let _generator = generator(513);
    let (network, mut plain) = set_up(json!({}), &mlp());
    let (_, mut scaled) = set_up(json!({"layer_rates": [1.0, 0.5, 3.0]}), &mlp());
    let batch = random_batch(3, SMALL_IMAGE, 4);
    let plain = directions(&mut *plain, &network, &batch);
    for (key, direction) in directions(&mut *scaled, &network, &batch) {
        assert_close(&direction, &(&plain[&key] * [1.0, 0.5, 3.0][key.layer]), 1e-13);
    }
}

#[test]
fn without_weight_optimization_forward_weights_are_the_architectures() {
    let _generator = generator(514);
    let fresh = network(&mlp(), SMALL_IMAGE, 4);
    let (kept, _) = set_up(json!({"weight_optimization": false}), &mlp());
    let (redrawn, _) = set_up(json!({}), &mlp());
    for ((fresh, kept), redrawn) in fresh.layers.iter().zip(&kept.layers).zip(&redrawn.layers) {
        assert_equal(&fresh.weight, &kept.weight);
        assert!(!fresh.weight.equal(&redrawn.weight));
        assert!((redrawn.bias.as_ref().unwrap() - 0.8).abs().max().double_value(&[]) < 0.004);
    }
}

/// Where somata feel their apical dendrites, the target comes down layer by layer.
#[test]
fn layer_wise_feedback_through_coupled_somata_is_near_feedback_alignment_in_every_layer() {
    let _generator = generator(520);
    for soma in ["steady-state", "conductances"] {
        let config = json!({"feedback": "layer-wise", "symmetric_weights": "exact", "apical_conductance": 0.05,
            "weight_optimization": false, "soma": soma});
        let (network, mut rule) = set_up(config, &json!({"mlp": {"hidden": [20, 15, 10]}}));
        let mut probe = Probe::new(unit_batch(8));
        for layer in probe.measure(&mut *rule, &network, LOSS) {
            let angle = layer.feedback_alignment_angle.unwrap();
            assert!(angle < 12.0, "{soma}, {}: {angle}°", layer.layer);
        }
    }
}

#[test]
fn neurons_are_described_layer_by_layer() {
    let _generator = generator(515);
    for config in [json!({}), json!({"mode": "spiking", "time_step": 0.5})] {
        let (network, mut rule) = set_up(config, &mlp());
        let described = rule.layer_diagnostics(&network, LOSS, &unit_batch(4));
        assert_eq!(described.len(), 3);
        for (index, layer) in described.iter().enumerate() {
            let neurons = layer.neurons.unwrap();
            let rate = neurons.firing_rate.unwrap();
            assert!(rate > 0.0 && rate < 1.0, "{rate} of the largest");
            let hidden = index < 2;
            assert_eq!(neurons.apical_potential.is_some(), hidden);
            assert_eq!(neurons.apical_potential_with_target.is_some(), hidden);
            assert_eq!(neurons.plateau_difference.is_some_and(|difference| difference > 0.0), hidden);
        }
    }
}

#[test]
fn potentials_are_recorded_through_both_phases() {
    let _generator = generator(516);
    for (config, lengths, spiking) in [
        (json!({}), [50.0, 100.0], false),
        (json!({"mode": "spiking", "phases": {"forward": 40, "target": 45}}), [40.0, 85.0], true),
        (json!({"soma": "conductances", "apical_conductance": 0.05, "time_step": 0.5}), [50.0, 100.0], false),
    ] {
        for (_, description) in architectures_of(entry()) {
            let (network, mut rule) = set_up(config.clone(), &description);
            let batch = unit_batch(3);
            let traces = rule.voltage_traces(&network, &batch).unwrap();
            let ends: Vec<f64> = traces.phases.iter().map(|phase| phase.end).collect();
            assert_eq!(ends, lengths);
            let steps = (lengths[1] / traces.time_step).round() as usize;
            assert!(traces.traces.iter().all(|trace| trace.potential.len() == steps));
            let count =
                |compartment| traces.traces.iter().filter(|trace| trace.compartment == compartment).count();
            let hidden = network.layers.len() - 1;
            assert_eq!(count(Compartment::Apical), 2 * hidden);
            assert_eq!(count(Compartment::Soma), 2 * hidden + 2);
            assert_eq!(count(Compartment::Basal), 2 * hidden + 2);
            assert_eq!(!traces.spikes.is_empty(), spiking);
            // The label's neuron is driven up to the other phase's end, the other one down.
            let output = &network.layers[hidden].name;
            let somata: Vec<_> = traces
                .traces
                .iter()
                .filter(|trace| trace.layer == *output && trace.compartment == Compartment::Soma)
                .collect();
            assert_eq!(somata[0].neuron as i64, batch.labels.int64_value(&[0]));
            let before = (lengths[0] / traces.time_step).round() as usize - 1;
            assert!(somata[0].potential[steps - 1] > somata[1].potential[steps - 1]);
            assert!(somata[1].potential[steps - 1] < somata[1].potential[before]);
        }
    }
}

#[test]
fn the_same_neurons_are_recorded_before_and_after_a_step() {
    let _generator = generator(519);
    let (network, mut rule) = set_up(json!({"mode": "spiking"}), &mlp());
    let batch = unit_batch(1);
    let recorded = |rule: &mut dyn LearningRule| {
        let traces = rule.voltage_traces(&network, &batch).unwrap().traces;
        traces.into_iter().map(|trace| (trace.layer, trace.neuron, trace.compartment)).collect::<Vec<_>>()
    };
    let before = recorded(&mut *rule);
    for (_, mut tensor) in network.parameters() {
        let _ = tensor.uniform_(-2.0, 2.0);
    }
    assert_eq!(recorded(&mut *rule), before);
}

/// In rate mode the recorded somata come to where the rule has them at once.
#[test]
fn recorded_somata_come_to_rest_where_rates_have_them() {
    let _generator = generator(517);
    let (network, mut rule) = set_up(json!({}), &mlp());
    let batch = random_batch(1, SMALL_IMAGE, 4);
    let traces = rule.voltage_traces(&network, &batch).unwrap();
    let output = rule.output(&network, &batch.inputs);
    let forward = (50.0 / traces.time_step) as usize;
    for trace in traces
        .traces
        .iter()
        .filter(|trace| trace.layer == network.layers[2].name && trace.compartment == Compartment::Soma)
    {
        let there = output.double_value(&[0, trace.neuron as i64]);
        assert!((trace.potential[forward - 1] - there).abs() < 1e-6 * (1.0 + there.abs()));
    }
}

#[test]
fn what_a_checkpoint_holds_is_all_there_is() {
    let _generator = generator(518);
    for config in [
        json!({"sparse_feedback": true, "feedback_bias": true, "learned_feedback": true}),
        json!({"sparse_feedback": true, "symmetric_weights": "exact"}),
    ] {
        let (original, mut rule) = set_up(config.clone(), &mlp());
        let mut copy = architecture(mlp())
            .build(SMALL_IMAGE, 4, DOUBLE, apical_algorithms::randomness::Streams::new(77))
            .unwrap();
        let mut other =
            entry().build(config, &mut copy, apical_algorithms::randomness::Streams::new(78)).unwrap();
        let pairs = [(original.parameters(), copy.parameters()), (rule.parameters(), other.parameters())];
        for (from, to) in pairs {
            assert_eq!(from.len(), to.len());
            for ((name, from), (other, mut to)) in from.into_iter().zip(to) {
                assert_eq!(name, other);
                to.copy_(&from);
            }
        }
        let batch = random_batch(3, SMALL_IMAGE, 4);
        let expected = directions(&mut *rule, &original, &batch);
        for (key, direction) in directions(&mut *other, &copy, &batch) {
            assert_equal(&direction, &expected[&key]);
        }
    }
}
