//! The second half of a sign-in that owes a factor ([`crate::owed`]).
//!
//! 1. Rate limit of the address, as for the first half.
//! 2. The challenge: known, not run out, come the way it was given, and the user as they were at the first half.
//! 3. The factor ([`crate::show_factor`]). A wrong one does not spend the challenge, but counts.
//! 4. Through the one door. Its transaction deletes the challenge and takes the code with the session that it makes:
//!    of two who come with the same, one signs in.

use portcullis_core::factor::methods_with;
use portcullis_core::ids::DeviceId;
use portcullis_core::secret_token::{Kind, SecretDigest};
use portcullis_core::session::Delivery;
use portcullis_core::validation::FieldError;
use portcullis_store::login_challenges::LoginChallenge;
use thiserror::Error;

use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::limits::{LimitError, Limited};
use crate::owed::challenge_name;
use crate::show_factor::{ShowError, Showing};
use crate::sign_in::{Handover, Proof, Replaced, SignInError, Spend, Wish};
use crate::tokens::Tokens;

/// How a challenge comes back.
pub enum Presented {
    /// In the body: it is the secret.
    Body(String),
    /// From a browser: the secret in its cookie.
    Browser {
        /// What the cookie holds, if there is one.
        secret: Option<String>,
        /// The challenge of the body; pages have none.
        named: Option<String>,
    },
}

/// The second half.
pub struct FactorLogin {
    /// The challenge.
    pub challenge: Presented,
    /// The factor.
    pub showing: Showing,
    /// No factor is to be asked for on this device for a while.
    pub remember_device: bool,
    /// What the browser holds so far.
    pub replaces: Vec<Replaced>,
}

/// Why nobody is signed in.
#[derive(Debug, Error)]
pub enum FactorLoginError {
    /// There is no such challenge any more: back to the first half. Why is told in the log only.
    #[error("{0}")]
    InvalidChallenge(&'static str),
    /// The factor does not count; another may.
    #[error("{0}")]
    WrongCode(&'static str),
    /// The request cannot be read.
    #[error("invalid fields")]
    Invalid(FieldError),
    /// Too many.
    #[error("rate limited")]
    Limited(Limited),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<LimitError> for FactorLoginError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Limited(limited) => Self::Limited(limited),
            LimitError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<ShowError> for FactorLoginError {
    fn from(error: ShowError) -> Self {
        match error {
            ShowError::Wrong(why) => Self::WrongCode(why),
            ShowError::Invalid(error) => Self::Invalid(error),
            ShowError::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// The digest of the secret, and whether it came in a cookie.
fn presented(challenge: &Presented) -> Result<(SecretDigest, bool), FactorLoginError> {
    let (secret, bound) = match challenge {
        Presented::Body(secret) => (Some(secret), false),
        Presented::Browser { secret, .. } => (secret.as_ref(), true),
    };
    let secret = secret.filter(|secret| Kind::LoginChallenge.fits(secret));
    let digest = SecretDigest::of(secret.ok_or(FactorLoginError::InvalidChallenge("form, or no cookie"))?);
    match challenge {
        Presented::Browser { named: Some(named), .. } if *named != challenge_name(digest) => {
            Err(FactorLoginError::InvalidChallenge("of another browser"))
        }
        _ => Ok((digest, bound)),
    }
}

impl Cx {
    /// The challenge that is presented, while it is good: for what a page shows.
    pub async fn pending_login(&self, challenge: &Presented) -> Result<LoginChallenge, FactorLoginError> {
        let (digest, bound) = presented(challenge)?;
        let found = self.store.login_challenge(digest, self.clock.now()).await.map_err(Fault::from)?;
        let found = found.ok_or(FactorLoginError::InvalidChallenge("unknown, used or run out"))?;
        if bound == (found.delivery == Delivery::Body) {
            return Err(FactorLoginError::InvalidChallenge("carried the wrong way"));
        }
        Ok(found)
    }

    /// Signs in whoever shows the factor that they owe.
    pub async fn login_factor(
        &self,
        request: FactorLogin,
        client: &Client,
    ) -> Result<Tokens, FactorLoginError> {
        // 1.
        self.limit("login", self.settings.rates.map(|rates| rates.login), client).await?;
        // 2.
        let challenge = self.pending_login(&request.challenge).await?;
        let user = self.store.user(challenge.user).await.map_err(Fault::from)?;
        let user = user
            .filter(|user| user.credential_epoch == challenge.epoch && user.disabled_at.is_none())
            .ok_or(FactorLoginError::InvalidChallenge("the user has changed since"))?;
        // 3.
        let shown = self.show_factor(&user, &request.showing, client).await?;
        // 4.
        let trusts = request.remember_device && !self.settings.login.trust_device_for.is_zero();
        let new_device = || DeviceId::new(self.clock.now(), &*self.random);
        let trust = trusts.then(|| challenge.device.unwrap_or_else(new_device));
        let proof = Proof {
            methods: methods_with(&challenge.methods, shown.amr),
            factor_shown: true,
            device: challenge.device,
            forgive: shown.to_forgive(),
            spend: Some(Spend { challenge: challenge.digest, used: shown.used, trust }),
            ..Proof::own(user, &[])
        };
        let handover = Handover { delivery: challenge.delivery, replaces: request.replaces };
        let wish = Wish { handover, audiences: challenge.audiences };
        match self.sign_in(proof, wish, client).await {
            Ok(tokens) => Ok(tokens),
            Err(SignInError::Fault(fault)) => Err(fault.into()),
            Err(SignInError::Refused | SignInError::Unverified | SignInError::FactorOwed(_)) => {
                // Somebody was faster with the challenge, or only with the code.
                self.pending_login(&request.challenge).await?;
                Err(self.lost_factor(shown).await?.into())
            }
        }
    }
}
