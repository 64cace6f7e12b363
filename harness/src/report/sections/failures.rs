//! Runs that gave no result, by state and reason; and results that took more than one attempt.

use super::super::{
    Content, Context, format,
    table::{self, Align, code},
};
use crate::record::State;
use std::collections::BTreeMap;

/// Ids listed per reason; `runs.csv` has all of them.
const LISTED: usize = 5;

/// A cell's runs that ended alike, for the same reason.
type Key = (usize, String, String);

pub(super) fn render(context: &Context<'_>) -> Content {
    let mut groups: BTreeMap<Key, Vec<&str>> = BTreeMap::new();
    let (mut pending, mut retried) = (0, 0);
    for run in &context.results.runs {
        retried += usize::from(!run.failures.is_empty() && run.result().is_some());
        match &run.outcome {
            None => pending += 1,
            Some(outcome) if outcome.state == State::Completed && outcome.result.is_some() => {}
            Some(outcome) => {
                let rank = State::ALL.iter().position(|state| *state == outcome.state).unwrap_or(0);
                let reason = match &outcome.reason {
                    Some(reason) => reason.clone(),
                    None if outcome.state == State::Completed => "completed without figures".to_owned(),
                    None => "no reason recorded".to_owned(),
                };
                groups
                    .entry((rank, run.planned.cell.to_string(), reason))
                    .or_default()
                    .push(run.planned.id.as_str());
            }
        }
    }
    let mut text = String::new();
    if groups.is_empty() {
        text += "Every run that has ended gave a result.\n\n";
    } else {
        let header = [
            ("State", Align::Left),
            ("Cell", Align::Left),
            ("Runs", Align::Right),
            ("Reason", Align::Left),
            ("Ids", Align::Left),
        ];
        let rows = groups.iter().map(|((rank, cell, reason), ids)| {
            let mut listed: Vec<String> = ids.iter().take(LISTED).map(|id| code(id)).collect();
            if ids.len() > LISTED {
                listed.push(format!("and {} more", ids.len() - LISTED));
            }
            vec![
                State::ALL[*rank].name().to_owned(),
                code(cell),
                ids.len().to_string(),
                code(reason),
                listed.join(" "),
            ]
        });
        text += &table::markdown(&header, rows);
        text += "A diverged run is a result: its loss stopped being a finite number, and it would again. The other \
                 states are no result; such runs are computed again on the next start.\n\n";
    }
    if pending > 0 {
        text += &format!("{} not ended yet.\n\n", has(pending));
    }
    if retried > 0 {
        text += &format!(
            "{} completed after at least one attempt that failed.\n\n",
            format::plural(retried, "run")
        );
    }
    Content::text(text)
}

fn has(number: usize) -> String {
    format!("{} {}", format::plural(number, "run"), if number == 1 { "has" } else { "have" })
}
