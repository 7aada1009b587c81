//! Passkeys (WebAuthn): in the place of a password, and as a second factor.
//!
//! 1. A ceremony begins: the browser is asked for a signature of a new challenge. What the answer is held against is
//!    stored under the digest of a secret that only this browser gets.
//! 2. It ends: the stored state is deleted, whatever the answer is worth, so that no answer counts twice.
//! 3. The answer is verified: challenge, origin, relying party, signature, that the user was verified, and that the counter
//!    has gone up ([`relying_party`]).
//! 4. Registered: kept, in the same transaction that says so to the user and to the audit log. Shown: the use is noted by
//!    a guarded statement, and whoever it is comes through the one door.

mod authenticate;
mod register;
mod relying_party;
mod remove;

use std::time::Duration;

pub(crate) use authenticate::NotShown;
pub use authenticate::{PasskeyAnswer, PasskeyLogin, PasskeyLoginError};
use portcullis_core::audit::{Event, EventKind};
use portcullis_core::factor::Factor;
use portcullis_core::ids::{FactorId, PasskeyId, UserId};
use portcullis_core::secret_token::{Kind, SecretDigest, SecretToken};
use portcullis_core::validation::{FieldError, line};
use portcullis_store::audit;
pub use portcullis_store::passkeys::PasskeyView;
use portcullis_store::passkeys::{self, CeremonyKind, NewCeremony, Spend, Spent};
pub use register::{Added, NewPasskeyRequest};
use relying_party::{Asked, Refusal};
pub use relying_party::{BadRelyingParty, RelyingParty};
use serde_json::Value;
use thiserror::Error;

use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::factors::FactorView;
use crate::fault::Fault;
use crate::fresh::FreshError;

/// Most passkeys of one user.
pub const MOST: i64 = 20;
/// How long a ceremony may take: as long as browsers are told to wait.
const CEREMONY: Duration = Duration::from_mins(5);
const LONGEST_NAME: usize = 100;

/// A ceremony that has begun.
pub struct Begun {
    /// What ends it.
    pub secret: SecretToken,
    /// For `PublicKeyCredential.parse…OptionsFromJSON`.
    pub options: Value,
}

/// Why nothing was done.
#[derive(Debug, Error)]
pub enum PasskeyError {
    /// This server has no host name that passkeys could know it by.
    #[error("no host name")]
    Unavailable,
    /// Fields are wrong.
    #[error("wrong fields")]
    Invalid(Vec<FieldError>),
    /// The user must have signed in a moment ago, with a factor if they have one.
    #[error(transparent)]
    Fresh(#[from] FreshError),
    /// The ceremony is not theirs, has been used or has run out, or the answer is not one to it.
    #[error("{0}")]
    Refused(&'static str),
    /// The user has as many as they may.
    #[error("too many passkeys")]
    TooMany,
    /// Somebody has it already, maybe the user.
    #[error("registered already")]
    Taken,
    /// It is the last factor, and the user's role needs one.
    #[error("the role needs a factor")]
    FactorRequired,
    /// There is no other way to sign in.
    #[error("the last way in")]
    LastWayIn,
    /// No such passkey of the caller's.
    #[error("no such passkey")]
    NotFound,
    /// The session that asks has ended, or its user was disabled, in between.
    #[error("the session has ended")]
    SessionEnded,
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<Refusal> for PasskeyError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unreadable => Self::Invalid(vec![unreadable()]),
            Refusal::Copied => Self::Refused("copied"),
            Refusal::Wrong(why) => Self::Refused(why),
            Refusal::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// What is told of an answer in no form that browsers answer in.
pub fn unreadable() -> FieldError {
    let message = "Send what `PublicKeyCredential.toJSON()` returns.";
    FieldError::new("credential", "invalid", message)
}

fn name(text: &str) -> Result<String, PasskeyError> {
    line("name", text, LONGEST_NAME).map_err(|error| PasskeyError::Invalid(vec![error]))
}

impl Cx {
    /// The passkeys of a user, oldest first.
    pub async fn list_passkeys(&self, user: UserId) -> Result<Vec<PasskeyView>, Fault> {
        Ok(self.store.passkeys(user).await?)
    }

    /// Names a passkey anew.
    pub async fn rename_passkey(
        &self,
        id: PasskeyId,
        user: UserId,
        text: &str,
        client: &Client,
    ) -> Result<PasskeyView, PasskeyError> {
        let name = name(text)?;
        let mut event = self.factor_event(EventKind::PasskeyRenamed, user, client);
        tell(&mut event, id, &name);
        let renamed = self.store.write(move |tx| {
            let (name, event) = (name.clone(), event.clone());
            Box::pin(async move {
                let renamed = passkeys::rename(tx, id, user, &name).await?;
                if renamed.is_some() {
                    audit::append(tx, &event).await?;
                }
                Ok(renamed)
            })
        });
        renamed.await.map_err(Fault::from)?.ok_or(PasskeyError::NotFound)
    }

    /// Us, as passkeys know us; `None`: they cannot.
    fn relying_party(&self) -> Option<&RelyingParty> {
        self.settings.relying_party.as_ref()
    }

    /// Whether passkeys can be used here.
    pub fn takes_passkeys(&self) -> bool {
        self.relying_party().is_some()
    }

    async fn begin_ceremony(
        &self,
        kind: CeremonyKind,
        whose: Option<&Caller>,
        user: Option<UserId>,
        asked: Asked,
    ) -> Result<Begun, Fault> {
        let secret = SecretToken::new(Kind::Ceremony, &*self.random);
        let new = NewCeremony {
            digest: secret.digest(),
            kind,
            user,
            session: whose.and_then(Caller::session),
            state: asked.state,
            expires_at: self.clock.now() + CEREMONY,
        };
        let written = self.store.write_one(move |tx| {
            let new = new.clone();
            Box::pin(async move { passkeys::begin(tx, &new).await })
        });
        written.await?;
        Ok(Begun { secret, options: asked.options })
    }

    /// Uses a ceremony up; `None`: there is none for whoever asks.
    async fn end_ceremony(
        &self,
        secret: &str,
        kind: CeremonyKind,
        whose: Option<&Caller>,
        user: Option<UserId>,
    ) -> Result<Option<Spent>, Fault> {
        if !Kind::Ceremony.fits(secret) {
            return Ok(None);
        }
        let session = whose.and_then(Caller::session);
        let which = Spend { digest: SecretDigest::of(secret), kind, user, session, now: self.clock.now() };
        let spent =
            self.store.write_one(move |tx| Box::pin(async move { passkeys::spend(tx, &which).await }));
        Ok(spent.await?)
    }

    /// What the list of second factors says of the passkeys of a user.
    pub(crate) async fn passkey_factors(&self, user: UserId) -> Result<Vec<FactorView>, Fault> {
        let passkeys = self.store.passkeys(user).await?.into_iter();
        let factors = passkeys.map(|passkey| FactorView {
            id: FactorId::from_uuid(passkey.id.uuid()),
            kind: Factor::Passkey,
            created_at: passkey.created_at,
            last_used_at: passkey.last_used_at,
        });
        Ok(factors.collect())
    }
}

/// Says which passkey it was.
fn tell(event: &mut Event, id: PasskeyId, name: &str) {
    event.detail.insert("passkey".into(), id.to_string().into());
    event.detail.insert("name".into(), name.into());
}
