//! TensorBoard event files: a folder per run, `<folder>/<suite>/<dataset>/<architecture>/<algorithm>/seed-<n>/`, with one
//! file of a fixed name in it.
//!
//! The name is fixed, not made of a time and a host as TensorFlow's are, because TensorBoard joins all event files of a
//! folder into one curve: an export must take the place of the one before. `step` is the epoch. What is written depends on
//! the record alone, so exporting again writes the same bytes, and a file that holds them already is left alone.

mod event;
mod record;

use super::scalars;
use crate::{
    digest::sha256,
    record::{RecordedRun, Results},
};
use anyhow::Context as _;
use record::Message;
use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// TensorBoard takes a file for its own where the name contains `tfevents`.
const FILE: &str = "events.out.tfevents.apical";

/// What an export did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The folder of the suite.
    pub folder: PathBuf,
    /// Runs whose file was written.
    pub written: usize,
    /// Runs whose file held the same already.
    pub unchanged: usize,
    /// Runs that have measured nothing yet, or failed before they could.
    pub without_measurements: usize,
}

/// Writes an event file for every run that measured something.
///
/// # Errors
/// When a file cannot be written.
pub fn export(results: &Results, folder: &Path) -> anyhow::Result<Summary> {
    let folder = folder.join(component(&results.plan.name));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut summary = Summary { folder, written: 0, unchanged: 0, without_measurements: 0 };
    for run in &results.runs {
        let Some(bytes) = file(run) else {
            summary.without_measurements += 1;
            continue;
        };
        let path = summary.folder.join(place(run));
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            summary.unchanged += 1;
        } else {
            replace(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
            summary.written += 1;
        }
    }
    Ok(summary)
}

/// Where a run's file lies in its suite's folder.
fn place(run: &RecordedRun) -> PathBuf {
    let cell = &run.planned.cell;
    let labels = [&cell.dataset, &cell.architecture, &cell.algorithm].map(|label| component(label));
    labels.iter().collect::<PathBuf>().join(format!("seed-{}", run.planned.spec.seed)).join(FILE)
}

/// A label as the name of a folder: what is not plain stands as `%` and its code, and what is long ends in a digest.
fn component(label: &str) -> String {
    /// Filesystems allow 255 bytes.
    const MOST: usize = 200;
    let mut name = String::new();
    for c in label.chars() {
        let leading_dot = c == '.' && name.is_empty();
        if (c.is_ascii_alphanumeric() || "._-+=,[]".contains(c)) && !leading_dot {
            name.push(c);
        } else {
            let mut bytes = [0; 4];
            name.extend(c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    if name.len() > MOST {
        let digest = sha256(label.as_bytes());
        name.truncate(MOST - 17);
        name = format!("{name}-{}", &digest[..16]);
    }
    name
}

/// The content of a run's file; nothing where it measured nothing.
fn file(run: &RecordedRun) -> Option<Vec<u8>> {
    let scalars = scalars::of_run(run);
    let (first, last) = (scalars.first()?, scalars.last()?);
    // A run without an end has no clock: its time counts from 0.
    let end = finished_at(run).unwrap_or(first.before_end);
    let start = run.outcome.as_ref().map_or(0.0, |outcome| end - outcome.resources.wall_seconds);
    let mut bytes = Vec::new();
    let mut append = |message: Message| record::append(&message.into_bytes(), &mut bytes);
    append(event::file_version(start));
    append(event::settings(start, run));
    append(event::description(start, run));
    for at_once in scalars.chunk_by(|a, b| a.epoch == b.epoch) {
        append(event::scalars(end - at_once[0].before_end, at_once[0].epoch, at_once));
    }
    if let Some(state) = run.state() {
        append(event::end(end, last.epoch, state));
    }
    Some(bytes)
}

/// When a run ended, in seconds since 1970.
fn finished_at(run: &RecordedRun) -> Option<f64> {
    let outcome = run.outcome.as_ref()?;
    let time: jiff::Timestamp = outcome.provenance.finished_at.parse().ok()?;
    Some(time.as_millisecond() as f64 / 1000.0)
}

/// Puts a file in the place of the one before at once. The one in the making has a name that TensorBoard does not take for
/// an event file, should it be left behind.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut making = tempfile::Builder::new()
        .prefix(".export-")
        // As any file; the mask of the process applies.
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    making.write_all(bytes)?;
    making.as_file().sync_all()?;
    making.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests;
