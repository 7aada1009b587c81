//! The one source of randomness: the cryptographic library's.

use aws_lc_rs::rand;
use portcullis_core::random::Random;

/// The system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, dest: &mut [u8]) {
        // Keys made of anything else would be worse than no process at all.
        rand::fill(dest).expect("the system gives random bytes");
    }
}
