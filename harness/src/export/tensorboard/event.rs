//! The events of a run as TensorBoard reads them: scalars, the description as text, and what the HPARAMS tab compares.
//!
//! Numbers of fields are those of `tensorboard/compat/proto/{event,summary,tensor,tensor_shape,types}.proto` and of
//! `tensorboard/plugins/hparams/{api,plugin_data}.proto`, and of `google/protobuf/struct.proto`.

use super::{
    super::{parameters, scalars::Scalar},
    record::Message,
};
use crate::record::{RecordedRun, State};
use serde::Serialize;
use serde_json::Value;

/// `DataType` of a tensor.
const DT_FLOAT: u64 = 1;
const DT_STRING: u64 = 7;

/// The first event of every file, which says how the others are to be read.
pub fn file_version(wall_time: f64) -> Message {
    Message::new().double(1, wall_time).bytes(3, "brain.Event:2")
}

/// All scalars of one epoch. A scalar in TensorBoard has single precision; tables have all the bits.
pub fn scalars(wall_time: f64, epoch: u32, scalars: &[Scalar]) -> Message {
    let value = |scalar: &Scalar| Message::new().bytes(1, &scalar.name).float(2, scalar.value as f32);
    event(wall_time, epoch, scalars.iter().map(value))
}

/// The run's description and provenance, on the TEXT tab.
pub fn description(wall_time: f64, run: &RecordedRun) -> Message {
    let shape = Message::new();
    let tensor =
        Message::new().integer(1, DT_STRING).message(2, shape).bytes(8, description_text(run).as_bytes());
    let value = Message::new().bytes(1, "run").message(8, tensor).message(9, metadata("text", &[]));
    event(wall_time, 0, [value])
}

/// As markdown.
fn description_text(run: &RecordedRun) -> String {
    let spec = &run.planned.spec;
    let told = match &run.outcome {
        None => "no end is recorded.".to_owned(),
        Some(outcome) => {
            let reason = outcome.reason.as_ref().map(|reason| format!(" ({})", reason.replace('\n', " ")));
            let provenance = indented(&outcome.provenance);
            format!("{}{}.\n\nProvenance:\n\n{provenance}", outcome.state, reason.unwrap_or_default())
        }
    };
    format!("Run `{}`, seed {}: {told}\n\nDescription:\n\n{}\n", run.planned.id, spec.seed, indented(spec))
}

/// A value as JSON, in markdown's form of code.
fn indented(value: &impl Serialize) -> String {
    let json = serde_json::to_string_pretty(value).unwrap_or_default();
    json.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// The run's settings, for the HPARAMS tab. Seeds of a cell are trials of one session group there.
pub fn settings(wall_time: f64, run: &RecordedRun) -> Message {
    let mut start = Message::new();
    for (name, value) in parameters::of_run(run) {
        start = start.message(1, Message::new().bytes(1, name).message(2, struct_value(&value)));
    }
    let start = start.bytes(4, run.planned.cell.to_string()).double(5, wall_time);
    event(wall_time, 0, [plugin_value("_hparams_/session_start_info", 3, start)])
}

/// How the run ended, for the HPARAMS tab.
pub fn end(wall_time: f64, epoch: u32, state: State) -> Message {
    const STATUS_SUCCESS: u64 = 1;
    const STATUS_FAILURE: u64 = 2;
    let status = if state.is_result() { STATUS_SUCCESS } else { STATUS_FAILURE };
    let end = Message::new().integer(1, status).double(2, wall_time);
    event(wall_time, epoch, [plugin_value("_hparams_/session_end_info", 4, end)])
}

/// A value whose content is in the metadata of the hparams plugin, beside an empty tensor.
fn plugin_value(tag: &str, field: u64, content: Message) -> Message {
    // `HParamsPluginData` of version 0, which needs no bytes.
    let content = Message::new().message(field, content).into_bytes();
    let shape = Message::new().message(2, Message::new());
    let tensor = Message::new().integer(1, DT_FLOAT).message(2, shape);
    Message::new().bytes(1, tag).message(8, tensor).message(9, metadata("hparams", &content))
}

/// `google.protobuf.Value`; what is no number, text or truth value is text.
fn struct_value(value: &Value) -> Message {
    match value {
        Value::Number(number) => Message::new().double(2, number.as_f64().unwrap_or(f64::NAN)),
        Value::Bool(truth) => Message::new().integer(4, u64::from(*truth)),
        other => Message::new().bytes(3, parameters::text(other)),
    }
}

fn metadata(plugin: &str, content: &[u8]) -> Message {
    let mut data = Message::new().bytes(1, plugin);
    if !content.is_empty() {
        data = data.bytes(2, content);
    }
    Message::new().message(1, data)
}

fn event(wall_time: f64, step: u32, values: impl IntoIterator<Item = Message>) -> Message {
    let summary = values.into_iter().fold(Message::new(), |summary, value| summary.message(1, value));
    Message::new().double(1, wall_time).integer(2, u64::from(step)).message(5, summary)
}
