//! Planted changes in made-up results: what is there is found, what is not is not.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::{
    record::{Event, RecordedRun, State},
    report::synthetic::{Synthetic, cell_mut, end},
};

const CELL: (&str, &str, &str) = ("mnist", "mlp", "fa");

/// Twenty cells of so many seeds, each trained for long enough to be timed.
fn results(seeds: u64) -> Results {
    let mut results = Synthetic { seeds, ..Synthetic::default() }.build();
    for outcome in results.runs.iter_mut().filter_map(|run| run.outcome.as_mut()) {
        outcome.resources.cpu_seconds = outcome.resources.wall_seconds;
    }
    results
}

/// The same, in which every run measured something else: accuracies are apart by noise of so many points.
fn noisy(results: &Results, points: f64) -> Results {
    let mut other = results.clone();
    for (index, run) in other.runs.iter_mut().enumerate() {
        let seed = run.planned.spec.seed;
        // Over three seeds it comes to nothing.
        let noise = [1.0, -0.6, -0.4][seed as usize % 3] * if index % 2 == 0 { 1.0 } else { -1.0 };
        accuracy(run, noise * points);
    }
    other
}

fn accuracy(run: &mut RecordedRun, points: f64) {
    let result = run.outcome.as_mut().unwrap().result.as_mut().unwrap();
    result.test.accuracy += points / 100.0;
}

fn diff(before: &Results, after: &Results) -> Diff {
    diff_with(before, after, &Options::default())
}

fn diff_with(before: &Results, after: &Results, options: &Options) -> Diff {
    compare(Named { folder: "a", results: before }, Named { folder: "b", results: after }, options)
}

fn the_cell(diff: &Diff) -> &CellDiff {
    let (dataset, architecture, algorithm) = CELL;
    let is_it = |cell: &&CellDiff| {
        cell.cell.dataset == dataset
            && cell.cell.architecture == architecture
            && cell.cell.algorithm == algorithm
    };
    diff.cells.iter().find(is_it).unwrap()
}

fn runs_of_the_cell(results: &mut Results) -> impl Iterator<Item = &mut RecordedRun> {
    cell_mut(results, CELL.0, CELL.1, CELL.2)
}

#[test]
fn a_result_set_and_itself_are_identical() {
    let results = results(3);
    let diff = diff(&results, &results);
    assert!(!diff.regression);
    assert_eq!(diff.headline, "20 cells: 0 worse, 0 better, 20 unchanged (20 identical)");
    assert_eq!(diff.conclusion(), "no regression");
    assert!(diff.notable().is_empty());
}

#[test]
fn a_planted_loss_of_accuracy_is_found_and_only_it() {
    let before = results(3);
    let mut after = noisy(&before, 0.2);
    for (run, points) in runs_of_the_cell(&mut after).zip([-2.0, -2.1, -1.9]) {
        accuracy(run, points);
    }
    let diff = diff(&before, &after);
    assert!(diff.regression);
    assert_eq!((diff.counts.worse, diff.counts.worse_in_accuracy), (1, 1));
    let quality = the_cell(&diff).quality.as_ref().unwrap();
    assert_eq!(quality.verdict, Verdict::Worse);
    assert!((quality.change.unwrap() + 2.0).abs() < 0.1, "{quality:?}");
    let [low, high] = quality.interval.unwrap();
    assert!(low < -2.0 && -2.0 < high && high < 0.0);
    assert_eq!(diff.notable()[0].verdict, Verdict::Worse);
    // Twenty tests beside each other: the correction multiplies the smallest p by twenty.
    assert!((quality.p_holm.unwrap() / quality.p.unwrap() - 20.0).abs() < 1e-9);
}

#[test]
fn noise_is_no_regression() {
    let before = results(3);
    for points in [0.3, 2.0, 6.0] {
        let diff = diff(&before, &noisy(&before, points));
        assert_eq!((diff.counts.worse, diff.counts.better), (0, 0), "{points}: {}", diff.headline);
    }
}

#[test]
fn a_sure_change_below_the_threshold_is_none() {
    let before = results(3);
    let mut after = before.clone();
    runs_of_the_cell(&mut after).for_each(|run| accuracy(run, -0.4));
    assert!(!diff(&before, &after).regression);
    let strict = Options {
        thresholds: Thresholds { accuracy_points: 0.3, ..Thresholds::default() },
        ..Options::default()
    };
    assert!(diff_with(&before, &after, &strict).regression);
}

#[test]
fn a_collapse_is_found_though_three_seeds_are_few_for_many_cells() {
    let before = results(3);
    // p is 0.0015 in the cell, and 0.03 corrected for 20; noise in the cell hides it from the corrected test.
    let mut after = noisy(&before, 0.2);
    for (run, points) in runs_of_the_cell(&mut after).zip([-60.0, -50.0, -70.0]) {
        accuracy(run, points);
    }
    let diff = diff(&before, &after);
    let quality = the_cell(&diff).quality.as_ref().unwrap();
    assert!(quality.p.unwrap() < 0.05 && quality.p_holm.unwrap() > 0.05, "{quality:?}");
    assert_eq!(quality.verdict, Verdict::Worse);
}

#[test]
fn with_one_seed_the_threshold_alone_decides_and_it_is_said() {
    let before = results(1);
    for (points, verdict) in [(-0.6, Verdict::Worse), (-0.4, Verdict::Unchanged), (0.6, Verdict::Better)] {
        let mut after = before.clone();
        runs_of_the_cell(&mut after).for_each(|run| accuracy(run, points));
        let diff = diff(&before, &after);
        let quality = the_cell(&diff).quality.as_ref().unwrap();
        assert_eq!((quality.verdict, quality.interval, quality.p), (verdict, None, None), "{points}");
        assert!(quality.note.as_ref().unwrap().contains("one seed"), "{quality:?}");
    }
}

#[test]
fn an_accuracy_that_grew_is_better_and_no_regression() {
    let before = results(3);
    let mut after = before.clone();
    runs_of_the_cell(&mut after).for_each(|run| accuracy(run, 1.0));
    let diff = diff(&before, &after);
    assert!(!diff.regression);
    assert_eq!((the_cell(&diff).verdict, diff.counts.better), (Verdict::Better, 1));
}

#[test]
fn cells_are_new_or_gone_by_their_labels() {
    let before = results(3);
    let mut after = before.clone();
    let rename = |label: &mut String| *label = "fa-renamed".to_owned();
    for run in after.runs.iter_mut().filter(|run| run.planned.cell.algorithm == "fa") {
        rename(&mut run.planned.cell.algorithm);
    }
    let diff = diff(&before, &after);
    assert_eq!((diff.counts.new, diff.counts.gone, diff.counts.unchanged), (4, 4, 16));
    assert!(!diff.regression, "what nobody plans any more is no regression");
    assert_eq!(diff.cells.last().unwrap().verdict, Verdict::Gone);
    assert!(diff.headline.ends_with("4 new, 4 gone"), "{}", diff.headline);
}

fn change_speed(results: &mut Results, factors: [f64; 3]) {
    for (run, factor) in runs_of_the_cell(results).zip(factors) {
        run.outcome.as_mut().unwrap().resources.samples_per_second *= factor;
    }
}

#[test]
fn a_slower_cell_is_worse_in_speed_and_counts_where_asked_for() {
    let before = results(3);
    let mut after = before.clone();
    change_speed(&mut after, [0.7, 0.71, 0.69]);
    let found = diff(&before, &after);
    assert!(found.regression);
    let speed = the_cell(&found).speed.as_ref().unwrap();
    assert!((speed.change.unwrap() + 30.0).abs() < 0.1, "{speed:?}");
    assert_eq!((speed.verdict, found.counts.identical), (Verdict::Worse, 19));

    let fail_on = vec![Aspect::Accuracy, Aspect::State];
    let lenient = diff_with(&before, &after, &Options { fail_on, ..Options::default() });
    assert!(!lenient.regression);
    assert_eq!(lenient.conclusion(), "no regression; worse in speed, which --fail-on leaves out");
}

#[test]
fn speed_on_other_hardware_is_not_compared() {
    let before = results(3);
    let mut after = before.clone();
    change_speed(&mut after, [0.3; 3]);
    for run in runs_of_the_cell(&mut after) {
        run.outcome.as_mut().unwrap().provenance.host_class = "Another CPU, 1 thread".to_owned();
    }
    let diff = diff(&before, &after);
    let speed = the_cell(&diff).speed.as_ref().unwrap();
    assert_eq!(speed.verdict, Verdict::NotComparable);
    let note = speed.note.as_ref().unwrap();
    assert!(note.contains("other hardware") && note.contains("→ Another CPU, 1 thread"), "{note}");
    assert!(!diff.regression);
    assert_eq!(diff.speed_coverage().unwrap(), "speed was compared in 19 of 20 cells");
}

#[test]
fn training_that_took_no_time_is_not_timed() {
    let before = results(3);
    let mut after = before.clone();
    change_speed(&mut after, [0.3; 3]);
    // Two of three are slow enough to be timed, which says that they are the slow ones.
    for run in runs_of_the_cell(&mut after).take(1) {
        run.outcome.as_mut().unwrap().resources.train_seconds = 0.01;
    }
    let diff = diff(&before, &after);
    assert_eq!(the_cell(&diff).speed.as_ref().unwrap().verdict, Verdict::NotComparable);
}

#[test]
fn a_run_that_waited_for_other_work_is_not_timed() {
    let before = results(3);
    for (busy, pairs) in [(1, 2), (2, 0), (3, 0)] {
        let mut after = before.clone();
        for run in runs_of_the_cell(&mut after).take(busy) {
            let resources = &mut run.outcome.as_mut().unwrap().resources;
            resources.samples_per_second *= 0.3;
            resources.cpu_seconds = 0.3 * resources.wall_seconds;
        }
        let diff = diff(&before, &after);
        let speed = the_cell(&diff).speed.as_ref().unwrap();
        assert_eq!((speed.pairs, diff.regression), (pairs, false), "{speed:?}");
        assert!(speed.note.as_ref().unwrap().contains("busy"), "{speed:?}");
    }
}

#[test]
fn settings_that_differ_are_named_and_runs_are_paired_all_the_same() {
    let before = results(3);
    let mut after = before.clone();
    for run in runs_of_the_cell(&mut after) {
        let spec = &mut run.planned.spec;
        spec.training.optimizer =
            serde_json::from_value(serde_json::json!({"sgd": {"learning_rate": 0.0, "momentum": 0.9}}))
                .unwrap();
        spec.architecture =
            serde_json::from_value(serde_json::json!({"mlp": {"hidden": [500, 10]}})).unwrap();
        run.planned.id = spec.id();
        accuracy(run, -50.0);
    }
    let diff = diff(&before, &after);
    let cell = the_cell(&diff);
    let paths: Vec<&str> = cell.settings.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["architecture.mlp.hidden", "training.optimizer.sgd.learning_rate"]);
    assert_eq!((cell.verdict, cell.seeds, diff.counts.with_other_settings), (Verdict::Worse, 3, 1));
    assert!(
        cell.remarks()[0].contains("training.optimizer.sgd.learning_rate 0.1 → 0.0"),
        "{:?}",
        cell.remarks()
    );
}

#[test]
fn a_run_that_completed_and_now_fails_is_a_regression_whatever_the_others_say() {
    let before = results(3);
    for state in [State::Failed, State::Diverged, State::Lost, State::TimedOut, State::OutOfMemory] {
        let mut after = before.clone();
        runs_of_the_cell(&mut after).take(1).for_each(|run| end(run, state, "a reason"));
        let diff = diff(&before, &after);
        assert!(diff.regression, "{state}");
        let cell = the_cell(&diff);
        assert_eq!(cell.quality.as_ref().unwrap().pairs, 2);
        assert_eq!(cell.state.as_ref().unwrap().verdict, Verdict::Worse);
        assert!(diff.message().contains("seed 0: a reason"), "{}", diff.message());
        // And the other way round it is mended.
        let mended = super::tests::diff(&after, &before);
        assert_eq!((the_cell(&mended).verdict, mended.regression), (Verdict::Better, false));
    }
}

#[test]
fn a_run_that_always_failed_is_no_regression_and_one_that_has_not_ended_none_yet() {
    let mut before = results(3);
    let mut after = before.clone();
    for results in [&mut before, &mut after] {
        runs_of_the_cell(results).for_each(|run| end(run, State::Diverged, "as ever"));
    }
    for run in cell_mut(&mut after, "mnist", "mlp", "kp") {
        run.outcome = None;
    }
    let diff = diff(&before, &after);
    assert!(!diff.regression);
    assert_eq!(the_cell(&diff).verdict, Verdict::Unchanged);
    assert_eq!(diff.counts.not_comparable, 1);
}

#[test]
fn one_bit_in_one_epoch_is_not_identical() {
    let before = results(3);
    let mut after = before.clone();
    let run = runs_of_the_cell(&mut after).next().unwrap();
    let Some(Event::Epoch(epoch)) = run.events.last_mut() else { panic!("an epoch ends a run") };
    let loss = &mut epoch.validation.as_mut().unwrap().loss;
    *loss = f64::from_bits(loss.to_bits() + 1);
    let diff = diff(&before, &after);
    assert!(!the_cell(&diff).is_identical());
    assert_eq!((diff.counts.identical, diff.counts.unchanged), (19, 20));
}

#[test]
fn only_seeds_on_both_sides_are_paired() {
    let diff = diff(&results(3), &results(5));
    let cell = the_cell(&diff);
    assert_eq!((cell.seeds, cell.lone_seeds, cell.verdict), (3, 2, Verdict::Unchanged));
}

#[test]
fn a_loss_that_grew_is_worse_where_there_are_values_to_learn() {
    let teacher = || Synthetic { datasets: vec!["sacramento-teacher"], ..Synthetic::default() }.build();
    let (before, mut after) = (teacher(), teacher());
    for run in cell_mut(&mut after, "sacramento-teacher", "mlp", "fa") {
        let test = &mut run.outcome.as_mut().unwrap().result.as_mut().unwrap().test;
        test.loss *= 1.2;
        // Of no meaning here, and not looked at.
        test.accuracy += 0.1;
    }
    let diff = diff(&before, &after);
    let worse = diff.notable()[0].quality.as_ref().unwrap();
    assert_eq!((worse.figure, worse.verdict), (Figure::Loss, Verdict::Worse));
    assert!((worse.change.unwrap() - 20.0).abs() < 1e-6, "{worse:?}");
    assert_eq!(diff.counts.worse, 1);
}

#[test]
fn the_page_names_what_is_worse_first_and_breaks_on_no_label() {
    let before = results(3);
    let mut after = before.clone();
    for run in runs_of_the_cell(&mut after) {
        accuracy(run, -3.0);
    }
    for run in cell_mut(&mut after, "mnist", "cnn", "kp") {
        run.planned.cell.algorithm = "kp|new".to_owned();
    }
    let page = diff(&before, &after).markdown();
    let changed = page.split("## What changed").nth(1).unwrap();
    let first = changed.lines().find(|line| line.starts_with("| `")).unwrap();
    assert!(
        first.contains("`fa`") && first.contains("worse in accuracy") && first.contains("−3.00"),
        "{first}"
    );
    assert!(page.contains("**REGRESSION in accuracy.** 21 cells: 1 worse"), "{page}");
    assert!(page.contains("kp\\|new"), "{page}");
}

#[test]
fn what_many_cells_have_in_common_is_said_once() {
    let before = results(1);
    let mut after = before.clone();
    after.runs.iter_mut().for_each(|run| accuracy(run, -1.0));
    let diff = diff(&before, &after);
    let remarks = Diff::remarks(&diff.notable());
    // Once of accuracy and once of speed.
    assert_eq!(remarks.len(), 2, "{remarks:?}");
    assert!(remarks.iter().all(|(cells, _)| cells.ends_with("and 18 more")), "{remarks:?}");
}
