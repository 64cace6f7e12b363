//! What several tests need: seeded randomness, small networks, comparisons.

use apical_algorithms::{
    architecture::{Architecture, Options},
    direction::{Direction, ParameterKey},
    loss::Loss,
    network::Network,
    randomness::Streams,
    rule::{self, Batch, LearningRule, Lesson, RuleEntry},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tch::{Device, Kind, Tensor};

pub const DOUBLE: Options = Options { kind: Kind::Double, device: Device::Cpu };
pub const LOSSES: [Loss; 3] = [Loss::CrossEntropy, Loss::BinaryCrossEntropy, Loss::SquaredError];

/// Seeds LibTorch's generator, which the whole process shares: while the guard lives, no other test draws.
pub fn generator(seed: u64) -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    let guard = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::set_num_threads(1);
    tch::manual_seed(seed.cast_signed());
    guard
}

/// Standard normal, float64.
pub fn randn(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Double, Device::Cpu))
}

/// A batch of random images and labels.
pub fn random_batch(samples: i64, image: [i64; 3], classes: i64) -> Batch {
    let shape = [samples, image[0], image[1], image[2]];
    Batch { inputs: randn(&shape), labels: Tensor::randint(classes, [samples], (Kind::Int64, Device::Cpu)) }
}

/// The architecture of a JSON description.
pub fn architecture(description: Value) -> Architecture {
    serde_json::from_value(description).unwrap()
}

/// A float64 network with biases that are not zero, so that their part in the equations is seen.
pub fn network(description: &Value, image: [i64; 3], classes: i64) -> Network {
    let mut description = description.clone();
    let (_, options) = description.as_object_mut().unwrap().iter_mut().next().unwrap();
    options["initialization"] = json!({"biases": {"normal": {"std": 0.3}}});
    architecture(description).build(image, classes, DOUBLE, Streams::new(11)).unwrap()
}

/// A rule of the registry, set up for a network.
pub fn rule(name: &str, config: Value, network: &mut Network) -> Box<dyn LearningRule> {
    rule::find(name).unwrap().build(config, network, Streams::new(5)).unwrap()
}

/// The directions of a step by parameter, multiplied out.
pub fn by_key(directions: &[Direction]) -> BTreeMap<ParameterKey, Tensor> {
    directions.iter().map(|direction| (direction.key, direction.materialize())).collect()
}

/// ‖left − right‖ / ‖right‖; 0 where both are zero.
pub fn relative_error(left: &Tensor, right: &Tensor) -> f64 {
    assert_eq!(left.size(), right.size());
    let difference = (left - right).norm().double_value(&[]);
    if difference == 0.0 { 0.0 } else { difference / right.norm().double_value(&[]) }
}

#[track_caller]
pub fn assert_close(left: &Tensor, right: &Tensor, tolerance: f64) {
    let error = relative_error(left, right);
    assert!(error <= tolerance, "relative error {error:e}:\n{left:?}\n{right:?}");
}

#[track_caller]
pub fn assert_equal(left: &Tensor, right: &Tensor) {
    assert!(left.equal(right), "{left}\n{right}");
}

/// Small networks of every kind of layer and pool, for images of 2×9×9.
pub fn small_architectures() -> Vec<(&'static str, Value)> {
    vec![
        ("mlp", json!({"mlp": {"hidden": [7, 6]}})),
        (
            "cnn with max-pools",
            json!({"cnn": {"layers": [
            {"conv": {"channels": 4, "kernel": 3, "padding": 1}}, {"max_pool": {"kernel": 3, "stride": 2}},
            {"conv": {"channels": 5, "kernel": 3}}, {"max_pool": {"kernel": 2}}, {"dense": 6}]}}),
        ),
        (
            "cnn with average pools",
            json!({"cnn": {"layers": [
            {"conv": {"channels": 4, "kernel": 4, "stride": 2, "padding": 2}},
            {"average_pool": {"kernel": 2, "padding": 1}},
            {"conv": {"channels": 3, "kernel": 2}}, "global_average_pool", {"dense": 5}]}}),
        ),
        (
            "cnn with strides",
            json!({"cnn": {"layers": [
            {"conv": {"channels": 4, "kernel": 3, "stride": 2, "padding": 1}},
            {"conv": {"channels": 5, "kernel": 2, "stride": 2}}, {"dense": 6}]}}),
        ),
        (
            "locally connected",
            json!({"locally_connected": {"layers": [
            {"local": {"channels": 3, "kernel": 3, "stride": 2, "padding": 1}},
            {"local": {"channels": 2, "kernel": 3}}, {"dense": 6}]}}),
        ),
        (
            "locally connected with pools",
            json!({"locally_connected": {"layers": [
            {"local": {"channels": 3, "kernel": 3}}, {"max_pool": {"kernel": 2}},
            {"local": {"channels": 4, "kernel": 2}}, {"average_pool": {"kernel": 2}}]}}),
        ),
    ]
}

/// Those of [`small_architectures`] that a rule can teach.
pub fn architectures_of(entry: &RuleEntry) -> Vec<(&'static str, Value)> {
    let mut all = small_architectures();
    all.retain(|(_, description)| teaches(entry, description));
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    for kind in ["mlp", "cnn with strides", "locally connected"] {
        assert!(names.contains(&kind), "{} does not teach {kind}", entry.name);
    }
    all
}

/// Whether a rule does not refuse an architecture.
pub fn teaches(entry: &RuleEntry, description: &Value) -> bool {
    let architecture: Architecture = serde_json::from_value(description.clone()).unwrap();
    entry.refusal(json!({}), &Lesson::classification(&architecture.plan(SMALL_IMAGE, 4).unwrap())).is_none()
}

/// The image size of [`small_architectures`].
pub const SMALL_IMAGE: [i64; 3] = [2, 9, 9];
