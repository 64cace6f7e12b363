//! What a tree holds.

use std::fs;

use super::{
    super::tree::{Choice, Found, list},
    ALL, builder, listed, plain, reasons, save, tree,
};

#[test]
fn classes_are_folders_and_images_come_in_the_order_of_their_names() {
    let folder = tree(3);
    let listing = listed(folder.path());
    assert_eq!(listing.classes, ["cat", "dog"]);
    let paths: Vec<_> = listing.train.iter().map(|image| image.path.to_str().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "train/cat/0.png",
            "train/cat/1.jpg",
            "train/cat/2.png",
            "train/dog/0.png",
            "train/dog/1.jpg",
            "train/dog/2.png"
        ]
    );
    assert_eq!(listing.train.iter().map(|image| image.class).collect::<Vec<_>>(), [0, 0, 0, 1, 1, 1]);
    assert_eq!((listing.test.len(), listing.divided), (4, false));
}

#[test]
fn content_is_the_same_wherever_the_folder_lies_and_another_when_an_image_changes_its_length() {
    let (here, there) = (tree(3), tree(3));
    assert_eq!(listed(here.path()).content(), listed(there.path()).content());
    let before = listed(here.path()).content();
    save(&plain(99, 77, [1, 2, 3]), &here.path().join("train/cat/0.png"));
    assert_ne!(listed(here.path()).content(), before);
    fs::rename(there.path().join("train/cat/0.png"), there.path().join("train/cat/9.png")).unwrap();
    assert_ne!(listed(there.path()).content(), before);
}

#[test]
fn classes_and_images_per_class_are_chosen() {
    let folder = tree(6);
    for class in ["ant", "bee"] {
        for split in ["train", "val"] {
            save(&plain(9, 9, [0; 3]), &folder.path().join(format!("{split}/{class}/x.png")));
        }
    }
    let names = |choice: &Choice| list(folder.path(), choice).map(|listing| listing.classes);
    assert_eq!(names(&ALL).unwrap(), ["ant", "bee", "cat", "dog"]);
    assert_eq!(names(&Choice { class_limit: Some(3), ..ALL }).unwrap(), ["ant", "bee", "cat"]);
    let two = Choice { classes: Some(vec!["dog".into(), "cat".into()]), images_per_class: Some(4), ..ALL };
    assert_eq!(names(&two).unwrap(), ["cat", "dog"]);
    let some = list(folder.path(), &two).unwrap();
    assert_eq!((some.train.len(), some.test.len()), (8, 4));
    assert_eq!(list(folder.path(), &two).unwrap(), some);

    let unknown = Choice { classes: Some(vec!["dgo".into(), "cat".into()]), ..ALL };
    let error = names(&unknown).unwrap_err();
    assert_eq!(error.key, "classes");
    assert!(error.to_string().contains("no folder `dgo`") && error.remedy.contains("`dog`"), "{error}");
    assert_eq!(names(&Choice { class_limit: Some(5), ..ALL }).unwrap_err().key, "class_limit");
    assert_eq!(names(&Choice { class_limit: Some(1), ..ALL }).unwrap_err().key, "class_limit");
}

#[test]
fn without_a_folder_to_test_on_a_share_of_each_class_is_held_out() {
    let folder = tempfile::tempdir().unwrap();
    for (class, n) in [("a", 8), ("b", 4)] {
        for i in 0..n {
            save(&plain(9, 9, [i; 3]), &folder.path().join(format!("{class}/{i}.png")));
        }
    }
    let listing = listed(folder.path());
    let of = |images: &[Found], class| images.iter().filter(|image| image.class == class).count();
    assert_eq!([of(&listing.test, 0), of(&listing.test, 1)], [2, 1]);
    assert_eq!([of(&listing.train, 0), of(&listing.train, 1)], [6, 3]);
    assert!(listing.divided && listing.test.iter().all(|image| !listing.train.contains(image)));
    let error = list(folder.path(), &Choice { test_share: 0.99, ..ALL }).unwrap_err();
    assert_eq!(error.key, "test_share");
}

#[test]
fn tiny_imagenets_validation_images_are_sorted_by_its_list() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for class in ["n1", "n2"] {
        save(&plain(9, 9, [0; 3]), &root.join(format!("train/{class}/images/{class}_0.jpg")));
        fs::write(root.join(format!("train/{class}/{class}_boxes.txt")), "").unwrap();
    }
    for name in ["val_0.jpg", "val_1.jpg", "val_2.jpg"] {
        save(&plain(9, 9, [0; 3]), &root.join("val/images").join(name));
    }
    fs::write(root.join("val/val_annotations.txt"), "val_0.jpg\tn2\t0\t0\t5\t5\nval_1.jpg\tn1\t0\t0\t5\t5\n")
        .unwrap();
    save(&plain(9, 9, [0; 3]), &root.join("test/images/test_0.jpg"));
    let listing = listed(root);
    let test: Vec<_> = listing.test.iter().map(|i| (i.path.to_str().unwrap(), i.class)).collect();
    assert_eq!(test, [("val/images/val_1.jpg", 0), ("val/images/val_0.jpg", 1)]);
    assert!(reasons(&listing).contains(&("val/images/val_2.jpg", "val_annotations.txt does not name it")));
}

#[test]
fn what_is_no_image_is_named_and_circles_end() {
    let folder = tree(2);
    let cat = folder.path().join("train/cat");
    fs::write(cat.join("notes.txt"), "a cat").unwrap();
    fs::write(cat.join(".hidden.png"), "").unwrap();
    std::os::unix::fs::symlink(&cat, cat.join("loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", cat.join("dangling.png")).unwrap();
    std::process::Command::new("mkfifo").arg(cat.join("pipe.png")).status().unwrap();
    let listing = listed(folder.path());
    assert_eq!(listing.train.len(), 4);
    assert_eq!(
        reasons(&listing),
        [
            ("train/cat/dangling.png", "a link that leads nowhere"),
            ("train/cat/loop", "a link that leads back to a folder above it"),
            ("train/cat/notes.txt", "not named .jpg, .jpeg or .png"),
            ("train/cat/pipe.png", "not an ordinary file"),
        ]
    );
}

#[test]
fn a_folder_that_cannot_be_read_is_refused_by_name() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tree(2);
    let locked = folder.path().join("train/cat/locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&locked).is_ok() {
        // Whoever runs this may read everything, as root may.
        return;
    }
    let error = list(folder.path(), &ALL).unwrap_err();
    assert!(error.message.contains("train/cat/locked cannot be read"), "{error}");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn names_with_spaces_and_other_letters_are_names() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["ein Hündchen", "кошка"] {
        for i in 0..4 {
            save(&plain(9, 9, [i; 3]), &folder.path().join(class).join(format!("日本 {i}.png")));
        }
    }
    let cache = tempfile::tempdir().unwrap();
    let pack = builder(cache.path()).ensure(&listed(folder.path()), &mut |_| {}).unwrap();
    assert_eq!(pack.header.classes, ["ein Hündchen", "кошка"]);
    assert_eq!(pack.labels.len(), 8);
}

#[test]
fn a_folder_without_classes_or_images_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(list(folder.path(), &ALL).unwrap_err().message.contains("nothing to tell apart"));
    fs::create_dir_all(folder.path().join("a")).unwrap();
    fs::create_dir_all(folder.path().join("b")).unwrap();
    let error = list(folder.path(), &ALL).unwrap_err();
    assert!(error.message.contains("no JPEG or PNG in"), "{error}");
    assert!(list(&folder.path().join("absent"), &ALL).unwrap_err().message.contains("cannot be read"));
}

/// What is said of a folder of two classes after `change`.
fn refusal(change: impl FnOnce(&std::path::Path)) -> String {
    let folder = tree(4);
    change(folder.path());
    list(folder.path(), &ALL).expect_err("it is refused").to_string()
}

#[test]
fn a_link_by_which_an_image_would_be_found_twice_is_refused() {
    use std::os::unix::fs::symlink;
    let class = || "cat";
    for (place, target) in [
        (format!("train/{}/loop", class()), ".."),
        (format!("train/{}/loop", class()), "../.."),
        ("train/loop".to_owned(), "."),
    ] {
        let said = refusal(|root| symlink(target, root.join(&place)).unwrap());
        assert!(
            said.contains("are the same, by a link") && said.contains("loop"),
            "{place} → {target}: {said}"
        );
    }
    let said = refusal(|root| {
        fs::remove_dir_all(root.join("val")).unwrap();
        symlink("train", root.join("val")).unwrap();
    });
    assert!(said.contains("are the same, by a link"), "{said}");
    let said = refusal(|root| {
        let image = fs::read_dir(root.join("train").join(class())).unwrap().next().unwrap().unwrap().path();
        symlink(image, root.join("val").join(class()).join("again.png")).unwrap();
    });
    assert!(said.contains("again.png"), "{said}");
}

#[test]
fn what_is_there_and_cannot_be_followed_is_no_absence() {
    use std::os::unix::fs::symlink;
    let said = refusal(|root| symlink("/nowhere/at/all", root.join("train/gone")).unwrap());
    assert!(said.contains("gone cannot be read"), "{said}");
    let said = refusal(|root| {
        fs::remove_dir_all(root.join("val")).unwrap();
        symlink("/nowhere/at/all", root.join("val")).unwrap();
    });
    assert!(said.contains("val cannot be read"), "{said}");
    let said = refusal(|root| {
        fs::remove_dir_all(root.join("val")).unwrap();
        fs::write(root.join("val"), "a file").unwrap();
    });
    assert!(said.contains("val cannot be read"), "{said}");
}

#[test]
fn a_split_under_another_name_is_not_taken_for_a_class() {
    let said = refusal(|root| fs::rename(root.join("train"), root.join("Training")).unwrap());
    assert!(said.contains("by its name a part of a split"), "{said}");
}

#[test]
fn a_class_that_could_not_be_tested_is_refused() {
    let said = refusal(|root| fs::remove_dir_all(root.join("val/dog")).unwrap());
    assert!(said.contains("the class `dog` has no folder in"), "{said}");
}
