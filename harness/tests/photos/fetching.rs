//! From a host, a folder or the cache to photos that are packed and trained on.

use super::data_support::{
    Reply, Server, fetcher, photos::Pets, photos::members, photos::odd_members, photos::tar_gz, photos::zip,
};
use super::{Silent, cached, described, files, honest, pack, photos, plan_in};
use apical::{
    data::{
        DatasetSpec, Progress, cache,
        images::{self, Counts, named},
    },
    train::{self, Ended},
};
use std::{fs, sync::Arc, time::Duration};
use tch::{Device, Kind};

#[test]
fn photos_are_fetched_unpacked_packed_and_trained_on() {
    let (pets, cache) = (Pets::tar(&members()), tempfile::tempdir().unwrap());
    let server = honest(&pets);
    let fetcher = fetcher(cache.path(), &server);
    let (spec, counts) = described(&pets, |spec| spec.validation = 3);
    assert_eq!(counts, Counts { classes: 3, train: 12, test: 5 });
    pack(&fetcher, &pets, &spec).unwrap();
    let tree = cache.path().join("pets").join(pets.edition().tree());
    let unpacked = files(&tree);
    assert_eq!(unpacked.len(), 18, "17 photos and the list of digests: {unpacked:?}");
    assert_eq!(cached(cache.path()), [pets.edition().tree()], "no archive is left");

    let data = images::load(&spec, &fetcher.root, Device::Cpu, usize::MAX).unwrap();
    assert_eq!((data.train.len(), data.validation.as_ref().unwrap().len(), data.test.len()), (9, 3, 5));
    assert_eq!(data.classes, ["ant", "Bumble bee", "cat"]);
    let red = data.test.images.whole().unwrap().to_kind(Kind::Int64).select(1, 0).select(1, 4).select(1, 4);
    let labels = Vec::<i64>::try_from(&data.test.labels).unwrap();
    assert_eq!(
        Vec::<i64>::try_from(red).unwrap(),
        labels.iter().map(|label| label * 100).collect::<Vec<_>>()
    );

    // A run of these photos; it finds them by their digest, whatever set of the catalog it names.
    let place = tempfile::tempdir().unwrap();
    let plan = plan_in(place.path(), cache.path(), "name: imagenette, validation: 10, size: 8").unwrap();
    let mut run = plan.runs[0].spec.clone();
    run.dataset = DatasetSpec { name: "imagenette".to_owned(), ..spec };
    let finished = train::train(&run, &fetcher.root, Device::Cpu, None, &[], &mut Silent).unwrap();
    assert!(matches!(finished.ended, Ended::Completed(_)), "{finished:?}");
}

#[test]
fn a_second_start_reads_nothing_from_the_network_or_not_even_the_photos() {
    let (pets, cache) = (Pets::tar(&members()), tempfile::tempdir().unwrap());
    let server = honest(&pets);
    let fetcher = fetcher(cache.path(), &server);
    let (spec, _) = described(&pets, |_| {});
    pack(&fetcher, &pets, &spec).unwrap();
    // Other images of the same archive.
    let (fewer, _) = described(&pets, |spec| spec.images_per_class = Some(2));
    pack(&fetcher, &pets, &fewer).unwrap();
    assert_eq!(images::open(&fewer, &fetcher.root).unwrap().header.train, 6);
    assert_eq!(server.seen().len(), 1);
    fs::remove_dir_all(cache.path().join("pets")).unwrap();
    pack(&fetcher, &pets, &spec).unwrap();
    assert_eq!(server.seen().len(), 1, "whoever has the packed file needs nothing else");
}

#[test]
fn the_odd_layout_of_tiny_imagenet_is_understood() {
    let (pets, cache) = (Pets::zip(zip(&odd_members())), tempfile::tempdir().unwrap());
    let server = honest(&pets);
    let fetcher = fetcher(cache.path(), &server);
    let (spec, counts) = described(&pets, |_| {});
    assert_eq!((counts.train, counts.test, spec.edition.as_ref()), (12, 5, None));
    pack(&fetcher, &pets, &spec).unwrap();
    let tree = cache.path().join("pets").join(pets.edition().tree());
    let unpacked = files(&tree);
    assert!(unpacked.contains(&"val/val_annotations.txt".to_owned()), "{unpacked:?}");
    assert!(
        !unpacked.iter().any(|path| path.starts_with("test") || path.ends_with("boxes.txt")),
        "{unpacked:?}"
    );
    let data = images::load(&spec, &fetcher.root, Device::Cpu, usize::MAX).unwrap();
    for split in [&data.train, &data.test] {
        let red = split.images.whole().unwrap().to_kind(Kind::Int64).select(1, 0).select(1, 4).select(1, 4);
        let labels = Vec::<i64>::try_from(&split.labels).unwrap();
        assert_eq!(
            Vec::<i64>::try_from(red).unwrap(),
            labels.iter().map(|label| label * 100).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_download_of_photos_that_breaks_off_is_resumed() {
    for silent in [false, true] {
        let (pets, cache) = (Pets::tar(&members()), tempfile::tempdir().unwrap());
        let archive = pets.archive.clone();
        let server = Server::start(move |seen| match (seen.before, silent) {
            (0, false) => Reply::HangUp(archive.clone(), 400),
            // As if that were all: only the checksum tells.
            (0, true) => Reply::Unannounced(archive.clone(), 400),
            _ => Reply::Serve(archive.clone()),
        });
        let (tree, reported) = photos(&fetcher(cache.path(), &server), &pets);
        tree.unwrap();
        let from: Vec<_> = server.seen().iter().map(|seen| seen.from).collect();
        assert_eq!(from, [None, Some(400)], "{reported:?}");
        assert_eq!(cached(cache.path()), [pets.edition().tree()]);
    }
}

#[test]
fn what_was_unpacked_before_a_process_was_killed_is_never_taken_for_the_photos() {
    let (pets, cache) = (Pets::tar(&members()), tempfile::tempdir().unwrap());
    let half = cache.path().join("pets/.unpack-killed/photos/train/n1");
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("0.png"), "half of a ph").unwrap();
    let server = honest(&pets);
    let tree = photos(&fetcher(cache.path(), &server), &pets).0.unwrap();
    assert_eq!(named::verify(pets.set, &tree), cache::State::Good);
    assert_eq!(cached(cache.path()), [".unpack-killed".to_owned(), pets.edition().tree()]);
}

#[test]
fn an_archive_with_another_checksum_is_set_aside_unopened_and_the_next_host_asked() {
    let (pets, cache) = (Pets::tar(&members()), tempfile::tempdir().unwrap());
    let mut other = members();
    other[4].2[60] ^= 1;
    let other = tar_gz(&other);
    let liar = Server::start(move |_| Reply::Serve(other.clone()));
    let mut fetcher = fetcher(cache.path(), &liar);
    let (tree, reported) = photos(&fetcher, &pets);
    let error = tree.unwrap_err().to_string();
    assert!(error.contains("pets-small.tgz: ") && error.contains("instead of"), "{error}");
    assert!(!reported.iter().any(|step| matches!(step, Progress::Unpacking { .. })), "{reported:?}");
    assert!(
        cached(cache.path()).iter().all(|name| name.contains(".part.rejected-")),
        "{:?}",
        cached(cache.path())
    );

    let server = honest(&pets);
    fetcher.mirrors = Some(vec![liar.url(), server.url()]);
    photos(&fetcher, &pets).0.unwrap();
}

#[test]
fn two_that_unpack_at_once_do_not_hurt_each_other() {
    for patience in [Duration::from_mins(1), Duration::ZERO] {
        let (pets, cache) = (Arc::new(Pets::tar(&members())), tempfile::tempdir().unwrap());
        let archive = pets.archive.clone();
        let server = Server::start(move |_| {
            std::thread::sleep(Duration::from_millis(50));
            Reply::Serve(archive.clone())
        });
        let mut fetcher = fetcher(cache.path(), &server);
        fetcher.patience = patience;
        let (spec, _) = described(&pets, |_| {});
        let fetchers: Vec<_> = (0..4)
            .map(|_| {
                let (fetcher, pets, spec) = (fetcher.clone(), Arc::clone(&pets), spec.clone());
                std::thread::spawn(move || pack(&fetcher, &pets, &spec).map_err(|error| error.to_string()))
            })
            .collect();
        for fetcher in fetchers {
            fetcher.join().unwrap().unwrap();
        }
        assert_eq!(cached(cache.path()), [pets.edition().tree()]);
        images::open(&spec, &fetcher.root).unwrap().verify().unwrap();
        if patience > Duration::ZERO {
            assert_eq!(server.seen().len(), 1, "one waited for the other");
        }
    }
}

#[test]
fn an_archive_put_there_by_hand_is_used_and_left_alone() {
    let silent = Server::start(|_| Reply::Status(500, ""));
    for place in ["data/pets", "data", "cache/pets"] {
        let (pets, outer) = (Pets::tar(&members()), tempfile::tempdir().unwrap());
        let folder = outer.path().join(place);
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(outer.path().join("data")).unwrap();
        fs::write(folder.join("pets-small.tgz"), &pets.archive).unwrap();
        let mut fetcher = fetcher(&outer.path().join("cache"), &silent);
        fetcher.root.folder = Some(outer.path().join("data"));
        let before = files(&outer.path().join("data"));
        photos(&fetcher, &pets).0.unwrap();
        assert_eq!(fs::read(folder.join("pets-small.tgz")).unwrap(), pets.archive);
        assert_eq!(files(&outer.path().join("data")), before, "a folder of the user's is only read");
    }
    assert!(silent.seen().is_empty());

    // One that is damaged is named, and the host asked.
    let (pets, outer) = (Pets::tar(&members()), tempfile::tempdir().unwrap());
    let path = outer.path().join("pets-small.tgz");
    fs::write(&path, &pets.archive[..100]).unwrap();
    let server = honest(&pets);
    let mut fetcher = fetcher(&outer.path().join("cache"), &server);
    fetcher.root.folder = Some(outer.path().to_owned());
    let (tree, reported) = photos(&fetcher, &pets);
    tree.unwrap();
    assert!(reported.iter().any(|step| matches!(
        step,
        Progress::Failed { source, reason } if *source == path.display().to_string() && reason.contains("MD5")
    )));
    assert_eq!(fs::read(&path).unwrap(), &pets.archive[..100]);
}

#[test]
fn when_no_source_has_the_archive_the_error_says_what_to_put_where() {
    let (pets, outer) = (Pets::tar(&members()), tempfile::tempdir().unwrap());
    let server = Server::start(|_| Reply::Status(403, ""));
    let cache = outer.path().join("cache");
    let mut fetcher = fetcher(&cache, &server);
    fetcher.mirrors = Some(vec![server.url(), "http://127.0.0.1:1/".to_owned()]);
    let (spec, _) = described(&pets, |_| {});
    let error = pack(&fetcher, &pets, &spec).unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    let folder = cache.join("pets");
    assert_eq!(lines[0], "data set `pets` could not be obtained.");
    assert!(lines[1].starts_with(&format!("  cache {}: ", folder.display())), "{error}");
    assert_eq!(lines[2], format!("  {}: pets-small.tgz: HTTP 403 Forbidden", server.url()));
    assert!(lines[3].starts_with("  http://127.0.0.1:1/: pets-small.tgz: Connection refused"), "{error}");
    let md5 = pets.edition().md5;
    let put = format!(
        "Put pets-small.tgz ({} bytes, MD5 {md5}) from http://127.0.0.1:1/pets-small.tgz",
        pets.archive.len()
    );
    assert!(lines[4].starts_with(&put) && lines[4].contains(&folder.display().to_string()), "{error}");
    assert!(lines[5].contains("cannot be verified") && lines.len() == 6, "{error}");

    // A copy that is unpacked is found, and not used.
    let copy = outer.path().join("data/pets");
    fs::create_dir_all(copy.join("train")).unwrap();
    fetcher.root.folder = Some(outer.path().join("data"));
    let error = pack(&fetcher, &pets, &spec).unwrap_err().to_string();
    assert!(error.contains(&format!("folder {}: no checksum covers", copy.display())), "{error}");
    assert!(error.contains(&format!("`name: imagenet-folder` and `folder: {}`", copy.display())), "{error}");

    // And doing as it says helps.
    fs::write(folder.join("pets-small.tgz"), &pets.archive).unwrap();
    pack(&fetcher, &pets, &spec).unwrap();
}

#[test]
fn photos_changed_in_the_cache_are_set_aside_and_fetched_again() {
    let (pets, cache) = (Pets::tar(&members()), tempfile::tempdir().unwrap());
    let server = honest(&pets);
    let fetcher = fetcher(cache.path(), &server);
    let tree = photos(&fetcher, &pets).0.unwrap();
    assert_eq!(named::verify(pets.set, &tree), cache::State::Good);
    let photo = tree.join("train/n2/1.png");
    let mut bytes = fs::read(&photo).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&photo, &bytes).unwrap();
    let cache::State::Wrong(reason) = named::verify(pets.set, &tree) else {
        panic!("a change was not noticed")
    };
    assert!(reason.contains("train/n2/1.png has SHA-256"), "{reason}");
    let (again, reported) = photos(&fetcher, &pets);
    assert_eq!(again.unwrap(), tree);
    assert_eq!(named::verify(pets.set, &tree), cache::State::Good);
    assert!(reported.iter().any(|step| matches!(step, Progress::Rejected { .. })));
    let aside = format!("{}.rejected-", pets.edition().tree());
    let names = cached(cache.path());
    assert!(names.len() == 2 && names[1].starts_with(&aside), "{names:?}");
    assert_eq!(fs::read(cache.path().join("pets").join(&names[1]).join("train/n2/1.png")).unwrap(), bytes);

    fs::remove_file(tree.join("val/n1/0.png")).unwrap();
    let cache::State::Wrong(reason) = named::verify(pets.set, &tree) else {
        panic!("a loss was not noticed")
    };
    assert!(reason.contains("1 photos of `n1` (ant) to test on, not 2"), "{reason}");
}
