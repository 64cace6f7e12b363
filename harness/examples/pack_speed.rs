//! How fast a folder of photos is packed: `pack_speed FOLDER [SIZE [THREADS]]`.
//!
//! Prints one line of JSON: images per second of the first start, seconds of the second, the peak of memory.
//! `scripts/perf/torchvision_folder.py` does the same work with torchvision.
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use std::{path::Path, time::Duration, time::Instant};

use apical::{
    data::images::{Builder, Choice, Fit, tree},
    provenance::Usage,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: pack_speed FOLDER [SIZE [THREADS]]")?;
    let size: u32 = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let threads: usize = arguments.next().map_or(Ok(1), |text| text.parse())?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let cache = tempfile::tempdir()?;
    let builder = Builder {
        folder: cache.path().to_owned(),
        size,
        fit: Fit::Crop,
        skip_limit: 0.01,
        patience: Duration::ZERO,
    };
    let choice = Choice { classes: None, class_limit: None, images_per_class: None, test_share: 0.2 };
    let start = || -> Result<(usize, f64), Box<dyn std::error::Error>> {
        let begun = Instant::now();
        let listing = tree::list(Path::new(&folder), &choice)?;
        let pack = builder.ensure(&listing, &mut |_| {})?;
        Ok((pack.labels.len(), begun.elapsed().as_secs_f64()))
    };
    let (images, first) = start()?;
    let (_, second) = start()?;
    let peak = Usage::now().peak_memory_bytes as f64 / f64::from(1 << 20);
    println!(
        "{{\"images\": {images}, \"threads\": {threads}, \"seconds\": {first:.3}, \"images_per_second\": {:.1}, \
         \"second_start_seconds\": {second:.3}, \"peak_memory_mib\": {peak:.1}}}",
        images as f64 / first
    );
    Ok(())
}
