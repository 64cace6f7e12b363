//! What does not fit in memory, said and left out before anything is computed: it would only end as out of memory, perhaps
//! after hours.

use super::output::{count, line};
use crate::{
    footprint::{self, Footprint},
    memory,
    plan::{Cell, PlannedRun},
    report::format::memory as amount,
};
use anyhow::Result;
use std::collections::BTreeSet;

/// `CELL needs at least 3.0 GiB of memory, 2.1 GiB of it for the data`.
fn in_words(cell: &Cell, needs: &Footprint) -> String {
    let (part, bytes) = needs.largest_part();
    let [all, most] = [needs.total(), bytes].map(|bytes| amount(bytes as f64));
    format!("{cell} needs at least {all} of memory, {most} of it for {part}")
}

/// Names the cells whose runs cannot fit in this machine's memory.
pub fn say_what_does_not(runs: &[&PlannedRun]) -> Result<()> {
    let Some(total) = memory::total() else { return Ok(()) };
    for (cell, needs) in footprint::of_cells(runs).iter().filter(|(_, needs)| needs.total() > total) {
        let there = amount(total as f64);
        line(format!("does not fit: {}; this machine has {there}", in_words(cell, needs)))?;
    }
    Ok(())
}

/// Takes runs away that need more than there is for their cell, and names the cells; `have` says what there is.
pub fn leave_out_what_does_not(
    runs: &mut Vec<&PlannedRun>,
    there: impl Fn(&Cell) -> Option<u64>,
    mark: &str,
    have: &str,
) -> Result<()> {
    let mut unfit: BTreeSet<&Cell> = BTreeSet::new();
    for (cell, needs) in footprint::of_cells(runs) {
        if there(cell).is_some_and(|there| needs.total() > there) {
            line(format!("{mark}not begun: {}; {have}", in_words(cell, &needs)))?;
            unfit.insert(cell);
        }
    }
    runs.retain(|run| !unfit.contains(&run.cell));
    Ok(())
}

/// As many runs at once as there are cores for, or free memory; fewer are said.
pub fn at_once(cores: usize, runs: &[&PlannedRun]) -> Result<usize> {
    let largest = footprint::of_cells(runs).values().map(Footprint::total).max();
    let (Some(largest), Some(free)) = (largest, memory::available()) else { return Ok(cores) };
    let fitting = usize::try_from(free / largest.max(1)).unwrap_or(usize::MAX).clamp(1, cores);
    if fitting < cores.min(runs.len()) {
        let [largest, free] = [largest, free].map(|bytes| amount(bytes as f64));
        line(format!(
            "{} at once, and not {cores}: the largest needs at least {largest}, and {free} are free",
            count(fitting, "run")
        ))?;
    }
    Ok(fitting)
}
