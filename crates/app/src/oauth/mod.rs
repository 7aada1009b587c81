//! The OAuth endpoints: token (RFC 6749, RFC 8693), introspection (RFC 7662), revocation (RFC 7009).
//!
//! 1. Who presents itself as a client must prove it, whether or not the request needs one ([`authenticate`]).
//! 2. Failures count against their address, right requests never do, nor does what a client that has proved itself is
//!    sent by its users. An address that is known to be over its
//!    limit is refused before anything is looked at. A bare refresh token is beyond that: whoever holds one with a
//!    right MAC is never refused for their address, and wrong ones have a limit of their own.
//! 3. A token that somebody holds proves that they may end it or rotate it; who asks about a token must be a
//!    client, and is told only of those for its audiences.

mod authenticate;
mod client_credentials;
mod exchange;
mod introspect;
mod revoke;
mod token;

use std::borrow::Cow;

pub use authenticate::Credentials;
pub use client_credentials::ClientCredentials;
pub use exchange::{Exchange, Impersonation, TokenType};
pub use introspect::Introspected;
pub use token::{Grant, Issued, RefreshGrant, SessionTokens};

use thiserror::Error;

use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::limits::{LimitError, Limited};
use crate::refresh::RefreshError;

/// Why an OAuth request is refused: the codes of RFC 6749 section 5.2 and those that later documents add.
#[derive(Debug, Error)]
pub enum OAuthError {
    /// `invalid_request`: what is wrong, for the caller.
    #[error("{0}")]
    InvalidRequest(Cow<'static, str>),
    /// `invalid_request`, as RFC 8693 section 2.2.2 has it: the subject token is not good. Why, for the log.
    #[error("{0}")]
    SubjectToken(&'static str),
    /// `invalid_client`. Why, for the log.
    #[error("{0}")]
    InvalidClient(&'static str),
    /// `invalid_grant`: the refresh token.
    #[error(transparent)]
    Refresh(RefreshError),
    /// `unauthorized_client`: what it may not do, for the caller.
    #[error("{0}")]
    UnauthorizedClient(&'static str),
    /// `invalid_scope`: what is wrong, for the caller.
    #[error("{0}")]
    InvalidScope(Cow<'static, str>),
    /// `invalid_target` (RFC 8707, RFC 8693): not an audience to be had.
    #[error("unknown audience")]
    InvalidTarget,
    /// `unsupported_token_type` (RFC 7009): what to do instead, for the caller.
    #[error("{0}")]
    UnsupportedTokenType(&'static str),
    /// Too many failures.
    #[error("rate limited")]
    Limited(Limited),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<LimitError> for OAuthError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Limited(limited) => Self::Limited(limited),
            LimitError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl OAuthError {
    /// `invalid_request` with a text for the caller.
    pub(crate) fn request(text: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidRequest(text.into())
    }

    /// Something secret was presented, and was not right.
    const fn is_wrong_guess(&self) -> bool {
        matches!(self, Self::InvalidClient(_) | Self::SubjectToken(_))
    }
}

/// The limit's name, as in the configuration.
const LIMIT: &str = "oauth_token";

impl Cx {
    /// Refuses an address that is known to have failed too often.
    fn admit_address(&self, client: &Client) -> Result<(), OAuthError> {
        let rate = self.settings.rates.map(|rates| rates.oauth_token);
        Ok(self.known_limit(LIMIT, rate, client)?)
    }

    /// Counts a wrong guess against its address, before it is told that it was wrong.
    async fn counted<T>(&self, outcome: Result<T, OAuthError>, client: &Client) -> Result<T, OAuthError> {
        if outcome.as_ref().is_err_and(OAuthError::is_wrong_guess) {
            metrics::counter!("portcullis_oauth_refused_total").increment(1);
            let rate = self.settings.rates.map(|rates| rates.oauth_token);
            self.limit(LIMIT, rate, client).await?;
        }
        outcome
    }
}
