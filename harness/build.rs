//! Builds the binary so that it finds LibTorch from any folder, and knows which revision it is.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    link_libtorch();
    record_versions();
    record_revision();
}

/// Puts LibTorch's folder into the binary and its tests as their run-time search path (torch-sys does not); as an RPATH
/// (`--disable-new-dtags`), so that an `LD_LIBRARY_PATH` set for another PyTorch does not replace it.
fn link_libtorch() {
    // From algorithms/build.rs, which cargo runs again whenever torch-sys is built against another LibTorch.
    let Some(lib) = env::var_os("DEP_APICAL_NATIVE_LIBTORCH_LIB").map(PathBuf::from) else {
        println!(
            "cargo:error=no LibTorch: run scripts/libtorch.sh, which finds or installs it (make does so by itself)"
        );
        return;
    };
    println!("cargo:rustc-link-arg=-Wl,--disable-new-dtags,-rpath,{}", lib.display());
    println!("cargo:rustc-env=APICAL_LIBTORCH_LIB={}", lib.display());
}

/// Records which tch and which LibTorch a run was computed with.
fn record_versions() {
    let libtorch = env::var_os("DEP_APICAL_NATIVE_LIBTORCH_LIB").map(PathBuf::from).and_then(|lib| {
        let root = lib.parent()?;
        // An archive from PyTorch has the first file, a Python package the second.
        let archive = fs::read_to_string(root.join("build-version")).ok();
        let package = || {
            let text = fs::read_to_string(root.join("version.py")).ok()?;
            let version = text.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
            Some(version.trim_matches(['\'', '"']).to_owned())
        };
        archive.map(|version| version.trim().to_owned()).or_else(package)
    });
    println!("cargo:rustc-env=APICAL_LIBTORCH_VERSION={}", libtorch.as_deref().unwrap_or("unknown"));

    let lock = fs::read_to_string("../Cargo.lock").unwrap_or_default();
    let mut lines = lock.lines().skip_while(|line| *line != "name = \"tch\"").skip(1);
    let tch = lines
        .next()
        .and_then(|line| line.strip_prefix("version = "))
        .map(|version| version.trim_matches('"'));
    println!("cargo:rustc-env=APICAL_TCH_VERSION={}", tch.unwrap_or("unknown"));
    println!("cargo:rerun-if-changed=../Cargo.lock");
}

/// What the binary is made of, seen from this crate's folder.
const SOURCES: [&str; 6] =
    ["src", "Cargo.toml", "../algorithms/src", "../algorithms/native", "../Cargo.toml", "../Cargo.lock"];

/// Records the commit, so that no git is needed at run time; with `-dirty` when the sources differ from that commit.
fn record_revision() {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("--no-optional-locks").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changes = git(&[&["status", "--porcelain", "--"], SOURCES.as_slice()].concat()).unwrap_or_default();
    let mark = if changes.is_empty() { "" } else { "-dirty" };
    println!("cargo:rustc-env=APICAL_GIT_HASH={commit}{mark}");

    // The log of HEAD grows with every commit and checkout; HEAD itself stays the same through a commit.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|path| Path::new(path).exists());
    for path in SOURCES.into_iter().chain(["build.rs"]).chain(log.as_deref()) {
        println!("cargo:rerun-if-changed={path}");
    }
}
