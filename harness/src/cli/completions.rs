//! `apical completions`: a completion script for a shell.

use crate::exit;
use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::Write;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    // Into memory first: the generator panics where nobody reads any more.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Cli::command(), "apical", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(exit::OK)
}
