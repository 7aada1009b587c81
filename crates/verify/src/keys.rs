//! The issuer's keys: fetched by one task for everyone, asked for again when a token names an unknown one.
//!
//! 1. The keeper ([`Keys::keep`]) fetches at the start, then whenever `Cache-Control` says that the set is old.
//! 2. A token with an unknown `kid` wakes it ([`Keys::refresh`]), at most once in [`PAUSE`]; however many requests
//!    wait, they wait for one fetch.
//! 3. If the fetch fails, the old keys stay good. A key that the issuer took away goes with the next fetch, and with
//!    it every token in the cache that was verified under the set before.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, header::CACHE_CONTROL};
use portcullis_jose::{Jwks, KeySet, VerifyingKey};
use tokio::sync::{Notify, watch};

use crate::{
    backoff::Backoff,
    core::{Context, Core},
    fetch::Limits,
    metrics::Fetch,
};

const LIMITS: Limits = Limits { bytes: 256 * 1024, time: Duration::from_secs(5) };
/// Between two fetches that tokens can cause.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest a request waits for keys: metadata and keys, each with its limit.
const PATIENCE: Duration = Duration::from_secs(10);
const USUAL_AGE: Duration = Duration::from_mins(5);
const LEAST_AGE: Duration = Duration::from_secs(30);
/// A key that was taken away must not stay good for long, whatever the header says.
const MOST_AGE: Duration = Duration::from_mins(15);

/// The keys that are trusted now.
pub(crate) struct Trusted {
    pub(crate) set: KeySet,
    /// Counts sets; what was verified under another one is verified again.
    pub(crate) version: u64,
    jwks: Jwks,
}

/// How the last fetch ended.
#[derive(Clone, Default)]
struct Attempt {
    number: u64,
    /// When, by the clock; never before the first.
    ended: Option<Duration>,
    failed: Option<String>,
}

pub(crate) struct Keys {
    /// From the configuration, beside the fetched ones.
    own: Vec<VerifyingKey>,
    trusted: RwLock<Option<Arc<Trusted>>>,
    version: AtomicU64,
    attempt: watch::Sender<Attempt>,
    wanted: Notify,
}

impl Keys {
    /// `own` have distinct names.
    pub(crate) fn new(own: Vec<VerifyingKey>) -> Self {
        let keys = Self {
            own,
            trusted: RwLock::new(None),
            version: AtomicU64::new(0),
            attempt: watch::Sender::default(),
            wanted: Notify::new(),
        };
        if !keys.own.is_empty() {
            keys.trust(Jwks::default());
        }
        keys
    }

    /// None before the first fetch.
    pub(crate) fn trusted(&self) -> Option<Arc<Trusted>> {
        self.trusted.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Why the last fetch failed, if it did.
    pub(crate) fn failure(&self) -> Option<String> {
        self.attempt.borrow().failed.clone()
    }

    /// Waits for one more fetch, unless there has just been one.
    pub(crate) async fn refresh(&self, context: &Context) {
        let mut attempts = self.attempt.subscribe();
        let last = attempts.borrow().clone();
        if self.paused(context) {
            return;
        }
        self.wanted.notify_one();
        // No keeper, no change, no time: all the same to who asked.
        let _ =
            tokio::time::timeout(PATIENCE, attempts.wait_for(|attempt| attempt.number != last.number)).await;
    }

    /// Waits for the first fetch; why it failed.
    pub(crate) async fn first(&self) -> Option<String> {
        let mut attempts = self.attempt.subscribe();
        let first = attempts.wait_for(|attempt| attempt.number > 0).await;
        first.map_or_else(|_| Some("the verifier has stopped".to_owned()), |attempt| attempt.failed.clone())
    }

    fn paused(&self, context: &Context) -> bool {
        let ended = self.attempt.borrow().ended;
        ended.is_some_and(|ended| context.clock.elapsed().saturating_sub(ended) < PAUSE)
    }

    /// The keeper: never ends.
    pub(crate) async fn keep(&self, core: &Core) {
        let mut backoff = Backoff::new(Duration::from_secs(30));
        loop {
            let (failed, rest) = match self.fetch(core).await {
                Ok(age) => {
                    backoff.reset();
                    (None, age)
                }
                Err(reason) => {
                    tracing::warn!(issuer = %core.checks.issuer, reason, "the issuer's keys cannot be fetched");
                    core.issuer.doubt();
                    (Some(reason), backoff.next())
                }
            };
            let ended = Some(core.context.clock.elapsed());
            self.attempt
                .send_modify(|attempt| *attempt = Attempt { number: attempt.number + 1, ended, failed });
            let old = tokio::time::sleep(rest);
            tokio::pin!(old);
            loop {
                tokio::select! {
                    () = &mut old => break,
                    // Who asked while the last fetch was under way has got its answer.
                    () = self.wanted.notified() => if !self.paused(&core.context) { break },
                }
            }
        }
    }

    /// How long the answer is good for.
    async fn fetch(&self, core: &Core) -> Result<Duration, String> {
        let metadata = core.issuer.current(&core.context).await.map_err(|error| error.to_string())?;
        let fetched = core.context.fetcher.get(&metadata.jwks, LIMITS);
        let (headers, body) =
            core.context.timed(Fetch::Keys, fetched).await.map_err(|error| error.to_string())?;
        let jwks = Jwks::parse(&body).map_err(|error| error.to_string())?;
        let usable = KeySet::from_jwks(&jwks).len();
        if usable == 0 && self.own.is_empty() {
            return Err(
                "the key set holds no usable key; an issuer that signs HS256 publishes none, and its \
                        secret must be given with `trusted_key`"
                    .to_owned(),
            );
        }
        if self.trusted().is_none_or(|trusted| trusted.jwks != jwks) {
            self.trust(jwks);
        }
        Ok(max_age(&headers))
    }

    fn trust(&self, jwks: Jwks) {
        let mut set = KeySet::from_jwks(&jwks);
        for key in &self.own {
            // A fetched key of this name is the issuer's, and its business.
            let _ = set.insert(key.clone());
        }
        let mut trusted = self.trusted.write().unwrap_or_else(PoisonError::into_inner);
        let version = self.version.fetch_add(1, Ordering::AcqRel) + 1;
        *trusted = Some(Arc::new(Trusted { set, version, jwks }));
    }
}

/// RFC 9111 section 5.2.2.1, within limits.
fn max_age(headers: &HeaderMap) -> Duration {
    let directives = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    directives
        .flat_map(|value| value.split(','))
        .filter_map(|directive| directive.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("max-age"))
        .and_then(|(_, seconds)| seconds.trim_matches('"').parse().ok())
        .map_or(USUAL_AGE, Duration::from_secs)
        .clamp(LEAST_AGE, MOST_AGE)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn ages() {
        for (value, seconds) in [
            ("public, max-age=300", 300),
            ("MAX-AGE=\"600\"", 600),
            ("max-age=0", 30),
            ("max-age=999999", 900),
            ("no-store", 300),
            ("max-age=x", 300),
            ("s-maxage=60", 300),
        ] {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(value))]);
            assert_eq!(max_age(&headers), Duration::from_secs(seconds), "{value}");
        }
        assert_eq!(max_age(&HeaderMap::new()), USUAL_AGE);
    }

    #[test]
    fn a_key_of_the_configuration_is_there_before_any_fetch() {
        let key = VerifyingKey::hs256("own", &[7; 32]).expect("32 bytes");
        let keys = Keys::new(vec![key]);
        let trusted = keys.trusted().expect("own keys");
        assert!(trusted.set.get("own").is_some());
        assert_eq!((trusted.version, keys.version()), (1, 1));
        assert!(Keys::new(Vec::new()).trusted().is_none());
    }
}
