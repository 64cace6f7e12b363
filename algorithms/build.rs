//! Compiles the few LibTorch calls that tch lacks, lets this crate's own tests find LibTorch, and tells dependents where it is.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=native");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let stated = env::var_os("LIBTORCH").map(PathBuf::from).unwrap_or_default();
    let Some(libtorch) = stated.canonicalize().ok().filter(|path| path.join("include/ATen").is_dir()) else {
        println!("cargo:rerun-if-changed={}", stated.display());
        println!(
            "cargo:error=no LibTorch at {}: run scripts/libtorch.sh, which finds or installs it",
            stated.display()
        );
        return;
    };
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .file("native/apical_native.cpp")
        .include("native")
        .include(libtorch.join("include"))
        .include(libtorch.join("include/torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .compile("apical_native");
    // The real place, not the link to it: a binary keeps working when the link is pointed elsewhere.
    let lib = libtorch.join("lib");
    println!("cargo:rustc-link-arg=-Wl,--disable-new-dtags,-rpath,{}", lib.display());
    println!("cargo:libtorch_lib={}", lib.display());
}
