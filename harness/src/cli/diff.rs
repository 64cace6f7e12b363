//! `apical diff`: compares two result sets.

use super::{
    UserError,
    notify::NotifyArguments,
    output::{Output, OutputArguments, count, json, line, table},
};
use crate::{
    diff::{self, Aspect, CellDiff, Counts, Diff, Named, Options, Side, Thresholds, Verdict, words::COLUMNS},
    exit,
    record::{Results, Store},
};
use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The results folder before: one as `--results` takes it.
    before: PathBuf,
    /// The results folder after. It may be the same one, with two suites.
    after: PathBuf,
    /// The suite, where the folders have several in common. Given twice: the one before, then the one after.
    #[arg(long, value_name = "NAME")]
    suite: Vec<String>,
    /// Points of test accuracy that a cell may lose and count as unchanged.
    #[arg(long, value_name = "POINTS", default_value_t = Thresholds::default().accuracy_points, value_parser = not_negative)]
    accuracy_threshold: f64,
    /// Percent by which the test loss of a regression may grow likewise.
    #[arg(long, value_name = "PERCENT", default_value_t = Thresholds::default().loss_percent, value_parser = not_negative)]
    loss_threshold: f64,
    /// Percent of its training samples per second that a cell may lose likewise.
    #[arg(long, value_name = "PERCENT", default_value_t = Thresholds::default().speed_percent, value_parser = below_a_hundred)]
    speed_threshold: f64,
    /// What ends this command with exit code 101 when it is worse. Leave `speed` out where other work shares the machine:
    /// seeds that run side by side are slowed together, which no test over seeds can tell from a slower program.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT", default_values_t = Aspect::ALL)]
    fail_on: Vec<Aspect>,
    /// Show the unchanged cells too.
    #[arg(long)]
    all: bool,
    /// Also write `diff.md` and `diff.json` into this folder.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    #[command(flatten)]
    notify: NotifyArguments,
    #[command(flatten)]
    output: OutputArguments,
}

fn not_negative(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if value >= 0.0 && value.is_finite() { Ok(value) } else { Err("must be 0 or more".to_owned()) }
}

fn below_a_hundred(text: &str) -> Result<f64, String> {
    not_negative(text)
        .and_then(|value| if value < 100.0 { Ok(value) } else { Err("must be below 100".to_owned()) })
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    let stores = [&arguments.before, &arguments.after].map(Store::new);
    let suites = suites(&stores, &arguments.suite)?;
    let [before, after] = [load(&stores[0], &suites[0])?, load(&stores[1], &suites[1])?];
    let options = Options {
        thresholds: Thresholds {
            accuracy_points: arguments.accuracy_threshold,
            loss_percent: arguments.loss_threshold,
            speed_percent: arguments.speed_threshold,
        },
        fail_on: arguments.fail_on.clone(),
    };
    let folders = [&arguments.before, &arguments.after].map(|folder| folder.display().to_string());
    let diff = diff::compare(
        Named { folder: &folders[0], results: &before },
        Named { folder: &folders[1], results: &after },
        &options,
    );
    if let Some(folder) = &arguments.to {
        write(&diff, folder)?;
    }
    match arguments.output.output {
        Output::Json => json(&diff)?,
        Output::Human => show(&diff, arguments)?,
    }
    arguments.notify.tell(|| Summary::of(&diff));
    Ok(if diff.regression { exit::REGRESSION } else { exit::OK })
}

/// The suite on either side: as named, else the only one that both have.
fn suites(stores: &[Store; 2], named: &[String]) -> Result<[String; 2]> {
    let known = [known_suites(&stores[0])?, known_suites(&stores[1])?];
    let suites = match named {
        [] => {
            let common: Vec<&String> = known[0].intersection(&known[1]).collect();
            match common[..] {
                [only] => [only.clone(), only.clone()],
                [] => {
                    return Err(UserError::config(format!(
                        "the two results folders have no suite in common ({}: {}; {}: {}); \
                         name one of each: --suite BEFORE --suite AFTER",
                        stores[0].root().display(),
                        list(&known[0]),
                        stores[1].root().display(),
                        list(&known[1])
                    )));
                }
                _ => {
                    let common = common.into_iter().cloned().collect();
                    return Err(UserError::config(format!(
                        "both results folders hold several suites: {}; say which with --suite NAME",
                        list(&common)
                    )));
                }
            }
        }
        [both] => [both.clone(), both.clone()],
        [before, after] => [before.clone(), after.clone()],
        _ => {
            return Err(UserError::config(
                "--suite is given more than twice: one for before and one for after",
            ));
        }
    };
    for ((store, known), suite) in stores.iter().zip(&known).zip(&suites) {
        if !known.contains(suite) {
            return Err(UserError::config(format!(
                "{} holds no results of a suite `{suite}`; it has: {}",
                store.root().display(),
                list(known)
            )));
        }
    }
    Ok(suites)
}

fn list(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().cloned().collect::<Vec<_>>().join(", ")
}

/// The suites whose plans lie in a results folder.
fn known_suites(store: &Store) -> Result<BTreeSet<String>> {
    let folder = store.root().join("plans");
    let entries = fs::read_dir(&folder).map_err(|error| {
        let place = store.root().display();
        UserError::config(format!(
            "{place} is no results folder with a suite in it: cannot read {place}/plans ({error}); \
             expected a folder that `apical run --results` wrote"
        ))
    })?;
    let paths = entries.flatten().map(|entry| entry.path());
    let plans = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    Ok(plans.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect())
}

fn load(store: &Store, suite: &str) -> Result<Results> {
    Ok(store.results(store.read_plan(suite)?)?)
}

fn write(diff: &Diff, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let pretty = serde_json::to_string_pretty(diff)?;
    for (name, text) in [("diff.md", diff.markdown()), ("diff.json", pretty + "\n")] {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn show(diff: &Diff, arguments: &Arguments) -> Result<()> {
    line(format!("{}: {}", diff.after.suite, diff.headline))?;
    let cells: Vec<&CellDiff> = if arguments.all { diff.cells.iter().collect() } else { diff.notable() };
    if !cells.is_empty() {
        let mut rows = table(&COLUMNS, 4);
        for cell in &cells {
            rows.add_row(cell.row());
        }
        line(rows)?;
    }
    for (cells, remark) in Diff::remarks(&cells) {
        line(format!("{cells}: {remark}"))?;
    }
    let hidden = diff.cells.len() - cells.len();
    if hidden > 0 && !cells.is_empty() {
        line(format!("{} more, unchanged: `--all` shows them", count(hidden, "cell")))?;
    }
    let builds = |side: &Side| list(&side.builds);
    if diff.before.builds != diff.after.builds {
        line(format!("build: {} → {}", builds(&diff.before), builds(&diff.after)))?;
    }
    if let Some(coverage) = diff.speed_coverage() {
        line(coverage)?;
    }
    line(diff.conclusion())
}

/// What a webhook is told.
#[derive(Serialize)]
struct Summary<'d> {
    format: u32,
    kind: &'static str,
    text: String,
    suite: &'d str,
    regression: bool,
    headline: &'d str,
    counts: &'d Counts,
    before: &'d Side,
    after: &'d Side,
    worse: Vec<&'d CellDiff>,
}

impl<'d> Summary<'d> {
    /// With the first cells that are worse: a webhook takes some kilobytes, not a whole comparison.
    fn of(diff: &'d Diff) -> Self {
        const LISTED: usize = 20;
        let worse = diff.cells.iter().filter(|cell| cell.verdict == Verdict::Worse);
        Self {
            format: diff.format,
            kind: "diff",
            text: diff.message(),
            suite: &diff.after.suite,
            regression: diff.regression,
            headline: &diff.headline,
            counts: &diff.counts,
            before: &diff.before,
            after: &diff.after,
            worse: worse.take(LISTED).collect(),
        }
    }
}
