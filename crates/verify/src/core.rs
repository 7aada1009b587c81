//! What a verifier knows, and the one place where a token that is genuine is let in or not.

use std::{future::Future, sync::Arc, time::Duration};

use portcullis_jose::{Checks, MAX_LEEWAY_SECONDS};

use crate::{
    Cause, Claims, Clock, Metrics, Outage, VerifyError,
    cache::Cache,
    fetch::{FetchError, Fetcher},
    introspect::Introspection,
    keys::Keys,
    metadata::Issuer,
    metrics::Fetch,
    revocations::{Revocations, Revoked},
};

/// What becomes of good tokens when the issuer can no longer say which sessions have ended.
///
/// Either way they are refused with 503 before the list was heard once: who never knew it knows nothing.
///
/// ```
/// use std::time::Duration;
/// use portcullis_verify::{OnStale, Verifier};
///
/// // A payment service would rather be unavailable than accept a token that may have been revoked.
/// let builder = Verifier::builder("https://auth.example")
///     .on_stale(OnStale::Refuse { after: Duration::from_secs(60) });
/// # drop(builder);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStale {
    /// They are accepted until they expire: an issuer that is down takes no service along. The default.
    #[default]
    Accept,
    /// They are refused with 503 once nothing was heard for longer than `after` (at least 5 s).
    Refuse {
        /// How long without news is borne.
        after: Duration,
    },
}

/// What every part needs.
pub(crate) struct Context {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<dyn Metrics>,
    pub(crate) fetcher: Fetcher,
}

impl Context {
    /// Tells the metrics how a fetch went.
    pub(crate) async fn timed<T>(
        &self,
        what: Fetch,
        fetch: impl Future<Output = Result<T, FetchError>>,
    ) -> Result<T, FetchError> {
        let start = self.clock.elapsed();
        let answer = fetch.await;
        self.metrics.fetched(what, answer.is_ok(), self.clock.elapsed().saturating_sub(start));
        answer
    }
}

/// Claims of a token that was verified, and under which key set.
#[derive(Clone)]
pub(crate) struct Verified {
    pub(crate) claims: Claims,
    pub(crate) version: u64,
}

pub(crate) struct Core {
    pub(crate) context: Context,
    pub(crate) checks: Checks,
    pub(crate) on_stale: OnStale,
    /// Whether the revocations are followed at all.
    pub(crate) follows: bool,
    pub(crate) issuer: Issuer,
    pub(crate) keys: Keys,
    pub(crate) revocations: Revocations,
    pub(crate) verified: Cache<Verified>,
    pub(crate) introspection: Option<Introspection>,
}

impl Core {
    /// Whether a genuine token may be used now. Every request comes through here, cached or not.
    ///
    /// 1. Its time.
    /// 2. Its session.
    /// 3. Whether that is known well enough.
    /// 4. What the user still has to do.
    pub(crate) fn admit(&self, claims: &Claims) -> Result<(), VerifyError> {
        let now = self.context.clock.unix_seconds();
        if now >= self.end_of(claims) {
            return Err(portcullis_jose::VerifyError::Expired.into());
        }
        if now < claims.not_before().saturating_sub(self.leeway()) {
            return Err(portcullis_jose::VerifyError::NotYetValid.into());
        }
        let standing = self.revocations.standing(claims.session_hash(), claims.generation());
        if standing.revoked != Revoked::Not {
            return Err(Cause::Revoked.into());
        }
        if self.freshness(standing.heard).is_some_and(|left| left.is_zero()) {
            return Err(VerifyError::unavailable(Outage::Revocations));
        }
        if claims.must_set_up_factor() {
            return Err(VerifyError::FactorSetupRequired);
        }
        if claims.must_change_password() {
            return Err(VerifyError::PasswordChangeRequired);
        }
        Ok(())
    }

    /// Whether only the generation of `claims` was revoked: what the issuer says of the token now may be good.
    pub(crate) fn is_outdated(&self, claims: &Claims) -> bool {
        let standing = self.revocations.standing(claims.session_hash(), claims.generation());
        standing.revoked == Revoked::Outdated
    }

    /// The second from which the token is refused.
    pub(crate) fn end_of(&self, claims: &Claims) -> i64 {
        claims.expires_at().saturating_add(self.leeway())
    }

    /// How long what is known of the revocations is good enough; none: for ever.
    pub(crate) fn freshness(&self, heard: Option<Duration>) -> Option<Duration> {
        if !self.follows {
            return None;
        }
        let Some(heard) = heard else { return Some(Duration::ZERO) };
        match self.on_stale {
            OnStale::Accept => None,
            OnStale::Refuse { after } => {
                Some(after.saturating_sub(self.context.clock.elapsed().saturating_sub(heard)))
            }
        }
    }

    fn leeway(&self) -> i64 {
        i64::from(self.checks.leeway_seconds.min(MAX_LEEWAY_SECONDS))
    }
}
