//! When a message that did not get through is sent again, and when that ends.

use std::time::Duration;

use crate::random::{self, Random};
use crate::time::Timestamp;

/// Nobody is asked again after this long: the message waits for an operator.
pub const GIVE_UP: Duration = Duration::from_hours(3 * 24);

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_hours(4);

/// When to try again after so many tries without success, or never: three times as long after each, up to four
/// hours, a quarter more or less, so that what failed together does not come back together.
pub fn next_try(tries: u32, since: Timestamp, now: Timestamp, random: &dyn Random) -> Option<Timestamp> {
    if now.since(since) >= GIVE_UP {
        return None;
    }
    let wait = FIRST.saturating_mul(3_u32.saturating_pow(tries.saturating_sub(1))).min(LONGEST);
    let share = f64::from(u16::from_be_bytes(random::bytes(random))) / f64::from(u16::MAX);
    Some(now + wait.mul_f64(0.75 + share / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);
    impl Random for Fixed {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(self.0);
        }
    }

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn wait(tries: u32, random: u8) -> u64 {
        next_try(tries, NOW, NOW, &Fixed(random)).expect("again").since(NOW).as_millis() as u64
    }

    #[test]
    fn the_wait_grows_up_to_a_bound() {
        let waits: Vec<u64> = [1, 2, 3, 4, 8, 9, 10, 1_000, u32::MAX].map(|tries| wait(tries, 0)).to_vec();
        let hours = 10_800_000;
        assert_eq!(waits, [3_750, 11_250, 33_750, 101_250, 8_201_250, hours, hours, hours, hours]);
    }

    #[test]
    fn the_wait_differs_by_a_quarter_at_the_most() {
        assert_eq!((wait(1, 0), wait(1, 255)), (3_750, 6_250));
    }

    #[test]
    fn after_three_days_it_ends() {
        assert!(next_try(40, NOW - GIVE_UP + Duration::from_secs(1), NOW, &Fixed(0)).is_some());
        assert_eq!(next_try(40, NOW - GIVE_UP, NOW, &Fixed(0)), None);
    }
}
