//! The verifier: one value per issuer, cloned into wherever requests come in.
//!
//! 1. A token that was verified before costs a look-up: no signature, no allocation, no waiting.
//! 2. Another JWT: its signature, with the issuer's keys. If they are not known, or the token names a key that is
//!    not, one fetch for everyone who waits.
//! 3. An API token: the issuer's word, five seconds old at most.
//! 4. Whatever it was, [`Core::admit`] has the last word: time, revocation, what the user still has to do.

use std::{fmt, sync::Arc};

use http::{HeaderMap, Method};
use tokio::task::JoinHandle;

use crate::{
    Builder, Cause, Claims, Outage, SetupError, Source, TokenKind, VerifyError,
    api_token::Form,
    authorization,
    core::{Core, Verified},
    keys::Trusted,
};

/// Accepts the tokens of one issuer for one service. Cheap to clone.
///
/// It belongs to the Tokio runtime it is made in, where one task fetches keys and follows revocations until the last
/// clone is dropped.
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

struct Inner {
    core: Arc<Core>,
    keeper: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// A verifier's answer: who is calling, or why nobody is.
type Answer = Result<Claims, VerifyError>;

impl Verifier {
    /// A verifier for the tokens of `issuer` whose `aud` names `audience` (by default of a Portcullis server: the
    /// issuer itself). Fetches metadata, keys and revocations before it returns; to start while the issuer is down, use
    /// [`Builder::build`].
    ///
    /// ```no_run
    /// # async fn start() -> Result<(), portcullis_verify::SetupError> {
    /// use portcullis_verify::Verifier;
    ///
    /// let verifier = Verifier::discover("https://auth.example", "https://api.example").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn discover(
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> Result<Self, SetupError> {
        Self::builder(issuer).audience(audience).discover().await
    }

    /// A verifier with choices; see [`Builder`].
    pub fn builder(issuer: impl Into<String>) -> Builder {
        Builder::new(issuer.into())
    }

    pub(crate) fn new(core: Arc<Core>, keeper: JoinHandle<()>) -> Self {
        Self { inner: Arc::new(Inner { core, keeper }) }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.inner.core
    }

    /// The issuer whose tokens are accepted.
    pub fn issuer(&self) -> &str {
        &self.core().checks.issuer
    }

    /// Whether tokens can be verified: the issuer's keys are known, and its revocations well enough. What a readiness
    /// check may ask.
    pub fn is_ready(&self) -> bool {
        let core = self.core();
        let fresh = core.freshness(core.revocations.heard());
        core.keys.trusted().is_some() && fresh.is_none_or(|left| !left.is_zero())
    }

    /// Verifies a token, JWT or API token.
    ///
    /// Whoever uses this instead of the layer must also hold the request to
    /// [`Claims::require_method`], which [`verify_request`](Verifier::verify_request) does.
    ///
    /// ```no_run
    /// # async fn example(verifier: portcullis_verify::Verifier, token: &str) {
    /// match verifier.verify(token).await {
    ///     Ok(claims) => println!("{} calls", claims.user_id()),
    ///     Err(refusal) => println!("{} {}", refusal.status(), refusal.code()),
    /// }
    /// # }
    /// ```
    pub async fn verify(&self, token: &str) -> Answer {
        match self.verify_cached(token) {
            Some(answer) => answer,
            None => self.verify_anew(token).await,
        }
    }

    /// Verifies a token if that needs neither a signature nor a question, so without waiting.
    pub fn verify_cached(&self, token: &str) -> Option<Answer> {
        let core = self.core();
        if let Some(Verified { claims, version }) = core.verified.get(token) {
            if version != core.keys.version() {
                return None;
            }
            let admitted = core.admit(&claims);
            if matches!(admitted, Err(VerifyError::InvalidToken(_))) {
                core.verified.remove(token);
            }
            return Some(self.counted(admitted.map(|()| claims), Source::Cache));
        }
        let answer = core.introspection.as_ref()?.known(core, token)?;
        // Its scopes or its user's role have changed: the issuer is asked which they are now.
        if answer.as_ref().is_ok_and(|claims| core.is_outdated(claims)) {
            return None;
        }
        let answer = answer.and_then(|claims| core.admit(&claims).map(|()| claims));
        Some(self.counted(answer, Source::Cache))
    }

    /// Whether a token that was verified before is still good: its time, its session, what the user has to do. For who
    /// keeps the claims beside something that stands for the token, a cookie for instance.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub fn recheck(&self, claims: &Claims) -> Result<(), VerifyError> {
        let admitted = self.core().admit(claims);
        self.counted(admitted.map(|()| claims.clone()), Source::Cache).map(drop)
    }

    /// Verifies a request: its `Authorization` header, the token in it, and whether that token is good for the
    /// request's method. `Ok(None)` without the header.
    pub async fn verify_request(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Option<Claims>, VerifyError> {
        let Some(token) = self.presented(headers)? else { return Ok(None) };
        let claims = self.verify(token).await?;
        self.hold_to(method, &claims).map(|()| Some(claims))
    }

    /// The same, if it needs no waiting.
    pub(crate) fn verify_request_cached(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<Result<Option<Claims>, VerifyError>> {
        let token = match self.presented(headers) {
            Ok(Some(token)) => token,
            Ok(None) => return Some(Ok(None)),
            Err(error) => return Some(Err(error)),
        };
        let answer = self.verify_cached(token)?;
        Some(answer.and_then(|claims| self.hold_to(method, &claims).map(|()| Some(claims))))
    }

    fn presented<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>, VerifyError> {
        authorization::presented(headers).inspect_err(|error| self.refused(error))
    }

    fn hold_to(&self, method: &Method, claims: &Claims) -> Result<(), VerifyError> {
        claims.require_method(method).inspect_err(|error| self.refused(error))
    }

    pub(crate) fn refused(&self, error: &VerifyError) {
        self.core().context.metrics.refused(error);
    }

    fn counted(&self, answer: Answer, source: Source) -> Answer {
        match &answer {
            Ok(_) => self.core().context.metrics.accepted(source),
            Err(error) => self.refused(error),
        }
        answer
    }

    async fn verify_anew(&self, token: &str) -> Answer {
        let core = self.core();
        match (Form::of(token), &core.introspection) {
            (Some(Form::Jwt), _) => {
                let answer = self.verify_jwt(token).await;
                self.counted(answer, Source::Signature)
            }
            (Some(form), Some(introspection)) if form == Form::ApiToken || introspection.foreign => {
                let answer = introspection.ask_anew(core, token).await;
                let answer = answer.and_then(|claims| core.admit(&claims).map(|()| claims));
                self.counted(answer, Source::Introspection)
            }
            (Some(Form::ApiToken), None) => {
                self.counted(Err(Cause::ApiTokensOff.into()), Source::Introspection)
            }
            _ => self.counted(Err(Cause::Form.into()), Source::Introspection),
        }
    }

    async fn verify_jwt(&self, token: &str) -> Answer {
        let core = self.core();
        if core.keys.trusted().is_none() {
            core.keys.refresh(&core.context).await;
        }
        let trusted = core.keys.trusted().ok_or_else(|| VerifyError::unavailable(Outage::Keys))?;
        match self.verify_with(token, &trusted) {
            Err(VerifyError::InvalidToken(Cause::Jwt(portcullis_jose::VerifyError::UnknownKey))) => {
                self.verify_with_newer_keys(token, &trusted).await
            }
            answer => answer,
        }
    }

    /// The token names a key that is not known: newly made, taken away, or made up.
    async fn verify_with_newer_keys(&self, token: &str, trusted: &Trusted) -> Answer {
        let core = self.core();
        core.keys.refresh(&core.context).await;
        match core.keys.trusted() {
            Some(newer) if newer.version != trusted.version => self.verify_with(token, &newer),
            // It may be a new key, and a client must not throw its token away because of our trouble.
            _ if core.keys.failure().is_some() => Err(VerifyError::unavailable(Outage::Keys)),
            _ => Err(portcullis_jose::VerifyError::UnknownKey.into()),
        }
    }

    fn verify_with(&self, token: &str, trusted: &Trusted) -> Answer {
        let core = self.core();
        let now = core.context.clock.unix_seconds();
        let access = portcullis_jose::verify(token, &trusted.set, &core.checks, now)?;
        let claims = Claims::new(access, TokenKind::AccessToken);
        core.admit(&claims)?;
        core.verified.insert(token, Verified { claims: claims.clone(), version: trusted.version });
        Ok(claims)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}
