//! Optimizers against PyTorch's equations, written once more on plain numbers, and against PyTorch itself.

use crate::support::{
    LOSSES, SMALL_IMAGE, assert_close, assert_equal, generator, network, random_batch, rule,
};
use apical_algorithms::{
    direction::{Direction, Form, ParameterKey, Role},
    optimizer::{Optimizer, OptimizerConfig},
};
use serde_json::{Value, json};
use tch::Tensor;

const START: [f64; 3] = [0.3, -0.7, 1.1];
const STEPS: usize = 6;

/// A made-up gradient that changes size and sign from step to step.
fn gradient(step: usize) -> [f64; 3] {
    [0.5, -1.25, 2.0].into_iter().enumerate().fold([0.0; 3], |mut gradient, (index, scale)| {
        let sign = if (step + index).is_multiple_of(3) { -0.4 } else { 1.0 };
        gradient[index] = scale * (1.0 + 0.3 * step as f64) * sign;
        gradient
    })
}

fn config(value: Value) -> OptimizerConfig {
    serde_json::from_value(value).unwrap()
}

fn explicit(layer: usize, parameter: &Tensor, direction: &[f64]) -> Direction {
    Direction {
        key: ParameterKey { layer, role: Role::Weight },
        parameter: parameter.shallow_clone(),
        form: Form::Explicit(Tensor::from_slice(direction)),
    }
}

fn run(value: Value, clip_norm: Option<f64>) -> Vec<f64> {
    let parameter = Tensor::from_slice(&START);
    let mut optimizer = Optimizer::new(config(value), clip_norm);
    for step in 0..STEPS {
        optimizer.step(vec![explicit(0, &parameter, &gradient(step))], 1.0);
    }
    Vec::try_from(&parameter).unwrap()
}

#[track_caller]
fn assert_numbers(ours: &[f64], expected: &[f64]) {
    let close = |(ours, expected): (&f64, &f64)| (ours - expected).abs() <= 1e-12 * expected.abs().max(1.0);
    assert!(ours.len() == expected.len() && ours.iter().zip(expected).all(close), "{ours:?} {expected:?}");
}

/// Runs `update(step from 1, gradient, parameter, memory)` on each number by itself.
fn by_number(update: impl Fn(i32, f64, &mut f64, &mut [f64; 3])) -> Vec<f64> {
    (0..3)
        .map(|index| {
            let (mut parameter, mut memory) = (START[index], [0.0; 3]);
            for step in 0..STEPS {
                update(step as i32 + 1, gradient(step)[index], &mut parameter, &mut memory);
            }
            parameter
        })
        .collect()
}

#[test]
fn sgd_follows_its_equations() {
    for (momentum, nesterov, decay) in [
        (0.0, false, 0.0),
        (0.0, false, 0.05),
        (0.9, false, 0.0),
        (0.9, false, 0.05),
        (0.9, true, 0.0),
        (0.9, true, 0.05),
    ] {
        let ours = run(
            json!({"sgd": {"learning_rate": 0.1, "momentum": momentum, "nesterov": nesterov, "weight_decay": decay}}),
            None,
        );
        let expected = by_number(|_, gradient, parameter, [velocity, ..]| {
            let gradient = gradient + decay * *parameter;
            *velocity = momentum * *velocity + gradient;
            *parameter -= 0.1 * if nesterov { gradient + momentum * *velocity } else { *velocity };
        });
        assert_numbers(&ours, &expected);
    }
}

#[test]
fn adam_follows_its_equations() {
    for (beta1, beta2, epsilon, decay) in
        [(0.9, 0.999, 1e-8, 0.0), (0.8_f64, 0.95_f64, 1e-3, 0.05), (0.0, 0.9, 1e-8, 0.0)]
    {
        let ours = run(
            json!({"adam": {"learning_rate": 0.01, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "weight_decay": decay}}),
            None,
        );
        let expected = by_number(|step, gradient, parameter, [mean, square, _]| {
            let gradient = gradient + decay * *parameter;
            *mean = beta1 * *mean + (1.0 - beta1) * gradient;
            *square = beta2 * *square + (1.0 - beta2) * gradient * gradient;
            let unbiased_mean = *mean / (1.0 - beta1.powi(step));
            let unbiased_square = *square / (1.0 - beta2.powi(step));
            *parameter -= 0.01 * unbiased_mean / (unbiased_square.sqrt() + epsilon);
        });
        assert_numbers(&ours, &expected);
    }
}

#[test]
fn rmsprop_follows_its_equations() {
    for (decay_rate, epsilon, momentum, centered, decay) in [
        (0.99, 1e-8, 0.0, false, 0.0),
        (0.99, 1e-8, 0.9, false, 0.0),
        (0.99, 1e-8, 0.0, true, 0.0),
        (0.9, 1e-3, 0.5, true, 0.05),
    ] {
        let ours = run(
            json!({"rmsprop": {"learning_rate": 0.01, "decay": decay_rate, "epsilon": epsilon,
                "momentum": momentum, "centered": centered, "weight_decay": decay}}),
            None,
        );
        let expected = by_number(|_, gradient, parameter, [square, mean, velocity]| {
            let gradient = gradient + decay * *parameter;
            *square = decay_rate * *square + (1.0 - decay_rate) * gradient * gradient;
            *mean = decay_rate * *mean + (1.0 - decay_rate) * gradient;
            let variance = if centered { *square - *mean * *mean } else { *square };
            *velocity = momentum * *velocity + gradient / (variance.sqrt() + epsilon);
            *parameter -= 0.01 * *velocity;
        });
        assert_numbers(&ours, &expected);
    }
}

#[test]
fn optimizers_arrive_where_pytorch_arrives() {
    // torch.optim 2.11.0 in float64, six steps from START along `gradient`.
    let golden = [
        (
            json!({"sgd": {"learning_rate": 0.1, "weight_decay": 0.05}}),
            [-0.028728029671307838, -0.09313042105758905, -0.04201790226748277],
        ),
        (
            json!({"sgd": {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.05}}),
            [-0.3987652128505267, 1.3446382670725674, -1.7633281923267017],
        ),
        (
            json!({"sgd": {"learning_rate": 0.1, "momentum": 0.9, "nesterov": true, "weight_decay": 0.05}}),
            [-0.6508959245705719, 1.7171469577283909, -2.5822320929093516],
        ),
        (
            json!({"adam": {"learning_rate": 0.01}}),
            [0.2802138890184459, -0.6549994073045953, 1.0623918273561646],
        ),
        (
            json!({"adam": {"learning_rate": 0.01, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3, "weight_decay": 0.05}}),
            [0.27771629554546473, -0.6551708810218916, 1.0616242634162827],
        ),
        (
            json!({"rmsprop": {"learning_rate": 0.01}}),
            [0.1289206448564895, -0.44683530849549385, 0.8591123706029238],
        ),
        (
            json!({"rmsprop": {"learning_rate": 0.01, "momentum": 0.9}}),
            [0.01031725464534528, 0.26297973032073857, 0.3421904383307352],
        ),
        (
            json!({"rmsprop": {"learning_rate": 0.01, "decay": 0.9, "epsilon": 1e-3, "momentum": 0.5, "centered": true, "weight_decay": 0.05}}),
            [0.21162579969530354, -0.5286938319744401, 0.9559050781992002],
        ),
    ];
    for (value, expected) in golden {
        println!("{value}");
        assert_numbers(&run(value, None), &expected);
    }
    let clipped = run(json!({"sgd": {"learning_rate": 0.1, "momentum": 0.9}}), Some(1.5));
    assert_numbers(&clipped, &[-0.050320141106781346, 0.4466858175564373, -0.005740896476307006]);
}

#[test]
fn clipping_scales_all_parameters_by_one_factor() {
    let (first, second) = (Tensor::from_slice(&[0.0, 0.0]), Tensor::from_slice(&[0.0]));
    let mut optimizer = Optimizer::new(config(json!({"sgd": {"learning_rate": 1.0}})), Some(6.5));
    optimizer.step(vec![explicit(0, &first, &[3.0, 4.0]), explicit(1, &second, &[12.0])], 1.0);
    assert_close(&first, &Tensor::from_slice(&[-1.5, -2.0]), 1e-6);
    assert_close(&second, &Tensor::from_slice(&[-6.0]), 1e-6);
    // A joint norm within the bound is left alone.
    optimizer.step(vec![explicit(0, &first, &[-1.5, -2.0]), explicit(1, &second, &[-6.0])], 1.0);
    assert!(first.norm().double_value(&[]) < 1e-5 && second.norm().double_value(&[]) < 1e-5);
}

#[test]
fn the_schedule_scales_the_learning_rate() {
    for value in [
        json!({"sgd": {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.1}}),
        json!({"adam": {"learning_rate": 0.1}}),
        json!({"rmsprop": {"learning_rate": 0.1, "momentum": 0.5}}),
    ] {
        let (half, whole) = (Tensor::from_slice(&START), Tensor::from_slice(&START));
        let mut smaller = value.clone();
        *smaller.as_object_mut().unwrap().values_mut().next().unwrap().get_mut("learning_rate").unwrap() =
            json!(0.05);
        let (mut scheduled, mut plain) =
            (Optimizer::new(config(value), None), Optimizer::new(config(smaller), None));
        for step in 0..STEPS {
            scheduled.step(vec![explicit(0, &half, &gradient(step))], 0.5);
            plain.step(vec![explicit(0, &whole, &gradient(step))], 1.0);
        }
        assert_close(&half, &whole, 1e-14);
    }
}

fn every_optimizer() -> Vec<OptimizerConfig> {
    [
        json!({"sgd": {"learning_rate": 0.1}}),
        json!({"sgd": {"learning_rate": 0.1, "weight_decay": 0.05}}),
        json!({"sgd": {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.05}}),
        json!({"sgd": {"learning_rate": 0.1, "momentum": 0.9, "nesterov": true}}),
        json!({"adam": {"learning_rate": 0.01}}),
        json!({"rmsprop": {"learning_rate": 0.01, "momentum": 0.5, "centered": true}}),
    ]
    .into_iter()
    .map(config)
    .collect()
}

#[test]
fn accumulating_a_hebbian_direction_equals_multiplying_it_out_first() {
    let _generator = generator(81);
    let descriptions = [
        json!({"cnn": {"layers": [{"conv": {"channels": 3, "kernel": 3}}, {"max_pool": {"kernel": 2}}, {"dense": 5}]}}),
        json!({"locally_connected": {"layers": [{"local": {"channels": 3, "kernel": 3, "stride": 2}}, {"dense": 5}]}}),
    ];
    for description in descriptions {
        for optimizer in every_optimizer() {
            let mut fused = network(&description, SMALL_IMAGE, 4);
            let mut plain = network(&description, SMALL_IMAGE, 4);
            let (mut fused_rule, mut plain_rule) =
                (rule("bp", json!({}), &mut fused), rule("bp", json!({}), &mut plain));
            let (mut first, mut second) =
                (Optimizer::new(optimizer.clone(), None), Optimizer::new(optimizer, None));
            for _ in 0..5 {
                let batch = random_batch(6, SMALL_IMAGE, 4);
                first.step(fused_rule.directions(&fused, LOSSES[0], &batch).directions, 1.0);
                let directions = plain_rule.directions(&plain, LOSSES[0], &batch).directions;
                second.step(directions.into_iter().map(Direction::explicit).collect(), 1.0);
            }
            for ((name, fused), (_, plain)) in fused.parameters().iter().zip(plain.parameters()) {
                println!("{name}");
                assert_close(fused, &plain, 1e-12);
            }
        }
    }
}

#[test]
fn an_optimizer_restored_from_its_state_goes_on_as_if_nothing_had_happened() {
    for optimizer in every_optimizer() {
        let undisturbed = Tensor::from_slice(&START);
        let mut first = Optimizer::new(optimizer.clone(), None);
        for step in 0..3 {
            first.step(vec![explicit(0, &undisturbed, &gradient(step))], 1.0);
        }
        let resumed = undisturbed.copy();
        let mut second = Optimizer::new(optimizer, None);
        second.restore(first.state()).unwrap();
        for step in 3..STEPS {
            first.step(vec![explicit(0, &undisturbed, &gradient(step))], 1.0);
            second.step(vec![explicit(0, &resumed, &gradient(step))], 1.0);
            assert_equal(&resumed, &undisturbed);
        }
    }
}

#[test]
fn a_state_that_is_none_is_refused_by_name() {
    let mut optimizer = Optimizer::new(config(json!({"sgd": {"learning_rate": 0.1}})), None);
    for name in ["0.weight.veloci", "weight.velocity", "0.wait.mean", "x.weight.mean", "velocity"] {
        let refused = optimizer.restore(vec![(name.to_owned(), Tensor::from(0.0))]).unwrap_err();
        assert_eq!(refused, format!("`{name}` is no optimizer state"));
    }
}

#[test]
fn values_out_of_range_are_named() {
    let paths = |value: Value| -> Vec<String> {
        config(value).problems().into_iter().map(|problem| problem.path).collect()
    };
    assert_eq!(
        paths(json!({"sgd": {"learning_rate": 0.0, "momentum": 1.0}})),
        ["sgd.learning_rate", "sgd.momentum"]
    );
    assert_eq!(paths(json!({"sgd": {"learning_rate": 0.1, "nesterov": true}})), ["sgd.nesterov"]);
    assert_eq!(
        paths(json!({"adam": {"learning_rate": 0.1, "beta2": 1.5, "epsilon": 0.0}})),
        ["adam.beta2", "adam.epsilon"]
    );
    assert_eq!(
        paths(json!({"rmsprop": {"learning_rate": 0.1, "decay": -0.1, "weight_decay": -1.0}})),
        ["rmsprop.decay", "rmsprop.weight_decay"]
    );
    assert_eq!(paths(json!({"adam": {"learning_rate": 0.1}})), [""; 0]);
}

#[test]
fn feedback_weights_are_clipped_along_but_do_not_count_in_the_norm() {
    let steps = |with_feedback: bool| {
        let (weight, feedback) = (Tensor::from_slice(&START), Tensor::from_slice(&START));
        let mut directions = vec![explicit(0, &weight, &[3.0, 0.0, 4.0])];
        if with_feedback {
            let mut twin = explicit(0, &feedback, &[3.0, 0.0, 4.0]);
            twin.key.role = Role::Feedback;
            directions.push(twin);
        }
        Optimizer::new(config(json!({"sgd": {"learning_rate": 0.1}})), Some(1.0)).step(directions, 1.0);
        [weight, feedback].map(|tensor| Vec::<f64>::try_from(&tensor).unwrap())
    };
    let [alone, _] = steps(false);
    let [weight, feedback] = steps(true);
    assert_eq!(weight, alone);
    assert_eq!(feedback, alone);
}
