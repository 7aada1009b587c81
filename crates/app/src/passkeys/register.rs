//! A new passkey. See [`super`].

use portcullis_core::audit::EventKind;
use portcullis_core::ids::PasskeyId;
use portcullis_store::passkeys::{self, CeremonyKind, Made, NewPasskey, PasskeyView};
use portcullis_store::{audit, revocations};
use serde_json::Value;

use super::{Begun, MOST, PasskeyError, name, tell};
use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;

/// What a passkey is called that was given no name.
const UNNAMED: &str = "Passkey";

/// What ends a registration.
pub struct NewPasskeyRequest {
    /// What it began with.
    pub ceremony: String,
    /// What the browser answered.
    pub credential: Value,
    /// What the user calls it.
    pub name: Option<String>,
}

impl Cx {
    /// Begins the registration of a passkey, in this session of the caller's.
    pub async fn begin_passkey(&self, caller: &Caller) -> Result<Begun, PasskeyError> {
        let relying_party = self.relying_party().ok_or(PasskeyError::Unavailable)?;
        self.fresh_for_passkeys(caller).await?;
        let user = self.store.user(caller.user).await.map_err(Fault::from)?;
        let user = user.ok_or(PasskeyError::SessionEnded)?;
        let known = self.store.passkeys(user.id).await.map_err(Fault::from)?;
        if known.len() as i64 >= MOST {
            return Err(PasskeyError::TooMany);
        }
        let known = known.into_iter().map(|passkey| passkey.credential_id).collect();
        let asked = relying_party.register(&user, known)?;
        Ok(self.begin_ceremony(CeremonyKind::Register, Some(caller), Some(user.id), asked).await?)
    }

    /// Keeps the passkey that the browser has made. Access tokens that were out before say nothing of it, and end.
    pub async fn add_passkey(
        &self,
        caller: &Caller,
        request: NewPasskeyRequest,
        client: &Client,
    ) -> Result<PasskeyView, PasskeyError> {
        let relying_party = self.relying_party().ok_or(PasskeyError::Unavailable)?;
        let owner = caller.asker().ok_or(PasskeyError::SessionEnded)?;
        let name = name(request.name.as_deref().unwrap_or(UNNAMED))?;
        let spent =
            self.end_ceremony(&request.ceremony, CeremonyKind::Register, Some(caller), Some(caller.user)).await?;
        let spent = spent.ok_or(PasskeyError::Refused("no such ceremony of this session"))?;
        let made = relying_party.registered(request.credential, &spent.state)?;
        let span = self.span();
        let new = NewPasskey {
            id: PasskeyId::new(span.now, &*self.random),
            owner,
            credential_id: made.credential_id,
            credential: made.credential,
            name,
            sign_count: made.sign_count,
            backed_up: made.backed_up,
            now: span.now,
            most: MOST,
        };
        let mut event = self.passkey_event(EventKind::PasskeyAdded, owner.user, client);
        event.session = Some(owner.session);
        tell(&mut event, new.id, &new.name);
        let view = view(&new);
        let made = self
            .store
            .write(move |tx| {
                let (new, event) = (new.clone(), event.clone());
                Box::pin(async move {
                    let made = passkeys::insert(tx, &new).await?;
                    if made == Made::Done {
                        passkeys::note_factor(tx, owner.user, true).await?;
                        audit::append(tx, &event).await?;
                        revocations::append_user(tx, owner.user, span).await?;
                    }
                    Ok(made)
                })
            })
            .await
            .map_err(Fault::from)?;
        match made {
            Made::Done => {}
            Made::TooMany => return Err(PasskeyError::TooMany),
            Made::Taken => return Err(PasskeyError::Taken),
            Made::Moved => return Err(PasskeyError::SessionEnded),
        }
        self.look_again("a new passkey").await;
        Ok(view)
    }
}

fn view(new: &NewPasskey) -> PasskeyView {
    PasskeyView {
        id: new.id,
        name: new.name.clone(),
        credential_id: new.credential_id.clone(),
        credential: new.credential.clone(),
        sign_count: new.sign_count,
        backed_up: new.backed_up,
        created_at: new.now,
        last_used_at: None,
    }
}
