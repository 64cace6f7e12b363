//! A folder of photos from a line in a suite to batches, and what is said where it does not work.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "other tests need more of it")]
mod support;

use std::{
    fs,
    path::Path,
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

use apical::{
    data::{
        DataRoot, DatasetSpec, Places, Progress,
        images::{self, Fit},
    },
    plan::Plan,
    suite::{self, SuiteErrors},
};
use image::{Rgb, RgbImage};
use tch::{Device, Kind, Tensor};

/// Eight training and two test images of each of three classes, each of a colour of its own, in `photos`.
fn photos(place: &Path) {
    for (class, name) in ["ant", "bee", "cat"].into_iter().enumerate() {
        for (split, n) in [("train", 8), ("val", 2)] {
            for i in 0..n {
                let folder = place.join("photos").join(split).join(name);
                fs::create_dir_all(&folder).unwrap();
                let colour = Rgb([class as u8 * 100, i * 20, u8::from(split == "val")]);
                RgbImage::from_pixel(12, 10, colour).save(folder.join(format!("{i}.png"))).unwrap();
            }
        }
    }
}

/// A place with photos, and a cache.
fn place() -> (tempfile::TempDir, DataRoot) {
    let folder = tempfile::tempdir().unwrap();
    photos(folder.path());
    let root = DataRoot::cache_in(folder.path().join("cache"));
    (folder, root)
}

fn plan_in(folder: &Path, root: &DataRoot, dataset: &str) -> Result<Plan, SuiteErrors> {
    let text = format!(
        "name: s\ndescription: d\ndatasets:\n  photos: {{{dataset}}}\n\
         architectures: {{mlp: {{mlp: {{hidden: [3]}}}}}}\nalgorithms: {{bp: {{}}}}\n\
         training: {{epochs: 1, batch_size: 4, optimizer: {{sgd: {{learning_rate: 0.1}}}}}}\n"
    );
    let path = folder.join("suite.yaml");
    fs::write(&path, text).unwrap();
    suite::load_with(&path, Some(root.clone()))
}

fn spec_in(folder: &Path, root: &DataRoot, dataset: &str) -> DatasetSpec {
    let plan = plan_in(folder, root, dataset).unwrap_or_else(|errors| panic!("{errors}"));
    plan.runs[0].spec.dataset.clone()
}

fn packed(folder: &Path, root: &DataRoot, dataset: &str) -> DatasetSpec {
    let spec = spec_in(folder, root, dataset);
    let places = Places { beside: Some(folder.to_owned()), root: Some(root.clone()) };
    images::ensure(&spec, &places, root, &mut |_| {}).unwrap();
    spec
}

const PHOTOS: &str = "name: imagenet-folder, folder: photos, size: 8";

#[test]
fn three_words_in_a_suite_make_a_folder_a_dataset() {
    let (folder, root) = place();
    let spec = spec_in(folder.path(), &root, PHOTOS);
    assert_eq!(spec.classes.as_deref().unwrap(), ["ant", "bee", "cat"]);
    assert_eq!((spec.size, spec.fit, spec.test_share), (Some(8), Some(Fit::Crop), None));
    assert_eq!(spec.content.as_ref().unwrap().len(), 32);
}

#[test]
fn a_run_is_the_same_wherever_the_folder_lies_and_another_when_the_images_are() {
    let ((here, root), (there, _)) = (place(), place());
    let id = |folder: &Path, dataset: &str| {
        let plan = plan_in(folder, &root, dataset).unwrap_or_else(|errors| panic!("{errors}"));
        plan.runs[0].id.clone()
    };
    let first = id(here.path(), PHOTOS);
    let absolute = there.path().join("photos").display().to_string();
    let lenient = format!("name: imagenet-folder, folder: {absolute}, size: 8, fit: crop, skip_limit: 0.5");
    assert_eq!(id(here.path(), &lenient), first);
    assert_eq!(id(here.path(), &format!("{PHOTOS}, classes: [cat, bee, ant]")), first);
    assert_ne!(id(here.path(), &format!("{PHOTOS}, class_limit: 2")), first);
    assert_ne!(id(here.path(), &format!("{PHOTOS}, images_per_class: 4")), first);
    fs::remove_file(there.path().join("photos/train/ant/0.png")).unwrap();
    assert_ne!(id(there.path(), PHOTOS), first);
}

#[test]
fn data_folders_are_looked_into_before_the_suites_and_the_cache() {
    let (folder, mut root) = place();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(folder.path().join("photos"), elsewhere.path().join("photos")).unwrap();
    let missing = plan_in(folder.path(), &root, PHOTOS).unwrap_err().to_string();
    assert!(
        missing.contains("suite.yaml:4:") && missing.contains("there is no folder of images `photos`"),
        "{missing}"
    );
    assert!(missing.contains(&folder.path().join("photos").display().to_string()), "{missing}");
    assert!(missing.contains("`--data DIR` or APICAL_DATA"), "{missing}");
    root.folder = Some(elsewhere.path().to_owned());
    spec_in(folder.path(), &root, PHOTOS);
}

#[test]
fn every_mistake_has_its_place_and_a_remedy() {
    let (folder, root) = place();
    for (dataset, message, remedy) in [
        ("name: mnist, size: 32", "`size` is a setting of photos", "`mnist` has none"),
        ("name: imagenet-folder", "does not say which folder", "add `folder:`"),
        (
            "name: imagenet-folder, folder: photos, classes: [ant, bea]",
            "no folder `bea`",
            "nearest of its 3 is `bee`",
        ),
        ("name: imagenet-folder, folder: photos, class_limit: 9", "there are 3 classes", "leave it out"),
        (
            "name: imagenet-folder, folder: photos, test_share: 0.5",
            "says itself what is to be tested on",
            "leave it out",
        ),
        (
            "name: imagenet-folder, folder: photos, content: abc",
            "are not those of `abc`",
            "leave `content` out",
        ),
        ("name: imagenet-folder, folder: photos, validation: 24", "leaves none", "24 training samples"),
        ("name: imagenet-folder, folder: photos, size: 2", "`2` is out of range", "at least 4"),
        ("name: imagenet-folder, folder: photos, fit: strech", "`strech` is not one", "`crop`"),
    ] {
        let errors = plan_in(folder.path(), &root, dataset).unwrap_err();
        let text = errors.to_string();
        assert_eq!(errors.count(), 1, "{text}");
        assert!(text.contains("suite.yaml:4:") && text.contains(message) && text.contains(remedy), "{text}");
    }
}

#[test]
fn images_become_batches_with_their_labels() {
    let (folder, root) = place();
    let spec = packed(folder.path(), &root, &format!("{PHOTOS}, validation: 6, normalization: standard"));
    let data = apical::data::load(&spec, &root, Device::Cpu).unwrap();
    assert_eq!((data.train.len(), data.validation.as_ref().unwrap().len(), data.test.len()), (18, 6, 6));
    assert_eq!((data.shape, data.classes.len()), ([3, 8, 8], 3));
    let pixels = data.train.images.whole().unwrap().to_kind(Kind::Int64);
    let red = Vec::<i64>::try_from(pixels.select(1, 0).select(1, 4).select(1, 4)).unwrap();
    let labels = Vec::<i64>::try_from(&data.train.labels).unwrap();
    assert!(red.iter().zip(&labels).all(|(red, label)| *red == label * 100), "{red:?} {labels:?}");
    assert!(
        Vec::<i64>::try_from(
            data.test.images.whole().unwrap().to_kind(Kind::Int64).select(1, 2).select(1, 0).select(1, 0)
        )
        .unwrap()
        .iter()
        .all(|&blue| blue == 1)
    );
    // Statistics are over all training images, those held out included: the red channel's are known.
    let deviation = (20_000.0_f64 / 3.0).sqrt() / 255.0;
    assert!((data.normalizer.scale[0] - 1.0 / (255.0 * deviation)).abs() < 1e-9);
}

#[test]
fn a_set_that_stays_in_its_file_gives_the_same_batches() {
    let (folder, root) = place();
    let spec = |augment: &str| {
        packed(folder.path(), &root, &format!("{PHOTOS}, subset: {{train: 15}}, augment: {augment}"))
    };
    for spec in
        [spec("[crop, flip]"), spec("[resized-crop, flip, {color-jitter: {brightness: 0.4, hue: 0.1}}]")]
    {
        let load = |resident| images::load(&spec, &root, Device::Cpu, resident).unwrap();
        let (whole, mapped) = (load(usize::MAX), load(0));
        assert!(matches!(mapped.train.images, apical::data::Pixels::Mapped { .. }));
        let order: Vec<i64> = (0..15).rev().collect();
        let epoch = |data: &apical::data::Dataset| -> Vec<Tensor> {
            let training = data.training_batches(&order, 4, 7, Kind::Float).unwrap();
            training
                .chain(data.evaluation_batches(&data.test, 4, Kind::Float))
                .map(|batch| batch.unwrap().images)
                .collect()
        };
        let (a, b) = (epoch(&whole), epoch(&mapped));
        assert_eq!(a.len(), 6);
        assert!(a.iter().zip(&b).all(|(a, b)| a.equal(b)));
    }
}

#[test]
fn a_packed_set_needs_its_folder_no_more_and_one_that_is_not_packed_says_so() {
    let (folder, root) = place();
    let spec = spec_in(folder.path(), &root, PHOTOS);
    let error = apical::data::load(&spec, &root, Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("`apical run SUITE` packs them"), "{error}");
    assert!(apical::data::check_here(&spec, &root).is_err());

    let places = Places { beside: Some(folder.path().to_owned()), root: Some(root.clone()) };
    let mut steps = Vec::new();
    images::ensure(&spec, &places, &root, &mut |step| steps.push(step)).unwrap();
    assert!(matches!(steps.last(), Some(Progress::Packed { images: 30, .. })), "{steps:?}");
    fs::remove_dir_all(folder.path().join("photos")).unwrap();
    images::ensure(&spec, &places, &root, &mut |step| panic!("{step:?}")).unwrap();
    apical::data::check_here(&spec, &root).unwrap();
}

/// How many files in the folder of packed files have this extension.
fn packed_files(data: &Path, extension: &str) -> usize {
    let entries = fs::read_dir(data.join("packed")).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().extension().is_some_and(|found| found == extension)).count()
}

#[test]
fn what_a_build_that_was_killed_leaves_is_no_pack_and_the_next_one_starts_anew() {
    let bench = support::Bench::new(
        "name: s\ndescription: d\ndatasets: {photos: {name: imagenet-folder, folder: photos, size: 16}}\n\
         architectures: {mlp: {mlp: {hidden: [3]}}}\nalgorithms: {bp: {}}\n\
         training: {epochs: 1, batch_size: 4, optimizer: {sgd: {learning_rate: 0.1}}}\n",
    );
    // Large enough that packing them takes a while.
    let large = bench.path().join("large.png");
    RgbImage::from_fn(1500, 1500, |x, y| Rgb([x as u8, y as u8, (x * y) as u8])).save(&large).unwrap();
    for split in ["train", "val"] {
        for class in ["ant", "bee"] {
            let folder = bench.path().join("photos").join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            for i in 0..25 {
                fs::copy(&large, folder.join(format!("{i}.png"))).unwrap();
            }
        }
    }
    let data = bench.path().join("data");
    let run = || {
        let mut command = bench.command("run", &[]);
        command.env("APICAL_DATA", &data).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut killed = run().spawn().unwrap();
    let begun = Instant::now();
    while packed_files(&data, "tmp") == 0 {
        assert!(begun.elapsed() < Duration::from_mins(2), "no build began");
        sleep(Duration::from_millis(2));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(packed_files(&data, "pack"), 0, "it was packed before it could be killed");
    let again = run().output().unwrap();
    let said = support::stderr(&again);
    assert!(again.status.success() && said.contains("100 images packed"), "{said}");
    assert_eq!(bench.measurements().len(), 1);
    assert_eq!((packed_files(&data, "pack"), packed_files(&data, "tmp")), (1, 0));
}
