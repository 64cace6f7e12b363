//! What must hold of every export.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::{
    record::State,
    report::synthetic::{Synthetic, cell_mut, diverge, end},
};
use ::parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};

fn results() -> Results {
    let mut results = Synthetic {
        algorithms: vec![
            ("bp", "bp"),
            ("fa", "fa"),
            ("dfa", "dfa"),
            ("kp", "kp"),
            ("segregated-dendrites", "segregated-dendrites"),
        ],
        ..Synthetic::default()
    }
    .build();
    cell_mut(&mut results, "mnist", "mlp", "fa").take(1).for_each(|run| diverge(run, 1));
    cell_mut(&mut results, "mnist", "mlp", "dfa")
        .take(1)
        .for_each(|run| end(run, State::Failed, "a reason, with \"quotes\"\nand lines"));
    cell_mut(&mut results, "mnist", "mlp", "kp").take(1).for_each(|run| run.outcome = None);
    results
}

#[test]
fn every_planned_run_is_a_row_whatever_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let results = results();
    export(&results, Format::Csv, folder.path()).unwrap();
    let mut reader = csv::Reader::from_path(folder.path().join("runs.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|column| column == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), results.runs.len());
    for (row, run) in rows.iter().zip(&results.runs) {
        assert_eq!(&row[place("id")], run.planned.id.as_str());
        let accuracy = row[place("test_accuracy")].parse::<f64>().ok();
        assert_eq!(accuracy, run.result().map(|result| result.test.accuracy));
    }
    let states: std::collections::BTreeSet<&str> = rows.iter().map(|row| &row[place("state")]).collect();
    assert_eq!(Vec::from_iter(states), ["completed", "diverged", "failed", "not-run"]);
    assert!(rows.iter().any(|row| row[place("reason")].contains("\"quotes\"\nand")));
}

fn as_json(field: &Field) -> serde_json::Value {
    match field {
        Field::Str(text) => text.as_str().into(),
        Field::Long(number) => (*number).into(),
        Field::Double(number) => (*number).into(),
        _ => serde_json::Value::Null,
    }
}

#[test]
fn all_formats_hold_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let results = results();
    for format in [Format::Csv, Format::Json, Format::Parquet] {
        export(&results, format, folder.path()).unwrap();
    }
    for name in ["runs", "epochs", "layers", "voltages", "spikes"] {
        let csv =
            csv::Reader::from_path(folder.path().join(format!("{name}.csv"))).unwrap().into_records().count();
        let json = std::fs::read_to_string(folder.path().join(format!("{name}.json"))).unwrap();
        let json: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
        let file = std::fs::File::open(folder.path().join(format!("{name}.parquet"))).unwrap();
        let parquet = SerializedFileReader::new(file).unwrap();
        let rows: Vec<::parquet::record::Row> =
            parquet.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert!(csv > 0);
        assert_eq!((csv, csv), (json.len(), rows.len()), "{name}");
        for (object, row) in json.iter().zip(&rows) {
            for (column, field) in row.get_column_iter() {
                let value = as_json(field);
                assert_eq!(object[column], value, "{name}: {column}");
            }
        }
    }
}

#[test]
fn a_loss_that_is_not_finite_is_nan_in_a_table_and_null_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let results = results();
    export(&results, Format::Csv, folder.path()).unwrap();
    export(&results, Format::Json, folder.path()).unwrap();
    assert!(std::fs::read_to_string(folder.path().join("epochs.csv")).unwrap().contains("NaN"));
    assert!(
        std::fs::read_to_string(folder.path().join("epochs.json")).unwrap().contains("\"train_loss\":null")
    );
}

#[test]
fn a_table_without_rows_is_still_a_table() {
    let mut results = Synthetic::default().build();
    results.runs.clear();
    let folder = tempfile::tempdir().unwrap();
    for format in [Format::Csv, Format::Json, Format::Parquet] {
        for path in export(&results, format, folder.path()).unwrap() {
            assert!(std::fs::metadata(path).unwrap().len() > 0);
        }
    }
    let json = std::fs::read_to_string(folder.path().join("runs.json")).unwrap();
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&json).unwrap().len(), 0);
}

#[test]
fn voltages_are_exported_only_where_neurons_were_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let paths = export(&Synthetic::default().build(), Format::Csv, folder.path()).unwrap();
    assert_eq!(paths.len(), 3, "{paths:?}");
    export(&results(), Format::Csv, folder.path()).unwrap();
    let mut reader = csv::Reader::from_path(folder.path().join("voltages.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|column| column == name).unwrap();
    let first: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).take(100).collect();
    let phases: Vec<&str> = first.iter().map(|row| &row[place("phase")]).collect();
    assert!(phases[..50].iter().all(|phase| *phase == "forward phase"), "{phases:?}");
    assert!(phases[50..].iter().all(|phase| *phase == "target phase"), "{phases:?}");
    assert_eq!((&first[0][place("time_ms")], &first[0][place("compartment")]), ("1", "basal"));
}
