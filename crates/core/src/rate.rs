//! Rate limits: `"10/min"`, by the generic cell rate algorithm, so that a counter is one number.

use std::fmt;
use std::time::Duration;

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
    fn prints_as_it_is_configured() {
        assert_eq!(Rate::per_minute(10).to_string(), "10/min");
        assert_eq!(Rate::new(5, Duration::from_secs(1)).to_string(), "5/s");
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
