//! The datasets' sample images (figure 1 of Lange 2019).

use super::super::{
    Content, Context,
    plot::{self, Figure},
    table::code,
};

pub(super) const FIGURE: &str = "samples";

pub(super) fn render(context: &Context<'_>) -> Content {
    let samples = &context.options.samples;
    if samples.is_empty() {
        let commands: Vec<String> = dataset_names(context)
            .into_iter()
            .map(|name| code(&format!("apical datasets fetch {name}")))
            .collect();
        return Content::text(format!(
            "The data was not at hand when this report was written, so there are no sample images; {} gets it.\n",
            super::super::format::list(&commands)
        ));
    }
    let mut content = Content::text(
        "One image of each class, the first of it in the training set, as stored: before any normalisation or augmentation.\n\n",
    );
    let names: Vec<&str> = samples.iter().map(|sheet| sheet.dataset.as_str()).collect();
    content.show(Figure {
        name: FIGURE.to_owned(),
        description: format!("Sample images of {}: a row per dataset, a column per class", names.join(", ")),
        content: plot::Content::Samples(samples.clone()),
    });
    content
}

fn dataset_names<'r>(context: &Context<'r>) -> std::collections::BTreeSet<&'r str> {
    context.results.runs.iter().map(|run| run.planned.spec.dataset.name.as_str()).collect()
}
