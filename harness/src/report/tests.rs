//! What must hold of every report.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::{
    ReportOptions, headline,
    synthetic::{Synthetic, cell_mut, diverge, end},
    write,
};
use crate::record::{Results, State};
use std::{collections::BTreeMap, path::Path};

fn options(folder: &Path) -> ReportOptions {
    ReportOptions {
        output: folder.to_owned(),
        png: false,
        reproduce: vec![
            "apical run suites/synthetic.yaml".to_owned(),
            "apical report suites/synthetic.yaml".to_owned(),
        ],
        samples: Vec::new(),
    }
}

fn readme(results: &Results) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::read_to_string(write(results, &options(folder.path())).unwrap()).unwrap()
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// Not an assertion but a means to look: `APICAL_LOOK=folder cargo test -p apical look -- --ignored`.
#[test]
#[ignore = "writes reports to look at"]
fn look() {
    let folder = std::path::PathBuf::from(std::env::var("APICAL_LOOK").unwrap());
    for (name, results) in super::synthetic::gallery() {
        let options =
            ReportOptions { png: true, samples: super::synthetic::sheets(), ..options(&folder.join(name)) };
        write(&results, &options).unwrap();
        std::fs::write(folder.join(name).join("headline.txt"), headline(&results, Some(100))).unwrap();
    }
}

#[test]
fn a_report_written_twice_is_the_same_byte_for_byte() {
    let results = Synthetic::default().build();
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [first.path(), second.path(), second.path()] {
        write(&results, &ReportOptions { png: true, ..options(folder) }).unwrap();
    }
    assert_eq!(files(first.path()), files(second.path()));
}

#[test]
fn a_cell_without_a_result_says_why() {
    let mut results = Synthetic::default().build();
    for run in cell_mut(&mut results, "mnist", "mlp", "fa") {
        diverge(run, 1);
    }
    for run in cell_mut(&mut results, "mnist", "mlp", "dfa").take(2) {
        end(run, State::Failed, "no space left on device");
    }
    for run in cell_mut(&mut results, "mnist", "mlp", "kp") {
        run.outcome = None;
    }
    let text = headline(&results, None);
    for part in ["– (3 diverged)", "(1 of 3: 2 failed)", "– (3 not run)"] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
        assert!(readme(&results).contains(part));
    }
}
