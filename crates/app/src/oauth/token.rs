//! The token endpoint: which grant, by whom, and the refresh of our own sessions (RFC 6749 section 6).

use std::time::Duration;

use portcullis_core::client::ServiceClient;
use portcullis_core::ids::SessionId;

use super::{ClientCredentials, Credentials, Exchange, OAuthError};
use crate::client::Client;
use crate::cx::Cx;
use crate::refresh::{Carrier, RefreshError, RefreshRequest};
use crate::tokens::Tokens;

/// A grant that is asked for. Holds tokens, and so has no `Debug`.
pub enum Grant {
    /// RFC 6749 section 4.4.
    ClientCredentials(ClientCredentials),
    /// RFC 6749 section 6.
    Refresh(RefreshGrant),
    /// RFC 8693.
    Exchange(Exchange),
}

/// A refresh token, and what shall become of it.
pub struct RefreshGrant {
    /// The token.
    pub token: String,
    /// Only these scopes.
    pub scope: Option<String>,
    /// Only this audience.
    pub audience: Option<String>,
}

/// What the token endpoint hands out.
pub struct Issued {
    /// The access token.
    pub access_token: String,
    /// For how long it is good.
    pub expires_in: Duration,
    /// Its scopes; `None`: unrestricted.
    pub scope: Option<String>,
    /// Came of an exchange (RFC 8693 section 2.2.1).
    pub exchanged: bool,
    /// Of a session, which goes on.
    pub session: Option<SessionTokens>,
}

/// What a session gets besides the access token.
pub struct SessionTokens {
    /// The refresh token.
    pub refresh_token: String,
    /// For how long it is good, unused.
    pub refresh_expires_in: Duration,
    /// The session.
    pub session: SessionId,
    /// Until the password is changed nothing but that works.
    pub must_change_password: bool,
}

impl From<Tokens> for Issued {
    fn from(tokens: Tokens) -> Self {
        let session = SessionTokens {
            refresh_token: tokens.refresh_token,
            refresh_expires_in: tokens.refresh_expires_in,
            session: tokens.grant.session,
            must_change_password: tokens.grant.must_change_password,
        };
        Self {
            access_token: tokens.access_token,
            expires_in: tokens.expires_in,
            scope: None,
            exchanged: false,
            session: Some(session),
        }
    }
}

impl Cx {
    /// Answers a request to the token endpoint.
    pub async fn grant(
        &self,
        grant: Grant,
        credentials: &Credentials,
        client: &Client,
    ) -> Result<Issued, OAuthError> {
        if !matches!(grant, Grant::Refresh(_)) || credentials.prove_something() {
            self.admit_address(client)?;
        }
        let by = self.client_of(credentials).await;
        let by = self.counted(by, client).await?;
        let issued = self.grant_to(by.as_deref(), grant, client).await;
        // What a service that has proved itself is sent by its users is no guess of its own.
        if by.is_some() { issued } else { self.counted(issued, client).await }
    }

    async fn grant_to(
        &self,
        by: Option<&ServiceClient>,
        grant: Grant,
        client: &Client,
    ) -> Result<Issued, OAuthError> {
        match grant {
            Grant::ClientCredentials(wanted) => {
                let by = by.ok_or(OAuthError::InvalidClient("no credentials"))?;
                self.client_token(by, &wanted)
            }
            Grant::Refresh(_) if by.is_some() => {
                Err(OAuthError::UnauthorizedClient("Sessions are refreshed without client credentials."))
            }
            Grant::Refresh(wanted) => self.refresh_grant(wanted, client).await,
            Grant::Exchange(wanted) => self.exchange(wanted, by, client).await,
        }
    }

    async fn refresh_grant(&self, wanted: RefreshGrant, client: &Client) -> Result<Issued, OAuthError> {
        if wanted.scope.is_some() {
            let text = "A session has no scopes to choose from; leave scope out.";
            return Err(OAuthError::InvalidScope(text.into()));
        }
        let RefreshGrant { token, audience, .. } = wanted;
        let request = RefreshRequest { token, carrier: Carrier::Body, audience };
        self.refresh(request, client).await.map(Issued::from).map_err(|error| match error {
            RefreshError::UnknownAudience => OAuthError::InvalidTarget,
            RefreshError::Limited(limited) => OAuthError::Limited(limited),
            RefreshError::Fault(fault) => OAuthError::Fault(fault),
            error => OAuthError::Refresh(error),
        })
    }
}
