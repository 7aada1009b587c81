//! States of a signing key: next → current → retiring → retired. A key's state follows from times alone, so no
//! node has to be told and none needs to be the leader.
//!
//! 1. `next`: published, but no verifier may have seen it yet. Signs nothing.
//! 2. `current`: the one that became active last. Signs.
//! 3. `retiring`: another became current; tokens it signed may still live. Published, verifies.
//! 4. `retired`: all its tokens are dead, or an operator withdrew it. Neither published nor believed.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::revocation::SLACK;
use crate::time::Timestamp;

/// How long a JWKS answer may be kept by who fetched it.
pub const JWKS_MAX_AGE: Duration = Duration::from_mins(5);
/// How long a key is published before it signs: twice the time that a cached JWKS may be old.
pub const PUBLISHING_DELAY: Duration = Duration::from_mins(10);

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, not signing yet.
    Next,
    /// Signs.
    Current,
    /// Only verifies.
    Retiring,
    /// Out of use.
    Retired,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
        })
    }
}

/// The times of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    /// From when on it may sign.
    pub activates_at: Timestamp,
    /// When an operator withdrew it.
    pub retired_at: Option<Timestamp>,
}

/// The state of each of `keys`, in their order. `token_lifetime` is that of the longest-lived token.
pub fn states(keys: &[KeyTimes], now: Timestamp, token_lifetime: Duration) -> Vec<KeyState> {
    let usable = |key: &KeyTimes| key.retired_at.is_none_or(|at| now < at);
    let current = (0..keys.len())
        .filter(|&at| usable(&keys[at]) && keys[at].activates_at <= now)
        .max_by_key(|&at| (keys[at].activates_at, at));
    let state = |(at, key): (usize, &KeyTimes)| {
        if !usable(key) {
            return KeyState::Retired;
        }
        if key.activates_at > now {
            return KeyState::Next;
        }
        if Some(at) == current {
            return KeyState::Current;
        }
        // The first key to become active after this one took over from it.
        let replaced_at = keys
            .iter()
            .enumerate()
            .filter(|(other, it)| (it.activates_at, *other) > (key.activates_at, at))
            .map(|(_, it)| it.activates_at)
            .min()
            .unwrap_or(now);
        let dead_at = replaced_at + token_lifetime + SLACK;
        if now < dead_at { KeyState::Retiring } else { KeyState::Retired }
    };
    keys.iter().enumerate().map(state).collect()
}

/// Whether rotation by age is due: the current key has signed for `max_age` and no next key waits.
pub fn rotation_is_due(keys: &[KeyTimes], states: &[KeyState], now: Timestamp, max_age: Duration) -> bool {
    let waiting = states.contains(&KeyState::Next);
    let old = |(key, state): (&KeyTimes, &KeyState)| {
        *state == KeyState::Current && now.since(key.activates_at) >= max_age
    };
    !waiting && keys.iter().zip(states).any(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use KeyState::{Current, Next, Retired, Retiring};

    const LIFE: Duration = Duration::from_mins(15);

    fn key(activates_at: i64, retired_at: Option<i64>) -> KeyTimes {
        KeyTimes {
            activates_at: Timestamp::from_seconds(activates_at),
            retired_at: retired_at.map(Timestamp::from_seconds),
        }
    }

    fn at(keys: &[KeyTimes], second: i64) -> Vec<KeyState> {
        states(keys, Timestamp::from_seconds(second), LIFE)
    }

    #[test]
    fn a_life() {
        let keys = [key(1_000, None), key(5_000, None)];
        assert_eq!(at(&keys, 999), [Next, Next]);
        assert_eq!(at(&keys, 1_000), [Current, Next]);
        assert_eq!(at(&keys, 4_999), [Current, Next]);
        assert_eq!(at(&keys, 5_000), [Retiring, Current]);
        assert_eq!(at(&keys, 5_000 + 900 + 119), [Retiring, Current]);
        assert_eq!(at(&keys, 5_000 + 900 + 120), [Retired, Current]);
    }

    #[test]
    fn a_withdrawn_key_is_out_at_once_and_the_one_before_takes_over() {
        let keys = [key(1_000, None), key(5_000, Some(5_100))];
        assert_eq!(at(&keys, 5_099), [Retiring, Current]);
        assert_eq!(at(&keys, 5_100), [Current, Retired]);
    }

    #[test]
    fn of_two_that_become_active_together_one_signs() {
        let keys = [key(1_000, None), key(1_000, None)];
        assert_eq!(at(&keys, 1_000), [Retiring, Current]);
    }

    #[test]
    fn rotation_by_age() {
        let due = |keys: &[KeyTimes], second| {
            rotation_is_due(
                keys,
                &at(keys, second),
                Timestamp::from_seconds(second),
                Duration::from_secs(100),
            )
        };
        assert!(!due(&[key(1_000, None)], 1_099));
        assert!(due(&[key(1_000, None)], 1_100));
        assert!(!due(&[key(1_000, None), key(2_000, None)], 1_100));
    }
}
