//! Where data sets live on this machine: a folder that the user names, which is only ever read, and the cache.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::{
    catalog::{Content, DatasetEntry},
    error::DataError,
};

/// The folders in which the files of data sets are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataRoot {
    /// A folder the user keeps data sets in, tried first and never written to.
    pub folder: Option<PathBuf>,
    /// The cache: `<cache>/<data set>/<file>`, uncompressed.
    pub cache: PathBuf,
}

impl DataRoot {
    /// The user's folder, if any, and the machine's cache: `APICAL_DATA`, else `apical/data` in `XDG_CACHE_HOME` or
    /// `~/.cache`.
    pub fn from_env(folder: Option<PathBuf>) -> Result<Self, DataError> {
        Self::from_vars(folder, |name| env::var_os(name).map(PathBuf::from))
    }

    fn from_vars(folder: Option<PathBuf>, var: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, DataError> {
        let set = |name| var(name).filter(|path| !path.as_os_str().is_empty());
        let cache = set("APICAL_DATA")
            // The XDG specification has relative paths ignored.
            .or_else(|| {
                set("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("apical/data"))
            })
            .or_else(|| set("HOME").map(|path| path.join(".cache/apical/data")))
            .ok_or(DataError::NoCacheFolder)?;
        Ok(Self { folder, cache })
    }

    /// A cache in `folder`, and no folder of the user's.
    pub fn cache_in(folder: impl Into<PathBuf>) -> Self {
        Self { folder: None, cache: folder.into() }
    }

    /// The folder of the cache that holds the files of `entry`.
    pub fn cache_folder(&self, entry: &DatasetEntry) -> PathBuf {
        self.cache.join(entry.name)
    }

    /// The folder of the cache that holds packed images.
    pub fn packs(&self) -> PathBuf {
        self.cache.join("packed")
    }

    /// The places inside the user's folder where the files of `entry` may be, nearest first.
    pub fn user_folders(&self, entry: &DatasetEntry) -> Vec<PathBuf> {
        let Some(folder) = &self.folder else { return Vec::new() };
        let aliases: &[&str] = match &entry.content {
            Content::Embedded { .. } | Content::Computed(_) | Content::Folder => return Vec::new(),
            Content::Photos(_) => &[],
            Content::Files(set) => set.folders,
        };
        let inside = [entry.name].into_iter().chain(aliases.iter().copied()).map(|name| folder.join(name));
        inside.chain([folder.clone()]).filter(|path: &PathBuf| Path::is_dir(path)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn cache(vars: &[(&str, &str)]) -> Result<PathBuf, DataError> {
        let lookup = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        DataRoot::from_vars(None, lookup).map(|root| root.cache)
    }

    #[test]
    fn the_cache_is_where_the_environment_says() {
        let home = ("HOME", "/home/ada");
        assert_eq!(cache(&[home]).unwrap(), Path::new("/home/ada/.cache/apical/data"));
        assert_eq!(cache(&[home, ("XDG_CACHE_HOME", "/c")]).unwrap(), Path::new("/c/apical/data"));
        assert_eq!(cache(&[home, ("XDG_CACHE_HOME", "/c"), ("APICAL_DATA", "d")]).unwrap(), Path::new("d"));
        let ignored = [home, ("XDG_CACHE_HOME", "c"), ("APICAL_DATA", "")];
        assert_eq!(cache(&ignored).unwrap(), Path::new("/home/ada/.cache/apical/data"));
        assert!(matches!(cache(&[]), Err(DataError::NoCacheFolder)));
    }
}
