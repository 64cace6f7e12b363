//! Compiles the few LibTorch calls that tch lacks, and tells dependents where LibTorch lies.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=native");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let libtorch = env::var_os("LIBTORCH").map(PathBuf::from).and_then(|path| path.canonicalize().ok());
    let Some(libtorch) = libtorch.filter(|path| path.join("include/ATen").is_dir()) else {
        println!("cargo:error=no LibTorch found: run scripts/libtorch.sh first (make does it for you)");
        return;
    };
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .opt_level(3)
        // Nobody looks at floating-point exceptions, and without them conditions become vector instructions.
        .flag_if_supported("-fno-trapping-math")
        .file("native/apical_native.cpp")
        .include("native")
        .include(libtorch.join("include"))
        .include(libtorch.join("include/torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .compile("apical_native");
    let lib = libtorch.join("lib");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    println!("cargo:libtorch_lib={}", lib.display());
}
