//! The cache holds whole files whose SHA-256 is right, and nothing else.
//!
//! A file is written under a name of its own in the same folder, flushed, and renamed: another process sees the whole
//! file or none, and of two that fetch at once the later replaces the earlier's file with the same bytes.
//!
//! A file is hashed each time it is read, rather than trusted by its size or a stamp beside it: with the SHA extensions
//! of current CPUs MNIST takes about 30 ms, and no later change to the file can slip into a result.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::digest::{hexadecimal, sha256};
use sha2::{Digest, Sha256};

use super::{
    catalog::{DatasetEntry, FileEntry},
    error::DataError,
    root::DataRoot,
};

/// How the names of temporary folders begin in which packages are unpacked.
pub const PACKAGE_PREFIX: &str = ".package-";
/// How the names of temporary folders begin in which archives of photos are unpacked.
pub const UNPACK_PREFIX: &str = ".unpack-";

/// Why `bytes` are not the content of `file`; `None` if they are.
pub fn mismatch(file: &FileEntry, bytes: &[u8]) -> Option<String> {
    if bytes.len() as u64 != file.size {
        return Some(format!("{} bytes instead of {}", bytes.len(), file.size));
    }
    let found = sha256(bytes);
    (found != file.sha256).then(|| format!("SHA-256 {found} instead of {}", file.sha256))
}

/// What is at the place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The right bytes.
    Good(Vec<u8>),
    /// Nothing.
    Absent,
    /// Other bytes; why they are wrong.
    Wrong(String),
}

/// Reads `path` and checks that it has the content of `file`. Reads no more than one byte too many.
pub fn read(path: &Path, file: &FileEntry) -> io::Result<Content> {
    let mut bytes = Vec::with_capacity(file.size as usize + 1);
    match File::open(path).and_then(|opened| opened.take(file.size + 1).read_to_end(&mut bytes)) {
        Ok(_) if bytes.len() as u64 > file.size => {
            Ok(Content::Wrong(format!("more than {} bytes", file.size)))
        }
        Ok(_) => Ok(mismatch(file, &bytes).map_or_else(|| Content::Good(bytes), Content::Wrong)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Content::Absent)
        }
        Err(error) => Err(error),
    }
}

/// Creates the folder of the cache for `entry`.
pub fn create_folder(root: &DataRoot, entry: &DatasetEntry) -> Result<PathBuf, DataError> {
    let path = root.cache_folder(entry);
    fs::create_dir_all(&path).map_err(|source| DataError::CacheNotWritable { path: path.clone(), source })?;
    Ok(path)
}

/// Puts verified `bytes` into `folder` under the file's name, all at once. The caller has checked their hash.
pub fn install(folder: &Path, file: &FileEntry, bytes: &[u8]) -> Result<PathBuf, DataError> {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(file.name);
    let write = || -> io::Result<()> {
        let mut temporary = tempfile::Builder::new()
            .prefix(&format!(".{}-", file.name))
            .suffix(".tmp")
            // As any new file: what the umask leaves of rw-rw-rw-, since a cache may be shared.
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        temporary.write_all(bytes)?;
        temporary.as_file().sync_all()?;
        temporary.persist(&path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|source| DataError::CacheNotWritable { path: path.clone(), source })?;
    Ok(path)
}

/// Removes what processes that were killed left half-done in `folder`, if nothing has touched it for an hour; photos that
/// were being unpacked for a day, since that takes long where a disk is slow and does not show in the folder's time.
pub fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let photos = name.starts_with(UNPACK_PREFIX);
        let ours =
            photos || name.starts_with(PACKAGE_PREFIX) || (name.starts_with('.') && name.ends_with(".tmp"));
        let patience = Duration::from_hours(if photos { 24 } else { 1 });
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
        if ours && age.is_some_and(|age| age > patience) {
            // Whatever cannot be removed is only in the way of disk space.
            let _ = if entry.path().is_dir() {
                fs::remove_dir_all(entry.path())
            } else {
                fs::remove_file(entry.path())
            };
        }
    }
}

/// Renames a wrong file to `<name>.rejected-<start of its SHA-256>`, so that it is out of the way but can be looked at.
///
/// Returns the new path; `None` if the file has gone, or turned out right because another process has just replaced it.
pub fn set_aside(path: &Path, file: Option<&FileEntry>) -> io::Result<Option<PathBuf>> {
    let hash = match File::open(path) {
        Ok(mut opened) => {
            let mut hasher = Sha256::new();
            let mut buffer = vec![0; 1 << 16];
            loop {
                match opened.read(&mut buffer)? {
                    0 => break,
                    n => hasher.update(&buffer[..n]),
                }
            }
            hexadecimal(&hasher.finalize()[..6])
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".rejected-{hash}"));
    let aside = path.with_file_name(name);
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    }
    if let Some(file) = file
        && matches!(read(&aside, file)?, Content::Good(_))
    {
        fs::rename(&aside, path)?;
        return Ok(None);
    }
    Ok(Some(aside))
}

/// What was found in the place of a file of a data set.
#[derive(Debug)]
pub enum Found {
    /// Its content, verified.
    Good(Vec<u8>),
    /// Nothing.
    Absent,
    /// Something else in the cache, which has been renamed, unless the cache is read-only.
    Rejected {
        /// Where it is now.
        at: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Looks for a file of `entry` in the user's folder, then in the cache. A wrong file in the cache is set aside.
pub fn find(root: &DataRoot, entry: &DatasetEntry, file: &FileEntry) -> Result<Found, DataError> {
    for folder in root.user_folders(entry) {
        if let Ok(Content::Good(bytes)) = read(&folder.join(file.name), file) {
            return Ok(Found::Good(bytes));
        }
    }
    let path = root.cache_folder(entry).join(file.name);
    let look = || read(&path, file).map_err(|source| DataError::Read { path: path.clone(), source });
    match look()? {
        Content::Good(bytes) => Ok(Found::Good(bytes)),
        Content::Absent => Ok(Found::Absent),
        Content::Wrong(reason) => match set_aside(&path, Some(file)) {
            Ok(Some(at)) => Ok(Found::Rejected { at, reason }),
            // Another process was quicker: whatever it left is what there is.
            Ok(None) => match look()? {
                Content::Good(bytes) => Ok(Found::Good(bytes)),
                Content::Absent => Ok(Found::Absent),
                Content::Wrong(reason) => Ok(Found::Rejected { at: path.clone(), reason }),
            },
            Err(_) => Ok(Found::Rejected { at: path.clone(), reason }),
        },
    }
}

/// The verified content of a file of `entry`, or an error that says why there is none and how to get it.
pub fn load(root: &DataRoot, entry: &DatasetEntry, file: &FileEntry) -> Result<Vec<u8>, DataError> {
    let note = match find(root, entry, file)? {
        Found::Good(bytes) => return Ok(bytes),
        Found::Absent => None,
        Found::Rejected { at, reason } => {
            Some(format!("what was there is now {} and has {reason}", at.display()))
        }
    };
    let path = root.cache_folder(entry).join(file.name);
    Err(DataError::Missing { dataset: entry.name.to_owned(), file: file.name.to_owned(), path, note })
}

/// How a file of the cache is found by `apical datasets verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There, and its SHA-256 is right.
    Good,
    /// Not there.
    Absent,
    /// There, but not what it should be, or unreadable; the reason.
    Wrong(String),
}

/// Hashes every file of `entry` in the cache; changes nothing.
pub fn verify(root: &DataRoot, entry: &DatasetEntry) -> Vec<(&'static FileEntry, PathBuf, State)> {
    let folder = root.cache_folder(entry);
    let check = |file: &'static FileEntry| {
        let path = folder.join(file.name);
        let state = match read(&path, file) {
            Ok(Content::Good(_)) => State::Good,
            Ok(Content::Absent) => State::Absent,
            Ok(Content::Wrong(reason)) => State::Wrong(reason),
            Err(error) => State::Wrong(error.to_string()),
        };
        (file, path, state)
    };
    entry.files().iter().map(check).collect()
}

/// Whether every file of `entry` can be opened here and has the right length: what a node asks before it computes.
///
/// # Errors
/// The first file that is missing, unreadable or of another length.
pub fn check_readable(entry: &DatasetEntry, root: &DataRoot) -> Result<(), DataError> {
    let look = |path: &Path, file: &FileEntry| -> io::Result<Option<String>> {
        let mut opened = File::open(path)?;
        opened.read_exact(&mut [0])?;
        let length = opened.metadata()?.len();
        Ok((length != file.size).then(|| format!("{length} bytes instead of {}", file.size)))
    };
    let good = |path: &Path, file: &FileEntry| matches!(look(path, file), Ok(None));
    for file in entry.files() {
        if root.user_folders(entry).iter().any(|folder| good(&folder.join(file.name), file)) {
            continue;
        }
        let path = root.cache_folder(entry).join(file.name);
        let note = match look(&path, file) {
            Ok(None) => continue,
            Ok(note) => note,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(DataError::Read { path, source }),
        };
        return Err(DataError::Missing {
            dataset: entry.name.to_owned(),
            file: file.name.to_owned(),
            path,
            note,
        });
    }
    Ok(())
}

/// Whether every file of `entry` is in the cache with the right length: a quick look, for lists.
pub fn is_present(root: &DataRoot, entry: &DatasetEntry) -> bool {
    let folder = root.cache_folder(entry);
    entry
        .files()
        .iter()
        .all(|file| fs::metadata(folder.join(file.name)).is_ok_and(|meta| meta.len() == file.size))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::time::SystemTime;

    use super::*;

    const ABC: FileEntry = FileEntry {
        name: "abc",
        size: 3,
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };

    #[test]
    fn content_is_told_by_its_hash() {
        assert_eq!(mismatch(&ABC, b"abc"), None);
        assert_eq!(mismatch(&ABC, b"abcd").unwrap(), "4 bytes instead of 3");
        assert!(mismatch(&ABC, b"abd").unwrap().starts_with("SHA-256 a52d159f262b2c6ddb724a61840befc3"));
    }

    #[test]
    fn a_file_that_has_been_made_right_meanwhile_is_not_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = install(folder.path(), &ABC, b"abc").unwrap();
        assert_eq!(set_aside(&path, Some(&ABC)).unwrap(), None);
        assert_eq!(fs::read(&path).unwrap(), b"abc");
        fs::write(&path, b"xyz").unwrap();
        let aside = set_aside(&path, Some(&ABC)).unwrap().unwrap();
        assert!(aside.to_str().unwrap().contains("abc.rejected-3608bca1e44e"), "{}", aside.display());
        assert_eq!(set_aside(&path, Some(&ABC)).unwrap(), None);
    }

    #[test]
    fn a_new_file_is_readable_by_others_as_the_umask_allows() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let ordinary = folder.path().join("ordinary");
        fs::write(&ordinary, b"").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&install(folder.path(), &ABC, b"abc").unwrap()), mode(&ordinary));
    }

    #[test]
    fn only_old_leftovers_are_swept_up() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let hours_ago = SystemTime::now() - Duration::from_hours(2);
        for old in [".package-old", ".package-new", ".unpack-old"] {
            fs::create_dir_all(place(old).join("unpacked")).unwrap();
        }
        for file in [".abc-old.tmp", ".abc-new.tmp", "abc", "abc.part"] {
            fs::write(place(file), b"abc").unwrap();
        }
        for old in [".package-old", ".abc-old.tmp", "abc", "abc.part", ".unpack-old"] {
            File::open(place(old)).unwrap().set_modified(hours_ago).unwrap();
        }
        sweep(folder.path());
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".abc-new.tmp", ".package-new", ".unpack-old", "abc", "abc.part"]);
        let days_ago = SystemTime::now() - Duration::from_hours(30);
        File::open(place(".unpack-old")).unwrap().set_modified(days_ago).unwrap();
        sweep(folder.path());
        assert!(!place(".unpack-old").exists());
    }
}
