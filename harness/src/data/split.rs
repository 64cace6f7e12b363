//! Stratified, seeded choices of samples: validation hold-outs and subsets.
//!
//! Counts are exact and as near to the classes' shares as whole numbers allow (largest remainder). The choice depends
//! on the labels, the sizes and the seed alone. Validation is chosen first, so it does not change with the subset.

use super::random::{shuffle, stream};

/// A label as data sets store it: a byte, or two where there may be more than 256 classes.
pub trait Label: Copy + Ord + Into<usize> {}

impl<L: Copy + Ord + Into<usize>> Label for L {}

/// Samples of the training set by what they are used for; indices in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Samples to train on.
    pub train: Vec<usize>,
    /// Samples held out.
    pub validation: Vec<usize>,
}

/// Holds out `validation` samples, then chooses `subset` of the rest, or all of it.
///
/// Errors say how many samples there are and how many were asked for.
pub fn partition<L: Label>(
    labels: &[L],
    validation: usize,
    subset: Option<usize>,
    seed: u64,
) -> Result<Partition, String> {
    let available = labels.len();
    if validation >= available && validation > 0 {
        return Err(format!(
            "validation: {validation} of the {available} training samples leaves none to train on"
        ));
    }
    let rest = available - validation;
    let wanted = subset.unwrap_or(rest);
    if wanted > rest {
        let held = if validation == 0 {
            String::new()
        } else {
            format!(" once {validation} of {available} are held out for validation")
        };
        return Err(format!("subset.train: {wanted} is more than the {rest} training samples{held}"));
    }
    if wanted == 0 {
        return Err("subset.train: 0 leaves no sample to train on".to_owned());
    }
    let mut classes = by_class(labels, seed, "train");
    let validation = take(&mut classes, validation);
    Ok(Partition { train: take(&mut classes, wanted), validation })
}

/// Chooses `subset` of the test samples, or all of them.
pub fn choose<L: Label>(labels: &[L], subset: Option<usize>, seed: u64) -> Result<Vec<usize>, String> {
    let available = labels.len();
    let wanted = subset.unwrap_or(available);
    if wanted > available {
        return Err(format!("subset.test: {wanted} is more than the {available} test samples"));
    }
    if wanted == 0 {
        return Err("subset.test: 0 leaves no sample to test on".to_owned());
    }
    Ok(take(&mut by_class(labels, seed, "test"), wanted))
}

/// The samples of each class in a seeded random order.
fn by_class<L: Label>(labels: &[L], seed: u64, purpose: &str) -> Vec<Vec<usize>> {
    let mut classes = vec![Vec::new(); labels.iter().max().map_or(0, |&label| label.into() + 1)];
    for (index, &label) in labels.iter().enumerate() {
        classes[label.into()].push(index);
    }
    let mut rng = stream(seed, &format!("split {purpose}"));
    for class in &mut classes {
        shuffle(class, &mut rng);
    }
    classes
}

/// Removes `n` samples from the front of the classes' lists, stratified; ascending.
fn take(classes: &mut [Vec<usize>], n: usize) -> Vec<usize> {
    let sizes: Vec<usize> = classes.iter().map(Vec::len).collect();
    let mut taken: Vec<usize> =
        classes.iter_mut().zip(quotas(&sizes, n)).flat_map(|(class, quota)| class.drain(..quota)).collect();
    taken.sort_unstable();
    taken
}

/// Whole numbers that add up to `n` ≤ Σ sizes in proportion to `sizes`: largest remainder, ties to the lower class.
fn quotas(sizes: &[usize], n: usize) -> Vec<usize> {
    let total = sizes.iter().sum::<usize>().max(1) as u128;
    let share = |size: usize| n as u128 * size as u128;
    let mut quotas: Vec<usize> = sizes.iter().map(|&size| (share(size) / total) as usize).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&class| std::cmp::Reverse(share(sizes[class]) % total));
    let missing = n - quotas.iter().sum::<usize>();
    for &class in &by_remainder[..missing] {
        quotas[class] += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use proptest::prelude::*;

    fn labels() -> Vec<u8> {
        (0..1000_u32).map(|i| if i % 10 < 7 { 0 } else { (i % 3) as u8 }).collect()
    }

    fn counts(labels: &[u8], chosen: &[usize]) -> [usize; 3] {
        [0, 1, 2].map(|class| chosen.iter().filter(|&&index| labels[index] == class).count())
    }

    #[test]
    fn shares_follow_the_largest_remainder() {
        assert_eq!(quotas(&[50, 30, 20], 10), [5, 3, 2]);
        assert_eq!(quotas(&[1, 1, 1], 2), [1, 1, 0]);
        assert_eq!(quotas(&[5, 0, 1], 3), [3, 0, 0]);
        assert_eq!(quotas(&[7, 2, 1], 10), [7, 2, 1]);
        assert_eq!(quotas(&[], 0), [0; 0]);
    }

    #[test]
    fn splits_keep_the_classes_shares() {
        let labels = labels();
        let whole = counts(&labels, &(0..1000).collect::<Vec<_>>());
        let split = partition(&labels, 100, Some(200), 0).unwrap();
        for (part, size) in [(&split.validation, 100), (&split.train, 200)] {
            assert_eq!(part.len(), size);
            for (class, &n) in counts(&labels, part).iter().enumerate() {
                assert!((n as f64 - whole[class] as f64 * size as f64 / 1000.0).abs() <= 1.0);
            }
        }
    }

    #[test]
    fn validation_does_not_change_with_the_subset_but_with_the_seed() {
        let labels = labels();
        let all = partition(&labels, 100, None, 5).unwrap();
        let some = partition(&labels, 100, Some(10), 5).unwrap();
        assert_eq!(all.validation, some.validation);
        assert_ne!(all.validation, partition(&labels, 100, None, 6).unwrap().validation);
        assert_eq!(all.train.len(), 900);
    }

    #[test]
    fn asking_for_too_much_names_the_numbers() {
        let labels = labels();
        let message = partition(&labels, 200, Some(900), 0).unwrap_err();
        assert_eq!(
            message,
            "subset.train: 900 is more than the 800 training samples once 200 of 1000 are held out for validation"
        );
        assert!(partition(&labels, 1000, None, 0).unwrap_err().contains("1000 of the 1000 training samples"));
        assert!(partition(&labels, 0, Some(0), 0).is_err());
        let message = choose(&labels, Some(1001), 0).unwrap_err();
        assert_eq!(message, "subset.test: 1001 is more than the 1000 test samples");
    }

    proptest! {
        #[test]
        fn no_sample_is_both_trained_on_and_held_out(
            labels in prop::collection::vec(0..7_u8, 2..200), validation in 0.0..1.0_f64, subset in 0.0..1.0_f64, seed: u64
        ) {
            let validation = (validation * (labels.len() - 1) as f64) as usize;
            let rest = labels.len() - validation;
            let subset = 1 + (subset * (rest - 1) as f64) as usize;
            let split = partition(&labels, validation, Some(subset), seed).unwrap();
            prop_assert_eq!((split.train.len(), split.validation.len()), (subset, validation));
            let mut all = [split.train, split.validation].concat();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(all.len(), subset + validation);
            prop_assert!(all.iter().all(|&index| index < labels.len()));
        }
    }
}
