//! An archive of photos to a folder, within limits: what it may write, where, and how much.
//!
//! Only the photos in `train` and `val` and the list of the latter's classes are written, as plain new files below the
//! folder given. A link, or a path that would leave the folder, condemns the archive as a whole, since nobody honest makes
//! one; so does a file that is longer than announced, or more bytes or files than the catalog allows. As it is written each
//! file is hashed, and [`SUMS`] keeps the digests, in the form that `sha256sum -c` reads.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Component, Path, PathBuf},
};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use zip::{ZipArchive, result::ZipError};

use super::{
    super::{
        catalog::ArchiveFormat,
        images::{named::SUMS, tree},
    },
    progress::Progress,
};
use crate::digest::hexadecimal;

/// Folders inside the archive's own whose photos are wanted.
const WANTED: [&str; 2] = ["train", "val"];
/// Files between two reports.
const STEP: usize = 250;

/// An archive, and what it may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Archive<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Its name in reports.
    pub name: &'a str,
    /// How it is packed.
    pub format: ArchiveFormat,
    /// The folder inside of it that holds the photos, ending with `/`.
    pub folder: &'a str,
    /// Most files to write.
    pub max_files: usize,
    /// Most bytes to unpack.
    pub max_bytes: u64,
}

/// Why an archive is not unpacked.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is not what it should be; in one line.
    Archive(String),
    /// A file cannot be written.
    Write(PathBuf, io::Error),
}

/// Unpacks the photos of `archive` into the folder `into`, which is there and empty, with a list of their digests.
pub(super) fn unpack(
    archive: Archive<'_>,
    into: &Path,
    report: &mut dyn FnMut(Progress),
) -> Result<(), Trouble> {
    let file = File::open(archive.path).map_err(|error| Trouble::Archive(error.to_string()))?;
    let mut target = Target { archive, into, report, files: 0, bytes: 0, sums: Vec::new() };
    match archive.format {
        ArchiveFormat::TarGzip => untar(BufReader::with_capacity(1 << 16, file), &mut target)?,
        ArchiveFormat::Zip => unzip(file, &mut target)?,
    }
    target.finish()
}

fn untar(packed: impl Read, target: &mut Target<'_>) -> Result<(), Trouble> {
    let unreadable = |error: io::Error| {
        let ends = error.kind() == io::ErrorKind::UnexpectedEof;
        Trouble::Archive(if ends { "it ends too early".to_owned() } else { error.to_string() })
    };
    let limit = target.archive.max_bytes;
    let mut archive = tar::Archive::new(Limited { inner: GzDecoder::new(packed), left: limit, limit });
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = inside(&entry.path().map_err(unreadable)?)?;
        match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let size = entry.size();
                target.keep(&path, size, &mut entry)?;
            }
            tar::EntryType::Directory | tar::EntryType::XGlobalHeader => {}
            _ => return Err(no_file(&path)),
        }
    }
    Ok(())
}

fn unzip(file: File, target: &mut Target<'_>) -> Result<(), Trouble> {
    let unreadable = |error: ZipError| Trouble::Archive(error.to_string());
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(unreadable)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(unreadable)?;
        let path = inside(Path::new(&*entry.name().map_err(unreadable)?))?;
        if entry.is_symlink() {
            return Err(no_file(&path));
        }
        if entry.is_file() {
            let size = entry.size();
            target.keep(&path, size, &mut entry)?;
        }
    }
    Ok(())
}

/// The path as it is inside of the archive, if it stays there.
fn inside(path: &Path) -> Result<PathBuf, Trouble> {
    if path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        let message = format!("the archive names `{}`, a path outside its folder", path.display());
        return Err(Trouble::Archive(message));
    }
    Ok(path.components().filter(|part| *part != Component::CurDir).collect())
}

fn no_file(path: &Path) -> Trouble {
    Trouble::Archive(format!("`{}` is a link or a device in the archive", path.display()))
}

/// Where photos go, and what has gone there.
struct Target<'a> {
    archive: Archive<'a>,
    into: &'a Path,
    report: &'a mut dyn FnMut(Progress),
    files: usize,
    bytes: u64,
    sums: Vec<(PathBuf, String)>,
}

impl Target<'_> {
    /// Writes a file of the archive, if it is wanted.
    fn keep(&mut self, path: &Path, size: u64, content: &mut dyn Read) -> Result<(), Trouble> {
        let Some(place) = path.strip_prefix(self.archive.folder).ok().filter(|place| is_wanted(place)) else {
            return Ok(());
        };
        if self.files == self.archive.max_files {
            return Err(Trouble::Archive(format!("it holds more than {} photos", self.archive.max_files)));
        }
        let to = self.into.join(place);
        let write = |error: io::Error| match error.kind() {
            // Of a new folder only the archive itself can have filled the place.
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
                Trouble::Archive(format!("the archive names `{}` twice", path.display()))
            }
            _ => Trouble::Write(to.clone(), error),
        };
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(write)?;
        }
        let mut file = File::create_new(&to).map_err(write)?;
        let mut hash = Sha256::new();
        let mut written = 0;
        let mut buffer = [0; 1 << 14];
        loop {
            let n = content
                .read(&mut buffer)
                .map_err(|error| Trouble::Archive(format!("`{}`: {error}", path.display())))?;
            if n == 0 {
                break;
            }
            written += n as u64;
            self.bytes += n as u64;
            if written > size {
                let message = format!("`{}` is longer than the {size} bytes it announces", path.display());
                return Err(Trouble::Archive(message));
            }
            if self.bytes > self.archive.max_bytes {
                return Err(Trouble::Archive(too_much(self.archive.max_bytes)));
            }
            hash.update(&buffer[..n]);
            file.write_all(&buffer[..n]).map_err(write)?;
        }
        if written < size {
            let message = format!("`{}` has {written} bytes and not the {size} it announces", path.display());
            return Err(Trouble::Archive(message));
        }
        self.sums.push((place.to_owned(), hexadecimal(&hash.finalize())));
        self.files += 1;
        if self.files.is_multiple_of(STEP) {
            self.tell();
        }
        Ok(())
    }

    fn tell(&mut self) {
        let (done, total) = (self.files, self.archive.max_files);
        (self.report)(Progress::Unpacking { archive: self.archive.name.to_owned(), done, total });
    }

    /// Writes the list of digests.
    fn finish(mut self) -> Result<(), Trouble> {
        self.tell();
        self.sums.sort();
        let path = self.into.join(SUMS);
        let write = || -> io::Result<()> {
            let mut list = BufWriter::new(File::create_new(&path)?);
            for (place, sum) in &self.sums {
                writeln!(list, "{sum}  {}", place.display())?;
            }
            list.flush()
        };
        write().map_err(|error| Trouble::Write(path.clone(), error))
    }
}

/// Whether a file at this place in the archive's folder is one of the photos, or says what is on them.
fn is_wanted(place: &Path) -> bool {
    let mut parts = place.iter().map(|part| part.to_str());
    let top = parts.next().flatten().unwrap_or_default();
    // Names that are no UTF-8 or hold a line break could not stand in the list; names of photos do neither.
    let plain = |part: Option<&str>| {
        part.is_some_and(|name| !name.starts_with('.') && !name.chars().any(char::is_control))
    };
    WANTED.contains(&top)
        && parts.all(plain)
        && (tree::has_image_name(place) || place.file_name().is_some_and(|name| name == tree::ANNOTATIONS))
}

fn too_much(limit: u64) -> String {
    format!("it unpacks to more than {limit} bytes")
}

/// Bytes that end in an error when there are more than allowed, so that skipping over junk is bounded too.
struct Limited<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(n as u64)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, too_much(self.limit)))?;
        Ok(n)
    }
}
