//! A comparison in words: its headline, the cells of its table, and remarks. For terminal, markdown and webhook alike.

use super::{Aspect, CellDiff, Comparison, Counts, Diff, Figure, StateChange, Verdict};
use crate::report::format::{count, decimal, plural, signed};
use serde_json::Value;

/// Longest value of a setting that is shown whole.
const LONG: usize = 60;

/// `12 cells: 1 worse (1 in accuracy), 0 better, 11 unchanged (10 identical)`.
pub(super) fn headline(counts: &Counts) -> String {
    let worse_in = [
        (counts.worse_in_accuracy, "accuracy"),
        (counts.worse_in_speed, "speed"),
        (counts.worse_in_state, "how runs end"),
    ];
    let worse_in = worse_in.iter().filter(|(number, _)| *number > 0);
    let worse_in: Vec<String> = worse_in.map(|(number, what)| format!("{number} in {what}")).collect();
    let worse_in = if worse_in.is_empty() { String::new() } else { format!(" ({})", worse_in.join(", ")) };
    let identical = match counts.identical {
        0 => String::new(),
        number => format!(" ({} identical)", count(number as u64)),
    };
    let mut text = format!(
        "{}: {} worse{worse_in}, {} better, {} unchanged{identical}",
        plural(counts.cells, "cell"),
        count(counts.worse as u64),
        count(counts.better as u64),
        count(counts.unchanged as u64),
    );
    let others = [(counts.new, "new"), (counts.gone, "gone"), (counts.not_comparable, "not comparable")];
    for (number, what) in others.into_iter().filter(|(number, _)| *number > 0) {
        text.push_str(&format!(", {} {what}", count(number as u64)));
    }
    text
}

/// Titles of the table's columns; from the fourth on they are figures.
pub const COLUMNS: [&str; 9] = [
    "dataset",
    "architecture",
    "algorithm",
    "verdict",
    "seeds",
    "before → after",
    "change",
    "p (Holm)",
    "speed",
];

impl Diff {
    /// The cells that have something to say: all but the unchanged ones with the same settings. The worse come first.
    pub fn notable(&self) -> Vec<&CellDiff> {
        let says = |cell: &&CellDiff| cell.verdict != Verdict::Unchanged || !cell.settings.is_empty();
        let mut cells: Vec<&CellDiff> = self.cells.iter().filter(says).collect();
        cells.sort_by_key(|cell| cell.verdict);
        cells
    }

    /// What there is to know beside the rows of these cells, each thing once with the cells that it is about.
    pub fn remarks(cells: &[&CellDiff]) -> Vec<(String, String)> {
        const NAMED: usize = 3;
        let mut about: Vec<(String, Vec<String>)> = Vec::new();
        for cell in cells {
            for remark in cell.remarks() {
                let name = cell.cell.to_string();
                match about.iter_mut().find(|(known, _)| *known == remark) {
                    Some((_, names)) => names.push(name),
                    None => about.push((remark, vec![name])),
                }
            }
        }
        let named = |names: Vec<String>| match names.len() {
            0..=NAMED => names.join(", "),
            more => format!("{} and {} more", names[..NAMED - 1].join(", "), more + 1 - NAMED),
        };
        about.into_iter().map(|(remark, names)| (named(names), remark)).collect()
    }

    /// Whether there is a regression, and in what.
    pub fn conclusion(&self) -> String {
        let worse =
            |aspect: &&Aspect| self.cells.iter().any(|cell| cell.of(**aspect) == Some(Verdict::Worse));
        let names = |aspects: Vec<&Aspect>| -> String {
            aspects.iter().map(|aspect| aspect.name()).collect::<Vec<_>>().join(", ")
        };
        let (counted, ignored): (Vec<_>, Vec<_>) =
            Aspect::ALL.iter().filter(worse).partition(|aspect| self.fail_on.contains(aspect));
        let ignored = if ignored.is_empty() {
            String::new()
        } else {
            format!("; worse in {}, which --fail-on leaves out", names(ignored))
        };
        if counted.is_empty() {
            format!("no regression{ignored}")
        } else {
            format!("REGRESSION in {}{ignored}", names(counted))
        }
    }

    /// What was compared in speed, if not everything.
    pub fn speed_coverage(&self) -> Option<String> {
        let both = self.cells.iter().filter(|cell| cell.speed.is_some()).count();
        let compared = self.counts.compared_in_speed;
        (compared < both).then(|| format!("speed was compared in {compared} of {}", plural(both, "cell")))
    }

    /// A sentence or two for a chat, and a line for each of the first cells that are worse.
    pub fn message(&self) -> String {
        const SHOWN: usize = 10;
        let mut text = format!("{}: {}. {}.", self.after.suite, self.conclusion(), self.headline);
        let worse: Vec<&CellDiff> = self.cells.iter().filter(|cell| cell.verdict == Verdict::Worse).collect();
        for cell in worse.iter().take(SHOWN) {
            text.push_str(&format!("\n• {}: {}", cell.cell, cell.losses().join("; ")));
        }
        if worse.len() > SHOWN {
            text.push_str(&format!("\n… and {} more", worse.len() - SHOWN));
        }
        text
    }
}

impl CellDiff {
    /// Its row under [`COLUMNS`].
    pub fn row(&self) -> Vec<String> {
        let quality = self.quality.as_ref();
        let text = |of: fn(&Comparison) -> String| quality.map(of).unwrap_or_default();
        vec![
            self.cell.dataset.clone(),
            self.cell.architecture.clone(),
            self.cell.algorithm.clone(),
            self.verdict_text(),
            if quality.is_some() { self.seeds.to_string() } else { String::new() },
            text(Comparison::levels),
            text(Comparison::change_text),
            text(|quality| quality.p_holm.map(p_value).unwrap_or_default()),
            self.speed.as_ref().map(Comparison::change_text).unwrap_or_default(),
        ]
    }

    /// `worse in accuracy, speed`.
    fn verdict_text(&self) -> String {
        let decisive = |aspect: &&Aspect| self.of(**aspect) == Some(self.verdict);
        let named: Vec<&str> = match self.verdict {
            Verdict::Worse | Verdict::Better => {
                Aspect::ALL.iter().filter(decisive).map(|aspect| aspect.name()).collect()
            }
            _ => Vec::new(),
        };
        if named.is_empty() {
            self.verdict.to_string()
        } else {
            format!("{} in {}", self.verdict, named.join(", "))
        }
    }

    /// What it is worse in, a text each.
    fn losses(&self) -> Vec<String> {
        let figures = [&self.quality, &self.speed].into_iter().flatten();
        let worse = figures.filter(|figure| figure.verdict == Verdict::Worse);
        let figure = |c: &Comparison| format!("{} {}, {}", c.figure.name(), c.levels(), c.change_text());
        let state = self.state.iter().filter(|state| state.verdict == Verdict::Worse);
        worse.map(figure).chain(state.map(StateChange::text)).collect()
    }

    /// What there is to know beside its row: settings that differ, runs that ended otherwise, what was not compared.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<String> = Vec::new();
        if !self.settings.is_empty() {
            let settings = self.settings.iter();
            let settings = settings.map(|s| format!("{} {} → {}", s.path, value(&s.before), value(&s.after)));
            remarks.push(format!("settings differ: {}", settings.collect::<Vec<_>>().join(", ")));
        }
        if let Some(state) = self.state.as_ref().filter(|state| !state.changed.is_empty()) {
            remarks.push(state.text());
        }
        let quality = self.quality.as_ref().and_then(|quality| quality.note.clone());
        let speed = self.speed.as_ref().and_then(|speed| speed.note.clone());
        remarks.extend(quality);
        remarks.extend(speed.map(|note| format!("speed {note}")));
        if self.lone_seeds > 0 && self.quality.is_some() {
            remarks.push(format!("{} in one plan only, left out", plural(self.lone_seeds, "seed")));
        }
        remarks
    }
}

impl Comparison {
    /// `97.84 → 97.50 %`.
    fn levels(&self) -> String {
        let (Some(before), Some(after)) = (self.before, self.after) else { return String::new() };
        let (decimals, unit) = match self.figure {
            Figure::Accuracy => (2, " %"),
            Figure::Loss => (4, ""),
            Figure::Speed => (0, "/s"),
        };
        format!("{} → {}{unit}", decimal(before, decimals), decimal(after, decimals))
    }

    /// `−0.34 [−0.60, −0.08]`, with a percent sign where it is a ratio.
    fn change_text(&self) -> String {
        let Some(change) = self.change else { return String::new() };
        if self.identical {
            return "identical".to_owned();
        }
        let (decimals, unit) = if self.figure == Figure::Accuracy { (2, "") } else { (1, " %") };
        let interval = self.interval.map_or_else(String::new, |[low, high]| {
            format!(" [{}, {}]", signed(low, decimals), signed(high, decimals))
        });
        format!("{}{unit}{interval}", signed(change, decimals))
    }
}

impl StateChange {
    /// `runs: 3 completed → 2 completed, 1 failed (seed 1: out of disk)`.
    fn text(&self) -> String {
        let side = |states: &std::collections::BTreeMap<&str, usize>| {
            states.iter().map(|(state, number)| format!("{number} {state}")).collect::<Vec<_>>().join(", ")
        };
        let reasons = self.changed.iter().filter_map(|change| {
            Some(format!("seed {}: {}", change.seed, change.reason.as_ref()?.replace('\n', " ")))
        });
        let reasons: Vec<String> = reasons.collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
        format!("runs: {} → {}{reasons}", side(&self.before), side(&self.after))
    }
}

/// Three decimals, or that it is below them.
fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { decimal(p, 3) }
}

/// A setting's value as JSON, cut where it is long.
fn value(value: &Value) -> String {
    let text = if value.is_null() { "nothing".to_owned() } else { value.to_string() };
    if text.chars().count() <= LONG {
        return text;
    }
    format!("{}…", text.chars().take(LONG).collect::<String>())
}
