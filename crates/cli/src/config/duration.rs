//! Durations as they are written: a whole number and one unit.

use std::time::Duration;

use super::error::Problem;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads `500ms`, `60s`, `15m`, `12h`, `30d` or `0`.
pub(super) fn parse(text: &str) -> Result<Duration, Problem> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit);
    // Ten digits of days still fit into u64 milliseconds; a number longer than that is a slip.
    match (number.parse::<u64>(), unit) {
        (Ok(number), Some((_, millis))) if digits <= 10 => Ok(Duration::from_millis(number * millis)),
        _ => Err(not_one()),
    }
}

/// Reads a duration and holds it to a range, both ends included.
pub(super) fn parse_between(text: &str, min: Duration, max: Duration) -> Result<Duration, Problem> {
    let duration = parse(text)?;
    if (min..=max).contains(&duration) {
        return Ok(duration);
    }
    Err(Problem::new("is out of range", format!("choose from {} to {}", format(min), format(max))))
}

pub(super) fn not_one() -> Problem {
    Problem::new(
        "is not a duration",
        r#"write a whole number with a unit, such as "500ms", "60s", "15m", "12h" or "30d""#,
    )
}

/// Writes a duration as people do: the largest unit that leaves a whole number of at least two.
pub(super) fn format(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0".to_owned();
    }
    UNITS
        .iter()
        .rev()
        .map(|(name, unit)| (name, u128::from(*unit)))
        .find(|(name, unit)| millis.is_multiple_of(*unit) && (millis / unit >= 2 || **name == "s"))
        .map_or_else(|| format!("{millis}ms"), |(name, unit)| format!("{}{name}", millis / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_unit() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("60s", 60_000),
            ("15m", 900_000),
            ("12h", 43_200_000),
            ("30d", 2_592_000_000),
            ("9999999999d", 9_999_999_999 * 86_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in
            ["", "s", "15", "-1s", "+1s", "1.5h", "15 m", " 15m", "15M", "1w", "1h30m", "99999999999d", "١s"]
        {
            assert_eq!(parse(text), Err(not_one()), "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["0", "1ms", "500ms", "1s", "60s", "90s", "15m", "60m", "24h", "30d", "180d"] {
            assert_eq!(format(parse(text).expect("a duration")), text);
        }
    }

    #[test]
    fn holds_to_the_range() {
        let between = |text| parse_between(text, Duration::from_secs(1), Duration::from_mins(1));
        assert!(between("1s").is_ok() && between("60s").is_ok());
        assert_eq!(between("61s").expect_err("above").remedy, "choose from 1s to 60s");
        assert!(between("999ms").is_err());
    }
}
