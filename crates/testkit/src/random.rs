//! Bytes that look random, never repeat within a source, and are the same in every run of a test.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_core::random::Random;

/// Step of `SplitMix64`: odd, so that the counter passes through every value once.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A counter behind `SplitMix64`. No secrets come from here: anybody can compute them.
#[derive(Debug)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    /// Sources of one seed give the same bytes.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Default for SeededRandom {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Random for SeededRandom {
    fn fill(&self, dest: &mut [u8]) {
        for chunk in dest.chunks_mut(8) {
            let state = self.0.fetch_add(STEP, Ordering::Relaxed);
            chunk.copy_from_slice(&mix(state).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// One value for each state, and the other way round.
const fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::random::bytes;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_none_come_twice() {
        let (one, again, other) = (SeededRandom::new(1), SeededRandom::new(1), SeededRandom::new(2));
        let drawn: Vec<[u8; 16]> = (0..100).map(|_| bytes(&one)).collect();
        assert_eq!(drawn, (0..100).map(|_| bytes(&again)).collect::<Vec<[u8; 16]>>());
        assert!(!drawn.contains(&bytes(&other)));
        let distinct: std::collections::HashSet<_> = drawn.iter().collect();
        assert_eq!(distinct.len(), drawn.len());
    }
}
