//! The arguments that every command on a suite takes.

use super::UserError;
use crate::{
    data::DataRoot,
    plan::{Filters, Plan},
    record::Store,
    suite,
};
use anyhow::Result;
use clap::Args;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Which suite, which part of it, and where its results lie.
#[derive(Debug, Args)]
pub struct SuiteArguments {
    /// The suite: a YAML file, or the name of one in `suites/` or of one that was run.
    pub suite: PathBuf,
    /// Only the runs that match: `dataset`, `architecture`, `algorithm`, `seed` or `id`, e.g.
    /// `--filter dataset=mnist --filter algorithm=bp,fa`. The same key again means "or", another means "and".
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// The results folder.
    #[arg(long, value_name = "DIR", env = "APICAL_RESULTS", default_value = "results")]
    pub results: PathBuf,
    /// A folder of datasets, looked into before the cache and the network; folders of images are looked for in it.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// A suite's plan, whole and as filtered.
#[derive(Debug)]
pub struct Selected {
    /// The file that the suite was read from, or its name.
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
        let store = Store::new(&self.results);
        if let Some(data) = self.data.as_ref().filter(|data| !data.is_dir()) {
            return Err(UserError::config(format!("--data {}: there is no such folder", data.display())));
        }
        let (path, whole) = self.load(&store)?;
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
        Ok(Selected { path, whole, plan, store })
    }

    /// The suite's file and its plan. Where a name is given and its file is not at hand, the plan is the one
    /// kept beside the results: results that were carried elsewhere can be looked at and reported without it.
    fn load(&self, store: &Store) -> Result<(PathBuf, Plan)> {
        let path = self.path();
        if path.exists() {
            let plan = suite::load_with(&path, DataRoot::from_env(self.data.clone()).ok())?;
            return Ok((path, plan));
        }
        let name = self.suite.to_string_lossy();
        if self.suite.components().count() == 1 && store.plan_path(&name).exists() {
            let plan = store.read_plan(&name)?;
            return Ok((path, plan));
        }
        Err(UserError::config(no_such_suite(&name, &known_suites(store))))
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

/// The names that a suite may be called by: files in `suites/`, and suites with results.
fn known_suites(store: &Store) -> Vec<String> {
    let stems = |folder: &Path, extension: &str| -> Vec<String> {
        let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let named = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
        named.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
    };
    let mut names = stems(Path::new("suites"), "yaml");
    names.extend(stems(&store.root().join("plans"), "json"));
    names.sort();
    names.dedup();
    names
}

fn no_such_suite(name: &str, known: &[String]) -> String {
    let missing = format!("there is no suite `{name}`: no such file, and no suite of that name");
    if known.is_empty() {
        return format!("{missing} in `suites/` here or in the results folder; give the path of a YAML file");
    }
    let near = known
        .iter()
        .filter(|other| strsim::damerau_levenshtein(other, name) <= 1 + name.len() / 4)
        .min_by_key(|other| strsim::damerau_levenshtein(other, name));
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    format!("{missing}{near} (there are: {})", known.join(", "))
}

/// The arguments that select the same runs again, for a shell. They say the same wherever the suite lies and however
/// it was named: `suites/<file>` where its folder is called so, else the file's name.
pub fn again(path: &Path, filters: &[String]) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let file = whole.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let among_suites = whole.parent().is_some_and(|folder| folder.ends_with("suites"));
    let name = if among_suites { format!("suites/{file}") } else { file.into_owned() };
    let filters = filters.iter().map(|filter| format!(" --filter {}", quoted(filter)));
    std::iter::once(quoted(&name)).chain(filters).collect()
}

/// A word as a shell needs it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-=,:+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_named_the_same_wherever_it_lies() {
        for path in [
            "suites/quick.yaml",
            "./suites/quick.yaml",
            "../other/suites/quick.yaml",
            "/a/b/suites/quick.yaml",
        ] {
            assert_eq!(again(Path::new(path), &[]), "suites/quick.yaml");
        }
        for path in ["mine.yaml", "drafts/mine.yaml", "/home/somebody/mine.yaml"] {
            assert_eq!(again(Path::new(path), &[]), "mine.yaml");
        }
        let filters = ["seed=1".to_owned(), "algorithm=fa[feedback.scale=1]".to_owned()];
        assert_eq!(
            again(Path::new("/a/my suite.yaml"), &filters),
            "'my suite.yaml' --filter seed=1 --filter 'algorithm=fa[feedback.scale=1]'"
        );
    }
}
