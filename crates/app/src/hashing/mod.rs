//! Password hashing (Argon2id, RFC 9106) that cannot starve the rest.
//!
//! 1. [`Hasher::verify`] and [`Hasher::hash`] turn what is asked into one evaluation of Argon2. An unknown user costs
//!    the same evaluation as a known one.
//! 2. The evaluation is admitted to the queue of its [`Lane`], or refused as [`HashingError::Busy`] when the wait
//!    would be too long.
//! 3. Threads of the lowest priority evaluate, one for each core. While both lanes wait they take from them by turns,
//!    so that a flood of strangers cannot shut users out, nor users strangers; else from the one that waits.
//! 4. Comparing and writing the PHC string happen back in the request.
//!
//! Nothing here draws randomness: salts are arguments. Time is read only to measure how long an evaluation takes.

mod error;
mod hasher;
mod memory;
mod params;
mod priority;
mod queue;
mod recipe;
#[cfg(test)]
mod tests;
mod worker;

pub use error::{HasherStartError, HashingError};
pub use hasher::{Hasher, HasherConfig, Verified};
pub use params::{HashParams, ParamsError};
pub use queue::Lane;
