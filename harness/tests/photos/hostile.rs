//! What archives that are not what they should be cannot do.

use super::data_support::{
    fetcher, photos::Member, photos::Pets, photos::file, photos::members, photos::zip,
};
use super::{cached, honest, photos};
use std::fs;

/// What is said of an archive; it must leave no photo, and nothing outside of the cache.
fn refused(pets: &Pets) -> String {
    let outer = tempfile::tempdir().unwrap();
    let cache = outer.path().join("a/cache");
    let server = honest(pets);
    let error = photos(&fetcher(&cache, &server), pets).0.unwrap_err().to_string();
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1, "something was written outside the cache");
    assert_eq!(fs::read_dir(outer.path().join("a")).unwrap().count(), 1);
    assert!(cached(&cache).iter().all(|name| name.contains(".part.rejected-")), "{:?}", cached(&cache));
    error
}

#[test]
fn an_archive_that_would_leave_its_folder_or_holds_a_link_is_refused_as_a_whole() {
    use tar::EntryType::{Fifo, Link, Symlink};
    let with = |member: Member| [members(), vec![member]].concat();
    for path in
        ["../evil", "pets/train/../../../evil", "/tmp/apical-evil", "pets/train/n1/../../../../evil.png"]
    {
        let said = refused(&Pets::tar(&with(file(path, "evil"))));
        assert!(said.contains(&format!("`{path}`, a path outside its folder")), "{said}");
        let said = refused(&Pets::zip(zip(&with(file(path, "evil")))));
        assert!(said.contains("a path outside its folder"), "{said}");
    }
    for (kind, to) in [(Symlink, "/etc"), (Symlink, "../../.."), (Link, "pets/train/n1/0.png"), (Fifo, "")] {
        let link = ("pets/train/n1/link.png".to_owned(), kind, to.as_bytes().to_vec());
        let said = refused(&Pets::tar(&with(link)));
        assert!(said.contains("`pets/train/n1/link.png` is a link or a device"), "{said}");
    }
    // Through a link and then a file below it.
    let link = ("pets/train/n1/out".to_owned(), Symlink, b"../../../../..".to_vec());
    let said = refused(&Pets::zip(zip(
        &[vec![link, file("pets/train/n1/out/evil.png", "evil")], members()].concat()
    )));
    assert!(said.contains("`pets/train/n1/out` is a link"), "{said}");
    let said = refused(&Pets::tar(&with(file("pets/train/n1/0.png", "again"))));
    assert!(said.contains("names `pets/train/n1/0.png` twice"), "{said}");
}

/// Overwrites what a zip archive announces as the length of its last file.
fn announcing(mut archive: Vec<u8>, length: u32) -> Vec<u8> {
    let last = |signature: &[u8]| archive.windows(4).rposition(|window| window == signature).unwrap();
    let places = [last(b"PK\x03\x04") + 22, last(b"PK\x01\x02") + 24];
    for place in places {
        archive[place..place + 4].copy_from_slice(&length.to_le_bytes());
    }
    archive
}

#[test]
fn an_archive_cannot_fill_the_disk() {
    let bomb = || [members(), vec![file("pets/val/n3/bomb.png", vec![0; 5_000_000])]].concat();
    let said = refused(&Pets::tar(&bomb()));
    assert!(said.contains("it unpacks to more than 100000 bytes"), "{said}");
    let said = refused(&Pets::zip(zip(&bomb())));
    assert!(said.contains("it unpacks to more than 100000 bytes"), "{said}");
    // One that announces a small file.
    let said = refused(&Pets::zip(announcing(zip(&bomb()), 100)));
    assert!(said.contains("`pets/val/n3/bomb.png`") && !said.contains("100000"), "{said}");
    // Junk that is skipped over is unpacked all the same.
    let junk = [vec![file("pets/junk", vec![0; 5_000_000])], members()].concat();
    let said = refused(&Pets::tar(&junk));
    assert!(said.contains("it unpacks to more than 100000 bytes"), "{said}");
    let many = (0..20).map(|i| file(format!("pets/train/n1/more-{i}.png"), "x"));
    let said = refused(&Pets::tar(&[members(), many.collect()].concat()));
    assert!(said.contains("more than 18 photos"), "{said}");
}

#[test]
fn photos_that_are_not_those_of_the_catalog_are_not_taken() {
    let said = refused(&Pets::tar(&[members(), vec![file("pets/train/n2/9.png", "x")]].concat()));
    assert!(said.contains("it has 5 photos of `n2` (Bumble bee) to train on, not 4"), "{said}");
    let fewer = members().into_iter().filter(|(path, ..)| !path.contains("/n3/")).collect::<Vec<_>>();
    let said = refused(&Pets::tar(&fewer));
    assert!(said.contains("it has 2 classes, not the 3 expected"), "{said}");
    let said = refused(&Pets::zip(b"PK\x03\x04 and then nothing".to_vec()));
    assert!(said.contains("pets.zip: "), "{said}");
    let mut cut = zip(&members());
    cut.truncate(cut.len() / 2);
    refused(&Pets::zip(cut));
}
