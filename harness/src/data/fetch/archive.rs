//! Unpacking with limits: gzip bombs stop at the size expected, and a tar archive never decides where a file goes.
//!
//! Of an archive only the members asked for are read, and the caller names the files they go to. An archive with a
//! path that would leave its folder is refused as a whole, since nobody honest makes one.

use std::{
    io::{self, Read},
    path::Component,
};

use flate2::read::{GzDecoder, MultiGzDecoder};

/// Bytes of an archive, unpacked, beyond which it is refused even where nothing is kept of them.
const MAX_ARCHIVE: u64 = 4 << 30;

/// Decompresses up to `expected` bytes; an error if there are more.
pub fn gunzip(packed: impl Read, expected: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(expected as usize + 1);
    MultiGzDecoder::new(packed).take(expected + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > expected {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("unpacks to more than {expected} bytes"),
        ));
    }
    Ok(bytes)
}

/// Reads a gzipped tar archive and gives each of `members` (path, most bytes it may have) to `keep`, in archive order.
///
/// Errors if a member is absent, too long or no ordinary file, or if any path in the archive leads out of its folder.
pub fn extract(
    packed: impl Read,
    members: &[(&str, u64)],
    mut keep: impl FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let refuse = |message: String| Err(io::Error::new(io::ErrorKind::InvalidData, message));
    let mut missing: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let mut archive = tar::Archive::new(GzDecoder::new(packed).take(MAX_ARCHIVE));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return refuse(format!("the archive names `{}`, a path outside its folder", path.display()));
        }
        let plain: std::path::PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
        let Some(&(name, limit)) = members.iter().find(|(name, _)| plain == std::path::Path::new(name))
        else {
            continue;
        };
        if !entry.header().entry_type().is_file() {
            return refuse(format!("`{name}` is not an ordinary file in the archive"));
        }
        if entry.size() > limit {
            return refuse(format!("`{name}` has {} bytes, more than {limit}", entry.size()));
        }
        keep(name, &mut entry)?;
        missing.retain(|other| *other != name);
    }
    match missing.as_slice() {
        [] => Ok(()),
        [first, ..] => refuse(format!("`{first}` is not in the archive")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A gzipped tar archive; the path is written into the header as it is, as an attacker would.
    fn tar_gz(files: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, content) in files {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        gzip(&builder.into_inner().unwrap())
    }

    fn kept(archive: &[u8], members: &[(&str, u64)]) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut kept = Vec::new();
        extract(archive, members, |name, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            kept.push((name.to_owned(), bytes));
            Ok(())
        })?;
        Ok(kept)
    }

    const FILE: tar::EntryType = tar::EntryType::Regular;

    #[test]
    fn gunzip_stops_at_the_size_expected() {
        let packed = gzip(&[7; 1000]);
        assert_eq!(gunzip(&packed[..], 1000).unwrap(), [7; 1000]);
        assert!(gunzip(&packed[..], 999).unwrap_err().to_string().contains("more than 999 bytes"));
        let error = gunzip(&packed[..packed.len() - 9], 1000).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn only_the_members_asked_for_come_out() {
        let archive = tar_gz(&[("./a/x", FILE, b"one"), ("a/y", FILE, b"two"), ("a/z", FILE, b"three")]);
        let found = kept(&archive, &[("a/x", 10), ("a/z", 10)]).unwrap();
        assert_eq!(found, [("a/x".to_owned(), b"one".to_vec()), ("a/z".to_owned(), b"three".to_vec())]);
    }

    #[test]
    fn an_archive_with_a_path_outside_its_folder_is_refused() {
        for path in ["../evil", "a/../../evil", "/etc/evil"] {
            let archive = tar_gz(&[(path, FILE, b"evil"), ("a/x", FILE, b"one")]);
            let message = kept(&archive, &[("a/x", 10)]).unwrap_err().to_string();
            assert!(message.contains("a path outside its folder"), "{path}: {message}");
        }
    }

    #[test]
    fn links_missing_and_overlong_members_are_refused() {
        let archive = tar_gz(&[("a/x", tar::EntryType::Symlink, b"")]);
        assert!(kept(&archive, &[("a/x", 10)]).unwrap_err().to_string().contains("not an ordinary file"));
        let archive = tar_gz(&[("a/x", FILE, b"0123456789a")]);
        assert!(kept(&archive, &[("a/x", 10)]).unwrap_err().to_string().contains("11 bytes, more than 10"));
        assert!(
            kept(&archive, &[("a/y", 10)]).unwrap_err().to_string().contains("`a/y` is not in the archive")
        );
    }
}
