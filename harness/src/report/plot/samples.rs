//! Sample images: a row per dataset, a column per class.

use super::{
    super::samples::SampleSheet,
    MARGIN, WIDTH,
    canvas::{Canvas, Label, QUIET},
};
use plotters::{
    prelude::DrawingBackend,
    style::{
        RGBColor,
        text_anchor::{HPos, VPos},
    },
};

const NAME: f64 = 110.0;
const GAP: f64 = 8.0;
const CAPTION: f64 = 22.0;

fn columns(sheets: &[SampleSheet]) -> usize {
    sheets.iter().map(|sheet| sheet.images.len()).max().unwrap_or(1).clamp(1, 10)
}

fn side(sheets: &[SampleSheet]) -> f64 {
    let columns = columns(sheets) as f64;
    ((WIDTH - 2.0 * MARGIN - NAME - GAP * (columns - 1.0)) / columns).min(80.0)
}

/// Height of the figure in CSS pixels.
pub fn height(sheets: &[SampleSheet]) -> f64 {
    2.0 * MARGIN + sheets.len() as f64 * (side(sheets) + CAPTION)
}

/// Draws the first ten classes of each sheet.
pub fn draw<DB: DrawingBackend>(sheets: &[SampleSheet], canvas: &Canvas<'_, DB>) -> anyhow::Result<()>
where
    DB::ErrorType: 'static,
{
    let side = side(sheets);
    for (index, sheet) in sheets.iter().enumerate() {
        let top = MARGIN + index as f64 * (side + CAPTION);
        let name = Label { bold: true, ..Label::new(13.0) };
        canvas.text(&name.fit(&sheet.dataset, NAME - 8.0), (MARGIN, top + side / 2.0), name)?;
        for (column, image) in sheet.images.iter().take(columns(sheets)).enumerate() {
            let left = MARGIN + NAME + column as f64 * (side + GAP);
            let size = side / image.height.max(image.width).max(1) as f64;
            for row in 0..image.height {
                for pixel in 0..image.width {
                    let (red, green, blue) = image.color(row, pixel);
                    let from = (left + pixel as f64 * size, top + row as f64 * size);
                    // A little too wide: the next pixel covers what rounding would leave open.
                    let to = (from.0 + size + 0.5, from.1 + size + 0.5);
                    canvas.rectangle(from, to, RGBColor(red, green, blue))?;
                }
            }
            let caption = Label { color: QUIET, ..Label::new(11.0) }.at(HPos::Center, VPos::Center);
            let class = sheet.classes.get(column).map_or("", String::as_str);
            canvas.text(
                &caption.fit(class, side + GAP - 2.0),
                (left + side / 2.0, top + side + CAPTION / 2.0 - 1.0),
                caption,
            )?;
        }
    }
    Ok(())
}
