//! The packed file.

use std::{
    fs,
    sync::{Arc, Barrier},
    time::{Duration, SystemTime},
};

use super::{
    super::{
        map::Pack,
        pack::{Builder, PackError, Step, file_name},
        resize::Fit,
    },
    builder,
    decoding::claim,
    listed, packed_files, plain, save, tree,
};

#[test]
fn a_pack_holds_every_image_with_its_label_in_order() {
    let (folder, cache) = (tree(5), tempfile::tempdir().unwrap());
    let mut steps = Vec::new();
    let listing = listed(folder.path());
    let pack = builder(cache.path()).ensure(&listing, &mut |step| steps.push(step)).unwrap();
    assert_eq!((pack.header.train, pack.header.test), (10, 4));
    assert_eq!(pack.labels, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1]);
    assert_eq!(pack.row(0), [[0; 64], [0; 64], [100; 64]].concat());
    assert_eq!(pack.row(7), [[255; 64], [20; 64], [100; 64]].concat());
    assert_eq!(pack.gather([7, 0].into_iter()), [pack.row(7), pack.row(0)].concat());
    assert_eq!(steps.last(), Some(&Step::Images { done: 14, total: 14, skipped: 0 }));
    pack.verify().unwrap();
    assert!(pack.header.skipped.is_empty());
}

#[test]
fn statistics_are_those_of_the_training_images_alone() {
    let folder = tempfile::tempdir().unwrap();
    for (path, colour) in
        [("train/a", [0, 10, 7]), ("train/b", [255, 20, 7]), ("val/a", [99; 3]), ("val/b", [99; 3])]
    {
        save(&plain(9, 9, colour), &folder.path().join(path).join("x.png"));
    }
    let cache = tempfile::tempdir().unwrap();
    let Pack { header, .. } = builder(cache.path()).ensure(&listed(folder.path()), &mut |_| {}).unwrap();
    let close = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(close(header.mean, [0.5, 15.0 / 255.0, 7.0 / 255.0]), "{:?}", header.mean);
    // The last channel is the same everywhere.
    assert!(close(header.std, [0.5, 5.0 / 255.0, 1.0]), "{:?}", header.std);
}

#[test]
fn the_second_start_opens_the_file_and_reads_no_image() {
    let (folder, cache) = (tree(4), tempfile::tempdir().unwrap());
    let (listing, builder) = (listed(folder.path()), builder(cache.path()));
    let first = builder.ensure(&listing, &mut |_| {}).unwrap();
    fs::remove_dir_all(folder.path().join("train")).unwrap();
    let second = builder.ensure(&listing, &mut |step| panic!("{step:?}")).unwrap();
    assert_eq!(first.header, second.header);
    assert_eq!(packed_files(cache.path()).len(), 1);
}

#[test]
fn other_sizes_and_fits_are_other_files() {
    let names =
        [(8, Fit::Crop), (8, Fit::Squash), (9, Fit::Crop)].map(|(size, fit)| file_name("c", size, fit));
    assert!(names[0] != names[1] && names[0] != names[2]);
    assert_ne!(names[0], file_name("d", 8, Fit::Crop));
}

#[test]
fn the_file_does_not_depend_on_the_number_of_cores() {
    let folder = tree(9);
    let build = |threads| {
        let cache = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let listing = listed(folder.path());
        let pack = pool.install(|| builder(cache.path()).ensure(&listing, &mut |_| {})).unwrap();
        fs::read(pack.path()).unwrap()
    };
    assert_eq!(build(1), build(4));
}

#[test]
fn a_few_unreadable_images_are_skipped_and_named_and_more_are_refused() {
    let (folder, cache) = (tree(5), tempfile::tempdir().unwrap());
    let bad = |name: &str| folder.path().join("train/dog").join(name);
    fs::write(bad("letter.jpg"), "Dear reader").unwrap();
    let half = fs::read(bad("1.jpg")).unwrap();
    fs::write(bad("half.jpg"), &half[..half.len() / 2]).unwrap();
    fs::write(bad("huge.png"), claim()).unwrap();
    let listing = listed(folder.path());
    let strict = builder(cache.path());
    let error = strict.ensure(&listing, &mut |_| {}).unwrap_err().to_string();
    for part in [
        "3 of 17 images",
        "more than 1 %",
        "train/dog/half.jpg: the JPEG ends too early",
        "train/dog/letter.jpg",
        "train/dog/huge.png: 30000×30000",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    assert!(packed_files(cache.path()).iter().all(|path| path.extension().is_some_and(|e| e == "lock")));

    let pack = Builder { skip_limit: 0.2, ..strict.clone() }.ensure(&listing, &mut |_| {}).unwrap();
    let names: Vec<_> = pack.header.skipped.iter().map(|skipped| skipped.path.as_str()).collect();
    assert_eq!(names, ["train/dog/half.jpg", "train/dog/huge.png", "train/dog/letter.jpg"]);
    assert_eq!((pack.header.train, pack.labels.len()), (10, 14));
    // What was built under a looser limit is not let through by a stricter one.
    assert!(matches!(strict.ensure(&listing, &mut |_| {}), Err(PackError::TooManyUnreadable { .. })));
}

#[test]
fn a_class_of_which_nothing_can_be_read_is_refused() {
    let (folder, cache) = (tree(1), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("train/dog/0.png"), "Dear reader").unwrap();
    let lenient = Builder { skip_limit: 1.0, ..builder(cache.path()) };
    let error = lenient.ensure(&listed(folder.path()), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("none of the training images of the class `dog`"), "{error}");
}

#[test]
fn two_builders_at_once_end_with_the_same_file() {
    let (folder, cache) = (tree(9), tempfile::tempdir().unwrap());
    let listing = listed(folder.path());
    for patience in [Duration::from_mins(1), Duration::ZERO] {
        let (builder, barrier) = (Builder { patience, ..builder(cache.path()) }, Arc::new(Barrier::new(4)));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    barrier.wait();
                    builder.ensure(&listing, &mut |_| {}).unwrap().verify().unwrap();
                });
            }
        });
        let files = packed_files(cache.path());
        let packs: Vec<_> =
            files.iter().filter(|path| path.extension().is_some_and(|e| e == "pack")).collect();
        assert_eq!(packs.len(), 1, "{files:?}");
        assert!(files.iter().all(|path| path.extension().is_none_or(|e| e != "tmp")), "{files:?}");
        fs::remove_file(packs[0]).unwrap();
    }
}

#[test]
fn what_an_interrupted_build_left_is_no_pack_and_is_swept_up_in_time() {
    let (folder, cache) = (tree(4), tempfile::tempdir().unwrap());
    let listing = listed(folder.path());
    let (old, new) = (cache.path().join(".pack-old.tmp"), cache.path().join(".pack-new.tmp"));
    for path in [&old, &new] {
        fs::write(path, b"APICALPK and half of the pixels").unwrap();
    }
    fs::File::open(&old).unwrap().set_modified(SystemTime::now() - Duration::from_hours(2)).unwrap();
    builder(cache.path()).ensure(&listing, &mut |_| {}).unwrap().verify().unwrap();
    assert!(!old.exists() && new.exists());
}

#[test]
fn a_damaged_file_is_told_by_its_lengths_and_built_again() {
    let (folder, cache) = (tree(4), tempfile::tempdir().unwrap());
    let (listing, builder) = (listed(folder.path()), builder(cache.path()));
    let pack = builder.ensure(&listing, &mut |_| {}).unwrap();
    let (path, good) = (pack.path().to_owned(), fs::read(pack.path()).unwrap());
    drop(pack);
    for cut in [0, 5, 4096, 5000, good.len() - 1] {
        fs::write(&path, &good[..cut]).unwrap();
        assert!(Pack::open(&path).is_err(), "{cut} bytes");
        builder.ensure(&listing, &mut |_| {}).unwrap();
        assert_eq!(fs::read(&path).unwrap(), good);
    }
    let mut flipped = good.clone();
    flipped[4100] ^= 1;
    fs::write(&path, flipped).unwrap();
    let error = Pack::open(&path).unwrap().verify().unwrap_err().to_string();
    assert!(error.contains("is damaged: SHA-256"), "{error}");
}
