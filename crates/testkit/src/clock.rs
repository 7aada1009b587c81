//! A clock that stands still until the test moves it, or that moves whenever somebody looks.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use portcullis_core::time::{Clock, Timestamp};

/// Where every [`ManualClock`] starts: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// Moved by hand; share it behind an `Arc`.
#[derive(Debug)]
pub struct ManualClock {
    micros: AtomicI64,
    /// By how much each reading moves it.
    step: AtomicI64,
}

impl ManualClock {
    /// A clock at [`START`].
    pub const fn new() -> Self {
        Self { micros: AtomicI64::new(START.micros()), step: AtomicI64::new(0) }
    }

    /// Moves it on, and returns the new time.
    pub fn advance(&self, span: Duration) -> Timestamp {
        let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.micros.fetch_add(span, Ordering::SeqCst).saturating_add(span))
    }

    /// From now on each reading moves it by `step`, as time does: no two readings are the same.
    pub fn tick(&self, step: Duration) {
        self.step.store(i64::try_from(step.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Sets it, back or forth: as an operator or a virtual machine does.
    pub fn set(&self, to: Timestamp) {
        self.micros.store(to.micros(), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.fetch_add(self.step.load(Ordering::SeqCst), Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_still_until_it_is_moved() {
        let clock = ManualClock::new();
        assert_eq!(clock.now().to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(clock.now(), START);
        assert_eq!(clock.advance(Duration::from_mins(1)), START + Duration::from_mins(1));
        assert_eq!(clock.now(), START + Duration::from_mins(1));
        clock.set(START);
        assert_eq!(clock.now(), START);
    }

    #[test]
    fn ticks_whenever_somebody_looks() {
        let clock = ManualClock::new();
        clock.tick(Duration::from_millis(1));
        assert_eq!(clock.now(), START);
        assert_eq!(clock.now(), START + Duration::from_millis(1));
    }
}
