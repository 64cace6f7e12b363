//! Where an export goes: tables and event files into a folder, runs to a server. What does not fit together is said
//! before anything is read or written.

use super::Format;
use reqwest::Url;
use std::path::PathBuf;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Tables of comma-separated values; a missing value is empty.
    Csv,
    /// Tables as Apache Parquet.
    Parquet,
    /// Tables as arrays of objects; a missing value, and a number that is not finite, is null.
    Json,
    /// TensorBoard event files, a folder per run.
    #[value(name = "tensorboard")]
    TensorBoard,
    /// Runs on an MLflow server.
    Mlflow,
}

/// An export's kind and destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Tables in a folder.
    Tables(Format, PathBuf),
    /// A folder per suite and run in a folder.
    TensorBoard(PathBuf),
    /// An experiment per suite on a server.
    Mlflow(Url),
}

/// Why there is no such target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A server is needed, and none is named.
    #[error(
        "`--format mlflow` needs a server: `--to http://localhost:5000`, or MLFLOW_TRACKING_URI with such an address"
    )]
    NoServer,
    /// A server is needed, and something else is named.
    #[error(
        "`{0}` is no address of an MLflow server; it is like http://localhost:5000 or https://mlflow.example.org"
    )]
    NoAddress(String),
    /// A folder is needed, and a server is named.
    #[error(
        "`--format {kind}` writes into a folder, and `{to}` is the address of a server; that is for `--format mlflow`"
    )]
    NoFolder {
        /// As on the command line.
        kind: String,
        /// What was named.
        to: String,
    },
}

impl Target {
    /// The target of `--format kind --to to` for a suite, where `MLFLOW_TRACKING_URI` is `server`.
    ///
    /// # Errors
    /// When kind and destination do not fit.
    pub fn new(kind: Kind, to: Option<&str>, suite: &str, server: Option<&str>) -> Result<Self, TargetError> {
        let folder = |default: PathBuf| match to {
            Some(to) if to.contains("://") => {
                let kind = clap::ValueEnum::to_possible_value(&kind);
                let kind = kind.map(|value| value.get_name().to_owned()).unwrap_or_default();
                Err(TargetError::NoFolder { kind, to: to.to_owned() })
            }
            Some(to) => Ok(PathBuf::from(to)),
            None => Ok(default),
        };
        let exports = PathBuf::from("exports");
        match kind {
            Kind::Csv => Ok(Self::Tables(Format::Csv, folder(exports.join(suite))?)),
            Kind::Parquet => Ok(Self::Tables(Format::Parquet, folder(exports.join(suite))?)),
            Kind::Json => Ok(Self::Tables(Format::Json, folder(exports.join(suite))?)),
            Kind::TensorBoard => Ok(Self::TensorBoard(folder(exports.join("tensorboard"))?)),
            Kind::Mlflow => {
                let address =
                    to.or(server.filter(|server| !server.is_empty())).ok_or(TargetError::NoServer)?;
                let url = Url::parse(address).ok();
                let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
                url.map(Self::Mlflow).ok_or_else(|| TargetError::NoAddress(address.to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_place() {
        let target = |kind, to| Target::new(kind, to, "quick", None);
        assert_eq!(target(Kind::Csv, None), Ok(Target::Tables(Format::Csv, "exports/quick".into())));
        assert_eq!(target(Kind::Json, Some("a/b")), Ok(Target::Tables(Format::Json, "a/b".into())));
        assert_eq!(target(Kind::TensorBoard, None), Ok(Target::TensorBoard("exports/tensorboard".into())));
        let server = Url::parse("http://localhost:5000").ok();
        assert_eq!(target(Kind::Mlflow, Some("http://localhost:5000")).ok(), server.map(Target::Mlflow));
    }

    #[test]
    fn a_server_may_be_named_by_mlflows_own_variable_and_the_command_line_counts_first() {
        let target = |to| Target::new(Kind::Mlflow, to, "quick", Some("https://a.example"));
        let host = |target: Result<Target, TargetError>| match target {
            Ok(Target::Mlflow(url)) => url.host_str().map(str::to_owned),
            _ => None,
        };
        assert_eq!(host(target(None)).as_deref(), Some("a.example"));
        assert_eq!(host(target(Some("http://b.example/mlflow"))).as_deref(), Some("b.example"));
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        let error = |kind, to, server| Target::new(kind, to, "quick", server).err().map(|e| e.to_string());
        let says = |error: Option<String>, word: &str| {
            assert!(error.as_ref().is_some_and(|error| error.contains(word)), "{error:?} lacks {word}");
        };
        says(error(Kind::Mlflow, None, None), "--to http://localhost:5000");
        says(error(Kind::Mlflow, None, Some("sqlite:///mlflow.db")), "`sqlite:///mlflow.db` is no address");
        says(error(Kind::Mlflow, Some("exports"), None), "`exports` is no address");
        says(error(Kind::Mlflow, Some("localhost:5000"), None), "is no address");
        says(
            error(Kind::TensorBoard, Some("http://localhost:5000"), None),
            "`--format tensorboard` writes into a folder",
        );
        says(error(Kind::Csv, Some("https://a.example"), None), "`--format csv` writes into a folder");
    }
}
