//! Which of a plan's runs a command is about: `--filter algorithm=fa --filter seed=0,1`.

use super::{Plan, PlannedRun, label_matches};
use crate::suite::suggestion;
use std::{collections::BTreeSet, fmt, str::FromStr};

/// Conditions on runs. Values of one key are alternatives; every key must be met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(Vec<(Key, Vec<String>)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Dataset,
    Architecture,
    Algorithm,
    Seed,
    Id,
}

impl Key {
    const ALL: [Self; 5] = [Self::Dataset, Self::Architecture, Self::Algorithm, Self::Seed, Self::Id];

    fn name(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Architecture => "architecture",
            Self::Algorithm => "algorithm",
            Self::Seed => "seed",
            Self::Id => "id",
        }
    }

    fn value(self, run: &PlannedRun) -> String {
        match self {
            Self::Dataset => run.cell.dataset.clone(),
            Self::Architecture => run.cell.architecture.clone(),
            Self::Algorithm => run.cell.algorithm.clone(),
            Self::Seed => run.spec.seed.to_string(),
            Self::Id => run.id.to_string(),
        }
    }

    fn matches(self, pattern: &str, run: &PlannedRun) -> bool {
        match self {
            Self::Dataset => label_matches(pattern, &run.cell.dataset),
            Self::Architecture => label_matches(pattern, &run.cell.architecture),
            Self::Algorithm => label_matches(pattern, &run.cell.algorithm),
            Self::Seed => pattern.parse() == Ok(run.spec.seed),
            // As with git, the first digits of an id will do.
            Self::Id => pattern.len() >= 4 && run.id.as_str().starts_with(pattern),
        }
    }
}

/// A filter that makes no sense, or selects nothing by a name that the plan does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It is not `key=value`.
    #[error("the filter `{0}` is not of the form key=value, e.g. algorithm=fa or seed=0,1")]
    Form(String),
    /// Its key is none.
    #[error("the filter `{filter}` has the unknown key `{key}`; {help}")]
    Key {
        /// The whole filter.
        filter: String,
        /// Its key.
        key: String,
        /// What it may have meant.
        help: String,
    },
    /// Its value has the wrong form.
    #[error("the filter `{filter}` needs {expected}")]
    Value {
        /// The whole filter.
        filter: String,
        /// What it needs.
        expected: &'static str,
    },
    /// The plan has no such label, seed or id.
    #[error("no run of `{suite}` has the {key} `{value}`; {help}")]
    NoSuchValue {
        /// Name of the suite.
        suite: String,
        /// The filter's key.
        key: &'static str,
        /// The value asked for.
        value: String,
        /// What there is.
        help: String,
    },
}

impl Filters {
    /// Reads filters of the form `key=value[,value…]`; keys are `dataset`, `architecture`, `algorithm`,
    /// `seed` and `id`. A label without its axis values in brackets stands for all of them.
    ///
    /// # Errors
    /// Names the filter and what is wrong with it.
    pub fn parse<S: AsRef<str>>(filters: impl IntoIterator<Item = S>) -> Result<Self, FilterError> {
        let mut parsed = Self::default();
        for filter in filters {
            parsed.add(filter.as_ref())?;
        }
        Ok(parsed)
    }

    /// Whether every run is selected.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Holds every value of the filters to the plan, so that a slip in a name does not just select less.
    ///
    /// # Errors
    /// Names the first value that no run has, and lists those that there are.
    pub fn check(&self, plan: &Plan) -> Result<(), FilterError> {
        for (key, values) in &self.0 {
            for value in values {
                if plan.runs.iter().any(|run| key.matches(value, run)) {
                    continue;
                }
                let help = if *key == Key::Id {
                    "`apical plan --output json` lists the ids; at least their first 4 digits are needed"
                        .to_owned()
                } else {
                    let mut seen = BTreeSet::new();
                    let present: Vec<String> = plan
                        .runs
                        .iter()
                        .map(|run| key.value(run))
                        .filter(|value| seen.insert(value.clone()))
                        .collect();
                    suggestion(value, present.iter().map(String::as_str))
                };
                return Err(FilterError::NoSuchValue {
                    suite: plan.name.clone(),
                    key: key.name(),
                    value: value.clone(),
                    help,
                });
            }
        }
        Ok(())
    }

    /// Whether a run meets every condition.
    pub fn select(&self, run: &PlannedRun) -> bool {
        self.0.iter().all(|(key, values)| values.iter().any(|value| key.matches(value, run)))
    }

    fn add(&mut self, filter: &str) -> Result<(), FilterError> {
        let form = || FilterError::Form(filter.to_owned());
        let (key, values) = filter.split_once('=').ok_or_else(form)?;
        let key = key.trim();
        let Some(key) = Key::ALL.into_iter().find(|known| known.name() == key) else {
            return Err(FilterError::Key {
                filter: filter.to_owned(),
                key: key.to_owned(),
                help: suggestion(key, Key::ALL.map(Key::name)),
            });
        };
        let values = split(values);
        if values.iter().any(String::is_empty) {
            return Err(form());
        }
        let invalid = |expected| Err(FilterError::Value { filter: filter.to_owned(), expected });
        if key == Key::Seed && values.iter().any(|value| value.parse::<u64>().is_err()) {
            return invalid("whole numbers, e.g. seed=0,1");
        }
        if key == Key::Id && values.iter().any(|value| value.len() < 4) {
            return invalid("at least the first 4 digits of an id");
        }
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => known.extend(values),
            None => self.0.push((key, values)),
        }
        Ok(())
    }
}

impl FromStr for Filters {
    type Err = FilterError;

    fn from_str(filter: &str) -> Result<Self, FilterError> {
        Self::parse([filter])
    }
}

impl fmt::Display for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, values)) in self.0.iter().enumerate() {
            let space = if index > 0 { " " } else { "" };
            write!(f, "{space}{}={}", key.name(), values.join(","))?;
        }
        Ok(())
    }
}

/// Splits at commas outside brackets: a label may hold some, as in `fa[feedback.scale=0.5,convention=nokland]`.
fn split(values: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0usize;
    for character in values.chars() {
        match character {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}
