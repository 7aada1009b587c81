//! Taking a passkey away. See [`super`].

use portcullis_core::audit::EventKind;
use portcullis_core::factor::Factor;
use portcullis_core::ids::PasskeyId;
use portcullis_core::mail::Template;
use portcullis_store::factors::{self, Change};
use portcullis_store::passkeys::{self, Removed};
use portcullis_store::{StoreError, Tx, audit, outbox, users};

use super::{PasskeyError, tell};
use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::ways_in;

/// Moves the epoch of a user who has other passkeys: the kinds of their factors are as they were. `false`: it has moved
/// already.
async fn moved(tx: &mut Tx, change: Change) -> Result<bool, StoreError> {
    let is_same = users::hold(tx, change.user, change.epoch).await?;
    if is_same {
        users::move_epoch(tx, change.user, change.now).await?;
    }
    Ok(is_same)
}

impl Cx {
    /// Takes a passkey of the caller's away, if there is another way for them to sign in. Other sessions live on, access
    /// tokens that were out before do not.
    pub async fn remove_passkey(
        &self,
        caller: &Caller,
        id: PasskeyId,
        client: &Client,
    ) -> Result<(), PasskeyError> {
        let owner = caller.asker().ok_or(PasskeyError::SessionEnded)?;
        let user = self.require_fresh(caller).await?.user;
        let mut event = self.factor_event(EventKind::PasskeyRemoved, owner.user, client);
        event.session = Some(owner.session);
        let mail = self.factor_mail(Template::FactorRemoved, &user);
        let needed = self.needs_factor(&user.role);
        let span = self.span();
        let change = Change { user: user.id, epoch: user.credential_epoch, now: span.now };
        let (usable, had) = (self.usable_ways(), user.factors);
        let removed = self
            .store
            .write(move |tx| {
                let (mut event, mail, usable) = (event.clone(), mail.clone(), usable.clone());
                Box::pin(async move {
                    let removed = passkeys::remove(tx, id, owner, span.now).await?;
                    if let Removed::Done { name, others } = &removed {
                        // The user's row is held: of two that go at once, one sees the other gone.
                        if !ways_in::is_left(tx, owner.user, &usable).await? {
                            return Err(StoreError::Refused);
                        }
                        let changed = if *others {
                            moved(tx, change).await?.then_some(had)
                        } else {
                            factors::remove(tx, change, Some(Factor::Passkey)).await?
                        };
                        let factors = changed.filter(|left| !(needed && left.is_empty()));
                        let factors = factors.ok_or(StoreError::Refused)?;
                        tell(&mut event, id, name);
                        audit::append(tx, &event).await?;
                        outbox::enqueue(tx, &mail).await?;
                        factors::settle(tx, change.user, factors, None, span).await?;
                    }
                    Ok(removed)
                })
            })
            .await;
        match removed {
            Ok(Removed::Done { .. }) => {}
            Ok(Removed::NotFound) => return Err(PasskeyError::NotFound),
            Ok(Removed::Moved) => return Err(PasskeyError::SessionEnded),
            Err(StoreError::Refused) => return Err(self.why_not_removed(change, needed).await?),
            Err(error) => return Err(Fault::from(error).into()),
        }
        self.mail_nudge();
        self.look_again("a passkey that is gone").await;
        Ok(())
    }

    /// What was undone because of it.
    async fn why_not_removed(&self, change: Change, needed: bool) -> Result<PasskeyError, Fault> {
        let user = self.store.user(change.user).await?;
        let Some(user) = user.filter(|user| user.credential_epoch == change.epoch) else {
            return Ok(PasskeyError::SessionEnded);
        };
        let last = needed && user.factors.without(Factor::Passkey).is_empty();
        Ok(if last { PasskeyError::FactorRequired } else { PasskeyError::LastWayIn })
    }
}
