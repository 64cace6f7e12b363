//! How each algorithm looks: the same colour, dash and marker in every figure of a report.
//!
//! Colours are those of Okabe and Ito (2008) without yellow, which is too pale for a line on white, and with four of
//! Paul Tol's muted scheme, a grey, a brown and a red behind them; the first nine differ for readers with any common colour blindness. Dashes
//! and markers run in cycles of other lengths, so that no two of the first 260 algorithms look the same and
//! the figures can be read in greyscale.

use super::super::matrix::Matrix;
use std::collections::HashMap;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Red, green, blue.
    pub color: (u8, u8, u8),
    /// Lengths of dashes and gaps in turn, in pixels; empty for a solid line.
    pub dash: &'static [u32],
    /// What marks its points.
    pub marker: Marker,
}

/// What marks a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// A filled circle.
    Circle,
    /// A filled square.
    Square,
    /// A filled triangle pointing up.
    Up,
    /// A filled diamond.
    Diamond,
    /// A filled triangle pointing down.
    Down,
}

const BLACK: (u8, u8, u8) = (0x00, 0x00, 0x00);

const COLORS: [(u8, u8, u8); 13] = [
    (0x00, 0x72, 0xB2),
    (0xD5, 0x5E, 0x00),
    (0x00, 0x9E, 0x73),
    (0xCC, 0x79, 0xA7),
    (0xE6, 0x9F, 0x00),
    (0x56, 0xB4, 0xE9),
    (0x88, 0x22, 0x55),
    (0x99, 0x99, 0x33),
    (0x33, 0x22, 0x88),
    (0x77, 0x77, 0x77),
    (0x7A, 0x4A, 0x1E),
    (0xEE, 0x33, 0x77),
    (0x11, 0x77, 0x33),
];

const DASHES: [&[u32]; 4] = [&[7, 3], &[2, 3], &[8, 3, 2, 3], &[]];

const MARKERS: [Marker; 5] = [Marker::Square, Marker::Up, Marker::Diamond, Marker::Down, Marker::Circle];

/// The looks of all algorithms of a report.
#[derive(Debug, Clone)]
pub struct Styles(HashMap<String, Style>);

impl Styles {
    /// Backpropagation is black and solid; the other algorithms take their looks in the order of the plan.
    pub fn new(matrix: &Matrix<'_>) -> Self {
        let reference = |label: &str| {
            matrix.cells().iter().any(|cell| cell.cell.algorithm == label && cell.is_reference())
        };
        let mut styles = HashMap::new();
        let mut next = 0;
        let mut references = 0;
        for label in &matrix.algorithms {
            let style = if reference(label) {
                references += 1;
                Style {
                    color: BLACK,
                    dash: DASHES[(references + 2) % DASHES.len()],
                    marker: MARKERS[(references + 3) % MARKERS.len()],
                }
            } else {
                next += 1;
                nth(next - 1)
            };
            styles.insert((*label).to_owned(), style);
        }
        Self(styles)
    }

    /// The look of an algorithm.
    pub fn of(&self, algorithm: &str) -> Style {
        self.0.get(algorithm).copied().unwrap_or_else(|| nth(0))
    }
}

fn nth(index: usize) -> Style {
    Style {
        color: COLORS[index % COLORS.len()],
        dash: DASHES[index % DASHES.len()],
        marker: MARKERS[index % MARKERS.len()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_algorithms_look_alike() {
        let styles: Vec<Style> = (0..260).map(nth).collect();
        for (index, style) in styles.iter().enumerate() {
            assert!(!styles[..index].contains(style), "the looks of {index} are taken");
        }
    }
}
