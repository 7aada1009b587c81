//! Who asks: the bearer, else the session in the cookies. Nothing is decided here.
//!
//! 1. A bearer that is no good is refused whatever is asked for.
//! 2. An API token (`pct_…`) is exchanged for an access token, which is kept for as long as it is good.
//! 3. A session whose access token was revoked may have been given another role: a refresh tells, or ends it.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use moka::sync::Cache;
use portcullis_core::secret_token::Kind;
use portcullis_edge::authorization::{Presented as Header, presented};
use portcullis_edge::{Code, Problem};
use portcullis_verify::{Verifier, VerifyError};

use crate::issuer::{Issuer, OnBehalf, Refused};
use crate::jar::{Jar, Presented};
use crate::keeper::{Keeper, Standing};
use crate::pass::{Pass, Principal};
use crate::session::Session;
use crate::throttle::Throttle;

/// How many cookies and bearers are remembered, opened and verified; some kilobytes each.
const MOST: u64 = 10_000;
/// For how long, unused.
const UNUSED: Duration = Duration::from_mins(15);

static UNKNOWN: Throttle = Throttle::new();

/// Finds a sealed session by the last of its kilobytes. They are its tag: whoever has two with one end has made one of
/// them, which opens nothing and is not remembered.
#[derive(Clone, Default)]
struct ByEnd(RandomState);

struct EndHasher(DefaultHasher);

impl BuildHasher for ByEnd {
    type Hasher = EndHasher;

    fn build_hasher(&self) -> EndHasher {
        EndHasher(self.0.build_hasher())
    }
}

impl Hasher for EndHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(&bytes[bytes.len().saturating_sub(22)..]);
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

/// Somebody who may or may not do what they ask for.
#[derive(Clone)]
pub(crate) struct Somebody {
    pub(crate) principal: Arc<Principal>,
    /// By cookie; none: by a bearer.
    pub(crate) session: Option<Arc<Session>>,
}

/// Who asks.
pub(crate) enum Who {
    /// Nobody: nothing was presented, or nothing that can be read.
    Nobody,
    /// The cookie is of a session that has ended.
    Gone {
        /// As in [`Refused::Ended`].
        superseded: bool,
    },
    Somebody(Somebody),
    /// Somebody who must change the password first.
    MustChange,
    /// There is a session, but what it is worth nobody can tell now.
    Unknown(Problem),
    /// A bearer that is no good, or cookies that cannot be.
    Refused(Problem),
}

impl Who {
    /// The state of the session that is asked by.
    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        match self {
            Self::Somebody(somebody) => somebody.session.as_ref(),
            Self::Nobody | Self::Gone { .. } | Self::MustChange | Self::Unknown(_) | Self::Refused(_) => None,
        }
    }
}

/// What tells who asks.
pub(crate) struct Doorman {
    pub(crate) verifier: Verifier,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) audience: Arc<str>,
    opened: Cache<String, Arc<Session>, ByEnd>,
    bearers: Cache<String, Arc<Principal>>,
}

impl Doorman {
    pub(crate) fn new(
        verifier: Verifier,
        keeper: Arc<Keeper>,
        issuer: Arc<Issuer>,
        audience: Arc<str>,
    ) -> Self {
        let opened = Cache::builder().max_capacity(MOST).time_to_idle(UNUSED);
        let opened = opened.build_with_hasher(ByEnd::default());
        let bearers = Cache::builder().max_capacity(MOST).time_to_idle(UNUSED).build();
        Self { verifier, keeper, issuer, audience, opened, bearers }
    }

    /// Who presents these.
    pub(crate) async fn who(
        &self,
        headers: &HeaderMap,
        session: Option<&Arc<Session>>,
        client: &OnBehalf,
    ) -> Who {
        match presented(headers) {
            Err(malformed) => Who::Refused(malformed.into()),
            Ok(Header::Bearer(token)) => match self.bearer(token, client).await {
                Ok(principal) => Who::Somebody(Somebody { principal, session: None }),
                Err(problem) => Who::Refused(problem),
            },
            Ok(Header::None) => match session {
                Some(session) => self.of_session(session, client).await,
                None => Who::Nobody,
            },
        }
    }

    /// The session in the cookies, as it was sealed.
    pub(crate) fn opened(&self, jar: &Jar, presented: &Presented<'_>) -> Option<Arc<Session>> {
        let sealed = presented.session.as_deref()?;
        if let Some(session) = self.opened.get(sealed) {
            return Some(session);
        }
        let session = Arc::new(jar.open(sealed)?);
        self.opened.insert(sealed.to_owned(), session.clone());
        Some(session)
    }

    async fn of_session(&self, session: &Arc<Session>, client: &OnBehalf) -> Who {
        match self.keeper.fresh(session, client).await {
            Ok(fresh) if fresh.contents.must_change_password => Who::MustChange,
            Ok(fresh) if fresh.contents.must_set_up_factor => Who::Refused(factor_setup()),
            Ok(fresh) => self.verified(fresh, client).await,
            Err(refused) => of_refusal(refused),
        }
    }

    async fn verified(&self, session: Arc<Session>, client: &OnBehalf) -> Who {
        match self.principal(&session).await {
            Ok(principal) => Who::Somebody(Somebody { principal, session: Some(session) }),
            Err(VerifyError::PasswordChangeRequired) => Who::MustChange,
            Err(VerifyError::FactorSetupRequired) => Who::Refused(factor_setup()),
            Err(VerifyError::InvalidToken(_)) => match self.keeper.renewed(&session, client).await {
                Ok(renewed) if renewed.contents.must_change_password => Who::MustChange,
                Ok(renewed) if renewed.contents.must_set_up_factor => Who::Refused(factor_setup()),
                Ok(renewed) => match self.principal(&renewed).await {
                    Ok(principal) => Who::Somebody(Somebody { principal, session: Some(renewed) }),
                    Err(error) => Who::Unknown(unknown(&error.to_string(), 2)),
                },
                Err(refused) => of_refusal(refused),
            },
            Err(error) => Who::Unknown(unknown(&error.to_string(), 2)),
        }
    }

    /// The user behind a session.
    pub(crate) async fn principal(&self, session: &Session) -> Result<Arc<Principal>, VerifyError> {
        if let Some(principal) = session.principal.get() {
            return self.verifier.recheck(&principal.claims).map(|()| principal.clone());
        }
        let claims = self.verifier.verify(&session.contents.access).await?;
        let principal =
            Principal::new(session.contents.access.clone(), claims).ok_or(VerifyError::NoLayer)?;
        let upstream = session.contents.upstream.as_deref();
        if let Some(pass) = upstream.and_then(|token| Pass::new(token, session.expires_at)) {
            principal.keep(&self.audience, pass);
        }
        Ok(session.principal.get_or_init(|| Arc::new(principal)).clone())
    }

    async fn bearer(&self, token: &str, client: &OnBehalf) -> Result<Arc<Principal>, Problem> {
        if let Some(principal) = self.bearers.get(token) {
            match self.verifier.recheck(&principal.claims) {
                Ok(()) => return Ok(principal),
                Err(VerifyError::InvalidToken(_)) => self.bearers.invalidate(token),
                Err(error) => return Err(refusal(&error)),
            }
        }
        let principal = if Kind::ApiToken.fits(token) {
            self.of_api_token(token, client).await?
        } else {
            self.of_access_token(token).await?
        };
        let principal = Arc::new(principal);
        self.bearers.insert(token.to_owned(), principal.clone());
        Ok(principal)
    }

    async fn of_access_token(&self, token: &str) -> Result<Principal, Problem> {
        let claims = self.verifier.verify(token).await.map_err(|error| refusal(&error))?;
        let principal = Principal::new(token.to_owned(), claims).ok_or(Code::InternalError)?;
        let claims = &principal.claims;
        // One that is for apps alone goes on as it is; one that the issuer takes, too, never does.
        if claims.audiences().iter().all(|audience| audience != self.verifier.issuer()) {
            let pass = Pass::new(token, claims.expires_at()).ok_or(Code::InternalError)?;
            for audience in claims.audiences() {
                principal.keep(&Arc::from(audience.as_str()), pass.clone());
            }
        }
        Ok(principal)
    }

    /// What the token is worth, the issuer says by what it gives for it.
    async fn of_api_token(&self, token: &str, client: &OnBehalf) -> Result<Principal, Problem> {
        let access = self.issuer.exchange(token, &self.audience, client).await;
        let access = access.map_err(|refused| match refused {
            Refused::Ended { .. } => Problem::new(Code::InvalidToken),
            Refused::Unavailable { why, retry_after } => unknown(&why, retry_after),
        })?;
        let claims = self.verifier.verify(&access).await.map_err(|error| refusal(&error))?;
        let expires_at = claims.expires_at();
        let principal = Principal::new(token.to_owned(), claims).ok_or(Code::InternalError)?;
        principal.keep(&self.audience, Pass::new(&access, expires_at).ok_or(Code::InternalError)?);
        Ok(principal)
    }

    /// What the browser should have instead of `session`, if that is another state of it.
    pub(crate) fn newer(&self, session: &Arc<Session>) -> Option<Arc<Session>> {
        match self.keeper.standing(session) {
            Standing::Is(newest) if newest.age() > session.age() => Some(newest),
            Standing::Is(_) | Standing::Ended { .. } => None,
        }
    }
}

fn of_refusal(refused: Refused) -> Who {
    match refused {
        Refused::Ended { superseded } => Who::Gone { superseded },
        Refused::Unavailable { why, retry_after } => Who::Unknown(unknown(&why, retry_after)),
    }
}

/// 503: never a 401, with which a client would throw a good session away.
pub(crate) fn unknown(why: &str, retry_after: u64) -> Problem {
    if UNKNOWN.pass() {
        tracing::warn!(reason = why, "the issuer cannot be asked");
    }
    Problem::new(Code::IssuerUnavailable)
        .detail("The server that knows about sign-ins does not answer. You are still signed in; try again in a moment.")
        .retry_after(retry_after)
}

/// Whoever must set up a second factor first has no page of ours for it.
fn factor_setup() -> Problem {
    Problem::new(Code::FactorSetupRequired)
        .detail("Set up a second factor first, on the account page of the server that you sign in with, and sign in again.")
}

/// A bearer's refusal, as the issuer's own API would tell it.
fn refusal(error: &VerifyError) -> Problem {
    match error {
        VerifyError::PasswordChangeRequired => Code::PasswordChangeRequired.into(),
        VerifyError::FactorSetupRequired => factor_setup(),
        VerifyError::Unavailable { retry_after_seconds, .. } => {
            unknown(&error.to_string(), *retry_after_seconds)
        }
        VerifyError::InvalidToken(cause) => {
            tracing::debug!(reason = %cause, "a bearer is refused");
            Code::InvalidToken.into()
        }
        _ => Code::InternalError.into(),
    }
}
