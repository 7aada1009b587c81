//! Rate limits: `"10/min"`, by the generic cell rate algorithm, so that a counter is one number.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::time::Timestamp;

/// At most `count` in any `per`, refilling evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once.
    pub count: u32,
    /// In what time.
    pub per: Duration,
}

impl Rate {
    /// A rate.
    pub const fn new(count: u32, per: Duration) -> Self {
        Self { count, per }
    }

    /// `count` a minute.
    pub const fn per_minute(count: u32) -> Self {
        Self::new(count, Duration::from_mins(1))
    }

    /// The same rate for `factor` times as many.
    #[must_use]
    pub const fn times(self, factor: u32) -> Self {
        Self::new(self.count.saturating_mul(factor), self.per)
    }

    /// What one call costs, in microseconds of the time it takes to refill.
    pub fn cost(self) -> i64 {
        i64::try_from(self.per.as_micros() / u128::from(self.count.max(1))).unwrap_or(i64::MAX / 4).max(1)
    }

    /// Judges a counter that stands at `full_at` after a call was refused at `now`: when one
    /// more would be let through.
    pub fn retry_after(self, full_at: Timestamp, now: Timestamp) -> Duration {
        (full_at + Duration::from_micros(self.cost().cast_unsigned())).since(now + self.per)
    }
}

/// Not a rate.
#[derive(Debug, Error)]
#[error("not a rate: write it like 10/min, 5/s or 100/h")]
pub struct NotARate;

impl FromStr for Rate {
    type Err = NotARate;
    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (count, unit) = text.split_once('/').ok_or(NotARate)?;
        let seconds = match unit.trim() {
            "s" | "sec" | "second" => 1,
            "m" | "min" | "minute" => 60,
            "h" | "hour" => 3_600,
            "d" | "day" => 86_400,
            _ => return Err(NotARate),
        };
        let count: u32 = count.trim().parse().map_err(|_| NotARate)?;
        if count == 0 {
            return Err(NotARate);
        }
        Ok(Self::new(count, Duration::from_secs(seconds)))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per.as_secs() {
            1 => write!(f, "{}/s", self.count),
            60 => write!(f, "{}/min", self.count),
            3_600 => write!(f, "{}/h", self.count),
            _ => write!(f, "{}/{}s", self.count, self.per.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        for text in ["10/min", "5/s", "100/h"] {
            assert_eq!(text.parse::<Rate>().expect(text).to_string(), text);
        }
        for text in ["", "10", "0/min", "-1/s", "10/week", "x/min"] {
            assert!(text.parse::<Rate>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_refused_call_is_told_when_to_come_back() {
        let rate = Rate::per_minute(10);
        let now = Timestamp::from_seconds(1_000);
        // Ten calls at once fill the counter a minute ahead; a place is free after a tenth of that.
        assert_eq!(rate.cost(), 6_000_000);
        assert_eq!(rate.retry_after(now + Duration::from_mins(1), now), Duration::from_secs(6));
        assert_eq!(rate.retry_after(now, now), Duration::ZERO);
    }
}
