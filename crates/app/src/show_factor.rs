//! Showing a second factor, whatever it is asked for: at sign-in, at a step-up, for an API token, when one is set up.
//!
//! 1. All guesses at the factors of a user are counted in **one** bucket, as wrong passwords are: whoever guesses codes
//!    at one endpoint is slowed down at every other, under any challenge. While the bucket is closed a guess is neither
//!    looked at nor counted, and answered like a wrong one.
//! 2. A right code is not taken yet: that is decided in the transaction of what it is shown for, by the guard of
//!    [`Use::take`], so that of two who show it one has it, and who gets nothing has not spent it.

use portcullis_core::audit::EventKind;
use portcullis_core::factor::Method;
use portcullis_core::ids::UserId;
use portcullis_core::recovery_code::{RecoveryCode, RecoveryDigest};
use portcullis_core::server_key::OpenError;
use portcullis_core::time::Timestamp;
use portcullis_core::totp::TotpSecret;
use portcullis_core::user::User;
use portcullis_core::validation::FieldError;
use portcullis_store::limits::CounterKey;
use portcullis_store::totp::{Code, Totp};
use portcullis_store::{StoreError, Tx, audit, recovery_codes, totp};
use thiserror::Error;

use crate::attempts::Attempt;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::passkeys::{NotShown, PasskeyAnswer, unreadable};

/// What somebody shows.
#[derive(Clone)]
pub struct Showing {
    /// How: one of the words of [`Method`].
    pub method: String,
    /// The code.
    pub code: Option<String>,
    /// The passkey.
    pub passkey: Option<PasskeyAnswer>,
}

/// Why it does not count.
#[derive(Debug, Error)]
pub enum ShowError {
    /// Wrong, used before, or slowed down: told apart in the log only.
    #[error("{0}")]
    Wrong(&'static str),
    /// It cannot be read.
    #[error("invalid fields")]
    Invalid(FieldError),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A right code, to be taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Use {
    Totp(Code),
    Recovery(UserId, RecoveryDigest),
    /// A passkey: its count has gone up, and its ceremony is used up, when it was looked at.
    Taken,
}

impl Use {
    /// Takes it; `false`: somebody else was faster.
    pub(crate) async fn take(self, tx: &mut Tx, now: Timestamp) -> Result<bool, StoreError> {
        match self {
            Self::Totp(code) => totp::take(tx, code, now).await,
            Self::Recovery(user, digest) => recovery_codes::take(tx, user, digest).await,
            Self::Taken => Ok(true),
        }
    }
}

/// A factor that was shown.
pub(crate) struct FactorShown<'a> {
    pub(crate) used: Use,
    /// What it says, as `amr` has it.
    pub(crate) amr: &'static [&'static str],
    attempt: Attempt<'a>,
}

impl FactorShown<'_> {
    /// The bucket that starts afresh once the code is taken.
    pub(crate) fn to_forgive(&self) -> Option<CounterKey> {
        self.attempt.to_forgive()
    }
}

/// What a TOTP secret is sealed for.
pub(crate) fn totp_context(totp: &Totp) -> String {
    format!("totp {} of {}", totp.id, totp.user)
}

impl Cx {
    /// Looks at a factor of `user`. Whatever is wrong is counted before it is said.
    pub(crate) async fn show_factor(
        &self,
        user: &User,
        showing: &Showing,
        client: &Client,
    ) -> Result<FactorShown<'_>, ShowError> {
        let method = showing.method.parse().map_err(|_| {
            let message = "Use one of the methods that the challenge names.";
            ShowError::Invalid(FieldError::new("method", "unsupported", message))
        })?;
        if method == Method::Passkey {
            return self.show_passkey(user, showing.passkey.as_ref(), client).await;
        }
        let code = showing
            .code
            .as_deref()
            .filter(|code| !code.is_empty())
            .ok_or_else(|| ShowError::Invalid(FieldError::new("code", "required", "Give the code.")))?;
        self.guess(user.id, method, client, async || match method {
            Method::Totp => self.totp_use(user, code).await,
            Method::RecoveryCode => self.recovery_use(user, code).await,
            Method::Passkey => Ok(None),
        })
        .await
    }

    /// A guess in the one bucket of `user`, at what `look` looks at.
    pub(crate) async fn guess(
        &self,
        user: UserId,
        method: Method,
        client: &Client,
        look: impl AsyncFnOnce() -> Result<Option<Use>, Fault>,
    ) -> Result<FactorShown<'_>, ShowError> {
        let bucket = self.counter("attempts at factors", &[user.uuid().as_bytes()]);
        let Some(attempt) = self.attempt(bucket).await? else {
            self.note_wrong_factor(user, method, "slowed down", client).await?;
            return Err(ShowError::Wrong("slowed down"));
        };
        match look().await {
            Ok(Some(right)) => Ok(FactorShown { used: right, amr: method.amr(), attempt }),
            Ok(None) => {
                self.count(attempt).await?;
                self.note_wrong_factor(user, method, "wrong code", client).await?;
                Err(ShowError::Wrong("wrong code"))
            }
            Err(fault) => {
                self.return_attempt(attempt).await?;
                Err(fault.into())
            }
        }
    }

    /// Somebody else has used the code in the same moment: that counts like any other that was used before.
    pub(crate) async fn lost_factor(&self, shown: FactorShown<'_>) -> Result<ShowError, Fault> {
        self.count(shown.attempt).await?;
        Ok(ShowError::Wrong("used in the same moment"))
    }

    /// A passkey of `user`. It cannot be guessed; wrong ones are counted with all others all the same.
    async fn show_passkey(
        &self,
        user: &User,
        answer: Option<&PasskeyAnswer>,
        client: &Client,
    ) -> Result<FactorShown<'_>, ShowError> {
        let answer = answer.filter(|answer| answer.is_readable());
        let answer = answer.ok_or_else(|| ShowError::Invalid(unreadable()))?.clone();
        let mut amr = Method::Passkey.amr();
        let look = async || match self.shown_passkey(answer, Some(user.id), client).await {
            Ok(shown) => {
                amr = shown.methods;
                Ok(Some(Use::Taken))
            }
            Err(NotShown::Fault(fault)) => Err(fault),
            Err(NotShown::Unreadable | NotShown::NoCeremony | NotShown::Refused(..)) => Ok(None),
        };
        let shown = self.guess(user.id, Method::Passkey, client, look).await?;
        Ok(FactorShown { amr, ..shown })
    }

    async fn totp_use(&self, user: &User, code: &str) -> Result<Option<Use>, Fault> {
        let Some(totp) = self.store.totp_in_use(user.id).await? else { return Ok(None) };
        self.check_totp(&totp, code)
    }

    /// A code of `totp`, if it is right and none was taken of its step or a later one.
    pub(crate) fn check_totp(&self, totp: &Totp, code: &str) -> Result<Option<Use>, Fault> {
        let secret = self.open_totp(totp)?;
        let step = secret.check(code, self.clock.now(), totp.last_step);
        Ok(step.map(|step| Use::Totp(Code { id: totp.id, user: totp.user, step })))
    }

    /// What app and server share.
    pub(crate) fn open_totp(&self, totp: &Totp) -> Result<TotpSecret, Fault> {
        let opened = self.ring.open(&totp_context(totp), &totp.sealed).map_err(|error| match error {
            OpenError::UnknownKey(id) => Fault::ServerKeyMissing(id),
            OpenError::Damaged => Fault::Internal(format!("the secret of TOTP app {} is damaged", totp.id)),
        })?;
        TotpSecret::from_bytes(&opened)
            .ok_or_else(|| Fault::Internal(format!("the secret of TOTP app {} has a wrong length", totp.id)))
    }

    async fn recovery_use(&self, user: &User, code: &str) -> Result<Option<Use>, Fault> {
        let Some(code) = RecoveryCode::parse(code) else { return Ok(None) };
        let digest = code.digest(user.id);
        let there = self.store.has_recovery_code(user.id, digest).await?;
        Ok(there.then_some(Use::Recovery(user.id, digest)))
    }

    async fn note_wrong_factor(
        &self,
        user: UserId,
        method: Method,
        why: &'static str,
        client: &Client,
    ) -> Result<(), Fault> {
        metrics::counter!("portcullis_factors_refused_total", "reason" => why).increment(1);
        let mut event = self.event(EventKind::FactorFailed);
        (event.user, event.address) = (Some(user), Some(client.address));
        event.detail.insert("method".into(), method.as_str().into());
        event.detail.insert("reason".into(), why.into());
        let written = self.store.write_one(move |tx| {
            let event = event.clone();
            Box::pin(async move { audit::append(tx, &event).await })
        });
        Ok(written.await?)
    }
}
