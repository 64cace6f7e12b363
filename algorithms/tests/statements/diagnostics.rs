//! The probe measures what it says.

use crate::support::{
    SMALL_IMAGE, assert_equal, by_key, generator, network, random_batch, rule, small_architectures,
};
use apical_algorithms::{
    diagnostics::Probe,
    direction::{ParameterKey, Role},
    loss::Loss,
    rule::Batch,
};
use serde_json::json;
use tch::{Kind, Tensor};

fn cosine_angle(left: &Tensor, right: &Tensor) -> f64 {
    let inner = (left * right).sum(Kind::Double) / (left.norm() * right.norm());
    inner.double_value(&[]).clamp(-1.0, 1.0).acos().to_degrees()
}

#[test]
fn backprop_is_aligned_with_itself_on_every_network() {
    let _generator = generator(61);
    for (architecture, description) in small_architectures() {
        let mut network = network(&description, SMALL_IMAGE, 4);
        let mut bp = rule("bp", json!({}), &mut network);
        let mut probe = Probe::new(random_batch(8, SMALL_IMAGE, 4));
        for (index, layer) in probe.measure(&mut *bp, &network, Loss::CrossEntropy).into_iter().enumerate() {
            println!("{architecture}: {}", layer.layer);
            assert_eq!(layer.layer, network.layers[index].name);
            assert_eq!(layer.gradient_angle, Some(0.0));
            assert_eq!(layer.gradient_norm_ratio, Some(1.0));
            assert_eq!(layer.feedback_angle, (index > 0).then_some(0.0));
            assert_eq!((layer.weight_change, layer.direction_change), (None, None));
        }
    }
}

#[test]
fn angles_and_ratios_are_those_of_the_directions_and_the_gradient() {
    let _generator = generator(62);
    let mut network = network(&json!({"mlp": {"hidden": [7, 6]}}), SMALL_IMAGE, 4);
    let mut fa = rule("fa", json!({}), &mut network);
    let mut bp = rule("bp", json!({}), &mut network);
    let batch = random_batch(8, SMALL_IMAGE, 4);
    let ours = by_key(&fa.directions(&network, Loss::CrossEntropy, &batch).directions);
    let theirs = by_key(&bp.directions(&network, Loss::CrossEntropy, &batch).directions);
    let feedback = fa.feedback_weights(&network);
    let measured = Probe::new(batch).measure(&mut *fa, &network, Loss::CrossEntropy);
    for (layer, measured) in measured.iter().enumerate() {
        let key = ParameterKey { layer, role: Role::Weight };
        let weight = &network.layers[layer].weight;
        let expected_angle = cosine_angle(&ours[&key], &theirs[&key]);
        assert!((measured.gradient_angle.unwrap() - expected_angle).abs() < 1e-5);
        let ratio = (ours[&key].norm() / theirs[&key].norm()).double_value(&[]);
        assert!((measured.gradient_norm_ratio.unwrap() / ratio - 1.0).abs() < 1e-12);
        assert!((measured.weight_norm / weight.norm().double_value(&[]) - 1.0).abs() < 1e-12);
        let expected = feedback[layer].as_ref().map(|feedback| cosine_angle(feedback, weight));
        assert_eq!(measured.feedback_angle.is_some(), expected.is_some());
        assert!((measured.feedback_angle.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() < 1e-5);
    }
    assert!(measured[0].gradient_angle.unwrap() > 5.0, "random feedback is not aligned from the start");
}

#[test]
fn changes_are_relative_to_the_last_measurement_though_weights_move_in_place() {
    let _generator = generator(63);
    let mut network = network(&json!({"mlp": {"hidden": [7]}}), SMALL_IMAGE, 4);
    let mut bp = rule("bp", json!({}), &mut network);
    let mut probe = Probe::new(random_batch(8, SMALL_IMAGE, 4));
    let _ = probe.measure(&mut *bp, &network, Loss::CrossEntropy);
    let again = probe.measure(&mut *bp, &network, Loss::CrossEntropy);
    assert!(again.iter().all(|layer| layer.weight_change == Some(0.0)));
    assert!(again.iter().all(|layer| layer.direction_change == Some(0.0)));
    let _ = network.layers[0].weight.g_mul_scalar_(1.5);
    let moved = probe.measure(&mut *bp, &network, Loss::CrossEntropy);
    assert!((moved[0].weight_change.unwrap() - 0.5).abs() < 1e-12);
    assert_eq!(moved[1].weight_change, Some(0.0));
    assert!(moved[0].direction_change.unwrap() > 1e-3);
}

#[test]
fn an_untrained_net_of_zeros_has_undefined_angles_not_nan() {
    let _generator = generator(64);
    let mut network = network(&json!({"mlp": {"hidden": [7]}}), SMALL_IMAGE, 4);
    for (_, mut tensor) in network.parameters() {
        let _ = tensor.zero_();
    }
    let mut fa = rule("fa", json!({}), &mut network);
    let mut probe = Probe::new(random_batch(8, SMALL_IMAGE, 4));
    let _ = probe.measure(&mut *fa, &network, Loss::CrossEntropy);
    let measured = probe.measure(&mut *fa, &network, Loss::CrossEntropy);
    // The gradient of the first layer is zero, because the weights above it are.
    assert_eq!(measured[0].gradient_angle, None);
    assert_eq!(measured[0].gradient_norm_ratio, None);
    assert_eq!(measured[1].feedback_angle, None);
    assert_eq!(measured[0].weight_norm, 0.0);
    assert_eq!(measured[0].weight_change, None);
}

#[test]
fn measuring_changes_neither_network_nor_what_fixed_rules_do_next() {
    let _generator = generator(65);
    let mut network = network(&small_architectures()[1].1, SMALL_IMAGE, 4);
    let mut kp = rule("kp", json!({}), &mut network);
    let tensors = |kp: &dyn apical_algorithms::rule::LearningRule| -> Vec<Tensor> {
        let all = network.parameters().into_iter().chain(kp.parameters());
        all.map(|(_, tensor)| tensor.copy()).collect()
    };
    let before = tensors(&*kp);
    let _ = Probe::new(random_batch(8, SMALL_IMAGE, 4)).measure(&mut *kp, &network, Loss::SquaredError);
    for (now, before) in tensors(&*kp).iter().zip(before) {
        assert_equal(now, &before);
    }
}

/// Spikes and noise are drawn for each batch: other draws have another gradient.
#[test]
fn what_draws_spikes_or_noise_is_compared_with_the_gradient_of_the_same_draws() {
    let _generator = generator(66);
    let phases = json!({"forward": 6, "target": 6, "test": 6, "transient": 2, "random": true});
    for config in [
        json!({"mode": "spiking", "phases": phases}),
        json!({"symmetric_weights": "noisy", "symmetric_noise": 1.0}),
        json!({"mode": "spiking", "phases": phases, "symmetric_weights": "noisy", "feedback": "layer-wise",
               "apical_conductance": 0.05}),
    ] {
        let mut network = network(&json!({"mlp": {"hidden": [7, 6]}}), SMALL_IMAGE, 4);
        let mut rule = rule("segregated-dendrites", config.clone(), &mut network);
        let batch = random_batch(8, SMALL_IMAGE, 4);
        let batch = Batch { inputs: batch.inputs.sigmoid(), ..batch };
        let mut probe = Probe::new(batch);
        let [first, again] =
            [(); 2].map(|()| probe.measure(&mut *rule, &network, Loss::BinaryCrossEntropy).swap_remove(2));
        assert!(first.gradient_angle.unwrap() < 1e-6, "{config}: {first:?}");
        assert!(first.feedback_alignment_angle.unwrap() < 1e-6, "{config}: {first:?}");
        let drawn_anew = config.get("mode").is_some();
        assert_eq!(again.direction_change.unwrap() > 0.0, drawn_anew, "{config}: {again:?}");
    }
}
