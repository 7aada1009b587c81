//! What administrators do to users, each in a session of their own, and what a service does that registers users on
//! their behalf. The same guard everywhere: whoever asks may so at the moment of the commit, whatever their token says.

use std::collections::HashMap;

use portcullis_core::audit::EventKind;
use portcullis_core::ids::{ClientId, UserId};
use portcullis_core::session::EndCause;
use portcullis_core::time::Timestamp;
use portcullis_core::user::User;
use portcullis_store::deletions::Stays;
use portcullis_store::sessions::hold_asker;
use portcullis_store::users::{self, Disabled, Insert};
use portcullis_store::{api_tokens, audit, clients, deletions, revocations, sessions, set_up};
use thiserror::Error;

use crate::bearer::{Caller, Credential};
use crate::client::Client;
use crate::cx::Cx;
use crate::deletion::DeletionError;
use crate::fault::Fault;
use crate::operator::{NewUserRequest, OperatorError};
use crate::register::made;
use crate::sign_in::{Proof, SignInError, Wish};
use crate::tokens::Tokens;

/// The scope by which a service client registers users.
pub const REGISTERS: &str = "users:write";

/// A user, as administrators see them.
#[derive(Clone, Debug)]
pub struct Administered {
    /// The user.
    pub user: User,
    /// When they are deleted, if they asked for it.
    pub deletion_due: Option<Timestamp>,
}

/// Why nobody was registered on their behalf.
#[derive(Debug, Error)]
pub enum RegisterForError {
    /// As for operators.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// A service does not make administrators.
    #[error("a service does not make administrators")]
    Administrator,
    /// There can be no session: they must verify their address first.
    #[error("the address must be verified before the first sign-in")]
    Unverified,
    /// Whoever asks may not any more.
    #[error("whoever asks has changed meanwhile")]
    Moved,
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Caller {
    /// A user asks, and no service client in its own name.
    pub const fn asks_as_user(&self) -> bool {
        !matches!(self.credential, Credential::Client)
    }
}

impl Cx {
    /// Users by id, after one, bots among them.
    pub async fn list_users(&self, after: Option<UserId>, limit: i64) -> Result<Vec<Administered>, Fault> {
        let users = self.store.users(after, limit).await?;
        let (Some(first), Some(last)) = (users.first(), users.last()) else { return Ok(Vec::new()) };
        let due: HashMap<_, _> = self.store.deletions_due((first.id, last.id)).await?.into_iter().collect();
        let seen = |user: User| Administered { deletion_due: due.get(&user.id).copied(), user };
        Ok(users.into_iter().map(seen).collect())
    }

    /// One user.
    pub async fn administered(&self, id: UserId) -> Result<Option<Administered>, Fault> {
        let Some(user) = self.store.user(id).await? else { return Ok(None) };
        Ok(Some(Administered { user, deletion_due: self.store.deletion_due(id).await? }))
    }

    /// Disables a user, or lets them sign in again, who then is not to be deleted any more. What was so already, stays
    /// so.
    pub async fn set_disabled(
        &self,
        id: UserId,
        disabled: bool,
        caller: &Caller,
        client: &Client,
    ) -> Result<Administered, DeletionError> {
        if caller.user == id {
            return Err(DeletionError::Oneself);
        }
        let asker = caller.asker().ok_or(DeletionError::Moved)?;
        let kind = if disabled { EventKind::UserDisabled } else { EventKind::UserEnabled };
        let mut event = self.event(kind);
        (event.user, event.actor, event.address) = (Some(id), Some(caller.user), Some(client.address));
        let span = self.span();
        let done = self
            .store
            .write(move |tx| {
                let event = event.clone();
                Box::pin(async move {
                    // Whoever disables others holds this: of two administrators who do so to each other, one does.
                    deletions::hold_administration(tx).await?;
                    if hold_asker(tx, asker, true, span.now).await?.is_none() {
                        return Ok(Err(Stays::Moved));
                    }
                    if !disabled {
                        if users::enable(tx, id, span.now).await? {
                            audit::append(tx, &event).await?;
                        }
                        return Ok(Ok(Vec::new()));
                    }
                    match users::disable(tx, id, span.now).await? {
                        Disabled::Done => {}
                        Disabled::Already => return Ok(Ok(Vec::new())),
                        Disabled::LastAdministrator => return Ok(Err(Stays::LastAdministrator)),
                    }
                    let ended = sessions::end_all(tx, id, None, span.now, EndCause::UserDisabled).await?;
                    // Every node looks up the user's API tokens again.
                    api_tokens::renew_all(tx, id).await?;
                    audit::append(tx, &event).await?;
                    // The list comes last: whoever holds its lock waits for no row.
                    revocations::append_all(tx, &ended, span).await?;
                    revocations::append_api_tokens(tx, id, span).await?;
                    Ok(Ok(ended))
                })
            })
            .await?;
        self.revoke_here(&done?, span);
        self.look_again("disabling or enabling a user").await;
        self.administered(id).await?.ok_or(DeletionError::NotFound)
    }

    /// Registers somebody on their behalf, by an administrator or a service client that may. With `session` they are
    /// signed in, too: the tokens are for whoever asks to hand on.
    pub async fn register_for(
        &self,
        request: NewUserRequest,
        session: bool,
        caller: &Caller,
        client: &Client,
    ) -> Result<(User, Option<Tokens>), RegisterForError> {
        let by_service = !caller.asks_as_user();
        if session && self.runtime().require_email_verification {
            return Err(RegisterForError::Unverified);
        }
        let new = self.check_new_user(request).await?;
        let admin = new.role.is_admin();
        if admin && by_service {
            return Err(RegisterForError::Administrator);
        }
        let asker = if by_service { None } else { Some(caller.asker().ok_or(RegisterForError::Moved)?) };
        let service = ClientId::from_uuid(caller.sid);
        let mut event = self.event(EventKind::UserRegistered);
        (event.user, event.address) = (Some(new.id), Some(client.address));
        if by_service {
            event.detail.insert("client".into(), service.to_string().into());
        } else {
            event.actor = Some(caller.user);
        }
        let user = made(&new);
        let done = self.store.write(move |tx| {
            let (new, event) = (new.clone(), event.clone());
            Box::pin(async move {
                let may = match asker {
                    Some(asker) => hold_asker(tx, asker, true, new.now).await?.is_some(),
                    None => clients::hold(tx, service).await?,
                };
                if !may {
                    return Ok(None);
                }
                let done = users::insert(tx, &new).await?;
                if done == Insert::Done {
                    if admin {
                        set_up::complete(tx, new.now).await?;
                    }
                    audit::append(tx, &event).await?;
                }
                Ok(Some(done))
            })
        });
        match done.await.map_err(Fault::from)?.ok_or(RegisterForError::Moved)? {
            Insert::Done => {}
            Insert::EmailTaken => return Err(OperatorError::EmailTaken.into()),
            Insert::UsernameTaken => return Err(OperatorError::UsernameTaken.into()),
        }
        if !session {
            return Ok((user, None));
        }
        // Nothing has proved who they are: no method stands in the tokens.
        let wish = Wish::in_body(self.settings.audiences.clone());
        match self.sign_in(Proof::own(user.clone(), &[]), wish, client).await {
            Ok(tokens) => Ok((user, Some(tokens))),
            Err(SignInError::Fault(fault)) => Err(fault.into()),
            Err(SignInError::Unverified | SignInError::FactorOwed(_)) => Err(RegisterForError::Unverified),
            Err(SignInError::Refused) => Err(RegisterForError::Moved),
        }
    }
}
