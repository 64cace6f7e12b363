//! What must hold of every report.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a report writes its names in lower case"
)]

use super::{
    ReportOptions, Selection, headline,
    synthetic::{Synthetic, cell_mut, diverge, end},
    write,
};
use crate::record::{Event, Results, State};
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
        selection: None,
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

/// With `APICAL_LOOK=folder`, the reports stay there to be looked at, with pictures as PNG too.
#[test]
fn every_report_of_the_gallery_shows_the_figures_that_it_names() {
    let kept = std::env::var_os("APICAL_LOOK").map(std::path::PathBuf::from);
    let passing = tempfile::tempdir().unwrap();
    let top = kept.as_deref().unwrap_or(passing.path());
    for (name, results) in super::synthetic::gallery() {
        let folder = top.join(name);
        let options =
            ReportOptions { png: kept.is_some(), samples: super::synthetic::sheets(), ..options(&folder) };
        let text = std::fs::read_to_string(write(&results, &options).unwrap()).unwrap();
        assert!(!headline(&results, Some(100)).is_empty());
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let is_figure = [".svg", ".png"].iter().any(|end| link.ends_with(end));
            assert!(!is_figure || folder.join(link).exists(), "{name} names {link}, which is not there");
        }
    }
}

#[test]
fn a_report_on_two_thousand_runs_is_written() {
    let results = Synthetic {
        datasets: vec!["mnist", "fashion-mnist", "cifar10", "digits"],
        architectures: vec![("mlp", 1), ("deep", 5), ("cnn", 3), ("lenet", 4), ("lc", 2)],
        seeds: 20,
        epochs: 20,
        ..Synthetic::default()
    }
    .build();
    assert_eq!(results.runs.len(), 2000);
    let text = readme(&results);
    assert!(
        text.contains("2,000 runs planned"),
        "{}",
        text.lines().take(8).collect::<Vec<_>>().join(
            "
"
        )
    );
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

/// One dataset with everything that a table has to say: published figures, a diverged cell, missing and failed runs.
fn small() -> Results {
    let mut results = Synthetic {
        datasets: vec!["mnist"],
        architectures: vec![("mlp", 1)],
        algorithms: vec![("bp", "bp"), ("fa", "fa"), ("dfa[feedback.scale=0.5]", "dfa"), ("kp", "kp")],
        ..Synthetic::default()
    }
    .build();
    results.plan.published = super::synthetic::published();
    for run in cell_mut(&mut results, "mnist", "mlp", "kp") {
        diverge(run, 1);
    }
    for run in cell_mut(&mut results, "mnist", "mlp", "dfa[feedback.scale=0.5]").take(1) {
        end(run, State::OutOfMemory, "killed | at 8 GiB");
    }
    for run in cell_mut(&mut results, "mnist", "mlp", "fa").skip(2) {
        run.outcome = None;
    }
    results
}

#[test]
fn a_small_report_reads_as_it_should() {
    insta::assert_snapshot!(readme(&small()));
}

#[test]
fn a_headline_reads_as_it_should() {
    insta::assert_snapshot!(headline(&small(), Some(60)));
}

#[test]
fn every_figure_that_the_readme_shows_is_there_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("learning-curves-of-old.svg"), "").unwrap();
    std::fs::write(folder.path().join("notes.svg"), "somebody's own").unwrap();
    for (_, results) in super::synthetic::gallery() {
        let text = std::fs::read_to_string(write(&results, &options(folder.path())).unwrap()).unwrap();
        let mut shown: Vec<String> = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target.to_owned())
            .filter(|target| target.ends_with(".svg"))
            .collect();
        shown.push("notes.svg".to_owned());
        shown.sort();
        let written: Vec<String> =
            files(folder.path()).into_keys().filter(|name| name.ends_with(".svg")).collect();
        assert_eq!(shown, written);
    }
}

#[test]
fn targets_and_inverses_are_shown_of_rules_that_have_them() {
    let with = |algorithms: Vec<(&'static str, &'static str)>| {
        readme(&Synthetic { datasets: vec!["mnist"], algorithms, ..Synthetic::default() }.build())
    };
    assert!(!with(vec![("bp", "bp"), ("fa", "fa")]).contains("Targets and inverses"));
    let text = with(vec![("bp", "bp"), ("dtp", "dtp")]);
    assert!(text.contains("## Targets and inverses") && text.contains("](targets-mnist.mlp.svg)"), "{text}");
}

#[test]
fn neurons_and_voltages_are_shown_of_rules_that_have_them() {
    let with = |algorithms: Vec<(&'static str, &'static str)>| {
        readme(&Synthetic { datasets: vec!["mnist"], algorithms, ..Synthetic::default() }.build())
    };
    let without = with(vec![("bp", "bp"), ("fa", "fa")]);
    for heading in ["Neurons with dendrites", "Voltage traces", "Angle to feedback alignment"] {
        assert!(!without.contains(heading), "{heading}");
    }
    let text = with(vec![("bp", "bp"), ("sd", "segregated-dendrites")]);
    for part in
        ["## Neurons with dendrites", "](apical-potentials-mnist.mlp.svg)", "](neurons-mnist.mlp.svg)"]
    {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    for part in
        ["## Voltage traces", "](voltages-mnist.mlp.sd.svg)", "](angle-to-feedback-alignment-mnist.mlp.svg)"]
    {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    // What no rule here has is neither explained nor given room.
    assert!(text.contains("**Plateau difference**") && !text.contains("**Interneuron mismatch**"));
    assert!(with(vec![("mc", "microcircuit")]).contains("**Interneuron mismatch**"));
}

#[test]
fn voltages_are_those_of_the_first_seed_that_completed() {
    let mut results = Synthetic {
        datasets: vec!["mnist"],
        architectures: vec![("mlp", 1)],
        algorithms: vec![("mc", "microcircuit"), ("sd", "segregated-dendrites")],
        ..Synthetic::default()
    }
    .build();
    cell_mut(&mut results, "mnist", "mlp", "mc").take(1).for_each(|run| diverge(run, 1));
    let text = readme(&results);
    assert!(text.contains("<details open><summary>mnist / mlp / mc, seed 1</summary>"), "{text}");
    assert!(text.contains("<details><summary>mnist / mlp / sd, seed 0</summary>"), "{text}");
}

#[test]
fn labels_that_differ_in_signs_alone_have_figures_of_their_own() {
    let names: Vec<String> = ["fa-x", "fa|x", "fa.x", "FA-x", "ä", "|", ""].map(super::file_part).to_vec();
    for (index, name) in names.iter().enumerate() {
        assert!(!names[..index].contains(name), "{names:?}");
        assert!(name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-'), "{name}");
    }
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

#[test]
fn an_interval_appears_only_where_there_are_two_seeds() {
    let one = Synthetic { seeds: 1, datasets: vec!["mnist"], ..Synthetic::default() }.build();
    assert!(!headline(&one, None).lines().any(|line| line.contains('│') && line.contains('±')));
    let two = Synthetic { seeds: 2, datasets: vec!["mnist"], ..Synthetic::default() }.build();
    assert!(headline(&two, None).lines().any(|line| line.contains('│') && line.contains('±')));
}

#[test]
fn sample_images_outlive_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let with = ReportOptions { samples: super::synthetic::sheets(), ..options(folder.path()) };
    let results = Synthetic::default().build();
    write(&results, &with).unwrap();
    let before = files(folder.path());
    assert!(before.contains_key("samples.png"));
    write(&results, &options(folder.path())).unwrap();
    assert_eq!(before, files(folder.path()));
}

#[test]
fn an_empty_plan_still_has_a_report() {
    let mut results = Synthetic::default().build();
    results.runs.clear();
    assert!(readme(&results).contains("**0 runs planned**"));
}

#[test]
fn two_seeds_give_no_verdict_on_a_gap() {
    let verdicts = ["above backpropagation", "below backpropagation", "the interval includes 0"];
    for seeds in 1..=3 {
        let results = Synthetic { seeds, datasets: vec!["mnist"], ..Synthetic::default() }.build();
        let text = readme(&results);
        assert_eq!(verdicts.iter().any(|verdict| text.contains(verdict)), seeds >= 3, "{text}");
        assert_eq!(text.contains("two seeds are too few for a verdict"), seeds == 2);
    }
}

#[test]
fn an_angle_that_was_measured_but_undefined_says_so() {
    let mut results = Synthetic { datasets: vec!["mnist"], ..Synthetic::default() }.build();
    let entries = |results: &Results, word: &str| {
        readme(results).lines().flat_map(|line| line.split('|')).filter(|part| part.trim() == word).count()
    };
    assert_eq!(entries(&results, "undefined"), 0);
    let spoil = |results: &mut Results, layers: bool| {
        for run in cell_mut(results, "mnist", "mlp", "fa") {
            for event in &mut run.events {
                let Event::Epoch(epoch) = event else { continue };
                epoch.layers.iter_mut().take(1).for_each(|layer| layer.gradient_angle = None);
                if !layers {
                    epoch.layers.clear();
                }
            }
        }
    };
    spoil(&mut results, true);
    assert_eq!((entries(&results, "undefined"), entries(&results, "not measured")), (1, 0));
    spoil(&mut results, false);
    assert_eq!((entries(&results, "undefined"), entries(&results, "not measured")), (0, 2));
}

#[test]
fn a_report_on_a_part_says_of_what_it_is_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let selection =
        Selection { filters: vec!["algorithm=bp,fa".to_owned(), "seed=1".to_owned()], planned: 42 };
    let options = ReportOptions { selection: Some(selection), ..options(folder.path()) };
    let text = std::fs::read_to_string(write(&small(), &options).unwrap()).unwrap();
    let expected = "**12 of the suite's 42 runs, selected by `algorithm=bp,fa`, `seed=1`**: 7 completed";
    assert!(text.contains(expected), "{text}");
    assert!(!text.contains("planned**"));
}

#[test]
fn settings_that_algorithms_share_are_said_once_and_in_words() {
    let text = readme(&small());
    assert_eq!(text.matches("feedback weights Xavier (default), scale 1;").count(), 1, "{text}");
    assert!(text.contains("- `fa` and `kp`: feedback weights Xavier"), "{text}");
    assert!(!text.contains("{\""), "{text}");
}

#[test]
fn a_regression_is_judged_by_its_loss_and_never_by_accuracy() {
    let with = |datasets: Vec<&'static str>| {
        let algorithms = vec![("bp", "bp"), ("fa", "fa")];
        let results = Synthetic { datasets, algorithms, ..Synthetic::default() }.build();
        (readme(&results), headline(&results, None))
    };
    let (text, terminal) = with(vec!["sacramento-teacher"]);
    assert!(
        text.contains("## Test loss") && text.contains("Closest to backpropagation in test loss:"),
        "{text}"
    );
    assert!(terminal.contains("sacramento-teacher: test loss"), "{terminal}");
    for absent in ["## Test accuracy", "## The data", " points over", "accuracy and loss against"] {
        assert!(!text.contains(absent), "`{absent}` in\n{text}");
    }
    // The made-up losses of `bp` are the lower ones: the lowest is bold, and the gap of `fa` is positive.
    let row = |label: &str| {
        text.lines().filter(|line| line.contains(label) && line.contains(" ± ")).collect::<Vec<_>>()
    };
    assert!(row("| `bp`").iter().any(|line| line.contains("**0.")), "{text}");
    assert!(row("`fa` with").iter().all(|line| line.contains("gap +0.")), "{text}");
    let (both, _) = with(vec!["mnist", "sacramento-teacher"]);
    assert!(
        both.contains("## Test accuracy") && both.contains("## Test loss") && both.contains("## The data")
    );
}
