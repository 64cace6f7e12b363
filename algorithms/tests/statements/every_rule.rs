//! What holds for every rule of the registry, present and to come.

use crate::support::{
    LOSSES, SMALL_IMAGE, assert_equal, generator, network, randn, random_batch, rule, small_architectures,
};
use apical_algorithms::{
    direction::Role,
    loss::Loss,
    optimizer::{Optimizer, OptimizerConfig},
    rule::{Batch, registry},
};
use serde_json::json;
use std::collections::BTreeSet;
use tch::{Device, Kind, Tensor};

fn finite(tensor: &Tensor) -> bool {
    tensor.isfinite().all().int64_value(&[]) == 1
}

fn optimizer(learning_rate: f64, momentum: f64) -> Optimizer {
    let config = json!({"sgd": {"learning_rate": learning_rate, "momentum": momentum}});
    Optimizer::new(serde_json::from_value::<OptimizerConfig>(config).unwrap(), None)
}

#[test]
fn every_rule_steps_on_every_kind_of_network_with_every_loss() {
    let _generator = generator(51);
    for entry in registry() {
        for (architecture, description) in small_architectures() {
            for loss in LOSSES {
                let mut network = network(&description, SMALL_IMAGE, 4);
                let mut rule = rule(entry.name, json!({}), &mut network);
                let batch = random_batch(5, SMALL_IMAGE, 4);
                let step = rule.directions(&network, loss, &batch);
                println!("{} on {architecture}, {loss:?}", entry.name);
                assert!(finite(&step.loss) && step.loss.dim() == 0);
                assert_eq!(step.output.size(), [5, 4]);
                assert_equal(&rule.output(&network, &batch.inputs), &step.output);
                let mut keys = BTreeSet::new();
                for direction in &step.directions {
                    assert!(keys.insert(direction.key), "{} twice", direction.key);
                    assert_eq!(direction.materialize().size(), direction.parameter.size());
                    assert!(finite(&direction.materialize()), "{}", direction.key);
                }
                let learning = keys.iter().filter(|key| key.role != Role::Feedback).count();
                assert_eq!(learning, 2 * network.layers.len(), "every weight and bias learns");
                let before: Vec<Tensor> =
                    network.parameters().iter().map(|(_, tensor)| tensor.copy()).collect();
                optimizer(0.1, 0.0).step(step.directions, 1.0);
                for ((name, now), before) in network.parameters().iter().zip(before) {
                    assert!(finite(now) && !now.equal(&before), "{name} did not move");
                }
            }
        }
    }
}

#[test]
fn taking_directions_changes_no_weight() {
    let _generator = generator(52);
    for entry in registry() {
        let mut network = network(&small_architectures()[1].1, SMALL_IMAGE, 4);
        let mut rule = rule(entry.name, json!({}), &mut network);
        let before: Vec<Tensor> = network.parameters().iter().map(|(_, tensor)| tensor.copy()).collect();
        let _ = rule.directions(&network, Loss::CrossEntropy, &random_batch(5, SMALL_IMAGE, 4));
        for ((name, now), before) in network.parameters().iter().zip(before) {
            println!("{} {name}", entry.name);
            assert_equal(now, &before);
        }
    }
}

/// Images of four classes: a pattern each, and noise.
fn separable(samples: i64, patterns: &Tensor) -> Batch {
    let labels = Tensor::randint(4, [samples], (Kind::Int64, Device::Cpu));
    let inputs = patterns.index_select(0, &labels);
    let noise = inputs.randn_like() * 0.3;
    Batch { inputs: inputs + noise, labels }
}

#[test]
fn every_rule_learns_a_separable_problem_on_every_kind_of_network() {
    let _generator = generator(53);
    for entry in registry() {
        for (architecture, description) in small_architectures() {
            let mut network = network(&description, SMALL_IMAGE, 4);
            let mut rule = rule(entry.name, json!({}), &mut network);
            let patterns = randn(&[4, SMALL_IMAGE[0], SMALL_IMAGE[1], SMALL_IMAGE[2]]);
            let mut optimizer = optimizer(0.1, 0.9);
            let mut losses = Vec::new();
            for _ in 0..150 {
                let step = rule.directions(&network, Loss::CrossEntropy, &separable(32, &patterns));
                losses.push(step.loss.double_value(&[]));
                optimizer.step(step.directions, 1.0);
            }
            let late = losses[140..].iter().sum::<f64>() / 10.0;
            println!("{} on {architecture}: {} → {late}", entry.name, losses[0]);
            assert!(late < 0.25 * losses[0], "{} on {architecture}: {} → {late}", entry.name, losses[0]);
        }
    }
}

#[test]
fn a_rule_set_up_twice_from_one_seed_is_the_same_rule() {
    let _generator = generator(54);
    for entry in registry() {
        let mut network = network(&small_architectures()[1].1, SMALL_IMAGE, 4);
        let first = rule(entry.name, json!({}), &mut network);
        // Whatever was drawn in between.
        let _ = randn(&[17]);
        let second = rule(entry.name, json!({}), &mut network);
        assert_eq!(first.parameters().len(), second.parameters().len());
        for ((name, first), (_, second)) in first.parameters().iter().zip(second.parameters()) {
            println!("{} {name}", entry.name);
            assert_equal(first, &second);
        }
    }
}
