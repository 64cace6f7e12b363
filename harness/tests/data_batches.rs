//! From a data set in memory to batches: order, normalisation, augmentation, splits.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use apical::data::{
    Augmentation, Augmenter, Batches, DataRoot, Dataset, DatasetSpec, Normalization, Split, Subset,
    augment::Crop, catalog, epoch_order, load, normalize::Normalizer,
};
use sha2::Digest;
use tch::{Device, Kind, Tensor};

/// As `augment: [crop]` in a suite.
const CROP: Augmentation = Augmentation::Crop(Crop { padding: 4 });

fn digits(change: impl FnOnce(&mut DatasetSpec)) -> Dataset {
    let mut spec = DatasetSpec::named("digits");
    change(&mut spec);
    load(&spec, &DataRoot::cache_in("/nowhere"), Device::Cpu).unwrap()
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    Vec::try_from(tensor.contiguous().view([-1])).unwrap()
}

fn labels(tensor: &Tensor) -> Vec<i64> {
    Vec::try_from(tensor).unwrap()
}

/// A split of `n` random images, the label of each its index.
fn random_split(n: i64, shape: [i64; 3]) -> Split {
    let [channels, height, width] = shape;
    let mut state = 1_u64;
    let pixels: Vec<u8> = (0..n * channels * height * width)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    Split {
        images: Tensor::from_data_size(&pixels, &[n, channels, height, width], Kind::Uint8).into(),
        labels: Tensor::arange(n, (Kind::Int64, Device::Cpu)),
        targets: None,
    }
}

/// All batches of an epoch as bytes again, with their labels.
fn epoch(
    split: &Split,
    order: &[i64],
    batch_size: usize,
    augment: &[Augmentation],
    seed: u64,
) -> (Vec<u8>, Vec<i64>) {
    let normalizer = Normalizer::new(&catalog::CIFAR10, Normalization::Unit, Device::Cpu).unwrap();
    let [_, channels, height, width] = split.images.whole().unwrap().size()[..] else { panic!("no images") };
    let augmenter = Augmenter::new(augment, [channels, height, width]).unwrap();
    let augmentation = (&augmenter, seed);
    let batches =
        Batches::training(split, order, batch_size, &normalizer, augmentation, Kind::Float).unwrap();
    let expected = order.len().div_ceil(batch_size);
    assert_eq!(batches.len(), expected);
    let (mut pixels, mut found, mut n) = (Vec::new(), Vec::new(), 0);
    for batch in batches {
        let batch = batch.unwrap();
        pixels.extend(bytes(&(&batch.images * 255.0).round().to_kind(Kind::Uint8)));
        found.extend(labels(&batch.labels));
        n += 1;
    }
    assert_eq!(n, expected);
    (pixels, found)
}

#[test]
fn digits_are_there_without_any_file() {
    let data = digits(|_| ());
    assert_eq!(data.train.images.whole().unwrap().size(), [1437, 1, 8, 8]);
    assert_eq!(data.train.images.whole().unwrap().kind(), Kind::Uint8);
    assert_eq!((data.train.labels.size(), data.train.labels.kind()), (vec![1437], Kind::Int64));
    assert_eq!((data.test.len(), data.classes.len(), data.shape), (360, 10, [1, 8, 8]));
    assert!(data.validation.is_none());
}

#[test]
fn an_epoch_gives_every_sample_once_in_the_order_asked() {
    let data = digits(|_| ());
    let order = epoch_order(data.train.len(), 3);
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    for batch in data.training_batches(&order, 64, 0, Kind::Float).unwrap() {
        let batch = batch.unwrap();
        assert_eq!(batch.images.kind(), Kind::Float);
        sizes.push(batch.images.size()[0]);
        seen.extend(labels(&batch.labels));
    }
    let all = labels(&data.train.labels);
    assert_eq!(seen, order.iter().map(|&index| all[index as usize]).collect::<Vec<_>>());
    assert_eq!((sizes.len(), sizes[0], sizes[22]), (23, 64, 1437 - 22 * 64));
}

#[test]
fn evaluation_goes_through_a_split_as_it_stands() {
    let data = digits(|spec| spec.augment = vec![CROP, Augmentation::Flip]);
    let batches: Vec<_> =
        data.evaluation_batches(&data.test, 100, Kind::Double).collect::<Result<_, _>>().unwrap();
    assert_eq!(batches.len(), 4);
    let images = Tensor::cat(&batches.iter().map(|batch| &batch.images).collect::<Vec<_>>(), 0);
    assert_eq!(images.kind(), Kind::Double);
    assert!(images.equal(&(data.test.images.whole().unwrap().to_kind(Kind::Double) / 255.0)));
}

#[test]
fn standard_normalisation_gives_the_training_images_mean_0_and_deviation_1() {
    let data = digits(|spec| spec.normalization = Normalization::Standard);
    let all: Vec<_> =
        data.evaluation_batches(&data.train, 500, Kind::Double).map(|batch| batch.unwrap().images).collect();
    let all = Tensor::cat(&all, 0);
    assert!(all.mean(Kind::Double).double_value(&[]).abs() < 1e-12);
    assert!((all.std(false).double_value(&[]) - 1.0).abs() < 1e-12);
}

#[test]
fn normalisations_are_what_they_say_for_every_pixel_value_and_channel() {
    let values: Vec<u8> = (0..=255).collect();
    let pixels = Tensor::from_data_size(&[&values[..]; 3].concat(), &[1, 3, 16, 16], Kind::Uint8);
    for normalization in [Normalization::Unit, Normalization::Standard, Normalization::Centered] {
        let entry = &catalog::CIFAR10;
        let normalizer = Normalizer::new(entry, normalization, Device::Cpu).unwrap();
        let double = normalizer.apply(&pixels, Kind::Double).unwrap();
        let single = normalizer.apply(&pixels, Kind::Float).unwrap();
        for channel in 0..3 {
            for value in 0..256 {
                let x = f64::from(value as u8);
                let expected = match normalization {
                    Normalization::Unit => x / 255.0,
                    Normalization::Centered => x / 127.5 - 1.0,
                    Normalization::Standard => {
                        (x / 255.0 - entry.channel_mean[channel]) / entry.channel_std[channel]
                    }
                };
                let place = [0, channel as i64, value / 16, value % 16];
                assert!((double.double_value(&place) - expected).abs() < 1e-14);
                assert!((single.double_value(&place) - expected).abs() < 1e-6);
                let affine = normalizer.scale[channel] * x + normalizer.shift[channel];
                assert!((affine - expected).abs() < 1e-14);
            }
        }
    }
    assert_eq!(pixels.kind(), Kind::Uint8, "the bytes stay as they are");
}

#[test]
fn cropped_images_are_windows_of_the_padded_ones() {
    let shape = [3, 6, 5];
    let split = random_split(30, shape);
    let order = epoch_order(30, 1);
    let (pixels, found) = epoch(&split, &order, 7, &[CROP], 11);
    assert_eq!(found, order);
    let source = bytes(&split.images.whole().unwrap());
    let [channels, height, width] = shape;
    let length = (channels * height * width) as usize;
    let at = |sample: i64, c: i64, y: i64, x: i64| {
        let inside = (0..height).contains(&y) && (0..width).contains(&x);
        if inside { source[(((sample * channels + c) * height + y) * width + x) as usize] } else { 0 }
    };
    let mut offsets = std::collections::BTreeSet::new();
    for (image, &sample) in pixels.chunks_exact(length).zip(&order) {
        let window = |dy: i64, dx: i64| {
            let places =
                (0..channels).flat_map(|c| (0..height).flat_map(move |y| (0..width).map(move |x| (c, y, x))));
            places.map(|(c, y, x)| at(sample, c, y + dy, x + dx)).collect::<Vec<u8>>()
        };
        let found = (-4..=4)
            .flat_map(|dy| (-4..=4).map(move |dx| (dy, dx)))
            .find(|&(dy, dx)| window(dy, dx) == image);
        offsets.insert(found.expect("no window of the padded image"));
    }
    assert!(offsets.len() > 20, "{offsets:?}");
}

#[test]
fn flipped_images_are_mirrored_about_half_the_time() {
    let split = random_split(400, [3, 4, 5]);
    let order: Vec<i64> = (0..400).collect();
    let (pixels, _) = epoch(&split, &order, 64, &[Augmentation::Flip], 2);
    let (plain, mirrored) =
        (bytes(&split.images.whole().unwrap()), bytes(&split.images.whole().unwrap().flip([3])));
    let images = |bytes: &[u8]| bytes.chunks_exact(60).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let mut flipped = 0;
    for ((image, plain), mirrored) in images(&pixels).iter().zip(&images(&plain)).zip(&images(&mirrored)) {
        assert!(image == plain || image == mirrored);
        flipped += usize::from(image == mirrored);
    }
    // 200 ± 5 standard deviations (10).
    assert!((150..=250).contains(&flipped), "{flipped}");
}

#[test]
fn a_cropped_and_flipped_image_is_the_cropped_one_mirrored() {
    let split = random_split(50, [2, 5, 6]);
    let order: Vec<i64> = (0..50).collect();
    let (cropped, _) = epoch(&split, &order, 50, &[CROP], 9);
    let (both, _) = epoch(&split, &order, 50, &[Augmentation::Flip, CROP], 9);
    for (cropped, both) in cropped.chunks_exact(60).zip(both.chunks_exact(60)) {
        let mirrored: Vec<u8> = cropped.chunks_exact(6).flat_map(|row| row.iter().rev().copied()).collect();
        assert!(both == cropped || both == mirrored);
    }
    assert_ne!(cropped, both);
}

#[test]
fn augmentation_depends_on_its_seed_and_on_nothing_else() {
    let split = random_split(50, [3, 8, 8]);
    let order = epoch_order(50, 4);
    let both = [CROP, Augmentation::Flip];
    let first = epoch(&split, &order, 16, &both, 5);
    tch::manual_seed(99);
    assert_eq!(
        first,
        epoch(&split, &order, 50, &both, 5),
        "neither LibTorch's generator nor the batch size matters"
    );
    assert_ne!(first, epoch(&split, &order, 16, &both, 6));
}

#[test]
fn crops_and_mirrorings_of_a_seed_are_the_same_in_every_version() {
    let split = random_split(50, [3, 8, 7]);
    let (pixels, _) = epoch(&split, &epoch_order(50, 4), 16, &[CROP, Augmentation::Flip], 5);
    let digest = sha2::Sha256::digest(&pixels);
    // Written down once: a change here changes every recorded result that was augmented.
    assert_eq!(digest[..8], [83, 255, 24, 192, 197, 144, 197, 129]);
}

#[test]
fn an_augmentation_listed_twice_is_refused() {
    let mut spec = DatasetSpec::named("digits");
    spec.augment = vec![Augmentation::Flip, Augmentation::Flip];
    let error = load(&spec, &DataRoot::cache_in("/nowhere"), Device::Cpu).unwrap_err();
    assert_eq!(
        error.to_string(),
        "data set `digits`: augment: `flip` is listed twice: list each change once"
    );
}

#[test]
fn splits_are_disjoint_stratified_and_exact() {
    let whole = digits(|_| ());
    let data = digits(|spec| {
        spec.validation = 300;
        spec.subset = Subset { train: Some(1000), test: Some(100) };
    });
    let validation = data.validation.as_ref().unwrap();
    assert_eq!((data.train.len(), validation.len(), data.test.len()), (1000, 300, 100));
    let images = |split: &Split| {
        bytes(&split.images.whole().unwrap()).chunks_exact(64).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let train: std::collections::BTreeSet<_> = images(&data.train).into_iter().collect();
    assert_eq!(train.len(), 1000, "the digits have no duplicates, so nor has a subset");
    assert!(images(validation).iter().all(|image| !train.contains(image)));
    let count =
        |split: &Split, class: i64| labels(&split.labels).iter().filter(|&&l| l == class).count() as f64;
    for class in 0..10 {
        for (part, all) in
            [(&data.train, &whole.train), (validation, &whole.train), (&data.test, &whole.test)]
        {
            let share = count(all, class) * part.len() as f64 / all.len() as f64;
            assert!((count(part, class) - share).abs() < 2.0, "class {class}");
        }
    }
    // Each image kept its label.
    let known: std::collections::BTreeMap<_, _> =
        images(&whole.train).into_iter().zip(labels(&whole.train.labels)).collect();
    for (image, label) in images(&data.train).iter().zip(labels(&data.train.labels)) {
        assert_eq!(known[image], label);
    }
}

#[test]
fn asking_for_more_than_there_is_names_the_numbers() {
    let mut spec = DatasetSpec::named("digits");
    spec.validation = 437;
    spec.subset.train = Some(1001);
    let error = load(&spec, &DataRoot::cache_in("/nowhere"), Device::Cpu).unwrap_err().to_string();
    assert_eq!(
        error,
        "data set `digits`: subset.train: 1001 is more than the 1000 training samples once 437 of 1437 are held out \
         for validation"
    );
}

#[test]
fn a_regression_teaches_its_values_in_the_kind_of_its_inputs() {
    let mut spec = DatasetSpec::named("sacramento-teacher");
    spec.normalization = Normalization::Centered;
    (spec.validation, spec.subset.train) = (500, Some(1000));
    let data = load(&spec, &DataRoot::cache_in("/nowhere"), Device::Cpu).unwrap();
    assert_eq!((data.shape, data.train.len(), data.test.len()), ([1, 1, 30], 1000, 1000));
    assert_eq!(data.validation.as_ref().unwrap().targets.as_ref().unwrap().size(), [500, 10]);
    let targets = data.train.targets.as_ref().unwrap();
    for kind in [Kind::Float, Kind::Double] {
        let order = epoch_order(1000, 3);
        let (mut next, mut lowest) = (0, 0.0_f64);
        for batch in data.training_batches(&order, 300, 0, kind).unwrap() {
            let batch = batch.unwrap();
            assert_eq!((batch.labels.kind(), batch.images.kind()), (kind, kind));
            let size = batch.labels.size()[0];
            let chosen = Tensor::from_slice(&order[next..next + size as usize]);
            let expected = targets.index_select(0, &chosen);
            let distance = (batch.labels.to_kind(Kind::Double) - &expected).abs().max().double_value(&[]);
            assert!(distance < if kind == Kind::Double { 1e-15 } else { 1e-5 }, "{distance}");
            lowest = lowest.min(batch.images.min().double_value(&[]));
            next += size as usize;
        }
        assert_eq!((next, lowest), (1000, -1.0));
    }
    // Splits are stratified by the output with the largest target.
    assert!(bool::try_from(targets.argmax(1, false).eq_tensor(&data.train.labels).all()).unwrap());
}
