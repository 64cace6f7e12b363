//! `--notify`: tells a webhook what came of a command, and never lets the command fail for it.

use crate::notify::{Patience, post};
use clap::Args;
use serde::Serialize;

/// Whom to tell.
#[derive(Debug, Args)]
pub struct NotifyArguments {
    /// Post a summary as JSON to this address, with a `text` that Slack and Mattermost show. It is tried four times; a
    /// webhook that takes none is a warning and changes no exit code. An address in the environment is not seen in lists
    /// of processes.
    #[arg(long, value_name = "URL", env = "APICAL_NOTIFY", hide_env_values = true)]
    notify: Option<String>,
}

impl NotifyArguments {
    /// Posts what `summary` makes, where an address was given.
    #[expect(clippy::print_stderr, reason = "a warning is for people, and standard output may be JSON")]
    pub fn tell<S: Serialize>(&self, summary: impl FnOnce() -> S) {
        let Some(address) = self.notify.as_deref().filter(|address| !address.is_empty()) else { return };
        if let Err(error) = post(address, &summary(), &Patience::default()) {
            eprintln!("warning: {error}");
        }
    }
}
