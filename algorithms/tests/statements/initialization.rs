//! Initial values have the distributions that they are named after, and streams of randomness keep apart.

use crate::support::{architecture, assert_close, assert_equal, generator, randn};
use apical_algorithms::{
    architecture::Options,
    initialization::Initializer,
    linear_map::{Conv2d, Dense, LinearMap, LocallyConnected2d},
    randomness::Streams,
};
use serde_json::json;
use tch::{Device, Kind, Tensor};

const DISTRIBUTIONS: [Initializer; 8] = [
    Initializer::Xavier,
    Initializer::XavierNormal,
    Initializer::He,
    Initializer::HeNormal,
    Initializer::FanIn,
    Initializer::Orthogonal { gain: 1.5 },
    Initializer::Uniform { low: -0.2, high: 0.2 },
    Initializer::Normal { std: 0.05 },
];

fn maps() -> Vec<Box<dyn LinearMap>> {
    vec![
        Box::new(Dense::new(300, 200)),
        Box::new(Conv2d::new([16, 8, 8], 64, 5, 2, 2).unwrap()),
        Box::new(LocallyConnected2d::new([4, 12, 12], 8, 3, 1, 1).unwrap()),
    ]
}

fn draw(initializer: Initializer, map: &dyn LinearMap) -> Tensor {
    initializer.weight(map, Kind::Double, Device::Cpu)
}

#[test]
fn weights_have_mean_zero_and_the_stated_deviation() {
    let _generator = generator(91);
    for map in maps() {
        for initializer in DISTRIBUTIONS {
            let weight = draw(initializer, &*map);
            assert_eq!(weight.size(), map.weight_shape());
            let deviation = initializer.weight_deviation(&*map);
            println!("{initializer:?} of {map:?}: {deviation}");
            assert!(deviation > 0.0);
            assert!((weight.std(true).double_value(&[]) / deviation - 1.0).abs() < 0.03);
            assert!(weight.mean(Kind::Double).double_value(&[]).abs() < 0.03 * deviation);
        }
    }
}

#[test]
fn the_deviations_are_those_of_the_papers() {
    let dense = Dense::new(300, 200);
    let close = |initializer: Initializer, expected: f64| {
        assert!((initializer.weight_deviation(&dense) - expected).abs() < 1e-15, "{initializer:?}");
    };
    close(Initializer::Xavier, (2.0_f64 / 500.0).sqrt());
    close(Initializer::XavierNormal, (2.0_f64 / 500.0).sqrt());
    close(Initializer::He, (2.0_f64 / 300.0).sqrt());
    close(Initializer::HeNormal, (2.0_f64 / 300.0).sqrt());
    close(Initializer::FanIn, (1.0_f64 / 900.0).sqrt());
    close(Initializer::Zeros, 0.0);
    // PyTorch counts a 5×5 convolution of 16 channels as 400 inputs; 64 maps read each input 25/4 times.
    let conv = Conv2d::new([16, 8, 8], 64, 5, 2, 2).unwrap();
    assert_eq!((conv.fan_in(), conv.fan_out()), (400, 400));
}

#[test]
fn uniform_weights_fill_their_bounds_and_stay_inside() {
    let _generator = generator(92);
    let dense = Dense::new(300, 200);
    for (initializer, bound) in [
        (Initializer::Xavier, (6.0_f64 / 500.0).sqrt()),
        (Initializer::He, (6.0_f64 / 300.0).sqrt()),
        (Initializer::FanIn, (1.0_f64 / 300.0).sqrt()),
        (Initializer::Uniform { low: -0.2, high: 0.2 }, 0.2),
    ] {
        let weight = draw(initializer, &dense);
        let (low, high) = (weight.min().double_value(&[]), weight.max().double_value(&[]));
        assert!(-bound <= low && low < -0.999 * bound, "{initializer:?}: {low}");
        assert!(high <= bound && 0.999 * bound < high, "{initializer:?}: {high}");
    }
    assert_eq!(draw(Initializer::Zeros, &dense).abs().max().double_value(&[]), 0.0);
}

#[test]
fn orthogonal_weights_are_orthogonal_along_their_shorter_side() {
    let _generator = generator(93);
    let initializer = Initializer::Orthogonal { gain: 2.0 };
    let wide = draw(initializer, &Dense::new(40, 15));
    assert_close(&wide.mm(&wide.tr()), &(Tensor::eye(15, tch::kind::DOUBLE_CPU) * 4.0), 1e-12);
    let tall = draw(initializer, &Dense::new(15, 40));
    assert_close(&tall.tr().mm(&tall), &(Tensor::eye(15, tch::kind::DOUBLE_CPU) * 4.0), 1e-12);
    let conv = draw(initializer, &Conv2d::new([3, 8, 8], 6, 3, 1, 1).unwrap()).reshape([6, 27]);
    assert_close(&conv.mm(&conv.tr()), &(Tensor::eye(6, tch::kind::DOUBLE_CPU) * 4.0), 1e-12);
}

#[test]
fn one_seed_gives_one_network_and_another_seed_another() {
    let _generator = generator(94);
    let build = |seed: u64| {
        let description = json!({"cnn": {"layers": [{"conv": {"channels": 3, "kernel": 3}}, {"dense": 4}],
            "initialization": {"biases": "fan_in", "output_weights": {"normal": {"std": 0.1}}}}});
        // Whatever was drawn before.
        let _ = randn(&[seed as i64 + 3]);
        let options = Options { kind: Kind::Float, device: Device::Cpu };
        architecture(description).build([1, 8, 8], 3, options, Streams::new(seed)).unwrap().parameters()
    };
    let (first, again, other) = (build(1), build(1), build(2));
    assert_eq!(first.len(), 6);
    for (((name, first), (_, again)), (_, other)) in first.iter().zip(&again).zip(&other) {
        println!("{name}");
        assert_equal(first, again);
        assert!(!first.equal(other));
    }
}

#[test]
fn each_purpose_and_epoch_and_seed_has_its_own_stream() {
    let mut seeds: Vec<u64> = Vec::new();
    for seed in [0, 1, 2, u64::MAX] {
        for purpose in ["initial weights", "feedback weights", "order", "noise"] {
            for epoch in [0, 1, 2, 256] {
                seeds.push(Streams::new(seed).seed(purpose, epoch));
            }
        }
    }
    let streams = seeds.len();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), streams);
}

#[test]
fn streams_are_the_same_in_every_version() {
    // The first 8 bytes of SHA-256 over seed and epoch (8 bytes each, little-endian) and the purpose.
    for (seed, purpose, epoch, expected) in [
        (0, "initial weights", 0, 0x8860_c6bf_6ac8_2c97),
        (0, "feedback weights", 0, 0x6c14_a995_1d5b_21ea),
        (0, "order", 0, 0xf1c1_5709_2844_a4de),
        (0, "order", 1, 0x5f3f_f4cf_990d_7616),
        (7, "order", 1, 0x3a28_002a_24e2_bdc5),
        (u64::MAX, "order", 0, 0x97e3_08ed_a063_c89e),
    ] {
        assert_eq!(Streams::new(seed).seed(purpose, epoch), expected, "{seed} {purpose} {epoch}");
    }
}

#[test]
fn entering_a_stream_again_repeats_it() {
    let _generator = generator(95);
    let from = |purpose: &str, epoch: usize| {
        Streams::new(3).enter(purpose, epoch);
        randn(&[5])
    };
    let (noise, order, later) = (from("noise", 1), from("order", 1), from("noise", 2));
    assert_equal(&from("noise", 1), &noise);
    assert!(!noise.equal(&order) && !noise.equal(&later));
}

#[test]
fn values_that_draw_nothing_sensible_are_refused() {
    let paths = |initializer: Initializer| {
        initializer.problems().into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    assert_eq!(paths(Initializer::Uniform { low: 0.1, high: 0.1 }), ["uniform"]);
    assert_eq!(paths(Initializer::Normal { std: -1.0 }), ["normal.std"]);
    assert_eq!(paths(Initializer::Orthogonal { gain: f64::NAN }), ["orthogonal.gain"]);
    assert!(DISTRIBUTIONS.into_iter().all(|initializer| initializer.problems().is_empty()));
}
