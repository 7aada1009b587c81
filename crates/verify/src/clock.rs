//! Where the time comes from: an argument, so that the tests of a service move it instead of waiting.
//!
//! ```
//! use std::{sync::{Arc, atomic::{AtomicU64, Ordering}}, time::Duration};
//! use portcullis_verify::{Clock, Verifier};
//!
//! /// Stands still until a test moves it.
//! #[derive(Clone, Default)]
//! struct TestClock(Arc<AtomicU64>);
//!
//! impl Clock for TestClock {
//!     fn unix_seconds(&self) -> i64 {
//!         1_800_000_000 + self.elapsed().as_secs() as i64
//!     }
//!     fn elapsed(&self) -> Duration {
//!         Duration::from_millis(self.0.load(Ordering::Relaxed))
//!     }
//! }
//!
//! let clock = TestClock::default();
//! let builder = Verifier::builder("https://auth.example").clock(clock.clone());
//! clock.0.fetch_add(900_000, Ordering::Relaxed);
//! # drop(builder);
//! ```

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Two readings: the time of day, which tokens are compared with, and a time that only moves forward, which
/// ages are measured with.
pub trait Clock: Send + Sync + 'static {
    /// Seconds since 1970-01-01T00:00:00Z.
    fn unix_seconds(&self) -> i64;

    /// The time since any fixed moment. Never goes back, whatever happens to the time of day.
    fn elapsed(&self) -> Duration;
}

/// The system's clock, which is the default.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock that counts [`elapsed`](Clock::elapsed) from now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "a published crate has no clock but this one to default to"
    )]
    fn unix_seconds(&self) -> i64 {
        // Before 1970 every token is from the future and refused.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}
