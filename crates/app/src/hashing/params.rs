//! The cost of a hash.

use std::time::Duration;

use argon2::Params;
use thiserror::Error;

/// What one hash costs: `password.memory_kib`, `password.iterations`, `password.parallelism`.
///
/// The default is the one OWASP recommends for Argon2id: 19 MiB, two passes, one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashParams {
    /// Memory in KiB, at least 8 for each lane.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes. They are worked on one after another: the threads of the pool are what runs in parallel.
    pub parallelism: u32,
}

/// Parameters out of bounds. The text names key, value and remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParamsError {
    /// Too little or too much memory.
    #[error("password.memory_kib is {0}: use 8 for each of password.parallelism, up to {max}",
        max = HashParams::MAX_MEMORY_KIB)]
    Memory(u32),
    /// No or too many passes.
    #[error("password.iterations is {0}: use 1 to {max}", max = HashParams::MAX_ITERATIONS)]
    Iterations(u32),
    /// No or too many lanes.
    #[error("password.parallelism is {0}: use 1 to {max}", max = HashParams::MAX_PARALLELISM)]
    Parallelism(u32),
}

impl HashParams {
    /// 19 MiB, two passes, one lane.
    pub const DEFAULT: Self = Self { memory_kib: 19_456, iterations: 2, parallelism: 1 };
    /// 256 MiB: a stored hash that asks for more is not one of ours, and would be a way to exhaust the machine.
    pub const MAX_MEMORY_KIB: u32 = 256 * 1024;
    /// Most passes.
    pub const MAX_ITERATIONS: u32 = 16;
    /// Most lanes.
    pub const MAX_PARALLELISM: u32 = 16;

    /// Whether these may be configured, or asked for by a stored hash.
    pub fn validate(&self) -> Result<(), ParamsError> {
        if !(1..=Self::MAX_PARALLELISM).contains(&self.parallelism) {
            return Err(ParamsError::Parallelism(self.parallelism));
        }
        if !(1..=Self::MAX_ITERATIONS).contains(&self.iterations) {
            return Err(ParamsError::Iterations(self.iterations));
        }
        if !(8 * self.parallelism..=Self::MAX_MEMORY_KIB).contains(&self.memory_kib) {
            return Err(ParamsError::Memory(self.memory_kib));
        }
        Ok(())
    }

    /// For the crate `argon2`, with the length of the output in bytes.
    pub(super) fn argon2(&self, output_len: usize) -> Result<Params, argon2::Error> {
        Params::new(self.memory_kib, self.iterations, self.parallelism, Some(output_len))
    }

    /// What one evaluation may take until it has been measured: half a microsecond a block is usual on a server.
    pub(super) fn guessed_duration(&self) -> Duration {
        Duration::from_nanos(500) * self.memory_kib.saturating_mul(self.iterations)
    }
}

impl Default for HashParams {
    fn default() -> Self {
        Self::DEFAULT
    }
}
