//! Showing a passkey: to sign in without a name or a password. See [`super`].

use portcullis_core::audit::EventKind;
use portcullis_core::device_token;
use portcullis_core::ids::{PasskeyId, UserId};
use portcullis_core::user::User;
use portcullis_store::audit;
use portcullis_store::passkeys::{self, CeremonyKind, Use};
use serde_json::Value;
use thiserror::Error;

use super::Begun;
use super::relying_party::{Answer, Refusal};
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::limits::LimitError;
use crate::login::LoginError;
use crate::login_factor::{FactorLoginError, Presented};
use crate::sign_in::{Handover, Proof, Wish};
use crate::tokens::Tokens;

/// Of a passkey that stays in the hardware that made it, by a user who was verified (RFC 8176 section 2).
const IN_HARDWARE: &[&str] = &["hwk", "user", "mfa"];
/// Of one that its owner's devices share.
const IN_SOFTWARE: &[&str] = &["swk", "user", "mfa"];

/// What showing a passkey says, as `amr` has it.
pub(super) const fn methods(is_synced: bool) -> &'static [&'static str] {
    if is_synced { IN_SOFTWARE } else { IN_HARDWARE }
}

/// What ends a ceremony.
#[derive(Clone)]
pub struct PasskeyAnswer {
    /// What it began with.
    pub ceremony: String,
    /// What the browser answered.
    pub credential: Value,
}

impl PasskeyAnswer {
    /// Whether it is of the form that browsers answer in.
    pub(crate) fn is_readable(&self) -> bool {
        Answer::parse(self.credential.clone()).is_ok()
    }
}

/// What ends a sign-in by passkey.
pub struct PasskeyLogin {
    /// The passkey.
    pub answer: PasskeyAnswer,
    /// How the tokens travel, and whose place they take.
    pub handover: Handover,
    /// Makes the device known.
    pub device_token: Option<String>,
    /// Only for this audience.
    pub audience: Option<String>,
}

/// Why somebody is not signed in.
#[derive(Debug, Error)]
pub enum PasskeyLoginError {
    /// This server has no host name that passkeys could know it by.
    #[error("no host name")]
    Unavailable,
    /// The answer is in no form that browsers answer in.
    #[error("unreadable")]
    Unreadable,
    /// There is no such ceremony, it has been used or has run out.
    #[error("no such ceremony")]
    NoCeremony,
    /// There is no such challenge any more.
    #[error(transparent)]
    Challenge(#[from] FactorLoginError),
    /// As for every sign-in.
    #[error(transparent)]
    Login(#[from] LoginError),
}

impl From<Fault> for PasskeyLoginError {
    fn from(fault: Fault) -> Self {
        Self::Login(fault.into())
    }
}

impl From<LimitError> for PasskeyLoginError {
    fn from(error: LimitError) -> Self {
        Self::Login(error.into())
    }
}

/// A passkey that somebody has shown.
pub(crate) struct ShownPasskey {
    /// As read before it was verified.
    pub(crate) user: User,
    /// In words of RFC 8176.
    pub(crate) methods: &'static [&'static str],
}

/// Why a passkey was not shown.
#[derive(Debug)]
pub(crate) enum NotShown {
    /// The answer is in no form that browsers answer in.
    Unreadable,
    /// There is no such ceremony for whoever asks, it has been used or has run out.
    NoCeremony,
    /// Told apart in the log only; whose it seems to be.
    Refused(&'static str, Option<UserId>),
    /// A fault.
    Fault(Fault),
}

impl From<Fault> for NotShown {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Cx {
    /// Begins to show a passkey: any that the browser finds, and then the answer is the same for everybody; or one of
    /// whoever owes a second factor under `challenge`.
    pub async fn begin_passkey_login(
        &self,
        challenge: Option<&Presented>,
        client: &Client,
    ) -> Result<Begun, PasskeyLoginError> {
        let relying_party = self.relying_party().ok_or(PasskeyLoginError::Unavailable)?;
        // Counted by itself: our sign-in page asks this whenever it is opened.
        self.limit("passkey_start", self.settings.rates.map(|rates| rates.login), client).await?;
        let (user, theirs) = match challenge {
            None => (None, Vec::new()),
            Some(challenge) => {
                let user = self.pending_login(challenge).await?.user;
                (Some(user), self.store.passkeys(user).await.map_err(Fault::from)?)
            }
        };
        let theirs: Vec<_> = theirs.into_iter().map(|passkey| passkey.credential).collect();
        let asked = relying_party.authenticate(&theirs)?;
        Ok(self.begin_ceremony(CeremonyKind::Authenticate, None, user, asked).await?)
    }

    /// Signs in by a passkey. The user was verified by it: no second factor is owed.
    pub async fn passkey_login(
        &self,
        request: PasskeyLogin,
        client: &Client,
    ) -> Result<Tokens, PasskeyLoginError> {
        let audiences = self.audiences(request.audience.as_deref()).map_err(LoginError::from)?;
        self.limit("login", self.settings.rates.map(|rates| rates.login), client).await?;
        let shown = self.shown_passkey(request.answer, None, client).await;
        let ShownPasskey { user, methods } = match shown {
            Ok(shown) => shown,
            Err(NotShown::Unreadable) => return Err(PasskeyLoginError::Unreadable),
            Err(NotShown::NoCeremony) => return Err(PasskeyLoginError::NoCeremony),
            Err(NotShown::Fault(fault)) => return Err(fault.into()),
            Err(NotShown::Refused(why, user)) => {
                self.note_login_failed(user, why, client).await?;
                return Err(LoginError::InvalidCredentials(why).into());
            }
        };
        let token = request.device_token.as_deref();
        let device = token
            .and_then(|token| device_token::recognise(token, user.id, user.credential_epoch, &self.ring));
        let proof = Proof { device, factor_shown: true, ..Proof::own(user, methods) };
        let wish = Wish { handover: request.handover, audiences };
        Ok(self.sign_in(proof, wish, client).await.map_err(LoginError::from)?)
    }

    /// Steps 2 to 4 of showing a passkey: of `user`, or of whoever has it.
    pub(crate) async fn shown_passkey(
        &self,
        PasskeyAnswer { ceremony, credential }: PasskeyAnswer,
        user: Option<UserId>,
        client: &Client,
    ) -> Result<ShownPasskey, NotShown> {
        let relying_party = self.relying_party().ok_or(NotShown::NoCeremony)?;
        let answer = Answer::parse(credential).map_err(|_| NotShown::Unreadable)?;
        let spent = self.end_ceremony(&ceremony, CeremonyKind::Authenticate, None, user).await?;
        let spent = spent.ok_or(NotShown::NoCeremony)?;
        let found = self.store.presented_passkey(answer.credential_id()).await.map_err(Fault::from)?;
        let found = found.ok_or(NotShown::Refused("no such passkey", user))?;
        let whose = found.user.id;
        // A browser that found the passkey by itself says whose it is (WebAuthn Level 3 section 7.2, step 6).
        let says = match answer.user_handle() {
            Some(handle) => handle == whose.uuid().as_bytes(),
            None => spent.user.is_some(),
        };
        if !says || user.is_some_and(|user| user != whose) {
            return Err(NotShown::Refused("another user's passkey", user));
        }
        let shown = match relying_party.authenticated(&answer, &spent.state, &found.credential) {
            Ok(shown) => shown,
            Err(Refusal::Unreadable) => return Err(NotShown::Unreadable),
            Err(Refusal::Copied) => return Err(self.copied(found.id, whose, client).await),
            Err(Refusal::Wrong(why)) => return Err(NotShown::Refused(why, Some(whose))),
            Err(Refusal::Fault(fault)) => return Err(fault.into()),
        };
        let noting = Use {
            id: found.id,
            credential: shown.credential,
            sign_count: shown.sign_count,
            backed_up: shown.backed_up,
            now: self.clock.now(),
        };
        let noted = self.store.write_one(move |tx| {
            let noting = noting.clone();
            Box::pin(async move { passkeys::note_use(tx, &noting).await })
        });
        if !noted.await.map_err(Fault::from)? {
            let there = self.store.presented_passkey(answer.credential_id()).await.map_err(Fault::from)?;
            if there.is_none() {
                return Err(NotShown::Refused("no such passkey", Some(whose)));
            }
            return Err(self.copied(found.id, whose, client).await);
        }
        Ok(ShownPasskey { user: found.user, methods: methods(shown.is_synced) })
    }

    /// The counter has not gone up. That must be known to whoever reads the log, whatever else becomes of it.
    async fn copied(&self, id: PasskeyId, user: UserId, client: &Client) -> NotShown {
        let mut event = self.event(EventKind::PasskeyCopied);
        (event.user, event.address) = (Some(user), Some(client.address));
        event.detail.insert("passkey".into(), id.to_string().into());
        let written = self.store.write_one(move |tx| {
            let event = event.clone();
            Box::pin(async move { audit::append(tx, &event).await })
        });
        match written.await {
            Ok(()) => NotShown::Refused("copied passkey", Some(user)),
            Err(error) => NotShown::Fault(error.into()),
        }
    }
}
