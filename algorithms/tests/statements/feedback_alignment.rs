//! The feedback-alignment family: where each rule coincides with backpropagation, and what sets it apart.

use crate::support::{
    LOSSES, SMALL_IMAGE, architectures_of, assert_close, assert_equal, by_key, generator, network,
    random_batch, rule, small_architectures,
};
use apical_algorithms::{
    direction::{ParameterKey, Role},
    loss::Loss,
    network::Network,
    optimizer::{Optimizer, OptimizerConfig},
    rule::{LearningRule, registry},
};
use serde_json::json;
use tch::{Kind, Tensor};

fn sgd(learning_rate: f64, weight_decay: f64) -> Optimizer {
    let config = json!({"sgd": {"learning_rate": learning_rate, "weight_decay": weight_decay}});
    Optimizer::new(serde_json::from_value::<OptimizerConfig>(config).unwrap(), None)
}

fn feedback_of(rule: &dyn LearningRule, layer: usize) -> Tensor {
    let name = format!("{layer}.feedback");
    rule.parameters().into_iter().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn fa_with_the_forward_weights_as_feedback_equals_backprop() {
    let _generator = generator(31);
    for (name, description) in small_architectures() {
        for loss in LOSSES {
            let mut network = network(&description, SMALL_IMAGE, 4);
            let batch = random_batch(5, SMALL_IMAGE, 4);
            let mut fa = rule("fa", json!({}), &mut network);
            for layer in 1..network.layers.len() {
                feedback_of(&*fa, layer).copy_(&network.layers[layer].weight);
            }
            let mut bp = rule("bp", json!({}), &mut network);
            let ours = by_key(&fa.directions(&network, loss, &batch).directions);
            let theirs = by_key(&bp.directions(&network, loss, &batch).directions);
            assert_eq!(ours.len(), theirs.len());
            for (key, direction) in &ours {
                println!("{name} {loss:?} {key}");
                assert_equal(direction, &theirs[key]);
            }
        }
    }
}

#[test]
fn dfa_on_a_linear_net_equals_backprop_when_its_feedback_is_the_product_of_the_weights_above() {
    let _generator = generator(32);
    let description = json!({"mlp": {"hidden": [9, 8, 7], "activation": "linear"}});
    let mut network = network(&description, [1, 3, 4], 5);
    let batch = random_batch(6, [1, 3, 4], 5);
    let mut dfa = rule("dfa", json!({}), &mut network);
    let mut product = Tensor::eye(5, tch::kind::DOUBLE_CPU);
    for layer in (0..3).rev() {
        product = product.mm(&network.layers[layer + 1].weight);
        feedback_of(&*dfa, layer).copy_(&product);
    }
    let ours = by_key(&dfa.directions(&network, Loss::CrossEntropy, &batch).directions);
    let mut bp = rule("bp", json!({}), &mut network);
    let theirs = by_key(&bp.directions(&network, Loss::CrossEntropy, &batch).directions);
    assert_eq!(ours.len(), 8);
    for (key, direction) in &ours {
        assert_close(direction, &theirs[key], 1e-12);
    }
}

#[test]
fn dfa_carries_the_error_to_pooled_maps_through_the_local_block_only() {
    let _generator = generator(33);
    let description = json!({"cnn": {"layers": [
        {"conv": {"channels": 3, "kernel": 2}}, {"max_pool": {"kernel": 2}}, {"dense": 6}]}});
    let mut network = network(&description, SMALL_IMAGE, 4);
    let batch = random_batch(5, SMALL_IMAGE, 4);
    let mut dfa = rule("dfa", json!({}), &mut network);
    let step = dfa.directions(&network, Loss::CrossEntropy, &batch);

    // ∂⟨e B, pool(tanh(A x + b))⟩ by autograd, e the output error.
    let layer = &network.layers[0];
    let (weight, bias) = (layer.weight.copy(), layer.bias.as_ref().unwrap().copy());
    let (weight, bias) = (weight.set_requires_grad(true), bias.set_requires_grad(true));
    let pooled = batch.inputs.conv2d(&weight, Some(&bias), [1, 1], [0, 0], [1, 1], 1).tanh().max_pool2d(
        [2, 2],
        [2, 2],
        [0, 0],
        [1, 1],
        false,
    );
    let error = (step.output.softmax(-1, None) - batch.labels.onehot(4).to_kind(Kind::Double)) / 5.0;
    let teaching = error.mm(&feedback_of(&*dfa, 0)).view_as(&pooled);
    let aim = (pooled * teaching).sum(Kind::Double);
    let expected = Tensor::run_backward(&[aim], &[&weight, &bias], false, false);
    let directions = by_key(&step.directions);
    assert_close(&directions[&ParameterKey { layer: 0, role: Role::Weight }], &expected[0], 1e-11);
    assert_close(&directions[&ParameterKey { layer: 0, role: Role::Bias }], &expected[1], 1e-11);
}

#[test]
fn every_rule_teaches_the_output_layer_as_backprop_does() {
    let _generator = generator(34);
    // Microcircuits have neurons of their own, and nudges instead of errors: they are backprop in the limit only.
    for entry in registry().iter().filter(|entry| entry.name != "microcircuit") {
        for (architecture, description) in architectures_of(entry) {
            let mut network = network(&description, SMALL_IMAGE, 4);
            let batch = random_batch(5, SMALL_IMAGE, 4);
            let mut candidate = rule(entry.name, json!({}), &mut network);
            let ours = by_key(&candidate.directions(&network, Loss::CrossEntropy, &batch).directions);
            // Backpropagation, of rules with neurons of their own through those.
            let theirs = by_key(&candidate.references(&network, Loss::CrossEntropy, &batch).gradient);
            let layer = network.layers.len() - 1;
            for role in [Role::Weight, Role::Bias] {
                println!("{} on {architecture}, {role:?}", entry.name);
                let key = ParameterKey { layer, role };
                assert_equal(&ours[&key], &theirs[&key]);
            }
        }
    }
}

fn feedback_above_the_first(rule: &dyn LearningRule, network: &Network) -> Vec<Tensor> {
    let mut feedback = rule.feedback_weights(network);
    assert!(feedback.remove(0).is_none(), "the input learns nothing, so nothing is carried to it");
    feedback.into_iter().map(|tensor| tensor.unwrap().copy()).collect()
}

#[test]
fn sign_symmetric_feedback_keeps_the_forward_signs_as_the_weights_move() {
    let _generator = generator(35);
    for name in ["usf", "brsf", "frsf"] {
        for (architecture, description) in small_architectures() {
            let mut network = network(&description, SMALL_IMAGE, 4);
            let mut rule = rule(name, json!({}), &mut network);
            let mut optimizer = sgd(0.5, 0.0);
            for _ in 0..3 {
                let batch = random_batch(5, SMALL_IMAGE, 4);
                optimizer.step(rule.directions(&network, Loss::CrossEntropy, &batch).directions, 1.0);
                let feedback = feedback_above_the_first(&*rule, &network);
                for (layer, feedback) in network.layers.iter().skip(1).zip(feedback) {
                    println!("{name} on {architecture}: {}", layer.name);
                    assert_equal(&feedback.sign(), &layer.weight.sign());
                }
            }
        }
    }
}

#[test]
fn only_batchwise_random_sign_symmetry_redraws_its_magnitudes() {
    let _generator = generator(36);
    for (name, redraws) in [("usf", false), ("brsf", true), ("frsf", false)] {
        let mut network = network(&json!({"mlp": {"hidden": [7, 6]}}), SMALL_IMAGE, 4);
        let mut rule = rule(name, json!({}), &mut network);
        let batch = random_batch(5, SMALL_IMAGE, 4);
        let mut seen = Vec::new();
        for _ in 0..3 {
            let _ = rule.directions(&network, Loss::CrossEntropy, &batch);
            seen.push(feedback_above_the_first(&*rule, &network));
        }
        for pair in seen.windows(2) {
            for (earlier, later) in pair[0].iter().zip(&pair[1]) {
                assert_eq!(!earlier.equal(later), redraws, "{name}");
            }
        }
    }
}

#[test]
fn uniform_sign_symmetry_has_one_magnitude_per_layer_the_deviation_of_its_initial_weights() {
    let _generator = generator(37);
    let mut network = network(&json!({"mlp": {"hidden": [40, 50]}}), SMALL_IMAGE, 4);
    let rule = rule("usf", json!({"feedback": {"scale": 3.0}}), &mut network);
    for (feedback, (fan_in, fan_out)) in
        feedback_above_the_first(&*rule, &network).iter().zip([(40.0, 50.0), (50.0, 4.0_f64)])
    {
        let magnitudes = feedback.abs();
        assert_close(&magnitudes.max(), &magnitudes.min(), 1e-15);
        let deviation = (2.0 / (fan_in + fan_out)).sqrt() * 3.0;
        assert!((magnitudes.max().double_value(&[]) / deviation - 1.0).abs() < 1e-12);
    }
}

#[test]
fn kolen_pollack_feedback_approaches_the_forward_weights_by_the_decay_at_each_step() {
    let _generator = generator(38);
    let (rate, decay) = (0.1, 0.5);
    for (architecture, description) in small_architectures() {
        let mut network = network(&description, SMALL_IMAGE, 4);
        let mut kp = rule("kp", json!({}), &mut network);
        let mut optimizer = sgd(rate, decay);
        let apart = |network: &Network, kp: &dyn LearningRule, layer: usize| {
            kp.feedback_weights(network)[layer].as_ref().unwrap() - &network.layers[layer].weight
        };
        let layers = 1..network.layers.len();
        let start: Vec<Tensor> = layers.clone().map(|layer| apart(&network, &*kp, layer)).collect();
        for step in 1..=20 {
            let batch = random_batch(5, SMALL_IMAGE, 4);
            optimizer.step(kp.directions(&network, Loss::CrossEntropy, &batch).directions, 1.0);
            for layer in layers.clone() {
                println!("{architecture}: layer {layer}, step {step}");
                let expected = &start[layer - 1] * (1.0_f64 - rate * decay).powi(step);
                assert_close(&apart(&network, &*kp, layer), &expected, 1e-11);
            }
        }
    }
}

#[test]
fn kolen_pollack_without_decay_keeps_its_distance() {
    let _generator = generator(39);
    let mut network = network(&json!({"mlp": {"hidden": [7]}}), SMALL_IMAGE, 4);
    let mut kp = rule("kp", json!({}), &mut network);
    let mut optimizer = sgd(0.1, 0.0);
    let apart = |network: &Network, kp: &dyn LearningRule| {
        kp.feedback_weights(network)[1].as_ref().unwrap() - &network.layers[1].weight
    };
    let start = apart(&network, &*kp);
    for _ in 0..10 {
        let batch = random_batch(5, SMALL_IMAGE, 4);
        optimizer.step(kp.directions(&network, Loss::CrossEntropy, &batch).directions, 1.0);
    }
    assert_close(&apart(&network, &*kp), &start, 1e-13);
}

#[test]
fn nokland_nets_of_tanh_start_at_zero_and_learn_all_the_same() {
    let _generator = generator(40);
    let norm = |tensor: &Tensor| tensor.norm().double_value(&[]);
    // The step at which each weight first moves. Feedback does not wait for the forward weights, so that all
    // biases and the first layer's weights move at once; they make the activity that the others need.
    for (name, first_move) in [("dfa", [1, 2, 2]), ("fa", [1, 2, 2])] {
        let description = json!({"mlp": {"hidden": [8, 8], "activation": "tanh"}});
        let mut network = crate::support::architecture(description)
            .build(SMALL_IMAGE, 4, crate::support::DOUBLE, apical_algorithms::randomness::Streams::new(1))
            .unwrap();
        let mut rule = rule(name, json!({"convention": "nokland"}), &mut network);
        for layer in &network.layers {
            assert!(norm(&layer.weight) == 0.0, "{}", layer.name);
        }
        let batch = random_batch(20, SMALL_IMAGE, 4);
        let mut optimizer = sgd(0.5, 0.0);
        let mut moved = [0; 3];
        let mut losses = Vec::new();
        for step in 1..=60 {
            let result = rule.directions(&network, Loss::BinaryCrossEntropy, &batch);
            losses.push(result.loss.double_value(&[]));
            optimizer.step(result.directions, 1.0);
            for (layer, moved) in network.layers.iter().zip(&mut moved) {
                if *moved == 0 && norm(&layer.weight) > 0.0 {
                    *moved = step;
                }
            }
            if step == 1 {
                let biases = network.layers.iter().map(|layer| norm(layer.bias.as_ref().unwrap()));
                assert!(biases.into_iter().all(|norm| norm > 0.0), "errors reach every layer at once");
            }
        }
        assert_eq!(moved, first_move, "{name}");
        assert!(losses[59] < 0.5 * losses[0], "{name}: {losses:?}");
    }
}

#[test]
fn nokland_feedback_is_uniform_within_one_over_the_root_of_the_layers_width() {
    let _generator = generator(41);
    let mut network = network(&json!({"mlp": {"hidden": [100, 400]}}), SMALL_IMAGE, 10);
    let dfa = rule("dfa", json!({"convention": "nokland"}), &mut network);
    for (layer, width) in [(0, 100.0_f64), (1, 400.0)] {
        let feedback = feedback_of(&*dfa, layer);
        let bound = 1.0 / width.sqrt();
        let largest = feedback.abs().max().double_value(&[]);
        assert!(largest <= bound && largest > 0.95 * bound);
        let deviation = feedback.std(true).double_value(&[]);
        assert!((deviation / (bound / 3.0_f64.sqrt()) - 1.0).abs() < 0.05);
    }
}

#[test]
fn a_negative_scale_turns_feedback_around() {
    let _generator = generator(42);
    let mut net = network(&json!({"mlp": {"hidden": [7]}}), SMALL_IMAGE, 4);
    let plus = rule("fa", json!({}), &mut net);
    let minus = rule("fa", json!({"feedback": {"scale": -2.0}}), &mut net);
    assert_equal(&feedback_of(&*minus, 1), &(feedback_of(&*plus, 1) * -2.0));
}

#[test]
fn with_feedback_of_scale_zero_the_output_layer_alone_learns() {
    let _generator = generator(43);
    for (name, description) in small_architectures() {
        let mut network = network(&description, SMALL_IMAGE, 4);
        let batch = random_batch(5, SMALL_IMAGE, 4);
        let mut fa = rule("fa", json!({"feedback": {"scale": 0.0}}), &mut network);
        for (key, direction) in by_key(&fa.directions(&network, Loss::CrossEntropy, &batch).directions) {
            let size = direction.abs().max().double_value(&[]);
            assert_eq!(size > 0.0, key.layer == network.layers.len() - 1, "{name} {key:?}: {size}");
        }
    }
}
