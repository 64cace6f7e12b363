//! Sets of photos that have a name: planned without a photo, fetched, unpacked, packed and trained on; and what hostile
//! hosts and archives cannot do. Nothing here leaves this machine.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod data_support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use apical::{
    data::{
        DataError, DataRoot, DatasetSpec, Fetcher, Places, Progress, cache, catalog,
        images::{self, Counts, named},
    },
    plan::Plan,
    record::{Checkpoint, Event},
    suite::{self, SuiteErrors},
    train::{self, Ended, Observer},
};
use data_support::{
    Reply, Server, fetcher,
    photos::{Member, Pets, file, members, odd_members, tar_gz, zip},
};
use tch::{Device, Kind};

fn honest(pets: &Pets) -> Server {
    let archive = pets.archive.clone();
    Server::start(move |_| Reply::Serve(archive.clone()))
}

/// Fetches and unpacks the photos.
fn photos(fetcher: &Fetcher, pets: &Pets) -> (Result<PathBuf, DataError>, Vec<Progress>) {
    let mut reported = Vec::new();
    let tree = fetcher.photos(pets.entry, pets.set, pets.edition(), &mut |step| reported.push(step));
    (tree, reported)
}

/// A complete description of the photos, at 8×8 pixels.
fn described(pets: &Pets, change: impl FnOnce(&mut DatasetSpec)) -> (DatasetSpec, Counts) {
    let mut spec = DatasetSpec { size: Some(8), ..DatasetSpec::named("pets") };
    change(&mut spec);
    named::complete(pets.entry, pets.set, &spec).unwrap()
}

fn pack(fetcher: &Fetcher, pets: &Pets, spec: &DatasetSpec) -> Result<(), DataError> {
    fetcher.pack_entry(pets.entry, spec, &Places::default(), &mut |_| {})
}

/// Names in the cache's folder for the photos, sorted, without the lock.
fn cached(cache: &Path) -> Vec<String> {
    let names: BTreeSet<_> = fs::read_dir(cache.join("pets"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".lock")
        .collect();
    names.into_iter().collect()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.path().strip_prefix(folder).unwrap().display().to_string())
        .collect();
    files.sort();
    files
}

fn plan_in(folder: &Path, cache: &Path, dataset: &str) -> Result<Plan, SuiteErrors> {
    let text = format!(
        "name: s\ndescription: d\ndatasets:\n  photos: {{{dataset}}}\n\
         architectures: {{mlp: {{mlp: {{hidden: [3]}}}}}}\nalgorithms: {{bp: {{}}}}\n\
         training: {{epochs: 2, batch_size: 4, optimizer: {{sgd: {{learning_rate: 0.1}}}}}}\n"
    );
    let path = folder.join("suite.yaml");
    fs::write(&path, text).unwrap();
    suite::load_with(&path, Some(DataRoot::cache_in(cache)))
}

struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: Event) -> anyhow::Result<()> {
        Ok(())
    }
    fn wants_checkpoint(&mut self, _: u32) -> bool {
        false
    }
    fn checkpoint(&mut self, _: &Checkpoint) -> anyhow::Result<()> {
        Ok(())
    }
    fn cpu_seconds(&self) -> f64 {
        0.0
    }
}

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

/// What is said of an archive; it must leave no photo, and nothing outside of the cache.
fn refused(pets: &Pets) -> String {
    let outer = tempfile::tempdir().unwrap();
    let cache = outer.path().join("a/cache");
    let server = honest(pets);
    let error = photos(&fetcher(&cache, &server), pets).0.unwrap_err().to_string();
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1, "something was written outside the cache");
    assert_eq!(fs::read_dir(outer.path().join("a")).unwrap().count(), 1);
    assert!(cached(&cache).iter().all(|name| name.contains(".part.rejected-")), "{:?}", cached(&cache));
    error
}

#[test]
fn an_archive_that_would_leave_its_folder_or_holds_a_link_is_refused_as_a_whole() {
    use tar::EntryType::{Fifo, Link, Symlink};
    let with = |member: Member| [members(), vec![member]].concat();
    for path in
        ["../evil", "pets/train/../../../evil", "/tmp/apical-evil", "pets/train/n1/../../../../evil.png"]
    {
        let said = refused(&Pets::tar(&with(file(path, "evil"))));
        assert!(said.contains(&format!("`{path}`, a path outside its folder")), "{said}");
        let said = refused(&Pets::zip(zip(&with(file(path, "evil")))));
        assert!(said.contains("a path outside its folder"), "{said}");
    }
    for (kind, to) in [(Symlink, "/etc"), (Symlink, "../../.."), (Link, "pets/train/n1/0.png"), (Fifo, "")] {
        let link = ("pets/train/n1/link.png".to_owned(), kind, to.as_bytes().to_vec());
        let said = refused(&Pets::tar(&with(link)));
        assert!(said.contains("`pets/train/n1/link.png` is a link or a device"), "{said}");
    }
    // Through a link and then a file below it.
    let link = ("pets/train/n1/out".to_owned(), Symlink, b"../../../../..".to_vec());
    let said = refused(&Pets::zip(zip(
        &[vec![link, file("pets/train/n1/out/evil.png", "evil")], members()].concat()
    )));
    assert!(said.contains("`pets/train/n1/out` is a link"), "{said}");
    let said = refused(&Pets::tar(&with(file("pets/train/n1/0.png", "again"))));
    assert!(said.contains("names `pets/train/n1/0.png` twice"), "{said}");
}

/// Overwrites what a zip archive announces as the length of its last file.
fn announcing(mut archive: Vec<u8>, length: u32) -> Vec<u8> {
    let last = |signature: &[u8]| archive.windows(4).rposition(|window| window == signature).unwrap();
    let places = [last(b"PK\x03\x04") + 22, last(b"PK\x01\x02") + 24];
    for place in places {
        archive[place..place + 4].copy_from_slice(&length.to_le_bytes());
    }
    archive
}

#[test]
fn an_archive_cannot_fill_the_disk() {
    let bomb = || [members(), vec![file("pets/val/n3/bomb.png", vec![0; 5_000_000])]].concat();
    let said = refused(&Pets::tar(&bomb()));
    assert!(said.contains("it unpacks to more than 100000 bytes"), "{said}");
    let said = refused(&Pets::zip(zip(&bomb())));
    assert!(said.contains("it unpacks to more than 100000 bytes"), "{said}");
    // One that announces a small file.
    let said = refused(&Pets::zip(announcing(zip(&bomb()), 100)));
    assert!(said.contains("`pets/val/n3/bomb.png`") && !said.contains("100000"), "{said}");
    // Junk that is skipped over is unpacked all the same.
    let junk = [vec![file("pets/junk", vec![0; 5_000_000])], members()].concat();
    let said = refused(&Pets::tar(&junk));
    assert!(said.contains("it unpacks to more than 100000 bytes"), "{said}");
    let many = (0..20).map(|i| file(format!("pets/train/n1/more-{i}.png"), "x"));
    let said = refused(&Pets::tar(&[members(), many.collect()].concat()));
    assert!(said.contains("more than 18 photos"), "{said}");
}

#[test]
fn photos_that_are_not_those_of_the_catalog_are_not_taken() {
    let said = refused(&Pets::tar(&[members(), vec![file("pets/train/n2/9.png", "x")]].concat()));
    assert!(said.contains("it has 5 photos of `n2` (Bumble bee) to train on, not 4"), "{said}");
    let fewer = members().into_iter().filter(|(path, ..)| !path.contains("/n3/")).collect::<Vec<_>>();
    let said = refused(&Pets::tar(&fewer));
    assert!(said.contains("it has 2 classes, not the 3 expected"), "{said}");
    let said = refused(&Pets::zip(b"PK\x03\x04 and then nothing".to_vec()));
    assert!(said.contains("pets.zip: "), "{said}");
    let mut cut = zip(&members());
    cut.truncate(cut.len() / 2);
    refused(&Pets::zip(cut));
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

#[test]
fn what_is_chosen_is_known_before_anything_is_here_and_the_same_afterwards() {
    let (pets, cache) = (Pets::tar(&members()), tempfile::tempdir().unwrap());
    let server = honest(&pets);
    let fetcher = fetcher(cache.path(), &server);
    let (before, counts) = described(&pets, |spec| {
        spec.classes = Some(vec!["cat".to_owned(), "n2".to_owned()]);
        spec.images_per_class = Some(3);
    });
    assert_eq!(counts, Counts { classes: 2, train: 6, test: 3 });
    assert_eq!(before.classes.as_deref().unwrap(), ["n2", "n3"]);
    pack(&fetcher, &pets, &before).unwrap();
    let header = images::open(&before, &fetcher.root).unwrap().header;
    assert_eq!(
        (header.train, header.test, header.classes),
        (6, 3, vec!["Bumble bee".to_owned(), "cat".to_owned()])
    );
    let (after, _) = described(&pets, |spec| {
        spec.classes = Some(vec!["bumble BEE".to_owned(), "n3".to_owned()]);
        spec.images_per_class = Some(3);
        spec.edition = Some("small".to_owned());
    });
    assert_eq!(before, after);

    let content = |change: fn(&mut DatasetSpec)| described(&pets, change).0.content.unwrap();
    let all = content(|_| {});
    assert_eq!(
        content(|spec| spec.size = Some(16)),
        all,
        "the size is another part of the packed file's name"
    );
    let different: BTreeSet<_> = [
        all,
        content(|spec| spec.class_limit = Some(2)),
        content(|spec| spec.images_per_class = Some(3)),
        content(|spec| spec.edition = Some("large".to_owned())),
    ]
    .into();
    assert_eq!(different.len(), 4);

    // A plan of another version, whose catalog had another archive.
    let mut stale = before;
    stale.content = Some("00ff".to_owned());
    let error = pack(&fetcher, &pets, &stale).unwrap_err().to_string();
    assert!(error.contains("the plan means photos of `pets` with the content `00ff`"), "{error}");
}

#[test]
fn a_suite_is_planned_without_its_photos_and_has_the_same_ids_when_they_are_there() {
    let place = tempfile::tempdir().unwrap();
    let cache = place.path().join("cache");
    let id = |dataset: &str| {
        let plan = plan_in(place.path(), &cache, dataset).unwrap_or_else(|errors| panic!("{errors}"));
        plan.runs[0].id.clone()
    };
    let first = id("name: imagenette");
    assert!(!cache.exists(), "planning wrote into the cache");
    assert_eq!(id("name: imagenette, edition: 160px, size: 64, fit: crop, skip_limit: 0.5"), first);
    let two = id("name: imagenette, classes: [Church, n01440764]");
    assert_eq!(id("name: imagenette, classes: [tench, church]"), two);
    assert_eq!(id("name: imagenette, classes: [n03028079, n01440764]"), two);
    let ids = [
        first.clone(),
        two,
        id("name: imagenette, edition: 320px"),
        id("name: imagenette, size: 32"),
        id("name: tiny-imagenet"),
    ];
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 5);
    // Whatever lies there: identity is no matter of folders.
    let entry = catalog::find("imagenette").unwrap();
    let tree = cache.join("imagenette").join(entry.photos().unwrap().editions[0].tree());
    fs::create_dir_all(tree.join("train/n01440764")).unwrap();
    fs::create_dir_all(place.path().join("imagenette2-160/train")).unwrap();
    assert_eq!(id("name: imagenette"), first);

    let plan = plan_in(
        place.path(),
        &cache,
        "name: tiny-imagenet, class_limit: 100, images_per_class: 50, validation: 1000",
    );
    let spec = plan.unwrap().runs[0].spec.dataset.clone();
    assert_eq!((spec.classes.unwrap().len(), spec.class_limit, spec.edition), (100, None, None));
}

#[test]
fn every_mistake_about_a_set_with_a_name_has_its_place_and_a_remedy() {
    let place = tempfile::tempdir().unwrap();
    for (dataset, message, remedy) in [
        (
            "name: imagenette, folder: mine",
            "from the official archive, and no folder",
            "use `imagenet-folder`",
        ),
        ("name: imagenette, content: 5c0f", "follows from its archive's checksum", "leave it out"),
        ("name: tiny-imagenet, test_share: 0.1", "says itself what is to be tested on", "leave it out"),
        ("name: imagenette, edition: 161px", "has no edition `161px`", "one of 160px, 320px, full"),
        ("name: tiny-imagenet, edition: full", "only one edition of `tiny-imagenet`", "leave it out"),
        ("name: mnist, edition: full", "`edition` is a setting of photos", "`imagenette` or `tiny-imagenet`"),
        ("name: imagenet-folder, folder: x, edition: full", "has no editions", "`imagenette`"),
        (
            "name: imagenette, classes: [tensh, church]",
            "has no class `tensh`",
            "nearest of its 10 is `tench`, n01440764",
        ),
        ("name: imagenette, classes: [church]", "with 1 of the classes of `imagenette`", "two at least"),
        ("name: imagenette, class_limit: 11", "there are 10 classes", "leave it out"),
        ("name: imagenette, validation: 9469", "leaves none", "9469 training samples"),
        ("name: imagenette, images_per_class: 5, subset: {train: 51}", "no 51 training samples", "it has 50"),
    ] {
        let errors = plan_in(place.path(), place.path(), dataset).unwrap_err();
        let text = errors.to_string();
        assert_eq!(errors.count(), 1, "{text}");
        assert!(text.contains("suite.yaml:4:") && text.contains(message) && text.contains(remedy), "{text}");
    }
}

#[test]
fn the_datasets_command_knows_sets_with_a_name() {
    let cache = tempfile::tempdir().unwrap();
    let apical = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_apical"));
        let output =
            command.arg("datasets").args(arguments).env("APICAL_DATA", cache.path()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    };
    let tree = cache.path().join("imagenette/imagenette2-320-3df6f0d01a2c");
    fs::create_dir_all(&tree).unwrap();
    let (_, said) = apical(&["list", "--output", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&said).unwrap();
    let imagenette = rows.as_array().unwrap().iter().find(|row| row["name"] == "imagenette").unwrap();
    assert_eq!((&imagenette["train"], &imagenette["here"]), (&9469.into(), &true.into()));
    let here: Vec<_> =
        imagenette["editions"].as_array().unwrap().iter().map(|edition| &edition["here"]).collect();
    assert_eq!(here, [false, true, false]);
    let (code, said) = apical(&["verify", "imagenette"]);
    assert!(code == 1 && said.contains("SHA256SUMS cannot be read"), "{said}");
    assert!(said.contains("`apical datasets fetch imagenette:320px` replaces it"), "{said}");
    let (code, said) = apical(&["verify", "tiny-imagenet"]);
    assert!(code == 0 && said.contains("tiny-imagenet-200-90528d7ca1a4: absent"), "{said}");
    for (name, message) in [
        ("imagenette:161px", "has no edition `161px`; one of 160px, 320px, full"),
        ("tiny-imagenet:full", "there is only one edition of `tiny-imagenet`"),
        ("mnist:full", "`mnist` has no editions"),
    ] {
        let (code, said) = apical(&["fetch", name]);
        assert!(code == 3 && said.contains(message), "{said}");
    }
}
