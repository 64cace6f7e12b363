//! Target propagation with inverses that are exact, or that are a layer's transposed Jacobian: where theory says what it
//! must come to.

use crate::{
    support::{SMALL_IMAGE, assert_close, by_key, generator, network, random_batch, rule},
    target_propagation::{forward_directions, parameter, unpooled},
};
use apical_algorithms::{
    direction::{ParameterKey, Role},
    loss::Loss,
    network::Layer,
};
use serde_json::{Value, json};
use tch::{Kind, Tensor};

/// For each kind of layer, a network whose hidden layers but the first have as many outputs as inputs, and how many of these
/// hang together.
fn invertible() -> [(&'static str, Value); 3] {
    [
        ("mlp", json!({"mlp": {"hidden": [6, 6, 6], "activation": "linear"}})),
        (
            "cnn",
            json!({"cnn": {"layers": [{"conv": {"channels": 3, "kernel": 3}}, {"conv": {"channels": 3, "kernel": 1}},
                {"conv": {"channels": 3, "kernel": 1}}], "activation": "linear"}}),
        ),
        (
            "locally connected",
            json!({"locally_connected": {"layers": [{"local": {"channels": 3, "kernel": 3}},
                {"local": {"channels": 3, "kernel": 1}}, {"local": {"channels": 3, "kernel": 1}}],
                "activation": "linear"}}),
        ),
    ]
}

/// Makes an inverse exact: `x = θ⁻¹ (y − b)`, at every place by itself.
fn invert(kind: &str, layer: &Layer, mut weight: Tensor, mut bias: Tensor) {
    let own = layer.bias.as_ref().unwrap();
    match kind {
        "mlp" => {
            let inverse = layer.weight.inverse();
            weight.copy_(&inverse.tr());
            bias.copy_(&-inverse.mv(own));
        }
        "cnn" => {
            let inverse = layer.weight.squeeze_dims([2, 3]).inverse();
            weight.copy_(&inverse.tr().reshape(layer.weight.size()));
            bias.copy_(&-inverse.mv(own).reshape([-1, 1, 1]).expand_as(&bias));
        }
        _ => {
            // Weights are [place, output channel, input channel].
            let inverse = layer.weight.inverse();
            weight.copy_(&inverse.transpose(1, 2));
            let places = own.reshape([own.size()[0], -1]).tr().unsqueeze(-1);
            bias.copy_(&-inverse.bmm(&places).squeeze_dim(-1).tr().reshape(bias.size()));
        }
    }
}

#[test]
fn with_an_exact_inverse_tp_and_dtp_are_one() {
    let _generator = generator(122);
    for (kind, description) in invertible() {
        let mut network = network(&description, SMALL_IMAGE, 4);
        let batch = random_batch(8, SMALL_IMAGE, 4);
        let config = json!({"local_loss_reduction": "sum", "step_size": 0.2});
        let both = ["tp", "dtp"].map(|name| {
            let mut rule = rule(name, config.clone(), &mut network);
            let untrained = forward_directions(&mut *rule, &network, &batch);
            for index in [1, 2] {
                let [weight, bias] =
                    ["weight", "bias"].map(|part| parameter(&*rule, &format!("{index}.inverse-{part}")));
                invert(kind, &network.layers[index], weight, bias);
            }
            (untrained, forward_directions(&mut *rule, &network, &batch))
        });
        for (key, direction) in &both[0].1 {
            println!("{kind} {key}");
            assert_close(direction, &both[1].1[key], 1e-8);
        }
        let first = ParameterKey { layer: 0, role: Role::Weight };
        let differ = !both[0].0[&first].allclose(&both[1].0[&first], 1e-3, 1e-3, false);
        assert!(differ, "{kind}: without one they are two");
    }
}

/// One sample has one Jacobian for each layer. An inverse whose weights are that, and whose biases put it on the steepest
/// point of its tanh at the layer's activity, carries small differences down as backpropagation carries errors.
#[test]
fn with_the_transposed_jacobian_as_inverse_dtp_gives_the_direction_of_backprop() {
    let _generator = generator(132);
    for (kind, description) in unpooled() {
        if kind == "cnn with strides" {
            // One weight for all places is no Jacobian where derivatives differ from place to place.
            continue;
        }
        let mut network = network(&description, SMALL_IMAGE, 4);
        let batch = random_batch(1, SMALL_IMAGE, 4);
        let mut dtp = rule("dtp", json!({"step_size": 1e-6}), &mut network);
        let trace = network.forward(&batch.inputs);
        let output = network.layers.len() - 1;
        for index in 1..output {
            let layer = &network.layers[index];
            let activity = &trace.layers[index].output;
            // tanh′ of what each weight leads to.
            let derivative = activity.square().neg().g_add_scalar(1.0).squeeze_dim(0);
            let derivative = match layer.weight.dim() {
                2 => derivative.reshape([-1, 1]),
                _ => derivative.flatten(1, -1).tr().unsqueeze(-1),
            };
            let jacobian = &layer.weight * derivative;
            parameter(&*dtp, &format!("{index}.inverse-weight")).copy_(&jacobian);
            let activity = activity.reshape([&[1], layer.map.output_shape()].concat());
            let found = layer.map.input_adjoint(&jacobian, &activity);
            let mut bias = parameter(&*dtp, &format!("{index}.inverse-bias"));
            bias.copy_(&-found.reshape(bias.size()));
        }
        let ours = forward_directions(&mut *dtp, &network, &batch);
        let mut bp = rule("bp", json!({}), &mut network);
        for (key, theirs) in forward_directions(&mut *bp, &network, &batch) {
            let cosine = (&ours[&key] * &theirs).sum(Kind::Double) / (ours[&key].norm() * theirs.norm());
            let cosine = cosine.double_value(&[]);
            println!("{kind} {key}: {cosine}");
            assert!((cosine - 1.0).abs() < 1e-8, "{kind} {key}: {cosine}");
        }
    }
}

#[test]
fn on_a_linear_net_the_transpose_as_inverse_gives_the_direction_of_backprop() {
    let _generator = generator(123);
    for (name, mut description) in unpooled() {
        let (_, options) = description.as_object_mut().unwrap().iter_mut().next().unwrap();
        options["activation"] = json!("linear");
        for first_target in ["penultimate-gradient", "output-gradient"] {
            let mut network = network(&description, SMALL_IMAGE, 4);
            let batch = random_batch(8, SMALL_IMAGE, 4);
            let mut dtp = rule("dtp", json!({"first_target": first_target, "step_size": 0.5}), &mut network);
            for (index, feedback) in dtp.feedback_weights(&network).into_iter().enumerate() {
                let Some(mut feedback) = feedback else { continue };
                feedback.copy_(&network.layers[index].weight);
            }
            let ours = by_key(&dtp.directions(&network, Loss::SquaredError, &batch).directions);
            let mut bp = rule("bp", json!({}), &mut network);
            let gradient = by_key(&bp.directions(&network, Loss::SquaredError, &batch).directions);
            let hidden = network.layers.len() - 1;
            for (key, direction) in gradient.iter().filter(|(key, _)| key.layer < hidden) {
                println!("{name}, {first_target}: {key}");
                // δ = 2/B (h − ĥ), and h − ĥ is the step size times the sample's own gradient: 2 × 0.5.
                assert_close(&ours[key], direction, 1e-9);
            }
        }
    }
}
