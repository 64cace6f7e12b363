//! The tables: their columns and where each value is from.

use crate::record::{Epoch, Metrics, RecordedRun, Results};
use apical_algorithms::{
    diagnostics::{LayerDiagnostics, NeuronDiagnostics},
    voltage::{Compartment, SpikeTrain, VoltageTrace, VoltageTraces},
};
use serde::Serialize;

/// A table, a row at a time.
pub struct Table {
    /// Name of its file, without suffix.
    pub name: &'static str,
    /// Names of its columns and what they hold.
    pub columns: Vec<(&'static str, Kind)>,
    /// Its rows, a value per column.
    pub rows: Vec<Vec<Value>>,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Real,
}

/// A value; `None` is missing.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// In a column of text.
    Text(Option<String>),
    /// In a column of whole numbers.
    Integer(Option<i64>),
    /// In a column of numbers.
    Real(Option<f64>),
}

/// A column: its name, what it holds, and where its value is from.
pub(super) type Column<R> = (&'static str, Kind, fn(&R) -> Value);

fn text(value: impl Into<String>) -> Value {
    Value::Text(Some(value.into()))
}

fn some_text(value: Option<impl Into<String>>) -> Value {
    Value::Text(value.map(Into::into))
}

fn integer(value: impl TryInto<i64>) -> Value {
    Value::Integer(value.try_into().ok())
}

fn real(value: f64) -> Value {
    Value::Real(Some(value))
}

/// A part of a specification as one-line JSON.
fn json(value: &impl Serialize) -> Value {
    Value::Text(serde_json::to_string(value).ok())
}

fn table<R>(name: &'static str, columns: &[Column<R>], rows: impl Iterator<Item = R>) -> Table {
    Table {
        name,
        columns: columns.iter().map(|(name, kind, _)| (*name, *kind)).collect(),
        rows: rows.map(|row| columns.iter().map(|(_, _, value)| value(&row)).collect()).collect(),
    }
}

use Kind::{Integer, Real, Text};

/// A row per planned run.
pub fn runs(results: &Results) -> Table {
    table("runs", &run_columns(), results.runs.iter())
}

pub(super) fn run_columns<'r>() -> Vec<Column<&'r RecordedRun>> {
    vec![
        ("id", Text, |run| text(run.planned.id.as_str())),
        ("dataset", Text, |run| text(&run.planned.cell.dataset)),
        ("architecture", Text, |run| text(&run.planned.cell.architecture)),
        ("algorithm", Text, |run| text(&run.planned.cell.algorithm)),
        ("seed", Integer, |run| integer(run.planned.spec.seed)),
        ("state", Text, |run| text(run.state().map_or("not-run", |state| state.name()))),
        ("reason", Text, |run| some_text(run.outcome.as_ref().and_then(|outcome| outcome.reason.clone()))),
        ("failed_attempts", Integer, |run| integer(run.failures.len())),
        ("test_accuracy", Real, |run| Value::Real(run.result().map(|result| result.test.accuracy))),
        ("test_loss", Real, |run| Value::Real(run.result().map(|result| result.test.loss))),
        ("validation_accuracy", Real, |run| {
            Value::Real(run.result().and_then(|result| result.validation).map(|metrics| metrics.accuracy))
        }),
        ("validation_loss", Real, |run| {
            Value::Real(run.result().and_then(|result| result.validation).map(|metrics| metrics.loss))
        }),
        ("train_accuracy", Real, |run| {
            Value::Real(run.result().and_then(|result| result.train).map(|metrics| metrics.accuracy))
        }),
        ("train_loss", Real, |run| {
            Value::Real(run.result().and_then(|result| result.train).map(|metrics| metrics.loss))
        }),
        ("best_test_accuracy_during_training", Real, |run| {
            Value::Real(run.result().and_then(|result| result.best_test_accuracy_during_training))
        }),
        ("selected_epoch", Integer, |run| {
            Value::Integer(run.result().map(|result| i64::from(result.selected_epoch)))
        }),
        ("rule", Text, |run| text(&run.planned.spec.algorithm.rule)),
        ("rule_config", Text, |run| json(&run.planned.spec.algorithm.config)),
        ("dataset_spec", Text, |run| json(&run.planned.spec.dataset)),
        ("architecture_spec", Text, |run| json(&run.planned.spec.architecture)),
        ("epochs", Integer, |run| integer(run.planned.spec.training.epochs)),
        ("batch_size", Integer, |run| integer(run.planned.spec.training.batch_size)),
        ("learning_rate", Real, |run| real(run.planned.spec.training.optimizer.learning_rate())),
        ("training_spec", Text, |run| json(&run.planned.spec.training)),
        ("train_samples", Integer, |run| {
            Value::Integer(run.started().and_then(|started| started.train_samples.try_into().ok()))
        }),
        ("parameters", Integer, |run| {
            Value::Integer(run.started().and_then(|started| started.parameters.try_into().ok()))
        }),
        ("multiply_accumulates", Integer, |run| {
            Value::Integer(run.started().and_then(|started| started.multiply_accumulates.try_into().ok()))
        }),
        ("wall_seconds", Real, |run| {
            Value::Real(run.outcome.as_ref().map(|outcome| outcome.resources.wall_seconds))
        }),
        ("cpu_seconds", Real, |run| {
            Value::Real(run.outcome.as_ref().map(|outcome| outcome.resources.cpu_seconds))
        }),
        ("train_seconds", Real, |run| {
            Value::Real(run.outcome.as_ref().map(|outcome| outcome.resources.train_seconds))
        }),
        ("samples_per_second", Real, |run| {
            Value::Real(run.outcome.as_ref().map(|outcome| outcome.resources.samples_per_second))
        }),
        ("peak_memory_bytes", Integer, |run| {
            Value::Integer(
                run.outcome.as_ref().and_then(|outcome| outcome.resources.peak_memory_bytes.try_into().ok()),
            )
        }),
        ("host_class", Text, |run| some_text(run.outcome.as_ref().map(|o| o.provenance.host_class.clone()))),
        ("device", Text, |run| some_text(run.outcome.as_ref().map(|o| o.provenance.device.clone()))),
        ("threads", Integer, |run| {
            Value::Integer(run.outcome.as_ref().map(|outcome| i64::from(outcome.provenance.threads)))
        }),
        ("platform", Text, |run| some_text(run.outcome.as_ref().map(|o| o.provenance.platform.clone()))),
        ("apical_version", Text, |run| {
            some_text(run.outcome.as_ref().map(|o| o.provenance.apical_version.clone()))
        }),
        ("git_hash", Text, |run| some_text(run.outcome.as_ref().map(|o| o.provenance.git_hash.clone()))),
        ("tch_version", Text, |run| {
            some_text(run.outcome.as_ref().map(|o| o.provenance.tch_version.clone()))
        }),
        ("libtorch_version", Text, |run| {
            some_text(run.outcome.as_ref().map(|o| o.provenance.libtorch_version.clone()))
        }),
        ("finished_at", Text, |run| {
            some_text(run.outcome.as_ref().map(|o| o.provenance.finished_at.clone()))
        }),
    ]
}

/// An epoch of a run.
pub(super) type EpochRow<'r> = (&'r RecordedRun, &'r Epoch);

/// A row per run and epoch.
pub fn epochs(results: &Results) -> Table {
    let rows = results.runs.iter().flat_map(|run| run.epochs().into_iter().map(move |epoch| (run, epoch)));
    table("epochs", &epoch_columns(), rows)
}

fn loss(metrics: Option<Metrics>) -> Value {
    Value::Real(metrics.map(|metrics| metrics.loss))
}

fn accuracy(metrics: Option<Metrics>) -> Value {
    Value::Real(metrics.map(|metrics| metrics.accuracy))
}

pub(super) fn epoch_columns<'r>() -> Vec<Column<EpochRow<'r>>> {
    vec![
        ("id", Text, |(run, _)| text(run.planned.id.as_str())),
        ("dataset", Text, |(run, _)| text(&run.planned.cell.dataset)),
        ("architecture", Text, |(run, _)| text(&run.planned.cell.architecture)),
        ("algorithm", Text, |(run, _)| text(&run.planned.cell.algorithm)),
        ("seed", Integer, |(run, _)| integer(run.planned.spec.seed)),
        ("epoch", Integer, |(_, epoch)| integer(epoch.epoch)),
        ("samples_seen", Integer, |(_, epoch)| integer(epoch.samples_seen)),
        ("train_accuracy", Real, |(_, epoch)| accuracy(epoch.train)),
        ("train_loss", Real, |(_, epoch)| loss(epoch.train)),
        ("validation_accuracy", Real, |(_, epoch)| accuracy(epoch.validation)),
        ("validation_loss", Real, |(_, epoch)| loss(epoch.validation)),
        ("test_accuracy_during_training", Real, |(_, epoch)| accuracy(epoch.test_during_training)),
        ("test_loss_during_training", Real, |(_, epoch)| loss(epoch.test_during_training)),
        ("learning_rate", Real, |(_, epoch)| real(epoch.learning_rate)),
        ("train_seconds", Real, |(_, epoch)| real(epoch.timing.train_seconds)),
        ("evaluation_seconds", Real, |(_, epoch)| real(epoch.timing.evaluation_seconds)),
        ("diagnostics_seconds", Real, |(_, epoch)| real(epoch.timing.diagnostics_seconds)),
    ]
}

/// A layer at an epoch of a run.
pub(super) type LayerRow<'r> = (&'r RecordedRun, &'r Epoch, usize, &'r LayerDiagnostics);

/// A row per run, epoch and layer.
pub fn layers(results: &Results) -> Table {
    let epochs = results.runs.iter().flat_map(|run| run.epochs().into_iter().map(move |epoch| (run, epoch)));
    let rows = epochs.flat_map(|(run, epoch)| {
        epoch.layers.iter().enumerate().map(move |(index, layer)| (run, epoch, index, layer))
    });
    table("layers", &layer_columns(), rows)
}

pub(super) fn layer_columns<'r>() -> Vec<Column<LayerRow<'r>>> {
    vec![
        ("id", Text, |(run, ..)| text(run.planned.id.as_str())),
        ("dataset", Text, |(run, ..)| text(&run.planned.cell.dataset)),
        ("architecture", Text, |(run, ..)| text(&run.planned.cell.architecture)),
        ("algorithm", Text, |(run, ..)| text(&run.planned.cell.algorithm)),
        ("seed", Integer, |(run, ..)| integer(run.planned.spec.seed)),
        ("epoch", Integer, |(_, epoch, ..)| integer(epoch.epoch)),
        ("samples_seen", Integer, |(_, epoch, ..)| integer(epoch.samples_seen)),
        ("layer_index", Integer, |(_, _, index, _)| integer(*index)),
        ("layer", Text, |(.., layer)| text(&layer.layer)),
        ("gradient_angle", Real, |(.., layer)| Value::Real(layer.gradient_angle)),
        ("gradient_norm_ratio", Real, |(.., layer)| Value::Real(layer.gradient_norm_ratio)),
        ("feedback_angle", Real, |(.., layer)| Value::Real(layer.feedback_angle)),
        ("weight_norm", Real, |(.., layer)| real(layer.weight_norm)),
        ("weight_change", Real, |(.., layer)| Value::Real(layer.weight_change)),
        ("direction_change", Real, |(.., layer)| Value::Real(layer.direction_change)),
        ("reconstruction_error", Real, |(.., layer)| Value::Real(layer.reconstruction_error)),
        ("target_distance", Real, |(.., layer)| Value::Real(layer.target_distance)),
        ("feedback_alignment_angle", Real, |(.., layer)| Value::Real(layer.feedback_alignment_angle)),
        ("apical_potential", Real, |(.., layer)| neurons(layer, |neurons| neurons.apical_potential)),
        ("apical_potential_with_target", Real, |(.., layer)| {
            neurons(layer, |neurons| neurons.apical_potential_with_target)
        }),
        ("plateau_difference", Real, |(.., layer)| neurons(layer, |neurons| neurons.plateau_difference)),
        ("interneuron_mismatch", Real, |(.., layer)| neurons(layer, |neurons| neurons.interneuron_mismatch)),
        ("firing_rate", Real, |(.., layer)| neurons(layer, |neurons| neurons.firing_rate)),
    ]
}

fn neurons(layer: &LayerDiagnostics, quantity: fn(NeuronDiagnostics) -> Option<f64>) -> Value {
    Value::Real(layer.neurons.and_then(quantity))
}

/// A time step of a recorded potential: its run, epoch and recording, the potential, and the step.
type VoltageRow<'r> = (&'r RecordedRun, &'r Epoch, &'r VoltageTraces, &'r VoltageTrace, usize);

/// A row per run, recorded epoch, compartment and time step.
pub fn voltages(results: &Results) -> Table {
    let epochs = results.runs.iter().flat_map(|run| run.epochs().into_iter().map(move |epoch| (run, epoch)));
    let recordings = epochs.filter_map(|(run, epoch)| Some((run, epoch, epoch.voltages.as_ref()?)));
    let traces = recordings.flat_map(|(run, epoch, recording)| {
        recording.traces.iter().map(move |trace| (run, epoch, recording, trace))
    });
    let rows = traces.flat_map(|(run, epoch, recording, trace)| {
        (0..trace.potential.len()).map(move |step| (run, epoch, recording, trace, step))
    });
    table("voltages", &voltage_columns(), rows)
}

fn voltage_columns<'r>() -> Vec<Column<VoltageRow<'r>>> {
    vec![
        ("id", Text, |(run, ..)| text(run.planned.id.as_str())),
        ("dataset", Text, |(run, ..)| text(&run.planned.cell.dataset)),
        ("architecture", Text, |(run, ..)| text(&run.planned.cell.architecture)),
        ("algorithm", Text, |(run, ..)| text(&run.planned.cell.algorithm)),
        ("seed", Integer, |(run, ..)| integer(run.planned.spec.seed)),
        ("epoch", Integer, |(_, epoch, ..)| integer(epoch.epoch)),
        ("layer", Text, |(_, _, _, trace, _)| text(&trace.layer)),
        ("neuron", Integer, |(_, _, _, trace, _)| integer(trace.neuron)),
        ("compartment", Text, |(_, _, _, trace, _)| text(compartment(trace.compartment))),
        ("time_ms", Real, |(_, _, recording, _, step)| real(time_of(recording, *step))),
        ("phase", Text, |(_, _, recording, _, step)| {
            // The step that ends a phase belongs to it, whatever rounding says.
            let time = time_of(recording, *step) - recording.time_step / 2.0;
            some_text(recording.phases.iter().find(|phase| time < phase.end).map(|phase| &phase.name))
        }),
        ("potential", Real, |(_, _, _, trace, step)| real(trace.potential[*step])),
    ]
}

fn time_of(recording: &VoltageTraces, step: usize) -> f64 {
    (step + 1) as f64 * recording.time_step
}

fn compartment(compartment: Compartment) -> &'static str {
    match compartment {
        Compartment::Apical => "apical",
        Compartment::Basal => "basal",
        Compartment::Soma => "soma",
        Compartment::Interneuron => "interneuron",
        Compartment::Target => "target",
    }
}

/// A row per spike of a recorded neuron.
pub fn spikes(results: &Results) -> Table {
    let epochs = results.runs.iter().flat_map(|run| run.epochs().into_iter().map(move |epoch| (run, epoch)));
    let trains = epochs.flat_map(|(run, epoch)| {
        epoch.voltages.iter().flat_map(|recording| &recording.spikes).map(move |train| (run, epoch, train))
    });
    let rows =
        trains.flat_map(|(run, epoch, train)| train.times.iter().map(move |time| (run, epoch, train, *time)));
    table("spikes", &spike_columns(), rows)
}

/// A spike: its run, epoch, neuron and time.
type SpikeRow<'r> = (&'r RecordedRun, &'r Epoch, &'r SpikeTrain, f64);

fn spike_columns<'r>() -> Vec<Column<SpikeRow<'r>>> {
    vec![
        ("id", Text, |(run, ..)| text(run.planned.id.as_str())),
        ("dataset", Text, |(run, ..)| text(&run.planned.cell.dataset)),
        ("architecture", Text, |(run, ..)| text(&run.planned.cell.architecture)),
        ("algorithm", Text, |(run, ..)| text(&run.planned.cell.algorithm)),
        ("seed", Integer, |(run, ..)| integer(run.planned.spec.seed)),
        ("epoch", Integer, |(_, epoch, ..)| integer(epoch.epoch)),
        ("layer", Text, |(_, _, train, _)| text(&train.layer)),
        ("neuron", Integer, |(_, _, train, _)| integer(train.neuron)),
        ("time_ms", Real, |(.., time)| real(*time)),
    ]
}
