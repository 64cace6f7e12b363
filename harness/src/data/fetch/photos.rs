//! Sets of photos that have a name: from the official archive to a folder in the cache, and on to the packed file.
//!
//! The archive comes from a folder of the user's, from the cache where someone put it, or from its host. It is unpacked only
//! when its checksum is the one published, into a temporary folder that is renamed when its photos have been counted. So
//! what has the final name is whole, however the process ended before, and of two at once the later finds the work done.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{
    Fetcher, Progress, Report,
    attempt::{self, Failure, Recipient, Refusal},
    http::Http,
    part::Part,
    unpack::{self, Archive, Trouble},
};
use crate::{
    data::{
        cache,
        catalog::{self, DatasetEntry, Edition, PhotoSet},
        error::DataError,
        images::{self, Places, named},
        spec::DatasetSpec,
    },
    digest::md5,
};

impl Fetcher {
    /// Makes sure that the photos of a complete description are packed; fetches them first, if they have a name.
    pub fn pack(&self, spec: &DatasetSpec, places: &Places, report: Report) -> Result<(), DataError> {
        self.pack_entry(catalog::find(&spec.name)?, spec, places, report)
    }

    /// As [`Fetcher::pack`], for an entry that need not be in the catalog.
    pub fn pack_entry(
        &self,
        entry: &DatasetEntry,
        spec: &DatasetSpec,
        places: &Places,
        report: Report,
    ) -> Result<(), DataError> {
        let Some(set) = entry.photos() else { return images::ensure(spec, places, &self.root, report) };
        if images::is_packed(spec, &self.root) {
            return Ok(());
        }
        let refused = |source| DataError::Listing { dataset: entry.name.to_owned(), source };
        let edition = named::edition(entry, set, spec.edition.as_deref()).map_err(refused)?;
        named::check_content(entry, set, edition, spec).map_err(refused)?;
        let tree = self.photos(entry, set, edition, report)?;
        let listing = named::list(set, spec, &tree).map_err(refused)?;
        images::build(spec, &listing, &self.root, report)
    }

    /// The folder in the cache that holds the photos of an edition, after fetching and unpacking them where they are not
    /// there or not what was unpacked.
    pub fn photos(
        &self,
        entry: &DatasetEntry,
        set: &PhotoSet,
        edition: &Edition,
        report: Report,
    ) -> Result<PathBuf, DataError> {
        let folder = self.root.cache_folder(entry);
        let tree = folder.join(edition.tree());
        cache::sweep(&folder);
        let mut hops = Vec::new();
        // Nothing is set aside before it is known that nobody else is at work on it.
        if matches!(named::verify(set, &tree), cache::State::Good) {
            return Ok(tree);
        }
        cache::create_folder(&self.root, entry)?;
        let _lock = self.lock(&folder, report);
        if Self::is_whole(set, &tree, &mut hops, report)? {
            return Ok(tree);
        }
        let unpacked = self.unpacked_by_hand(entry, edition);
        for copy in &unpacked {
            hops.push(format!("folder {}: no checksum covers photos that are unpacked", copy.display()));
        }
        hops.push(format!("cache {}: the photos of {} are not there", folder.display(), edition.archive));
        let hop = Hop { set, edition, folder: &folder, tree: &tree, name: String::new(), report };
        hop.try_all(self, entry, &mut hops)?;
        if tree.is_dir() {
            return Ok(tree);
        }
        Err(DataError::Unobtainable {
            dataset: entry.name.to_owned(),
            hops,
            remedy: remedy(&folder, set, edition, unpacked.first()),
        })
    }

    /// Whether the photos in `tree` are those that were unpacked; others are renamed out of the way.
    fn is_whole(
        set: &PhotoSet,
        tree: &Path,
        hops: &mut Vec<String>,
        report: Report,
    ) -> Result<bool, DataError> {
        let reason = match named::verify(set, tree) {
            cache::State::Good => return Ok(true),
            cache::State::Absent => return Ok(false),
            cache::State::Wrong(reason) => reason,
        };
        let aside = set_aside(tree)
            .map_err(|source| DataError::CacheNotWritable { path: tree.to_owned(), source })?;
        hops.push(format!("cache: {reason}; the photos are now {}", aside.display()));
        report(Progress::Rejected { aside, reason });
        Ok(false)
    }

    /// Copies of the photos that the user has unpacked.
    fn unpacked_by_hand(&self, entry: &DatasetEntry, edition: &Edition) -> Vec<PathBuf> {
        let cache = self.root.cache_folder(entry);
        let places = self.root.user_folders(entry).into_iter().chain([cache, self.root.cache.clone()]);
        let copies = places.map(|place| place.join(edition.folder.trim_end_matches('/')));
        copies.filter(|path| path.join("train").is_dir()).collect()
    }
}

/// The sources of an archive, one of which is being tried.
struct Hop<'a> {
    set: &'a PhotoSet,
    edition: &'a Edition,
    folder: &'a Path,
    tree: &'a Path,
    name: String,
    report: Report<'a>,
}

impl Hop<'_> {
    /// Tries everything in order until the photos are there; each failure is a line in `hops`.
    fn try_all(
        mut self,
        fetcher: &Fetcher,
        entry: &DatasetEntry,
        hops: &mut Vec<String>,
    ) -> Result<(), DataError> {
        let archive = self.edition.archive;
        let by_hand = fetcher.root.user_folders(entry).into_iter().chain([self.folder.to_owned()]);
        let by_hand: Vec<_> =
            by_hand.map(|folder| folder.join(archive)).filter(|path| path.is_file()).collect();
        for path in by_hand {
            self.name = path.display().to_string();
            (self.report)(Progress::Trying { source: self.name.clone() });
            let taken = self.take(&path).map_err(Refusal::without_download);
            if self.judged(taken, hops)? {
                return Ok(());
            }
        }
        let official = || self.set.mirrors.iter().map(|&url| url.to_owned()).collect();
        for base in fetcher.mirrors.clone().unwrap_or_else(official) {
            self.name.clone_from(&base);
            (self.report)(Progress::Trying { source: base.clone() });
            let max_bytes = self.edition.max_bytes();
            let downloaded = Http::new(fetcher.http.clone()).map_err(Failure::Source).and_then(|http| {
                let wanted = attempt::Wanted { base: &base, path: archive, max_bytes };
                attempt::download(&http, self.folder, wanted, &mut self)
            });
            if self.judged(downloaded, hops)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether a source gave the photos.
    fn judged(&mut self, tried: Result<(), Failure>, hops: &mut Vec<String>) -> Result<bool, DataError> {
        let reason = match tried {
            Ok(()) => return Ok(true),
            Err(Failure::Hopeless(error)) => return Err(error),
            Err(Failure::Source(reason)) => reason.replace('\n', " "),
        };
        hops.push(format!("{}: {reason}", self.name));
        (self.report)(Progress::Failed { source: self.name.clone(), reason });
        Ok(false)
    }

    /// Verifies the archive at `path`, unpacks it, and gives the photos their name.
    fn take(&mut self, path: &Path) -> Result<(), Refusal> {
        self.check(path)?;
        let unwritable = |path: &Path, source| {
            Refusal::Hopeless(DataError::CacheNotWritable { path: path.to_owned(), source })
        };
        let temporary = tempfile::Builder::new()
            .prefix(cache::UNPACK_PREFIX)
            .tempdir_in(self.folder)
            .map_err(|error| unwritable(self.folder, error))?;
        // A folder of its own inside: the outer one is private to this user, and a cache may be shared.
        let photos = temporary.path().join("photos");
        fs::create_dir(&photos).map_err(|error| unwritable(&photos, error))?;
        let wrong = |reason| Refusal::Content { reason, truncated: false };
        let archive = Archive {
            path,
            name: self.edition.archive,
            format: self.edition.format,
            folder: self.edition.folder,
            // The list of classes of the photos in `val` is a file too.
            max_files: self.set.sizes().iter().sum::<usize>() + 1,
            max_bytes: self.edition.max_unpacked,
        };
        unpack::unpack(archive, &photos, self.report).map_err(|trouble| match trouble {
            Trouble::Archive(reason) => wrong(reason),
            Trouble::Write(path, error) => unwritable(&path, error),
        })?;
        named::check_counts(self.set, &photos).map_err(wrong)?;
        // All of it is on disk before it has the name that says so.
        File::open(&photos)
            .and_then(|folder| nix::unistd::syncfs(&folder).map_err(Into::into))
            .map_err(|error| unwritable(&photos, error))?;
        match fs::rename(&photos, self.tree) {
            Ok(()) => {}
            // Another process was quicker, and has unpacked the same archive.
            Err(_) if self.tree.is_dir() => {}
            Err(error) => return Err(unwritable(self.tree, error)),
        }
        let file = self.edition.archive.to_owned();
        (self.report)(Progress::Stored { file, source: self.name.clone() });
        Ok(())
    }

    /// Whether the archive at `path` is the one that was published.
    fn check(&self, path: &Path) -> Result<(), Refusal> {
        let length = fs::metadata(path).map(|meta| meta.len());
        let found = File::open(path).and_then(md5).map_err(|error| Refusal::unreadable(&error))?;
        if found == self.edition.md5 {
            return Ok(());
        }
        let truncated = length.is_ok_and(|length| length < self.edition.bytes);
        let reason = format!("it has MD5 {found} instead of {}", self.edition.md5);
        let ends = if truncated { "it ends too early: " } else { "" };
        Err(Refusal::Content { reason: format!("{ends}{reason}"), truncated })
    }
}

impl Recipient for Hop<'_> {
    fn report(&mut self, step: Progress) {
        (self.report)(step);
    }

    fn accept(&mut self, part: &Part) -> Result<(), Refusal> {
        self.take(part.path())
    }
}

/// Renames a folder so that it is out of the way but can be looked at.
fn set_aside(tree: &Path) -> io::Result<PathBuf> {
    let name = tree.file_name().unwrap_or_default().to_string_lossy();
    let place = tree.parent().unwrap_or(tree);
    // A new, empty folder has a name that nothing else has; renaming onto it replaces it.
    let aside = tempfile::Builder::new().prefix(&format!("{name}.rejected-")).tempdir_in(place)?;
    match fs::rename(tree, aside.path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(aside.keep()),
    }
}

/// What to put where by hand.
fn remedy(folder: &Path, set: &PhotoSet, edition: &Edition, unpacked: Option<&PathBuf>) -> String {
    let Edition { archive, bytes, md5, .. } = edition;
    let from: Vec<_> = set.mirrors.iter().map(|base| format!("{base}{archive}")).collect();
    let copy = unpacked.map_or_else(|| "FOLDER".to_owned(), |path| path.display().to_string());
    format!(
        "Put {archive} ({bytes} bytes, MD5 {md5}) from {} into {} or into a folder that `--data` names, and run this again.\n\
         Photos that are unpacked already cannot be verified: a suite uses them with `name: imagenet-folder` and `folder: {copy}`",
        from.join(" or "),
        folder.display()
    )
}
