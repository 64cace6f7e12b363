//! Sets of photos that have a name: planned without a photo, fetched, unpacked, packed and trained on; and what hostile
//! hosts and archives cannot do. Nothing here leaves this machine.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../data_support/mod.rs"]
mod data_support;
mod fetching;
mod hostile;
mod suites;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use apical::{
    data::{
        DataError, DataRoot, DatasetSpec, Fetcher, Places, Progress,
        images::{Counts, named},
    },
    plan::Plan,
    record::{Checkpoint, Event},
    suite::{self, SuiteErrors},
    train::Observer,
};
use data_support::{Reply, Server, photos::Pets};

fn honest(pets: &Pets) -> Server {
    let archive = pets.archive.clone();
    Server::start(move |_| Reply::Serve(archive.clone()))
}

/// Fetches and unpacks the photos.
fn photos(fetcher: &Fetcher, pets: &Pets) -> (Result<PathBuf, DataError>, Vec<Progress>) {
    let mut reported = Vec::new();
    let tree = fetcher.photos(pets.entry, pets.set, pets.edition(), &mut |step| reported.push(step));
    (tree, reported)
}

/// A complete description of the photos, at 8×8 pixels.
fn described(pets: &Pets, change: impl FnOnce(&mut DatasetSpec)) -> (DatasetSpec, Counts) {
    let mut spec = DatasetSpec { size: Some(8), ..DatasetSpec::named("pets") };
    change(&mut spec);
    named::complete(pets.entry, pets.set, &spec).unwrap()
}

fn pack(fetcher: &Fetcher, pets: &Pets, spec: &DatasetSpec) -> Result<(), DataError> {
    fetcher.pack_entry(pets.entry, spec, &Places::default(), &mut |_| {})
}

/// Names in the cache's folder for the photos, sorted, without the lock.
fn cached(cache: &Path) -> Vec<String> {
    let names: BTreeSet<_> = fs::read_dir(cache.join("pets"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".lock")
        .collect();
    names.into_iter().collect()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.path().strip_prefix(folder).unwrap().display().to_string())
        .collect();
    files.sort();
    files
}

fn plan_in(folder: &Path, cache: &Path, dataset: &str) -> Result<Plan, SuiteErrors> {
    let text = format!(
        "name: s\ndescription: d\ndatasets:\n  photos: {{{dataset}}}\n\
         architectures: {{mlp: {{mlp: {{hidden: [3]}}}}}}\nalgorithms: {{bp: {{}}}}\n\
         training: {{epochs: 2, batch_size: 4, optimizer: {{sgd: {{learning_rate: 0.1}}}}}}\n"
    );
    let path = folder.join("suite.yaml");
    fs::write(&path, text).unwrap();
    suite::load_with(&path, Some(DataRoot::cache_in(cache)))
}

struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: Event) -> anyhow::Result<()> {
        Ok(())
    }
    fn wants_checkpoint(&mut self, _: u32) -> bool {
        false
    }
    fn checkpoint(&mut self, _: &Checkpoint) -> anyhow::Result<()> {
        Ok(())
    }
    fn cpu_seconds(&self) -> f64 {
        0.0
    }
}
