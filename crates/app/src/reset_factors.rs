//! Removing the factors of a user who has lost them: by an administrator, or by the operator.
//!
//! The user's row decides by its credential epoch. If that has moved meanwhile it is read again: somebody else's change says
//! nothing of who asks.

use portcullis_core::audit::EventKind;
use portcullis_core::factor::Factors;
use portcullis_core::ids::UserId;
use portcullis_core::mail::Template;
use portcullis_core::user::User;
use portcullis_store::sessions::{Asker, hold_asker};
use portcullis_store::{audit, factors, outbox, passkeys, totp};

use crate::bearer::Caller;
use crate::cx::Cx;
use crate::factors::FactorError;
use crate::fault::Fault;

/// How often a change is tried on a row that others change, too.
const ROUNDS: usize = 5;

/// What came of one round.
enum Round {
    Done,
    /// The administrator's session has ended, or they are none any more.
    AskerGone,
    /// What proves the user has changed.
    Moved,
}

impl Cx {
    /// Removes all factors of somebody who has lost them, for an administrator who has signed in a moment ago: a session
    /// that has shown no factor must not take away its own.
    pub async fn reset_factors_of(&self, user: UserId, caller: &Caller) -> Result<(), FactorError> {
        self.require_fresh(caller).await?;
        let by = caller.asker().ok_or(FactorError::Moved)?;
        let user = self.store.user(user).await?.ok_or(FactorError::NotFound)?;
        if self.reset_factors(&user, Some(by)).await? { Ok(()) } else { Err(FactorError::NoFactor) }
    }

    /// Removes all factors of a user who has lost them; `false`: there were none. `by` is the administrator who does it;
    /// `None`: the operator.
    pub async fn reset_factors(&self, user: &User, by: Option<Asker>) -> Result<bool, FactorError> {
        let mut user = user.clone();
        for _ in 0..ROUNDS {
            if user.factors.is_empty() {
                return Ok(false);
            }
            match self.write_factors_reset(&user, by).await? {
                Round::Done => {
                    self.mail_nudge();
                    self.look_again("factors that were reset").await;
                    return Ok(true);
                }
                Round::AskerGone => return Err(FactorError::Moved),
                Round::Moved => user = self.store.user(user.id).await?.ok_or(FactorError::NotFound)?,
            }
        }
        Err(Fault::StoreUnavailable("what proves the user keeps changing".into()).into())
    }

    async fn write_factors_reset(&self, user: &User, by: Option<Asker>) -> Result<Round, Fault> {
        let mut event = self.event(EventKind::FactorsReset);
        (event.user, event.actor) = (Some(user.id), by.map(|by| by.user));
        event.detail.insert("by".into(), if by.is_some() { "administrator" } else { "operator" }.into());
        let mail = self.factor_mail(Template::FactorRemoved, user);
        let (change, span) = (self.factor_change(user), self.span());
        let written = self.store.write(move |tx| {
            let (event, mail) = (event.clone(), mail.clone());
            Box::pin(async move {
                if let Some(by) = by
                    && hold_asker(tx, by, true, change.now).await?.is_none()
                {
                    return Ok(Round::AskerGone);
                }
                if factors::remove(tx, change, None).await?.is_none() {
                    return Ok(Round::Moved);
                }
                totp::remove_all(tx, change.user).await?;
                passkeys::remove_all(tx, change.user).await?;
                audit::append(tx, &event).await?;
                outbox::enqueue(tx, &mail).await?;
                factors::settle(tx, change.user, Factors::NONE, None, span).await?;
                Ok(Round::Done)
            })
        });
        Ok(written.await?)
    }
}
