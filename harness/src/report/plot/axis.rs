//! Axes: which range, where the ticks are, and what they say.

use super::super::format;

/// An axis of a panel.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Linear or logarithmic.
    pub scale: Scale,
    /// What ticks say.
    pub ticks: Ticks,
    /// The range to show; where absent, that of the data.
    pub range: (Option<f64>, Option<f64>),
}

/// How values become distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Proportional.
    Linear,
    /// By their logarithms; only positive values can be shown.
    Log,
}

/// What ticks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ticks {
    /// Any number.
    Number,
    /// Whole numbers only, e.g. epochs.
    Whole,
    /// Counts with k and M.
    Count,
    /// Angles in degrees.
    Degrees,
}

impl Axis {
    /// A linear axis over the range of the data.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), scale: Scale::Linear, ticks: Ticks::Number, range: (None, None) }
    }

    /// A logarithmic axis over the range of the data.
    pub fn log(label: impl Into<String>) -> Self {
        Self { scale: Scale::Log, ..Self::linear(label) }
    }

    /// The same with other ticks.
    #[must_use]
    pub fn ticks(self, ticks: Ticks) -> Self {
        Self { ticks, ..self }
    }

    /// The same from a fixed value on.
    #[must_use]
    pub fn from(self, low: f64) -> Self {
        Self { range: (Some(low), self.range.1), ..self }
    }

    /// The same up to a fixed value.
    #[must_use]
    pub fn to(self, high: f64) -> Self {
        Self { range: (self.range.0, Some(high)), ..self }
    }

    /// Whether a value can be shown at all.
    pub fn admits(&self, value: f64) -> bool {
        value.is_finite() && (self.scale == Scale::Linear || value > 0.0)
    }

    /// The range to show for these values, a little wider than they are where it is not fixed.
    pub fn extent(&self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let (mut low, mut high) = values
            .filter(|value| self.admits(*value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            (low, high) = if self.scale == Scale::Log { (0.1, 1.0) } else { (0.0, 1.0) };
        }
        let (least, most) = (self.transform(low), self.transform(high));
        let width = most - least;
        let room = if width > 1e-9 * most.abs().max(1e-9) {
            width * 0.05
        } else if self.scale == Scale::Log || most == 0.0 {
            0.3
        } else {
            most.abs() * 0.05
        };
        let low = self.range.0.unwrap_or_else(|| self.inverse(least - room));
        let high = self.range.1.unwrap_or_else(|| self.inverse(most + room));
        if high > low { (low, high) } else { (low, low + low.abs().max(1.0)) }
    }

    /// The value on the scale on which distances are proportional.
    pub fn transform(&self, value: f64) -> f64 {
        if self.scale == Scale::Log { value.log10() } else { value }
    }

    fn inverse(&self, value: f64) -> f64 {
        if self.scale == Scale::Log { 10f64.powf(value) } else { value }
    }

    /// Ticks within a range: values and what they say. At most `most` of them on a linear axis.
    pub fn marks(&self, (low, high): (f64, f64), most: usize) -> Vec<(f64, String)> {
        let values = match self.scale {
            Scale::Linear if self.ticks == Ticks::Degrees => {
                let steps = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 45.0, 90.0];
                let step = steps.into_iter().find(|step| (high - low) / step <= most as f64 + 0.5);
                multiples(low, high, step.unwrap_or(90.0))
            }
            Scale::Linear => {
                linear_ticks(low, high, most, if self.ticks == Ticks::Whole { 1.0 } else { 0.0 })
            }
            Scale::Log => log_ticks(low, high, most),
        };
        let step = values.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        values.into_iter().map(|value| (value, self.say(value, step))).collect()
    }

    fn say(&self, value: f64, step: f64) -> String {
        match (self.ticks, self.scale) {
            (Ticks::Count, _) => tidy_count(value),
            (Ticks::Whole | Ticks::Degrees, _) => format::decimal(value, 0),
            (Ticks::Number, Scale::Log) => log_text(value),
            (Ticks::Number, Scale::Linear) => {
                let decimals =
                    if step.is_finite() && step > 0.0 { (-step.log10().floor()).max(0.0) } else { 1.0 };
                format::decimal(value, decimals.min(6.0) as usize)
            }
        }
    }
}

fn linear_ticks(low: f64, high: f64, most: usize, least_step: f64) -> Vec<f64> {
    let rough = ((high - low) / most.max(1) as f64).max(f64::MIN_POSITIVE);
    let magnitude = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|step| *step >= rough * (1.0 - 1e-9) && *step >= least_step)
        .unwrap_or(least_step.max(10.0 * magnitude));
    multiples(low, high, step)
}

fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|index| index as f64 * step).collect()
}

fn log_ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let decades = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    let within = |factors: &[f64]| -> Vec<f64> {
        decades
            .clone()
            .flat_map(|decade| factors.iter().map(move |factor| factor * 10f64.powi(decade)))
            .filter(|value| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(value))
            .collect()
    };
    let fine = within(&[1.0, 2.0, 5.0]);
    if fine.len() <= most.max(3) + 2 {
        return if fine.len() < 2 { linear_ticks(low, high, most, 0.0) } else { fine };
    }
    let coarse = within(&[1.0]);
    let every = coarse.len().div_ceil(most.max(1)).max(1);
    if coarse.len() < 2 { fine } else { coarse.into_iter().step_by(every).collect() }
}

fn log_text(value: f64) -> String {
    if (1e-3..1e4).contains(&value) {
        let decimals = (-value.log10().floor()).max(0.0) as usize;
        let plain = format!("{value:.decimals$}");
        // A tick between decades may need a digit more.
        if plain.parse::<f64>().is_ok_and(|read| (read / value - 1.0).abs() < 1e-6) {
            return plain;
        }
        return format!("{value:.0$}", decimals + 1);
    }
    let exponent = value.log10().floor();
    let digit = value / 10f64.powf(exponent);
    let raised: String = format!("{exponent}")
        .chars()
        .map(|letter| match letter {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            digit => char::from_u32(0x2070 + digit.to_digit(10).unwrap_or(0)).unwrap_or(digit),
        })
        .collect();
    if (digit - 1.0).abs() < 1e-6 { format!("10{raised}") } else { format!("{digit:.0}·10{raised}") }
}

fn tidy_count(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => return format::count(value.max(0.0).round() as u64),
    };
    let text = format!("{scaled:.2}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(axis: &Axis, range: (f64, f64)) -> Vec<String> {
        axis.marks(range, 5).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_fall_on_round_numbers() {
        assert_eq!(said(&Axis::linear(""), (0.0, 98.3)), ["0", "20", "40", "60", "80"]);
        assert_eq!(said(&Axis::linear(""), (96.5, 98.6)), ["96.5", "97.0", "97.5", "98.0", "98.5"]);
        assert_eq!(said(&Axis::linear("").ticks(Ticks::Count), (0.0, 3e5)), ["0", "100k", "200k", "300k"]);
        assert_eq!(said(&Axis::log(""), (0.01, 0.3)), ["0.01", "0.02", "0.05", "0.1", "0.2"]);
        assert_eq!(said(&Axis::log(""), (0.001, 1.0)), ["0.001", "0.01", "0.1", "1"]);
        assert_eq!(said(&Axis::log(""), (1e-6, 1e-2)), ["10⁻⁶", "10⁻⁵", "10⁻⁴", "0.001", "0.01"]);
    }

    #[test]
    fn angles_have_ticks_at_right_angles() {
        assert_eq!(said(&Axis::linear("").ticks(Ticks::Degrees), (-4.0, 104.0)), ["0", "30", "60", "90"]);
    }

    #[test]
    fn epochs_are_whole_even_if_there_is_one() {
        assert_eq!(said(&Axis::linear("").ticks(Ticks::Whole), (0.0, 1.0)), ["0", "1"]);
    }

    #[test]
    fn an_axis_without_values_or_with_one_still_has_a_width() {
        for axis in [Axis::linear(""), Axis::log("")] {
            for values in [vec![], vec![f64::NAN], vec![0.0], vec![5.0], vec![f64::INFINITY, -1.0]] {
                let (low, high) = axis.extent(values.clone().into_iter());
                assert!(low < high && low.is_finite() && high.is_finite(), "{values:?}: {low} to {high}");
                assert!(!axis.marks((low, high), 5).is_empty(), "{values:?}: {low} to {high}");
            }
        }
    }
}
