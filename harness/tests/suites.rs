//! The suites that come with the program, and the schema that they follow.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use apical::suite;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../suites")
}

fn suites() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut suites: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    suites.sort();
    assert!(!suites.is_empty());
    suites
}

#[test]
fn every_suite_has_a_plan() {
    for path in suites() {
        let plan = suite::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(!plan.runs.is_empty());
        assert_eq!(plan.name, path.file_stem().unwrap().to_str().unwrap(), "a suite is named as its file");
    }
}

/// Set `APICAL_UPDATE_SCHEMA=1` to write the schema anew.
#[test]
fn the_schema_is_in_step_with_the_types() {
    let path = folder().join("suite.schema.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&suite::schema()).unwrap());
    if std::env::var_os("APICAL_UPDATE_SCHEMA").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == text,
        "suites/suite.schema.json is out of date: run APICAL_UPDATE_SCHEMA=1 cargo test -p apical --test suites"
    );
}

#[test]
fn every_suite_fits_the_schema_and_names_it() {
    let schema = suite::schema();
    jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{error}"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    for path in suites() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# yaml-language-server: $schema=suite.schema.json\n"),
            "{}: the first line tells editors of the schema",
            path.display()
        );
        let value: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}:\n{}", path.display(), errors.join("\n"));
    }
}

/// Each example of the reference replaces its sections in a suite around it.
#[test]
fn every_example_in_the_reference_is_valid() {
    let page = fs::read_to_string(folder().join("../docs/suite-format.md")).unwrap();
    let around: serde_yaml::Mapping = serde_yaml::from_str(
        "{name: around, description: The rest., seeds: 1, \
          datasets: {mnist: {}, cifar10: {}}, \
          architectures: {mlp: {mlp: {hidden: [8]}}, cnn: {cnn: {layers: [{conv: {channels: 4, kernel: 3}}]}}}, \
          algorithms: {bp: {}, fa: {feedback: {scale: [0.5, 1.0]}}, dfa: {}}, \
          training: {epochs: 1, batch_size: 32, optimizer: {sgd: {learning_rate: 0.1}}}, \
          evaluation: {test_each_epoch: true}}",
    )
    .unwrap();
    let examples: Vec<&str> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() > 10);
    for example in examples {
        let own: serde_yaml::Mapping = serde_yaml::from_str(example).unwrap();
        let whole = own.contains_key("training") && own.contains_key("name");
        let mut suite = if whole { serde_yaml::Mapping::new() } else { around.clone() };
        suite.extend(own);
        let text = serde_yaml::to_string(&suite).unwrap();
        if let Err(errors) = suite::parse(&text, "example") {
            panic!("{example}\n{errors}");
        }
    }
}

#[test]
fn the_errors_in_the_reference_are_those_that_a_user_reads() {
    let page = fs::read_to_string(folder().join("../docs/suite-format.md")).unwrap();
    let shown = page.split("```text\n").nth(1).unwrap().split("```").next().unwrap().trim_end();
    let suite = "name: example\ndescription: x\n\n\ndatasets:\n  mnist: {}\n\narchitectures:\n  \
                 mlp: {mlp: {hiden: [500], activation: tahn}}\nalgorithms: {bp: {}}\n\
                 training: {epochs: 1, batch_size: 1, optimizer: {sgd: {learning_rate: 1}}}\n";
    let errors = suite::parse(suite, "suites/example.yaml").unwrap_err().to_string();
    assert_eq!(errors, shown);
}
