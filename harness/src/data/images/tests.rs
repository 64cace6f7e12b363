//! Trees of images that are made here, the hostile ones among them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Barrier},
    time::{Duration, SystemTime},
};

use image::{
    ExtendedColorType, GrayAlphaImage, GrayImage, ImageEncoder, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
};

use super::{
    decode,
    map::Pack,
    pack::{Builder, PackError, Step, file_name},
    resize::{Fit, resize},
    tree::{Choice, Listing, list},
};

/// A 16×16 JPEG in CMYK, all red, as Pillow writes it (Adobe's inverted values).
const RED_CMYK: &[u8] = include_bytes!("red-cmyk.jpg");

const ALL: Choice = Choice { classes: None, class_limit: None, images_per_class: None, test_share: 0.25 };

fn plain(width: u32, height: u32, colour: [u8; 3]) -> RgbImage {
    RgbImage::from_pixel(width, height, Rgb(colour))
}

fn save(image: &RgbImage, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let format = ImageFormat::from_path(path).unwrap();
    image.save_with_format(path, format).unwrap();
}

/// `cat` and `dog`, `train` and `val`, `n` and 2 images each, every one of another colour and size.
fn tree(n: u8) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (split, n) in [("train", n), ("val", 2)] {
        for (c, class) in ["cat", "dog"].into_iter().enumerate() {
            for i in 0..n {
                let (extension, shade) = (["png", "jpg"][usize::from(i % 2)], 255 * c as u8);
                let path = folder.path().join(format!("{split}/{class}/{i}.{extension}"));
                save(&plain(20 + u32::from(i), 30, [shade, i * 10, 100]), &path);
            }
        }
    }
    folder
}

fn builder(folder: &Path) -> Builder {
    let patience = Duration::from_mins(1);
    Builder { folder: folder.to_owned(), size: 8, fit: Fit::Crop, skip_limit: 0.01, patience }
}

fn listed(folder: &Path) -> Listing {
    list(folder, &ALL).unwrap()
}

fn reasons(listing: &Listing) -> Vec<(&str, &str)> {
    listing.skipped.iter().map(|skipped| (skipped.path.as_str(), skipped.reason.as_str())).collect()
}

fn packed_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

// What a tree holds.

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
        save(&plain(9, 9, [0; 3]), &folder.path().join(format!("train/{class}/x.png")));
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
    let of =
        |images: &[super::tree::Found], class| images.iter().filter(|image| image.class == class).count();
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
    assert!(error.message.contains('`'), "{error}");
    assert!(list(&folder.path().join("absent"), &ALL).unwrap_err().message.contains("cannot be read"));
}

// From a file to pixels.

fn png(pixels: &[u8], width: u32, height: u32, colour: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(pixels, width, height, colour).unwrap();
    bytes
}

fn jpeg(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 100).encode_image(image).unwrap();
    bytes
}

fn near(image: &RgbImage, colour: [u8; 3], tolerance: u8) -> bool {
    image.pixels().all(|pixel| pixel.0.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= tolerance))
}

#[test]
fn every_kind_of_png_becomes_rgb() {
    let grey = png(GrayImage::from_pixel(4, 3, [200].into()).as_raw(), 4, 3, ExtendedColorType::L8);
    assert_eq!(decode::decode(&grey).unwrap(), plain(4, 3, [200; 3]));
    let both = png(GrayAlphaImage::from_pixel(4, 3, [200, 9].into()).as_raw(), 4, 3, ExtendedColorType::La8);
    assert_eq!(decode::decode(&both).unwrap(), plain(4, 3, [200; 3]));
    let alpha = RgbaImage::from_pixel(4, 3, Rgba([1, 2, 3, 0]));
    let alpha = png(alpha.as_raw(), 4, 3, ExtendedColorType::Rgba8);
    assert_eq!(decode::decode(&alpha).unwrap(), plain(4, 3, [1, 2, 3]));
    let deep: Vec<u8> = (0..12).flat_map(|_| [0xFFFF_u16, 0x8080, 0]).flat_map(u16::to_ne_bytes).collect();
    let deep = png(&deep, 4, 3, ExtendedColorType::Rgb16);
    assert_eq!(decode::decode(&deep).unwrap(), plain(4, 3, [255, 128, 0]));
    assert_eq!(decode::decode(&palette()).unwrap(), plain(2, 2, [10, 20, 30]));
}

/// A 2×2 PNG whose pixels are all entry 1 of a palette, put together by hand.
fn palette() -> Vec<u8> {
    // Stored, not compressed: a zlib stream of two rows, each a filter byte and two pixels.
    let rows = [0, 1, 1, 0, 1, 1_u8];
    let (a, b) = rows.iter().fold((1_u32, 0_u32), |(a, b), &x| (a + u32::from(x), b + a + u32::from(x)));
    let mut data = vec![0x78, 1, 1, 6, 0, 0xF9, 0xFF];
    data.extend(rows);
    data.extend((b << 16 | a).to_be_bytes());
    let mut bytes = header(2, 2, 3);
    bytes.extend(chunk(*b"PLTE", &[0, 0, 0, 10, 20, 30]));
    bytes.extend(chunk(*b"IDAT", &data));
    bytes.extend(chunk(*b"IEND", &[]));
    bytes
}

/// The beginning of a PNG of 8 bits with a colour type.
fn header(width: u32, height: u32, colour: u8) -> Vec<u8> {
    let mut ihdr = [width.to_be_bytes(), height.to_be_bytes()].concat();
    ihdr.extend([8, colour, 0, 0, 0]);
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(*b"IHDR", &ihdr)].concat()
}

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind.as_slice(), data].concat();
    let mut crc = !0_u32;
    for byte in &body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    [(data.len() as u32).to_be_bytes().as_slice(), &body, &(!crc).to_be_bytes()].concat()
}

#[test]
fn every_kind_of_jpeg_becomes_rgb() {
    assert!(near(&decode::decode(&jpeg(&plain(20, 10, [200, 50, 30]))).unwrap(), [200, 50, 30], 4));
    let mut grey = Vec::new();
    JpegEncoder::new(&mut grey).encode_image(&GrayImage::from_pixel(20, 10, [90].into())).unwrap();
    assert!(near(&decode::decode(&grey).unwrap(), [90; 3], 2));
    assert!(near(&decode::decode(RED_CMYK).unwrap(), [255, 0, 0], 4));
}

#[test]
fn an_image_is_turned_the_way_its_camera_was_held() {
    // Red on the left, blue on the right; orientation 6 says to turn it to the right: red comes on top.
    let image = RgbImage::from_fn(32, 16, |x, _| if x < 16 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
    let plain = jpeg(&image);
    let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let exif = [b"Exif\0\0".as_slice(), tiff].concat();
    let segment = [b"\xFF\xE1".as_slice(), &(exif.len() as u16 + 2).to_be_bytes(), &exif].concat();
    let turned = decode::decode(&[&plain[..2], &segment, &plain[2..]].concat()).unwrap();
    assert_eq!(turned.dimensions(), (16, 32));
    assert!(turned.get_pixel(8, 2).0[0] > 200 && turned.get_pixel(8, 29).0[2] > 200);
    assert_eq!(decode::decode(&plain).unwrap().dimensions(), (32, 16));
}

#[test]
fn files_that_are_not_what_they_seem_have_a_reason() {
    let photo = jpeg(&RgbImage::from_fn(64, 64, |x, y| Rgb([(x * 3) as u8, (y * 3) as u8, (x * y) as u8])));
    let reason = |bytes: &[u8]| decode::decode(bytes).unwrap_err();
    assert_eq!(reason(b"Dear reader"), "neither JPEG nor PNG, whatever its name");
    assert_eq!(reason(b""), "the file is empty");
    for part in [4, 40, photo.len() / 2, photo.len() - 1] {
        assert_eq!(reason(&photo[..part]), "the JPEG ends too early", "{part} bytes");
    }
    let whole = png(plain(40, 40, [7; 3]).as_raw(), 40, 40, ExtendedColorType::Rgb8);
    assert!(reason(&whole[..whole.len() - 30]).starts_with("the PNG cannot be decoded"));
}

/// A PNG of 80 bytes that says that it has 30,000×30,000 pixels.
fn claim() -> Vec<u8> {
    [header(30_000, 30_000, 2), chunk(*b"IDAT", &[0; 8]), chunk(*b"IEND", &[])].concat()
}

#[test]
fn a_header_that_claims_a_billion_pixels_is_refused_before_they_are_allocated() {
    let begun = std::time::Instant::now();
    let reason = decode::decode(&claim()).unwrap_err();
    assert!(reason.starts_with("30000×30000 pixels"), "{reason}");
    assert!(begun.elapsed() < Duration::from_secs(1));
    // The same in a JPEG, whose frame header holds height and width.
    let mut photo = jpeg(&plain(16, 16, [9; 3]));
    let frame = photo.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    photo[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xF0, 0xFF, 0xF0]);
    let reason = decode::decode(&photo).unwrap_err();
    assert!(reason.starts_with("65520×65520 pixels"), "{reason}");
}

#[test]
fn the_middle_is_cut_out_or_everything_is_squashed() {
    // Three squares side by side: green, red, blue.
    let image =
        RgbImage::from_fn(48, 16, |x, _| Rgb([[0, 255, 0], [255, 0, 0], [0, 0, 255]][(x / 16) as usize]));
    let mut resizer = fast_image_resize::Resizer::new();
    let cropped = resize(&mut resizer, &image, 4, Fit::Crop).unwrap();
    // Its borders see a little of their neighbours, as where the whole is resized before it is cut.
    let row = |channel: usize| &cropped[16 * channel..][..4];
    assert!(row(0)[1..3] == [255; 2] && row(1)[1..3] == [0; 2] && row(2)[1..3] == [0; 2], "{cropped:?}");
    assert!(row(0)[0] > 200 && row(1)[3] == 0 && row(2)[0] == 0, "{cropped:?}");
    let squashed = resize(&mut resizer, &image, 6, Fit::Squash).unwrap();
    let (green, blue) = (&squashed[36..72], &squashed[72..]);
    assert!(green[0] == 255 && green[5] == 0 && blue[0] == 0 && blue[5] == 255);
    // At its own size an image is left alone.
    let same = resize(&mut resizer, &plain(4, 4, [1, 2, 3]), 4, Fit::Crop).unwrap();
    assert_eq!(same, [[1; 16], [2; 16], [3; 16]].concat());
}

// The packed file.

#[test]
fn a_pack_holds_every_image_with_its_label_in_order() {
    let (folder, cache) = (tree(5), tempfile::tempdir().unwrap());
    let mut steps = Vec::new();
    let listing = listed(folder.path());
    let pack = builder(cache.path()).ensure(&listing, &mut |step| steps.push(step)).unwrap();
    assert_eq!((pack.header.train, pack.header.test), (10, 4));
    assert_eq!(pack.labels, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1]);
    assert_eq!(pack.row(0), [[0; 64], [0; 64], [100; 64]].concat());
    assert_eq!(pack.row(7), [[255; 64], [20; 64], [100; 64]].concat());
    assert_eq!(pack.gather([7, 0].into_iter()), [pack.row(7), pack.row(0)].concat());
    assert_eq!(steps.last(), Some(&Step::Images { done: 14, total: 14, skipped: 0 }));
    pack.verify().unwrap();
    assert!(pack.header.skipped.is_empty());
}

#[test]
fn statistics_are_those_of_the_training_images_alone() {
    let folder = tempfile::tempdir().unwrap();
    for (path, colour) in
        [("train/a", [0, 10, 7]), ("train/b", [255, 20, 7]), ("val/a", [99; 3]), ("val/b", [99; 3])]
    {
        save(&plain(9, 9, colour), &folder.path().join(path).join("x.png"));
    }
    let cache = tempfile::tempdir().unwrap();
    let Pack { header, .. } = builder(cache.path()).ensure(&listed(folder.path()), &mut |_| {}).unwrap();
    let close = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(close(header.mean, [0.5, 15.0 / 255.0, 7.0 / 255.0]), "{:?}", header.mean);
    // The last channel is the same everywhere.
    assert!(close(header.std, [0.5, 5.0 / 255.0, 1.0]), "{:?}", header.std);
}

#[test]
fn the_second_start_opens_the_file_and_reads_no_image() {
    let (folder, cache) = (tree(4), tempfile::tempdir().unwrap());
    let (listing, builder) = (listed(folder.path()), builder(cache.path()));
    let first = builder.ensure(&listing, &mut |_| {}).unwrap();
    fs::remove_dir_all(folder.path().join("train")).unwrap();
    let second = builder.ensure(&listing, &mut |step| panic!("{step:?}")).unwrap();
    assert_eq!(first.header, second.header);
    assert_eq!(packed_files(cache.path()).len(), 1);
}

#[test]
fn other_sizes_and_fits_are_other_files() {
    let names =
        [(8, Fit::Crop), (8, Fit::Squash), (9, Fit::Crop)].map(|(size, fit)| file_name("c", size, fit));
    assert!(names[0] != names[1] && names[0] != names[2]);
    assert_ne!(names[0], file_name("d", 8, Fit::Crop));
}

#[test]
fn the_file_does_not_depend_on_the_number_of_cores() {
    let folder = tree(9);
    let build = |threads| {
        let cache = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let listing = listed(folder.path());
        let pack = pool.install(|| builder(cache.path()).ensure(&listing, &mut |_| {})).unwrap();
        fs::read(pack.path()).unwrap()
    };
    assert_eq!(build(1), build(4));
}

#[test]
fn a_few_unreadable_images_are_skipped_and_named_and_more_are_refused() {
    let (folder, cache) = (tree(5), tempfile::tempdir().unwrap());
    let bad = |name: &str| folder.path().join("train/dog").join(name);
    fs::write(bad("letter.jpg"), "Dear reader").unwrap();
    let half = fs::read(bad("1.jpg")).unwrap();
    fs::write(bad("half.jpg"), &half[..half.len() / 2]).unwrap();
    fs::write(bad("huge.png"), claim()).unwrap();
    let listing = listed(folder.path());
    let strict = builder(cache.path());
    let error = strict.ensure(&listing, &mut |_| {}).unwrap_err().to_string();
    for part in [
        "3 of 17 images",
        "more than 1.000 %",
        "train/dog/half.jpg: the JPEG ends too early",
        "train/dog/letter.jpg",
        "train/dog/huge.png: 30000×30000",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    assert!(packed_files(cache.path()).iter().all(|path| path.extension().is_some_and(|e| e == "lock")));

    let pack = Builder { skip_limit: 0.2, ..strict.clone() }.ensure(&listing, &mut |_| {}).unwrap();
    let names: Vec<_> = pack.header.skipped.iter().map(|skipped| skipped.path.as_str()).collect();
    assert_eq!(names, ["train/dog/half.jpg", "train/dog/huge.png", "train/dog/letter.jpg"]);
    assert_eq!((pack.header.train, pack.labels.len()), (10, 14));
    // What was built under a looser limit is not let through by a stricter one.
    assert!(matches!(strict.ensure(&listing, &mut |_| {}), Err(PackError::TooManyUnreadable { .. })));
}

#[test]
fn a_class_of_which_nothing_can_be_read_is_refused() {
    let (folder, cache) = (tree(1), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("train/dog/0.png"), "Dear reader").unwrap();
    let lenient = Builder { skip_limit: 1.0, ..builder(cache.path()) };
    let error = lenient.ensure(&listed(folder.path()), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("none of the training images of the class `dog`"), "{error}");
}

#[test]
fn two_builders_at_once_end_with_the_same_file() {
    let (folder, cache) = (tree(9), tempfile::tempdir().unwrap());
    let listing = listed(folder.path());
    for patience in [Duration::from_mins(1), Duration::ZERO] {
        let (builder, barrier) = (Builder { patience, ..builder(cache.path()) }, Arc::new(Barrier::new(4)));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    barrier.wait();
                    builder.ensure(&listing, &mut |_| {}).unwrap().verify().unwrap();
                });
            }
        });
        let files = packed_files(cache.path());
        let packs: Vec<_> =
            files.iter().filter(|path| path.extension().is_some_and(|e| e == "pack")).collect();
        assert_eq!(packs.len(), 1, "{files:?}");
        assert!(files.iter().all(|path| path.extension().is_none_or(|e| e != "tmp")), "{files:?}");
        fs::remove_file(packs[0]).unwrap();
    }
}

#[test]
fn what_an_interrupted_build_left_is_no_pack_and_is_swept_up_in_time() {
    let (folder, cache) = (tree(4), tempfile::tempdir().unwrap());
    let listing = listed(folder.path());
    let (old, new) = (cache.path().join(".pack-old.tmp"), cache.path().join(".pack-new.tmp"));
    for path in [&old, &new] {
        fs::write(path, b"APICALPK and half of the pixels").unwrap();
    }
    fs::File::open(&old).unwrap().set_modified(SystemTime::now() - Duration::from_hours(2)).unwrap();
    builder(cache.path()).ensure(&listing, &mut |_| {}).unwrap().verify().unwrap();
    assert!(!old.exists() && new.exists());
}

#[test]
fn a_damaged_file_is_told_by_its_lengths_and_built_again() {
    let (folder, cache) = (tree(4), tempfile::tempdir().unwrap());
    let (listing, builder) = (listed(folder.path()), builder(cache.path()));
    let pack = builder.ensure(&listing, &mut |_| {}).unwrap();
    let (path, good) = (pack.path().to_owned(), fs::read(pack.path()).unwrap());
    drop(pack);
    for cut in [0, 5, 4096, 5000, good.len() - 1] {
        fs::write(&path, &good[..cut]).unwrap();
        assert!(Pack::open(&path).is_err(), "{cut} bytes");
        builder.ensure(&listing, &mut |_| {}).unwrap();
        assert_eq!(fs::read(&path).unwrap(), good);
    }
    let mut flipped = good.clone();
    flipped[4100] ^= 1;
    fs::write(&path, flipped).unwrap();
    let error = Pack::open(&path).unwrap().verify().unwrap_err().to_string();
    assert!(error.contains("is damaged: SHA-256"), "{error}");
}
