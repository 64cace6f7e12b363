//! One file from one host until its content is accepted, and what became of it if it is not.
//!
//! Whoever wants the file judges it. A file that is refused gets one more attempt where that may help: it was resumed, and
//! an earlier process may have left the beginning of another; or it ends too early, and the host had not said how long it
//! is. What stays wrong is renamed out of the way.

use std::{io, path::Path, time::Duration};

use super::{
    super::{cache, error::DataError},
    http::Http,
    part::Part,
    progress::Progress,
};

/// Why a source did not do.
pub(super) enum Failure {
    /// The next source may do better: the reason in one line.
    Source(String),
    /// Nor can any other source help.
    Hopeless(DataError),
}

/// Why what a source gave is not stored.
pub(super) enum Refusal {
    /// It is not the right content.
    Content {
        /// In what way, in one line.
        reason: String,
        /// Whether it looks like the beginning of the right content.
        truncated: bool,
    },
    /// The cache cannot be written.
    Hopeless(DataError),
}

impl Refusal {
    pub(super) fn unreadable(error: &io::Error) -> Self {
        let truncated = error.kind() == io::ErrorKind::UnexpectedEof;
        let reason = if truncated { "it ends too early".to_owned() } else { error.to_string() };
        Self::Content { reason, truncated }
    }

    /// As a failure of the source, which gave `file`.
    pub(super) fn into_failure(self, file: &str) -> Failure {
        match self {
            Self::Content { reason, .. } => Failure::Source(format!("{file}: {reason}")),
            Self::Hopeless(error) => Failure::Hopeless(error),
        }
    }

    pub(super) fn without_download(self) -> Failure {
        match self {
            Self::Content { reason, .. } => Failure::Source(reason),
            Self::Hopeless(error) => Failure::Hopeless(error),
        }
    }
}

/// Who wants a download.
pub(super) trait Recipient {
    /// Is told how it goes.
    fn report(&mut self, step: Progress);

    /// Takes what has arrived, or says why not.
    fn accept(&mut self, part: &Part) -> Result<(), Refusal>;
}

/// A file on a host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The host's base URL, ending with `/`.
    pub base: &'a str,
    /// The file's name below it.
    pub path: &'a str,
    /// More bytes than this are not accepted.
    pub max_bytes: u64,
}

/// Downloads a file into `folder` until `recipient` accepts it.
pub(super) fn download(
    http: &Http,
    folder: &Path,
    wanted: Wanted<'_>,
    recipient: &mut dyn Recipient,
) -> Result<(), Failure> {
    let Wanted { base, path, max_bytes } = wanted;
    let unwritable =
        |source| Failure::Hopeless(DataError::CacheNotWritable { path: folder.to_owned(), source });
    let mut part = Part::claim(folder, path).map_err(unwritable)?;
    let url = format!("{base}{path}");
    let mut resumed = !part.is_empty();
    let mut second_chance = true;
    loop {
        if let Err(reason) = http.download(&url, &mut part, max_bytes, &mut |step| recipient.report(step)) {
            part.leave();
            return Err(Failure::Source(reason));
        }
        let reason = match recipient.accept(&part) {
            Ok(()) => {
                part.remove();
                return Ok(());
            }
            Err(Refusal::Hopeless(error)) => {
                part.leave();
                return Err(Failure::Hopeless(error));
            }
            Err(Refusal::Content { reason, truncated }) => {
                let again = second_chance && (resumed || truncated);
                if again && (!truncated || resumed) {
                    part.clear().map_err(|error| Failure::Source(error.to_string()))?;
                }
                if again {
                    (second_chance, resumed) = (false, false);
                    let (file, wait) = (path.to_owned(), Duration::ZERO);
                    recipient.report(Progress::Retrying { file, reason, wait });
                    continue;
                }
                reason
            }
        };
        match cache::set_aside(part.path(), None) {
            Ok(Some(aside)) => recipient.report(Progress::Rejected { aside, reason: reason.clone() }),
            Ok(None) | Err(_) => part.remove(),
        }
        return Err(Failure::Source(format!("{path}: {reason}")));
    }
}
