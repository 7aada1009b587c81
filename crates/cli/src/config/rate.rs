//! Rates as they are written: a count per unit of time.

use std::fmt;
use std::time::Duration;

use super::error::Problem;

const UNITS: [(&str, u64); 4] = [("s", 1), ("min", 60), ("h", 3_600), ("d", 86_400)];
const MOST: u32 = 1_000_000;

/// How often something may happen: `10/min`, `5/s`, `100/h`, `1000/d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// From 1 to 1,000,000.
    pub count: u32,
    /// One second, minute, hour or day.
    pub per: Duration,
}

impl Rate {
    /// Reads the written form.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let Some((count, unit)) = text.split_once('/') else { return Err(not_one()) };
        let unit = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(not_one)?;
        if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
            return Err(not_one());
        }
        match count.parse() {
            Ok(count @ 1..=MOST) => Ok(Self { count, per: Duration::from_secs(unit.1) }),
            _ => Err(Problem::new(
                "is out of range",
                "choose a count from 1 to 1000000; rate_limit.enabled = false turns limits off",
            )),
        }
    }
}

pub(super) fn not_one() -> Problem {
    Problem::new("is not a rate", r#"write a count per s, min, h or d, such as "10/min""#)
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, secs)| *secs == self.per.as_secs());
        match unit {
            Some((name, _)) => write!(f, "{}/{name}", self.count),
            None => write!(f, "{}/{}s", self.count, self.per.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_each_unit() {
        for (text, count, secs) in
            [("5/s", 5, 1), ("10/min", 10, 60), ("100/h", 100, 3_600), ("1000/d", 1_000, 86_400)]
        {
            let rate = Rate::parse(text).expect("a rate");
            assert_eq!(rate, Rate { count, per: Duration::from_secs(secs) });
            assert_eq!(rate.to_string(), text);
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in
            ["", "10", "/min", "10/", "10/m", "10 /min", "-1/min", "+1/min", "1.5/s", "10/min/s", "ten/min"]
        {
            assert_eq!(Rate::parse(text), Err(not_one()), "{text}");
        }
        for text in ["0/min", "1000001/min", "99999999999999999999/s"] {
            assert_eq!(Rate::parse(text).expect_err(text).problem, "is out of range");
        }
    }
}
