//! The choices of a [`Verifier`].
//!
//! ```no_run
//! use std::time::Duration;
//! use portcullis_verify::{OnStale, Verifier};
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = Verifier::builder("https://auth.example")
//!     .audience("https://api.example")
//!     // API tokens: made with `portcullis client create`.
//!     .introspect_with("orders", std::env::var("CLIENT_SECRET")?)
//!     .on_stale(OnStale::Refuse { after: Duration::from_secs(60) })
//!     .discover()
//!     .await?;
//! # Ok(())
//! # }
//! ```

use std::{collections::HashSet, fmt, sync::Arc};

use portcullis_jose::{Checks, VerifyingKey};
use tokio::{runtime::Handle, sync::watch};
use zeroize::Zeroizing;

use crate::{
    Clock, Metrics, SetupError, SystemClock, Verifier,
    cache::Cache,
    core::{Context, Core, OnStale},
    fetch::Fetcher,
    follow::{self, Round},
    introspect::Introspection,
    keys::Keys,
    metadata::Issuer,
    revocations::Revocations,
    url,
};

const USUAL_CAPACITY: usize = 10_000;
/// The clocks of two machines that keep time differ by less.
const USUAL_LEEWAY_SECONDS: u32 = 5;
const LEAST_STALE_SECONDS: u64 = 5;

/// What a [`Verifier`] is made of. Only the issuer and an audience are needed.
#[must_use]
pub struct Builder {
    checks: Checks,
    on_stale: OnStale,
    follows: bool,
    cache_capacity: usize,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Metrics>,
    credentials: Option<(String, Zeroizing<String>)>,
    foreign_tokens: bool,
    network: Network,
    trusted_keys: Vec<VerifyingKey>,
}

#[derive(Default)]
struct Network {
    plain_http: bool,
    allowed_origins: Vec<String>,
    reach_at: Option<String>,
    roots_pem: Vec<String>,
}

impl Builder {
    pub(crate) fn new(issuer: String) -> Self {
        Self {
            checks: Checks::new(issuer, [""; 0]).with_leeway(USUAL_LEEWAY_SECONDS),
            on_stale: OnStale::default(),
            follows: true,
            cache_capacity: USUAL_CAPACITY,
            clock: Arc::new(SystemClock::new()),
            metrics: Arc::new(()),
            credentials: None,
            foreign_tokens: false,
            network: Network::default(),
            trusted_keys: Vec::new(),
        }
    }

    /// Accepts tokens whose `aud` names this. May be called several times; any one of them is enough.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.checks.audiences.push(audience.into());
        self
    }

    /// Accepts API tokens, by asking the issuer with these client credentials (`portcullis client create`). The client
    /// must be registered for the audience.
    pub fn introspect_with(mut self, client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.credentials = Some((client_id.into(), Zeroizing::new(secret.into())));
        self
    }

    /// Asks the issuer about tokens in the form of another system as well, which it may have imported. Off by default,
    /// since every made-up token then costs the issuer a question.
    pub fn accept_imported_tokens(mut self) -> Self {
        self.foreign_tokens = true;
        self
    }

    /// What becomes of good tokens when revocations cannot be had. The default is [`OnStale::Accept`].
    pub fn on_stale(mut self, on_stale: OnStale) -> Self {
        self.on_stale = on_stale;
        self
    }

    /// Does without revocations: tokens are accepted until they expire, at most 15 minutes after their session has ended.
    /// For an issuer that does not publish them.
    pub fn without_revocations(mut self) -> Self {
        self.follows = false;
        self
    }

    /// How many seconds clocks may differ; 5 by default, 60 at most.
    pub fn leeway(mut self, seconds: u32) -> Self {
        self.checks.leeway_seconds = seconds;
        self
    }

    /// How many verified tokens are remembered; 10,000 by default (about 20 MB when full), 0 for none.
    pub fn cache_capacity(mut self, tokens: usize) -> Self {
        self.cache_capacity = tokens;
        self
    }

    /// Another clock than the system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where to count.
    pub fn metrics(mut self, metrics: impl Metrics) -> Self {
        self.metrics = Arc::new(metrics);
        self
    }

    /// Lets the issuer's metadata name endpoints on this origin, e.g. `https://keys.example`.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.network.allowed_origins.push(origin.into());
        self
    }

    /// Lets the issuer be reached without TLS over a network, as inside a cluster. Loopback needs no leave.
    pub fn allow_plain_http(mut self) -> Self {
        self.network.plain_http = true;
        self
    }

    /// Connects here instead of where the issuer's name points, e.g. `http://portcullis:8400` inside a cluster. Requests
    /// still name the issuer in `Host`; with https the certificate is the one of this host.
    pub fn reach_at(mut self, url: impl Into<String>) -> Self {
        self.network.reach_at = Some(url.into());
        self
    }

    /// Trusts the certificates of this PEM text for TLS, beside the system's: an authority of one's own.
    pub fn root_certificate_pem(mut self, pem: impl Into<String>) -> Self {
        self.network.roots_pem.push(pem.into());
        self
    }

    /// Trusts a key beside the published ones. An issuer that signs HS256 publishes none:
    ///
    /// ```
    /// use portcullis_verify::{Verifier, jose::VerifyingKey};
    ///
    /// # fn example(secret: &[u8]) -> Result<(), portcullis_verify::jose::KeyError> {
    /// let key = VerifyingKey::hs256(VerifyingKey::hs256_kid(secret), secret)?;
    /// let builder = Verifier::builder("https://auth.example").trusted_key(key);
    /// # drop(builder);
    /// # Ok(())
    /// # }
    /// ```
    pub fn trusted_key(mut self, key: VerifyingKey) -> Self {
        self.trusted_keys.push(key);
        self
    }

    /// Makes the verifier and waits for metadata, keys and the first revocations, so that a wrong issuer or address
    /// shows at the start.
    ///
    /// # Errors
    /// [`SetupError`].
    pub async fn discover(self) -> Result<Verifier, SetupError> {
        let follows = self.follows;
        let (verifier, mut rounds) = self.start()?;
        let core = verifier.core();
        if let Some(reason) = core.keys.first().await {
            core.issuer.current(&core.context).await?;
            return Err(SetupError::Keys(reason));
        }
        if follows && !rounds.wait_for(Option::is_some).await.is_ok_and(|round| *round == Some(true)) {
            return Err(SetupError::Revocations);
        }
        Ok(verifier)
    }

    /// Makes the verifier at once and lets it find the issuer by itself: for a service that must start while the issuer
    /// is down. Until it is found, requests with a token get 503.
    ///
    /// # Errors
    /// [`SetupError`] for what is wrong with the choices themselves.
    pub fn build(self) -> Result<Verifier, SetupError> {
        self.start().map(|(verifier, _)| verifier)
    }

    fn start(self) -> Result<(Verifier, watch::Receiver<Round>), SetupError> {
        let runtime = Handle::try_current().map_err(|_| SetupError::NoRuntime)?;
        let core = Arc::new(self.core()?);
        let (rounds, heard) = watch::channel(None);
        let keeper = runtime.spawn({
            let core = core.clone();
            async move {
                let follow = async {
                    if core.follows {
                        follow::follow(&core, &rounds).await;
                    }
                };
                tokio::join!(core.keys.keep(&core), follow);
            }
        });
        Ok((Verifier::new(core, keeper), heard))
    }

    fn core(self) -> Result<Core, SetupError> {
        if self.checks.audiences.is_empty() {
            return Err(SetupError::NoAudience);
        }
        match self.on_stale {
            OnStale::Refuse { after } if after.as_secs() < LEAST_STALE_SECONDS => {
                return Err(SetupError::StaleTooShort);
            }
            OnStale::Refuse { .. } | OnStale::Accept => {}
        }
        let mut names = HashSet::new();
        if !self.trusted_keys.iter().all(|key| names.insert(key.kid().to_owned())) {
            return Err(SetupError::DuplicateKey);
        }
        let (issuer, fetcher) = self.network.connect(&self.checks.issuer)?;
        let introspection = self
            .credentials
            .map(|(id, secret)| Introspection::new(&id, &secret, self.foreign_tokens))
            .transpose()?;
        Ok(Core {
            context: Context { clock: self.clock, metrics: self.metrics, fetcher },
            checks: self.checks,
            on_stale: self.on_stale,
            follows: self.follows,
            issuer,
            keys: Keys::new(self.trusted_keys),
            revocations: Revocations::default(),
            verified: Cache::new(self.cache_capacity),
            introspection,
        })
    }
}

impl Network {
    fn connect(&self, issuer: &str) -> Result<(Issuer, Fetcher), SetupError> {
        let allowed =
            self.allowed_origins.iter().map(|text| self.origin(text)).collect::<Result<Vec<_>, _>>()?;
        let (_, origin) = url::parse(issuer)?;
        if issuer.contains('?') {
            return Err(SetupError::Url(issuer.to_owned()));
        }
        // Where the issuer is reached decides, whatever it is called.
        let reached = self.origin(self.reach_at.as_deref().unwrap_or(issuer))?;
        let needs_tls = reached.https || allowed.iter().any(|origin| origin.https);
        let mut fetcher = Fetcher::new(needs_tls, &self.roots_pem)?;
        if let Some(to) = &self.reach_at {
            fetcher = fetcher.detour(issuer, to)?;
        }
        Ok((Issuer::new(issuer.to_owned(), origin, allowed), fetcher))
    }

    fn origin(&self, text: &str) -> Result<url::Origin, SetupError> {
        let (_, origin) = url::parse(text)?;
        if origin.https || origin.is_loopback() || self.plain_http {
            Ok(origin)
        } else {
            Err(SetupError::PlainHttp(text.to_owned()))
        }
    }
}

impl fmt::Debug for Builder {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("checks", &self.checks)
            .field("on_stale", &self.on_stale)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn refused(builder: Builder) -> SetupError {
        builder.core().map(|_| ()).expect_err("a refusal")
    }

    #[test]
    fn what_cannot_be_right_is_told() {
        let good = || Verifier::builder("http://localhost:8400").audience("a");
        assert!(good().core().is_ok());
        assert_eq!(refused(Verifier::builder("http://localhost")), SetupError::NoAudience);
        let short = OnStale::Refuse { after: Duration::from_secs(4) };
        assert_eq!(refused(good().on_stale(short)), SetupError::StaleTooShort);
        let key = || VerifyingKey::hs256("k", &[1; 32]).expect("32 bytes");
        assert_eq!(refused(good().trusted_key(key()).trusted_key(key())), SetupError::DuplicateKey);
        assert!(matches!(refused(good().root_certificate_pem("x")), SetupError::Certificate(_)));
        for url in ["", "auth.example", "http://localhost/?a", "http://localhost/#a", "ftp://localhost"] {
            assert_eq!(refused(Verifier::builder(url).audience("a")), SetupError::Url(url.into()), "{url}");
        }
        assert_eq!(good().build().map(|_| ()), Err(SetupError::NoRuntime));
    }

    #[test]
    fn plain_http_over_a_network_needs_leave() {
        let plain = "http://auth.example";
        let builder = || Verifier::builder(plain).audience("a");
        assert_eq!(refused(builder()), SetupError::PlainHttp(plain.into()));
        assert!(builder().allow_plain_http().core().is_ok());
        let local = || Verifier::builder("http://[::1]:8400").audience("a");
        assert!(local().core().is_ok());
        assert_eq!(refused(local().allow_origin(plain)), SetupError::PlainHttp(plain.into()));
        assert_eq!(refused(local().reach_at(plain)), SetupError::PlainHttp(plain.into()));
        let https = Verifier::builder("https://auth.example").audience("a");
        assert!(
            https.reach_at("http://127.0.0.1:8400").core().is_ok(),
            "no certificates are needed for that"
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let builder = Verifier::builder("http://localhost").introspect_with("id", "a secret");
        assert!(!format!("{builder:?}").contains("a secret"));
    }
}
