//! When a long response has to end: the moment its caller's session does.
//!
//! ```
//! use portcullis_verify::{Claims, Verifier};
//!
//! async fn next_event() -> Option<String> {
//! #   None
//! }
//!
//! async fn stream(verifier: Verifier, claims: Claims) {
//!     let ended = verifier.watch(&claims);
//!     tokio::pin!(ended);
//!     loop {
//!         tokio::select! {
//!             why = &mut ended => return println!("closing the stream: {why:?}"),
//!             event = next_event() => match event {
//!                 Some(event) => println!("{event}"),
//!                 None => return,
//!             },
//!         }
//!     }
//! }
//! ```

use std::{future::Future, time::Duration};

use tokio::time::sleep;

use crate::{Claims, Verifier, revocations::Revoked};

/// The longest sleep: what a clock that is set forward may be late by.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Why a token may not be used any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// It has expired.
    Expired,
    /// Its session was ended, or its rights have changed.
    Revoked,
    /// Whether it was revoked has been unknown for too long ([`OnStale::Refuse`](crate::OnStale::Refuse)).
    Unknown,
}

impl Verifier {
    /// Waits until the token behind `claims` may not be used any longer: within about a second of a revocation. To be
    /// raced against whatever a long response does. The future keeps the verifier alive and borrows nothing.
    pub fn watch(&self, claims: &Claims) -> impl Future<Output = Ended> + Send + use<> {
        let (verifier, claims) = (self.clone(), claims.clone());
        let mut bell = verifier.core().revocations.bell();
        async move {
            loop {
                let rest = match verifier.rest(&claims) {
                    Ok(rest) => rest.min(LONGEST_SLEEP),
                    Err(why) => return why,
                };
                tokio::select! {
                    // The sender lives in `verifier`.
                    _ = bell.changed() => {}
                    () = sleep(rest) => {}
                }
            }
        }
    }

    /// The same for who holds the session rather than the token: a gateway that refreshes it. Nothing ends by time,
    /// only by a revocation that covers the token, or by not knowing.
    pub fn watch_session(&self, claims: &Claims) -> impl Future<Output = Ended> + Send + use<> {
        let (verifier, claims) = (self.clone(), claims.clone());
        let mut bell = verifier.core().revocations.bell();
        async move {
            loop {
                let fresh = match verifier.session_rest(&claims) {
                    Ok(fresh) => fresh.min(LONGEST_SLEEP),
                    Err(why) => return why,
                };
                tokio::select! {
                    // The sender lives in `verifier`.
                    _ = bell.changed() => {}
                    () = sleep(fresh) => {}
                }
            }
        }
    }

    /// How long nothing can happen to the token but a revocation.
    fn rest(&self, claims: &Claims) -> Result<Duration, Ended> {
        let fresh = self.session_rest(claims)?;
        let core = self.core();
        let left = core.end_of(claims).saturating_sub(core.context.clock.unix_seconds());
        let left = u64::try_from(left).ok().filter(|left| *left > 0).ok_or(Ended::Expired)?;
        Ok(fresh.min(Duration::from_secs(left)))
    }

    /// How long it is known well enough that the session goes on.
    fn session_rest(&self, claims: &Claims) -> Result<Duration, Ended> {
        let core = self.core();
        let standing = core.revocations.standing(claims.session_hash(), claims.generation());
        if standing.revoked != Revoked::Not {
            return Err(Ended::Revoked);
        }
        let fresh = core.freshness(standing.heard).unwrap_or(Duration::MAX);
        if fresh.is_zero() { Err(Ended::Unknown) } else { Ok(fresh) }
    }
}
