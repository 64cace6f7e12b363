//! A download in progress on disk: `<name>.<random>.part`, belonging to one process at a time.
//!
//! Ownership is a lock on the file, which the system releases however its process ends, so that a later process can
//! find the part and resume it. Where locks do not work parts are simply never taken over.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// A partial download that this process owns.
#[derive(Debug)]
pub struct Part {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Part {
    /// Takes over a part of the download `name` that another process left in `folder`, or begins a new one.
    pub fn claim(folder: &Path, name: &str) -> io::Result<Self> {
        for entry in fs::read_dir(folder)?.filter_map(Result::ok) {
            let found = entry.file_name();
            let found = found.to_string_lossy();
            if found.starts_with(&format!("{name}."))
                && found.ends_with(".part")
                && let Ok(Some(part)) = Self::take_over(entry.path())
            {
                return Ok(part);
            }
        }
        loop {
            let (file, path) = tempfile::Builder::new()
                .prefix(&format!("{name}."))
                .suffix(".part")
                .permissions(fs::Permissions::from_mode(0o666))
                .tempfile_in(folder)?
                .keep()?;
            // Locked already if another process took it over in this very moment; then it is theirs.
            if !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
                return Ok(Self { file, path, length: 0 });
            }
        }
    }

    fn take_over(path: PathBuf) -> io::Result<Option<Self>> {
        let mut file = File::options().read(true).write(true).open(&path)?;
        if file.try_lock().is_err() {
            return Ok(None);
        }
        // Its owner may have finished, and removed it, between our opening and our locking it.
        let still_there =
            fs::metadata(&path).is_ok_and(|now| file.metadata().is_ok_and(|ours| ours.ino() == now.ino()));
        let length = file.seek(SeekFrom::End(0))?;
        Ok(still_there.then_some(Self { file, path, length }))
    }

    /// Bytes there so far.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing has arrived.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets all bytes.
    pub fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.length = 0;
        Ok(())
    }

    /// Reads it from its beginning.
    pub fn reader(&self) -> io::Result<impl Read> {
        Ok(io::BufReader::with_capacity(1 << 16, File::open(&self.path)?))
    }

    /// Removes it from disk.
    pub fn remove(self) {
        // Nothing depends on it: at worst the next fetch takes it over.
        let _ = fs::remove_file(&self.path);
    }

    /// Leaves what has arrived for a later attempt; an empty part is removed.
    pub fn leave(self) {
        if self.is_empty() {
            self.remove();
        }
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.length += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_part_left_behind_is_taken_over_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Part::claim(folder.path(), "x.gz").unwrap();
        first.write_all(b"abc").unwrap();
        let second = Part::claim(folder.path(), "x.gz").unwrap();
        assert_ne!(first.path(), second.path());
        assert_eq!(second.len(), 0);
        second.leave();
        let path = first.path().to_owned();
        first.leave();
        let third = Part::claim(folder.path(), "x.gz").unwrap();
        assert_eq!((third.path(), third.len()), (path.as_path(), 3));
        assert_eq!(Part::claim(folder.path(), "y.gz").unwrap().len(), 0);
        third.remove();
        assert!(!path.exists());
    }
}
