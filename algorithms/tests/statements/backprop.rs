//! Backpropagation by explicit adjoints equals LibTorch's autograd, in float64.

use crate::support::{LOSSES, SMALL_IMAGE, assert_close, by_key, generator, network, random_batch, rule};
use apical_algorithms::{
    activation::Activation,
    direction::{ParameterKey, Role},
    loss::Loss,
    rule::Batch,
};
use serde_json::{Value, json};
use tch::{Kind, Reduction, Tensor};

const TOLERANCE: f64 = 1e-9;
const CLASSES: i64 = 4;
const ACTIVATIONS: [&str; 5] = ["tanh", "logistic", "relu", "softplus", "linear"];

/// One step of a forward pass, written with plain operations.
enum Stage {
    Dense,
    Conv { stride: i64, padding: i64 },
    Local { kernel: i64, stride: i64, padding: i64, side: i64 },
    MaxPool { kernel: i64, stride: i64 },
    AveragePool { kernel: i64, stride: i64, padding: i64 },
    GlobalAveragePool,
}

fn activate(activation: &str, value: &Tensor) -> Tensor {
    match activation {
        "tanh" => value.tanh(),
        "logistic" => value.sigmoid(),
        "relu" => value.clamp_min(0.0),
        "softplus" => value.exp().log1p(),
        _ => value.shallow_clone(),
    }
}

/// The network's output, from its parameters in order (weight, bias, weight, bias, …).
fn forward(stages: &[Stage], activation: &str, parameters: &[Tensor], inputs: &Tensor) -> Tensor {
    let mut pairs = parameters.chunks(2);
    let mut value = inputs.shallow_clone();
    for stage in stages {
        value = match stage {
            Stage::MaxPool { kernel, stride } => {
                value.max_pool2d([*kernel; 2], [*stride; 2], [0, 0], [1, 1], false)
            }
            Stage::AveragePool { kernel, stride, padding } => {
                value.avg_pool2d([*kernel; 2], [*stride; 2], [*padding; 2], false, true, None::<i64>)
            }
            Stage::GlobalAveragePool => value.adaptive_avg_pool2d([1, 1]),
            Stage::Dense => {
                let [weight, bias] = pairs.next().unwrap() else { unreachable!() };
                activate(activation, &value.flatten(1, -1).linear(weight, Some(bias)))
            }
            Stage::Conv { stride, padding } => {
                let [weight, bias] = pairs.next().unwrap() else { unreachable!() };
                let output = value.conv2d(weight, Some(bias), [*stride; 2], [*padding; 2], [1, 1], 1);
                activate(activation, &output)
            }
            Stage::Local { kernel, stride, padding, side } => {
                let [weight, bias] = pairs.next().unwrap() else { unreachable!() };
                let columns = value.im2col([*kernel; 2], [1, 1], [*padding; 2], [*stride; 2]);
                let output = Tensor::einsum("bkp,pok->bop", &[&columns, weight], None::<&[i64]>);
                activate(activation, &(output.reshape([value.size()[0], -1, *side, *side]) + bias))
            }
        };
    }
    let [weight, bias] = pairs.next().unwrap() else { unreachable!() };
    value.flatten(1, -1).linear(weight, Some(bias))
}

fn reference_loss(loss: Loss, output: &Tensor, labels: &Tensor) -> Tensor {
    let target = labels.onehot(CLASSES).to_kind(Kind::Double);
    let samples = output.size()[0] as f64;
    match loss {
        Loss::CrossEntropy => output.cross_entropy_for_logits(labels),
        Loss::BinaryCrossEntropy => {
            output.binary_cross_entropy_with_logits::<Tensor>(&target, None, None, Reduction::Sum) / samples
        }
        Loss::SquaredError => (output - target).square().sum(Kind::Double) * 0.5 / samples,
    }
}

fn compare(description: &Value, stages: &[Stage], activation: &str, loss: Loss) {
    let mut description = description.clone();
    let (_, options) = description.as_object_mut().unwrap().iter_mut().next().unwrap();
    options["activation"] = json!(activation);
    let mut network = network(&description, SMALL_IMAGE, CLASSES);
    let Batch { inputs, labels } = random_batch(6, SMALL_IMAGE, CLASSES);

    let parameters: Vec<Tensor> =
        network.parameters().into_iter().map(|(_, tensor)| tensor.copy().set_requires_grad(true)).collect();
    let output = forward(stages, activation, &parameters, &inputs);
    let value = reference_loss(loss, &output, &labels);
    let expected =
        Tensor::run_backward(&[value.shallow_clone()], &parameters.iter().collect::<Vec<_>>(), false, false);

    let mut bp = rule("bp", json!({}), &mut network);
    let step = bp.directions(&network, loss, &Batch { inputs, labels });
    assert_close(&step.output, &output.detach(), TOLERANCE);
    assert_close(&step.loss, &value.detach(), TOLERANCE);
    let directions = by_key(&step.directions);
    assert_eq!(directions.len(), expected.len());
    for layer in 0..network.layers.len() {
        for (role, expected) in [(Role::Weight, &expected[2 * layer]), (Role::Bias, &expected[2 * layer + 1])]
        {
            println!("{description} {loss:?}: {} {role:?}", network.layers[layer].name);
            assert!(expected.norm().double_value(&[]) > 0.0, "a gradient of zero would prove nothing");
            assert_close(&directions[&ParameterKey { layer, role }], expected, TOLERANCE);
        }
    }
}

fn compare_all(description: &Value, stages: &[Stage]) {
    for loss in LOSSES {
        for activation in ACTIVATIONS {
            compare(description, stages, activation, loss);
        }
    }
}

#[test]
fn every_activation_is_compared() {
    for name in ACTIVATIONS {
        serde_json::from_value::<Activation>(json!(name)).unwrap();
    }
    let refused = serde_json::from_value::<Activation>(json!("")).unwrap_err().to_string();
    assert_eq!(refused.matches('`').count(), 2 * (ACTIVATIONS.len() + 1), "{refused}");
}

#[test]
fn backprop_equals_autograd_on_mlp() {
    let _generator = generator(21);
    compare_all(&json!({"mlp": {"hidden": []}}), &[]);
    compare_all(&json!({"mlp": {"hidden": [7, 6]}}), &[Stage::Dense, Stage::Dense]);
}

#[test]
fn backprop_equals_autograd_on_cnn_with_overlapping_max_pools() {
    let _generator = generator(22);
    let description = json!({"cnn": {"layers": [
        {"conv": {"channels": 4, "kernel": 3, "padding": 1}}, {"max_pool": {"kernel": 3, "stride": 2}},
        {"conv": {"channels": 5, "kernel": 2}}, {"max_pool": {"kernel": 2, "stride": 1}}, {"dense": 6}]}});
    let stages = [
        Stage::Conv { stride: 1, padding: 1 },
        Stage::MaxPool { kernel: 3, stride: 2 },
        Stage::Conv { stride: 1, padding: 0 },
        Stage::MaxPool { kernel: 2, stride: 1 },
        Stage::Dense,
    ];
    compare_all(&description, &stages);
}

#[test]
fn backprop_equals_autograd_on_cnn_with_average_pools() {
    let _generator = generator(23);
    let description = json!({"cnn": {"layers": [
        {"conv": {"channels": 4, "kernel": 4, "stride": 2, "padding": 2}},
        {"average_pool": {"kernel": 3, "stride": 2, "padding": 1}},
        {"conv": {"channels": 3, "kernel": 2}}, "global_average_pool", {"dense": 5}]}});
    let stages = [
        Stage::Conv { stride: 2, padding: 2 },
        Stage::AveragePool { kernel: 3, stride: 2, padding: 1 },
        Stage::Conv { stride: 1, padding: 0 },
        Stage::GlobalAveragePool,
        Stage::Dense,
    ];
    compare_all(&description, &stages);
}

#[test]
fn backprop_equals_autograd_on_locally_connected() {
    let _generator = generator(24);
    let description = json!({"locally_connected": {"layers": [
        {"local": {"channels": 3, "kernel": 3, "stride": 2, "padding": 1}},
        {"local": {"channels": 4, "kernel": 2}}, {"max_pool": {"kernel": 2}}, {"dense": 6}]}});
    let stages = [
        Stage::Local { kernel: 3, stride: 2, padding: 1, side: 5 },
        Stage::Local { kernel: 2, stride: 1, padding: 0, side: 4 },
        Stage::MaxPool { kernel: 2, stride: 2 },
        Stage::Dense,
    ];
    compare_all(&description, &stages);
}
