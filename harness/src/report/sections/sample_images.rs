//! The datasets' sample images (figure 1 of Lange 2019).

use super::super::{
    Content, Context,
    plot::{self, Figure},
    table::code,
};
use crate::data;
use std::collections::BTreeSet;

pub(super) const FIGURE: &str = "samples";

const CAPTION: &str = "One image of each class, the first of it in the training set, as stored: before any normalisation or \
    augmentation.\n\n";

pub(super) fn render(context: &Context<'_>) -> Content {
    let names = dataset_names(context);
    if names.is_empty() && !context.results.runs.is_empty() {
        return Content::default();
    }
    let figure = Figure {
        name: FIGURE.to_owned(),
        description: format!(
            "Sample images of {}: a row per dataset, a column per class",
            names.iter().copied().collect::<Vec<_>>().join(", ")
        ),
        content: plot::Content::Samples(context.options.samples.clone()),
    };
    let mut content = Content::text(CAPTION);
    if !context.options.samples.is_empty() {
        content.show(figure);
        return content;
    }
    // An earlier report on this suite may have had the data.
    if context.options.output.join(format!("{FIGURE}.png")).is_file() {
        content.say(&figure.markdown());
        return content;
    }
    // Photos come out of the packed file, which the first run of a suite makes.
    let command = |name: &&str| match data::find(name) {
        Ok(entry) if entry.is_images() => code("apical run"),
        _ => code(&format!("apical datasets fetch {name}")),
    };
    let commands: BTreeSet<String> = names.iter().map(command).collect();
    let commands: Vec<String> = commands.into_iter().collect();
    Content::text(format!(
        "The data was not at hand when this report was written, so there are no sample images; {} gets it.\n",
        super::super::format::list(&commands)
    ))
}

/// Names of the datasets of images.
fn dataset_names<'r>(context: &Context<'r>) -> BTreeSet<&'r str> {
    let specs = context.results.runs.iter().map(|run| &run.planned.spec.dataset);
    specs.filter(|spec| !spec.is_regression()).map(|spec| spec.name.as_str()).collect()
}
