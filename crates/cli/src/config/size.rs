//! Sizes as they are written: a whole number of bytes, or with a binary unit.

use super::error::Problem;

const UNITS: [(&str, u64); 4] = [("", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Reads `0`, `65536`, `64 KiB`, `10MiB` or `2 GiB`, and holds it to a range, both ends included.
pub(super) fn parse_between(text: &str, min: u64, max: u64) -> Result<u64, Problem> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim_start_matches(' '));
    // Nine digits of the largest unit still fit.
    let size = match (number.parse::<u64>(), unit) {
        (Ok(number), Some((_, bytes))) if digits <= 9 => number * bytes,
        _ => return Err(not_one()),
    };
    if (min..=max).contains(&size) {
        return Ok(size);
    }
    Err(Problem::new("is out of range", format!("choose from {} to {}", format(min), format(max))))
}

pub(super) fn not_one() -> Problem {
    Problem::new("is not a size", r#"write a whole number with a unit, such as "64 KiB" or "10 MiB""#)
}

/// Writes a size in the largest unit that leaves a whole number.
pub(super) fn format(size: u64) -> String {
    let fits = |(_, bytes): &&(&str, u64)| size != 0 && size.is_multiple_of(*bytes);
    match UNITS.iter().rev().find(fits) {
        Some((name, bytes)) if !name.is_empty() => format!("{} {name}", size / bytes),
        _ => size.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, size, written) in [
            ("0", 0, "0"),
            ("100", 100, "100"),
            ("65536", 65_536, "64 KiB"),
            ("64KiB", 65_536, "64 KiB"),
            ("10 MiB", 10 << 20, "10 MiB"),
            ("2 GiB", 2 << 30, "2 GiB"),
        ] {
            assert_eq!(parse_between(text, 0, u64::MAX), Ok(size), "{text}");
            assert_eq!(format(size), written);
        }
        for text in ["", "KiB", "64 kb", "64kB", "1.5 MiB", "-1", "9999999999", "1 TiB", "1\tKiB"] {
            assert_eq!(parse_between(text, 0, u64::MAX), Err(not_one()), "{text}");
        }
        let problem = parse_between("2 MiB", 0, 1 << 20).expect_err("too much");
        assert_eq!(problem.remedy, "choose from 0 to 1 MiB");
    }
}
