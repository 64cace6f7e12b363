//! Drawing in CSS pixels on whatever plotters draws on.

use super::{
    font::FAMILY,
    style::{Marker, Style},
};
use plotters::{
    coord::Shift,
    prelude::{
        Circle, Color, DrawingArea, DrawingBackend, FontTransform, IntoFont, IntoTextStyle, PathElement,
        Polygon, RGBColor, Rectangle, Text, WHITE,
    },
    style::{
        FontStyle, ShapeStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

/// Text in a figure.
#[derive(Clone, Copy)]
pub struct Label {
    /// Size in CSS pixels.
    pub size: f64,
    /// Whether it is bold.
    pub bold: bool,
    /// Where it stands on its point, from left to right.
    pub horizontal: HPos,
    /// Where it stands on its point, from top to bottom.
    pub vertical: VPos,
    /// Whether it reads from bottom to top.
    pub upwards: bool,
    /// Its colour.
    pub color: RGBColor,
}

/// plotters' size of a font whose em is 1, in a bitmap: it takes the size as the distance from the font's
/// ascent to its descent, which is 1.164 em in `DejaVu` Sans.
const BITMAP_EM: f64 = 1.164;
/// plotters' size of a font whose em is 1, in an SVG file.
const SVG_EM: f64 = 1.24;

/// What a canvas becomes. plotters sizes and places text differently in the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// Lines and text.
    Svg,
    /// Pixels.
    Bitmap,
}

impl Medium {
    /// How much lower than plotters puts it text must stand, in em, so that figures and small letters are
    /// centred alike: the baseline 0.31 em below the centre.
    fn drop(self) -> f64 {
        match self {
            Self::Svg => 0.04,
            Self::Bitmap => 0.20,
        }
    }
}

/// Dark grey: words.
pub const INK: RGBColor = RGBColor(0x26, 0x26, 0x26);
/// Mid grey: axes and notes.
pub const QUIET: RGBColor = RGBColor(0x6b, 0x6b, 0x6b);
/// Light grey: the grid.
pub const FAINT: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);

impl Label {
    /// Words of this size, left-aligned on their point, centred from top to bottom.
    pub fn new(size: f64) -> Self {
        Self { size, bold: false, horizontal: HPos::Left, vertical: VPos::Center, upwards: false, color: INK }
    }

    /// The same, standing otherwise on its point.
    pub fn at(self, horizontal: HPos, vertical: VPos) -> Self {
        Self { horizontal, vertical, ..self }
    }

    /// Width of a text in CSS pixels.
    pub fn width(self, text: &str) -> f64 {
        let style = if self.bold { FontStyle::Bold } else { FontStyle::Normal };
        // Measured large: plotters rounds to whole pixels.
        let font = (FAMILY, self.size * 8.0 * BITMAP_EM, style).into_font();
        font.box_size(text).map_or(0.0, |(width, _)| f64::from(width) / 8.0)
    }

    /// The text, or as much of it as fits into a width, with an ellipsis.
    pub fn fit(self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let letters: Vec<char> = text.chars().collect();
        let shortened = |length: usize| letters[..length].iter().collect::<String>() + "…";
        let length = (0..letters.len()).rev().find(|length| self.width(&shortened(*length)) <= width);
        shortened(length.unwrap_or(0))
    }
}

/// A drawing area measured in CSS pixels.
pub struct Canvas<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    scale: f64,
    medium: Medium,
}

/// A point in CSS pixels from the top left.
pub type Pixel = (f64, f64);

impl<'a, DB: DrawingBackend> Canvas<'a, DB>
where
    DB::ErrorType: 'static,
{
    /// A canvas with so many device pixels to a CSS pixel.
    pub fn new(area: &'a DrawingArea<DB, Shift>, scale: f64, medium: Medium) -> Self {
        Self { area, scale, medium }
    }

    fn device(&self, (x, y): Pixel) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn stroke(&self, color: impl Color, width: f64) -> ShapeStyle {
        color.stroke_width((width * self.scale).round().max(1.0) as u32)
    }

    fn element<E>(&self, element: &E) -> anyhow::Result<()>
    where
        for<'b> &'b E: plotters::element::PointCollection<'b, (i32, i32)>,
        E: plotters::element::Drawable<DB>,
    {
        self.area.draw(element).map_err(|error| anyhow::anyhow!("cannot draw a figure: {error}"))
    }

    /// A line through points.
    pub fn line(&self, points: &[Pixel], color: RGBColor, width: f64) -> anyhow::Result<()> {
        let points: Vec<(i32, i32)> = points.iter().map(|point| self.device(*point)).collect();
        self.element(&PathElement::new(points, self.stroke(color, width)))
    }

    /// A line of dashes; solid where there is no pattern.
    pub fn dashed(&self, points: &[Pixel], dash: &[u32], color: RGBColor, width: f64) -> anyhow::Result<()> {
        if dash.is_empty() {
            return self.line(points, color, width);
        }
        dashes(points, dash).iter().try_for_each(|piece| self.line(piece, color, width))
    }

    /// A filled area.
    pub fn area(&self, points: &[Pixel], color: RGBColor, opacity: f64) -> anyhow::Result<()> {
        let points: Vec<(i32, i32)> = points.iter().map(|point| self.device(*point)).collect();
        self.element(&Polygon::new(points, color.mix(opacity)))
    }

    /// A filled rectangle between two corners.
    pub fn rectangle(&self, from: Pixel, to: Pixel, color: RGBColor) -> anyhow::Result<()> {
        self.element(&Rectangle::new([self.device(from), self.device(to)], color.filled()))
    }

    /// A marker in a line's style.
    pub fn marker(&self, (x, y): Pixel, style: Style) -> anyhow::Result<()> {
        let color = color(style);
        let around =
            |offsets: &[(f64, f64)]| offsets.iter().map(|(dx, dy)| (x + dx, y + dy)).collect::<Vec<_>>();
        match style.marker {
            Marker::Circle => {
                let radius = (3.0 * self.scale).round() as i32;
                self.element(&Circle::new(self.device((x, y)), radius, color.filled()))
            }
            Marker::Square => self.rectangle((x - 2.75, y - 2.75), (x + 2.75, y + 2.75), color),
            Marker::Up => self.area(&around(&[(0.0, -4.0), (3.7, 2.8), (-3.7, 2.8)]), color, 1.0),
            Marker::Down => self.area(&around(&[(0.0, 4.0), (3.7, -2.8), (-3.7, -2.8)]), color, 1.0),
            Marker::Diamond => {
                self.area(&around(&[(0.0, -4.0), (4.0, 0.0), (0.0, 4.0), (-4.0, 0.0)]), color, 1.0)
            }
        }
    }

    /// A cross: here a line ends, since a run diverged.
    pub fn cross(&self, (x, y): Pixel, style: Style) -> anyhow::Result<()> {
        // On white, so that it stands out from lines of its own colour.
        for (reach, color, width) in [(6.5, WHITE, 6.0), (5.5, color(style), 2.5)] {
            self.line(&[(x - reach, y - reach), (x + reach, y + reach)], color, width)?;
            self.line(&[(x - reach, y + reach), (x + reach, y - reach)], color, width)?;
        }
        Ok(())
    }

    /// Words.
    pub fn text(&self, text: &str, at: Pixel, label: Label) -> anyhow::Result<()> {
        let em = match self.medium {
            Medium::Svg => SVG_EM,
            Medium::Bitmap => BITMAP_EM,
        };
        let weight = if label.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = (FAMILY, label.size * self.scale * em, weight).into_font();
        let font = if label.upwards { font.transform(FontTransform::Rotate270) } else { font };
        let style = font
            .into_text_style(self.area)
            .color(&label.color)
            .pos(Pos::new(label.horizontal, label.vertical));
        let drop = label.size * self.medium.drop();
        let at = if label.upwards { (at.0 + drop, at.1) } else { (at.0, at.1 + drop) };
        self.element(&Text::new(text.to_owned(), self.device(at), style))
    }
}

/// The colour of a line's style.
pub fn color(style: Style) -> RGBColor {
    RGBColor(style.color.0, style.color.1, style.color.2)
}

/// The dashes of a line through points.
fn dashes(points: &[Pixel], pattern: &[u32]) -> Vec<Vec<Pixel>> {
    let mut pieces = Vec::new();
    let mut piece: Vec<Pixel> = points.first().copied().into_iter().collect();
    let (mut index, mut left) = (0, f64::from(pattern[0]));
    for pair in points.windows(2) {
        let ((mut x, mut y), (to_x, to_y)) = (pair[0], pair[1]);
        let mut length = (to_x - x).hypot(to_y - y);
        while length > left {
            let share = left / length;
            (x, y) = (x + (to_x - x) * share, y + (to_y - y) * share);
            length -= left;
            if index % 2 == 0 {
                piece.push((x, y));
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![(x, y)];
            }
            index += 1;
            left = f64::from(pattern[index % pattern.len()]);
        }
        left -= length;
        if index % 2 == 0 {
            piece.push((to_x, to_y));
        }
    }
    if piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_round_corners_and_keep_their_length() {
        let pieces = dashes(&[(0.0, 0.0), (5.0, 0.0), (5.0, 5.0)], &[6, 2]);
        assert_eq!(pieces, [vec![(0.0, 0.0), (5.0, 0.0), (5.0, 1.0)], vec![(5.0, 3.0), (5.0, 5.0)]]);
    }
}
