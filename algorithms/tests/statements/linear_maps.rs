//! Dense, convolutional and locally connected maps against LibTorch's autograd, in float64.

use crate::support::{assert_close, generator, randn};
use apical_algorithms::linear_map::{Conv2d, Dense, LinearMap, LocallyConnected2d};
use tch::{Kind, Tensor};

const TOLERANCE: f64 = 1e-12;

type Reference = Box<dyn Fn(&Tensor, &Tensor, &Tensor) -> Tensor>;

/// A map, and `A(θ) x + b` written with other operations than the map's own.
struct Case {
    name: String,
    map: Box<dyn LinearMap>,
    reference: Reference,
}

/// Sizes whose windows leave a remainder, strides beyond the kernel, padding, non-square images.
const WINDOWS: [([i64; 3], i64, i64, i64, i64); 8] = [
    ([1, 5, 5], 1, 1, 1, 0),
    ([2, 6, 5], 3, 3, 1, 0),
    ([3, 8, 8], 4, 3, 2, 0),
    ([3, 8, 7], 4, 3, 2, 1),
    ([2, 10, 9], 5, 5, 3, 2),
    ([2, 7, 11], 3, 2, 3, 0),
    ([1, 28, 28], 2, 5, 4, 2),
    ([4, 4, 4], 6, 4, 1, 0),
];

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (inputs, outputs) in [(1, 1), (7, 3), (3, 8)] {
        cases.push(Case {
            name: format!("dense {inputs} to {outputs}"),
            map: Box::new(Dense::new(inputs, outputs)),
            reference: Box::new(|weight, bias, input| input.linear(weight, Some(bias))),
        });
    }
    for (image, channels, kernel, stride, padding) in WINDOWS {
        let name = format!("{image:?} to {channels}, kernel {kernel}, stride {stride}, padding {padding}");
        cases.push(Case {
            name: format!("conv {name}"),
            map: Box::new(Conv2d::new(image, channels, kernel, stride, padding).unwrap()),
            reference: Box::new(move |weight, bias, input| {
                input.conv2d(weight, Some(bias), [stride; 2], [padding; 2], [1, 1], 1)
            }),
        });
        let map = LocallyConnected2d::new(image, channels, kernel, stride, padding).unwrap();
        let output_shape = map.output_shape().to_vec();
        cases.push(Case {
            name: format!("local {name}"),
            map: Box::new(map),
            reference: Box::new(move |weight, bias, input| {
                let columns = input.im2col([kernel; 2], [1, 1], [padding; 2], [stride; 2]);
                let output = Tensor::einsum("bkp,pok->bop", &[&columns, weight], None::<&[i64]>);
                let shape: Vec<i64> = [&[input.size()[0]], &output_shape[..]].concat();
                output.reshape(shape) + bias
            }),
        });
    }
    cases
}

fn batched(samples: i64, shape: &[i64]) -> Vec<i64> {
    [&[samples], shape].concat()
}

/// Random values in a memory order that is not the tensor's own.
fn scattered(shape: &[i64]) -> Tensor {
    let reversed: Vec<i64> = shape.iter().rev().copied().collect();
    let order: Vec<i64> = (0..shape.len() as i64).rev().collect();
    randn(&reversed).permute(order)
}

fn inner(left: &Tensor, right: &Tensor) -> Tensor {
    (left * right).sum(Kind::Double)
}

#[test]
fn every_map_and_its_adjoints_equal_autograd() {
    let _generator = generator(1);
    for Case { name, map, reference } in cases() {
        for draw in [randn, scattered] {
            let input = draw(&batched(3, map.input_shape())).set_requires_grad(true);
            let weight = draw(&map.weight_shape()).set_requires_grad(true);
            let bias = randn(&map.bias_shape()).set_requires_grad(true);
            let error = draw(&batched(3, map.output_shape()));
            let output = reference(&weight, &bias, &input);
            let gradients =
                Tensor::run_backward(&[inner(&output, &error)], &[&input, &weight, &bias], false, false);
            let (input, weight, bias) = (input.detach(), weight.detach(), bias.detach());
            println!("{name}");
            assert_close(&map.apply(&weight, Some(&bias), &input), &output.detach(), TOLERANCE);
            assert_close(&map.input_adjoint(&weight, &error), &gradients[0], TOLERANCE);
            assert_close(&map.weight_adjoint(&input, &error), &gradients[1], TOLERANCE);
            assert_close(&map.bias_adjoint(&error), &gradients[2], TOLERANCE);
        }
    }
}

#[test]
fn in_float32_every_map_agrees_with_float64() {
    // Other kernels run in float32, the precision that training uses.
    let _generator = generator(8);
    let float = |tensor: &Tensor| tensor.to_kind(Kind::Float);
    for Case { name, map, .. } in cases() {
        for draw in [randn, scattered] {
            let input = draw(&batched(3, map.input_shape()));
            let weight = draw(&map.weight_shape());
            let bias = draw(&map.bias_shape());
            let error = draw(&batched(3, map.output_shape()));
            println!("{name}");
            let close = |ours: &Tensor, expected: &Tensor| {
                assert_eq!(ours.kind(), Kind::Float);
                assert_close(&ours.to_kind(Kind::Double), expected, 1e-5);
            };
            let (narrow_input, narrow_error) = (float(&input), float(&error));
            let narrow_weight = float(&weight);
            close(
                &map.apply(&narrow_weight, Some(&float(&bias)), &narrow_input),
                &map.apply(&weight, Some(&bias), &input),
            );
            close(&map.apply(&narrow_weight, None, &narrow_input), &map.apply(&weight, None, &input));
            close(&map.input_adjoint(&narrow_weight, &narrow_error), &map.input_adjoint(&weight, &error));
            close(&map.weight_adjoint(&narrow_input, &narrow_error), &map.weight_adjoint(&input, &error));
            for (beta, alpha) in [(1.0, -0.1), (0.9, 1.0), (0.0, 2.0), (0.5, 0.0)] {
                let mut wide = weight.copy();
                let mut narrow = float(&weight).copy();
                map.accumulate_weight_adjoint(&mut wide, beta, alpha, &input, &error);
                map.accumulate_weight_adjoint(&mut narrow, beta, alpha, &narrow_input, &narrow_error);
                close(&narrow, &wide);
            }
        }
    }
}

#[test]
fn a_bias_of_zero_is_no_bias() {
    let _generator = generator(2);
    for Case { name, map, .. } in cases() {
        let input = randn(&batched(2, map.input_shape()));
        let weight = randn(&map.weight_shape());
        let without = map.apply(&weight, None, &input);
        println!("{name}");
        let zero = randn(&map.bias_shape()).zeros_like();
        assert_close(&map.apply(&weight, Some(&zero), &input), &without, TOLERANCE);
        assert_eq!(without.size(), batched(2, map.output_shape()));
    }
}

#[test]
fn the_input_adjoint_is_the_transpose() {
    let _generator = generator(3);
    for Case { name, map, .. } in cases() {
        let input = randn(&batched(4, map.input_shape()));
        let error = randn(&batched(4, map.output_shape()));
        let weight = randn(&map.weight_shape());
        println!("{name}: ⟨e, A x⟩ = ⟨Aᵀ e, x⟩ = ⟨weight adjoint, θ⟩");
        let forwards = inner(&error, &map.apply(&weight, None, &input));
        assert_close(&inner(&map.input_adjoint(&weight, &error), &input), &forwards, 1e-11);
        assert_close(&inner(&map.weight_adjoint(&input, &error), &weight), &forwards, 1e-11);
    }
}

#[test]
fn the_weight_adjoint_with_the_roles_swapped_is_the_gradient_of_a_feedback_path() {
    // ∂⟨r, A(φ)ᵀ y⟩/∂φ = weight_adjoint(r, y): what learned inverses and feedback weights need.
    let _generator = generator(4);
    for Case { name, map, reference } in cases() {
        let feedback = randn(&map.weight_shape()).set_requires_grad(true);
        let activity = randn(&batched(3, map.output_shape()));
        let residual = randn(&batched(3, map.input_shape()));
        // A(φ)ᵀ y as the gradient of a dummy forward pass, differentiated once more.
        let dummy = randn(&batched(3, map.input_shape())).set_requires_grad(true);
        let zero_bias = randn(&map.bias_shape()).zeros_like();
        let forwards = inner(&reference(&feedback, &zero_bias, &dummy), &activity);
        let carried = Tensor::run_backward(&[forwards], &[&dummy], true, true).remove(0);
        let gradient = Tensor::run_backward(&[inner(&carried, &residual)], &[&feedback], false, false);
        println!("{name}");
        assert_close(&map.weight_adjoint(&residual, &activity), &gradient[0], TOLERANCE);
    }
}

#[test]
fn accumulating_a_weight_adjoint_equals_adding_it() {
    let _generator = generator(5);
    for Case { name, map, .. } in cases() {
        for (beta, alpha) in [(1.0, -0.1), (0.9, 1.0), (0.0, 2.0)] {
            let input = scattered(&batched(3, map.input_shape()));
            let error = scattered(&batched(3, map.output_shape()));
            let mut own = randn(&map.weight_shape());
            let expected = &own * beta + map.weight_adjoint(&input, &error) * alpha;
            map.accumulate_weight_adjoint(&mut own, beta, alpha, &input, &error);
            println!("{name}: {beta}, {alpha}");
            assert_close(&own, &expected, TOLERANCE);
        }
    }
}

#[test]
fn a_locally_connected_map_with_one_kernel_everywhere_is_a_convolution() {
    let _generator = generator(6);
    for (image, channels, kernel, stride, padding) in WINDOWS {
        let local = LocallyConnected2d::new(image, channels, kernel, stride, padding).unwrap();
        let conv = Conv2d::new(image, channels, kernel, stride, padding).unwrap();
        assert_eq!(local.output_shape(), conv.output_shape());
        let shared = randn(&conv.weight_shape());
        let positions = local.weight_shape()[0];
        let own = shared.reshape([1, channels, -1]).expand([positions, -1, -1], false);
        let input = randn(&batched(3, &image));
        let error = randn(&batched(3, conv.output_shape()));
        assert_close(&local.apply(&own, None, &input), &conv.apply(&shared, None, &input), TOLERANCE);
        assert_close(&local.input_adjoint(&own, &error), &conv.input_adjoint(&shared, &error), TOLERANCE);
        let summed = local.weight_adjoint(&input, &error).sum_dim_intlist([0i64].as_slice(), false, None);
        assert_close(&summed.view_as(&shared), &conv.weight_adjoint(&input, &error), TOLERANCE);
    }
}

#[test]
fn a_map_of_an_empty_batch_is_empty() {
    let _generator = generator(7);
    for Case { name, map, .. } in cases() {
        let weight = randn(&map.weight_shape());
        println!("{name}");
        let output = map.apply(&weight, None, &randn(&batched(0, map.input_shape())));
        assert_eq!(output.size(), batched(0, map.output_shape()));
    }
}

#[test]
fn a_window_that_does_not_fit_says_why() {
    let refused = Conv2d::new([1, 4, 9], 2, 7, 1, 1).unwrap_err();
    assert_eq!(refused, "a kernel of 7×7 does not fit into 4×9 with padding 1");
    let refused = LocallyConnected2d::new([1, 4, 9], 2, 3, 0, 0).unwrap_err();
    assert_eq!(refused, "kernel 3 and stride 0 must be at least 1, and padding 0 at least 0");
}

#[test]
fn multiply_accumulates_count_every_product() {
    let conv = Conv2d::new([3, 32, 32], 8, 5, 2, 2).unwrap();
    assert_eq!(conv.multiply_accumulates(), 8 * 16 * 16 * 3 * 25);
    assert_eq!(Dense::new(784, 500).multiply_accumulates(), 784 * 500);
}
