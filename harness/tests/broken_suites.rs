//! What a user reads when a suite is wrong: every file of `broken-suites` and its errors, as snapshots.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use apical::suite;
use std::{fmt::Write, fs, path::Path};

#[test]
fn every_mistake_is_reported_with_its_place_and_a_remedy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken-suites");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    names.sort();
    assert!(names.len() >= 30, "the corpus has {} suites", names.len());
    let folder_prefix = format!("{}/", folder.display());
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("broken-suites");
    for name in names {
        let errors = match suite::load(&folder.join(&name)) {
            Ok(plan) => panic!("{name} is not broken: it has {} runs", plan.runs.len()),
            Err(errors) => errors,
        };
        let mut shown = String::new();
        for line in errors.to_string().replace(&folder_prefix, "").lines() {
            writeln!(shown, "{}", line.trim_end()).unwrap();
        }
        settings.bind(|| insta::assert_snapshot!(name.trim_end_matches(".yaml"), shown));
    }
}
