//! `apical report`: writes a suite's report.

use super::{
    notify::NotifyArguments,
    output::{count, line},
    run::state_counts,
    suite::{self, Selected, SuiteArguments},
};
use crate::{
    data::{self, DataRoot, DatasetEntry, DatasetSpec, dataset, images},
    exit,
    record::Results,
    report::{
        self, ReportOptions, Selection,
        samples::{Image, SampleSheet},
    },
};
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::{collections::BTreeSet, path::PathBuf};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    suite: SuiteArguments,
    /// Where reports lie; this one goes into a folder of the suite's name, `<suite>-filtered` for some of its runs.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,
    /// The folder of this very report, instead of one in the folder of reports.
    #[arg(long, value_name = "DIR", conflicts_with = "reports")]
    to: Option<PathBuf>,
    #[command(flatten)]
    notify: NotifyArguments,
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    let Selected { path, whole, plan, store } = arguments.suite.select()?;
    let results = store.results(plan)?;
    let planned = whole.runs.len();
    // A report on a part leaves the one on the whole suite as it is.
    let selection = (results.runs.len() < planned)
        .then(|| Selection { filters: arguments.suite.filter.clone(), planned });
    let name = &results.plan.name;
    let folder = if selection.is_some() { format!("{name}-filtered") } else { name.clone() };
    let filters = selection.as_ref().map_or(&[][..], |selection| &selection.filters);
    let mut suite = suite::again(&path, filters);
    if results.runs.iter().any(|run| run.planned.spec.dataset.folder.is_some()) {
        // Where photos of the user's lie is on nobody else's machine.
        suite += " --data DIR";
    }
    let options = ReportOptions {
        output: arguments.to.clone().unwrap_or_else(|| arguments.reports.join(folder)),
        png: true,
        reproduce: vec![format!("apical run {suite}"), format!("apical report {suite}")],
        samples: samples(&results, arguments.suite.data.clone()),
        selection,
    };
    let readme = report::write(&results, &options)?;
    line(report::headline(&results, None))?;
    line(format!("report: {}", readme.display()))?;
    arguments.notify.tell(|| Summary::of(&results));
    Ok(exit::OK)
}

/// What a webhook is told.
#[derive(Serialize)]
struct Summary<'r> {
    format: u32,
    kind: &'static str,
    text: String,
    suite: &'r str,
    runs: usize,
    done: usize,
}

impl<'r> Summary<'r> {
    fn of(results: &'r Results) -> Self {
        let (suite, runs) = (results.plan.name.as_str(), results.runs.len());
        let text = format!("{suite}: {}: {}.", count(runs, "run"), state_counts(results));
        Self { format: 1, kind: "report", text, suite, runs, done: results.done() }
    }
}

/// The first training image of each class of each dataset that is at hand.
fn samples(results: &Results, folder: Option<PathBuf>) -> Vec<SampleSheet> {
    let Ok(root) = DataRoot::from_env(folder) else { return Vec::new() };
    let specs = || results.plan.runs.iter().map(|run| &run.spec.dataset);
    let names: BTreeSet<&str> = specs().map(|spec| spec.name.as_str()).collect();
    let entries = names.into_iter().filter_map(|name| data::find(name).ok());
    let sheets = entries.filter(|entry| !entry.is_regression()).filter_map(|entry| sheet(entry, &root));
    let mut packed = BTreeSet::new();
    let photos = specs().filter(|spec| spec.is_images() && packed.insert((&spec.content, spec.size)));
    sheets.chain(photos.filter_map(|spec| photo_sheet(spec, &root))).collect()
}

fn photo_sheet(spec: &DatasetSpec, root: &DataRoot) -> Option<SampleSheet> {
    let pack = images::open(spec, root).ok()?;
    let side = pack.header.size as usize;
    let image = |class: usize| {
        let row = pack.labels[..pack.header.train].iter().position(|label| usize::from(*label) == class)?;
        Some(Image { channels: 3, height: side, width: side, pixels: pack.row(row).to_vec() })
    };
    Some(SampleSheet {
        dataset: spec.folder.clone().unwrap_or_else(|| {
            let edition = spec.edition.as_ref().map(|edition| format!(" {edition}"));
            format!("{}{}", spec.name, edition.unwrap_or_default())
        }),
        classes: pack.header.classes.clone(),
        images: (0..pack.header.classes.len()).map(image).collect::<Option<_>>()?,
    })
}

fn sheet(entry: &DatasetEntry, root: &DataRoot) -> Option<SampleSheet> {
    // Without the data the report goes without the figure, or keeps the one that it has.
    let train = dataset::decode(entry, root).ok()?.train;
    let [channels, height, width] = entry.shape.map(|size| size as usize);
    let length = entry.image_len();
    let image = |class: usize| {
        let index = train.labels.iter().position(|label| usize::from(*label) == class)?;
        let pixels = train.pixels[index * length..(index + 1) * length].to_vec();
        Some(Image { channels, height, width, pixels })
    };
    Some(SampleSheet {
        dataset: entry.name.to_owned(),
        classes: entry.classes.iter().map(|class| (*class).to_owned()).collect(),
        images: (0..entry.classes.len()).map(image).collect::<Option<_>>()?,
    })
}
