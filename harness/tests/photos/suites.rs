//! What suites and commands say of a set of photos, with and without a photo at hand.

use super::data_support::{fetcher, photos::Pets, photos::members};
use super::{described, honest, pack, plan_in};
use apical::data::{
    DatasetSpec, catalog,
    images::{self, Counts},
};
use std::{collections::BTreeSet, fs};

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
