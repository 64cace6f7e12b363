//! A legend above a figure's panels, where it covers no data: entries in rows as wide as the figure.

use super::{
    MARGIN, WIDTH,
    canvas::{Canvas, Label, Pixel},
};
use plotters::prelude::DrawingBackend;

/// Length of the line before an entry's text, in CSS pixels.
pub const SWATCH: f64 = 30.0;

const ROW: f64 = 22.0;
/// From the beginning of a line to that of its text.
const INDENT: f64 = 38.0;
const WORDS: f64 = 12.0;

/// Texts and the left ends of their lines, before the margin.
pub struct Legend(Vec<(String, Pixel)>);

impl Legend {
    /// The legend of these texts.
    pub fn new<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let label = Label::new(WORDS);
        let room = WIDTH - 2.0 * MARGIN;
        let (mut x, mut y) = (0.0, 0.0);
        let mut places = Vec::new();
        for text in texts {
            let text = label.fit(text, room - INDENT);
            let width = INDENT + label.width(&text);
            if x > 0.0 && x + width > room {
                (x, y) = (0.0, y + ROW);
            }
            places.push((text, (x, y)));
            x += width + 22.0;
        }
        Self(places)
    }

    /// Its height in CSS pixels.
    pub fn height(&self) -> f64 {
        let rows = self.0.last().map_or(0.0, |(_, (_, y))| y / ROW + 1.0);
        rows * ROW + 8.0
    }

    /// Draws it; `swatch` draws an entry's line, given its number and its left end.
    pub fn draw<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        mut swatch: impl FnMut(usize, Pixel) -> anyhow::Result<()>,
    ) -> anyhow::Result<()>
    where
        DB::ErrorType: 'static,
    {
        for (index, (text, (x, y))) in self.0.iter().enumerate() {
            let at = (x + MARGIN, y + MARGIN + ROW / 2.0);
            swatch(index, at)?;
            canvas.text(text, (at.0 + INDENT, at.1), Label::new(WORDS))?;
        }
        Ok(())
    }
}
