//! A suite is a YAML file that crosses datasets, architectures, algorithms and seeds; here it becomes a
//! [`Plan`], or a list of everything that is wrong with it.
//!
//! Text → [`tree`] (values with their places) → [`walk`] (checked against the [`shape`]s of our own types,
//! lists split into axes) → [`expand`] (overrides, crossing, filters, meaning) → [`Plan`].

mod expand;
mod facts;
mod issue;
mod members;
mod overrides;
mod parts;
mod published;
mod schema;
mod selection;
mod shape;
mod tree;
mod walk;
mod wire;

pub use issue::SuiteErrors;
pub use schema::schema;

pub(crate) use issue::suggestion;

use crate::{
    data::{DataRoot, Places},
    plan::Plan,
};
use issue::{Issue, Span};
use std::{collections::BTreeSet, path::Path};

/// Reads, checks and expands a suite's file. Folders of images are looked for beside it and in the cache.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn load(path: &Path) -> Result<Plan, SuiteErrors> {
    load_with(path, DataRoot::from_env(None).ok())
}

/// As [`load`]; folders of images are looked for beside the suite and in `root`.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn load_with(path: &Path, root: Option<DataRoot>) -> Result<Plan, SuiteErrors> {
    let places = Places { beside: path.parent().map(Path::to_owned), root };
    let name = path.display().to_string();
    let refuse = |text: &str, issue| Err(SuiteErrors::new(&name, text, vec![issue]));
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            return refuse("", Issue::new(Span::START, format!("the suite can't be read: {error}")));
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => parse_with(&text, &name, &places),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let before = String::from_utf8_lossy(&bytes[..valid]);
            let span = Span {
                line: before.matches('\n').count() + 1,
                column: before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1,
                length: 1,
            };
            let issue = Issue::new(span, format!("byte {valid} of the file is not UTF-8"));
            refuse(&String::from_utf8_lossy(&bytes), issue.help("save the suite as UTF-8"))
        }
    }
}

/// Checks and expands a suite's text; `source_name` is what its errors call it.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn parse(text: &str, source_name: &str) -> Result<Plan, SuiteErrors> {
    parse_with(text, source_name, &Places::default())
}

fn parse_with(text: &str, source_name: &str, places: &Places) -> Result<Plan, SuiteErrors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (tree, mut issues) = tree::read(text);
    let refused: BTreeSet<Span> = issues.iter().map(|issue| issue.span).collect();
    let plan = tree.and_then(|tree| {
        let mut found = Vec::new();
        let plan = expand::expand(&tree, places, &mut found);
        // What could not be read has a stand-in, of which nothing more is to be said.
        issues.extend(found.into_iter().filter(|issue| !refused.contains(&issue.span)));
        plan
    });
    match plan {
        Some(plan) if issues.is_empty() => Ok(plan),
        _ => Err(SuiteErrors::new(source_name, text, issues)),
    }
}
