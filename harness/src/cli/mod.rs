//! The command line: one file per subcommand, each thin.

mod algorithms;
mod cancel;
mod cluster;
mod completions;
mod datasets;
mod diff;
mod exec;
mod export;
mod fit;
mod notify;
mod output;
mod plan;
mod progress;
mod report;
mod run;
mod schema;
mod settings;
mod status;
mod suite;
mod task;

use crate::{exit, suite::SuiteErrors, told::told};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Benchmarks biologically plausible learning rules against backpropagation.
///
/// A suite (a YAML file) crosses learning rules, architectures, datasets and seeds. `apical run` computes
/// what is missing of it, `apical report` writes its report.
#[derive(Debug, Parser)]
#[command(name = "apical", version = VERSION, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("APICAL_GIT_HASH"), ")");

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 error, 2 usage, 3 suite or setting wrong, 4 nothing selected, \
100 some runs have no result, 101 a regression was found, 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a suite comes to: its matrix, how much of it is done, and how long the rest may take.
    Plan(plan::Arguments),
    /// Compute what is missing of a suite, a process per run.
    Run(run::Arguments),
    /// Show the state of every run of a suite.
    Status(status::Arguments),
    /// Cancel a suite's tasks on a cluster; what they have computed stays.
    Cancel(cancel::Arguments),
    /// Write a suite's report from its recorded runs.
    Report(report::Arguments),
    /// Compare two result sets, cell by cell: what is better, worse, new or gone.
    Diff(diff::Arguments),
    /// Write a suite's results as tables or for TensorBoard, or send them to an MLflow server.
    Export(export::Arguments),
    /// List, fetch and verify datasets.
    Datasets(datasets::Arguments),
    /// List the learning rules, or describe one.
    Algorithms(algorithms::Arguments),
    /// Print the JSON Schema of a suite, for editors.
    Schema,
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
    /// Compute one attempt at one run; what `run` starts for each.
    #[command(hide = true)]
    Exec(exec::Arguments),
    /// Compute the runs of one task of a Slurm job array; what a submitted script starts.
    #[command(hide = true)]
    Task(task::Arguments),
}

/// Reads the command line, does what it says, and turns errors into messages and exit codes.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Plan(arguments) => plan::execute(&arguments),
        Command::Run(arguments) => run::execute(&arguments),
        Command::Status(arguments) => status::execute(&arguments),
        Command::Report(arguments) => report::execute(&arguments),
        Command::Diff(arguments) => diff::execute(&arguments),
        Command::Export(arguments) => export::execute(&arguments),
        Command::Datasets(arguments) => datasets::execute(&arguments),
        Command::Algorithms(arguments) => algorithms::execute(&arguments),
        Command::Schema => schema::execute(),
        Command::Completions(arguments) => completions::execute(&arguments),
        Command::Exec(arguments) => exec::execute(&arguments),
        Command::Cancel(arguments) => cancel::execute(&arguments),
        Command::Task(arguments) => task::execute(&arguments),
    };
    exit::code(result.unwrap_or_else(|error| complain(&error)))
}

/// A mistake of the user's that is neither the command line's nor a suite's, with its exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct UserError {
    message: String,
    code: u8,
}

impl UserError {
    fn config(message: impl Into<String>) -> anyhow::Error {
        Self { message: message.into(), code: exit::CONFIG }.into()
    }

    fn usage(message: impl Into<String>) -> anyhow::Error {
        Self { message: message.into(), code: exit::USAGE }.into()
    }

    fn nothing_selected(message: impl Into<String>) -> anyhow::Error {
        Self { message: message.into(), code: exit::NOTHING_SELECTED }.into()
    }
}

#[expect(clippy::print_stderr, reason = "this is where errors reach the user")]
fn complain(error: &anyhow::Error) -> u8 {
    if is_broken_pipe(error) {
        return exit::OK;
    }
    if let Some(errors) = error.downcast_ref::<SuiteErrors>() {
        eprintln!("{errors}");
        return exit::CONFIG;
    }
    eprintln!("error: {}", told(error));
    error.downcast_ref::<UserError>().map_or(exit::ERROR, |error| error.code)
}

/// Whether whoever read our output has gone, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
