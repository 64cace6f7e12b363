//! What a run measured, as named numbers over epochs: what experiment trackers plot.
//!
//! They are the columns of the tables under other names, so a tracker shows what a table holds and cannot lag behind it:
//!
//! | name | table, column |
//! |---|---|
//! | `accuracy/train`, `loss/validation`, `seconds/evaluation` … | `epochs`: `train_accuracy`, `validation_loss`, `evaluation_seconds` … |
//! | `samples_seen`, `learning_rate` | `epochs`, the same |
//! | `gradient_angle/1.dense` … | `layers`: `gradient_angle` where `layer` is `1.dense` … |
//! | `final/test_accuracy`, `final/wall_seconds` … | `runs`, the same without `final/`; at the last epoch |

use super::tables::{self, Column, Value};
use crate::record::RecordedRun;

/// A number at an epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// Its name; what comes before a `/` is its group.
    pub name: String,
    /// Epochs trained.
    pub epoch: u32,
    /// Seconds from when it was known to the end of the run, see [`of_run`].
    pub before_end: f64,
    /// The number, which need not be finite.
    pub value: f64,
}

/// Columns of tables that say which row it is, not what was measured.
const KEYS: [&str; 8] =
    ["id", "dataset", "architecture", "algorithm", "seed", "epoch", "layer_index", "layer"];

/// Columns of the table of runs that are settings or facts about the data and network, not measured.
const SETTINGS: [&str; 7] = [
    "epochs",
    "batch_size",
    "learning_rate",
    "train_samples",
    "parameters",
    "multiply_accumulates",
    "threads",
];

/// Every number that a run measured, in the order of its epochs; what it came to in the end is last.
///
/// Events carry no clock, which would make them differ from one computation to the next. How long before the end an epoch
/// ended is therefore the sum of what the later ones took for training, evaluation and diagnostics.
pub fn of_run(run: &RecordedRun) -> Vec<Scalar> {
    let (epoch_columns, layer_columns) = (tables::epoch_columns(), tables::layer_columns());
    let epochs = run.epochs();
    let took = |epoch: &crate::record::Epoch| {
        let timing = epoch.timing;
        timing.train_seconds + timing.evaluation_seconds + timing.diagnostics_seconds
    };
    let mut scalars = Vec::new();
    for (place, epoch) in epochs.iter().enumerate() {
        let before_end: f64 = epochs[place + 1..].iter().map(|later| took(later)).sum();
        let scalar = |name, value| Scalar { name, epoch: epoch.epoch, before_end, value };
        let of_epoch = numbers(&epoch_columns, &(run, *epoch));
        scalars.extend(of_epoch.into_iter().map(|(column, value)| scalar(grouped(column), value)));
        for (index, layer) in epoch.layers.iter().enumerate() {
            let of_layer = numbers(&layer_columns, &(run, *epoch, index, layer));
            let measured = of_layer.into_iter().filter(|(column, _)| *column != "samples_seen");
            scalars
                .extend(measured.map(|(column, value)| scalar(format!("{column}/{}", layer.layer), value)));
        }
    }
    let last = epochs.last().map_or(0, |epoch| epoch.epoch);
    let at_the_end = numbers(&tables::run_columns(), &run).into_iter().filter_map(|(column, value)| {
        let measured = run.outcome.is_some() && !SETTINGS.contains(&column);
        let name = format!("final/{column}");
        measured.then_some(Scalar { name, epoch: last, before_end: 0.0, value })
    });
    scalars.extend(at_the_end);
    scalars
}

/// The columns that hold a number in this row.
fn numbers<R>(columns: &[Column<R>], row: &R) -> Vec<(&'static str, f64)> {
    let held = columns.iter().filter_map(|(name, _, value)| {
        let number = match value(row) {
            Value::Real(number) => number,
            Value::Integer(number) => number.map(|number| number as f64),
            Value::Text(_) => None,
        };
        number.filter(|_| !KEYS.contains(name)).map(|number| (*name, number))
    });
    held.collect()
}

/// `train_accuracy` as `accuracy/train`, so that the curves of one quantity stand together.
fn grouped(column: &str) -> String {
    for group in ["accuracy", "loss", "seconds"] {
        if let Some((before, after)) = column.split_once(&format!("_{group}")) {
            return format!("{group}/{before}{after}");
        }
    }
    column.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{Event, State},
        report::synthetic::{Synthetic, end},
    };
    use std::collections::BTreeSet;

    fn names(run: &RecordedRun) -> BTreeSet<String> {
        of_run(run).into_iter().map(|scalar| scalar.name).collect()
    }

    #[test]
    fn curves_of_one_quantity_stand_in_one_group() {
        assert_eq!(grouped("train_accuracy"), "accuracy/train");
        assert_eq!(grouped("test_loss_during_training"), "loss/test_during_training");
        assert_eq!(grouped("diagnostics_seconds"), "seconds/diagnostics");
        assert_eq!(grouped("learning_rate"), "learning_rate");
    }

    #[test]
    fn no_name_and_epoch_is_told_twice_and_settings_are_no_measurements() {
        for run in Synthetic::default().build().runs {
            let scalars = of_run(&run);
            let places: BTreeSet<_> = scalars.iter().map(|scalar| (&scalar.name, scalar.epoch)).collect();
            assert_eq!(places.len(), scalars.len());
            let names = names(&run);
            for name in ["loss/validation", "gradient_angle/1.dense", "final/test_accuracy", "samples_seen"] {
                assert!(names.contains(name), "{name} is not among {names:?}");
            }
            for name in ["seed", "epoch", "final/seed", "final/batch_size", "samples_seen/1.dense"] {
                assert!(!names.contains(name), "{name} is no measurement");
            }
        }
    }

    #[test]
    fn an_epoch_ended_as_long_before_the_end_as_the_later_ones_took() {
        let run = Synthetic { epochs: 2, ..Synthetic::default() }.build().runs.remove(0);
        let scalars = of_run(&run);
        let of = |epoch| scalars.iter().find(|scalar| scalar.epoch == epoch).map(|s| s.before_end);
        assert_eq!((of(0), of(1), of(2)), (Some(3.6), Some(1.8), Some(0.0)));
    }

    #[test]
    fn a_run_without_an_end_has_curves_and_no_final_figures() {
        let mut run = Synthetic::default().build().runs.remove(0);
        end(&mut run, State::Failed, "a reason");
        assert!(names(&run).contains("final/wall_seconds") && !names(&run).contains("final/test_accuracy"));
        run.outcome = None;
        assert!(names(&run).iter().all(|name| !name.starts_with("final/")));
        run.events.retain(|event| !matches!(event, Event::Epoch(_)));
        assert_eq!(of_run(&run), []);
    }
}
