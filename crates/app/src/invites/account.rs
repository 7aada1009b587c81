//! Invites to an account, by whoever manages it; and whoever accepts one.

use std::time::Duration;

use portcullis_core::account::may_touch;
use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::{AccountId, InviteId};
use portcullis_core::invite::{Code, Invite, Kind, Refusal};
use portcullis_core::link::LinkPurpose;
use portcullis_core::mail::Mail;
use portcullis_core::rate::Rate;
use portcullis_core::user::Role;
use portcullis_core::validation::FieldError;
use portcullis_store::invites::{self, Renewal, Which};
use portcullis_store::sessions::{Asker, hold_asker};
use portcullis_store::{StoreError, Tx, accounts, audit, members, outbox};

use super::{InviteRequest, NewInvite};
use crate::accounts::{AccountError, Denied, enter};
use crate::admission::{AdmissionError, NotAdmitted};
use crate::bearer::Caller;
use crate::client::Client;
use crate::clients::By;
use crate::cx::Cx;
use crate::fault::Fault;

/// Most invites that one user can have mailed.
const PER_USER: Rate = Rate { count: 30, per: Duration::from_hours(1) };

/// An invite to an account, by one of its managers.
#[derive(Clone, Debug)]
pub struct AccountInviteRequest {
    /// For whom.
    pub email: String,
    /// The role that they get; `member` if none is given.
    pub role: Option<String>,
    /// Lifetime in days.
    pub expires_in_days: Option<i64>,
}

/// Checked: the field is called otherwise here.
fn of_member(mut errors: Vec<FieldError>) -> AccountError {
    for error in &mut errors {
        if error.field == "account_role" {
            error.field = "role";
        }
    }
    AccountError::Invalid(errors)
}

impl Cx {
    /// Invites somebody to an account that the caller manages.
    pub async fn invite_member(
        &self,
        account: AccountId,
        request: AccountInviteRequest,
        caller: &Caller,
        client: &Client,
    ) -> Result<NewInvite, AccountError> {
        let asker = caller.asker().ok_or(AccountError::SessionEnded)?;
        self.limit_invites(caller).await?;
        let request = InviteRequest {
            email: Some(request.email),
            account: Some(account),
            account_role: request.role,
            expires_in_days: request.expires_in_days,
            ..InviteRequest::default()
        };
        let mut made = self.check_invite(request).map_err(of_member)?;
        made.invite.created_by = Some(caller.user);
        let event =
            self.invite_event(EventKind::InviteCreated, &made.invite, By::Administrator(caller, client));
        let mail = self.invite_mail(&made.invite, Some(caller)).await?;
        let (new, digest) = (made.invite.clone(), made.code.digest());
        let done = self.store.write(move |tx| {
            let (new, event, mail) = (new.clone(), event.clone(), mail.clone());
            Box::pin(async move {
                let role = match enter(tx, account, asker, new.created_at).await? {
                    Ok(role) => role,
                    Err(denied) => return Ok(Err(denied)),
                };
                if !new.account.as_ref().is_some_and(|(_, wanted)| may_touch(&role, wanted)) {
                    return Ok(Err(Denied::Forbidden));
                }
                invites::insert(tx, &new, digest).await?;
                send(tx, mail.as_ref()).await?;
                audit::append(tx, &event).await?;
                Ok(Ok(()))
            })
        });
        done.await??;
        self.mail_nudge();
        Ok(made)
    }

    /// Invites to an account that the caller manages, newest first.
    pub async fn account_invites(
        &self,
        account: AccountId,
        caller: &Caller,
        before: Option<InviteId>,
        limit: i64,
    ) -> Result<Vec<Invite>, AccountError> {
        self.managed(account, caller).await?;
        Ok(self.store.invites(Which::Of(account), before, limit).await?)
    }

    /// Takes back an invite to an account that the caller manages.
    pub async fn revoke_account_invite(
        &self,
        (account, id): (AccountId, InviteId),
        caller: &Caller,
        client: &Client,
    ) -> Result<(), AccountError> {
        let asker = caller.asker().ok_or(AccountError::SessionEnded)?;
        let invite = self.invite_of(account, id).await?;
        let event = self.invite_event(EventKind::InviteRevoked, &invite, By::Administrator(caller, client));
        let (now, role) = (self.clock.now(), role_of(&invite)?);
        let done = self.store.write(move |tx| {
            let (event, role) = (event.clone(), role.clone());
            Box::pin(async move {
                if let Err(denied) = managing(tx, (account, asker), &role, now).await? {
                    return Ok(Err(denied));
                }
                if !invites::revoke(tx, id, now).await? {
                    return Ok(Err(Denied::InviteSpent));
                }
                audit::append(tx, &event).await?;
                Ok(Ok(()))
            })
        });
        Ok(done.await??)
    }

    /// Renews an invite to an account that the caller manages: its code is good for another while. The code is the
    /// same as before, unless the server key has changed.
    pub async fn resend_account_invite(
        &self,
        (account, id): (AccountId, InviteId),
        caller: &Caller,
        client: &Client,
    ) -> Result<NewInvite, AccountError> {
        let asker = caller.asker().ok_or(AccountError::SessionEnded)?;
        let invite = self.invite_of(account, id).await?;
        self.limit_invites(caller).await?;
        let (now, role) = (self.clock.now(), role_of(&invite)?);
        let key_id = self.ring.current().id();
        let renewed = Invite {
            key_id,
            expires_at: invite
                .expires_at
                .map(|at| at.max(now + self.link_lifetime(LinkPurpose::AccountInvite))),
            ..invite.clone()
        };
        let code = Code::of(&renewed, &self.ring).ok_or(Fault::ServerKeyMissing(key_id))?;
        let mail = self.invite_mail(&renewed, Some(caller)).await?;
        let event = self.invite_event(EventKind::InviteResent, &invite, By::Administrator(caller, client));
        let renewal = Renewal {
            id,
            code: code.digest(),
            shown: code.shown().to_owned(),
            key_id,
            expires_at: renewed.expires_at,
        };
        let done = self.store.write(move |tx| {
            let (renewal, event, mail) = (renewal.clone(), event.clone(), mail.clone());
            let role = role.clone();
            Box::pin(async move {
                if let Err(denied) = managing(tx, (account, asker), &role, now).await? {
                    return Ok(Err(denied));
                }
                let Some(invite) = invites::renew(tx, &renewal).await? else {
                    return Ok(Err(Denied::InviteSpent));
                };
                send(tx, mail.as_ref()).await?;
                audit::append(tx, &event).await?;
                Ok(Ok(invite))
            })
        });
        let invite = done.await??;
        self.mail_nudge();
        Ok(NewInvite { code, invite })
    }

    /// Whoever registers can invite: their mails go out under our name, with words of theirs in them.
    async fn limit_invites(&self, caller: &Caller) -> Result<(), AccountError> {
        if self.settings.rates.is_none() {
            return Ok(());
        }
        let key = self.counter("invites of", &[caller.user.uuid().as_bytes()]);
        Ok(self.take("account_invites", key, PER_USER).await?)
    }

    async fn invite_of(&self, account: AccountId, id: InviteId) -> Result<Invite, AccountError> {
        let found = self.store.invite(id).await?;
        let found = found.filter(|invite| invite.account.as_ref().is_some_and(|(of, _)| *of == account));
        found.ok_or(AccountError::NotFound)
    }

    /// Joins the account that a code invites the caller to; which.
    pub async fn accept_invite(
        &self,
        code: &str,
        caller: &Caller,
        client: &Client,
    ) -> Result<accounts::Membership, AccountError> {
        let asker = caller.asker().ok_or(AccountError::SessionEnded)?;
        let user = self.store.user(caller.user).await?.ok_or(AccountError::SessionEnded)?;
        let now = self.clock.now();
        let invite = match self.find_invite(Kind::Account, code).await {
            Ok(invite) => invite,
            Err(AdmissionError::Not(not)) => return Err(AccountError::NotAdmitted(not)),
            // Finding an invite asks nobody else.
            Err(AdmissionError::HookUnavailable(why)) => return Err(Fault::Internal(why).into()),
            Err(AdmissionError::Fault(fault)) => return Err(fault.into()),
        };
        invite.admits(&user.email, now).map_err(NotAdmitted::Invite)?;
        let Some((account, role)) = invite.account.clone() else {
            return Err(NotAdmitted::Invite(Refusal::Invalid).into());
        };
        let like = |kind| {
            let mut event = self.invite_event(kind, &invite, By::Administrator(caller, client));
            event.user = Some(user.id);
            event
        };
        let events = [like(EventKind::InviteUsed), like(EventKind::MemberJoined)];
        let id = invite.id;
        let done = self.store.write(move |tx| {
            let (role, events) = (role.clone(), events.clone());
            Box::pin(async move { join(tx, (account, id, asker), &role, &events).await })
        });
        match done.await {
            Ok(Ok(())) => {}
            Ok(Err(denied)) => return Err(denied.into()),
            Err(StoreError::Refused) => {
                let invite = self.store.invite(id).await?;
                let why = invite.map_or(Err(Refusal::Invalid), |invite| invite.admits(&user.email, now));
                return Err(NotAdmitted::Invite(why.err().unwrap_or(Refusal::Invalid)).into());
            }
            Err(error) => return Err(error.into()),
        }
        self.account_of(account, caller).await
    }
}

/// Puts the mail of an invite, if there is one, into the outbox, with the invite itself.
pub(super) async fn send(tx: &mut Tx, mail: Option<&Mail>) -> Result<(), StoreError> {
    match mail {
        Some(mail) => outbox::enqueue(tx, mail).await,
        None => Ok(()),
    }
}

/// Joins, and spends the invite.
async fn join(
    tx: &mut Tx,
    (account, invite, asker): (AccountId, InviteId, Asker),
    role: &Role,
    events: &[Event],
) -> Result<Result<(), Denied>, StoreError> {
    let now = events[0].at;
    if !accounts::hold(tx, account).await? {
        return Err(StoreError::Refused);
    }
    if hold_asker(tx, asker, false, now).await?.is_none() {
        return Ok(Err(Denied::SessionEnded));
    }
    if !members::join(tx, (account, asker.user), role, now).await? {
        return Ok(Err(Denied::AlreadyMember));
    }
    if !invites::spend(tx, invite, asker.user, now).await? {
        return Err(StoreError::Refused);
    }
    for event in events {
        audit::append(tx, event).await?;
    }
    Ok(Ok(()))
}

/// That whoever asks manages the account, which is held from here on.
async fn managing(
    tx: &mut Tx,
    (account, asker): (AccountId, Asker),
    invited: &Role,
    now: portcullis_core::time::Timestamp,
) -> Result<Result<(), Denied>, StoreError> {
    Ok(enter(tx, account, asker, now)
        .await?
        .and_then(|role| if may_touch(&role, invited) { Ok(()) } else { Err(Denied::Forbidden) }))
}

/// The role that an invite to an account gives.
fn role_of(invite: &Invite) -> Result<Role, AccountError> {
    invite.account.as_ref().map(|(_, role)| role.clone()).ok_or(AccountError::NotFound)
}
