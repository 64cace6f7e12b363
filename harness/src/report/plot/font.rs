//! The font of the figures, embedded so that no machine needs one installed.
//!
//! An SVG keeps its text as text. The family is registered under the whole list of fallbacks, which is what
//! plotters then writes as `font-family`; widths are measured in `DejaVu` Sans, whose letters are among the widest.

use plotters::style::{FontStyle, register_font};

/// The family as it stands in SVG files.
pub const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

const REGULAR: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans.ttf");
const BOLD: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans-Bold.ttf");

/// Makes the font known to plotters; doing so again changes nothing.
pub fn register() -> anyhow::Result<()> {
    for (style, bytes) in [(FontStyle::Normal, REGULAR), (FontStyle::Bold, BOLD)] {
        register_font(FAMILY, style, bytes).map_err(|_| anyhow::anyhow!("the embedded font is damaged"))?;
    }
    Ok(())
}
