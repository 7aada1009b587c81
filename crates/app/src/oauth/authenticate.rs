//! Client authentication (RFC 6749 section 2.3.1), whichever of the two ways it came.

use std::sync::Arc;

use portcullis_core::client::ServiceClient;
use portcullis_core::ids::ClientId;
use portcullis_core::secret_token::{Kind, SecretDigest};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::OAuthError;
use crate::cx::Cx;
use crate::tokens::FIRST_PARTY;

/// What a request says about the client that sends it. Holds a secret, and so has no `Debug`.
pub enum Credentials {
    /// Nothing.
    None,
    /// A `client_id` without a secret: a public client.
    Public(String),
    /// A `client_id` with a secret.
    Secret {
        /// `client_id`
        id: String,
        /// `client_secret`
        secret: Zeroizing<String>,
    },
    /// Something that cannot be read.
    Unreadable,
}

impl Credentials {
    /// Whether there is anything to be right or wrong about.
    pub(super) const fn prove_something(&self) -> bool {
        matches!(self, Self::Secret { .. } | Self::Unreadable)
    }
}

impl Cx {
    /// The client that presents itself; `None`: none does, or the public one of our own sessions.
    pub(super) async fn client_of(
        &self,
        credentials: &Credentials,
    ) -> Result<Option<Arc<ServiceClient>>, OAuthError> {
        match credentials {
            Credentials::None => Ok(None),
            // Libraries want a `client_id`: this is the one in the tokens of our own sessions.
            Credentials::Public(id) if id == FIRST_PARTY => Ok(None),
            Credentials::Public(_) => Err(OAuthError::InvalidClient("without its secret")),
            Credentials::Unreadable => Err(OAuthError::InvalidClient("unreadable")),
            Credentials::Secret { id, secret } => self.proved(id, secret).await.map(Some),
        }
    }

    async fn proved(&self, id: &str, secret: &str) -> Result<Arc<ServiceClient>, OAuthError> {
        // What has not the form of a secret is none of ours, and does not cost a statement.
        let found = match id.parse::<ClientId>() {
            Ok(id) if Kind::ClientSecret.fits(secret) => self.service_client(id).await?,
            _ => None,
        };
        // The same work whether or not the client is known.
        let presented = SecretDigest::of(secret);
        let expected = found.as_ref().map_or(SecretDigest([0; 32]), |client| client.secret);
        let is_right = bool::from(presented.0.ct_eq(&expected.0));
        match found {
            Some(client) if is_right => Ok(client),
            Some(_) => Err(OAuthError::InvalidClient("wrong secret")),
            None => Err(OAuthError::InvalidClient("unknown client")),
        }
    }
}
