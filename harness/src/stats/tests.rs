//! Against `SciPy` 1.17.1: `scipy.stats.t.ppf`, `t.interval`, `ttest_rel` and `ttest_1samp`; Holm's correction against
//! `multipletests` of statsmodels 0.15.0.

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

#[test]
fn the_p_of_a_paired_test_is_scipys() {
    let differences: Vec<f64> = FA.into_iter().zip(BP).map(|(left, right)| left - right).collect();
    for (differences, expected) in [
        (&differences[..], 0.001_357_213_400_729_886),
        (&[-60.0, -55.0, -63.0], 0.001_542_943_531_001_545_2),
        (&[0.1, -0.2, 0.3], 0.691_393_300_075_816_1),
        (&[0.5, 0.75], 0.125_665_916_378_002_4),
    ] {
        let p = paired_t_test(differences).unwrap();
        assert!((p / expected - 1.0).abs() < 1e-9, "{p} is not {expected}");
    }
    // A tail as far out as this has its digits too.
    let nearly_the_same = [10.0, 10.001, 9.999, 10.002, 9.998, 10.0, 10.001, 9.999];
    let p = paired_t_test(&nearly_the_same).unwrap();
    assert!((p / 1.202_960_722_908_393_8e-28 - 1.0).abs() < 1e-6, "{p}");
}

#[test]
fn where_all_differences_are_the_same_nothing_is_left_to_chance() {
    assert_eq!(paired_t_test(&[0.0, 0.0]), Some(1.0));
    assert_eq!(paired_t_test(&[-0.5, -0.5, -0.5]), Some(0.0));
    assert_eq!(paired_t_test(&[-0.5]), None);
}

#[test]
fn holms_correction_is_that_of_statsmodels() {
    for (p_values, expected) in [
        (&[0.01, 0.04, 0.03, 0.005, 0.6][..], &[0.04, 0.09, 0.09, 0.025, 0.6][..]),
        (&[0.02, 0.02, 0.9, 0.0], &[0.06, 0.06, 0.9, 0.0]),
    ] {
        let corrected = holm(p_values);
        assert_eq!(corrected.len(), expected.len());
        for (corrected, expected) in corrected.into_iter().zip(expected) {
            same(corrected, *expected);
        }
    }
    assert!(holm(&[]).is_empty());
}
