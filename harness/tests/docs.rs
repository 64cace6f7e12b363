//! What is registered is documented, and what the documents name is there.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use apical::{
    data::{Augmentation, CATALOG},
    suite,
};
use apical_algorithms::{architecture::Architecture, rule};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names between single backticks, outside of blocks of code.
fn code_spans(text: &str) -> BTreeSet<String> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

/// The names that a suite may give an architecture, out of the schema of the type.
fn architectures() -> Vec<String> {
    let schema = schemars::schema_for!(Architecture).to_value();
    let variants = schema["oneOf"].as_array().unwrap();
    variants.iter().map(|variant| variant["required"][0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_rule_architecture_dataset_and_augmentation_is_documented() {
    let (readme, algorithms) = (code_spans(&read("README.md")), read("docs/algorithms.md"));
    let headings: Vec<&str> = algorithms.lines().filter(|line| line.starts_with("## ")).collect();
    for entry in rule::registry() {
        assert!(readme.contains(entry.name), "README.md does not list the rule `{}`", entry.name);
        let name_of_heading =
            |heading: &&str| heading.split(['(', ')', ',']).any(|word| word.trim() == entry.name);
        assert!(
            headings.iter().any(name_of_heading),
            "docs/algorithms.md has no section whose heading names the rule, as in `## {} ({})`",
            entry.title,
            entry.name
        );
        for name in entry.aliases {
            assert!(code_spans(&algorithms).contains(*name), "docs/algorithms.md lacks the alias `{name}`");
        }
    }
    let names = architectures();
    assert!(names.len() >= 12, "{names:?}");
    for name in names {
        assert!(readme.contains(&name), "README.md does not list the architecture `{name}`");
    }
    for entry in CATALOG {
        assert!(readme.contains(entry.name), "README.md does not list the dataset `{}`", entry.name);
    }
    let suites = code_spans(&read("docs/suite-format.md"));
    let augmentations = schemars::schema_for!(Augmentation).to_value();
    for option in augmentations["oneOf"].as_array().unwrap() {
        let name = option["const"].as_str().or(option["required"][0].as_str()).unwrap();
        assert!(suites.contains(name), "docs/suite-format.md lacks the augmentation `{name}`");
    }
}

#[test]
fn the_smoke_suite_runs_every_rule() {
    let plan = suite::load(&root().join("suites/smoke.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
    let run: BTreeSet<&str> = plan.runs.iter().map(|run| run.spec.algorithm.rule.as_str()).collect();
    for entry in rule::registry() {
        assert!(run.contains(entry.name), "suites/smoke.yaml does not run `{}`", entry.name);
    }
}

#[test]
fn the_readme_lists_every_suite() {
    let readme = read("README.md");
    for entry in fs::read_dir(root().join("suites")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(readme.contains(&format!("(suites/{name})")), "README.md does not link suites/{name}");
        }
    }
}

#[test]
fn the_suite_in_the_readme_has_a_plan() {
    let readme = read("README.md");
    let suite = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.yaml");
    fs::write(&path, suite).unwrap();
    let plan = suite::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(plan.runs.len(), 20);
}

/// All Rust source of the workspace, as one text.
fn source() -> String {
    let folders = ["algorithms/src", "algorithms/tests", "harness/src", "harness/tests"];
    let files = folders.iter().flat_map(|folder| walkdir::WalkDir::new(root().join(folder)));
    let rust =
        files.map(Result::unwrap).filter(|file| file.path().extension().is_some_and(|ext| ext == "rs"));
    rust.map(|file| fs::read_to_string(file.path()).unwrap()).collect()
}

#[test]
fn every_test_that_the_documents_name_exists() {
    let source = source();
    let mut named = 0;
    for document in ["ARCHITECTURE.md", "docs/adding-an-algorithm.md"] {
        let text = read(document);
        // Names of tests stand in tables alone; a name that begins with … goes on from the one before it.
        let rows: String = text.lines().filter(|line| line.starts_with('|')).collect::<Vec<_>>().join("\n");
        for name in code_spans(&rows) {
            let word = name.trim_start_matches('…');
            let is_test =
                word.matches('_').count() >= 3 && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !is_test {
                continue;
            }
            named += 1;
            let exists = if word == name {
                source.contains(&format!("fn {name}("))
            } else {
                source.contains(&format!("{word}("))
            };
            assert!(exists, "{document} names a test that does not exist: {name}");
        }
    }
    assert!(named >= 30, "only {named} names of tests were found");
}

#[test]
fn the_exit_codes_are_documented() {
    use apical::exit;
    let codes = [
        exit::OK,
        exit::ERROR,
        exit::USAGE,
        exit::CONFIG,
        exit::NOTHING_SELECTED,
        exit::RUNS_FAILED,
        exit::REGRESSION,
        exit::INTERRUPTED,
    ];
    let text = read("docs/record-format.md");
    for code in codes {
        assert!(text.contains(&format!("| {code} |")), "docs/record-format.md lacks the exit code {code}");
    }
}

#[test]
fn every_setting_of_a_rule_is_documented() {
    let text = read("docs/algorithms.md");
    for entry in rule::registry() {
        let defaults = entry.resolve(serde_json::json!({})).unwrap();
        let mut open = vec![&defaults];
        while let Some(value) = open.pop() {
            for (key, inner) in value.as_object().into_iter().flatten() {
                assert!(
                    text.contains(&format!("{key}:")) || code_spans(&text).contains(key),
                    "docs/algorithms.md does not name the setting `{key}` of `{}`",
                    entry.name
                );
                open.push(inner);
            }
        }
    }
}
