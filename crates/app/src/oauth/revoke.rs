//! Revocation (RFC 7009): whoever holds a token may end it.
//!
//! 1. Its form tells what it is; a hint is only a hint (section 2.1).
//! 2. A refresh token, of whatever generation, and an access token, even an expired one, end their session. An API
//!    token ends, and what was exchanged for it.
//! 3. Short access tokens without a session end with what they were made of, and not before
//!    (`unsupported_token_type`).
//! 4. Unknown, expired and ended ones are no error: there is nothing left to end (section 2.2).
//! 5. Our tokens are issued to no service client: one that authenticates is refused (section 2.1).

use portcullis_core::audit::EventKind;
use portcullis_core::refresh_token::RefreshToken;
use portcullis_core::secret_token::{Kind, SecretDigest};

use super::{Credentials, OAuthError};
use crate::bearer::{BearerError, Credential};
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;

impl Cx {
    /// Ends `token`.
    pub async fn revoke(
        &self,
        token: &str,
        credentials: &Credentials,
        client: &Client,
    ) -> Result<(), OAuthError> {
        if credentials.prove_something() {
            self.admit_address(client)?;
        }
        let by = self.client_of(credentials).await;
        let by = self.counted(by, client).await?;
        if Kind::ApiToken.fits(token) {
            refuse_client(by.is_some())?;
            return Ok(self.revoke_presented(token, client).await?);
        }
        let caller = match self.session_of(token).await {
            Ok(caller) => caller,
            Err(BearerError::Fault(fault)) => return Err(fault.into()),
            // A refresh token, or nothing of ours.
            Err(BearerError::Invalid(_)) => {
                refuse_client(by.is_some() && RefreshToken::parse(token, &self.ring).is_ok())?;
                return Ok(self.logout_with_token(token, client).await?);
            }
        };
        match caller.credential {
            Credential::Client => Err(OAuthError::UnsupportedTokenType(
                "Tokens of service clients expire within minutes; revoke the client to end them now.",
            )),
            Credential::Exchanged => Err(OAuthError::UnsupportedTokenType(
                "Exchanged tokens expire within minutes; revoke the API token to end them now.",
            )),
            Credential::Session(_) | Credential::ApiToken(_) => {
                refuse_client(by.is_some())?;
                match self.logout_with_access_token(token, client).await {
                    Ok(()) | Err(BearerError::Invalid(_)) => Ok(()),
                    Err(BearerError::Fault(fault)) => Err(fault.into()),
                }
            }
        }
    }

    /// Revokes an API token by whoever holds it.
    async fn revoke_presented(&self, token: &str, client: &Client) -> Result<(), Fault> {
        let found = self.store.api_token_by_digest(SecretDigest::of(token), self.clock.now()).await?;
        let Some((id, user)) = found else { return Ok(()) };
        let mut event = self.token_event(EventKind::ApiTokenRevoked, id, user, client);
        // Who holds it need not be its owner.
        event.actor = None;
        self.revoke_token_as(id, Some(user), event, None).await.map(drop)
    }
}

fn refuse_client(is_client: bool) -> Result<(), OAuthError> {
    if is_client {
        let text =
            "This token was not issued to this client; its holder revokes it without client credentials.";
        return Err(OAuthError::UnauthorizedClient(text));
    }
    Ok(())
}
