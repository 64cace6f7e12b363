//! What must hold of event files without a reader of TensorBoard's; `harness/tests/exports.rs` has that.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::{
    record::{Event, State},
    report::synthetic::{Synthetic, end},
};

fn results() -> Results {
    Synthetic { datasets: vec!["mnist"], seeds: 2, ..Synthetic::default() }.build()
}

/// Every file below a folder, with its content.
fn files(folder: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.map(|file| (file.path().to_owned(), fs::read(file.path()).unwrap())).collect()
}

#[test]
fn exporting_again_takes_the_place_of_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let results = results();
    let first = export(&results, folder.path()).unwrap();
    assert_eq!((first.written, first.unchanged), (results.runs.len(), 0));
    let before = files(folder.path());
    assert_eq!(before.len(), results.runs.len());

    let second = export(&results, folder.path()).unwrap();
    assert_eq!((second.written, second.unchanged), (0, results.runs.len()));
    assert_eq!(files(folder.path()), before);
}

#[test]
fn a_run_that_went_on_has_one_file_and_the_longer_curve() {
    let folder = tempfile::tempdir().unwrap();
    let whole = results();
    let mut partial = whole.clone();
    partial.runs[0].outcome = None;
    partial.runs[0].events.truncate(3);
    export(&partial, folder.path()).unwrap();
    let before = files(folder.path());

    let summary = export(&whole, folder.path()).unwrap();
    assert_eq!((summary.written, summary.unchanged), (1, whole.runs.len() - 1));
    let after = files(folder.path());
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let place = summary.folder.join(place(&whole.runs[0]));
    assert!(after[&place].len() > before[&place].len());
}

#[test]
fn a_run_that_measured_nothing_is_counted_and_has_no_file() {
    let mut results = results();
    end(&mut results.runs[0], State::Failed, "the dataset is not there");
    results.runs[0].outcome = None;
    results.runs[0].events.retain(|event| !matches!(event, Event::Epoch(_)));
    let folder = tempfile::tempdir().unwrap();
    let summary = export(&results, folder.path()).unwrap();
    assert_eq!(summary.without_measurements, 1);
    assert_eq!(files(folder.path()).len(), results.runs.len() - 1);
}

#[test]
fn labels_become_folders_that_are_told_apart() {
    assert_eq!(component("fa[feedback.scale=0.5]"), "fa[feedback.scale=0.5]");
    assert_eq!(component("../x y"), "%2E.%2Fx%20y");
    assert_eq!(component("a%2Fb"), "a%252Fb");
    let long = |end: &str| component(&format!("{}{end}", "x".repeat(300)));
    assert!(long("a").len() <= 200 && long("a") != long("b"));
}

#[test]
fn files_can_be_read_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    let path = folder.path().join("a/b");
    replace(&path, b"x").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));
}

#[test]
fn an_unreadable_place_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let results = results();
    fs::write(folder.path().join("synthetic"), "in the way").unwrap();
    let error = format!("{:#}", export(&results, folder.path()).unwrap_err());
    assert!(error.contains("cannot make") && error.contains("synthetic"), "{error}");
}
