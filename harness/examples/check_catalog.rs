//! Fetches every dataset of the catalog, and holds sizes, means and deviations against what its entry says; of sets of photos
//! the checksum of each archive and the number of photos in each class, which unpacking checks.
//!
//! By hand, for whoever adds one: `cargo run --release -p apical --example check_catalog`. It downloads where the cache is
//! empty, so no test does it.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a check by hand may panic and print")]

use std::time::Instant;

use apical::data::{CATALOG, DataRoot, DatasetSpec, Fetcher, Progress, dataset, load};

fn main() {
    for entry in CATALOG {
        let Some(set) = entry.photos() else { continue };
        for edition in set.editions {
            let fetcher = Fetcher::new(DataRoot::from_env(None).unwrap());
            let tree = fetcher.photos(entry, set, edition, &mut |_| {}).unwrap();
            eprintln!("{} {}: verified, in {}", entry.name, edition.name, tree.display());
        }
    }
    // A folder of images is the user's own.
    for entry in CATALOG.iter().filter(|entry| !entry.is_images()) {
        let root = DataRoot::from_env(None).unwrap();
        let begun = Instant::now();
        Fetcher::new(root.clone())
            .ensure(entry, &mut |progress| {
                if !matches!(progress, Progress::Bytes { .. }) {
                    eprintln!("{:6.2} s  {progress:?}", begun.elapsed().as_secs_f64());
                }
            })
            .unwrap();
        let fetched = begun.elapsed();
        let begun = Instant::now();
        let data = load(&DatasetSpec::named(entry.name), &root, tch::Device::Cpu).unwrap();
        eprintln!("{}: fetched in {fetched:.2?}, loaded in {:.2?}", entry.name, begun.elapsed());
        assert_eq!((data.train.len(), data.test.len()), (entry.train_size, entry.test_size));

        let samples = dataset::decode(entry, &root).unwrap();
        let (channels, area) = (entry.shape[0] as usize, (entry.shape[1] * entry.shape[2]) as usize);
        for channel in 0..channels {
            let mut counts = [0_u64; 256];
            for plane in samples.train.pixels.chunks_exact(area).skip(channel).step_by(channels) {
                for &pixel in plane {
                    counts[usize::from(pixel)] += 1;
                }
            }
            let n = counts.iter().sum::<u64>() as f64;
            let moment = |f: &dyn Fn(f64) -> f64| {
                counts.iter().enumerate().map(|(x, &count)| f(x as f64 / 255.0) * count as f64).sum::<f64>()
                    / n
            };
            let mean = moment(&|x| x);
            let std = moment(&|x| (x - mean).powi(2)).sqrt();
            assert!((mean - entry.channel_mean[channel]).abs() < 1e-9, "{}: mean {mean}", entry.name);
            assert!((std - entry.channel_std[channel]).abs() < 1e-9, "{}: std {std}", entry.name);
        }
    }
}
