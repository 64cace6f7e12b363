//! Which device a run computes on, and LibTorch's CUDA half, loaded only when one is asked for.
//!
//! Nothing in the binary refers to a symbol of `libtorch_cuda.so`, so the linker drops it, and LibTorch believes that there
//! is no CUDA. Linking it by force would make every start wait for half a dozen GPU libraries, so it is opened here instead, at
//! the first wish for a GPU; its initialisers then register with LibTorch, as they would have done at start-up.
//!
//! LibTorch looks for its CUDA half once and remembers what it found. Ask it nothing about CUDA (`tch::Cuda`,
//! `tch::Device::cuda_if_available`) but through this module.
#![expect(unsafe_code, reason = "opens LibTorch's own CUDA library, which Rust can only do unsafely")]

use anyhow::{Context, Result, bail, ensure};
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};
use tch::{Cuda, Device};

/// The library that registers CUDA with LibTorch.
const CUDA_LIBRARY: &str = "libtorch_cuda.so";

/// The folder of the LibTorch that this binary was built against.
const LIBTORCH_LIB: &str = env!("APICAL_LIBTORCH_LIB");

/// Where a driver shows its GPUs: Linux, then WSL.
const GPU_NODES: [&str; 2] = ["/dev/nvidiactl", "/dev/dxg"];

/// What devices may be called.
const DEVICE_NAMES: &str = "cpu, cuda, cuda:N (N is the GPU's number, from 0) or auto";

/// Reads a device's name, and makes sure that it can be used.
///
/// `cpu`; `cuda`, the first GPU; `cuda:N`, the GPU with that number; `auto`, the first GPU where there is one that works,
/// else the CPU. Only for a GPU is LibTorch's CUDA half loaded: `cpu`, and `auto` without a GPU, cost nothing.
///
/// # Errors
/// When the name is none of these, when this LibTorch has no CUDA, or when there is no such GPU.
pub fn parse_device(text: &str) -> Result<Device> {
    let index = match text {
        "cpu" => return Ok(Device::Cpu),
        "auto" => {
            let works = driver_is_present() && ensure_loaded().is_ok();
            return Ok(if works { Device::Cuda(0) } else { Device::Cpu });
        }
        "cuda" => 0,
        _ => text
            .strip_prefix("cuda:")
            .and_then(|number| number.parse::<usize>().ok())
            .with_context(|| format!("no device is called `{text}`: use {DEVICE_NAMES}"))?,
    };
    ensure_loaded().with_context(|| format!("device `{text}` cannot be used"))?;
    let count = usize::try_from(Cuda::device_count()).unwrap_or(0);
    ensure!(
        index < count,
        "device `{text}` does not exist: LibTorch sees {count} GPU(s), numbered from 0 (CUDA_VISIBLE_DEVICES may hide some)"
    );
    Ok(Device::Cuda(index))
}

/// Whether `text` is a device's name, on whatever machine.
///
/// # Errors
/// When it is none.
pub fn check_name(text: &str) -> Result<()> {
    let numbered = text.strip_prefix("cuda:").is_some_and(|number| number.parse::<usize>().is_ok());
    ensure!(
        numbered || matches!(text, "cpu" | "auto" | "cuda"),
        "no device is called `{text}`: use {DEVICE_NAMES}"
    );
    Ok(())
}

/// Loads LibTorch's CUDA half, once for the process, and checks that a GPU is visible to it.
///
/// # Errors
/// When this LibTorch is a CPU build, when the libraries its CUDA half needs are missing, or when no GPU is visible.
/// The answer to the first call is the answer to all: LibTorch remembers it too.
pub fn ensure_loaded() -> Result<()> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED
        .get_or_init(|| load_cuda(Path::new(LIBTORCH_LIB)).map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(anyhow::Error::msg)
}

/// Bytes of memory of a GPU that are free, and of all there are, by the CUDA runtime that LibTorch has loaded; nothing where it
/// does not say.
pub fn gpu_memory(index: usize) -> Option<(u64, u64)> {
    type SetDevice = unsafe extern "C" fn(i32) -> i32;
    type MemGetInfo = unsafe extern "C" fn(*mut usize, *mut usize) -> i32;
    let loaded = Library::this();
    // SAFETY: the names and signatures are those of the CUDA runtime's C API, which have not changed since its beginnings; the
    // pointers are to live numbers.
    let (code, free, all) = unsafe {
        let set_device = loaded.get::<SetDevice>(b"cudaSetDevice\0").ok()?;
        let mem_get_info = loaded.get::<MemGetInfo>(b"cudaMemGetInfo\0").ok()?;
        if set_device(i32::try_from(index).ok()?) != 0 {
            return None;
        }
        let (mut free, mut all) = (0, 0);
        (mem_get_info(&raw mut free, &raw mut all), free, all)
    };
    (code == 0).then_some((free as u64, all as u64))
}

fn driver_is_present() -> bool {
    GPU_NODES.iter().any(|node| Path::new(node).exists())
}

fn load_cuda(folder: &Path) -> Result<()> {
    let opened = open_cuda_library(folder);
    if opened.is_ok() && Cuda::is_available() {
        return Ok(());
    }
    // Without a driver no other LibTorch would help: say that, rather than what this one lacks.
    ensure!(
        driver_is_present(),
        "no GPU is visible: this machine has no NVIDIA driver (no /dev/nvidiactl). Use `cpu` here"
    );
    opened?;
    bail!(
        "no GPU is visible to LibTorch, though an NVIDIA driver is there: it may be too old for this LibTorch's CUDA, or \
         CUDA_VISIBLE_DEVICES may hide the GPU. Compare with nvidia-smi"
    )
}

/// Opens the CUDA library that lies beside the LibTorch in use, for good.
fn open_cuda_library(folder: &Path) -> Result<()> {
    let path = cuda_library(folder)?;
    // SAFETY: this runs the library's initialisers. They are those of the LibTorch this process already runs on (the same
    // folder, hence the same build), which registers its CUDA half through them and expects them to run at any time.
    // RTLD_GLOBAL, because later libraries (cuDNN's, cuBLAS's) resolve symbols of one another, as if linked at start-up.
    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) };
    let library = library.map_err(anyhow::Error::from).with_context(|| {
        format!(
            "{} could not be loaded: this LibTorch lacks CUDA's own libraries. \
             `scripts/libtorch.sh --cuda` installs a complete one; build again after it",
            path.display()
        )
    })?;
    // LibTorch keeps pointers into it: closing it would leave them dangling, so it stays open as long as the process.
    std::mem::forget(library);
    Ok(())
}

/// The CUDA library's path; its bare name, which the loader looks up, when the binary runs where its LibTorch is elsewhere.
fn cuda_library(folder: &Path) -> Result<PathBuf> {
    let path = folder.join(CUDA_LIBRARY);
    if path.exists() {
        return Ok(path);
    }
    if folder.exists() {
        bail!(
            "this LibTorch has no CUDA (a CPU build, {}). `scripts/libtorch.sh --cuda` installs one that has; build again after it",
            folder.display()
        );
    }
    Ok(PathBuf::from(CUDA_LIBRARY))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot prepare its folder has nothing to say")]

    use super::*;

    fn message(result: Result<impl std::fmt::Debug>) -> String {
        format!("{:#}", result.unwrap_err())
    }

    #[test]
    fn the_cpu_needs_no_cuda() {
        assert_eq!(parse_device("cpu").unwrap(), Device::Cpu);
    }

    #[test]
    fn a_name_that_is_no_device_is_answered_with_those_that_are() {
        for name in ["gpu", "", "CPU", "cuda:", "cuda:-1", "cuda:x", "cuda0", "cuda:0:1", "cuda:1.0"] {
            let message = message(parse_device(name));
            assert!(message.contains(&format!("`{name}`")) && message.contains(DEVICE_NAMES), "{message}");
        }
    }

    #[test]
    fn auto_is_the_cpu_where_there_is_no_driver_and_never_fails() {
        let device = parse_device("auto").unwrap();
        assert!(driver_is_present() || device == Device::Cpu, "{device:?}");
    }

    #[test]
    fn asking_for_cuda_ends_in_a_gpu_or_in_a_remedy() {
        match parse_device("cuda") {
            Ok(device) => assert_eq!(device, Device::Cuda(0)),
            Err(error) => {
                let message = format!("{error:#}");
                assert!(message.starts_with("device `cuda` cannot be used: "), "{message}");
                assert!(
                    message.contains("scripts/libtorch.sh --cuda") || message.contains("no GPU is visible"),
                    "{message}"
                );
                assert_eq!(
                    message,
                    format!("{:#}", parse_device("cuda").unwrap_err()),
                    "the answer stays the same"
                );
            }
        }
    }

    #[test]
    fn a_gpu_number_beyond_the_last_is_refused() {
        let message = message(parse_device("cuda:4096"));
        assert!(message.contains("`cuda:4096`"), "{message}");
    }

    #[test]
    fn a_libtorch_without_the_cuda_library_is_called_a_cpu_build() {
        let folder = tempfile::tempdir().unwrap();
        let message = message(open_cuda_library(folder.path()));
        assert!(message.contains("CPU build") && message.contains("scripts/libtorch.sh --cuda"), "{message}");
    }

    #[test]
    fn a_cuda_library_that_cannot_be_loaded_is_named_with_the_loaders_reason() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CUDA_LIBRARY), "no ELF file").unwrap();
        let message = message(open_cuda_library(folder.path()));
        assert!(
            message.contains(CUDA_LIBRARY) && message.contains("scripts/libtorch.sh --cuda"),
            "{message}"
        );
        assert!(message.contains("file too short") || message.contains("ELF"), "{message}");
    }
}
