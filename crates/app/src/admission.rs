//! Who may register, decided in one place, whatever way they come:
//!
//! 1. `registration.mode = "closed"`: nobody.
//! 2. An account invite has priority: it stands in the place of a platform invite.
//! 3. A platform invite: needed with `mode = "invite"`, taken with `open` for what it brings.
//! 4. The address: its domain may be refused.
//! 5. The operator's own service, if there is one ([`crate::registration_hook`]).
//!
//! What comes of it is an [`Admission`], which the transaction that makes the user spends. Until then nothing is
//! written: somebody else may spend the invite first, and the guard in the database says so.

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::{InviteId, UserId};
use portcullis_core::invite::{self, Invite, Kind, Refusal};
use portcullis_core::link::PresentedLink;
use portcullis_core::registration::{Mode, beginning, may_come};
use portcullis_core::subscription::Subscription;
use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;
use portcullis_store::users::{Home, NewUser};
use portcullis_store::{StoreError, Tx, audit, invites};
use thiserror::Error;

use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::registration_hook::Candidate;

/// Codes that somebody who registers has been given.
#[derive(Clone, Default)]
pub struct Codes {
    /// Of a platform invite.
    pub platform: Option<String>,
    /// Of an account invite.
    pub account: Option<String>,
}

impl Codes {
    /// Whatever is typed into the one field of a page, or came there by a link: that may be of either kind.
    pub fn typed(text: &str) -> Self {
        let text = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let account = text.clone().filter(|text| invite::is_link(text));
        Self { platform: text, account }
    }
}

/// Why somebody may not register.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotAdmitted {
    /// Nobody may.
    #[error("registration is closed")]
    Closed,
    /// Not without an invite.
    #[error("an invite is needed")]
    InviteRequired,
    /// Not with this invite.
    #[error("the invite is not good: {0:?}")]
    Invite(Refusal),
    /// Not with an address of this domain.
    #[error("the address is of a domain that may not register")]
    Domain,
    /// The operator's service says no, and why.
    #[error("the operator's service refused")]
    Refused(Option<String>),
}

/// Somebody who may register, and by what.
#[derive(Clone, Debug)]
pub struct Admission {
    pub(crate) invite: Option<Invite>,
    /// What an account of their own begins with.
    subscription: Option<Subscription>,
}

impl Admission {
    /// The invite that lets them in: to be kept with a registration that is made into a user later.
    pub fn invite(&self) -> Option<InviteId> {
        self.invite.as_ref().map(|invite| invite.id)
    }

    /// Where the user who is to be made starts: in the account that they are invited to, or in their own.
    pub(crate) fn settle(&self, new: &mut NewUser) {
        if let Some((account, role)) = self.invite.as_ref().and_then(|invite| invite.account.clone()) {
            new.home = Home::Joined(account, role);
        } else if let Home::Own(account) = &mut new.home {
            account.subscription.clone_from(&self.subscription);
        }
    }

    /// The events of a user who is made by it.
    pub(crate) fn events(&self, cx: &Cx, registered: Event) -> Vec<Event> {
        let mut events = vec![registered];
        if let Some(invite) = &self.invite {
            let like = |kind| {
                let mut event = cx.event(kind);
                let first = &events[0];
                (event.actor, event.user, event.address) = (first.actor, first.user, first.address);
                event.detail.insert("invite".into(), invite.id.to_string().into());
                event
            };
            let mut more = vec![like(EventKind::InviteUsed)];
            if let Some((account, role)) = &invite.account {
                let mut joined = like(EventKind::MemberJoined);
                joined.detail.insert("account".into(), account.to_string().into());
                joined.detail.insert("role".into(), role.as_str().into());
                more.push(joined);
            }
            events.extend(more);
        }
        events
    }

    /// Spends what lets `user` in, in the transaction that makes them. [`StoreError::Refused`], which undoes that:
    /// somebody else has spent it, or it was taken back.
    pub(crate) async fn spend(
        &self,
        tx: &mut Tx,
        user: UserId,
        events: &[Event],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(invite) = &self.invite
            && !invites::spend(tx, invite.id, user, now).await?
        {
            return Err(StoreError::Refused);
        }
        for event in events {
            audit::append(tx, event).await?;
        }
        Ok(())
    }
}

/// Why there is no admission.
#[derive(Debug, Error)]
pub enum AdmissionError {
    /// They may not.
    #[error(transparent)]
    Not(#[from] NotAdmitted),
    /// The operator's service cannot be asked, or gives no answer that can be read: why, for the log.
    #[error("registration.hook_url: {0}")]
    HookUnavailable(String),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Cx {
    /// Whether somebody may register with `codes`.
    pub async fn admit_registration(
        &self,
        who: Candidate<'_>,
        codes: &Codes,
        client: &Client,
    ) -> Result<Admission, AdmissionError> {
        let rules = &self.settings.registration;
        let mode = self.runtime().registration_mode;
        if mode == Mode::Closed {
            return Err(NotAdmitted::Closed.into());
        }
        // A field that was left empty is none.
        let given = |code: &Option<String>| code.clone().filter(|code| !code.trim().is_empty());
        let invite = match (&given(&codes.account), &given(&codes.platform)) {
            (Some(code), Some(same)) if code == same => Some(self.find_any_invite(code).await?),
            (Some(code), _) => Some(self.find_invite(Kind::Account, code).await?),
            (None, Some(code)) => Some(self.find_invite(Kind::Platform, code).await?),
            (None, None) if mode == Mode::Invite => return Err(NotAdmitted::InviteRequired.into()),
            (None, None) => None,
        };
        if let Some(invite) = &invite {
            invite.admits(who.email, self.clock.now()).map_err(NotAdmitted::Invite)?;
        }
        if !may_come(who.email, &rules.allowed_domains, &rules.refused_domains) {
            return Err(NotAdmitted::Domain.into());
        }
        self.ask_hook(who, invite.as_ref(), client).await?;
        Ok(self.admission(invite))
    }

    /// The admission of a registration that was allowed before, with the invite that it has kept.
    pub async fn admitted_by(
        &self,
        email: &Email,
        invite: Option<InviteId>,
    ) -> Result<Admission, AdmissionError> {
        let Some(id) = invite else { return Ok(self.admission(None)) };
        let invite = self.store.invite(id).await.map_err(Fault::from)?;
        let invite = invite.ok_or(NotAdmitted::Invite(Refusal::Invalid))?;
        invite.admits(email, self.clock.now()).map_err(NotAdmitted::Invite)?;
        Ok(self.admission(Some(invite)))
    }

    fn admission(&self, invite: Option<Invite>) -> Admission {
        let subscription = self.first_subscription(invite.as_ref());
        Admission { invite, subscription }
    }

    /// What the account of somebody new begins with.
    pub(crate) fn first_subscription(&self, invite: Option<&Invite>) -> Option<Subscription> {
        let rules = &self.settings.registration;
        let now = self.clock.now();
        let (plan, days) = match invite {
            Some(Invite { plan: Some(plan), trial_days, .. }) => (Some(plan), *trial_days),
            Some(Invite { trial_days: Some(days), .. }) => (rules.default_plan.as_ref(), Some(*days)),
            _ => (rules.default_plan.as_ref(), rules.trial_days),
        };
        plan.map(|plan| beginning(plan.clone(), days, now))
    }

    pub(crate) async fn find_invite(&self, kind: Kind, code: &str) -> Result<Invite, AdmissionError> {
        let link = PresentedLink::parse(code.trim()).filter(|_| kind == Kind::Platform);
        let found = if let Some(link) = link {
            self.invite_by_link(&link).await?
        } else {
            self.store.invite_by_code(kind, invite::digest(kind, code)).await.map_err(Fault::from)?
        };
        Ok(found.ok_or(NotAdmitted::Invite(Refusal::Invalid))?)
    }

    /// The invite of a code that may be of either kind.
    pub(crate) async fn find_any_invite(&self, code: &str) -> Result<Invite, AdmissionError> {
        match self.find_invite(Kind::Account, code).await {
            Err(AdmissionError::Not(_)) => self.find_invite(Kind::Platform, code).await,
            found => found,
        }
    }

    /// The platform invite whose mail has this link.
    async fn invite_by_link(&self, link: &PresentedLink) -> Result<Option<Invite>, Fault> {
        if self.ring.get(link.key).is_none() {
            self.judge_unknown_key(link.key).await?;
        }
        let found = self.store.invite(InviteId::from_uuid(link.id.uuid())).await?;
        Ok(found.filter(|invite| invite.kind() == Kind::Platform && link.is_of(&invite.link(), &self.ring)))
    }

    /// Why `admission` could not be spent.
    pub(crate) async fn why_not_spent(&self, admission: &Admission, email: &Email) -> AdmissionError {
        match self.admitted_by(email, admission.invite()).await {
            // It was good before and after, and not in between: nobody can tell more.
            Ok(_) => NotAdmitted::Invite(Refusal::Invalid).into(),
            Err(error) => error,
        }
    }
}
