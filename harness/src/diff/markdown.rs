//! A comparison as a page of markdown.

use super::{CellDiff, Diff, LARGE, LEAST_TRAIN_SECONDS, Side, words::COLUMNS};
use crate::report::table::{Align, code, escape, markdown};

impl Diff {
    /// The page: what came out, the cells that have something to say, all cells, and how it was judged.
    pub fn markdown(&self) -> String {
        let mut page = format!(
            "# {}: before and after\n\n**{}.** {}.\n\n",
            escape(&self.after.suite),
            self.conclusion(),
            self.headline
        );
        page.push_str(&sides(&self.before, &self.after));
        let notable = self.notable();
        if !notable.is_empty() {
            page.push_str("## What changed\n\n");
            page.push_str(&table(&notable));
            for (cells, remark) in Self::remarks(&notable) {
                page.push_str(&format!("- {}: {}\n", code(&cells), escape(&remark)));
            }
            page.push('\n');
        }
        if notable.len() < self.cells.len() {
            page.push_str("## All cells\n\n");
            page.push_str(&table(&self.cells.iter().collect::<Vec<_>>()));
        }
        if let Some(coverage) = self.speed_coverage() {
            page.push_str(&format!(
                "Note that {coverage}: the others ran on other hardware, for too short a time, or beside other work.\n\n"
            ));
        }
        page.push_str("## How it was judged\n\n");
        page.push_str(&self.judgement());
        page
    }

    fn judgement(&self) -> String {
        let thresholds = self.thresholds;
        let fail_on: Vec<&str> = self.fail_on.iter().map(|aspect| aspect.name()).collect();
        format!(
            "Cells are paired by label, runs by seed. *Change* is the mean over seeds with its 95 % interval: of accuracy in \
             points, of losses and speeds in percent. A cell is *worse* or *better* where the change is beyond a threshold \
             (accuracy {} points, loss {} %, speed {} %; the reverse for better) and beyond chance: p of the paired t test, \
             corrected by Holm for the cells tested in that figure, is below 0.05; or it is without the correction, and every \
             seed changed by more than {LARGE} thresholds. With one seed the threshold alone decides. *Identical* means the \
             same losses and accuracies to the last bit, in every epoch. Speed is compared on the same hardware only, and where \
             training took {LEAST_TRAIN_SECONDS} s or more and the run had a core to itself. A run that completed and no longer does makes its cell worse. \
             A regression is a cell that is worse in: {}.\n",
            thresholds.accuracy_points,
            thresholds.loss_percent,
            thresholds.speed_percent,
            fail_on.join(", ")
        )
    }
}

fn table(cells: &[&CellDiff]) -> String {
    let header: Vec<(&str, Align)> = COLUMNS
        .iter()
        .enumerate()
        .map(|(index, title)| (*title, if index < 4 { Align::Left } else { Align::Right }))
        .collect();
    let rows = cells.iter().map(|cell| {
        let mut row = cell.row();
        for label in row.iter_mut().take(3) {
            *label = code(label);
        }
        row
    });
    markdown(&header, rows)
}

fn sides(before: &Side, after: &Side) -> String {
    let words = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join("; ");
    let row = |title: &str, of: &dyn Fn(&Side) -> String| vec![title.to_owned(), of(before), of(after)];
    markdown(
        &[("", Align::Left), ("before", Align::Left), ("after", Align::Left)],
        [
            row("results", &|side| code(&side.results)),
            row("suite", &|side| code(&side.suite)),
            row("runs with a result", &|side| format!("{} of {}", side.done, side.runs)),
            row("build", &|side| words(&side.builds)),
            row("hardware", &|side| words(&side.hardware)),
            row("last run ended", &|side| side.finished_at.clone().unwrap_or_default()),
        ],
    )
}
