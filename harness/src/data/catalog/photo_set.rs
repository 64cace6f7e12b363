//! What the catalog says of a set of photos that has a name: its classes with their counts, and the official archives.
//!
//! Classes and counts stand here so that a suite can be checked, planned and given its run ids where no photo is. What
//! identifies the photos is the published checksum of the archive; it is compared before anything is unpacked.

/// A set of photos that comes as an archive.
#[derive(Debug)]
pub struct PhotoSet {
    /// Base URLs of the official hosts, in the order to try them; each ends with `/`.
    pub mirrors: &'static [&'static str],
    /// The archives there are of these photos; the first is used where a suite does not say which.
    pub editions: &'static [Edition],
    /// The classes, in the order of their folders' names, which is that of their labels.
    pub classes: &'static [PhotoClass],
}

/// One archive of a set, for instance of photos that were made smaller.
#[derive(Debug)]
pub struct Edition {
    /// Its name in suites; empty where there is only one.
    pub name: &'static str,
    /// The archive's file name, on a host as in a folder.
    pub archive: &'static str,
    /// Its length in bytes.
    pub bytes: u64,
    /// MD5 of the archive as published, in lower-case hexadecimal.
    pub md5: &'static str,
    /// How it is packed.
    pub format: ArchiveFormat,
    /// The folder inside the archive that holds `train` and `val`, ending with `/`.
    pub folder: &'static str,
    /// More bytes than this are not unpacked.
    pub max_unpacked: u64,
}

/// How an archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// A gzipped tar archive.
    TarGzip,
    /// A zip archive.
    Zip,
}

/// A class of photos.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhotoClass {
    /// The name of its folder, for instance its `WordNet` id.
    pub folder: &'static str,
    /// Its name in words.
    pub name: &'static str,
    /// Number of images to train on.
    pub train: usize,
    /// Number of images to test on.
    pub test: usize,
}

impl PhotoSet {
    /// The edition called `name`; the default one where there is no name.
    pub fn edition(&self, name: Option<&str>) -> Option<&'static Edition> {
        match name {
            None => self.editions.first(),
            Some(name) => self.editions.iter().find(|edition| edition.name == name),
        }
    }

    /// Names of the editions a suite can choose among; none where there is but one.
    pub fn edition_names(&self) -> Vec<&'static str> {
        let names = self.editions.iter().map(|edition| edition.name);
        names.filter(|_| self.editions.len() > 1).collect()
    }

    /// Number of images to train on, and to test on.
    pub fn sizes(&self) -> [usize; 2] {
        let sum = |of: fn(&PhotoClass) -> usize| self.classes.iter().map(of).sum();
        [sum(|class| class.train), sum(|class| class.test)]
    }
}

impl Edition {
    /// Name of the folder in the cache that holds its photos: another archive has another one.
    pub fn tree(&self) -> String {
        let stem = self.archive.split('.').next().unwrap_or(self.archive);
        format!("{stem}-{}", &self.md5[..self.md5.len().min(12)])
    }

    /// More bytes than this are not downloaded. The checksum decides; this only keeps a wrong file from filling the disk.
    pub fn max_bytes(&self) -> u64 {
        self.bytes + self.bytes / 10
    }
}

/// The names in words of `classes`.
pub(super) const fn names<const N: usize>(classes: &[PhotoClass; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut class = 0;
    while class < N {
        names[class] = classes[class].name;
        class += 1;
    }
    names
}
