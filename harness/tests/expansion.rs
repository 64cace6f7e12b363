//! What a suite comes to: which runs, in which order, under which labels and ids.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use apical::{
    plan::{FilterError, Filters, Plan},
    suite,
};
use proptest::prelude::*;
use std::fmt::Write;

/// A suite with the given sections in place of the usual ones.
fn suite_with(sections: &[(&str, &str)]) -> String {
    let usual = [
        ("name", "small"),
        ("description", "A small suite."),
        ("seeds", "1"),
        ("datasets", "{digits: {validation: 200}}"),
        ("architectures", "{mlp: {mlp: {hidden: [16]}}}"),
        ("algorithms", "{bp: {}, fa: {}}"),
        ("training", "{epochs: 1, batch_size: 32, optimizer: {sgd: {learning_rate: 0.1}}}"),
    ];
    let mut text = String::new();
    for (key, value) in usual {
        let value = sections.iter().find(|(name, _)| *name == key).map_or(value, |(_, value)| value);
        writeln!(text, "{key}: {value}").unwrap();
    }
    for (key, value) in sections.iter().filter(|(key, _)| usual.iter().all(|(name, _)| name != key)) {
        writeln!(text, "{key}: {value}").unwrap();
    }
    text
}

fn plan(sections: &[(&str, &str)]) -> Plan {
    suite::parse(&suite_with(sections), "suite.yaml").unwrap_or_else(|errors| panic!("{errors}"))
}

fn cells(plan: &Plan) -> Vec<String> {
    let mut cells: Vec<String> = plan.runs.iter().map(|run| run.cell.to_string()).collect();
    cells.dedup();
    cells
}

#[test]
fn the_same_suite_has_the_same_ids_for_ever() {
    let plan = plan(&[("seeds", "2"), ("algorithms", "{bp: {}, fa: {feedback: {scale: [0.5, 2]}}}")]);
    let ids: Vec<String> =
        plan.runs.iter().map(|run| format!("{} seed {}: {}", run.cell, run.spec.seed, run.id)).collect();
    insta::assert_snapshot!(ids.join("\n"));
}

#[test]
fn defaults_written_out_change_no_id() {
    let short = plan(&[]);
    let long = plan(&[
        (
            "datasets",
            "{digits: {name: digits, validation: 200, split_seed: 0, normalization: unit, augment: []}}",
        ),
        ("algorithms", "{bp: {rule: bp}, fa: {rule: feedback-alignment, feedback: {scale: 1}}}"),
        ("evaluation", "{select: best-validation}"),
        ("execution", "{threads: 2}"),
    ]);
    let ids = |plan: &Plan| plan.runs.iter().map(|run| run.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&short), ids(&long));
}

#[test]
fn runs_come_in_the_order_of_the_document() {
    let plan = plan(&[
        ("seeds", "[7, 3]"),
        ("datasets", "{mnist: {}, digits: {}}"),
        ("architectures", "{z: {mlp: {hidden: [8]}}, a: {mlp: {hidden: [4]}}}"),
        ("algorithms", "{fa: {}, bp: {}}"),
    ]);
    assert_eq!(
        cells(&plan),
        [
            "mnist / z / fa",
            "mnist / z / bp",
            "mnist / a / fa",
            "mnist / a / bp",
            "digits / z / fa",
            "digits / z / bp",
            "digits / a / fa",
            "digits / a / bp"
        ]
    );
    let seeds: Vec<u64> = plan.runs.iter().take(4).map(|run| run.spec.seed).collect();
    assert_eq!(seeds, [7, 3, 7, 3]);
}

#[test]
fn a_list_where_a_value_belongs_is_an_axis_and_names_its_values() {
    let plan = plan(&[
        ("datasets", "{digits: {validation: [100, 200]}}"),
        ("architectures", "{mlp: {mlp: {hidden: [[16], [16, 16]], activation: [tanh, relu]}}}"),
        ("algorithms", "{fa: {feedback: {scale: [0.5, 1]}, convention: [nokland, null]}}"),
        (
            "training",
            "{epochs: 1, batch_size: 32, optimizer: [{sgd: {learning_rate: [0.1, 0.2]}}, {adam: {learning_rate: 1e-3}}]}",
        ),
    ]);
    assert_eq!(plan.runs.len(), 2 * 4 * 4 * 3);
    assert_eq!(
        plan.runs[0].cell.to_string(),
        "digits[validation=100] / mlp[hidden=[16],activation=tanh] / \
         fa[feedback.scale=0.5,convention=nokland,training.optimizer=sgd,training.optimizer.sgd.learning_rate=0.1]"
    );
    let last = plan.runs.last().unwrap();
    assert_eq!(
        last.cell.to_string(),
        "digits[validation=200] / mlp[hidden=[16,16],activation=relu] / fa[feedback.scale=1,convention=null,training.optimizer=adam]"
    );
    assert_eq!(last.spec.dataset.validation, 200);
    assert_eq!(last.spec.algorithm.config["feedback"]["scale"], 1.0);
}

#[test]
fn a_list_where_a_list_belongs_is_no_axis() {
    let flat = plan(&[("datasets", "{digits: {augment: [crop, flip]}}")]);
    assert_eq!(flat.runs.len(), 2);
    let axis = plan(&[("datasets", "{digits: {augment: [[], [crop], [crop, flip]]}}")]);
    assert_eq!(axis.runs.len(), 6);
    assert_eq!(axis.runs[2].cell.dataset, "digits[augment=[crop]]");
}

#[test]
fn settings_of_an_augmentation_are_axes_like_others_and_its_defaults_change_no_id() {
    let of = |augment: &str| plan(&[("datasets", &format!("{{digits: {{augment: {augment}}}}}"))]);
    let labels = |augment: &str| -> Vec<String> {
        of(augment).runs.iter().map(|run| run.cell.dataset.clone()).step_by(2).collect()
    };
    assert_eq!(
        labels("[{crop: {padding: [2, 3]}}, flip]"),
        ["digits[augment.0.crop.padding=2]", "digits[augment.0.crop.padding=3]"]
    );
    assert_eq!(
        labels("[flip, {resized-crop: {scale: [[0.5, 1], [0.25, 1]]}}]"),
        ["digits[augment.1.resized-crop.scale=[0.5,1]]", "digits[augment.1.resized-crop.scale=[0.25,1]]"]
    );
    let ids =
        |augment: &str| -> Vec<String> { of(augment).runs.iter().map(|run| run.id.to_string()).collect() };
    assert_eq!(ids("[crop, flip]"), ids("[{crop: {padding: 4}}, flip]"));
    assert_eq!(ids("[resized-crop]"), ids("[{resized-crop: {scale: [0.08, 1]}}]"));
    assert_ne!(ids("[crop]"), ids("[{crop: {padding: 3}}]"));
}

#[test]
fn overrides_apply_in_order_to_what_they_match() {
    let plan = plan(&[
        ("algorithms", "{bp: {}, fa: {}, dfa: {}}"),
        (
            "overrides",
            "\n  - {match: {algorithm: [fa, dfa]}, set: {training.batch_size: 20, algorithm.feedback.scale: 0.5}}\n  \
             - {match: {algorithm: dfa, dataset: digits}, set: {training.batch_size: [10, 5], architecture.mlp.activation: relu, architecture.mlp.hidden.0: 9, dataset.augment: [flip]}}",
        ),
    ]);
    let found: Vec<(String, u32)> =
        plan.runs.iter().map(|run| (run.cell.algorithm.clone(), run.spec.training.batch_size)).collect();
    let expected =
        [("bp", 32), ("fa", 20), ("dfa[training.batch_size=10]", 10), ("dfa[training.batch_size=5]", 5)];
    assert_eq!(found, expected.map(|(label, size)| (label.to_owned(), size)));
    let dfa = serde_json::to_value(&plan.runs[2].spec).unwrap();
    assert_eq!(dfa["algorithm"]["config"]["feedback"]["scale"], 0.5);
    assert_eq!(dfa["architecture"]["mlp"]["activation"], "relu");
    assert_eq!(dfa["architecture"]["mlp"]["hidden"][0], 9);
    assert_eq!(dfa["dataset"]["augment"][0], "flip");
}

#[test]
fn include_keeps_and_exclude_then_drops() {
    let plan = plan(&[
        ("datasets", "{digits: {}, cifar10: {}}"),
        ("architectures", "{mlp: {mlp: {hidden: [16]}}, lenet: {lenet_cifar: {}}}"),
        ("algorithms", "{bp: {}, fa: {feedback: {scale: [0.5, 2]}}}"),
        (
            "include",
            "[{dataset: digits, architecture: mlp}, {dataset: cifar10, architecture: lenet, algorithm: bp}]",
        ),
        ("exclude", "[{algorithm: 'fa[feedback.scale=2]'}]"),
    ]);
    // LeNet does not fit the 8×8 digits: a pair that is left out is no mistake.
    assert_eq!(
        cells(&plan),
        ["digits / mlp / bp", "digits / mlp / fa[feedback.scale=0.5]", "cifar10 / lenet / bp"]
    );
}

#[test]
fn anchors_and_merge_keys_mean_what_yaml_says() {
    let text = suite_with(&[(
        "algorithms",
        "{fa: &settings {feedback: {scale: 0.5}}, dfa: {<<: *settings, convention: nokland}, kp: *settings}",
    )]);
    let plan = suite::parse(&text, "suite.yaml").unwrap();
    assert!(plan.runs.iter().all(|run| run.spec.algorithm.config["feedback"]["scale"] == 0.5));
    assert_eq!(plan.runs[1].spec.algorithm.config["convention"], "nokland");
}

#[test]
fn published_accuracies_become_errors_for_every_cell_they_name() {
    let plan = plan(&[
        ("architectures", "{a: {mlp: {hidden: [16]}}, b: {mlp: {hidden: [8]}}}"),
        (
            "published",
            "[{algorithm: [bp, fa], dataset: digits, test_accuracy: 98.45, source: here, firmness: memory}]",
        ),
    ]);
    assert_eq!(plan.published.len(), 4);
    assert!(plan.published.iter().all(|figure| (figure.test_error - 1.55).abs() < 1e-12));
}

#[test]
fn filters_of_one_key_are_alternatives_and_keys_are_conditions() {
    let plan = plan(&[
        ("seeds", "3"),
        ("algorithms", "{bp: {}, fa: {feedback: {scale: [0.5, 2]}, convention: [nokland, biotorch]}}"),
    ]);
    let count = |filters: &[&str]| {
        let filters = Filters::parse(filters).unwrap();
        filters.check(&plan).unwrap();
        plan.filtered(&filters).runs.len()
    };
    assert_eq!(count(&[]), plan.runs.len());
    assert_eq!(count(&["algorithm=bp"]), 3);
    assert_eq!(count(&["algorithm=fa", "seed=0,2"]), 8);
    assert_eq!(count(&["seed=0", "seed=1", "algorithm=bp,fa"]), 10);
    assert_eq!(count(&["algorithm=fa[feedback.scale=0.5,convention=nokland]"]), 3);
    assert_eq!(count(&[&format!("id={}", plan.runs[0].id)]), 1);
    assert_eq!(count(&[&format!("id={}", &plan.runs[0].id.as_str()[..8])]), 1);
}

#[test]
fn a_filter_that_names_nothing_is_refused_with_what_there_is() {
    let plan = plan(&[]);
    let refused = |filter: &str| match Filters::parse([filter]) {
        Ok(filters) => filters.check(&plan).unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(refused("algorithm"), FilterError::Form(_)));
    assert!(matches!(refused("seed=one"), FilterError::Value { .. }));
    assert_eq!(
        refused("algoritm=fa").to_string(),
        "the filter `algoritm=fa` has the unknown key `algoritm`; did you mean `algorithm`? \
         There are: `dataset`, `architecture`, `algorithm`, `seed`, `id`"
    );
    assert_eq!(
        refused("algorithm=af").to_string(),
        "no run of `small` has the algorithm `af`; did you mean `fa`? There are: `bp`, `fa`"
    );
    assert_eq!(refused("seed=5").to_string(), "no run of `small` has the seed `5`; there are: `0`");
}

fn rich() -> String {
    suite_with(&[
        (
            "datasets",
            "\n  digits: &d {validation: 200, augment: [[crop], []]}\n  mnist: {<<: *d, subset: {train: 1000}}",
        ),
        (
            "architectures",
            "\n  mlp: {mlp: {hidden: [[16], [8, 8]], activation: tanh}}\n  cnn: {cnn: {layers: [{conv: {channels: 4, kernel: 3}}, {max_pool: {kernel: 2}}, {dense: 8}]}}",
        ),
        (
            "algorithms",
            "{bp: {}, fa: {feedback: {scale: [0.5, 1.0], init: {uniform: {low: -1, high: 1}}}}, own: {rule: dfa}}",
        ),
        ("overrides", "[{match: {algorithm: [fa, own]}, set: {training.batch_size: 20}}]"),
        ("exclude", "[{algorithm: own, dataset: mnist}]"),
        ("published", "[{algorithm: bp, dataset: mnist, test_accuracy: 98.5, source: here, firmness: seen}]"),
        ("execution", "{timeout_minutes: 5}"),
    ])
}

#[test]
fn the_suite_that_is_mutated_is_valid() {
    let plan = suite::parse(&rich(), "rich.yaml").unwrap_or_else(|errors| panic!("{errors}"));
    assert!(!plan.runs.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is typed into a suite, the answer is a plan or errors that can be shown.
    #[test]
    fn no_mutation_of_a_suite_panics(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, "[\\[\\]{}:,&*<!'\"\\-0-9a-z~#|>é \\t\\n]{0,5}"), 1..5),
    ) {
        let mut text: Vec<char> = rich().chars().collect();
        for (at, removed, inserted) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, inserted.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(errors) = suite::parse(&text, "mutated.yaml") {
            prop_assert!(errors.count() > 0);
            prop_assert!(errors.to_string().starts_with("mutated.yaml:"));
        }
    }
}
