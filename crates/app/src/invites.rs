//! Invites: made by administrators and operators (to the platform or to any account), or by whoever manages an
//! account (to that account, for one address); listed, mailed once more, taken back, accepted.
//!
//! Who asks, and by which role, is read in the transaction that writes, while the account is held: a token may be
//! older than the role that it says.

use std::time::Duration;

use portcullis_core::account::{manages, may_touch};
use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::{AccountId, InviteId, MailId};
use portcullis_core::invite::{Code, Invite, Kind, MAX_DAYS, MAX_TRIAL_DAYS, MAX_USES, Refusal, State};
use portcullis_core::link::LinkPurpose;
use portcullis_core::mail::{Mail, Template};
use portcullis_core::subscription::Plan;
use portcullis_core::user::{Email, Role};
use portcullis_core::validation::FieldError;
use portcullis_store::invites::{self, Renewal, Which};
use portcullis_store::sessions::{Asker, hold_asker};
use portcullis_store::{StoreError, Tx, accounts, audit, members, outbox};
use serde_json::Map;
use thiserror::Error;

use crate::accounts::{AccountError, Denied, enter};
use crate::admission::{AdmissionError, NotAdmitted};
use crate::bearer::Caller;
use crate::client::Client;
use crate::clients::By;
use crate::cx::Cx;
use crate::fault::Fault;

/// Lifetime of a platform invite that asks for none, in days.
const PLATFORM_DAYS: u32 = 30;
const DAY: Duration = Duration::from_hours(24);

/// An invite that is asked for.
#[derive(Clone, Debug, Default)]
pub struct InviteRequest {
    /// Only for this address.
    pub email: Option<String>,
    /// The account to join.
    pub account: Option<AccountId>,
    /// The role in it; `member` if none is given.
    pub account_role: Option<String>,
    /// Plan of the account that is made.
    pub plan: Option<String>,
    /// Days of trial.
    pub trial_days: Option<i64>,
    /// How often it may be used; once if it is not said.
    pub uses: Option<i64>,
    /// Lifetime in days.
    pub expires_in_days: Option<i64>,
}

/// An invite with its code.
#[derive(Debug)]
pub struct NewInvite {
    /// The code.
    pub code: Code,
    /// The invite.
    pub invite: Invite,
}

/// Why there is no invite.
#[derive(Debug, Error)]
pub enum InviteError {
    /// Fields are wrong.
    #[error("{}", .0.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join(" "))]
    Invalid(Vec<FieldError>),
    /// There is none.
    #[error("there is no such invite")]
    NotFound,
    /// It is used up, or was taken back.
    #[error("the invite cannot be used any more")]
    Spent(State),
    /// Who asks is no administrator any more, or their session has ended.
    #[error("whoever asks has changed meanwhile")]
    Moved,
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<StoreError> for InviteError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

/// `value`, if it is 1 to `most`.
fn counted(field: &'static str, value: i64, most: u32) -> Result<u32, FieldError> {
    let fitting = u32::try_from(value).ok().filter(|value| (1..=most).contains(value));
    let wrong = || FieldError::new(field, "out_of_range", format!("Use a whole number from 1 to {most}."));
    fitting.ok_or_else(wrong)
}

fn only_with(field: &'static str, other: &str) -> FieldError {
    FieldError::new(field, "contradiction", format!("Give `{field}` only {other}."))
}

impl Cx {
    fn check_invite(&self, request: InviteRequest) -> Result<NewInvite, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut keep = |error: FieldError| errors.push(error);
        let now = self.clock.now();
        let email = request.email.map(|email| Email::parse("email", &email));
        let email = email.transpose().map_err(&mut keep).ok().flatten();
        let role = request.account_role.as_deref().map(|role| Role::parse("account_role", role));
        let role = role.transpose().map_err(&mut keep).ok().flatten();
        let plan = request.plan.as_deref().map(|plan| Plan::parse("plan", plan));
        let plan = plan.transpose().map_err(&mut keep).ok().flatten();
        let trial_days = request.trial_days.map(|days| counted("trial_days", days, MAX_TRIAL_DAYS));
        let trial_days = trial_days.transpose().map_err(&mut keep).ok().flatten();
        let uses = counted("uses", request.uses.unwrap_or(1), MAX_USES).map_err(&mut keep).unwrap_or(1);
        let days = request.expires_in_days.map(|days| counted("expires_in_days", days, MAX_DAYS));
        let days = days.transpose().map_err(&mut keep).ok().flatten();
        let lifetime = match (days, request.account) {
            (Some(days), _) => DAY * days,
            (None, None) => DAY * PLATFORM_DAYS,
            (None, Some(_)) => self.link_lifetime(LinkPurpose::AccountInvite),
        };
        match request.account {
            None if role.is_some() => keep(only_with("account_role", "with `account_id`")),
            Some(_) if plan.is_some() => keep(only_with("plan", "without `account_id`")),
            Some(_) if trial_days.is_some() => keep(only_with("trial_days", "without `account_id`")),
            _ => {}
        }
        let has_plan = plan.is_some() || self.settings.registration.default_plan.is_some();
        if trial_days.is_some() && !has_plan && request.account.is_none() {
            keep(only_with("trial_days", "with `plan`, or set `registration.default_plan`"));
        }
        if email.is_some() && uses > 1 {
            keep(only_with("uses", "without `email`: one address registers once"));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let id = InviteId::new(now, &*self.random);
        let key_id = self.ring.current().id();
        let missing = || vec![FieldError::new("code", "no_key", "No server key is at hand.")];
        let account = request.account.map(|id| (id, role.unwrap_or_else(|| Role::from_stored(Role::MEMBER))));
        let mut invite = Invite {
            id,
            email,
            account,
            plan,
            trial_days,
            uses,
            used: 0,
            shown: String::new(),
            key_id,
            created_by: None,
            created_at: now,
            expires_at: Some(now + lifetime),
            revoked_at: None,
        };
        let code = Code::of(&invite, &self.ring).ok_or_else(missing)?;
        code.shown().clone_into(&mut invite.shown);
        Ok(NewInvite { code, invite })
    }

    /// The mail that brings an invite, if it is for an address.
    async fn invite_mail(&self, invite: &Invite, by: Option<&Caller>) -> Result<Option<Mail>, Fault> {
        let Some(to) = invite.email.clone() else { return Ok(None) };
        let now = self.clock.now();
        let mut parameters = Map::new();
        if let Some(caller) = by {
            let inviter = self.store.user(caller.user).await?;
            if let Some(name) = inviter.and_then(|user| user.profile.name) {
                parameters.insert("inviter".into(), name.into());
            }
        }
        let template = match &invite.account {
            None => Template::Invite,
            Some((account, role)) => {
                if let Some(account) = self.store.account(*account).await? {
                    parameters.insert("account".into(), account.name.into());
                }
                parameters.insert("role".into(), role.as_str().into());
                Template::AccountInvite
            }
        };
        Ok(Some(Mail {
            id: MailId::new(now, &*self.random),
            template,
            to,
            user: None,
            locale: None,
            parameters,
            link: Some((invite.link(), invite.key_id)),
            created_at: now,
            expires_at: invite.expires_at,
        }))
    }

    /// Makes an invite of any kind.
    pub async fn create_invite(&self, request: InviteRequest, by: By<'_>) -> Result<NewInvite, InviteError> {
        let mut made = self.check_invite(request).map_err(InviteError::Invalid)?;
        let asker = match by {
            By::Administrator(caller, _) => {
                made.invite.created_by = Some(caller.user);
                Some(caller.asker().ok_or(InviteError::Moved)?)
            }
            By::Operator => None,
        };
        let event = self.invite_event(EventKind::InviteCreated, &made.invite, by);
        let inviter = match by {
            By::Administrator(caller, _) => Some(caller),
            By::Operator => None,
        };
        let mail = self.invite_mail(&made.invite, inviter).await?;
        let (new, digest) = (made.invite.clone(), made.code.digest());
        let done = self.store.write(move |tx| {
            let (new, event, mail) = (new.clone(), event.clone(), mail.clone());
            Box::pin(async move {
                if let Some(asker) = asker
                    && hold_asker(tx, asker, true, new.created_at).await?.is_none()
                {
                    return Ok(None);
                }
                let done = invites::insert(tx, &new, digest).await?;
                if done {
                    send(tx, mail.as_ref()).await?;
                    audit::append(tx, &event).await?;
                }
                Ok(Some(done))
            })
        });
        match done.await? {
            Some(true) => {
                self.mail_nudge();
                Ok(made)
            }
            Some(false) => {
                let message = "There is no such account.";
                Err(InviteError::Invalid(vec![FieldError::new("account_id", "unknown", message)]))
            }
            None => Err(InviteError::Moved),
        }
    }

    /// All invites, newest first, made before one.
    pub async fn list_invites(&self, before: Option<InviteId>, limit: i64) -> Result<Vec<Invite>, Fault> {
        Ok(self.store.invites(Which::All, before, limit).await?)
    }

    /// One invite.
    pub async fn get_invite(&self, id: InviteId) -> Result<Invite, InviteError> {
        self.store.invite(id).await?.ok_or(InviteError::NotFound)
    }

    /// Takes an invite back.
    pub async fn revoke_invite(&self, id: InviteId, by: By<'_>) -> Result<(), InviteError> {
        let invite = self.get_invite(id).await?;
        let event = self.invite_event(EventKind::InviteRevoked, &invite, by);
        let now = self.clock.now();
        let done = self.store.write(move |tx| {
            let event = event.clone();
            Box::pin(async move {
                let done = invites::revoke(tx, id, now).await?;
                if done {
                    audit::append(tx, &event).await?;
                }
                Ok(done)
            })
        });
        if done.await? { Ok(()) } else { Err(self.why_spent(id).await?) }
    }

    async fn why_spent(&self, id: InviteId) -> Result<InviteError, InviteError> {
        Ok(InviteError::Spent(self.get_invite(id).await?.state(self.clock.now())))
    }

    /// The event of what happens to an invite. What it is bound to stays out: addresses are in the invite's row.
    fn invite_event(&self, kind: EventKind, invite: &Invite, by: By<'_>) -> Event {
        let mut event = self.event(kind);
        match by {
            By::Administrator(caller, client) => {
                (event.actor, event.address) = (Some(caller.user), Some(client.address));
            }
            By::Operator => {
                event.detail.insert("by".into(), "operator".into());
            }
        }
        event.detail.insert("invite".into(), invite.id.to_string().into());
        if let Some((account, role)) = &invite.account {
            event.detail.insert("account".into(), account.to_string().into());
            event.detail.insert("role".into(), role.as_str().into());
        }
        event
    }
}

/// What a page may show of an invite to whoever holds its code.
#[derive(Clone, Debug)]
pub struct ShownInvite {
    /// Name of the account to join; `None`: an invite to the server.
    pub account: Option<String>,
}

impl Cx {
    /// An invite that can still be used, by a code of either kind.
    pub async fn shown_invite(&self, code: &str) -> Result<ShownInvite, AdmissionError> {
        let invite = self.find_any_invite(code).await?;
        invite.is_open(self.clock.now()).map_err(NotAdmitted::Invite)?;
        let account = match &invite.account {
            Some((account, _)) => self.store.account(*account).await.map_err(Fault::from)?,
            None => None,
        };
        Ok(ShownInvite { account: account.map(|account| account.name) })
    }
}

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
        let now = self.clock.now();
        let done = self.store.write(move |tx| {
            let event = event.clone();
            Box::pin(async move {
                if let Err(denied) = managing(tx, account, asker, now).await? {
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
        let now = self.clock.now();
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
            Box::pin(async move {
                if let Err(denied) = managing(tx, account, asker, now).await? {
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
async fn send(tx: &mut Tx, mail: Option<&Mail>) -> Result<(), StoreError> {
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
    account: AccountId,
    asker: Asker,
    now: portcullis_core::time::Timestamp,
) -> Result<Result<(), Denied>, StoreError> {
    Ok(enter(tx, account, asker, now)
        .await?
        .and_then(|role| if manages(&role) { Ok(()) } else { Err(Denied::Forbidden) }))
}
