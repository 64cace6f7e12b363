//! The arguments that every command on a suite takes.

use super::UserError;
use crate::{
    plan::{Filters, Plan},
    record::Store,
    suite,
};
use anyhow::Result;
use clap::Args;
use std::path::{Path, PathBuf};

/// Which suite, which part of it, and where its results lie.
#[derive(Debug, Args)]
pub struct SuiteArguments {
    /// The suite: a YAML file, or the name of one in `suites/`.
    pub suite: PathBuf,
    /// Only the runs that match: `dataset`, `architecture`, `algorithm`, `seed` or `id`, e.g.
    /// `--filter dataset=mnist --filter algorithm=bp,fa`. The same key again means "or", another means "and".
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// The results folder.
    #[arg(long, value_name = "DIR", env = "APICAL_RESULTS", default_value = "results")]
    pub results: PathBuf,
}

/// A suite's plan, whole and as filtered.
#[derive(Debug)]
pub struct Selected {
    /// The file that the suite was read from.
    pub path: PathBuf,
    /// Every run.
    pub whole: Plan,
    /// The runs that the filters keep.
    pub plan: Plan,
    /// Its results.
    pub store: Store,
}

impl SuiteArguments {
    /// Reads and checks the suite, and applies the filters.
    ///
    /// # Errors
    /// Every mistake in the suite, a filter that names nothing, or filters that leave no run.
    pub fn select(&self) -> Result<Selected> {
        let path = self.path();
        let whole = suite::load(&path)?;
        let filters = Filters::parse(&self.filter).map_err(|error| UserError::config(error.to_string()))?;
        filters.check(&whole).map_err(|error| UserError::config(error.to_string()))?;
        let plan = whole.filtered(&filters);
        if plan.runs.is_empty() {
            return Err(UserError::nothing_selected(format!(
                "no run of {} matches all of: {}",
                path.display(),
                self.filter.join(", ")
            )));
        }
        let store = Store::new(&self.results);
        Ok(Selected { path, whole, plan, store })
    }

    /// The arguments that select the same runs again, for a shell.
    pub fn again(&self, path: &Path) -> String {
        let filters = self.filter.iter().map(|filter| format!(" --filter {}", quoted(filter)));
        std::iter::once(quoted(&path.to_string_lossy())).chain(filters).collect()
    }

    /// The file meant: as given, or `suites/<name>.yaml`.
    fn path(&self) -> PathBuf {
        let named = Path::new("suites").join(&self.suite).with_extension("yaml");
        if !self.suite.exists() && self.suite.components().count() == 1 && named.exists() {
            return named;
        }
        self.suite.clone()
    }
}

/// A word as a shell needs it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-=,:+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
