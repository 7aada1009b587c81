//! Taking a passkey away. See [`super`].

use portcullis_core::audit::EventKind;
use portcullis_core::ids::PasskeyId;
use portcullis_store::passkeys::{self, Removed};
use portcullis_store::{StoreError, audit, revocations, ways_in};

use super::{PasskeyError, tell};
use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;

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
        self.fresh_for_passkeys(caller).await?;
        let mut event = self.passkey_event(EventKind::PasskeyRemoved, owner.user, client);
        event.session = Some(owner.session);
        let span = self.span();
        let removed = self
            .store
            .write(move |tx| {
                let mut event = event.clone();
                Box::pin(async move {
                    let removed = passkeys::remove(tx, id, owner, span.now).await?;
                    if let Removed::Done { name, others } = &removed {
                        // The user's row is held: of two that go at once, one sees the other gone.
                        if !ways_in::of(tx, owner.user).await?.any() {
                            return Err(StoreError::Refused);
                        }
                        passkeys::note_factor(tx, owner.user, *others).await?;
                        tell(&mut event, id, name);
                        audit::append(tx, &event).await?;
                        revocations::append_user(tx, owner.user, span).await?;
                    }
                    Ok(removed)
                })
            })
            .await;
        match removed {
            Ok(Removed::Done { .. }) => {}
            Ok(Removed::NotFound) => return Err(PasskeyError::NotFound),
            Ok(Removed::Moved) => return Err(PasskeyError::SessionEnded),
            Err(StoreError::Refused) => return Err(PasskeyError::LastWayIn),
            Err(error) => return Err(Fault::from(error).into()),
        }
        self.look_again("a passkey that is gone").await;
        Ok(())
    }
}
