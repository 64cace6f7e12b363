//! Exit codes: a promise to scripts.

use std::process::ExitCode;

/// Everything asked for was done.
pub const OK: u8 = 0;
/// An error of the program or the machine, e.g. a disk that refuses.
pub const ERROR: u8 = 1;
/// The command line was wrong.
pub const USAGE: u8 = 2;
/// A suite or a setting was wrong.
pub const CONFIG: u8 = 3;
/// The filters left nothing to do.
pub const NOTHING_SELECTED: u8 = 4;
/// Some runs have no result.
pub const RUNS_FAILED: u8 = 100;
/// A comparison found a regression.
pub const REGRESSION: u8 = 101;
/// Stopped by Ctrl-C or SIGTERM; everything done so far is kept.
pub const INTERRUPTED: u8 = 130;

/// The code as the operating system takes it.
pub fn code(code: u8) -> ExitCode {
    ExitCode::from(code)
}
