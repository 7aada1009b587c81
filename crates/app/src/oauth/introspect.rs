//! Introspection (RFC 7662): a service asks what a token says.
//!
//! 1. Only a client may ask, and it is told only of tokens for an audience that it serves; of every other,
//!    whatever is wrong with it, nothing but that it is not active (section 2.2).
//! 2. An API token has no audience: it is good for all of the installation's. Its `aud` names those of them that
//!    the client serves.
//! 3. Refresh tokens are for us alone, so nobody is told of them.
//! 4. Answered from memory, as for every caller of ours: nothing is read for a token that was seen before, and a
//!    revoked one is inactive at once on every node.

use portcullis_core::client::ServiceClient;
use portcullis_jose::AccessClaims;

use super::{Credentials, OAuthError};
use crate::bearer::{BearerError, Caller, Credential};
use crate::client::Client;
use crate::cx::Cx;

/// What an active token says.
pub struct Introspected {
    /// Its claims.
    pub claims: AccessClaims,
    /// An API token is no JWT: it has no `jti`, and `iat` and `nbf` of these claims mean nothing.
    pub is_api_token: bool,
}

impl Cx {
    /// What `token` says; `None`: nothing that this client may know.
    pub async fn introspect(
        &self,
        token: &str,
        credentials: &Credentials,
        client: &Client,
    ) -> Result<Option<Introspected>, OAuthError> {
        self.admit_address(client)?;
        let by = self.client_of(credentials).await;
        let by = by.and_then(|by| by.ok_or(OAuthError::InvalidClient("no credentials")));
        let by = self.counted(by, client).await?;
        match self.any_token(token).await {
            Ok(caller) => Ok(self.told(&caller, &by)),
            Err(BearerError::Invalid(_)) => Ok(None),
            Err(BearerError::Fault(fault)) => Err(fault.into()),
        }
    }

    fn told(&self, caller: &Caller, by: &ServiceClient) -> Option<Introspected> {
        if !matches!(caller.credential, Credential::ApiToken(_)) {
            let is_for_it = caller.claims.aud.iter().any(|audience| by.serves(audience));
            return is_for_it.then(|| Introspected { claims: caller.claims.clone(), is_api_token: false });
        }
        let aud = self.api_token_audiences(by);
        if aud.is_empty() {
            return None;
        }
        self.note_use_from(caller, None);
        Some(Introspected { claims: AccessClaims { aud, ..caller.claims.clone() }, is_api_token: true })
    }

    fn api_token_audiences(&self, by: &ServiceClient) -> Vec<String> {
        let settings = &self.settings;
        let issuer = Some(&settings.issuer).filter(|issuer| !settings.audiences.contains(issuer));
        let all = settings.audiences.iter().chain(issuer);
        all.filter(|audience| by.serves(audience)).cloned().collect()
    }
}
