//! How long to wait after a failure: twice as long each time, and not all services at the same moment.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_millis(500);

pub(crate) struct Backoff {
    failures: u32,
    most: Duration,
}

impl Backoff {
    pub(crate) const fn new(most: Duration) -> Self {
        Self { failures: 0, most }
    }

    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Between half and all of the step.
    pub(crate) fn next(&mut self) -> Duration {
        let step = FIRST.saturating_mul(1 << self.failures.min(16)).min(self.most);
        self.failures += 1;
        step.mul_f64(jitter(0.5))
    }
}

/// Between `from` and one. The hasher's seed is random enough for this, and is no dependency.
pub(crate) fn jitter(from: f64) -> f64 {
    let random = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
    from + (1.0 - from) * random
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_double_up_to_the_most_and_start_again() {
        let mut backoff = Backoff::new(Duration::from_secs(3));
        for most in [500, 1000, 2000, 3000, 3000] {
            let step = backoff.next();
            assert!(
                step <= Duration::from_millis(most) && step >= Duration::from_millis(most / 2),
                "{step:?}"
            );
        }
        (0..100).for_each(|_| assert!(backoff.next() <= Duration::from_secs(3)));
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
