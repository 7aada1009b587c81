//! Wrong passwords slow an account down: five are free, then one second doubling to fifteen minutes. The store
//! reserves an attempt *before* the password is looked at, so that guesses side by side cannot outrun the count.

use std::time::Duration;

/// Wrong passwords that cost nothing.
pub const FREE: i64 = 5;
const LONGEST: Duration = Duration::from_mins(15);

/// How long a bucket stays closed after its `attempts`-th wrong password in a row.
pub fn closed_for(attempts: i64) -> Duration {
    if attempts < FREE {
        return Duration::ZERO;
    }
    let doublings = u32::try_from(attempts - FREE).unwrap_or(u32::MAX).min(20);
    Duration::from_secs(1 << doublings).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let seconds = [(0, 0), (1, 0), (4, 0), (5, 1), (6, 2), (7, 4), (14, 512), (15, 900), (1_000, 900)];
        for (attempts, expected) in seconds {
            assert_eq!(closed_for(attempts), Duration::from_secs(expected), "{attempts}");
        }
        assert_eq!(closed_for(i64::MAX), LONGEST);
    }
}
