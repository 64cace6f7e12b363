//! Builds the binary so that it finds LibTorch from any folder, and knows which revision it is.

use std::{env, process::Command};

fn main() {
    // torch-sys does not put a run-time search path into the binary.
    if let Ok(lib) = env::var("DEP_APICAL_NATIVE_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
        println!("cargo:rustc-env=APICAL_LIBTORCH_LIB={lib}");
    }
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=APICAL_GIT_HASH={revision}");
    for file in ["HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}
