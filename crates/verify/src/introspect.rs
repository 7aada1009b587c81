//! API tokens: only the issuer knows them, so it is asked (RFC 7662), at most once in five seconds per token.
//!
//! 1. What was answered within the last five seconds counts, "not active" too.
//! 2. Many requests with one token wait for one question. No more than [`MOST_AT_ONCE`] questions are under way, and
//!    with those no more than [`MOST`] tokens wait: beyond that it is 503 at once.
//! 3. A token in the revocations has ended, if it stands there as a whole; `Core::admit` looks there. If only its
//!    generation does, its rights have changed, and the issuer is asked which they are now.
//! 4. A failure is a 503 and is not remembered: the token may be good.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use portcullis_jose::{AccessClaims, Actor};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::{
    Cause, Claims, FetchError, Outage, SetupError, TokenKind, VerifyError,
    cache::Cache,
    core::Core,
    fetch::Limits,
    flight::{Flights, NoAnswer},
    metrics::Fetch,
    url,
};

const LIMITS: Limits = Limits { bytes: 64 * 1024, time: Duration::from_secs(5) };
const GOOD_FOR: Duration = Duration::from_secs(5);
const MOST_AT_ONCE: usize = 64;
/// What the issuer answers in a moment if it answers at all.
const MOST: usize = 1_024;
/// 9999-12-31T23:59:59Z, for a token without an end.
const NEVER: i64 = 253_402_300_799;

/// An answer and when it was asked for, by the clock's `elapsed`.
#[derive(Clone)]
struct Known<T> {
    asked: Duration,
    answer: T,
}

pub(crate) struct Introspection {
    authorization: HeaderValue,
    /// Tokens in a form of another system, which the issuer may have imported.
    pub(crate) foreign: bool,
    active: Cache<Known<Claims>>,
    /// Apart, so that a flood of made-up tokens displaces no good one.
    inactive: Cache<Known<Cause>>,
    flights: Flights<Result<Claims, VerifyError>>,
    places: Semaphore,
}

impl Introspection {
    /// Client credentials as RFC 6749 section 2.3.1 wants them.
    pub(crate) fn new(
        client_id: &str,
        secret: &Zeroizing<String>,
        foreign: bool,
    ) -> Result<Self, SetupError> {
        let pair = Zeroizing::new(format!("{}:{}", url::encode(client_id), url::encode(secret)));
        let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        let mut authorization = HeaderValue::from_str(&value).map_err(|_| SetupError::Credentials)?;
        authorization.set_sensitive(true);
        Ok(Self {
            authorization,
            foreign,
            active: Cache::new(10_000),
            inactive: Cache::new(1_000),
            flights: Flights::new(MOST),
            places: Semaphore::new(MOST_AT_ONCE),
        })
    }

    /// An answer that is still good, without asking.
    pub(crate) fn known(&self, core: &Core, token: &str) -> Option<Result<Claims, VerifyError>> {
        let now = core.context.clock.elapsed();
        if let Some(answer) = fresh(&self.active, token, now) {
            return Some(Ok(answer));
        }
        fresh(&self.inactive, token, now).map(|cause| Err(cause.into()))
    }

    /// Asks, and takes no answer that is older than what the revocations say: the node that gave it has not heard
    /// of them yet.
    pub(crate) async fn ask_anew(&self, core: &Arc<Core>, token: &str) -> Result<Claims, VerifyError> {
        let claims = self.ask(core, token).await?;
        if core.is_outdated(&claims) {
            return Err(unavailable("it has not heard of its own revocations yet"));
        }
        Ok(claims)
    }

    /// Asks, or waits with who has asked already.
    pub(crate) async fn ask(&self, core: &Arc<Core>, token: &str) -> Result<Claims, VerifyError> {
        let work = || {
            let (core, token) = (core.clone(), Zeroizing::new(token.to_owned()));
            async move {
                match &core.introspection {
                    Some(this) => this.ask_now(&core, &token).await,
                    None => Err(Cause::ApiTokensOff.into()),
                }
            }
        };
        self.flights.join(token, work).await.unwrap_or_else(|none| {
            Err(unavailable(match none {
                NoAnswer::Full => "too many tokens wait to be asked about",
                NoAnswer::Lost => "the question was not finished",
            }))
        })
    }

    async fn ask_now(&self, core: &Core, token: &str) -> Result<Claims, VerifyError> {
        let asked = core.context.clock.elapsed();
        let answer = tokio::time::timeout(LIMITS.time, self.exchange(core, token)).await;
        let answer = answer.unwrap_or_else(|_| Err(unavailable("no answer in time")));
        match &answer {
            Ok(claims) => self.active.insert(token, Known { asked, answer: claims.clone() }),
            Err(VerifyError::InvalidToken(cause)) => {
                self.active.remove(token);
                self.inactive.insert(token, Known { asked, answer: cause.clone() });
            }
            Err(_) => {}
        }
        answer
    }

    async fn exchange(&self, core: &Core, token: &str) -> Result<Claims, VerifyError> {
        // Never closed.
        let _place = self.places.acquire().await;
        let metadata =
            core.issuer.current(&core.context).await.map_err(|error| unavailable(&error.to_string()))?;
        let Some(endpoint) = &metadata.introspection else {
            return Err(unavailable("its metadata names no introspection endpoint"));
        };
        let form = format!("token={}&token_type_hint=access_token", url::encode(token));
        let posted = core.context.fetcher.post_form(endpoint, &self.authorization, form, LIMITS);
        let body =
            core.context.timed(Fetch::Introspection, posted).await.map_err(|error| failed(core, &error))?;
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| unavailable("its answer cannot be read"))?;
        answer.claims(core)
    }
}

fn fresh<T: Clone>(cache: &Cache<Known<T>>, token: &str, now: Duration) -> Option<T> {
    let known = cache.get(token)?;
    (now.saturating_sub(known.asked) < GOOD_FOR).then_some(known.answer)
}

fn unavailable(reason: &str) -> VerifyError {
    VerifyError::unavailable(Outage::Introspection(reason.to_owned()))
}

/// Credentials that are refused are the operator's slip, not the caller's.
fn failed(core: &Core, error: &FetchError) -> VerifyError {
    let issuer = &core.checks.issuer;
    if let FetchError::Status(status @ (400 | 401 | 403)) = error {
        tracing::error!(%issuer, status, "the issuer refuses the client credentials for introspection");
    } else {
        tracing::warn!(%issuer, reason = %error, "the issuer cannot be asked about an API token");
    }
    unavailable(&error.to_string())
}

/// RFC 7662 section 2.2, and what Portcullis adds. Members of a wrong type make the answer unreadable.
#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the members of the document")]
struct Answer {
    active: bool,
    #[serde(default)]
    iss: String,
    #[serde(default)]
    sub: String,
    #[serde(default)]
    aud: Audience,
    exp: Option<i64>,
    #[serde(default)]
    iat: i64,
    #[serde(default)]
    sid: String,
    /// Without it the revocations could not be applied.
    #[serde(rename = "gen")]
    generation: Option<u64>,
    #[serde(default)]
    role: String,
    #[serde(default)]
    client_id: String,
    scope: Option<String>,
    account: Option<String>,
    account_role: Option<String>,
    act: Option<Act>,
    #[serde(default)]
    bot: bool,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    pwd_change: bool,
    #[serde(default)]
    factor_setup: bool,
    /// The operator's claims among others.
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
struct Act {
    sub: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Answer {
    fn claims(mut self, core: &Core) -> Result<Claims, VerifyError> {
        if !self.active {
            return Err(Cause::Inactive.into());
        }
        let refused = |error: portcullis_jose::VerifyError| Err(error.into());
        let aud = match self.aud {
            Audience::One(one) => vec![one],
            Audience::Several(several) => several,
        };
        if self.iss != core.checks.issuer {
            return refused(portcullis_jose::VerifyError::Issuer);
        }
        if !aud.iter().any(|audience| core.checks.audiences.contains(audience)) {
            return refused(portcullis_jose::VerifyError::Audience);
        }
        for (name, value) in [("sub", &self.sub), ("sid", &self.sid), ("role", &self.role)] {
            if value.is_empty() {
                return refused(portcullis_jose::VerifyError::Claim(name));
            }
        }
        let Some(generation) = self.generation else {
            return refused(portcullis_jose::VerifyError::Claim("gen"));
        };
        // What says something about the answer, or of a JWT.
        self.others.retain(|name, _| name != "token_type" && !AccessClaims::is_reserved(name));
        let access = AccessClaims {
            iss: self.iss,
            sub: self.sub,
            aud,
            exp: self.exp.unwrap_or(NEVER),
            iat: self.iat,
            sid: self.sid,
            generation,
            role: self.role,
            account: self.account,
            account_role: self.account_role,
            client_id: self.client_id,
            act: self.act.map(|act| Actor { sub: act.sub }),
            scope: self.scope,
            bot: self.bot,
            read_only: self.read_only,
            pwd_change: self.pwd_change,
            factor_setup: self.factor_setup,
            extra: self.others,
            ..AccessClaims::default()
        };
        Ok(Claims::new(access, TokenKind::ApiToken))
    }
}
