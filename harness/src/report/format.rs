//! Numbers as a reader wants them: thousands apart, minus signs that are minus signs, units that fit.

use crate::stats::Estimate;

/// With commas between thousands: `60,000`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// With so many decimals and a proper minus sign; a rounded zero has no sign.
pub fn decimal(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "not finite".to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    let zero = text.chars().all(|digit| matches!(digit, '0' | '.'));
    if value < 0.0 && !zero { format!("−{text}") } else { text }
}

/// A difference, with its sign.
pub fn signed(value: f64, decimals: usize) -> String {
    let text = decimal(value, decimals);
    let zero = text.chars().all(|digit| matches!(digit, '0' | '.'));
    if value > 0.0 && !zero { format!("+{text}") } else { text }
}

/// `97.84 ± 0.18`; without an interval the mean alone.
pub fn interval(estimate: Estimate, decimals: usize) -> String {
    spread(decimal(estimate.mean, decimals), estimate.half_width, decimals)
}

/// `−0.33 ± 0.12`; without an interval the difference alone.
pub fn signed_interval(estimate: Estimate, decimals: usize) -> String {
    spread(signed(estimate.mean, decimals), estimate.half_width, decimals)
}

fn spread(mean: String, half_width: Option<f64>, decimals: usize) -> String {
    match half_width {
        Some(half_width) => format!("{mean} ± {}", decimal(half_width, decimals)),
        None => mean,
    }
}

/// Seconds in the unit that a person would choose.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "not finite".to_owned();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..120 => format!("{whole} s"),
        120..7200 => format!("{} min {:02} s", whole / 60, whole % 60),
        7200..172_800 => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} days {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// Bytes in MiB, GiB or TiB.
pub fn memory(bytes: f64) -> String {
    let mebibytes = bytes / f64::from(1 << 20);
    match mebibytes {
        ..9.95 => format!("{mebibytes:.1} MiB"),
        ..1024.0 => format!("{mebibytes:.0} MiB"),
        ..1_048_576.0 => format!("{:.1} GiB", mebibytes / 1024.0),
        _ => format!("{:.1} TiB", mebibytes / 1_048_576.0),
    }
}

/// Three significant digits with k, M or G, e.g. `397k`.
pub fn compact(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        size if size >= 999.5e6 => (value / 1e9, "G"),
        size if size >= 999.5e3 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => return count(value.round() as u64),
    };
    let decimals = match scaled.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.decimals$}{unit}")
}

/// `1 run`, `2 runs`.
pub fn plural(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(number as u64), if number == 1 { "" } else { "s" })
}

/// `a`, `a and b`, `a, b and c`.
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(60_000), "60,000");
        assert_eq!(count(1_234_567), "1,234,567");
    }

    #[test]
    fn a_rounded_zero_has_no_sign() {
        assert_eq!(signed(-0.001, 2), "0.00");
        assert_eq!(signed(0.001, 2), "0.00");
        assert_eq!(signed(-0.5, 2), "−0.50");
        assert_eq!(signed(0.5, 2), "+0.50");
    }

    #[test]
    fn a_single_run_shows_no_interval() {
        assert_eq!(interval(Estimate { mean: 97.84, half_width: None, n: 1 }, 2), "97.84");
        assert_eq!(interval(Estimate { mean: 97.84, half_width: Some(0.176), n: 5 }, 2), "97.84 ± 0.18");
    }

    #[test]
    fn durations_and_sizes_choose_their_unit() {
        assert_eq!(duration(3.21), "3.2 s");
        assert_eq!(duration(61.0), "61 s");
        assert_eq!(duration(3599.6), "60 min 00 s");
        assert_eq!(duration(8000.0), "2 h 13 min");
        assert_eq!(duration(180_000.0), "2 days 2 h");
        assert_eq!(memory(512.0 * 1024.0 * 1024.0), "512 MiB");
        assert_eq!(compact(397_510.0), "398k");
        assert_eq!(compact(5_360_000.0), "5.36M");
        assert_eq!(compact(9_999.0), "9,999");
    }
}
