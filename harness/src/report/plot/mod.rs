//! Figures: what they show is plain data ([`Figure`]), made by the sections; how it is drawn, as SVG and as
//! PNG alike, is here and nowhere else.

mod axis;
mod canvas;
mod facets;
mod font;
mod legend;
mod samples;
mod style;
mod traces;

pub use axis::{Axis, Ticks};
pub use facets::{Facets, Line, Panel, Point};
pub use style::{Style, Styles};
pub use traces::{Curve, Look, Recording, Row, Traces, Train};

use super::samples::SampleSheet;
use anyhow::Context as _;
use canvas::{Canvas, Medium};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use plotters::prelude::{BitMapBackend, DrawingBackend, IntoDrawingArea, SVGBackend, WHITE};
use std::path::Path;

/// Width of every figure in CSS pixels: what a git host gives a README.
pub const WIDTH: f64 = 900.0;
/// White around every figure, in CSS pixels.
const MARGIN: f64 = 10.0;
/// Device pixels to a CSS pixel in a PNG.
const PNG_SCALE: f64 = 2.0;
/// Coordinates to a CSS pixel in an SVG. plotters rounds coordinates to whole numbers; finer units keep curves smooth.
const SVG_SCALE: f64 = 8.0;

/// A figure and the name of its files, without suffix.
#[derive(Debug, Clone)]
pub struct Figure {
    /// E.g. `learning-curves-mnist`.
    pub name: String,
    /// What it says to a reader who cannot see it.
    pub description: String,
    /// What it shows.
    pub content: Content,
}

/// What a figure shows.
#[derive(Debug, Clone)]
pub enum Content {
    /// Panels of curves.
    Facets(Facets),
    /// Rows of images.
    Samples(Vec<SampleSheet>),
    /// Potentials over time.
    Traces(Traces),
}

impl Figure {
    /// The markdown that shows it.
    pub fn markdown(&self) -> String {
        let suffix = if self.is_raster() { "png" } else { "svg" };
        format!("![{}]({}.{suffix})\n\n", self.description.replace(['[', ']'], ""), self.name)
    }

    /// Images are pixels in any format: as SVG they would only be larger.
    fn is_raster(&self) -> bool {
        matches!(self.content, Content::Samples(_))
    }

    fn height(&self) -> f64 {
        match &self.content {
            Content::Facets(facets) => facets.height(),
            Content::Samples(sheets) => samples::height(sheets),
            Content::Traces(traces) => traces.height(),
        }
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> anyhow::Result<()>
    where
        DB::ErrorType: 'static,
    {
        match &self.content {
            Content::Facets(facets) => facets.draw(canvas),
            Content::Samples(sheets) => samples::draw(sheets, canvas),
            Content::Traces(traces) => traces.draw(canvas),
        }
    }

    fn pixels(&self, scale: f64) -> (u32, u32) {
        ((WIDTH * scale).round() as u32, (self.height() * scale).round() as u32)
    }

    /// The figure as SVG.
    pub fn svg(&self) -> anyhow::Result<String> {
        font::register()?;
        let (width, height) = self.pixels(SVG_SCALE);
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
            self.draw(&Canvas::new(&area, SVG_SCALE, Medium::Svg))?;
            area.present().map_err(|error| anyhow::anyhow!("{error}"))?;
        }
        let fine = format!("<svg width=\"{width}\" height=\"{height}\"");
        let (width, height) = self.pixels(1.0);
        Ok(text.replacen(&fine, &format!("<svg width=\"{width}\" height=\"{height}\""), 1))
    }

    /// The figure as PNG.
    pub fn png(&self) -> anyhow::Result<Vec<u8>> {
        font::register()?;
        let (width, height) = self.pixels(PNG_SCALE);
        let mut pixels = vec![0; width as usize * height as usize * 3];
        {
            let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
            area.fill(&WHITE).map_err(|error| anyhow::anyhow!("{error}"))?;
            self.draw(&Canvas::new(&area, PNG_SCALE, Medium::Bitmap))?;
            area.present().map_err(|error| anyhow::anyhow!("{error}"))?;
        }
        let mut png = Vec::new();
        // Half the size of the default's; drawing takes longer than packing.
        let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive);
        image::ImageEncoder::write_image(encoder, &pixels, width, height, image::ExtendedColorType::Rgb8)?;
        Ok(png)
    }

    /// Writes `<name>.svg` and, if asked for, `<name>.png` into a folder; images as PNG alone. Returns the names.
    pub fn write(&self, folder: &Path, png: bool) -> anyhow::Result<Vec<String>> {
        let mut names = Vec::new();
        let mut put = |suffix: &str, bytes: &[u8]| {
            let name = format!("{}.{suffix}", self.name);
            let path = folder.join(&name);
            names.push(name);
            std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
        };
        if !self.is_raster() {
            put("svg", self.svg()?.as_bytes())?;
        }
        if png || self.is_raster() {
            put("png", &self.png()?)?;
        }
        Ok(names)
    }
}
