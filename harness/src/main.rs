//! The `apical` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    apical::cli::main()
}
