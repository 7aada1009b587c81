//! Bots: users that belong to a user. A bot has no password; its owner signs in as it, and is the actor of its
//! tokens.

use portcullis_core::audit::EventKind;
use portcullis_core::ids::UserId;
use portcullis_core::session::{Acting, ActingMode, EndCause};
use portcullis_core::user::{Role, User};
use portcullis_core::validation::{FieldError, line};
use portcullis_store::bots::{self, Made, NewBot};
use portcullis_store::sessions::ActingFrom;
use portcullis_store::{audit, revocations};
use thiserror::Error;

use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::sign_in::{Actor, Proof, SignInError, Wish};
use crate::tokens::{Tokens, UnknownAudience};

const LONGEST_NAME: usize = 100;

/// Why nothing was done.
#[derive(Debug, Error)]
pub enum BotError {
    /// The name is wrong.
    #[error("wrong fields")]
    Invalid(Vec<FieldError>),
    /// The owner has as many as they may.
    #[error("too many bots")]
    TooMany,
    /// No such bot of the caller's.
    #[error("no such bot")]
    NotFound,
    /// The session that asks has ended, or its user was disabled, in between.
    #[error("the session has ended")]
    SessionEnded,
    /// Not an audience of ours.
    #[error("unknown audience")]
    UnknownAudience,
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<UnknownAudience> for BotError {
    fn from(_: UnknownAudience) -> Self {
        Self::UnknownAudience
    }
}

impl From<SignInError> for BotError {
    fn from(error: SignInError) -> Self {
        match error {
            // It was deleted, or its owner disabled, in between; a bot owes nothing else.
            SignInError::Refused | SignInError::Unverified | SignInError::FactorOwed(_) => Self::NotFound,
            SignInError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl Cx {
    /// Makes a bot.
    pub async fn create_bot(&self, caller: &Caller, name: &str, client: &Client) -> Result<User, BotError> {
        let owner = caller.asker().ok_or(BotError::SessionEnded)?;
        let name = line("name", name, LONGEST_NAME).map_err(|error| BotError::Invalid(vec![error]))?;
        let now = self.clock.now();
        let new = NewBot {
            id: UserId::new(now, &*self.random),
            owner,
            name,
            role: Role::from_stored(Role::USER),
            now,
            most: i64::from(self.runtime().max_bots_per_user),
        };
        let (id, event) = (new.id, self.bot_event(EventKind::BotCreated, new.id, owner.user, client));
        let made = self
            .store
            .write(move |tx| {
                let (new, event) = (new.clone(), event.clone());
                Box::pin(async move {
                    let made = bots::insert(tx, &new).await?;
                    if made == Made::Done {
                        audit::append(tx, &event).await?;
                    }
                    Ok(made)
                })
            })
            .await
            .map_err(Fault::from)?;
        match made {
            Made::Done => self.bot(id, owner.user).await,
            Made::TooMany => Err(BotError::TooMany),
            Made::NoOwner => Err(BotError::SessionEnded),
        }
    }

    /// The bots of a user.
    pub async fn list_bots(&self, owner: UserId) -> Result<Vec<User>, Fault> {
        Ok(self.store.bots(owner).await?)
    }

    /// Names a bot anew.
    pub async fn rename_bot(
        &self,
        id: UserId,
        owner: UserId,
        name: &str,
        client: &Client,
    ) -> Result<User, BotError> {
        let name = line("name", name, LONGEST_NAME).map_err(|error| BotError::Invalid(vec![error]))?;
        let event = self.bot_event(EventKind::BotUpdated, id, owner, client);
        let now = event.at;
        let done = self
            .store
            .write(move |tx| {
                let (name, event) = (name.clone(), event.clone());
                Box::pin(async move {
                    let done = bots::rename(tx, id, owner, &name, now).await?;
                    if done {
                        audit::append(tx, &event).await?;
                    }
                    Ok(done)
                })
            })
            .await
            .map_err(Fault::from)?;
        if done { self.bot(id, owner).await } else { Err(BotError::NotFound) }
    }

    /// Deletes a bot: its sessions and their tokens end everywhere. `false`: there is none.
    pub async fn delete_bot(&self, id: UserId, owner: UserId, client: &Client) -> Result<bool, Fault> {
        let mut event = self.bot_event(EventKind::BotDeleted, id, owner, client);
        event.detail.insert("cause".into(), EndCause::UserDeleted.as_str().into());
        let span = self.span();
        let ended = self
            .store
            .write(move |tx| {
                let event = event.clone();
                Box::pin(async move {
                    let Some(sessions) = bots::delete(tx, id, owner).await? else { return Ok(None) };
                    audit::append(tx, &event).await?;
                    revocations::append_all(tx, &sessions, span).await?;
                    Ok(Some(sessions))
                })
            })
            .await?;
        let Some(ended) = ended else { return Ok(false) };
        self.revoke_here(&ended, span);
        Ok(true)
    }

    /// Signs in as a bot of the caller's.
    pub async fn bot_tokens(
        &self,
        id: UserId,
        caller: &Caller,
        audience: Option<&str>,
        client: &Client,
    ) -> Result<Tokens, BotError> {
        let audiences = self.audiences(audience)?;
        let session = caller.session().ok_or(BotError::NotFound)?;
        let user = self.bot(id, caller.user).await?;
        let acting = Acting { actor: caller.user, mode: ActingMode::Bot };
        let from = Actor { from: ActingFrom { acting, session }, reason: None };
        let proof = Proof { acting: Some(from), ..Proof::own(user, &[]) };
        Ok(self.sign_in(proof, Wish::in_body(audiences), client).await?)
    }

    async fn bot(&self, id: UserId, owner: UserId) -> Result<User, BotError> {
        self.store.bot(id, owner).await.map_err(Fault::from)?.ok_or(BotError::NotFound)
    }

    fn bot_event(
        &self,
        kind: EventKind,
        id: UserId,
        owner: UserId,
        client: &Client,
    ) -> portcullis_core::audit::Event {
        let mut event = self.event(kind);
        (event.user, event.actor, event.address) = (Some(id), Some(owner), Some(client.address));
        event
    }
}
