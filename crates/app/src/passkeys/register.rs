//! A new passkey. See [`super`].

use portcullis_core::audit::EventKind;
use portcullis_core::factor::Factor;
use portcullis_core::ids::PasskeyId;
use portcullis_core::mail::Template;
use portcullis_core::recovery_code::{RecoveryCode, RecoveryDigest};
use portcullis_core::refresh_token::SessionSecret;
use portcullis_core::session::Grant;
use portcullis_core::user::User;
use portcullis_store::factors::{self, Change, StepUp};
use portcullis_store::passkeys::{self, CeremonyKind, Made, NewPasskey, PasskeyView};
use portcullis_store::{StoreError, audit, outbox, recovery_codes};
use serde_json::Value;

use super::authenticate::methods;
use super::{Begun, MOST, PasskeyError, name, tell};
use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::fresh::require_factor_shown;
use crate::tokens::Tokens;

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

/// A passkey that was registered.
pub struct Added {
    /// The passkey.
    pub passkey: PasskeyView,
    /// The only time they are seen; empty: the user has some left.
    pub recovery_codes: Vec<RecoveryCode>,
    /// With which the session goes on: it has seen the passkey.
    pub tokens: Tokens,
}

/// What is written with a new passkey.
#[derive(Clone)]
struct Keeping {
    new: NewPasskey,
    step_up: StepUp,
    codes: Vec<RecoveryDigest>,
}

impl Cx {
    /// Begins the registration of a passkey, in this session of the caller's.
    pub async fn begin_passkey(&self, caller: &Caller) -> Result<Begun, PasskeyError> {
        let relying_party = self.relying_party().ok_or(PasskeyError::Unavailable)?;
        let user = self.require_fresh(caller).await?.user;
        let known = self.store.passkeys(user.id).await.map_err(Fault::from)?;
        if known.len() as i64 >= MOST {
            return Err(PasskeyError::TooMany);
        }
        let known = known.into_iter().map(|passkey| passkey.credential_id).collect();
        let asked = relying_party.register(&user, known)?;
        Ok(self.begin_ceremony(CeremonyKind::Register, Some(caller), Some(user.id), asked).await?)
    }

    /// Keeps the passkey that the browser has made. All access tokens that were out before end. This session goes on with
    /// new tokens, which say that the passkey was shown; others go on as they are.
    pub async fn add_passkey(
        &self,
        caller: &Caller,
        request: NewPasskeyRequest,
        client: &Client,
    ) -> Result<Added, PasskeyError> {
        let relying_party = self.relying_party().ok_or(PasskeyError::Unavailable)?;
        let owner = caller.asker().ok_or(PasskeyError::SessionEnded)?;
        let name = name(request.name.as_deref().unwrap_or(UNNAMED))?;
        // A node that cannot sign must not spend the session's tokens.
        self.signer()?;
        let user = self.store.user(caller.user).await.map_err(Fault::from)?;
        let user = user.ok_or(PasskeyError::SessionEnded)?;
        require_factor_shown(caller, user.factors)?;
        let spent =
            self.end_ceremony(&request.ceremony, CeremonyKind::Register, Some(caller), Some(user.id)).await?;
        let spent = spent.ok_or(PasskeyError::Refused("no such ceremony of this session"))?;
        let made = relying_party.registered(request.credential, &spent.state)?;
        let secret = SessionSecret::new(&*self.random);
        let step_up = self.stepping_up(caller, owner.session, &secret, methods(made.is_synced));
        let has_codes = self.store.count_recovery_codes(user.id).await.map_err(Fault::from)? > 0;
        let recovery_codes = if has_codes { Vec::new() } else { RecoveryCode::set(&*self.random) };
        let codes = recovery_codes.iter().map(|code| code.digest(user.id)).collect();
        let new = NewPasskey {
            id: PasskeyId::new(self.clock.now(), &*self.random),
            owner,
            credential_id: made.credential_id,
            credential: made.credential,
            name,
            sign_count: made.sign_count,
            backed_up: made.backed_up,
            now: step_up.renewal.now,
            most: MOST,
        };
        let passkey = view(&new);
        let (grant, user) = self.keep_passkey(Keeping { new, step_up, codes }, user, client).await?;
        let device_token = self.new_device_token(&user);
        let tokens = self.first_tokens(grant, secret, caller.claims.aud.clone(), user).await?;
        Ok(Added { passkey, recovery_codes, tokens: Tokens { device_token: Some(device_token), ..tokens } })
    }

    async fn keep_passkey(
        &self,
        keeping: Keeping,
        user: User,
        client: &Client,
    ) -> Result<(Grant, User), PasskeyError> {
        let span = self.span();
        let new = &keeping.new;
        let change = Change { user: user.id, epoch: user.credential_epoch, now: new.now };
        let mut event = self.factor_event(EventKind::PasskeyAdded, user.id, client);
        event.session = Some(new.owner.session);
        tell(&mut event, new.id, &new.name);
        let mail = self.factor_mail(Template::FactorAdded, &user);
        let made = self
            .store
            .write(move |tx| {
                let (keeping, event, mail) = (keeping.clone(), event.clone(), mail.clone());
                Box::pin(async move {
                    let Keeping { new, step_up, codes } = keeping;
                    let made = passkeys::insert(tx, &new).await?;
                    if made != Made::Done {
                        return Ok(Err(made));
                    }
                    let factors = factors::add(tx, change, Factor::Passkey).await?;
                    let factors = factors.ok_or(StoreError::Refused)?;
                    if !codes.is_empty() {
                        recovery_codes::replace(tx, change.user, &codes).await?;
                    }
                    audit::append(tx, &event).await?;
                    outbox::enqueue(tx, &mail).await?;
                    let grant = factors::settle(tx, change.user, factors, Some(&step_up), span).await?;
                    Ok(Ok((grant.ok_or(StoreError::Refused)?, factors)))
                })
            })
            .await;
        let (grant, factors) = match made {
            Ok(Ok(done)) => done,
            Ok(Err(Made::TooMany)) => return Err(PasskeyError::TooMany),
            Ok(Err(Made::Taken)) => return Err(PasskeyError::Taken),
            Ok(Err(Made::Moved | Made::Done)) | Err(StoreError::Refused) => {
                return Err(PasskeyError::SessionEnded);
            }
            Err(error) => return Err(Fault::from(error).into()),
        };
        self.mail_nudge();
        self.look_again("a new passkey").await;
        // As the transaction left the row: nothing that could fail comes after the commit.
        let user =
            User { factors, credential_epoch: user.credential_epoch + 1, version: user.version + 1, ..user };
        Ok((grant, user))
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
