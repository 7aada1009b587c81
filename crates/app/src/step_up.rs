//! Showing once more who one is, in the session that one has. What needs a fresh sign-in needs no new session then.
//!
//! 1. Rate limit of the address.
//! 2. The proof: a factor of whoever has one, else the password. Wrong ones are counted as a sign-in's are.
//! 3. One transaction: the user is as they were read, the code is taken, the session has the time and the methods, and a
//!    new secret: whoever held its refresh token without the proof holds nothing any more.
//! 4. Sign.

use portcullis_core::audit::EventKind;
use portcullis_core::factor::{Method, methods_with};
use portcullis_core::ids::SessionId;
use portcullis_core::password::Password;
use portcullis_core::refresh_token::SessionSecret;
use portcullis_core::session::Grant;
use portcullis_core::user::User;
use portcullis_core::validation::FieldError;
use portcullis_store::factors::StepUp;
use portcullis_store::limits::{self, CounterKey};
use portcullis_store::sessions::{self, Renewal};
use portcullis_store::{StoreError, audit, users};
use thiserror::Error;

use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::limits::{LimitError, Limited};
use crate::show_factor::{ShowError, Showing, Use};
use crate::tokens::Tokens;

/// What somebody shows once more.
pub enum StepUpProof {
    /// The password.
    Password(Password),
    /// A factor.
    Factor(Showing),
}

/// Why it is as it was.
#[derive(Debug, Error)]
pub enum StepUpError {
    /// The password is wrong.
    #[error("{0}")]
    WrongPassword(&'static str),
    /// There is none.
    #[error("the user has no password")]
    NoPassword,
    /// The code is wrong.
    #[error("{0}")]
    WrongCode(&'static str),
    /// Whoever has a factor shows that.
    #[error("a factor is owed")]
    FactorOwed(Vec<Method>),
    /// The request cannot be read.
    #[error("invalid fields")]
    Invalid(FieldError),
    /// The session has ended, or what proves the user has changed, in between.
    #[error("the session has ended")]
    SessionEnded,
    /// Too many.
    #[error("rate limited")]
    Limited(Limited),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<LimitError> for StepUpError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Limited(limited) => Self::Limited(limited),
            LimitError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<ShowError> for StepUpError {
    fn from(error: ShowError) -> Self {
        match error {
            ShowError::Wrong(why) => Self::WrongCode(why),
            ShowError::Invalid(error) => Self::Invalid(error),
            ShowError::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// What the transaction takes and forgives.
#[derive(Clone, Copy)]
struct Taken {
    used: Option<Use>,
    forgive: Option<CounterKey>,
}

impl Cx {
    /// Notes in the caller's session that they have just shown who they are; its next tokens.
    pub async fn step_up(
        &self,
        caller: &Caller,
        proof: StepUpProof,
        client: &Client,
    ) -> Result<Tokens, StepUpError> {
        // A node that cannot sign must not spend the session's tokens.
        self.signer()?;
        // 1.
        self.limit("login", self.settings.rates.map(|rates| rates.login), client).await?;
        // 2.
        let found = self.store.credentials(caller.user).await.map_err(Fault::from)?;
        let found = found.ok_or(StepUpError::SessionEnded)?;
        let session = caller.session().ok_or(StepUpError::SessionEnded)?;
        let secret = SessionSecret::new(&*self.random);
        let grant = match proof {
            StepUpProof::Password(_) if !found.user.factors.is_empty() => {
                return Err(StepUpError::FactorOwed(Method::of(found.user.factors)));
            }
            StepUpProof::Password(_) if found.password_hash.is_none() => return Err(StepUpError::NoPassword),
            StepUpProof::Password(password) => {
                let proved = self.prove_password(caller, &found, password).await?;
                proved.map_err(StepUpError::WrongPassword)?;
                let step = self.stepping_up(caller, session, &secret, &["pwd"]);
                let taken = Taken { used: None, forgive: None };
                self.write_step_up(&found.user, step, taken, client).await?
            }
            StepUpProof::Factor(showing) => {
                let shown = self.show_factor(&found.user, &showing, client).await?;
                let step = self.stepping_up(caller, session, &secret, shown.method.amr());
                let taken = Taken { used: Some(shown.used), forgive: shown.to_forgive() };
                self.write_step_up(&found.user, step, taken, client).await?
            }
        };
        // 4.
        let grant = grant.ok_or(StepUpError::SessionEnded)?;
        Ok(self.first_tokens(grant, secret, caller.claims.aud.clone(), found.user).await?)
    }

    /// The caller's session with a new secret, in which `shown` was shown beside what was before.
    pub(crate) fn stepping_up(
        &self,
        caller: &Caller,
        session: SessionId,
        secret: &SessionSecret,
        shown: &[&str],
    ) -> StepUp {
        let now = self.clock.now();
        let renewal = Renewal {
            session,
            user: caller.user,
            secret_hash: secret.hash(),
            key_id: self.ring.current().id(),
            now,
            idle_ends_at: now + self.settings.lifetimes.refresh,
        };
        StepUp { renewal, methods: methods_with(&caller.claims.amr, shown) }
    }

    /// `None`: the session has ended, the user has changed, or somebody else has taken the code.
    async fn write_step_up(
        &self,
        user: &User,
        step: StepUp,
        taken: Taken,
        client: &Client,
    ) -> Result<Option<Grant>, Fault> {
        let mut event = self.event(EventKind::SteppedUp);
        (event.user, event.actor) = (Some(user.id), Some(user.id));
        (event.session, event.address) = (Some(step.renewal.session), Some(client.address));
        event.detail.insert("methods".into(), step.methods.join(" ").into());
        let (user, epoch) = (user.id, user.credential_epoch);
        let written = self.store.write(move |tx| {
            let (step, event) = (step.clone(), event.clone());
            Box::pin(async move {
                let now = step.renewal.now;
                if !users::hold(tx, user, epoch).await? {
                    return Ok(None);
                }
                if let Some(used) = taken.used
                    && !used.take(tx, now).await?
                {
                    return Ok(None);
                }
                // The code is not spent where there is no session any more.
                let grant = sessions::step_up(tx, &step).await?.ok_or(StoreError::Refused)?;
                if let Some(bucket) = taken.forgive {
                    limits::forgive(tx, bucket).await?;
                }
                audit::append(tx, &event).await?;
                Ok(Some(grant))
            })
        });
        match written.await {
            Err(StoreError::Refused) => Ok(None),
            written => Ok(written?),
        }
    }
}
