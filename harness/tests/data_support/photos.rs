//! A small set of photos with a name, and archives of it, honest and otherwise.

use std::io::{Cursor, Write};

use apical::{
    data::{
        DatasetEntry, Task,
        catalog::{ArchiveFormat, Content, Edition, PhotoClass, PhotoSet},
    },
    digest::md5,
};
use image::{ImageFormat, Rgb, RgbImage};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{gzip, leak};

/// A file of an archive: its path, what it is, and its content or where it leads.
pub type Member = (String, tar::EntryType, Vec<u8>);

/// Folder, name in words, and number of images to train and to test on.
const CLASSES: [PhotoClass; 3] =
    [class("n1", "ant", 5, 2), class("n2", "Bumble bee", 4, 2), class("n3", "cat", 3, 1)];

const fn class(folder: &'static str, name: &'static str, train: usize, test: usize) -> PhotoClass {
    PhotoClass { folder, name, train, test }
}

/// A photo of 12×10 pixels whose colour says class, number and split.
fn photo(class: usize, number: usize, test: bool) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let colour = Rgb([class as u8 * 100, number as u8 * 20, u8::from(test)]);
    RgbImage::from_pixel(12, 10, colour).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A file of an archive.
pub fn file(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Member {
    (path.into(), tar::EntryType::Regular, content.into())
}

/// Every photo, laid out as in Imagenette's archives, with the things that stand beside them there.
pub fn members() -> Vec<Member> {
    let mut members = vec![file("pets/noise.csv", "path,noise\n"), file("pets/train/.DS_Store", "junk")];
    for (index, class) in CLASSES.iter().enumerate() {
        for (split, n) in [("train", class.train), ("val", class.test)] {
            for i in 0..n {
                let path = format!("pets/{split}/{}/{i}.png", class.folder);
                members.push(file(path, photo(index, i, split == "val")));
            }
        }
    }
    members
}

/// Every photo, laid out as in the archive of Tiny ImageNet: `val` is one folder and a list, `test` has no labels.
pub fn odd_members() -> Vec<Member> {
    let mut members = vec![file("pets/words.txt", "n1\tant\n"), file("pets/wnids.txt", "n1\nn2\nn3\n")];
    let mut list = String::new();
    for (index, class) in CLASSES.iter().enumerate() {
        let folder = class.folder;
        for i in 0..class.train {
            members
                .push(file(format!("pets/train/{folder}/images/{folder}_{i}.png"), photo(index, i, false)));
        }
        members.push(file(format!("pets/train/{folder}/{folder}_boxes.txt"), "0 0 9 9\n"));
        for i in 0..class.test {
            let name = format!("val_{}.png", 10 * i + 7 * index % 10);
            list.push_str(&[&name, folder, "0\t0\t9\t9\n"].join("\t"));
            members.push(file(format!("pets/val/images/{name}"), photo(index, i, true)));
        }
    }
    members.push(file("pets/val/val_annotations.txt", list));
    members.push(file("pets/test/images/test_0.png", photo(0, 0, true)));
    members
}

/// A gzipped tar archive; paths go into its headers as they are.
pub fn tar_gz(members: &[Member]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, kind, content) in members {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        let is_file = *kind == tar::EntryType::Regular;
        if !is_file {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content);
        }
        header.set_size(if is_file { content.len() as u64 } else { 0 });
        header.set_cksum();
        builder.append(&header, if is_file { &content[..] } else { &[] }).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

/// A zip archive.
pub fn zip(members: &[Member]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (path, kind, content) in members {
        if *kind == tar::EntryType::Symlink {
            writer.add_symlink(path.as_str(), String::from_utf8_lossy(content), options).unwrap();
        } else {
            writer.start_file(path.as_str(), options).unwrap();
            writer.write_all(content).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

/// A set of photos whose archive is the one given.
pub struct Pets {
    pub entry: &'static DatasetEntry,
    pub set: &'static PhotoSet,
    pub archive: Vec<u8>,
}

impl Pets {
    /// As Imagenette is: a gzipped tar archive, one of two editions.
    pub fn tar(members: &[Member]) -> Self {
        let archive = tar_gz(members);
        let small = edition("small", "pets-small.tgz", ArchiveFormat::TarGzip, &archive);
        let large = edition("large", "pets-large.tgz", ArchiveFormat::TarGzip, b"never served");
        Self::new(archive, vec![small, large])
    }

    /// As Tiny ImageNet is: a zip archive, the only one.
    pub fn zip(archive: Vec<u8>) -> Self {
        let only = edition("", "pets.zip", ArchiveFormat::Zip, &archive);
        Self::new(archive, vec![only])
    }

    fn new(archive: Vec<u8>, editions: Vec<Edition>) -> Self {
        let entry: &'static DatasetEntry = Box::leak(Box::new(DatasetEntry {
            name: "pets",
            title: "Pets",
            citation: "made for this test",
            licence: "none",
            shape: [3, 64, 64],
            classes: &["ant", "Bumble bee", "cat"],
            task: Task::Classification,
            train_size: 12,
            test_size: 5,
            channel_mean: &[0.5, 0.5, 0.5],
            channel_std: &[0.25, 0.25, 0.25],
            content: Content::Photos(PhotoSet {
                mirrors: &["http://127.0.0.1:1/"],
                editions: Vec::leak(editions),
                classes: &CLASSES,
            }),
        }));
        Self { entry, set: entry.photos().unwrap(), archive }
    }

    /// The edition that the archive is.
    pub fn edition(&self) -> &'static Edition {
        &self.set.editions[0]
    }
}

fn edition(name: &'static str, archive: &'static str, format: ArchiveFormat, content: &[u8]) -> Edition {
    Edition {
        name,
        archive,
        bytes: content.len() as u64,
        md5: leak(md5(content).unwrap()),
        format,
        folder: "pets/",
        max_unpacked: 100_000,
    }
}
