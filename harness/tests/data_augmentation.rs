//! What augmentation may depend on, what it may change, and which descriptions of it are refused.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use apical::data::{
    Augmentation, Augmenter, Batches, DataRoot, Dataset, DatasetSpec, Normalization, Split,
    augment::refusals, catalog, epoch_order, load, normalize::Normalizer,
};
use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

const SHAPE: [i64; 3] = [3, 20, 24];

fn read(yaml: &str) -> Vec<Augmentation> {
    serde_yaml::from_str(yaml).unwrap()
}

/// Every list of changes whose batches are looked at here.
fn lists() -> Vec<Vec<Augmentation>> {
    [
        "[crop]",
        "[{crop: {padding: 9}}]",
        "[flip]",
        "[resized-crop]",
        "[{color-jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}}]",
        "[crop, flip, {color-jitter: {hue: 0.5}}]",
        "[resized-crop, flip, {color-jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}}]",
    ]
    .map(read)
    .into()
}

/// 60 random images, the label of each its index.
fn split() -> Split {
    let n = 60 * SHAPE.iter().product::<i64>();
    let values = Tensor::arange(n, (Kind::Int64, Device::Cpu)) * 7919;
    Split {
        images: values
            .remainder(104_729)
            .remainder(256)
            .to_kind(Kind::Uint8)
            .view([60, SHAPE[0], SHAPE[1], SHAPE[2]])
            .into(),
        labels: Tensor::arange(60, (Kind::Int64, Device::Cpu)),
        targets: None,
    }
}

/// The images of an epoch, one after the other, and their labels.
fn epoch(changes: &[Augmentation], seed: u64, batch_size: usize, kind: Kind) -> (Tensor, Vec<i64>) {
    let (split, order) = (split(), epoch_order(60, 4));
    let normalizer = Normalizer::new(&catalog::CIFAR10, Normalization::Unit, Device::Cpu).unwrap();
    let augmenter = Augmenter::new(changes, SHAPE).unwrap();
    let batches =
        Batches::training(&split, &order, batch_size, &normalizer, (&augmenter, seed), kind).unwrap();
    let batches: Vec<_> = batches.collect::<Result<_, _>>().unwrap();
    assert!(batches.iter().all(|batch| batch.images.kind() == kind));
    let images = Tensor::cat(&batches.iter().map(|batch| &batch.images).collect::<Vec<_>>(), 0);
    let labels = Tensor::cat(&batches.iter().map(|batch| &batch.labels).collect::<Vec<_>>(), 0);
    assert_eq!(images.size(), [60, SHAPE[0], SHAPE[1], SHAPE[2]]);
    (images, Vec::try_from(labels).unwrap())
}

fn images(changes: &[Augmentation], seed: u64) -> Tensor {
    epoch(changes, seed, 16, Kind::Float).0
}

#[test]
fn the_same_seed_gives_the_same_batches_and_another_seed_others() {
    for changes in lists() {
        let first = images(&changes, 5);
        tch::manual_seed(99);
        assert!(first.equal(&images(&changes, 5)), "LibTorch's generator has a say in {changes:?}");
        assert!(!first.equal(&images(&changes, 6)), "{changes:?}");
        assert!(!first.equal(&images(&[], 5)), "{changes:?} change nothing");
    }
}

#[test]
fn neither_the_batch_size_nor_the_number_of_threads_matters() {
    for changes in lists() {
        let first = images(&changes, 5);
        for batch_size in [1, 7, 60] {
            let other = epoch(&changes, 5, batch_size, Kind::Float).0;
            let apart = (&first - other).abs().max().double_value(&[]);
            // Draws are the same; sums over an image may be taken in another order.
            assert!(apart < 1e-6, "{changes:?}, {batch_size} at a time: {apart}");
        }
        let threads = tch::get_num_threads();
        tch::set_num_threads(if threads == 1 { 2 } else { 1 });
        let other = images(&changes, 5);
        tch::set_num_threads(threads);
        assert!((&first - other).abs().max().double_value(&[]) < 1e-6, "{changes:?}");
    }
}

#[test]
fn double_precision_shows_the_same_images() {
    for changes in lists() {
        let (single, double) =
            (epoch(&changes, 5, 16, Kind::Float).0, epoch(&changes, 5, 16, Kind::Double).0);
        let apart = (single.to_kind(Kind::Double) - double).abs().max().double_value(&[]);
        assert!(apart < 1e-4, "{changes:?}: {apart}");
    }
}

#[test]
fn labels_follow_the_order_and_values_stay_within_those_of_pixels() {
    for changes in lists() {
        let (images, labels) = epoch(&changes, 5, 16, Kind::Float);
        assert_eq!(labels, epoch_order(60, 4));
        assert!(
            images.min().double_value(&[]) >= 0.0 && images.max().double_value(&[]) <= 1.0,
            "{changes:?}"
        );
    }
}

#[test]
fn each_image_has_draws_of_its_own() {
    for changes in lists().into_iter().filter(|changes| *changes != [Augmentation::Flip]) {
        let (split, order) = (split(), vec![0; 30]);
        let normalizer = Normalizer::new(&catalog::CIFAR10, Normalization::Unit, Device::Cpu).unwrap();
        let augmenter = Augmenter::new(&changes, SHAPE).unwrap();
        let mut batches =
            Batches::training(&split, &order, 30, &normalizer, (&augmenter, 1), Kind::Float).unwrap();
        let images = batches.next().unwrap().unwrap().images;
        let kinds: std::collections::BTreeSet<Vec<u32>> = (0..30)
            .map(|index| Vec::<f32>::try_from(images.get(index).reshape([-1])).unwrap())
            .map(|image| image.into_iter().map(f32::to_bits).collect())
            .collect();
        assert!(kinds.len() > 20, "{changes:?}: one image was seen in {} forms", kinds.len());
    }
}

#[test]
fn whatever_their_order_in_a_suite_windows_come_first_then_mirrors_then_colours() {
    let jitter = "{color-jitter: {contrast: 0.4, hue: 0.1}}";
    for window in ["crop", "resized-crop"] {
        let all = images(&read(&format!("[{jitter}, flip, {window}]")), 3);
        assert!(all.equal(&images(&read(&format!("[{window}, flip, {jitter}]")), 3)));

        // A change keeps its draws when others join: half the images of the list with a mirror are those without.
        let plain = images(&read(&format!("[{window}, {jitter}]")), 3);
        let close = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]) < 1e-5;
        let mirrored: usize = (0..60)
            .filter(|&index| {
                let (image, plain) = (all.get(index), plain.get(index));
                assert!(close(&image, &plain) || close(&image, &plain.flip([2])), "{window}, image {index}");
                !close(&image, &plain)
            })
            .count();
        assert!((10..=50).contains(&mirrored), "{mirrored}");
    }
}

fn digits(augment: &str) -> Result<Dataset, String> {
    let spec = DatasetSpec { augment: read(augment), ..DatasetSpec::named("digits") };
    load(&spec, &DataRoot::cache_in("/nowhere"), Device::Cpu).map_err(|error| error.to_string())
}

#[test]
fn what_is_evaluated_is_never_changed() {
    let data = digits("[resized-crop, flip, {color-jitter: {brightness: 0.4, contrast: 0.4}}]").unwrap();
    let images = data.evaluation_batches(&data.test, 360, Kind::Double).next().unwrap().unwrap().images;
    assert!(images.equal(&(data.test.images.whole().unwrap().to_kind(Kind::Double) / 255.0)));
    let order = epoch_order(data.train.len(), 0);
    let batch = data.training_batches(&order, 64, 7, Kind::Double).unwrap().next().unwrap().unwrap();
    let pixels = data.train.images.select(&Tensor::from_slice(&order[..64])).unwrap();
    assert!(!batch.images.equal(&(pixels.to_kind(Kind::Double) / 255.0)));
}

#[test]
fn training_leaves_the_pixels_it_reads_as_they_are() {
    let data = digits("[{color-jitter: {brightness: 1}}]").unwrap();
    let before = data.train.images.whole().unwrap().copy();
    let order = epoch_order(data.train.len(), 0);
    for batch in data.training_batches(&order, 64, 7, Kind::Float).unwrap() {
        batch.unwrap();
    }
    assert!(data.train.images.whole().unwrap().equal(&before));
}

#[test]
fn a_description_that_cannot_be_followed_is_refused_with_a_remedy() {
    let refused = |yaml: &str| digits(yaml).unwrap_err();
    for (yaml, error) in [
        (
            "[crop, resized-crop]",
            "`crop` and `resized-crop` both choose the window of an image: drop one of them",
        ),
        ("[crop, flip, crop]", "`crop` is listed twice: list each change once"),
        ("[{crop: {padding: 0}}]", "a `crop` with a padding of 0 changes nothing: leave it out, or pad"),
        (
            "[{crop: {padding: 8}}]",
            "a padding of 8 can leave nothing of 8×8 pixels: `{crop: {padding: …}}` with 1 to 7",
        ),
        (
            "[{resized-crop: {scale: [0.5, 0.25]}}]",
            "[0.5, 0.25] runs from the larger share to the smaller: write [0.25, 0.5]",
        ),
        (
            "[{resized-crop: {scale: [0, 1]}}]",
            "[0, 1] is no range of shares of an image's area: above 0 and at most 1, the smaller first",
        ),
        (
            "[{resized-crop: {scale: [0.5, 1.5]}}]",
            "[0.5, 1.5] is no range of shares of an image's area: above 0 and at most 1, the smaller first",
        ),
        (
            "[{resized-crop: {ratio: [2, 0.5]}}]",
            "[2, 0.5] runs from the larger ratio to the smaller: write [0.5, 2]",
        ),
        (
            "[{resized-crop: {ratio: [0, 2]}}]",
            "[0, 2] is no range of width over height: above 0, the smaller first",
        ),
        (
            "[color-jitter]",
            "a `color-jitter` of nothing changes nothing: give `brightness`, `contrast`, `saturation` or `hue`, \
             or leave it out",
        ),
        (
            "[{color-jitter: {brightness: -0.1}}]",
            "-0.1 is not how far a factor can be from 1: at least 0; 0.4 is common",
        ),
        ("[{color-jitter: {hue: 0.6}}]", "0.6 is not how far hue can turn: 0 to 0.5 turns; 0.1 is common"),
        (
            "[{color-jitter: {brightness: 0.1, saturation: 0.1}}]",
            "images without colours have no saturation: leave it out; `brightness` and `contrast` change greys as well",
        ),
    ] {
        assert_eq!(refused(yaml), format!("data set `digits`: augment: {error}"));
    }
    let places =
        refusals(&read("[flip, {color-jitter: {hue: 9, contrast: -1}}, {crop: {padding: 0}}]"), SHAPE);
    let places: Vec<&str> = places.iter().map(|refusal| refusal.path.as_str()).collect();
    assert_eq!(places, ["1.color-jitter.contrast", "1.color-jitter.hue", "2.crop.padding"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_description_that_is_not_refused_gives_images_of_any_shape(
        (channels, height, width) in (prop_oneof![Just(1_i64), Just(3)], 1_i64..12, 1_i64..12),
        (least, most) in (0.01..1.0_f64, 0.01..1.0_f64),
        (narrowest, widest) in (0.1..9.0_f64, 0.1..9.0_f64),
        hue in 0.0..0.5_f64,
    ) {
        let changes = read(&format!(
            "[{{resized-crop: {{scale: [{least}, {most}], ratio: [{narrowest}, {widest}]}}}}, flip, \
             {{color-jitter: {{brightness: 3, contrast: 2, hue: {}}}}}]",
            if channels == 3 { hue } else { 0.0 }
        ));
        let augmenter = Augmenter::new(&changes, [channels, height, width]);
        prop_assert_eq!(augmenter.is_ok(), least <= most && narrowest <= widest);
        if let Ok(augmenter) = augmenter {
            let pixels = Tensor::randint(256, [5, channels, height, width], (Kind::Uint8, Device::Cpu));
            let images = augmenter.draw(5, 1, Device::Cpu).unwrap().apply(pixels, 0, Kind::Float).unwrap();
            prop_assert_eq!(images.size(), [5, channels, height, width]);
            prop_assert!(images.min().double_value(&[]) >= 0.0 && images.max().double_value(&[]) <= 255.0);
        }
    }
}
