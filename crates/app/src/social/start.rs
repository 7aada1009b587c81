//! On the way to a provider.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::base62;
use portcullis_core::external::FlowSecrets;
use portcullis_core::random;
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::server_key::Sealed;
use portcullis_core::session::Delivery;
use portcullis_store::oauth_flows::{self, Flow, Linker, Presented};
use serde_json::json;

use super::SocialError;
use crate::admission::Codes;
use crate::client::Client;
use crate::cx::Cx;
use crate::providers::{Asking, Provider};

/// How long somebody may be away.
pub(super) const FLOW_LIFETIME: Duration = Duration::from_mins(10);
/// What codes of invites are sealed as.
pub(super) const INVITES: &str = "invites of a flow";

/// Who keeps the secret that a flow is bound to.
pub enum Holder {
    /// A browser, in a cookie: this, if it has one already.
    Browser(Option<String>),
    /// An app, which brings it with the code.
    App,
}

/// Where somebody wants to go, and what for.
pub struct StartRequest {
    /// The provider's name.
    pub provider: String,
    /// Where it sends the browser. The caller has checked that it is ours or listed.
    pub redirect_uri: String,
    /// Where the browser goes in the end.
    pub return_to: Option<String>,
    /// How the tokens shall travel, of a browser.
    pub delivery: Option<Delivery>,
    /// Who keeps the secret.
    pub holder: Holder,
    /// Invites, for whoever turns out to be new.
    pub codes: Codes,
    /// The person is to sign in anew there.
    pub fresh: bool,
}

/// A flow that has begun.
pub struct Started {
    /// Where the browser goes.
    pub authorization_url: String,
    /// What comes back.
    pub state: String,
    /// What whoever began it holds.
    pub secret: String,
}

impl Cx {
    /// Sends somebody to a provider, to sign in or up by way of it.
    pub async fn start_sign_in(
        &self,
        request: StartRequest,
        client: &Client,
    ) -> Result<Started, SocialError> {
        let provider = self.provider(&request.provider)?;
        let rate = self.settings.rates.map(|rates| rates.login);
        self.limit("oauth_start", rate, client).await?;
        self.begin(&provider, request, None).await
    }

    pub(super) fn provider(&self, name: &str) -> Result<Arc<Provider>, SocialError> {
        self.providers.get(name).ok_or(SocialError::UnknownProvider)
    }

    pub(super) async fn begin(
        &self,
        provider: &Provider,
        request: StartRequest,
        linker: Option<Linker>,
    ) -> Result<Started, SocialError> {
        let (state, now) = (self.flow_secret(), self.clock.now());
        let key = self.ring.current();
        let secrets = FlowSecrets::of(&state, key);
        let asking = Asking {
            state: &state,
            nonce: &secrets.nonce,
            code_challenge: &secrets.code_challenge(),
            redirect_uri: &request.redirect_uri,
            fresh: request.fresh,
        };
        let authorization_url = provider.authorization_url(self, asking).await?;
        let (secret, in_browser) = match request.holder {
            // Another tab of the same browser may be on its way, too.
            Holder::Browser(Some(held)) if base62::decode::<32>(&held).is_some() => (held, true),
            Holder::Browser(_) => (self.flow_secret(), true),
            Holder::App => (self.flow_secret(), false),
        };
        let presented = Presented {
            state: SecretDigest::of(&state),
            provider: provider.name().to_owned(),
            secret: SecretDigest::of(&secret),
            in_browser,
            redirect_uri: None,
        };
        let flow = Flow {
            redirect_uri: request.redirect_uri,
            return_to: request.return_to,
            delivery: request.delivery,
            key: key.id(),
            invites: self.sealed(&request.codes),
            fresh: request.fresh,
            linker,
            created_at: now,
            expires_at: now + FLOW_LIFETIME,
        };
        let kept = self.store.write_one(move |tx| {
            let (flow, presented) = (flow.clone(), presented.clone());
            Box::pin(async move { oauth_flows::put(tx, &flow, &presented).await })
        });
        kept.await?;
        Ok(Started { authorization_url, state, secret })
    }

    fn flow_secret(&self) -> String {
        let mut text = String::new();
        base62::encode_into(&random::bytes::<32>(&*self.random), &mut text);
        text
    }

    /// Codes of invites are secrets like any other.
    fn sealed(&self, codes: &Codes) -> Option<Sealed> {
        let Codes { platform, account } = codes;
        let any = platform.is_some() || account.is_some();
        any.then(|| self.ring.seal(INVITES, json!([platform, account]).to_string().as_bytes(), &*self.random))
    }
}
