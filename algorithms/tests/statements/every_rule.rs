//! What holds for every rule of the registry, present and to come.

use crate::support::{
    LOSSES, SMALL_IMAGE, architectures_of, assert_equal, generator, network, randn, random_batch, rule,
    teaches,
};
use apical_algorithms::{
    architecture::Architecture,
    direction::Role,
    loss::Loss,
    optimizer::{OptimizerConfig, Optimizers},
    rule::{Batch, LearningRule, RuleEntry, find, registry},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tch::{Device, Kind, Tensor};

fn finite(tensor: &Tensor) -> bool {
    tensor.isfinite().all().int64_value(&[]) == 1
}

fn optimizers(rule: &dyn LearningRule, learning_rate: f64, momentum: f64) -> Optimizers {
    let config = json!({"sgd": {"learning_rate": learning_rate, "momentum": momentum}});
    let config = serde_json::from_value::<OptimizerConfig>(config).unwrap();
    Optimizers::new(config, rule.own_optimizer(), None)
}

fn is_forward(role: Role) -> bool {
    matches!(role, Role::Weight | Role::Bias)
}

#[test]
fn every_rule_steps_on_every_kind_of_network_with_every_loss() {
    let _generator = generator(51);
    for entry in registry() {
        for (architecture, description) in architectures_of(entry) {
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
                let inverses = rule.own_directions(&network, loss, &batch);
                let inverses = inverses.iter().filter(|_| rule.own_passes(0) > 0);
                for direction in step.directions.iter().chain(inverses) {
                    assert!(keys.insert(direction.key), "{} twice", direction.key);
                    assert_eq!(direction.materialize().size(), direction.parameter.size());
                    assert!(finite(&direction.materialize()), "{}", direction.key);
                }
                let learning = keys.iter().filter(|key| is_forward(key.role)).count();
                assert_eq!(learning, 2 * network.layers.len(), "every weight and bias learns");
                let before: Vec<Tensor> =
                    network.parameters().iter().map(|(_, tensor)| tensor.copy()).collect();
                optimizers(&*rule, 0.1, 0.0).step(step.directions, 1.0);
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
        let mut network = network(&architectures_of(entry)[1].1, SMALL_IMAGE, 4);
        let mut rule = rule(entry.name, json!({}), &mut network);
        // A rule may draw its feedback anew for every batch.
        let fixed = |rule: &dyn LearningRule| -> Vec<(String, Tensor)> {
            let own = rule.parameters().into_iter().filter(|(name, _)| !name.ends_with("feedback"));
            network.parameters().into_iter().chain(own).collect()
        };
        let before: Vec<Tensor> = fixed(&*rule).iter().map(|(_, tensor)| tensor.copy()).collect();
        let batch = random_batch(5, SMALL_IMAGE, 4);
        let _ = rule.own_directions(&network, Loss::CrossEntropy, &batch);
        let _ = rule.directions(&network, Loss::CrossEntropy, &batch);
        for ((name, now), before) in fixed(&*rule).into_iter().zip(before) {
            println!("{} {name}", entry.name);
            assert_equal(&now, &before);
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

/// How a rule is taught.
struct Course {
    config: Value,
    learning_rate: f64,
    momentum: f64,
    /// In each epoch.
    batches: usize,
}

fn course(entry: &RuleEntry) -> Course {
    match entry.name {
        // Its learning rates are of another size, for rates in spikes/ms. Its analytic initial weights are for wide layers:
        // a few units start saturated.
        "segregated-dendrites" => Course {
            config: json!({"weight_optimization": false}),
            learning_rate: 0.8,
            momentum: 0.0,
            batches: 200,
        },
        // Logistic cells, taught by rates, have the smaller slopes.
        "microcircuit" => Course { config: json!({}), learning_rate: 0.2, momentum: 0.9, batches: 50 },
        _ => Course { config: json!({}), learning_rate: 0.05, momentum: 0.9, batches: 50 },
    }
}

#[test]
fn every_rule_learns_a_separable_problem_on_every_kind_of_network() {
    let _generator = generator(53);
    // Wide enough that random feedback has room to align.
    let architectures = [
        json!({"mlp": {"hidden": [20, 20]}}),
        json!({"cnn": {"layers": [
            {"conv": {"channels": 8, "kernel": 3, "padding": 1}}, {"max_pool": {"kernel": 3, "stride": 2}},
            {"conv": {"channels": 16, "kernel": 3}}, {"average_pool": {"kernel": 2}}, {"dense": 20}]}}),
        json!({"locally_connected": {"layers": [
            {"local": {"channels": 4, "kernel": 3, "stride": 2, "padding": 1}},
            {"local": {"channels": 8, "kernel": 3}}, {"dense": 20}]}}),
        json!({"cnn": {"layers": [
            {"conv": {"channels": 8, "kernel": 3, "stride": 2, "padding": 1}},
            {"conv": {"channels": 16, "kernel": 3}}, {"dense": 20}]}}),
    ];
    for entry in registry() {
        for description in architectures.iter().filter(|description| teaches(entry, description)) {
            let mut network = network(description, SMALL_IMAGE, 4);
            let Course { config, learning_rate, momentum, batches } = course(entry);
            let mut rule = rule(entry.name, config, &mut network);
            let patterns = randn(&[4, SMALL_IMAGE[0], SMALL_IMAGE[1], SMALL_IMAGE[2]]);
            let mut optimizers = optimizers(&*rule, learning_rate, momentum);
            let mut losses = Vec::new();
            // Three epochs, each after the passes in which inverses alone learn.
            for epoch in 0..3 {
                for _ in 0..batches * rule.own_passes(epoch) {
                    let batch = separable(32, &patterns);
                    let inverses = rule.own_directions(&network, Loss::CrossEntropy, &batch);
                    optimizers.step(inverses, 1.0);
                }
                for _ in 0..batches {
                    let step = rule.directions(&network, Loss::CrossEntropy, &separable(32, &patterns));
                    losses.push(step.loss.double_value(&[]));
                    optimizers.step(step.directions, 1.0);
                }
            }
            let late = losses[3 * batches - 10..].iter().sum::<f64>() / 10.0;
            println!("{} on {description}: {} → {late}", entry.name, losses[0]);
            assert!(late < 0.2 * losses[0], "{} on {description}: {} → {late}", entry.name, losses[0]);
        }
    }
}

#[test]
fn every_rule_keeps_as_many_numbers_as_it_says_beforehand() {
    let _generator = generator(55);
    let variants = [
        ("dtp", json!({"first_target": "output-gradient"})),
        ("segregated-dendrites", json!({"feedback": "layer-wise", "apical_conductance": 0.05})),
        ("segregated-dendrites", json!({"symmetric_weights": "exact", "sparse_feedback": true})),
        (
            "segregated-dendrites",
            json!({"learned_feedback": true, "sparse_feedback": true, "feedback_bias": true}),
        ),
        ("microcircuit", json!({"top_down": "learned", "pyramidal_to_interneuron": "plastic"})),
        ("microcircuit", json!({"interneuron_to_pyramidal": "fixed"})),
        (
            "microcircuit",
            json!({"interneuron_to_pyramidal": "fixed", "initial_state": "random", "pretraining_epochs": 1}),
        ),
    ];
    let defaults = registry().iter().map(|entry| (entry.name, json!({})));
    for (name, config) in defaults.chain(variants) {
        let entry = find(name).unwrap();
        for (architecture, description) in architectures_of(entry) {
            let mut network = network(&description, SMALL_IMAGE, 4);
            let plan: Architecture = serde_json::from_value(description).unwrap();
            assert_eq!(entry.resolve(config.clone()).err(), None, "{name}");
            let said = entry.own_values(config.clone(), &plan.plan(SMALL_IMAGE, 4).unwrap()).unwrap();
            let mut rule = rule(name, config.clone(), &mut network);
            let kept = rule.parameters();
            let numbers: i64 = kept.iter().map(|(_, tensor)| tensor.numel() as i64).sum();
            assert_eq!(said.fixed + said.learned, numbers, "{name} on {architecture} with {config}");
            // Those that learn are those that get directions, beside the network's own.
            let batch = random_batch(5, SMALL_IMAGE, 4);
            let mut directions = rule.own_directions(&network, Loss::CrossEntropy, &batch);
            directions.truncate(if rule.own_passes(0) > 0 { directions.len() } else { 0 });
            directions.extend(rule.directions(&network, Loss::CrossEntropy, &batch).directions);
            let learned: std::collections::BTreeMap<_, _> = directions
                .iter()
                .filter(|direction| !is_forward(direction.key.role))
                .map(|direction| (direction.key, direction.parameter.numel() as i64))
                .collect();
            assert_eq!(said.learned, learned.values().sum::<i64>(), "{name} on {architecture} with {config}");
            assert_eq!(said.optimizer, rule.own_optimizer(), "{name} with {config}");
        }
    }
}

#[test]
fn a_rule_set_up_twice_from_one_seed_is_the_same_rule() {
    let _generator = generator(54);
    for entry in registry() {
        let mut network = network(&architectures_of(entry)[1].1, SMALL_IMAGE, 4);
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
