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
const LINE: f64 = 17.0;

/// A name on one line, or where it does not fit on two: the first as long as it can be.
fn lines(name: &str, fits: impl Fn(&str) -> bool) -> Vec<&str> {
    let ends = name.char_indices().filter(|(_, c)| matches!(c, '-' | '_' | '[' | ' '));
    let ends = ends.map(|(at, c)| if c == '[' { at } else { at + c.len_utf8() });
    match ends.filter(|end| *end > 0 && fits(&name[..*end])).last() {
        Some(end) if !fits(name) => vec![&name[..end], &name[end..]],
        _ => vec![name],
    }
}

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
        let lines = lines(&sheet.dataset, |line| name.fit(line, NAME - 8.0) == line);
        for (line, text) in lines.iter().enumerate() {
            let middle = top + side / 2.0 + LINE * (line as f64 - (lines.len() - 1) as f64 / 2.0);
            canvas.text(&name.fit(text, NAME - 8.0), (MARGIN, middle), name)?;
        }
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

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn a_name_that_is_too_long_goes_on_two_lines() {
        let fits = |line: &str| line.len() <= 12;
        assert_eq!(lines("mnist", fits), ["mnist"]);
        assert_eq!(lines("imagenette-128", fits), ["imagenette-", "128"]);
        assert_eq!(lines("cifar10[subset.train=100]", fits), ["cifar10", "[subset.train=100]"]);
        assert_eq!(lines("onelongwordalone", fits), ["onelongwordalone"]);
    }
}
