//! What a comparison may conclude, and how large a change has to be for it.

use clap::ValueEnum;
use serde::Serialize;

/// What became of a cell, or of one of its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It lost more than the threshold, and not by chance.
    Worse,
    /// It gained more than the threshold, and not by chance.
    Better,
    /// Only the later results plan it.
    New,
    /// Only the earlier results plan it.
    Gone,
    /// There is nothing to compare; a note says why.
    NotComparable,
    /// Neither better nor worse, by the threshold and the test.
    Unchanged,
}

impl Verdict {
    /// Every verdict, in the order in which cells are listed.
    pub const ALL: [Self; 6] =
        [Self::Worse, Self::Better, Self::New, Self::Gone, Self::NotComparable, Self::Unchanged];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::Better => "better",
            Self::New => "new",
            Self::Gone => "gone",
            Self::NotComparable => "not comparable",
            Self::Unchanged => "unchanged",
        }
    }

    /// Of a whole out of those of its parts: one part that is worse makes it worse, whatever else got better.
    pub(super) fn of_parts(parts: &[Self]) -> Self {
        let weighed = [Self::Worse, Self::Better, Self::Unchanged];
        weighed.into_iter().find(|verdict| parts.contains(verdict)).unwrap_or(Self::NotComparable)
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What is compared of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// Test accuracy, or of a regression the test loss.
    Accuracy,
    /// Training samples per second.
    Speed,
    /// Whether runs that used to complete still do.
    State,
}

impl Aspect {
    /// Every aspect.
    pub const ALL: [Self; 3] = [Self::Accuracy, Self::Speed, Self::State];

    /// As the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Speed => "speed",
            Self::State => "state",
        }
    }
}

/// What is smaller than these counts as unchanged, however sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Thresholds {
    /// Of test accuracy, in points.
    pub accuracy_points: f64,
    /// Of the test loss of a regression, in percent more.
    pub loss_percent: f64,
    /// Of training samples per second, in percent fewer.
    pub speed_percent: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { accuracy_points: 0.5, loss_percent: 10.0, speed_percent: 15.0 }
    }
}
