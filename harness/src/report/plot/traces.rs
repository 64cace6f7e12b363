//! Potentials over time, as of an electrophysiologist's recording: recordings side by side, a row per neuron, spikes
//! as ticks above, phases by name and shade.

use super::{
    MARGIN, WIDTH,
    axis::Axis,
    canvas::{Canvas, FAINT, INK, Label, Pixel, QUIET},
    legend::{Legend, SWATCH},
};
use plotters::{
    prelude::DrawingBackend,
    style::{
        RGBColor,
        text_anchor::{HPos, VPos},
    },
};

/// Recordings of the same neurons.
#[derive(Debug, Clone)]
pub struct Traces {
    /// What curves are of, and how they look.
    pub legend: Vec<(String, Look)>,
    /// From left to right.
    pub recordings: Vec<Recording>,
    /// From top to bottom.
    pub rows: Vec<Row>,
}

/// How a curve looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Red, green, blue.
    pub color: (u8, u8, u8),
    /// Lengths of dashes and gaps in turn, in pixels; empty for a solid line.
    pub dash: &'static [u32],
    /// In CSS pixels.
    pub width: f64,
}

/// A recording.
#[derive(Debug, Clone)]
pub struct Recording {
    /// When it was made.
    pub title: String,
    /// Names of its phases and when each ends, in ms.
    pub phases: Vec<(String, f64)>,
}

/// A neuron.
#[derive(Debug, Clone)]
pub struct Row {
    /// Which it is.
    pub title: String,
    /// Its potentials in each recording.
    pub curves: Vec<Vec<Curve>>,
    /// Spikes in each recording, a train each, those of this neuron first; empty where nothing can fire.
    pub trains: Vec<Vec<Train>>,
}

/// A potential over time; the last curve is drawn on top.
#[derive(Debug, Clone)]
pub struct Curve {
    /// How it looks.
    pub look: Look,
    /// Times in ms and potentials.
    pub points: Vec<(f64, f64)>,
}

/// When a neuron fired.
#[derive(Debug, Clone)]
pub struct Train {
    /// Whether it is the neuron of the curves.
    pub own: bool,
    /// In ms.
    pub times: Vec<f64>,
}

/// More points than this across a panel cannot be told apart.
const POINTS: usize = 700;

const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
/// Title of a recording and the names of its phases.
const HEAD: f64 = 44.0;
const TITLE: f64 = 24.0;
const CURVES: f64 = 118.0;
/// Height of a row of spikes.
const TRAIN: f64 = 8.0;
/// Tick labels below a row.
const TICKS: f64 = 22.0;
const FOOT: f64 = 22.0;
const WORDS: f64 = 13.0;
const SMALL: f64 = 12.0;
/// The ground of every second phase.
const SHADE: RGBColor = RGBColor(0xf3, 0xf3, 0xf3);

impl Row {
    fn spikes_height(&self) -> f64 {
        let most = self.trains.iter().map(Vec::len).max().unwrap_or(0);
        if most == 0 { 0.0 } else { most as f64 * TRAIN + 6.0 }
    }

    fn height(&self) -> f64 {
        TITLE + self.spikes_height() + CURVES + TICKS
    }
}

/// Where a panel's curves and spikes go, in CSS pixels, and how long the recording is.
#[derive(Debug, Clone, Copy)]
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    /// The upper end of the curves; spikes are above.
    curves: f64,
    bottom: f64,
    duration: f64,
}

impl Frame {
    fn x(&self, time: f64) -> f64 {
        let share = if self.duration > 0.0 { (time / self.duration).clamp(0.0, 1.0) } else { 0.0 };
        self.left + share * (self.right - self.left)
    }
}

impl Traces {
    fn legend(&self) -> Legend {
        Legend::new(self.legend.iter().map(|(text, _)| text.as_str()))
    }

    /// Height of the figure in CSS pixels.
    pub fn height(&self) -> f64 {
        self.legend().height() + HEAD + self.rows.iter().map(Row::height).sum::<f64>() + FOOT + 2.0 * MARGIN
    }

    /// Draws it from the top left of a canvas.
    pub fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> anyhow::Result<()>
    where
        DB::ErrorType: 'static,
    {
        let legend = self.legend();
        legend.draw(canvas, |index, (x, y)| {
            let look = self.legend[index].1;
            canvas.dashed(&[(x, y), (x + SWATCH, y)], look.dash, look.rgb(), look.width + 0.4)
        })?;
        let width = (WIDTH - 2.0 * MARGIN) / self.recordings.len().max(1) as f64;
        let mut top = MARGIN + legend.height();
        let place = |column: usize, top: f64, spikes: f64| Frame {
            left: MARGIN + column as f64 * width + LEFT,
            right: MARGIN + (column + 1) as f64 * width - RIGHT,
            top,
            curves: top + spikes,
            bottom: top + spikes + CURVES,
            duration: self.recordings[column].phases.last().map_or(0.0, |(_, end)| *end),
        };
        for (column, recording) in self.recordings.iter().enumerate() {
            recording.draw_head(canvas, place(column, top, 0.0))?;
        }
        top += HEAD;
        for (index, row) in self.rows.iter().enumerate() {
            let values = row.curves.iter().flatten().flat_map(|curve| &curve.points).map(|(_, value)| *value);
            let y = Axis::linear("potential");
            let range = y.extent(values);
            for (column, recording) in self.recordings.iter().enumerate() {
                let frame = place(column, top + TITLE, row.spikes_height());
                recording.draw_phases(canvas, frame)?;
                if column == 0 {
                    let title = Label { bold: true, ..Label::new(WORDS) };
                    let room = WIDTH - MARGIN - frame.left;
                    canvas.text(&title.fit(&row.title, room), (frame.left, top + TITLE / 2.0), title)?;
                }
                draw_axes(canvas, frame, (&y, range))?;
                draw_spikes(canvas, frame, row.trains.get(column).map_or(&[], Vec::as_slice))?;
                for curve in row.curves.get(column).into_iter().flatten() {
                    curve.draw(canvas, frame, range)?;
                }
                if index + 1 == self.rows.len() {
                    let words = Label::new(SMALL).at(HPos::Center, VPos::Center);
                    let middle = f64::midpoint(frame.left, frame.right);
                    canvas.text("time (ms)", (middle, frame.bottom + TICKS + FOOT / 2.0 - 2.0), words)?;
                }
            }
            top += row.height();
        }
        Ok(())
    }
}

impl Look {
    fn rgb(self) -> RGBColor {
        RGBColor(self.color.0, self.color.1, self.color.2)
    }
}

impl Recording {
    /// When each phase begins and ends.
    fn spans(&self) -> impl Iterator<Item = (&str, f64, f64)> {
        let starts = std::iter::once(0.0).chain(self.phases.iter().map(|(_, end)| *end));
        self.phases.iter().zip(starts).map(|((name, end), start)| (name.as_str(), start, *end))
    }

    fn draw_head<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>, frame: Frame) -> anyhow::Result<()>
    where
        DB::ErrorType: 'static,
    {
        let title = Label { bold: true, ..Label::new(WORDS) }.at(HPos::Center, VPos::Center);
        let room = frame.right - frame.left;
        let middle = f64::midpoint(frame.left, frame.right);
        canvas.text(&title.fit(&self.title, room), (middle, frame.top + 11.0), title)?;
        let label = Label { color: QUIET, ..Label::new(SMALL) }.at(HPos::Center, VPos::Center);
        for (name, start, end) in self.spans() {
            let (from, to) = (frame.x(start), frame.x(end));
            canvas.text(
                &label.fit(name, to - from - 6.0),
                (f64::midpoint(from, to), frame.top + 33.0),
                label,
            )?;
            canvas.line(&[(from + 2.0, frame.top + 42.0), (to - 2.0, frame.top + 42.0)], QUIET, 1.0)?;
        }
        Ok(())
    }

    fn draw_phases<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>, frame: Frame) -> anyhow::Result<()>
    where
        DB::ErrorType: 'static,
    {
        for (index, (_, start, end)) in self.spans().enumerate() {
            if index % 2 == 1 {
                canvas.rectangle((frame.x(start), frame.top), (frame.x(end), frame.bottom), SHADE)?;
            }
            if index > 0 {
                let x = frame.x(start);
                canvas.line(&[(x, frame.top), (x, frame.bottom)], QUIET, 1.0)?;
            }
        }
        Ok(())
    }
}

fn draw_axes<DB: DrawingBackend>(
    canvas: &Canvas<'_, DB>,
    frame: Frame,
    (y, range): (&Axis, (f64, f64)),
) -> anyhow::Result<()>
where
    DB::ErrorType: 'static,
{
    let tick = Label { color: QUIET, ..Label::new(SMALL) };
    for (value, text) in y.marks(range, 4) {
        let at = height(frame, range, value);
        let zero = value.abs() < 1e-12;
        canvas.line(&[(frame.left, at), (frame.right, at)], if zero { QUIET } else { FAINT }, 0.75)?;
        canvas.text(&text, (frame.left - 6.0, at), tick.at(HPos::Right, VPos::Center))?;
    }
    for (value, text) in Axis::linear("").marks((0.0, frame.duration), 6) {
        let x = frame.x(value);
        canvas.line(&[(x, frame.bottom), (x, frame.bottom + 4.0)], QUIET, 1.0)?;
        canvas.text(&text, (x, frame.bottom + 13.0), tick.at(HPos::Center, VPos::Center))?;
    }
    canvas.line(
        &[(frame.left, frame.top), (frame.left, frame.bottom), (frame.right, frame.bottom)],
        QUIET,
        1.0,
    )?;
    let words = Label { upwards: true, ..Label::new(SMALL) }.at(HPos::Center, VPos::Center);
    canvas.text(&y.label, (frame.left - LEFT + 9.0, f64::midpoint(frame.curves, frame.bottom)), words)
}

fn draw_spikes<DB: DrawingBackend>(
    canvas: &Canvas<'_, DB>,
    frame: Frame,
    trains: &[Train],
) -> anyhow::Result<()>
where
    DB::ErrorType: 'static,
{
    if frame.curves > frame.top {
        let label = Label { color: QUIET, ..Label::new(SMALL) }.at(HPos::Right, VPos::Center);
        canvas.text("spikes", (frame.left - 6.0, f64::midpoint(frame.top, frame.curves - 3.0)), label)?;
    }
    for (index, train) in trains.iter().enumerate() {
        let top = frame.top + 1.0 + index as f64 * TRAIN;
        let color = if train.own { INK } else { QUIET };
        for time in train.times.iter().filter(|time| (0.0..=frame.duration).contains(*time)) {
            let x = frame.x(*time);
            canvas.line(&[(x, top), (x, top + TRAIN - 2.0)], color, if train.own { 1.5 } else { 1.0 })?;
        }
    }
    Ok(())
}

impl Curve {
    fn draw<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        frame: Frame,
        range: (f64, f64),
    ) -> anyhow::Result<()>
    where
        DB::ErrorType: 'static,
    {
        // A value that is not finite breaks the line.
        for piece in self.points.split(|(_, value)| !value.is_finite()).filter(|piece| piece.len() > 1) {
            let points: Vec<Pixel> = thin(piece, POINTS)
                .into_iter()
                .map(|(time, value)| (frame.x(time), height(frame, range, value)))
                .collect();
            canvas.dashed(&points, self.look.dash, self.look.rgb(), self.look.width)?;
        }
        Ok(())
    }
}

fn height(frame: Frame, (low, high): (f64, f64), value: f64) -> f64 {
    frame.bottom - (value - low) / (high - low) * (frame.bottom - frame.curves)
}

/// At most `most` of the points: the lowest and the highest of each stretch, so that no peak is lost.
fn thin(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    if points.len() <= most {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil((most / 2).max(1));
    let ends = |part: &[(f64, f64)]| {
        let order = |left: &&(f64, f64), right: &&(f64, f64)| left.1.total_cmp(&right.1);
        let mut ends: Vec<(f64, f64)> =
            part.iter().min_by(order).into_iter().chain(part.iter().max_by(order)).copied().collect();
        ends.sort_by(|left, right| left.0.total_cmp(&right.0));
        ends.dedup();
        ends
    };
    points.chunks(stretch).flat_map(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::thin;

    #[test]
    fn thinning_a_recording_loses_no_peak() {
        let value = |index: usize| if index == 1234 { 5.0 } else { (index as f64 / 50.0).sin() };
        let points: Vec<(f64, f64)> = (0..5000).map(|index| (index as f64, value(index))).collect();
        let thinned = thin(&points, 700);
        assert!(thinned.len() <= 700 && thinned.len() > 300, "{}", thinned.len());
        assert!(thinned.contains(&(1234.0, 5.0)));
        assert!(thinned.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(thin(&points[..10], 700), points[..10]);
    }
}
