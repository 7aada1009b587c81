//! What can be counted, as one trait with empty defaults: forward to whatever the service uses.
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use portcullis_verify::{Metrics, Source, VerifyError};
//!
//! #[derive(Default)]
//! struct Counters { accepted: AtomicU64, refused: AtomicU64 }
//!
//! impl Metrics for Counters {
//!     fn accepted(&self, _by: Source) {
//!         self.accepted.fetch_add(1, Ordering::Relaxed);
//!     }
//!     fn refused(&self, _why: &VerifyError) {
//!         self.refused.fetch_add(1, Ordering::Relaxed);
//!     }
//! }
//! # let _ = portcullis_verify::Verifier::builder("https://auth.example").metrics(Counters::default());
//! ```

use std::time::Duration;

use crate::VerifyError;

/// Called where something happens. Methods run on the path of a request and must not block.
pub trait Metrics: Send + Sync + 'static {
    /// A token was accepted.
    fn accepted(&self, by: Source) {
        let _ = by;
    }

    /// A token, or a request without one, was refused.
    fn refused(&self, why: &VerifyError) {
        let _ = why;
    }

    /// Something was asked of the issuer.
    fn fetched(&self, what: Fetch, succeeded: bool, took: Duration) {
        let _ = (what, succeeded, took);
    }

    /// The revocations were heard of; so many are remembered.
    fn revocations(&self, remembered: usize) {
        let _ = remembered;
    }
}

/// Counts nothing: the default.
impl Metrics for () {}

/// How a token was found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// It had been verified before.
    Cache,
    /// Its signature was checked.
    Signature,
    /// The issuer was asked (API tokens).
    Introspection,
}

/// What is asked of the issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fetch {
    /// The metadata (RFC 8414).
    Metadata,
    /// The public keys (RFC 7517).
    Keys,
    /// The revocations.
    Revocations,
    /// The state of an API token (RFC 7662).
    Introspection,
}
