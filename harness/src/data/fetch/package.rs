//! wip
use super::super::catalog::FileEntry;
use std::path::Path;
/// The unpacked member of the file's own name, as it is.
pub fn as_it_is(folder: &Path, file: &FileEntry) -> Result<Vec<u8>, String> {
    std::fs::read(folder.join(file.name)).map_err(|error| format!("{}: {error}", file.name))
}
