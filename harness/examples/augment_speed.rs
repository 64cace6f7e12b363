//! How fast training images are augmented: `augment_speed [SIZE [BATCH [THREADS]]]`.
//!
//! Prints a line of JSON for each list of changes: images per second, from bytes in memory to normalised float32 batches, the
//! median of five passes. `scripts/perf/torchvision_augment.py` does the same work with torchvision, image by image.
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use std::time::Instant;

use apical::data::{
    Augmentation, Augmenter, Batches, Normalization, Normalizer, Split, catalog, epoch_order,
};
use tch::{Device, Kind, Tensor};

const LISTS: [&str; 8] = [
    "[]",
    "[crop]",
    "[flip]",
    "[crop, flip]",
    "[resized-crop]",
    "[{color-jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4}}]",
    "[{color-jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}}]",
    "[resized-crop, flip, {color-jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}}]",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let size: i64 = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let batch: usize = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let threads: i32 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    tch::set_num_threads(threads);
    let n = (16 * batch) as i64;
    let split = Split {
        images: Tensor::randint(256, [n, 3, size, size], (Kind::Uint8, Device::Cpu)).into(),
        labels: Tensor::zeros([n], (Kind::Int64, Device::Cpu)),
        targets: None,
    };
    let order = epoch_order(n as usize, 0);
    let normalizer = Normalizer::new(&catalog::CIFAR10, Normalization::Unit, Device::Cpu)?;
    for list in LISTS {
        let changes: Vec<Augmentation> = serde_yaml::from_str(list)?;
        let augmenter = Augmenter::new(&changes, [3, size, size])?;
        let pass = |seed| -> Result<f64, Box<dyn std::error::Error>> {
            let begun = Instant::now();
            for batch in
                Batches::training(&split, &order, batch, &normalizer, (&augmenter, seed), Kind::Float)?
            {
                batch?;
            }
            Ok(n as f64 / begun.elapsed().as_secs_f64())
        };
        pass(0)?;
        let mut rates = (1..=5).map(pass).collect::<Result<Vec<f64>, _>>()?;
        rates.sort_by(f64::total_cmp);
        println!(
            "{{\"augment\": \"{list}\", \"size\": {size}, \"batch\": {batch}, \"threads\": {threads}, \
             \"images_per_second\": {:.0}}}",
            rates[2]
        );
    }
    Ok(())
}
