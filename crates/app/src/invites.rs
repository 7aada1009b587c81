//! Invites: made by administrators and operators (to the platform or to any account), or by whoever manages an
//! account (to that account, for one address); listed, mailed once more, taken back, accepted.
//!
//! Who asks, and by which role, is read in the transaction that writes, while the account is held: a token may be
//! older than the role that it says.

mod account;

use std::time::Duration;

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::{AccountId, InviteId, MailId};
use portcullis_core::invite::{Code, Invite, MAX_DAYS, MAX_TRIAL_DAYS, MAX_USES, State};
use portcullis_core::link::LinkPurpose;
use portcullis_core::mail::{Mail, Template};
use portcullis_core::subscription::Plan;
use portcullis_core::user::{Email, Role};
use portcullis_core::validation::FieldError;
use portcullis_store::invites::{self, Which};
use portcullis_store::sessions::hold_asker;
use portcullis_store::{StoreError, audit};
use serde_json::Map;
use thiserror::Error;

use crate::admission::{AdmissionError, NotAdmitted};
use crate::bearer::Caller;
use crate::clients::By;
use crate::cx::Cx;
use crate::fault::Fault;

pub use account::AccountInviteRequest;
use account::send;

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
        let asker = match by {
            By::Administrator(caller, _) => Some(caller.asker().ok_or(InviteError::Moved)?),
            By::Operator => None,
        };
        let done = self.store.write(move |tx| {
            let event = event.clone();
            Box::pin(async move {
                if let Some(asker) = asker
                    && hold_asker(tx, asker, true, now).await?.is_none()
                {
                    return Ok(None);
                }
                let done = invites::revoke(tx, id, now).await?;
                if done {
                    audit::append(tx, &event).await?;
                }
                Ok(Some(done))
            })
        });
        match done.await? {
            Some(true) => Ok(()),
            Some(false) => Err(self.why_spent(id).await?),
            None => Err(InviteError::Moved),
        }
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
