//! `apical completions`: a completion script for a shell.

use crate::exit;
use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    clap_complete::generate(arguments.shell, &mut super::Cli::command(), "apical", &mut std::io::stdout());
    Ok(exit::OK)
}
