//! Builds the binary so that it finds LibTorch from any folder, and knows which revision it is.
//!
//! This script waits for no other crate's (it has no build dependencies, and nothing it depends on declares `links`), so
//! cargo runs it first: without LibTorch the user reads the remedy here, not torch-sys's wall of C++ errors.

use std::{env, path::PathBuf, process::Command};

fn main() {
    link_libtorch();
    record_revision();
}

/// Puts LibTorch's folder into the binary and its tests as their run-time search path (torch-sys does not).
fn link_libtorch() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let stated = env::var_os("LIBTORCH").map(PathBuf::from).unwrap_or_default();
    // The real place, not the link to it: a binary keeps working when the link is pointed elsewhere.
    let lib = stated.join("lib").canonicalize().ok().filter(|lib| lib.join("libtorch_cpu.so").exists());
    let Some(lib) = lib else {
        // What was missing may appear without any variable changing.
        println!("cargo:rerun-if-changed={}", stated.join("lib/libtorch_cpu.so").display());
        println!(
            "cargo:error=no LibTorch at {}: run scripts/libtorch.sh, which finds or installs it (make does so by itself)",
            stated.display()
        );
        return;
    };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    println!("cargo:rustc-env=APICAL_LIBTORCH_LIB={}", lib.display());
}

/// Records the commit (`-dirty` when tracked files differ from it), so that no git is needed at run time.
fn record_revision() {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]);
    println!("cargo:rustc-env=APICAL_GIT_HASH={}", revision.as_deref().unwrap_or("unknown"));
    for file in ["HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}
