//! Accounts and their members. Every change holds the account's row first, reads by which role the caller asks, and
//! then writes under the guard that an owner stays: of two owners who leave at once, one does.
//!
//! Whoever's account or role changes loses the access tokens that say otherwise, on every node; their sessions live on,
//! and the next tokens say what is so.

use portcullis_core::account::{LONGEST_NAME, manages, may_change_role, may_touch, owns};
use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::{AccountId, UserId};
use portcullis_core::time::Timestamp;
use portcullis_core::user::{Role, Username};
use portcullis_core::validation::{FieldError, line};
use portcullis_store::accounts::{self, MAX_OWNED};
pub use portcullis_store::accounts::{Account, Membership};
pub use portcullis_store::members::Member;
use portcullis_store::members::{self, Leaving, Switch};
use portcullis_store::revocations::Span;
use portcullis_store::sessions::{Asker, hold_asker};
use portcullis_store::{StoreError, Tx, api_tokens, audit, revocations};
use thiserror::Error;

use crate::admission::NotAdmitted;
use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::limits::{LimitError, Limited};

/// Why a transaction on an account wrote nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    NotFound,
    SessionEnded,
    Forbidden,
    LastOwner,
    HasMembers,
    TooMany,
    AlreadyMember,
    InviteSpent,
}

/// Why nothing was done.
#[derive(Debug, Error)]
pub enum AccountError {
    /// Too many.
    #[error("rate limited")]
    Limited(Limited),
    /// Fields are wrong.
    #[error("invalid fields")]
    Invalid(Vec<FieldError>),
    /// There is no such account, member or invite, as far as the caller may know.
    #[error("not found")]
    NotFound,
    /// The caller's role in the account does not let them.
    #[error("the role in the account does not allow this")]
    Forbidden,
    /// An account has an owner.
    #[error("the last owner stays")]
    LastOwner,
    /// Others belong to the account.
    #[error("the account has other members")]
    HasMembers,
    /// The caller owns as many accounts as they may.
    #[error("too many accounts")]
    TooMany,
    /// The caller belongs to the account.
    #[error("a member already")]
    AlreadyMember,
    /// The invite is used, or was taken back.
    #[error("the invite cannot be used any more")]
    InviteSpent,
    /// The invite does not let the caller in.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The session that asks has ended in between.
    #[error("the session has ended")]
    SessionEnded,
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<LimitError> for AccountError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Limited(limited) => Self::Limited(limited),
            LimitError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<StoreError> for AccountError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Denied> for AccountError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotFound => Self::NotFound,
            Denied::SessionEnded => Self::SessionEnded,
            Denied::Forbidden => Self::Forbidden,
            Denied::LastOwner => Self::LastOwner,
            Denied::HasMembers => Self::HasMembers,
            Denied::TooMany => Self::TooMany,
            Denied::AlreadyMember => Self::AlreadyMember,
            Denied::InviteSpent => Self::InviteSpent,
        }
    }
}

fn name(text: &str) -> Result<String, AccountError> {
    line("name", text, LONGEST_NAME).map_err(|error| AccountError::Invalid(vec![error]))
}

/// Holds an account for whoever asks, in a session that is live: by which role.
pub(crate) async fn enter(
    tx: &mut Tx,
    account: AccountId,
    asker: Asker,
    now: Timestamp,
) -> Result<Result<Role, Denied>, StoreError> {
    // The account first: whoever changes one another's membership waits here, before either holds their own row.
    if !accounts::hold(tx, account).await? {
        return Ok(Err(Denied::NotFound));
    }
    if hold_asker(tx, asker, false, now).await?.is_none() {
        return Ok(Err(Denied::SessionEnded));
    }
    Ok(members::role_of(tx, (account, asker.user)).await?.ok_or(Denied::NotFound))
}

/// Ends what the access tokens of `users` say, and what their API tokens are known to say.
async fn end_tokens(tx: &mut Tx, users: &[UserId], events: &[Event], span: Span) -> Result<(), StoreError> {
    for user in users {
        api_tokens::renew_all(tx, *user).await?;
    }
    for event in events {
        audit::append(tx, event).await?;
    }
    // The list comes last: whoever holds its lock waits for no row.
    for user in users {
        revocations::append_user(tx, *user, span).await?;
        revocations::append_api_tokens(tx, *user, span).await?;
    }
    Ok(())
}

impl Cx {
    /// The caller's accounts, oldest first, after one.
    pub async fn my_accounts(
        &self,
        caller: &Caller,
        after: Option<AccountId>,
        limit: i64,
    ) -> Result<Vec<Membership>, Fault> {
        Ok(self.store.accounts_of(caller.user, after, limit).await?)
    }

    /// One of the caller's accounts.
    pub async fn account_of(&self, id: AccountId, caller: &Caller) -> Result<Membership, AccountError> {
        self.store.account_of(id, caller.user).await?.ok_or(AccountError::NotFound)
    }

    /// The caller's role in an account that they manage.
    pub(crate) async fn managed(&self, id: AccountId, caller: &Caller) -> Result<Role, AccountError> {
        let role = self.store.member_role((id, caller.user)).await?.ok_or(AccountError::NotFound)?;
        if manages(&role) { Ok(role) } else { Err(AccountError::Forbidden) }
    }

    /// Makes another account for the caller. A trial is for their first.
    pub async fn create_account(
        &self,
        caller: &Caller,
        text: &str,
        client: &Client,
    ) -> Result<Membership, AccountError> {
        let asker = caller.asker().ok_or(AccountError::SessionEnded)?;
        let new = self.new_account(name(text)?, self.further_subscription());
        let event = self.account_event(EventKind::AccountCreated, new.id, caller, client);
        let (id, now) = (new.id, self.clock.now());
        let done = self.store.write(move |tx| {
            let (new, event) = (new.clone(), event.clone());
            Box::pin(async move {
                if hold_asker(tx, asker, false, now).await?.is_none() {
                    return Ok(Err(Denied::SessionEnded));
                }
                // Counted while the user is held: one after the other.
                if accounts::count_owned(tx, asker.user).await? >= MAX_OWNED {
                    return Ok(Err(Denied::TooMany));
                }
                accounts::insert(tx, &new, asker.user, now).await?;
                audit::append(tx, &event).await?;
                Ok(Ok(()))
            })
        });
        done.await??;
        self.account_of(id, caller).await
    }

    /// Names an account anew.
    pub async fn rename_account(
        &self,
        id: AccountId,
        text: &str,
        caller: &Caller,
        client: &Client,
    ) -> Result<Membership, AccountError> {
        let asker = caller.asker().ok_or(AccountError::SessionEnded)?;
        let (text, now) = (name(text)?, self.clock.now());
        let event = self.account_event(EventKind::AccountUpdated, id, caller, client);
        let done = self.store.write(move |tx| {
            let (text, event) = (text.clone(), event.clone());
            Box::pin(async move {
                let role = match enter(tx, id, asker, now).await? {
                    Ok(role) => role,
                    Err(denied) => return Ok(Err(denied)),
                };
                if !manages(&role) {
                    return Ok(Err(Denied::Forbidden));
                }
                accounts::rename(tx, id, &text).await?;
                audit::append(tx, &event).await?;
                Ok(Ok(()))
            })
        });
        done.await??;
        self.account_of(id, caller).await
    }

    /// Deletes an account that nobody but the caller belongs to.
    pub async fn delete_account(
        &self,
        id: AccountId,
        caller: &Caller,
        client: &Client,
    ) -> Result<(), AccountError> {
        let asker = caller.asker().ok_or(AccountError::SessionEnded)?;
        let event = self.account_event(EventKind::AccountDeleted, id, caller, client);
        let (span, spare) = (self.span(), self.spare_account(caller.user).await?);
        let done = self.store.write(move |tx| {
            let (event, spare) = (event.clone(), spare.clone());
            Box::pin(async move {
                let role = match enter(tx, id, asker, span.now).await? {
                    Ok(role) => role,
                    Err(denied) => return Ok(Err(denied)),
                };
                if !owns(&role) {
                    return Ok(Err(Denied::Forbidden));
                }
                let pair = (id, asker.user);
                let left = members::leave(tx, pair, Leaving::Empty, &spare, span.now).await?;
                let Some(changed) = left else { return Ok(Err(Denied::HasMembers)) };
                accounts::delete(tx, id).await?;
                end_tokens(tx, &changed, &[event], span).await?;
                Ok(Ok(()))
            })
        });
        done.await??;
        self.look_again("deleting an account").await;
        Ok(())
    }

    /// Members of one of the caller's accounts, after one.
    pub async fn list_members(
        &self,
        id: AccountId,
        caller: &Caller,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<Member>, AccountError> {
        self.store.member_role((id, caller.user)).await?.ok_or(AccountError::NotFound)?;
        Ok(self.store.members(id, after, limit).await?)
    }

    /// Gives a member another role.
    pub async fn set_member_role(
        &self,
        (id, user): (AccountId, UserId),
        role: &str,
        caller: &Caller,
        client: &Client,
    ) -> Result<(), AccountError> {
        let asker = caller.asker().ok_or(AccountError::SessionEnded)?;
        let role = Role::parse("role", role).map_err(|error| AccountError::Invalid(vec![error]))?;
        let event = self.role_event((id, user), &role, caller, client);
        let span = self.span();
        let done = self.store.write(move |tx| {
            let (role, event) = (role.clone(), event.clone());
            Box::pin(async move {
                let own = match enter(tx, id, asker, span.now).await? {
                    Ok(role) => role,
                    Err(denied) => return Ok(Err(denied)),
                };
                let Some(from) = members::role_of(tx, (id, user)).await? else {
                    return Ok(Err(Denied::NotFound));
                };
                if !may_change_role(&own, &from, &role) {
                    return Ok(Err(Denied::Forbidden));
                }
                if from == role {
                    return Ok(Ok(()));
                }
                if !members::set_role(tx, (id, user), &role, span.now).await? {
                    return Ok(Err(Denied::LastOwner));
                }
                end_tokens(tx, &[user], &[event], span).await?;
                Ok(Ok(()))
            })
        });
        done.await??;
        self.look_again("a change of role").await;
        Ok(())
    }

    /// Makes a member the owner, and the caller, who was it, an admin.
    pub async fn transfer_account(
        &self,
        (id, user): (AccountId, UserId),
        caller: &Caller,
        client: &Client,
    ) -> Result<(), AccountError> {
        let asker = caller.asker().ok_or(AccountError::SessionEnded)?;
        let (owner, admin) = (Role::from_stored(Role::OWNER), Role::from_stored(Role::ADMIN));
        let events = [
            self.role_event((id, user), &owner, caller, client),
            self.role_event((id, caller.user), &admin, caller, client),
        ];
        let span = self.span();
        let done = self.store.write(move |tx| {
            let (owner, admin, events) = (owner.clone(), admin.clone(), events.clone());
            Box::pin(async move {
                let own = match enter(tx, id, asker, span.now).await? {
                    Ok(role) => role,
                    Err(denied) => return Ok(Err(denied)),
                };
                if !owns(&own) {
                    return Ok(Err(Denied::Forbidden));
                }
                if user == asker.user || members::role_of(tx, (id, user)).await?.is_none() {
                    return Ok(Err(Denied::NotFound));
                }
                // The new owner first: there is always one.
                members::set_role(tx, (id, user), &owner, span.now).await?;
                members::set_role(tx, (id, asker.user), &admin, span.now).await?;
                end_tokens(tx, &[user, asker.user], &events, span).await?;
                Ok(Ok(()))
            })
        });
        done.await??;
        self.look_again("handing over an account").await;
        Ok(())
    }

    /// Takes a member out of an account; themselves, if they are the caller. Whose only account it was gets one of
    /// their own.
    pub async fn remove_member(
        &self,
        (id, user): (AccountId, UserId),
        caller: &Caller,
        client: &Client,
    ) -> Result<(), AccountError> {
        let asker = caller.asker().ok_or(AccountError::SessionEnded)?;
        let mut event = self.account_event(EventKind::MemberRemoved, id, caller, client);
        event.user = Some(user);
        let (span, spare) = (self.span(), self.spare_account(user).await?);
        let done = self.store.write(move |tx| {
            let (event, spare) = (event.clone(), spare.clone());
            Box::pin(async move {
                let own = match enter(tx, id, asker, span.now).await? {
                    Ok(role) => role,
                    Err(denied) => return Ok(Err(denied)),
                };
                let Some(role) = members::role_of(tx, (id, user)).await? else {
                    return Ok(Err(Denied::NotFound));
                };
                if user != asker.user && !may_touch(&own, &role) {
                    return Ok(Err(Denied::Forbidden));
                }
                let left = members::leave(tx, (id, user), Leaving::Behind, &spare, span.now).await?;
                let Some(changed) = left else { return Ok(Err(Denied::LastOwner)) };
                end_tokens(tx, &changed, &[event], span).await?;
                Ok(Ok(()))
            })
        });
        done.await??;
        self.look_again("removing a member").await;
        Ok(())
    }

    /// Puts another of the caller's accounts into the next tokens of their session, and those so far to an end; with
    /// `home`, new sessions and API tokens are of that account, too.
    pub async fn switch_account(
        &self,
        id: AccountId,
        home: bool,
        caller: &Caller,
        client: &Client,
    ) -> Result<Membership, AccountError> {
        let session = caller.session().ok_or(AccountError::SessionEnded)?;
        let span = self.span();
        let switch = Switch { session: session.uuid(), user: caller.user, account: id, home, now: span.now };
        let mut event = self.account_event(EventKind::AccountSwitched, id, caller, client);
        (event.session, event.user) = (Some(session), Some(caller.user));
        let done = self.store.write(move |tx| {
            let event = event.clone();
            Box::pin(async move {
                let generation = match members::switch(tx, &switch).await? {
                    Some(generation) => generation,
                    None if home => return Err(StoreError::Refused),
                    None => return Ok(Err(Denied::NotFound)),
                };
                if home {
                    api_tokens::renew_all(tx, switch.user).await?;
                }
                audit::append(tx, &event).await?;
                revocations::append_upto(tx, switch.session, generation, span).await?;
                if home {
                    revocations::append_api_tokens(tx, switch.user, span).await?;
                }
                Ok(Ok(()))
            })
        });
        match done.await {
            Err(StoreError::Refused) => return Err(AccountError::NotFound),
            done => done??,
        }
        self.look_again("a change of account").await;
        self.account_of(id, caller).await
    }

    /// An account for whoever may be left with none.
    async fn spare_account(&self, user: UserId) -> Result<accounts::NewAccount, AccountError> {
        let user = self.store.user(user).await?.ok_or(AccountError::NotFound)?;
        let owner = user.profile.name.as_deref().or(user.username.as_ref().map(Username::as_str));
        let owner = owner.unwrap_or_else(|| user.email.as_str().split('@').next().unwrap_or_default());
        Ok(self.new_account(format!("{owner}'s Account"), self.further_subscription()))
    }

    /// What an account begins with that is not somebody's first: no trial again.
    fn further_subscription(&self) -> Option<portcullis_core::subscription::Subscription> {
        let on_trial = self.settings.registration.trial_days.is_some_and(|days| days > 0);
        if on_trial { None } else { self.first_subscription(None) }
    }

    fn role_event(
        &self,
        (id, user): (AccountId, UserId),
        role: &Role,
        caller: &Caller,
        client: &Client,
    ) -> Event {
        let mut event = self.account_event(EventKind::MemberRoleChanged, id, caller, client);
        event.user = Some(user);
        event.detail.insert("role".into(), role.as_str().into());
        event
    }

    pub(crate) fn account_event(
        &self,
        kind: EventKind,
        id: AccountId,
        caller: &Caller,
        client: &Client,
    ) -> Event {
        let mut event = self.event(kind);
        (event.actor, event.address) = (Some(caller.actor()), Some(client.address));
        event.detail.insert("account".into(), id.to_string().into());
        event
    }
}
