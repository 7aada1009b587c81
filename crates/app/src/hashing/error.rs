//! What can go wrong, all of it our fault: none of these is ever a 401.

use std::time::Duration;

use thiserror::Error;

use super::params::ParamsError;

/// Why no answer about a password could be given.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HashingError {
    /// The wait would be longer than `password.max_queue_wait`: 503 `hashing_busy` with `Retry-After`.
    #[error("password hashing is busy for about {retry_after:?}")]
    Busy {
        /// When to try again: whole seconds, at least one.
        retry_after: Duration,
    },
    /// The stored hash is not one that we can check: 500. The text says why and holds nothing of the hash.
    #[error("the stored password hash is corrupt: {0}")]
    Corrupt(&'static str),
    /// There was no memory for one more evaluation: 503.
    #[error("not enough memory to hash a password")]
    OutOfMemory,
    /// The hasher is being shut down: 503.
    #[error("password hashing has stopped")]
    Stopped,
}

/// Why hashing could not be started.
#[derive(Debug, Error)]
pub enum HasherStartError {
    /// Parameters out of bounds.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// The system gives no more threads.
    #[error("cannot start a thread for password hashing: {0}")]
    Thread(#[from] std::io::Error),
}
