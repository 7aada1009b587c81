//! Client credentials (RFC 6749 section 4.4): a service gets a token in its own name.
//!
//! `sub`, `client_id` and `sid` are all the client's id, so revoking the client ends its tokens by the same list
//! as every other. Its role is `service`, never `admin`: what it may do is what its scopes say.

use portcullis_core::client::{GrantType, ServiceClient};
use portcullis_core::scope::Scopes;
use portcullis_jose::AccessClaims;

use super::{Issued, OAuthError};
use crate::clients::GENERATION;
use crate::cx::Cx;

/// `role` in the tokens of service clients.
const ROLE: &str = "service";

/// What a client wants.
pub struct ClientCredentials {
    /// Only these scopes; `None`: all of its own.
    pub scope: Option<String>,
    /// Only this audience; `None`: all that it serves.
    pub audience: Option<String>,
}

/// The scopes that `text` asks for, all of which must be among `most`; `None`: there is no limit.
pub(super) fn asked_scopes(text: &str, most: Option<&Scopes>) -> Result<Scopes, OAuthError> {
    let invalid = |text: String| OAuthError::InvalidScope(text.into());
    let scopes = Scopes::parse("scope", text).map_err(|error| invalid(error.message))?;
    if most.is_some_and(|most| !scopes.is_within(most)) {
        return Err(invalid("One of the scopes is not among those that may be had.".to_owned()));
    }
    Ok(scopes)
}

impl Cx {
    pub(super) fn client_token(
        &self,
        client: &ServiceClient,
        wanted: &ClientCredentials,
    ) -> Result<Issued, OAuthError> {
        if !client.grant_types.contains(GrantType::ClientCredentials) {
            return Err(OAuthError::UnauthorizedClient("This client may not use client_credentials."));
        }
        let scope = match &wanted.scope {
            Some(text) => asked_scopes(text, Some(&client.scopes))?,
            None => client.scopes.clone(),
        };
        let aud = self.audiences_for(Some(client), wanted.audience.as_deref())?;
        let (now, id) = (self.clock.now(), client.id.to_string());
        let claims = AccessClaims {
            iss: self.settings.issuer.clone(),
            sub: id.clone(),
            aud,
            exp: (now + self.settings.lifetimes.access).seconds(),
            iat: now.seconds(),
            nbf: now.seconds(),
            jti: self.new_token_id(),
            sid: id.clone(),
            generation: GENERATION,
            role: ROLE.to_owned(),
            client_id: id,
            scope: Some(scope.to_string()),
            extra: self.settings.claims.clone(),
            ..AccessClaims::default()
        };
        let (access_token, expires_in) = self.signed(&claims)?;
        Ok(Issued { access_token, expires_in, scope: claims.scope, exchanged: false, session: None })
    }

    /// The audiences of a token that `client`, or nobody in particular, asks for: `wanted`, or all there are.
    pub(super) fn audiences_for(
        &self,
        client: Option<&ServiceClient>,
        wanted: Option<&str>,
    ) -> Result<Vec<String>, OAuthError> {
        let serves = |audience: &str| client.is_none_or(|client| client.serves(audience));
        if let Some(wanted) = wanted {
            // A service behind a proxy of ours is no client's to speak for.
            let upstream = client.is_none() && self.is_upstream_audience(wanted);
            let may_be_had = upstream || (self.is_audience(wanted) && serves(wanted));
            return may_be_had.then(|| vec![wanted.to_owned()]).ok_or(OAuthError::InvalidTarget);
        }
        // A client may be for us alone, though other tokens are not.
        let named = client.and_then(|client| client.audiences.as_deref()).unwrap_or(&self.settings.audiences);
        let all: Vec<String> = named.iter().filter(|audience| self.is_audience(audience)).cloned().collect();
        if all.is_empty() { Err(OAuthError::InvalidTarget) } else { Ok(all) }
    }
}
