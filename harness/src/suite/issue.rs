//! What is wrong with a suite, where, and what to do about it; and how that is shown.

use std::{error::Error, fmt};
use unicode_width::UnicodeWidthStr;

/// The widest piece of a line that is shown.
const WIDTH: usize = 140;

/// A place in a suite; lines and columns count characters from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Span {
    pub line: usize,
    pub column: usize,
    pub length: usize,
}

impl Span {
    /// The first character.
    pub const START: Self = Self { line: 1, column: 1, length: 1 };
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issue {
    pub span: Span,
    pub message: String,
    pub help: Option<String>,
}

impl Issue {
    /// A mistake without a remedy yet.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Everything that is wrong with a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuiteErrors {
    source: String,
    text: String,
    issues: Vec<Issue>,
}

impl SuiteErrors {
    /// The mistakes in the order of their places, each once.
    pub(super) fn new(source: &str, text: &str, mut issues: Vec<Issue>) -> Self {
        issues.sort_by_key(|issue| issue.span);
        let mut seen: Vec<Issue> = Vec::new();
        for issue in issues {
            if !seen.contains(&issue) {
                seen.push(issue);
            }
        }
        Self { source: source.to_owned(), text: text.to_owned(), issues: seen }
    }

    /// How many mistakes there are.
    pub fn count(&self) -> usize {
        self.issues.len()
    }
}

impl Error for SuiteErrors {}

impl fmt::Display for SuiteErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, issue) in self.issues.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            self.show(f, issue)?;
        }
        if self.issues.len() > 1 {
            write!(f, "\n\n{} mistakes in {}", self.issues.len(), self.source)?;
        }
        Ok(())
    }
}

impl SuiteErrors {
    fn show(&self, f: &mut fmt::Formatter<'_>, issue: &Issue) -> fmt::Result {
        let Span { line, column, length } = issue.span;
        write!(f, "{}:{line}:{column}: {}", self.source, issue.message)?;
        let gutter = " ".repeat(line.to_string().len());
        if let Some(text) = self.text.lines().nth(line - 1) {
            let (shown, before, marked) = window(text, column - 1, length);
            let indent = " ".repeat(before);
            let carets = "^".repeat(marked);
            write!(f, "\n{gutter} |\n{line} | {shown}\n{gutter} | {indent}{carets}")?;
        }
        if let Some(help) = &issue.help {
            write!(f, "\n{gutter} = help: {help}")?;
        }
        Ok(())
    }
}

/// The part of a line that is shown, and the widths of what stands before the mark and of the mark.
fn window(text: &str, column: usize, length: usize) -> (String, usize, usize) {
    let clean: Vec<char> = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let column = column.min(clean.len());
    let length = length.min(clean.len() - column).clamp(1, WIDTH / 2);
    let first = if column + length > WIDTH { column - column.min(WIDTH / 3) } else { 0 };
    let last = clean.len().min(first + WIDTH);
    let piece = |from: usize, to: usize| clean[from.min(to)..to].iter().collect::<String>();
    let lead = if first > 0 { "…" } else { "" };
    let trail = if last < clean.len() { "…" } else { "" };
    let before = lead.width() + piece(first, column).width();
    let marked = piece(column, (column + length).min(clean.len())).width().max(1);
    (format!("{lead}{}{trail}", piece(first, last).trim_end()), before, marked)
}

/// The choice that was probably meant: spelt alike, or beginning so; case and separators do not count.
pub(crate) fn nearest<'a>(given: &str, choices: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let spoken = |text: &str| text.to_lowercase().replace(['_', ' ', '-'], "");
    let heard = spoken(given);
    let alike = |distance: usize, choice: &str| {
        let longer = choice.chars().count().max(heard.chars().count());
        let close = distance <= (longer / 3).max(1) && distance < longer;
        !heard.is_empty() && (close || heard.len() >= 3 && spoken(choice).starts_with(&heard))
    };
    choices
        .into_iter()
        .map(|choice| (strsim::damerau_levenshtein(&heard, &spoken(choice)), choice))
        .filter(|(distance, choice)| alike(*distance, choice))
        .min()
        .map(|(_, choice)| choice)
}

/// `did you mean …`, or what there is to choose from.
pub(crate) fn suggestion<'a>(given: &str, choices: impl IntoIterator<Item = &'a str>) -> String {
    let choices: Vec<&str> = choices.into_iter().collect();
    let all = list(&choices);
    match nearest(given, choices.iter().copied()) {
        Some(choice) if choices.len() <= 12 && choices.len() > 1 => {
            format!("did you mean `{choice}`? There are: {all}")
        }
        Some(choice) => format!("did you mean `{choice}`?"),
        None if choices.is_empty() => "there are none to choose from".to_owned(),
        None => format!("there are: {all}"),
    }
}

fn list(choices: &[&str]) -> String {
    choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        assert!(suggestion("tahn", ["tanh", "relu"]).starts_with("did you mean `tanh`?"));
        assert_eq!(suggestion("swish", ["tanh", "relu"]), "there are: `tanh`, `relu`");
    }

    #[test]
    fn the_caret_stands_under_the_token_in_wide_and_long_lines() {
        let text = "a: ÄÄ";
        assert_eq!(window(text, 3, 2), (text.to_owned(), 3, 2));
        let long = format!("{}here{}", "x".repeat(300), "y".repeat(300));
        let (shown, before, marked) = window(&long, 300, 4);
        assert_eq!(shown.chars().skip(before).take(marked).collect::<String>(), "here");
        assert!(shown.chars().count() <= WIDTH + 2);
    }
}
