//! Max-pooling in float32 on the CPU is our own kernel; it gives what LibTorch's gives, to the bit.

use crate::support::{assert_equal, generator, randn};
use apical_algorithms::pooling::Pool;
use tch::{Kind, Tensor};

const WINDOWS: [(i64, i64, i64); 7] =
    [(2, 2, 0), (3, 2, 1), (3, 2, 0), (2, 1, 0), (5, 3, 2), (1, 1, 0), (4, 5, 2)];

#[test]
fn max_pooling_equals_libtorch_in_values_places_and_adjoint() {
    let _generator = generator(71);
    for (kernel, stride, padding) in WINDOWS {
        for [height, width] in [[8, 8], [7, 12], [28, 27], [5, 6]] {
            let maps = randn(&[3, 4, height, width]).to_kind(Kind::Float);
            // Ties, as ReLU makes them, infinities and a NaN; then another memory order.
            let ties = maps.relu();
            let odd = maps.copy();
            let _ = odd.narrow(3, 2, 1).fill_(f64::NAN);
            let _ = odd.narrow(2, 1, 2).fill_(f64::NEG_INFINITY);
            let strided = maps.transpose(0, 1);
            for maps in [maps, ties, odd, strided] {
                let pool = Pool::Max { kernel, stride, padding };
                let ours = pool.apply(&maps);
                let (expected, indices) = maps.contiguous().max_pool2d_with_indices(
                    [kernel; 2],
                    [stride; 2],
                    [padding; 2],
                    [1, 1],
                    false,
                );
                println!("{kernel} {stride} {padding} on {height}×{width}");
                assert!(ours.output.allclose(&expected, 0.0, 0.0, true));
                let error = expected.randn_like();
                let adjoint = maps.contiguous().max_pool2d_with_indices_backward(
                    &error,
                    [kernel; 2],
                    [stride; 2],
                    [padding; 2],
                    [1, 1],
                    false,
                    &indices,
                );
                assert_equal(&pool.adjoint(&error, &maps, &ours), &adjoint);
            }
        }
    }
}

#[test]
fn a_pool_that_does_not_fit_says_why() {
    let refused = Pool::Max { kernel: 3, stride: 1, padding: 2 }.output_shape([1, 9, 9]).unwrap_err();
    assert_eq!(refused, "padding 2 is more than half of the window of 3");
    let refused = Pool::Average { kernel: 3, stride: 1, padding: 0 }.output_shape([1, 2, 9]).unwrap_err();
    assert_eq!(refused, "a kernel of 3×3 does not fit into 2×9 with padding 0");
    assert_eq!(Pool::GlobalAverage.output_shape([5, 2, 9]), Ok([5, 1, 1]));
}

#[test]
fn average_pooling_counts_its_padding() {
    let maps = Tensor::ones([1, 1, 2, 2], tch::kind::FLOAT_CPU);
    let pooled = Pool::Average { kernel: 2, stride: 2, padding: 1 }.apply(&maps).output;
    assert_equal(&pooled, &(Tensor::ones([1, 1, 2, 2], tch::kind::FLOAT_CPU) * 0.25));
}
