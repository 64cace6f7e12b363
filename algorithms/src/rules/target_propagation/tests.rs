//! What only the inside shows: targets carried down by something else than an inverse.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::{config::LocalLossReduction, differences, towards_targets};
use crate::{
    architecture::{Architecture, Options},
    loss::Loss,
    randomness::Streams,
    rule::Batch,
    rules::gradient,
};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

/// With the transposed Jacobian of each layer in the place of its inverse, the directions are those of
/// backpropagation (Bartunov et al. 2018, appendix; the step size only scales them).
#[test]
fn targets_carried_by_transposed_jacobians_give_the_direction_of_backprop() {
    tch::manual_seed(7);
    let networks: [Value; 3] = [
        json!({"mlp": {"hidden": [7, 6, 5]}}),
        json!({"cnn": {"layers": [
            {"conv": {"channels": 4, "kernel": 3, "stride": 2, "padding": 1}},
            {"conv": {"channels": 5, "kernel": 2, "stride": 2}}, {"dense": 6}]}}),
        json!({"locally_connected": {"layers": [
            {"local": {"channels": 3, "kernel": 3, "stride": 2, "padding": 1}},
            {"local": {"channels": 2, "kernel": 3}}, {"dense": 6}]}}),
    ];
    for description in networks {
        let architecture: Architecture = serde_json::from_value(description.clone()).unwrap();
        let options = Options { kind: Kind::Double, device: Device::Cpu };
        let network = architecture.build([2, 9, 9], 4, options, Streams::new(3)).unwrap();
        let inputs = Tensor::randn([6, 2, 9, 9], (Kind::Double, Device::Cpu));
        let labels = Tensor::randint(4, [6], (Kind::Int64, Device::Cpu));
        let batch = Batch { inputs, labels };
        let trace = network.forward(&batch.inputs);
        let evaluated = Loss::CrossEntropy.evaluate(trace.output(), &batch.labels);
        let transposed = |index: usize, above: &Tensor| {
            let layer = &network.layers[index];
            let error = layer.preactivation_error(&trace.layers[index], above);
            layer.map.input_adjoint(&layer.weight, &error)
        };
        let output = network.layers.len() - 1;
        let first = transposed(output, &evaluated.error) * -0.1;
        let differences = differences(Some((output - 1, first)), transposed);
        let ours = towards_targets(&network, &trace, &evaluated, &differences, LocalLossReduction::Sum);
        let gradient = gradient(&network, Loss::CrossEntropy, &batch).directions;
        for direction in &ours {
            let theirs = gradient.iter().find(|other| other.key == direction.key).unwrap().materialize();
            let ours = direction.materialize();
            let cosine = (&ours * &theirs).sum(Kind::Double) / (ours.norm() * theirs.norm());
            let cosine = cosine.double_value(&[]);
            assert!((cosine - 1.0).abs() < 1e-12, "{description} {}: {cosine}", direction.key);
        }
    }
}
