//! Mirroring left to right.

use tch::{Kind, TchError, Tensor};

use super::{Change, Drawn, Epoch, Stage};
use crate::data::random::{below, stream};

pub(super) struct Flip;

/// 1 where the image is mirrored, else 0, int64 `[n]`.
#[derive(Debug)]
struct Flips(Tensor);

impl Change for Flip {
    fn stage(&self) -> Stage {
        Stage::Mirror
    }

    fn words(&self) -> String {
        "random horizontal flips".to_owned()
    }

    fn draw(&self, epoch: &Epoch) -> Result<Box<dyn Drawn>, TchError> {
        let mut rng = stream(epoch.seed, "flip");
        let flips: Vec<i64> = (0..epoch.samples).map(|_| i64::from(below(&mut rng, 2))).collect();
        Ok(Box::new(Flips(Tensor::f_from_slice(&flips)?.f_to_device(epoch.device)?)))
    }
}

impl Drawn for Flips {
    fn apply(&self, images: Tensor, start: i64, _kind: Kind) -> Result<Tensor, TchError> {
        let batch = images.size()[0];
        // Choosing whole images among originals and mirror images is a tenth of the cost of `where` by pixel.
        let both = Tensor::f_cat(&[&images, &images.f_flip([3])?], 0)?;
        let own = Tensor::f_arange(batch, (Kind::Int64, images.device()))?;
        let chosen = self.0.f_narrow(0, start, batch)?.f_multiply_scalar(batch)?.f_add(&own)?;
        both.f_index_select(0, &chosen)
    }
}
