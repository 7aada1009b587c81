//! On the way back from a provider.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::device_token;
use portcullis_core::external::{FlowSecrets, Identity, METHOD};
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::session::Delivery;
use portcullis_core::user::User;
use portcullis_store::oauth_flows::{self, Flow, Presented};

use super::SocialError;
use super::join::Arrived;
use super::start::INVITES;
use crate::admission::Codes;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::providers::{CameBack, ExternalIdentity, Provider};
use crate::sign_in::{Handover, Proof, SignInError, Wish};
use crate::tokens::Tokens;

/// How far a provider's clock may be behind ours.
const CLOCK_LEEWAY: Duration = Duration::from_mins(1);

/// What somebody who comes back brings.
pub struct Returned {
    /// The provider's name.
    pub provider: String,
    /// What was given to the provider.
    pub state: String,
    /// What whoever began the flow holds.
    pub secret: String,
    /// It came in a cookie.
    pub in_browser: bool,
    /// Where the provider sent the browser, if that is told.
    pub redirect_uri: Option<String>,
}

/// A flow that nobody else can finish any more.
pub struct Taken {
    pub(super) provider: Arc<Provider>,
    pub(super) flow: Flow,
    secrets: FlowSecrets,
    pub(super) codes: Codes,
}

impl Taken {
    /// Where the browser goes in the end.
    pub fn return_to(&self) -> Option<&str> {
        self.flow.return_to.as_deref()
    }

    /// How the tokens shall travel, if that was said at the start.
    pub const fn delivery(&self) -> Option<Delivery> {
        self.flow.delivery
    }

    /// Whether a user wants to be known by way of the provider, instead of signing in.
    pub const fn links(&self) -> bool {
        self.flow.linker.is_some()
    }
}

/// What the provider let the browser bring (RFC 6749 sections 4.1.2 and 4.1.2.1).
pub enum ProviderAnswer {
    /// A code.
    Code {
        /// The code.
        code: String,
        /// Who says that it is from them (RFC 9207).
        iss: Option<String>,
    },
    /// An error, `access_denied` or another. It is shown to nobody.
    Error(String),
}

/// Somebody who has come back.
pub struct Arriving {
    /// With what.
    pub answer: ProviderAnswer,
    /// How the tokens travel, and whose place they take.
    pub handover: Handover,
    /// Makes the device known.
    pub device_token: Option<String>,
    /// Only for this audience.
    pub audience: Option<String>,
}

/// What came of it.
pub enum Finished {
    /// They are signed in.
    SignedIn(Box<Tokens>),
    /// A user is known by this identity, too.
    Linked(Identity),
    /// They can sign in when they have shown that their address is theirs; nobody is told more.
    Later {
        /// What the browser that registered shall hold.
        browser: String,
    },
}

impl Cx {
    /// Step 2: takes away the flow that somebody comes back from.
    pub async fn take_flow(&self, returned: Returned, client: &Client) -> Result<Taken, SocialError> {
        let provider = self.provider(&returned.provider)?;
        let rate = self.settings.rates.map(|rates| rates.login);
        self.limit("oauth_callback", rate, client).await?;
        let presented = Presented {
            state: SecretDigest::of(&returned.state),
            provider: provider.name().to_owned(),
            secret: SecretDigest::of(&returned.secret),
            in_browser: returned.in_browser,
            redirect_uri: returned.redirect_uri,
        };
        let now = self.clock.now();
        let taken = self.store.write_one(move |tx| {
            let presented = presented.clone();
            Box::pin(async move { oauth_flows::take(tx, &presented, now).await })
        });
        let flow = taken.await?.ok_or(SocialError::Refused("no flow of this state and this holder"))?;
        let Some(key) = self.ring.get(flow.key) else {
            self.judge_unknown_key(flow.key).await?;
            return Err(SocialError::Refused("the flow began under a key that is gone"));
        };
        let secrets = FlowSecrets::of(&returned.state, key);
        let codes = self.opened(&flow)?;
        Ok(Taken { provider, flow, secrets, codes })
    }

    fn opened(&self, flow: &Flow) -> Result<Codes, Fault> {
        let Some(sealed) = &flow.invites else { return Ok(Codes::default()) };
        let opened = self.ring.open(INVITES, sealed).map_err(|error| Fault::Internal(error.to_string()))?;
        let (platform, account) =
            serde_json::from_slice(&opened).map_err(|error| Fault::Internal(error.to_string()))?;
        Ok(Codes { platform, account })
    }

    /// Step 3.
    pub async fn finish(
        &self,
        taken: &Taken,
        arriving: Arriving,
        client: &Client,
    ) -> Result<Finished, SocialError> {
        let audiences = self.audiences(arriving.audience.as_deref())?;
        let person = self.redeem(taken, arriving.answer).await?;
        if let Some(linker) = taken.flow.linker {
            return Ok(Finished::Linked(self.link_person(taken, linker, person, client).await?));
        }
        let user = match self.arrive(taken, &person, client).await? {
            Arrived::User(user) => *user,
            Arrived::Later { browser } => return Ok(Finished::Later { browser }),
        };
        let wish = Wish { handover: arriving.handover, audiences };
        let tokens = self.sign_in_arrived(user, arriving.device_token.as_deref(), wish, client).await?;
        Ok(Finished::SignedIn(Box::new(tokens)))
    }

    /// Who the provider says it is.
    async fn redeem(&self, taken: &Taken, answer: ProviderAnswer) -> Result<ExternalIdentity, SocialError> {
        let (code, iss) = match answer {
            ProviderAnswer::Code { code, iss } => (code, iss),
            ProviderAnswer::Error(error) => {
                let name = taken.provider.name();
                tracing::debug!(provider.name = name, error = %error.escape_debug(), "the provider says no");
                return Err(SocialError::Denied);
            }
        };
        let came_back = CameBack {
            code: &code,
            iss: iss.as_deref(),
            code_verifier: &taken.secrets.code_verifier,
            nonce: &taken.secrets.nonce,
            redirect_uri: &taken.flow.redirect_uri,
        };
        let person = taken.provider.redeem(self, came_back).await?;
        let stale = |at| at + CLOCK_LEEWAY < taken.flow.created_at;
        if taken.flow.fresh && person.auth_time.is_some_and(stale) {
            return Err(SocialError::Refused("the provider did not have the person sign in anew"));
        }
        Ok(person)
    }

    /// Whoever is known now comes in like everybody.
    async fn sign_in_arrived(
        &self,
        user: User,
        device: Option<&str>,
        wish: Wish,
        client: &Client,
    ) -> Result<Tokens, SocialError> {
        let device = device
            .and_then(|token| device_token::recognise(token, user.id, user.credential_epoch, &self.ring));
        let (id, is_disabled) = (user.id, user.disabled_at.is_some());
        let proof = Proof { device, ..Proof::own(user, &[METHOD]) };
        match self.sign_in(proof, wish, client).await {
            Err(SignInError::Refused) => {
                let why = if is_disabled { "disabled" } else { "changed in between" };
                self.note_login_failed(Some(id), why, client).await?;
                Err(SocialError::NotSignedIn(why))
            }
            signed_in => Ok(signed_in?),
        }
    }
}
