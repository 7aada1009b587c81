//! The one clock: the system's, set to the database's where there is one.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis_core::time::{Clock, Timestamp};
use portcullis_store::{Store, StoreError};

/// How often the offset is measured.
pub(crate) const MEASURE_EVERY: Duration = Duration::from_secs(30);
/// A measurement that took longer says too little about when the database looked at its clock.
const SLOWEST: i64 = 1_000_000;

/// The system's clock plus an offset to the database's, so that all nodes of one PostgreSQL agree.
#[derive(Debug, Default)]
pub struct SystemClock {
    /// In microseconds.
    offset: AtomicI64,
}

impl SystemClock {
    /// Sets the offset by the database's clock. SQLite has none: then it stays zero.
    pub async fn measure(&self, store: &Store) -> Result<(), StoreError> {
        let before = system_micros();
        let Some(theirs) = store.database_clock().await? else { return Ok(()) };
        if let Some(offset) = offset(before, theirs.micros(), system_micros()) {
            self.offset.store(offset, Ordering::Relaxed);
        }
        Ok(())
    }

    /// How far the database's clock is ahead of the system's (negative: behind), in microseconds.
    pub fn offset_micros(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }

    /// Measures the offset again and again, until the task is dropped.
    pub(crate) async fn keep_right(&self, store: &Store) {
        loop {
            tokio::time::sleep(MEASURE_EVERY).await;
            if let Err(error) = self.measure(store).await {
                tracing::debug!(%error, "the database's clock cannot be read; the last offset stays");
            }
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(system_micros().saturating_add(self.offset_micros()))
    }
}

/// The database looked at its clock about half way between our two looks.
fn offset(before: i64, theirs: i64, after: i64) -> Option<i64> {
    (after.saturating_sub(before) <= SLOWEST).then(|| theirs.saturating_sub(i64::midpoint(before, after)))
}

#[expect(clippy::disallowed_methods, reason = "the one place where the system's time is read")]
fn system_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_to_the_middle_of_the_question() {
        assert_eq!(offset(1_000, 5_000, 3_000), Some(3_000));
        assert_eq!(offset(1_000, 500, 3_000), Some(-1_500));
        assert_eq!(offset(0, 5_000, SLOWEST + 1), None);
    }

    #[test]
    fn the_offset_moves_the_clock() {
        let clock = SystemClock::default();
        let before = clock.now();
        clock.offset.store(3_600_000_000, Ordering::Relaxed);
        assert!(clock.now() >= before + Duration::from_hours(1));
    }
}
