//! One line in the log for something that can happen a thousand times a second.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// At most one line in this many seconds.
const INTERVAL: u64 = 10;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Lets one event pass per interval.
pub(crate) struct Throttle(AtomicU64);

impl Throttle {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Whether this event is to be told.
    pub(crate) fn pass(&self) -> bool {
        self.pass_at(START.elapsed().as_secs())
    }

    fn pass_at(&self, now: u64) -> bool {
        let next = self.0.load(Relaxed);
        now >= next && self.0.compare_exchange(next, now + INTERVAL, Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passes_per_interval() {
        let throttle = Throttle::new();
        let passed: Vec<u64> = (0..25).filter(|now| throttle.pass_at(*now)).collect();
        assert_eq!(passed, [0, 10, 20]);
    }
}
