//! Independent streams of randomness, each re-seeded from (seed, purpose, epoch).
//!
//! LibTorch has one generator per process. Seeding it afresh wherever a new kind of randomness begins
//! means that resuming a run needs no generator state, and that changing one option (a noise level, say)
//! does not reshuffle the initial weights or the order of the data.

use sha2::{Digest, Sha256};

/// The source of every seed of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// The streams of the run with this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The seed of one stream; streams of different purposes or epochs are independent.
    pub fn seed(self, purpose: &str, epoch: usize) -> u64 {
        let digest = Sha256::new()
            .chain_update(self.seed.to_le_bytes())
            .chain_update((epoch as u64).to_le_bytes())
            .chain_update(purpose.as_bytes())
            .finalize();
        digest.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
    }

    /// Points LibTorch's generator at the start of one stream.
    pub fn enter(self, purpose: &str, epoch: usize) {
        // LibTorch takes an i64; all 64 bits reach its generator.
        tch::manual_seed(self.seed(purpose, epoch).cast_signed());
    }
}
