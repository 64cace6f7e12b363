//! Panels of curves under one legend, which stands above them and so never covers data.

use super::{
    MARGIN, Style, WIDTH,
    axis::Axis,
    canvas::{Canvas, FAINT, Label, Pixel, QUIET, color},
    legend::{Legend, SWATCH},
};
use plotters::{
    prelude::DrawingBackend,
    style::text_anchor::{HPos, VPos},
};

/// Panels in rows, read from left to right.
#[derive(Debug, Clone)]
pub struct Facets {
    /// Panels in a full row.
    pub columns: usize,
    /// Height of a panel with its title and axis, in CSS pixels.
    pub panel_height: f64,
    /// Whether the panels of a row share their y range, so that they can be compared.
    pub share_rows: bool,
    /// What each style stands for.
    pub legend: Vec<(String, Style)>,
    /// The panels, row by row; a row may have fewer than others.
    pub rows: Vec<Vec<Panel>>,
}

/// A panel.
#[derive(Debug, Clone)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// Its curves; the first are drawn on top.
    pub lines: Vec<Line>,
    /// A dashed horizontal line with its meaning, e.g. at 90°.
    pub reference: Option<f64>,
    /// What it says where there is no curve.
    pub empty: String,
}

/// A curve with a band.
#[derive(Debug, Clone)]
pub struct Line {
    /// How it looks.
    pub style: Style,
    /// Its points, from left to right.
    pub points: Vec<Point>,
    /// Whether it ends since a run diverged there.
    pub diverged: bool,
}

/// A point of a curve, with the ends of the band there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Where.
    pub x: f64,
    /// The curve.
    pub y: f64,
    /// Lower end of the band.
    pub low: f64,
    /// Upper end of the band.
    pub high: f64,
}

const TITLE: f64 = 24.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 44.0;
const WORDS: f64 = 13.0;
const SMALL: f64 = 12.0;
/// Curves with more points than this carry a marker on some of them only.
const MARKED_POINTS: usize = 12;

impl Facets {
    /// Height of the figure in CSS pixels.
    pub fn height(&self) -> f64 {
        self.legend().height() + self.rows.len() as f64 * self.panel_height + 2.0 * MARGIN
    }

    fn legend(&self) -> Legend {
        Legend::new(self.legend.iter().map(|(text, _)| text.as_str()))
    }

    /// Draws it from the top left of a canvas.
    pub fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> anyhow::Result<()>
    where
        DB::ErrorType: 'static,
    {
        let legend = self.legend();
        legend.draw(canvas, |index, (x, y)| {
            let (_, style) = self.legend[index];
            canvas.dashed(&[(x, y), (x + SWATCH, y)], style.dash, color(style), 2.0)?;
            canvas.marker((x + SWATCH / 2.0, y), style)
        })?;
        let columns = self.columns.max(1);
        let width = (WIDTH - 2.0 * MARGIN) / columns as f64;
        for (row_index, row) in self.rows.iter().enumerate() {
            let shared = self.share_rows.then(|| {
                let values = row.iter().flat_map(Panel::y_values);
                row.first().map_or((0.0, 1.0), |panel| panel.y.extent(values))
            });
            for (column, panel) in row.iter().enumerate() {
                let left = MARGIN + column as f64 * width;
                let top = MARGIN + legend.height() + row_index as f64 * self.panel_height;
                let frame = Frame {
                    left: left + LEFT,
                    right: left + width - RIGHT,
                    top: top + TITLE,
                    bottom: top + self.panel_height - BOTTOM,
                };
                panel.draw(canvas, frame, shared)?;
            }
        }
        Ok(())
    }
}

/// Where a panel's curves go, in CSS pixels.
#[derive(Debug, Clone, Copy)]
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Panel {
    fn y_values(&self) -> impl Iterator<Item = f64> + '_ {
        let points = self.lines.iter().flat_map(|line| &line.points);
        points.flat_map(|point| [point.low, point.y, point.high]).chain(self.reference)
    }

    fn draw<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        frame: Frame,
        y_range: Option<(f64, f64)>,
    ) -> anyhow::Result<()>
    where
        DB::ErrorType: 'static,
    {
        let title = Label { bold: true, ..Label::new(WORDS) }.at(HPos::Left, VPos::Center);
        let room = frame.right - frame.left + RIGHT;
        canvas.text(&title.fit(&self.title, room), (frame.left, frame.top - TITLE / 2.0), title)?;
        let x_values = self.lines.iter().flat_map(|line| &line.points).map(|point| point.x);
        let x_range = self.x.extent(x_values);
        let y_range = y_range.unwrap_or_else(|| self.y.extent(self.y_values()));
        let place = Place { panel: self, frame, x_range, y_range };
        self.draw_axes(canvas, &place)?;
        if let Some(reference) = self.reference {
            let ends = [(frame.left, place.y(reference)), (frame.right, place.y(reference))];
            canvas.dashed(&ends, &[5, 4], QUIET, 1.25)?;
        }
        if self.lines.iter().all(|line| line.points.is_empty()) {
            let middle = (f64::midpoint(frame.left, frame.right), f64::midpoint(frame.top, frame.bottom));
            let label = Label { color: QUIET, ..Label::new(SMALL) }.at(HPos::Center, VPos::Center);
            canvas.text(&label.fit(&self.empty, frame.right - frame.left - 8.0), middle, label)?;
        }
        for line in self.lines.iter().rev() {
            self.draw_band(canvas, &place, line)?;
        }
        for line in self.lines.iter().rev() {
            self.draw_line(canvas, &place, line)?;
        }
        for line in self.lines.iter().filter(|line| line.diverged) {
            if let Some(end) = line.points.iter().rfind(|point| self.y.admits(point.y)) {
                let y = place.y(end.y).clamp(frame.top, frame.bottom);
                canvas.cross((place.x(end.x), y), line.style)?;
            }
        }
        Ok(())
    }

    fn draw_axes<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>, place: &Place<'_>) -> anyhow::Result<()>
    where
        DB::ErrorType: 'static,
    {
        let frame = place.frame;
        // Without a curve there is nothing to read off.
        let empty = self.lines.iter().all(|line| line.points.is_empty());
        let marks =
            |axis: &Axis, range, most: usize| if empty { Vec::new() } else { axis.marks(range, most) };
        let tick = Label { color: QUIET, ..Label::new(SMALL) };
        let rows = ((frame.bottom - frame.top) / 32.0) as usize;
        for (value, text) in marks(&self.y, place.y_range, rows.clamp(2, 6)) {
            let y = place.y(value);
            canvas.line(&[(frame.left, y), (frame.right, y)], FAINT, 1.0)?;
            canvas.text(&text, (frame.left - 6.0, y), tick.at(HPos::Right, VPos::Center))?;
        }
        let columns = ((frame.right - frame.left) / 50.0) as usize;
        for (value, text) in marks(&self.x, place.x_range, columns.clamp(2, 8)) {
            let x = place.x(value);
            canvas.line(&[(x, frame.bottom), (x, frame.bottom + 4.0)], QUIET, 1.0)?;
            canvas.text(&text, (x, frame.bottom + 13.0), tick.at(HPos::Center, VPos::Center))?;
        }
        canvas.line(
            &[(frame.left, frame.top), (frame.left, frame.bottom), (frame.right, frame.bottom)],
            QUIET,
            1.0,
        )?;
        let words = Label::new(SMALL).at(HPos::Center, VPos::Center);
        let middle = f64::midpoint(frame.left, frame.right);
        let x_label = words.fit(&self.x.label, frame.right - frame.left + RIGHT);
        canvas.text(&x_label, (middle, frame.bottom + 31.0), words)?;
        let y_label = words.fit(&self.y.label, frame.bottom - frame.top + TITLE);
        let beside = (frame.left - LEFT + 9.0, f64::midpoint(frame.top, frame.bottom));
        canvas.text(&y_label, beside, Label { upwards: true, ..words })
    }

    fn draw_band<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        place: &Place<'_>,
        line: &Line,
    ) -> anyhow::Result<()>
    where
        DB::ErrorType: 'static,
    {
        let points: Vec<&Point> = line
            .points
            .iter()
            .filter(|point| self.y.admits(point.low) && self.y.admits(point.high))
            .collect();
        if points.len() < 2 || points.iter().all(|point| point.low >= point.high) {
            return Ok(());
        }
        let upper = points.iter().map(|point| (place.x(point.x), place.y(point.high)));
        let lower = points.iter().rev().map(|point| (place.x(point.x), place.y(point.low)));
        let whole: Vec<Pixel> = upper.chain(lower).collect();
        let below_top = clip(&whole, |(_, y)| y - place.frame.top);
        let shown = clip(&below_top, |(_, y)| place.frame.bottom - y);
        if shown.len() > 2 { canvas.area(&shown, color(line.style), 0.16) } else { Ok(()) }
    }

    fn draw_line<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        place: &Place<'_>,
        line: &Line,
    ) -> anyhow::Result<()>
    where
        DB::ErrorType: 'static,
    {
        let points: Vec<Pixel> = line
            .points
            .iter()
            .filter(|point| self.y.admits(point.y))
            .map(|point| (place.x(point.x), place.y(point.y)))
            .collect();
        for piece in place.inside(&points) {
            canvas.dashed(&piece, line.style.dash, color(line.style), 1.75)?;
        }
        let every = points.len().div_ceil(MARKED_POINTS).max(1);
        for (x, y) in points.iter().step_by(every).filter(|point| place.holds(**point)) {
            canvas.marker((*x, *y), line.style)?;
        }
        Ok(())
    }
}

/// A panel's values as places in its frame.
struct Place<'p> {
    panel: &'p Panel,
    frame: Frame,
    x_range: (f64, f64),
    y_range: (f64, f64),
}

impl Place<'_> {
    fn x(&self, value: f64) -> f64 {
        let share = share(&self.panel.x, self.x_range, value);
        self.frame.left + share * (self.frame.right - self.frame.left)
    }

    fn y(&self, value: f64) -> f64 {
        let share = share(&self.panel.y, self.y_range, value);
        self.frame.bottom - share * (self.frame.bottom - self.frame.top)
    }

    fn holds(&self, (_, y): Pixel) -> bool {
        (self.frame.top - 0.5..=self.frame.bottom + 0.5).contains(&y)
    }

    /// The parts of a line between the top and the bottom of the frame.
    fn inside(&self, points: &[Pixel]) -> Vec<Vec<Pixel>> {
        let (top, bottom) = (self.frame.top, self.frame.bottom);
        let mut pieces: Vec<Vec<Pixel>> = Vec::new();
        let mut open = false;
        for pair in points.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            // Shares of the way at which the segment crosses the frame's edges.
            let cross = |edge: f64| ((edge - from.1) / (to.1 - from.1)).clamp(0.0, 1.0);
            let within = |y: f64| (top..=bottom).contains(&y);
            let (start, end) = match (within(from.1), within(to.1)) {
                (true, true) => (0.0, 1.0),
                (true, false) => (0.0, cross(if to.1 < top { top } else { bottom })),
                (false, true) => (cross(if from.1 < top { top } else { bottom }), 1.0),
                (false, false) if (from.1 < top) == (to.1 < top) => {
                    open = false;
                    continue;
                }
                (false, false) => {
                    let (a, b) = (cross(top), cross(bottom));
                    (a.min(b), a.max(b))
                }
            };
            let at = |share: f64| (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
            match pieces.last_mut() {
                Some(piece) if open && start <= 0.0 => piece.push(at(end)),
                _ => pieces.push(vec![at(start), at(end)]),
            }
            open = end >= 1.0;
        }
        pieces
    }
}

/// The part of a polygon where `inside` is not negative (Sutherland and Hodgman 1974).
fn clip(polygon: &[Pixel], inside: impl Fn(Pixel) -> f64) -> Vec<Pixel> {
    let mut kept = Vec::new();
    for (index, to) in polygon.iter().enumerate() {
        let from = polygon[(index + polygon.len() - 1) % polygon.len()];
        let (before, after) = (inside(from), inside(*to));
        if (before < 0.0) != (after < 0.0) {
            let share = before / (before - after);
            kept.push((from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share));
        }
        if after >= 0.0 {
            kept.push(*to);
        }
    }
    kept
}

fn share(axis: &Axis, (low, high): (f64, f64), value: f64) -> f64 {
    (axis.transform(value) - axis.transform(low)) / (axis.transform(high) - axis.transform(low))
}

#[cfg(test)]
mod tests {
    use super::clip;

    #[test]
    fn a_band_that_leaves_the_frame_is_cut_at_its_edge() {
        let square = [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)];
        assert_eq!(clip(&square, |(_, y)| 1.0 - y), [(0.0, 1.0), (0.0, 0.0), (2.0, 0.0), (2.0, 1.0)]);
        assert_eq!(clip(&square, |(_, y)| -1.0 - y), []);
        assert_eq!(clip(&[], |(_, y)| y), []);
    }
}
