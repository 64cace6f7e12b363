//! The sections of a report, each a file and a line here.

mod accuracy;
mod learning_curves;
mod overview;

use super::{Content, Context};

/// A section.
pub(super) struct Section {
    /// Its heading; the first section stands under the report's title.
    pub title: &'static str,
    /// What it says. A section without text is left out.
    pub render: fn(&Context<'_>) -> Content,
}

/// All sections, in the order of the report.
pub(super) static ALL: &[Section] = &[
    Section { title: "", render: overview::render },
    Section { title: "Test accuracy", render: accuracy::render },
    Section { title: "Learning curves", render: learning_curves::render },
];

/// How the names of all figures begin, so that those of an earlier report can be told from other files.
pub(super) static FIGURES: &[&str] = &[learning_curves::FIGURE];
