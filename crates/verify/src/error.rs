//! Why a token or a request is refused, and why a [`Verifier`](crate::Verifier) cannot be made.
//!
//! ```
//! use http::StatusCode;
//! use portcullis_verify::{Cause, VerifyError};
//!
//! let refusal = VerifyError::InvalidToken(Cause::Revoked);
//! assert_eq!(refusal.code(), "invalid_token");
//! assert_eq!(refusal.status(), StatusCode::UNAUTHORIZED);
//! ```

use http::StatusCode;

use crate::fetch::FetchError;

/// A refusal. What the caller is told is [`code`](VerifyError::code), [`status`](VerifyError::status) and the
/// response of [`to_response`](VerifyError::to_response); the variants' contents are for the log. None holds text of
/// a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// 401 `missing_token`: there is no `Authorization` header.
    #[error("the request has no token")]
    MissingToken,
    /// 401 `malformed_authorization`: not exactly one header of the form `Bearer <token>` or `Token <token>`.
    #[error("the Authorization header is malformed")]
    MalformedAuthorization,
    /// 401 `invalid_token`: whatever is wrong with the token, the caller is told the same.
    #[error("the token is not accepted: {0}")]
    InvalidToken(Cause),
    /// 403 `password_change_required`: the user must choose a new password before anything else.
    #[error("the user must change the password first")]
    PasswordChangeRequired,
    /// 403 `factor_setup_required`: the user must set up a second factor before anything else.
    #[error("the user must set up a second factor first")]
    FactorSetupRequired,
    /// 403 `read_only_session`: an unsafe method with a token that may only look (RFC 9110 section 9.2.1).
    #[error("the session is read-only")]
    ReadOnlySession,
    /// 403 `forbidden`: the user's role may not do this.
    #[error("the user's role may not do this")]
    Forbidden,
    /// 403 `insufficient_scope` (RFC 6750 section 3.1).
    #[error("the token lacks a scope: {needed} is needed")]
    InsufficientScope {
        /// The scopes that are needed, separated by spaces.
        needed: String,
    },
    /// 503 `issuer_unavailable`: whether the token is good cannot be known now. Never a 401, since a client would
    /// throw a good token away.
    #[error("the token cannot be checked now: {cause}")]
    Unavailable {
        /// What is missing.
        cause: Outage,
        /// After how many seconds to come back.
        retry_after_seconds: u64,
    },
    /// 500 `internal_error`: an extractor or a guard stands on a route without the layer. Refused, since nothing was
    /// checked.
    #[error("the route has a guard or an extractor of portcullis-verify, but not its layer")]
    NoLayer,
}

/// What is wrong with a token. For the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The JWT itself: form, signature, claims, issuer, audience, time.
    #[error(transparent)]
    Jwt(#[from] portcullis_jose::VerifyError),
    /// Its session has been ended, or its rights have changed.
    #[error("it has been revoked")]
    Revoked,
    /// The issuer says that this API token is not, or no longer, valid for this service.
    #[error("the issuer does not know it as active")]
    Inactive,
    /// An API token, and the service has no client credentials to ask the issuer with.
    #[error("API tokens are not accepted: no client credentials were configured")]
    ApiTokensOff,
    /// Neither a JWT nor an API token.
    #[error("it has the form of no token")]
    Form,
}

/// What cannot be known. For the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Outage {
    /// No key set was ever fetched, or the token names a key that could not be looked for.
    #[error("the issuer's keys cannot be fetched")]
    Keys,
    /// The revocations were never heard, or not for longer than [`OnStale::Refuse`](crate::OnStale::Refuse) allows.
    #[error("revocations are unknown")]
    Revocations,
    /// The issuer could not be asked about an API token.
    #[error("the issuer cannot be asked about API tokens: {0}")]
    Introspection(String),
}

impl VerifyError {
    /// The stable code, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::MalformedAuthorization => "malformed_authorization",
            Self::InvalidToken(_) => "invalid_token",
            Self::PasswordChangeRequired => "password_change_required",
            Self::FactorSetupRequired => "factor_setup_required",
            Self::ReadOnlySession => "read_only_session",
            Self::Forbidden => "forbidden",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::Unavailable { .. } => "issuer_unavailable",
            Self::NoLayer => "internal_error",
        }
    }

    /// The status it is sent with.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::MissingToken | Self::MalformedAuthorization | Self::InvalidToken(_) => {
                StatusCode::UNAUTHORIZED
            }
            Self::PasswordChangeRequired
            | Self::FactorSetupRequired
            | Self::ReadOnlySession
            | Self::Forbidden
            | Self::InsufficientScope { .. } => StatusCode::FORBIDDEN,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoLayer => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(crate) const fn unavailable(cause: Outage) -> Self {
        Self::Unavailable { cause, retry_after_seconds: 2 }
    }
}

impl From<portcullis_jose::VerifyError> for VerifyError {
    fn from(error: portcullis_jose::VerifyError) -> Self {
        Self::InvalidToken(Cause::Jwt(error))
    }
}

impl From<Cause> for VerifyError {
    fn from(cause: Cause) -> Self {
        Self::InvalidToken(cause)
    }
}

/// A [`Verifier`](crate::Verifier) cannot be made. The texts are for the operator: what is wrong and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A URL is none, or has parts that it may not have.
    #[error("{0:?} is not an http(s) URL without user, query and fragment")]
    Url(String),
    /// The issuer is reached without TLS over a network.
    #[error(
        "{0:?} is not https: whoever is on the way could hand out keys of their own. Use https, or call \
         `allow_plain_http` if that network is trusted (loopback addresses always are)"
    )]
    PlainHttp(String),
    /// No audience was given, so no token would ever be accepted.
    #[error("no audience: name what stands in `aud` of the tokens for this service, e.g. the issuer's URL")]
    NoAudience,
    /// There is no Tokio runtime to follow the revocations in.
    #[error("a verifier is made inside a Tokio runtime, in which it follows the revocations")]
    NoRuntime,
    /// `OnStale::Refuse` with less than 5 seconds.
    #[error("OnStale::Refuse needs at least 5 seconds: the revocations are asked for every few")]
    StaleTooShort,
    /// A certificate that was given cannot be read.
    #[error("a root certificate cannot be used: {0}")]
    Certificate(String),
    /// The system has no certificate bundle.
    #[error("no root certificates found: install `ca-certificates`, or give one with `root_certificate_pem`")]
    NoRootCertificates,
    /// A client id or secret with characters that no header can carry.
    #[error("the client credentials cannot be used")]
    Credentials,
    /// A trusted key has the name of another one.
    #[error("two trusted keys have one name")]
    DuplicateKey,
    /// The issuer's metadata cannot be had or used.
    #[error("the issuer's metadata: {0}")]
    Metadata(#[from] MetadataError),
    /// The issuer's keys cannot be had or used.
    #[error("the issuer's keys: {0}")]
    Keys(String),
    /// The revocations cannot be had.
    #[error(
        "the revocations cannot be fetched from the issuer: see the log for the reason; a proxy in between must let \
         /.well-known/portcullis/revocations pass"
    )]
    Revocations,
}

/// Metadata (RFC 8414) that cannot be had or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// It could not be fetched.
    #[error("{0}")]
    Fetch(#[from] FetchError),
    /// Not JSON, a required member missing or a member of the wrong type.
    #[error("it is not a metadata document: {0}")]
    Malformed(String),
    /// `issuer` is not the one that was asked for, character by character (section 3.3).
    #[error("it names the issuer {0:?}; use exactly that text as issuer if it is the right server")]
    Issuer(String),
    /// An endpoint lies elsewhere.
    #[error("{0:?} is on another origin than the issuer; call `allow_origin` if that is meant to be so")]
    Origin(String),
}
