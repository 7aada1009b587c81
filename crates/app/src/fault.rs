//! Faults of ours: 5xx, never a 401. What a caller may know and what the log needs are two texts.

use std::time::Duration;

use portcullis_core::server_key::KeyId;
use portcullis_store::StoreError;
use thiserror::Error;

use crate::hashing::HashingError;

/// A fault of ours.
#[derive(Debug, Error)]
pub enum Fault {
    /// The database cannot be reached or did not answer in time.
    #[error("{0}")]
    StoreUnavailable(String),
    /// The database has not been heard of for longer than `revocations.max_staleness`.
    #[error("no news from the database: a revocation may be missed")]
    Stale,
    /// The password hashing queue is full.
    #[error("the password hashing queue is full")]
    HashingBusy {
        /// When to come back.
        retry_after: Duration,
    },
    /// This node lacks a server key that the database needs.
    #[error("server key {0} is needed, and this node does not hold it")]
    ServerKeyMissing(KeyId),
    /// No signing key can be used.
    #[error("no signing key can be used: {0}")]
    SigningKeyMissing(String),
    /// Anything else.
    #[error("{0}")]
    Internal(String),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::RunAgain => Self::StoreUnavailable(error.to_string()),
            StoreError::Corrupt { .. }
            | StoreError::Statement(_)
            | StoreError::Schema(_)
            | StoreError::Refused => Self::Internal(error.to_string()),
        }
    }
}

impl From<HashingError> for Fault {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Busy { retry_after } => Self::HashingBusy { retry_after },
            HashingError::OutOfMemory | HashingError::Stopped => {
                Self::HashingBusy { retry_after: Duration::from_secs(1) }
            }
            HashingError::Corrupt(_) => Self::Internal(error.to_string()),
        }
    }
}
