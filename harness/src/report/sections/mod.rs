//! The sections of a report, each a file and a line here.

mod accuracy;
mod alignment;
mod cost;
mod dynamics;
mod failures;
mod learning_curves;
mod literature;
mod loss;
mod neurons;
mod overview;
mod protocol;
mod provenance;
mod sample_images;
mod statistics;
mod targets;
mod voltages;

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
    Section { title: "Test loss", render: loss::render },
    Section { title: "Learning curves", render: learning_curves::render },
    Section { title: "Alignment", render: alignment::render },
    Section { title: "Learning dynamics", render: dynamics::render },
    Section { title: "Targets and inverses", render: targets::render },
    Section { title: "Neurons with dendrites", render: neurons::render },
    Section { title: "Voltage traces", render: voltages::render },
    Section { title: "Cost", render: cost::render },
    Section { title: "The rules and what they assume", render: literature::render },
    Section { title: "The data", render: sample_images::render },
    Section { title: "Protocol", render: protocol::render },
    Section { title: "Runs without a result", render: failures::render },
    Section { title: "Provenance", render: provenance::render },
    Section { title: "Statistics and reproduction", render: statistics::render },
];

/// How the names of all figures begin, so that those of an earlier report can be told from other files. The sample
/// images are not among them: they stay true when the data is gone.
pub(super) static FIGURES: &[&str] = &[
    learning_curves::FIGURE,
    alignment::FIGURE,
    alignment::FEEDBACK_FIGURE,
    alignment::FEEDBACK_ALIGNMENT_FIGURE,
    dynamics::FIGURE,
    targets::FIGURE,
    neurons::APICAL_FIGURE,
    neurons::FIGURE,
    voltages::FIGURE,
];
