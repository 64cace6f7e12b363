//! Against `SciPy` 1.17.1: `scipy.stats.t.ppf`, `t.interval` and `ttest_rel`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

const FA: [f64; 5] = [97.81, 97.95, 97.68, 98.02, 97.74];
const BP: [f64; 5] = [98.10, 98.31, 98.05, 98.22, 98.19];

#[track_caller]
fn same(actual: f64, expected: f64) {
    assert!((actual - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{actual} is not {expected}");
}

#[test]
fn critical_values_of_t_are_scipys() {
    for (freedom, expected) in [
        (1.0, 12.706_204_736_174_694),
        (2.0, 4.302_652_729_749_462),
        (4.0, 2.776_445_105_197_793_4),
        (9.0, 2.262_157_162_798_205),
        (29.0, 2.045_229_642_132_703),
    ] {
        same(t_quantile(freedom), expected);
    }
}

#[test]
fn the_interval_of_a_mean_is_scipys() {
    let fa = estimate(&FA).unwrap();
    same(fa.mean, 97.84);
    same(sample_deviation(&FA).unwrap(), 0.142_302_494_707_575_22);
    same(fa.half_width.unwrap(), 0.176_691_884_533_1);
    same(estimate(&BP).unwrap().half_width.unwrap(), 0.126_807_880_364_989_7);
    same(estimate(&[0.5, 0.75]).unwrap().half_width.unwrap(), 1.588_275_592_021_836_8);
}

#[test]
fn the_interval_of_a_paired_difference_is_scipys() {
    let pairs: Vec<(f64, f64)> = FA.into_iter().zip(BP).collect();
    let difference = paired_difference(&pairs).unwrap();
    same(difference.mean, -0.334);
    same(difference.half_width.unwrap(), 0.116_676_781_527_278_1);
    assert_eq!(difference.excludes_zero(), Some(true));
    assert_eq!(estimate(&[-1.0, 1.0, 0.5]).unwrap().excludes_zero(), Some(false));
}

#[test]
fn a_single_value_has_no_interval_and_nothing_has_no_mean() {
    let one = estimate(&[97.0]).unwrap();
    assert_eq!((one.mean, one.half_width, one.n), (97.0, None, 1));
    assert_eq!(one.excludes_zero(), None);
    assert_eq!(estimate(&[]), None);
}

#[test]
fn equal_values_have_an_interval_of_no_width() {
    assert_eq!(estimate(&[2.0, 2.0, 2.0]).unwrap().half_width, Some(0.0));
}

#[test]
fn the_median_of_an_even_number_is_between_the_middle_two() {
    assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    assert_eq!(median(&[]), None);
}
