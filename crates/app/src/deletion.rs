//! A user goes.
//!
//! 1. They ask for it, and prove who they are by their password, or by a sign-in moments ago if they have none. From
//!    then on they cannot sign in: every session and token ends, in the transaction that notes the wish, and a mail
//!    with a link goes out by which they may change their mind.
//! 2. With the link, until `deletion.grace` is over, everything is as it was but the sessions.
//! 3. After that, periodic work deletes them ([`Cx::keep_house_once`]), under a guard that looks at the wish again.
//!
//! Administrators and operators delete at once. What the audit log tells of the user loses what is personal in it;
//! revocations stay as long as tokens that they end could be good.

use std::time::Duration;

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::{AccountId, EventId, UserId};
use portcullis_core::link::LinkPurpose;
use portcullis_core::mail::{Mail, Template};
use portcullis_core::password::Password;
use portcullis_core::random::Random;
use portcullis_core::session::EndCause;
use portcullis_core::time::Timestamp;
use portcullis_core::user::{Role, User};
use portcullis_core::validation::FieldError;
use portcullis_store::deletions::{self, Deleter, Gone, Stays, Wish};
use portcullis_store::links::Link;
use portcullis_store::{StoreError, api_tokens, audit, audit_keeping, links, outbox, revocations, sessions};
use serde_json::{Map, json};
use thiserror::Error;

use crate::bearer::Caller;
use crate::client::Client;
use crate::clients::By;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::limits::{LimitError, Limited};
use crate::links::user_of;
use crate::me::ProfileError;
use crate::reset_password::LinkError;

/// How many users one round of periodic work deletes.
const A_ROUND: i64 = 100;

/// Why nobody is deleted.
#[derive(Debug, Error)]
pub enum DeletionError {
    /// Fields are wrong.
    #[error("invalid fields")]
    Invalid(Vec<FieldError>),
    /// The password is wrong.
    #[error("{0}")]
    WrongPassword(&'static str),
    /// Whoever has no password must have signed in a moment ago.
    #[error("a fresh sign-in is needed")]
    FreshLoginRequired(Vec<&'static str>),
    /// Nobody else administers.
    #[error("the last administrator stays; make another one first")]
    LastAdministrator,
    /// They own an account that others belong to, and nobody else does.
    #[error(
        "the user is the last owner of an account that others belong to; make another member the owner first"
    )]
    LastOwner,
    /// There is no such user.
    #[error("there is no such user")]
    NotFound,
    /// Not themselves: that is another endpoint.
    #[error("administrators do not delete or disable themselves here")]
    Oneself,
    /// The session has ended, or what proves whoever asks has changed, in between.
    #[error("the session has ended")]
    Moved,
    /// Too many.
    #[error("rate limited")]
    Limited(Limited),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<StoreError> for DeletionError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<LimitError> for DeletionError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Limited(limited) => Self::Limited(limited),
            LimitError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<ProfileError> for DeletionError {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::Invalid(errors) => Self::Invalid(errors),
            ProfileError::WrongPassword(why) => Self::WrongPassword(why),
            ProfileError::FreshLoginRequired(methods) => Self::FreshLoginRequired(methods),
            ProfileError::Limited(limited) => Self::Limited(limited),
            ProfileError::NoUser | ProfileError::UsernameTaken => Self::Moved,
            ProfileError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<Stays> for DeletionError {
    fn from(stays: Stays) -> Self {
        match stays {
            Stays::Moved => Self::Moved,
            Stays::LastAdministrator => Self::LastAdministrator,
            Stays::LastOwner => Self::LastOwner,
        }
    }
}

impl Cx {
    /// Lets the caller go after the time of grace: when. They are signed out everywhere now.
    pub async fn ask_for_deletion(
        &self,
        caller: &Caller,
        current_password: Option<Password>,
        client: &Client,
    ) -> Result<Timestamp, DeletionError> {
        self.limit("password_change", self.settings.rates.map(|rates| rates.password_change), client).await?;
        let asker = caller.asker().ok_or(DeletionError::Moved)?;
        let found = self.store.credentials(caller.user).await?.ok_or(DeletionError::Moved)?;
        self.prove_again(caller, &found, current_password).await?;
        let user = found.user;
        let now = self.clock.now();
        let wish =
            Wish { asker, epoch: user.credential_epoch, now, due_at: now + self.settings.deletion_grace };
        let mut event = self.event(EventKind::DeletionRequested);
        (event.user, event.actor) = (Some(user.id), Some(user.id));
        (event.session, event.address) = (Some(asker.session), Some(client.address));
        event.detail.insert("due_at".into(), wish.due_at.to_string().into());
        let (link, mail) = self.farewell(&user, wish.due_at);
        let span = self.span();
        let done = self
            .store
            .write(move |tx| {
                let (event, link, mail) = (event.clone(), link.clone(), mail.clone());
                Box::pin(async move {
                    if let Err(stays) = deletions::ask(tx, &wish).await? {
                        return Ok(Err(stays));
                    }
                    let id = wish.asker.user;
                    let ended = sessions::end_all(tx, id, None, now, EndCause::UserDisabled).await?;
                    // Every node looks up the user's API tokens again.
                    api_tokens::renew_all(tx, id).await?;
                    links::put(tx, &link).await?;
                    outbox::enqueue(tx, &mail).await?;
                    audit::append(tx, &event).await?;
                    // The list comes last: whoever holds its lock waits for no row.
                    revocations::append_all(tx, &ended, span).await?;
                    revocations::append_api_tokens(tx, id, span).await?;
                    Ok(Ok(ended))
                })
            })
            .await?;
        self.revoke_here(&done?, span);
        self.mail_nudge();
        self.look_again("a wish to be deleted").await;
        Ok(wish.due_at)
    }

    /// The mail by which `user` may change their mind until `due_at`, and its link.
    fn farewell(&self, user: &User, due_at: Timestamp) -> (Link, Mail) {
        // The epoch as the wish leaves it.
        let epoch = user.credential_epoch + 1;
        let link = self.new_link(user.id.uuid(), LinkPurpose::KeepAccount, &user.email, epoch);
        let link = Link { expires_at: link.expires_at.min(due_at), ..link };
        let mut mail = self.mail_with(Template::AccountDeletion, &link, Some(user));
        let day: String = due_at.to_string().chars().take_while(|c| *c != 'T').collect();
        mail.parameters.insert("deletes_at".into(), day.into());
        (link, mail)
    }

    /// Lets a user stay who has changed their mind, by the link in the mail.
    pub async fn keep_account(&self, token: &str, client: &Client) -> Result<(), LinkError> {
        self.limit("email_verify", self.settings.rates.map(|rates| rates.email_verify), client).await?;
        let link = self.link(token, &[LinkPurpose::KeepAccount]).await?.ok_or(LinkError::InvalidLink)?;
        let user = user_of(&link);
        let mut event = self.event(EventKind::DeletionCancelled);
        (event.user, event.actor, event.address) = (Some(user), Some(user), Some(client.address));
        let now = event.at;
        let done = self.store.write(move |tx| {
            let (link, event) = (link.clone(), event.clone());
            Box::pin(async move {
                let kept = links::spend(tx, link.facts.id, now).await?
                    && deletions::keep(tx, user, (&link.email, link.facts.epoch), now).await?;
                if kept {
                    audit::append(tx, &event).await?;
                }
                Ok(kept)
            })
        });
        if done.await.map_err(Fault::from)? { Ok(()) } else { Err(LinkError::InvalidLink) }
    }

    /// Deletes a user at once, with all that is their own.
    pub async fn delete_user(&self, user: UserId, by: By<'_>) -> Result<(), DeletionError> {
        let mut event = self.event(EventKind::UserDeleted);
        event.user = Some(user);
        let deleter = match by {
            By::Administrator(caller, client) => {
                if caller.user == user {
                    return Err(DeletionError::Oneself);
                }
                self.existing(user).await?;
                (event.actor, event.address) = (Some(caller.user), Some(client.address));
                Deleter::Administrator(caller.asker().ok_or(DeletionError::Moved)?)
            }
            By::Operator => {
                self.existing(user).await?;
                event.detail.insert("by".into(), "operator".into());
                Deleter::Operator
            }
        };
        self.delete(user, deleter, event).await
    }

    /// A bot is its owner's to delete, so there is no such user.
    async fn existing(&self, user: UserId) -> Result<User, DeletionError> {
        let found = self.store.user(user).await?.filter(|user| !user.is_bot());
        found.ok_or(DeletionError::NotFound)
    }

    async fn delete(&self, user: UserId, by: Deleter, event: Event) -> Result<(), DeletionError> {
        let span = self.span();
        let erasure = self.erasure_request(user);
        let random = self.random.clone();
        let gone = self
            .store
            .write(move |tx| {
                let (mut event, random) = (event.clone(), random.clone());
                Box::pin(async move {
                    let gone = match deletions::delete(tx, user, by, span.now).await? {
                        Ok(gone) => gone,
                        Err(stays) => return Ok(Err(stays)),
                    };
                    note(&mut event, &gone);
                    audit::append(tx, &event).await?;
                    audit_keeping::ask_erasure(tx, &erasure).await?;
                    // Their tokens say the role that they had.
                    for (account, heir) in &gone.heirs {
                        api_tokens::renew_all(tx, *heir).await?;
                        audit::append(tx, &inherited(&event, (*account, *heir), &*random)).await?;
                    }
                    // The list comes last: whoever holds its lock waits for no row.
                    revocations::append_all(tx, &gone.ended, span).await?;
                    for (_, heir) in &gone.heirs {
                        revocations::append_user(tx, *heir, span).await?;
                        revocations::append_api_tokens(tx, *heir, span).await?;
                    }
                    Ok(Ok(gone))
                })
            })
            .await?;
        let gone = gone?;
        self.revoke_here(&gone.ended, span);
        if !gone.heirs.is_empty() {
            self.look_again("an account that is inherited").await;
        }
        Ok(())
    }

    /// Deletes whose time has come; how many. Whom it fails for is tried again in the next round.
    pub(crate) async fn delete_due_users(&self) -> Result<usize, Fault> {
        let due = self.store.due_deletions(self.clock.now(), A_ROUND).await?;
        let mut deleted = 0;
        for user in due {
            let mut event = self.event(EventKind::UserDeleted);
            (event.user, event.actor) = (Some(user), Some(user));
            match self.delete(user, Deleter::Time, event).await {
                Ok(()) => deleted += 1,
                Err(DeletionError::Fault(fault)) => return Err(fault),
                // They have changed their mind at the last moment.
                Err(error) => tracing::debug!(%error, "a user is not deleted"),
            }
        }
        Ok(deleted)
    }

    /// How long users may change their mind.
    pub const fn deletion_grace(&self) -> Duration {
        self.settings.deletion_grace
    }
}

/// Somebody owns an account because its last owner is gone. Stays on record when the one who is gone does not.
fn inherited(gone: &Event, (account, heir): (AccountId, UserId), random: &dyn Random) -> Event {
    let mut event = Event {
        id: EventId::new(gone.at, random),
        kind: EventKind::MemberRoleChanged,
        user: Some(heir),
        session: None,
        ..gone.clone()
    };
    event.detail = Map::new();
    event.detail.insert("account".into(), account.to_string().into());
    event.detail.insert("role".into(), Role::OWNER.into());
    event.detail.insert("cause".into(), "inherited".into());
    event
}

/// What went with the user: ids, nothing that tells who they were.
fn note(event: &mut Event, gone: &Gone) {
    if !gone.accounts.is_empty() {
        let accounts: Vec<_> = gone.accounts.iter().map(ToString::to_string).collect();
        event.detail.insert("accounts".into(), json!(accounts));
    }
    if !gone.heirs.is_empty() {
        let heir = |(account, user): &(_, UserId)| json!({"account": account, "user": user});
        event.detail.insert("heirs".into(), gone.heirs.iter().map(heir).collect());
    }
}
