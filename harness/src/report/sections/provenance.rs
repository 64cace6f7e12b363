//! With what the figures were computed: every combination that occurs among the recorded runs.

use super::super::{
    Content, Context,
    table::{self, Align, code},
};
use crate::record::{Event, Provenance, event::PhotosRead};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn render(context: &Context<'_>) -> Content {
    let mut groups: BTreeMap<Vec<String>, (usize, &str, &str)> = BTreeMap::new();
    for outcome in context.results.runs.iter().filter_map(|run| run.outcome.as_ref()) {
        let provenance = &outcome.provenance;
        let finished = provenance.finished_at.as_str();
        let (number, first, last) = groups.entry(row(provenance)).or_insert((0, finished, finished));
        *number += 1;
        *first = (*first).min(finished);
        *last = (*last).max(finished);
    }
    if groups.is_empty() {
        return Content::text("No run has ended yet.\n");
    }
    let header = [
        ("Apical", Align::Left),
        ("Revision", Align::Left),
        ("tch", Align::Left),
        ("LibTorch", Align::Left),
        ("Hardware class", Align::Left),
        ("Processor", Align::Left),
        ("Device", Align::Left),
        ("Threads", Align::Right),
        ("Platform", Align::Left),
        ("Runs", Align::Right),
        ("Ended (UTC)", Align::Left),
    ];
    let several = groups.len() > 1;
    let rows = groups.into_iter().map(|(mut row, (number, first, last))| {
        row.push(number.to_string());
        row.push(if first == last { first.to_owned() } else { format!("{first} to {last}") });
        row
    });
    let mut text = table::markdown(&header, rows);
    if several {
        text += "Runs of this report were computed with more than one of these: figures that differ between \
                 machines or revisions in their last digits differ for that reason too.\n\n";
    }
    Content::text(text + &photos(context))
}

/// Which photos the runs of each dataset read.
fn photos(context: &Context<'_>) -> String {
    let mut read: BTreeMap<&str, BTreeSet<&PhotosRead>> = BTreeMap::new();
    for run in &context.results.runs {
        let started = run.events.iter().find_map(|event| match event {
            Event::Started(started) => Some(started),
            _ => None,
        });
        if let Some(photos) = started.and_then(|started| started.photos.as_ref()) {
            read.entry(&run.planned.cell.dataset).or_default().insert(photos);
        }
    }
    let mut text = String::new();
    for (dataset, packed) in read {
        let each: Vec<String> = packed
            .iter()
            .map(|PhotosRead { sha256, left_out }| {
                let left_out = if *left_out > 0 { format!(" ({left_out} left out)") } else { String::new() };
                format!("{}{left_out}", code(sha256))
            })
            .collect();
        text += &format!("Photos of {}, packed: SHA-256 {}.", code(dataset), each.join(", "));
        if each.len() > 1 {
            text += " **They changed between runs, so that figures of this dataset do not compare.**";
        }
        text += "\n\n";
    }
    text
}

fn row(provenance: &Provenance) -> Vec<String> {
    let device = match &provenance.gpu {
        Some(gpu) => format!("{} ({gpu})", provenance.device),
        None => provenance.device.clone(),
    };
    vec![
        provenance.apical_version.clone(),
        code(&provenance.git_hash),
        provenance.tch_version.clone(),
        provenance.libtorch_version.clone(),
        provenance.host_class.clone(),
        provenance.cpu.clone(),
        device,
        provenance.threads.to_string(),
        provenance.platform.clone(),
    ]
}
