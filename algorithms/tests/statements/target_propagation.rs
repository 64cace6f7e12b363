//! Target propagation: where it must be exact, and what its options mean. A trajectory against an implementation
//! by other means is in `target_propagation_golden`.

use crate::support::{
    SMALL_IMAGE, architecture, architectures_of, assert_close, assert_equal, by_key, generator, network,
    random_batch, rule, small_architectures,
};
use apical_algorithms::{
    diagnostics::Probe,
    direction::{Direction, ParameterKey, Role},
    loss::Loss,
    network::Network,
    optimizer::Optimizers,
    rule::{self as rules, Batch, LearningRule, Lesson},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

const FAMILY: [&str; 4] = ["tp", "dtp", "sdtp", "ao-sdtp"];

/// Networks of strided layers alone: an MLP, a CNN and a locally connected network.
pub fn unpooled() -> Vec<(&'static str, Value)> {
    architectures_of(rules::find("tp").unwrap())
}

pub fn parameter(rule: &dyn LearningRule, name: &str) -> Tensor {
    let found = rule.parameters().into_iter().find(|(other, _)| other == name);
    found.unwrap_or_else(|| panic!("no `{name}`")).1
}

pub fn forward_directions(
    rule: &mut dyn LearningRule,
    network: &Network,
    batch: &Batch,
) -> BTreeMap<ParameterKey, Tensor> {
    let mut all = by_key(&rule.directions(network, Loss::CrossEntropy, batch).directions);
    all.retain(|key, _| matches!(key.role, Role::Weight | Role::Bias));
    all
}

#[test]
fn where_there_is_no_error_difference_targets_move_nothing() {
    let _generator = generator(121);
    for (name, description) in unpooled() {
        for (variant, config) in [
            ("dtp", json!({})),
            ("dtp", json!({"first_target": "output-gradient"})),
            ("dtp", json!({"first_target": "label"})),
            ("sdtp", json!({})),
            ("ao-sdtp", json!({"auxiliary_units": 5})),
        ] {
            let mut network = network(&description, SMALL_IMAGE, 4);
            // An output that says class 2 exactly, whatever comes in.
            let output = network.layers.last().unwrap();
            let _ = output.weight.shallow_clone().zero_();
            let mut bias = output.bias.as_ref().unwrap().shallow_clone();
            bias.copy_(&Tensor::from_slice(&[0.0, 0.0, 1.0, 0.0]));
            let inputs = random_batch(5, SMALL_IMAGE, 4).inputs;
            let batch = Batch { inputs, labels: Tensor::full([5], 2, (Kind::Int64, tch::Device::Cpu)) };
            let mut rule = rule(variant, config.clone(), &mut network);
            let step = rule.directions(&network, Loss::SquaredError, &batch);
            for direction in &step.directions {
                println!("{variant} {config} on {name}: {}", direction.key);
                assert_eq!(direction.materialize().abs().max().double_value(&[]), 0.0);
            }
        }
    }
}

/// `A(ω)ᵀ y` by LibTorch's own transposed operations, for layer `index` of `unpooled()[kind]`.
fn transposed(kind: &str, index: usize, weight: &Tensor, activity: &Tensor, shape: &[i64]) -> Tensor {
    let batch = activity.size()[0];
    let local = |stride: i64, padding: i64| {
        let columns = activity.flatten(2, -1);
        let windows = Tensor::einsum("bop,pok->bkp", &[&columns, weight], None::<&[i64]>);
        windows.col2im(&shape[1..], [3, 3], [1, 1], [padding; 2], [stride; 2])
    };
    match (kind, index) {
        ("cnn with strides", 1) => {
            // 5 = 2·(2 − 1) + 2 + 1
            activity.conv_transpose2d(weight, None::<Tensor>, [2, 2], [0, 0], [1, 1], 1, [1, 1])
        }
        ("locally connected", 1) => local(1, 0),
        _ => activity.reshape([batch, -1]).matmul(weight),
    }
}

/// The mean-over-batch loss of one inverse, written with plain operations; noise is drawn as the rule does.
fn inverse_loss(
    (kind, loss): (&str, &str),
    noise: f64,
    (network, index): (&Network, usize),
    input: &Tensor,
    [weight, bias]: [&Tensor; 2],
) -> Tensor {
    let top = index + 1 == network.layers.len();
    let forward = |input: &Tensor| {
        let output = network.layers[index].forward(input).output;
        if top { output.softmax(-1, Kind::Double) } else { output }
    };
    let inverse = |activity: &Tensor| {
        (transposed(kind, index, weight, activity, network.layers[index].map.input_shape()) + bias).tanh()
    };
    let squared = |difference: Tensor| difference.square().sum(Kind::Double);
    let perturbation = input.randn_like() * noise;
    let corrupted = input + &perturbation;
    let activity = forward(&corrupted);
    let total = match loss {
        "noise-preserving" => squared(inverse(&activity) - corrupted),
        "de-noising" => squared(inverse(&activity) - input),
        _ => {
            let clean = forward(input);
            let moved = &clean + clean.randn_like() * noise;
            let difference = inverse(&activity) - inverse(&clean);
            (perturbation * difference).sum(Kind::Double) * -2.0 + squared(inverse(&moved) - inverse(&clean))
        }
    };
    total / input.size()[0] as f64
}

#[test]
fn directions_of_inverses_equal_autograd_on_every_kind_of_layer() {
    let _generator = generator(124);
    for (kind, description) in unpooled() {
        for loss in ["noise-preserving", "de-noising", "l-drl"] {
            let mut network = network(&description, SMALL_IMAGE, 4);
            let batch = random_batch(6, SMALL_IMAGE, 4);
            let config = json!({"first_target": "label", "inverse_loss": loss, "noise": 0.3});
            let mut dtp = rule("dtp", config, &mut network);
            let noise_seed = 77;
            tch::manual_seed(noise_seed);
            let ours = by_key(&dtp.own_directions(&network, Loss::CrossEntropy, &batch));
            assert_eq!(ours.len(), 2 * (network.layers.len() - 1));
            tch::manual_seed(noise_seed);
            let trace = network.forward(&batch.inputs);
            for index in (1..network.layers.len()).rev() {
                let [weight, bias] = ["weight", "bias"].map(|part| {
                    let own = parameter(&*dtp, &format!("{index}.inverse-{part}"));
                    own.copy().set_requires_grad(true)
                });
                let input = &trace.layers[index].input;
                let value = inverse_loss((kind, loss), 0.3, (&network, index), input, [&weight, &bias]);
                let expected = Tensor::run_backward(&[value], &[&weight, &bias], false, false);
                for (role, expected) in [Role::InverseWeight, Role::InverseBias].into_iter().zip(&expected) {
                    println!("{kind}, {loss}: layer {index}, {role:?}");
                    // The bias cancels where all parts of l-drl differ from the same activity only in a linear net.
                    assert!(
                        expected.norm().double_value(&[]) > 0.0,
                        "a gradient of zero would prove nothing"
                    );
                    assert_close(&ours[&ParameterKey { layer: index, role }], expected, 1e-9);
                }
            }
        }
    }
}

#[test]
fn on_a_linear_net_the_loss_l_drl_turns_inverses_into_the_transpose() {
    let _generator = generator(125);
    let description = json!({"cnn": {"activation": "linear", "layers": [
        {"conv": {"channels": 3, "kernel": 3, "stride": 2}}, {"conv": {"channels": 4, "kernel": 2, "stride": 2}}]}});
    let mut network = network(&description, SMALL_IMAGE, 4);
    let config = json!({"inverse_loss": "l-drl", "noise": 0.5,
        "inverse_optimizer": {"sgd": {"learning_rate": 0.02}}});
    let mut dtp = rule("dtp", config, &mut network);
    let angle = |dtp: &mut dyn LearningRule, network: &Network| {
        let mut probe = Probe::new(random_batch(4, SMALL_IMAGE, 4));
        probe.measure(dtp, network, Loss::CrossEntropy)[1].feedback_angle.unwrap()
    };
    let before = angle(&mut *dtp, &network);
    let config = serde_json::from_value(json!({"sgd": {"learning_rate": 0.02}})).unwrap();
    let mut optimizers = Optimizers::new(config, None, None);
    for step in 0..400 {
        let batch = random_batch(32, SMALL_IMAGE, 4);
        let directions = dtp.own_directions(&network, Loss::CrossEntropy, &batch);
        optimizers.step(directions, if step < 200 { 1.0 } else { 0.1 });
    }
    let after = angle(&mut *dtp, &network);
    assert!(before > 60.0 && after < 6.0, "{before}° → {after}°");
}

fn inverses(directions: &[Direction]) -> BTreeMap<ParameterKey, Tensor> {
    let mut all = by_key(directions);
    all.retain(|key, _| matches!(key.role, Role::InverseWeight | Role::InverseBias));
    all
}

#[test]
fn inverses_learn_beside_the_network_in_parallel_and_in_passes_of_their_own_otherwise() {
    let _generator = generator(126);
    for name in FAMILY {
        let mut network = network(&unpooled()[0].1, SMALL_IMAGE, 4);
        let batch = random_batch(6, SMALL_IMAGE, 4);
        let config = |schedule: &str| json!({"schedule": schedule, "pretraining_epochs": 3});
        let mut parallel = rule(name, config("parallel"), &mut network);
        let mut alternating = rule(name, config("alternating"), &mut network);
        assert_eq!([0, 1, 9].map(|epoch| parallel.own_passes(epoch)), [3, 0, 0]);
        assert_eq!([0, 1, 9].map(|epoch| alternating.own_passes(epoch)), [4, 1, 1]);
        tch::manual_seed(5);
        let together = parallel.directions(&network, Loss::CrossEntropy, &batch).directions;
        tch::manual_seed(5);
        let alone = alternating.own_directions(&network, Loss::CrossEntropy, &batch);
        let forward = alternating.directions(&network, Loss::CrossEntropy, &batch).directions;
        assert!(inverses(&forward).is_empty());
        let (alone, forward, together) = (by_key(&alone), by_key(&forward), by_key(&together));
        assert_eq!(together.len(), alone.len() + forward.len(), "both at once are the two together");
        for (key, direction) in alone.iter().chain(&forward) {
            println!("{name} {key}");
            assert_equal(direction, &together[key]);
        }
    }
}

#[test]
fn inverses_step_by_their_own_optimizer_which_a_checkpoint_restores() {
    let _generator = generator(127);
    let mut network = network(&unpooled()[0].1, SMALL_IMAGE, 4);
    let config = json!({"schedule": "parallel", "inverse_optimizer": {"sgd": {"learning_rate": 1e-3}}});
    let mut dtp = rule("dtp", config, &mut network);
    let batch = random_batch(6, SMALL_IMAGE, 4);
    let forward: apical_algorithms::optimizer::OptimizerConfig =
        serde_json::from_value(json!({"adam": {"learning_rate": 0.1}})).unwrap();
    let mut optimizers = Optimizers::new(forward.clone(), dtp.own_optimizer(), None);
    let key = ParameterKey { layer: 1, role: Role::InverseWeight };
    let own = parameter(&*dtp, "1.inverse-weight");
    let before = own.copy();
    let directions = dtp.directions(&network, Loss::CrossEntropy, &batch).directions;
    let expected = &before - by_key(&directions)[&key].copy() * 1e-3;
    optimizers.step(directions, 1.0);
    assert_close(&own, &expected, 1e-12);

    let adam = json!({"adam": {"learning_rate": 0.01}});
    let of = |config: &Value| serde_json::from_value(config.clone()).unwrap();
    let mut first = Optimizers::new(of(&adam), Some(of(&adam)), None);
    first.step(dtp.directions(&network, Loss::CrossEntropy, &batch).directions, 1.0);
    let state = first.state().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
    let mut second = Optimizers::new(of(&adam), Some(of(&adam)), None);
    second.restore(state).unwrap();
    let all = |dtp: &dyn LearningRule| -> Vec<Tensor> {
        network.parameters().into_iter().chain(dtp.parameters()).map(|(_, tensor)| tensor).collect()
    };
    let start: Vec<Tensor> = all(&*dtp).iter().map(Tensor::copy).collect();
    let mut arrived = Vec::new();
    for optimizers in [&mut first, &mut second] {
        for (mut tensor, start) in all(&*dtp).into_iter().zip(&start) {
            tensor.copy_(start);
        }
        tch::manual_seed(6);
        optimizers.step(dtp.directions(&network, Loss::CrossEntropy, &batch).directions, 1.0);
        arrived.push(all(&*dtp).iter().map(Tensor::copy).collect::<Vec<_>>());
    }
    for (first, second) in arrived[0].iter().zip(&arrived[1]) {
        assert_equal(first, second);
    }
}

#[test]
fn reductions_are_factors() {
    let _generator = generator(128);
    let mut network = network(&json!({"mlp": {"hidden": [7, 6]}}), SMALL_IMAGE, 4);
    let batch = random_batch(5, SMALL_IMAGE, 4);
    let with = |network: &mut Network, config: Value| {
        let mut dtp = rule("dtp", config, network);
        tch::manual_seed(9);
        by_key(&dtp.directions(network, Loss::CrossEntropy, &batch).directions)
    };
    let sum = with(&mut network, json!({"schedule": "parallel", "local_loss_reduction": "sum"}));
    let mean = with(&mut network, json!({"schedule": "parallel", "local_loss_reduction": "mean"}));
    let of_mean = with(&mut network, json!({"first_target_reduction": "batch-mean", "step_size": 1.0}));
    let of_sample = with(&mut network, json!({"first_target_reduction": "per-sample", "step_size": 0.2}));
    for (layer, features) in [(0, 7.0), (1, 6.0)] {
        let key = ParameterKey { layer, role: Role::Weight };
        assert_close(&(&mean[&key] * features), &sum[&key], 1e-12);
        // A step of 1 on a mean over 5 samples is a step of 0.2 on each.
        assert_close(&of_mean[&key], &of_sample[&key], 1e-12);
    }
    let inverse = ParameterKey { layer: 1, role: Role::InverseWeight };
    assert_close(&(&mean[&inverse] * 7.0), &sum[&inverse], 1e-12);
    let output = ParameterKey { layer: 2, role: Role::Weight };
    assert_equal(&mean[&output], &sum[&output]);
}

#[test]
fn the_label_as_first_target_is_a_whole_step_down_the_output_gradient_of_a_squared_error() {
    let _generator = generator(129);
    for (name, description) in unpooled() {
        let loss = Loss::SquaredError;
        let mut network = network(&description, SMALL_IMAGE, 4);
        let batch = random_batch(5, SMALL_IMAGE, 4);
        let mut label = rule("dtp", json!({"first_target": "label"}), &mut network);
        let mut step =
            rule("dtp", json!({"first_target": "output-gradient", "step_size": 1.0}), &mut network);
        let label = by_key(&label.directions(&network, loss, &batch).directions);
        let step = by_key(&step.directions(&network, loss, &batch).directions);
        for (key, direction) in &label {
            println!("{name} {key}");
            assert_close(direction, &step[key], 1e-12);
        }
    }
}

/// Of a cross-entropy the gradient with respect to the logits is `softmax(a) − y`, whatever their size.
#[test]
fn a_step_down_the_output_gradient_is_taken_by_the_logits() {
    let _generator = generator(133);
    let mut network = network(&json!({"mlp": {"hidden": [6, 5]}}), SMALL_IMAGE, 4);
    let batch = random_batch(8, SMALL_IMAGE, 4);
    let config = json!({"first_target": "output-gradient", "step_size": 1e-6});
    let mut dtp = rule("dtp", config, &mut network);
    // With a linear inverse of the output, the transposed weights carry the error as backpropagation does, up to tanh′ of
    // where the inverse stands: at 0 that is 1.
    let output = &network.layers[2];
    parameter(&*dtp, "2.inverse-weight").copy_(&output.weight);
    let single = Batch { inputs: batch.inputs.narrow(0, 0, 1), labels: batch.labels.narrow(0, 0, 1) };
    let logits = network.output(&single.inputs);
    parameter(&*dtp, "2.inverse-bias").copy_(&-logits.matmul(&output.weight).squeeze_dim(0));
    let ours = forward_directions(&mut *dtp, &network, &single);
    let mut bp = rule("bp", json!({}), &mut network);
    let key = ParameterKey { layer: 1, role: Role::Weight };
    let theirs = forward_directions(&mut *bp, &network, &single).remove(&key).unwrap();
    let cosine = (&ours[&key] * &theirs).sum(Kind::Double) / (ours[&key].norm() * theirs.norm());
    assert!((cosine.double_value(&[]) - 1.0).abs() < 1e-8);
}

#[test]
fn without_inverses_there_are_no_passes_for_them() {
    let _generator = generator(134);
    let passes = |hidden: Value| {
        let mut network = network(&json!({"mlp": {"hidden": hidden}}), SMALL_IMAGE, 4);
        rule("dtp", json!({"pretraining_epochs": 2}), &mut network).own_passes(0)
    };
    // The last hidden layer has its target from the output, and none lies below it.
    assert_eq!(passes(json!([6])), 0);
    assert_eq!(passes(json!([6, 5])), 3);
}

#[test]
fn auxiliary_units_that_the_inverse_does_not_read_leave_sdtp() {
    let _generator = generator(130);
    for (name, description) in unpooled() {
        let mut network = network(&description, SMALL_IMAGE, 4);
        let batch = random_batch(5, SMALL_IMAGE, 4);
        let mut sdtp = rule("sdtp", json!({}), &mut network);
        let mut auxiliary = rule("ao-sdtp", json!({"auxiliary_units": 9}), &mut network);
        let read = forward_directions(&mut *auxiliary, &network, &batch);
        for (parameter_name, tensor) in sdtp.parameters() {
            let mut own = parameter(&*auxiliary, &parameter_name);
            let _ = own.zero_();
            own.narrow(0, 0, tensor.size()[0]).copy_(&tensor);
        }
        let theirs = forward_directions(&mut *sdtp, &network, &batch);
        for (key, direction) in forward_directions(&mut *auxiliary, &network, &batch) {
            println!("{name} {key}");
            assert_close(&direction, &theirs[&key], 1e-12);
        }
        let first = ParameterKey { layer: 0, role: Role::Weight };
        assert!(!read[&first].allclose(&theirs[&first], 1e-3, 1e-6, false), "reading them matters");
    }
}

#[test]
fn pools_are_refused_with_a_remedy() {
    let _generator = generator(131);
    let (_, pooled) = &small_architectures()[1];
    for name in FAMILY {
        let layers = architecture(pooled.clone()).plan(SMALL_IMAGE, 4).unwrap();
        let entry = rules::find(name).unwrap();
        let refused = entry.refusal(json!({}), &Lesson::classification(&layers)).unwrap().message;
        assert!(refused.contains("`1.conv` is pooled"), "{refused:?}");
        assert!(refused.contains("`stride`"), "{refused:?}");
    }
}

#[test]
fn a_wrong_option_is_named() {
    let path = |name: &str, config: Value| {
        let problems = rules::find(name).unwrap().resolve(config).unwrap_err();
        problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    assert_eq!(path("dtp", json!({"step_size": 0.0, "noise": -1.0})), ["step_size", "noise"]);
    assert_eq!(path("dtp", json!({"inverse_loss": "l-drl", "noise": 0.0})), ["noise"]);
    assert_eq!(path("sdtp", json!({"step_size": 0.5})), ["step_size"], "it takes no step");
    let without_a_step = json!({"first_target": "label", "first_target_reduction": "batch-mean"});
    assert_eq!(path("dtp", without_a_step), ["first_target_reduction"]);
    assert_eq!(path("dtp", json!({"auxiliary_units": 3})), ["auxiliary_units"]);
    assert_eq!(path("ao-sdtp", json!({"auxiliary_units": 0})), ["auxiliary_units"]);
    assert_eq!(path("sdtp", json!({"first_target": "output-gradient"})), ["first_target"]);
    let optimizer = json!({"inverse_optimizer": {"adam": {"learning_rate": -1.0}}});
    assert_eq!(path("tp", optimizer), ["inverse_optimizer.adam.learning_rate"]);
}

#[test]
fn diagnostics_tell_how_far_targets_lie_and_how_well_inverses_invert() {
    let _generator = generator(132);
    let description = json!({"mlp": {"hidden": [6, 6], "activation": "linear"}});
    let mut network = network(&description, SMALL_IMAGE, 4);
    let batch = random_batch(8, SMALL_IMAGE, 4);
    let mut dtp = rule("dtp", json!({}), &mut network);
    let measured = Probe::new(batch).measure(&mut *dtp, &network, Loss::CrossEntropy);
    let present = |value: Option<f64>| value.is_some_and(|value| value > 1e-3);
    assert_eq!(
        measured.iter().map(|layer| present(layer.reconstruction_error)).collect::<Vec<_>>(),
        [false, true, false]
    );
    assert_eq!(
        measured.iter().map(|layer| present(layer.target_distance)).collect::<Vec<_>>(),
        [true, true, false]
    );
    let inverse = network.layers[1].weight.inverse().tr();
    parameter(&*dtp, "1.inverse-weight").copy_(&inverse);
    let bias = -network.layers[1].bias.as_ref().unwrap().unsqueeze(0).matmul(&inverse).squeeze();
    parameter(&*dtp, "1.inverse-bias").copy_(&bias);
    let exact = Probe::new(random_batch(8, SMALL_IMAGE, 4)).measure(&mut *dtp, &network, Loss::CrossEntropy);
    assert!(exact[1].reconstruction_error.unwrap() < 1e-9);
    let mut bp = rule("bp", json!({}), &mut network);
    let bp = Probe::new(random_batch(8, SMALL_IMAGE, 4)).measure(&mut *bp, &network, Loss::CrossEntropy);
    assert!(bp.iter().all(|layer| layer.target_distance.is_none() && layer.reconstruction_error.is_none()));
    let line = serde_json::to_string(&bp[1]).unwrap();
    assert!(!line.contains("target_distance"), "other rules' records are as they were: {line}");
}
