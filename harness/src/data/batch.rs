//! Batches: bytes by index, augmented, converted and normalised on the device. This is on the hot path of training.

use tch::{Kind, TchError, Tensor};

use super::{
    augment::{Augmenter, Draws},
    dataset::{Dataset, Split},
    normalize::Normalizer,
};

/// A batch as a network takes it.
#[derive(Debug)]
pub struct Batch {
    /// `[batch, channels, height, width]`, normalised, of the kind asked for.
    pub images: Tensor,
    /// int64 `[batch]`; of a regression the target values, `[batch, outputs]`, of the images' kind.
    pub labels: Tensor,
}

/// Iterator over the batches of an epoch or of an evaluation. The last batch may be smaller.
#[derive(Debug)]
pub struct Batches<'a> {
    split: &'a Split,
    normalizer: &'a Normalizer,
    order: Option<Tensor>,
    draws: Option<Draws>,
    batch_size: i64,
    kind: Kind,
    next: i64,
    end: i64,
}

impl<'a> Batches<'a> {
    /// The samples of `split` in `order` (indices into it), `batch_size` at a time, augmented with draws from `seed`.
    pub fn training(
        split: &'a Split,
        order: &[i64],
        batch_size: usize,
        normalizer: &'a Normalizer,
        (augmenter, seed): (&Augmenter, u64),
        kind: Kind,
    ) -> Result<Self, TchError> {
        let device = split.labels.device();
        let draws =
            if augmenter.is_identity() { None } else { Some(augmenter.draw(order.len(), seed, device)?) };
        Ok(Self {
            split,
            normalizer,
            order: Some(Tensor::f_from_slice(order)?.f_to_device(device)?),
            draws,
            batch_size: batch_size.max(1) as i64,
            kind,
            next: 0,
            end: order.len() as i64,
        })
    }

    /// All samples of `split` as they stand, in their order, without augmentation.
    pub fn evaluation(split: &'a Split, batch_size: usize, normalizer: &'a Normalizer, kind: Kind) -> Self {
        let end = split.len() as i64;
        let batch_size = batch_size.max(1) as i64;
        Self { split, normalizer, order: None, draws: None, batch_size, kind, next: 0, end }
    }

    fn batch(&self, start: i64, length: i64) -> Result<Batch, TchError> {
        let (pixels, labels) = if let Some(order) = &self.order {
            let chosen = order.f_narrow(0, start, length)?;
            (
                self.split.images.select(&chosen)?,
                self.split.lesson(self.kind, |all| all.f_index_select(0, &chosen))?,
            )
        } else {
            (
                self.split.images.narrow(start, length)?,
                self.split.lesson(self.kind, |all| all.f_narrow(0, start, length))?,
            )
        };
        let pixels = match &self.draws {
            Some(draws) => draws.apply(pixels, start, self.kind)?,
            None => pixels,
        };
        Ok(Batch { images: self.normalizer.apply(&pixels, self.kind)?, labels })
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch, TchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = self.batch_size.min(self.end - self.next);
        if length <= 0 {
            return None;
        }
        let batch = self.batch(self.next, length);
        // After a failure there is nothing sensible to go on with.
        self.next = if batch.is_ok() { self.next + length } else { self.end };
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.end - self.next).max(0) as usize;
        let n = left.div_ceil(self.batch_size as usize);
        (n, Some(n))
    }
}

impl ExactSizeIterator for Batches<'_> {}

impl Dataset {
    /// The training batches of an epoch that visits the samples in `order`; see [`Batches::training`].
    pub fn training_batches(
        &self,
        order: &[i64],
        batch_size: usize,
        augment_seed: u64,
        kind: Kind,
    ) -> Result<Batches<'_>, TchError> {
        let augmentation = (&self.augmenter, augment_seed);
        Batches::training(&self.train, order, batch_size, &self.normalizer, augmentation, kind)
    }

    /// The batches of `split` for evaluation; see [`Batches::evaluation`].
    pub fn evaluation_batches<'a>(&'a self, split: &'a Split, batch_size: usize, kind: Kind) -> Batches<'a> {
        Batches::evaluation(split, batch_size, &self.normalizer, kind)
    }
}
